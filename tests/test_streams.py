"""Standard error without a reader: commands go on and end with the same exit code."""

import json
import os
import subprocess
import sys

import pytest
import small

from minigooglenet.training import checkpoint

TINY = "--width 0.05 --batch 8 --epochs 1"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return small.folder(tmp_path_factory.mktemp("streams") / "shapes", 24, 8)


def shell(line, cwd):
    """(standard output, standard error) of a line of bash, in which $TRAIN is the command."""
    command = f"{sys.executable} -m minigooglenet train --data shapes {TINY}"
    process = subprocess.run(["bash", "-c", line], capture_output=True, text=True, cwd=cwd, timeout=120,
                             env=os.environ | {"TRAIN": command, "PYTHONPATH": str(small.ROOT)})
    return process.stdout, process.stderr


@pytest.mark.parametrize("redirect", ["2>&1 | head -n 1 >/dev/null", "2>&1 | head -n 0", "2>&-", "2>&- >&-",
                                      "2>/dev/full", "2>/dev/full >/dev/full", "2>&- <&- >/dev/null"])
def test_training_goes_on(data, redirect, request):
    out = f"run-{request.node.callspec.id.encode().hex()[:40]}-{len(redirect)}"
    output, errors = shell(f"$TRAIN --out {out} {redirect}; echo ${{PIPESTATUS[0]}}", data.parent)
    assert (output, errors) == ("0\n", "")
    assert checkpoint.load(data.parent / out).progress["step"] == 3
    assert (data.parent / out / "curve.png").exists()


def test_a_result_is_the_whole_standard_output(data):
    output, errors = shell("$TRAIN --out json --json 2>&-", data.parent)
    assert json.loads(output)["dataset"] == "shapes" and output.count("\n") == 1 and errors == ""


def test_an_error_keeps_its_exit_code(data):
    assert shell("$TRAIN --epochs 0 2>&-; echo $?", data.parent) == ("2\n", "")
    assert shell("$TRAIN --epochs 0 2>&1 >/dev/null | head -n 0; echo ${PIPESTATUS[0]}", data.parent) == ("2\n", "")
