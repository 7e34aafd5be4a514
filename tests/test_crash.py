"""The harness of tests/crash in a short form, and that it finds what it looks for."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
KINDS = ("kill", "write kill", "fsync EIO", "append ENOSPC")


def crash(*words, **options):
    return subprocess.run([sys.executable, "-m", "crash", *words], capture_output=True, text=True, cwd=HERE.parent,
                          env=os.environ | {"PYTHONPATH": f"{HERE}{os.pathsep}{HERE.parent}"} | options, timeout=500)


@pytest.mark.skipif(sys.platform != "linux", reason="forks and kills processes")
def test_killed_and_failed_trainings_resume_with_the_same_bits():
    ended = crash("--kills", "4", "--faults", "1", *(word for kind in KINDS for word in ("--kind", kind)))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    counts = [line.rsplit(maxsplit=2) for line in ended.stdout.splitlines()[1:-1]]
    assert counts == [["kill", "2", "2"], ["write kill", "2", "2"], ["fsync EIO", "1", "1"],
                      ["append ENOSPC", "1", "1"], ["all", "6", "6"]]


def test_an_injury_happens_at_its_operation(tmp_path):
    """In another process, since it replaces functions."""
    script = """
import errno, os, sys
from crash.injuries import At
from minigooglenet.files import write_atomically
from minigooglenet.errors import UserError
operation, number = sys.argv[1:]
log = os.path.abspath("log")
At(operation, int(number), errno.EIO, log)()
for text in ("one", "two", "three"):
    try:
        write_atomically("file", lambda file: file.write(text), mode="w")
    except UserError as error:
        print(error)
    print(os.listdir("."), open("file").read() if os.path.exists("file") else None)
"""
    for operation, number, contents in (("write", 1, ["one", "one", "three"]), ("fsync", 0, ["None", "two", "three"]),
                                        ("replace", 2, ["one", "two", "two"]), ("create", 2, ["one", "two", "two"])):
        place = tmp_path / f"{operation}{number}"
        place.mkdir()
        ended = subprocess.run([sys.executable, "-c", script, operation, str(number)], capture_output=True, text=True,
                               cwd=place, env=os.environ | {"PYTHONPATH": f"{HERE}{os.pathsep}{HERE.parent}"})
        assert ended.returncode == 0, ended.stderr
        lines = ended.stdout.splitlines()
        assert sum("file: cannot be written (Input/output error)" in line for line in lines) == 1
        assert [line.split()[-1] for line in lines if line.startswith("[")] == contents
        assert ".part" not in ended.stdout
