"""Training on several hosts, which are namespaces of this machine (benchmarks/hosts.py): the same weights as alone, and
an end in bounded time if a host is gone. Needs root, mpi4py and mpiexec; skipped without."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import small

from benchmarks.hosts import Hosts
from minigooglenet.errors import UserError
from minigooglenet.training import checkpoint

WORKER = small.ROOT / "tests" / "parallel_run.py"


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    if importlib.util.find_spec("mpi4py") is None:
        pytest.skip("mpi4py is not installed")
    if shutil.which("mpiexec") is None:
        pytest.skip("there is no mpiexec")
    path = os.pathsep.join([str(small.ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return os.environ | {"PYTHONPATH": path, "MINIGOOGLENET_THREADS": "1", "MINIGOOGLENET_SILENCE": "2",
                         "MINIGOOGLENET_OFFLINE": "1"}


def hosts(number):
    """Hosts, or a skipped test."""
    try:
        return Hosts(number, delay=1e-4)
    except UserError as error:
        pytest.skip(str(error))


def test_four_hosts_compute_what_one_process_does(environment, tmp_path):
    one = subprocess.Popen([sys.executable, WORKER, tmp_path / "one.npz"], env=environment)
    with hosts(4) as four:
        code = four.mpiexec(4, sys.executable, WORKER, tmp_path / "many.npz", env=environment).wait(120)
    assert code == 0 and one.wait(120) == 0
    alone, many = np.load(tmp_path / "one.npz"), np.load(tmp_path / "many.npz")
    assert alone.files == many.files and len(alone["losses"]) == 4
    for name in alone.files:
        np.testing.assert_allclose(many[name], alone[name], rtol=1e-8, atol=1e-9, err_msg=name)


def until(condition, seconds=60):
    """Wait for it; a test that hangs fails."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize("how", ["kill", "unplug"])
def test_a_host_that_is_gone_ends_the_run_and_fewer_hosts_continue_it(how, environment, tmp_path):
    run, data = tmp_path / "run", small.folder(tmp_path / "data")
    train = [sys.executable, "-m", "minigooglenet", "train", "--data", data, "--out", run, "--model", "lenet5",
             "--norm", "none", "--lr", 0.01, "--batch", 8, "--epochs", 100000, "--json", "--checkpoint-every", 7]
    with hosts(3) as three, open(tmp_path / "errors", "w") as errors:
        process = three.mpiexec(3, *train, env=environment, stdout=errors, stderr=errors)
        until((run / "log.csv").exists)
        getattr(three, how)(2)
        code = process.wait(60)
    lines = [line for line in (tmp_path / "errors").read_text().splitlines()
             if line.startswith(("minigooglenet", "Traceback", "{"))]
    if how == "unplug":
        assert code != 0 and lines == ["minigooglenet: nothing was heard for 2 s of process 2 on host3, so the run "
                                       "ends; train --resume continues it from its last checkpoint"]
    else:
        assert lines == []  # mpiexec says it in words of its own
    step = checkpoint.load(run).progress["step"]
    if how == "kill":  # one resumed run is enough
        return
    before = (run / "checkpoint.safetensors").stat().st_mtime_ns
    with hosts(2) as two, open(tmp_path / "errors", "w") as errors:
        process = two.mpiexec(2, *train, "--resume", env=environment, stdout=errors, stderr=errors)
        until(lambda: (run / "checkpoint.safetensors").stat().st_mtime_ns > before)
        process.send_signal(signal.SIGINT)
        process.wait(60)
    assert checkpoint.load(run).progress["step"] > step > 0


def test_without_root_or_tools_one_line_says_so(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda tool: None if tool == "tc" else tool)
    with pytest.raises(UserError, match="tc is missing; install the packages iproute2"):
        Hosts(2)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(UserError, match="need root"):
        Hosts(2)
