"""Commands in forked processes (``forked.py``) are what they are in processes that start Python."""

import os
import re
import signal
import subprocess
import sys

import forked
import pytest
import small

ENVIRONMENT = os.environ | {"PYTHONPATH": str(small.ROOT), "MINIGOOGLENET_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}
pytestmark = pytest.mark.skipif(not forked.possible(ENVIRONMENT), reason="forks on Linux only")


def ended(process):
    output, errors = process.communicate(timeout=60)
    return process.returncode, output, errors


def started(arguments, folder, environment=ENVIRONMENT):
    return subprocess.Popen([sys.executable, "-m", "minigooglenet", *arguments], cwd=folder, env=environment, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_a_training_is_the_same_and_prints_the_same(tmp_path):
    small.folder(tmp_path / "data", 16, 4)
    told = []
    for name, start in (("one", started), ("two", forked.Process)):
        arguments = ["train", "--data", "data", "--out", name, *small.TINY]
        code, output, errors = ended(start(arguments, tmp_path, ENVIRONMENT))
        assert code == 0 and (tmp_path / name / "curve.png").exists(), errors
        told.append((output, re.sub(rf"{name}| +\d+ images/s|\d:\d\d", "", errors)))
    assert told[0] == told[1] and small.differences(tmp_path / "one", tmp_path / "two") == []


@pytest.mark.parametrize("arguments", [["flops"], ["train", "--data", "nowhere"], ["runs"], ["trian"]], ids=" ".join)
def test_exit_code_and_streams(arguments, tmp_path):
    environment = ENVIRONMENT | {"COLUMNS": "70"}
    found = ended(forked.Process(arguments, tmp_path, environment))
    assert found == ended(started(arguments, tmp_path, environment)) and found[1] + found[2]


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_signals(number, code, tmp_path):
    small.folder(tmp_path / "data", 200, 4)
    process = forked.Process(["train", "--data", "data", *small.TINY, "--epochs", "99"], tmp_path, ENVIRONMENT)
    for line in process.stderr:
        if line.startswith("epoch  "):
            break
    assert process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0)
    process.send_signal(number)
    assert ended(process)[:2] == (code, "") and process.poll() == code


def test_other_switches_start_python():
    assert all(forked.possible(ENVIRONMENT | {name: "1"}) for name in forked.READ_LATE)
    assert not any(forked.possible(ENVIRONMENT | {name: "elsewhere"}) for name in (
        "MINIGOOGLENET_JIT", "NUMBA_CACHE_DIR", "MPLBACKEND", "OMP_NUM_THREADS", "HOME"))
