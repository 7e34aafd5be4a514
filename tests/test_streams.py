"""Standard error without a reader: commands go on and end with the same exit code."""

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import small
from tqdm import tqdm

from minigooglenet.cli import main
from minigooglenet.commands.predict import lines
from minigooglenet.errors import printable
from minigooglenet.streams import safe_streams
from minigooglenet.training import checkpoint

TINY = "--width 0.05 --batch 8 --epochs 1"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return small.folder(tmp_path_factory.mktemp("streams") / "shapes", 24, 8)


def shell(line, cwd, **environment):
    """(standard output, standard error) of a line of bash, in which $TRAIN and $LESSONS are commands."""
    commands = {"TRAIN": f"{sys.executable} -m minigooglenet train --data shapes {TINY}",
                "LESSONS": f"{sys.executable} -m lessons"}
    process = subprocess.run(["bash", "-c", line], capture_output=True, text=True, cwd=cwd, timeout=120,
                             env=os.environ | commands | {"PYTHONPATH": str(small.ROOT)} | environment)
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


# -- what is printed, and failures of the system -----------------------------------------------------------------------

ODD = "caf\udce9 \x1b[2Jred\x9b\u202e\nline\u2028"


def test_control_characters_are_never_printed_raw(capfd):
    """In whatever way a command prints: a name of a file can contain anything."""
    with safe_streams():
        print(f"{ODD}\tα × 1", 5, flush=True)
        print(ODD, file=sys.stderr)
        tqdm.write(ODD, file=sys.stderr)
        sys.stdout.write("")
    output, errors = capfd.readouterr()
    assert output == "caf\\udce9 \\x1b[2Jred\\x9b\\u202e\nline\\u2028\tα × 1 5\n"
    assert not set(errors) & set("\x1b\x9b\u202e\u2028") and errors.count("\\x1b[2J") == 2


def test_a_bar_still_moves_the_cursor(capfd):
    with safe_streams(), tqdm(total=2, file=sys.stderr, desc="a", mininterval=0) as one, \
            tqdm(total=2, file=sys.stderr, desc="b\x1b[31m", position=1, mininterval=0) as two:
        one.update()
        two.update()
    errors = capfd.readouterr().err
    assert "\ra:" in errors and "\x1b[A" in errors and "\x1b[31m" not in errors


@pytest.mark.parametrize("text, says", [
    ("plain, α × 1\u00a0x", "plain, α × 1\u00a0x"), ("a\nb", "a\\nb"), ("\x1b[31m", "\\x1b[31m"), ("\udce9", "\\udce9"),
    ("\u202egnp", "\\u202egnp"), ("", ""), (Path("a\tb"), "a\\tb")])
def test_printable(text, says):
    assert printable(text) == says
    assert printable(printable(text)) == says


def test_a_label_is_one_line():
    """It may come from a checkpoint or an .onnx file."""
    assert lines([{"label": "a\nb\x1b", "probability": 0.5}])[0].endswith("50.0%  a\\nb\\x1b")


def outcome(*words, cwd=None, **options):
    """(exit code, standard output, standard error)"""
    ended = subprocess.run([sys.executable, "-m", "minigooglenet", *words], cwd=cwd, timeout=120, text=True,
                           env=os.environ | {"PYTHONPATH": str(small.ROOT)}, **{"stdout": subprocess.PIPE} | options,
                           stderr=subprocess.PIPE)
    return ended.returncode, ended.stdout, ended.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full on this system")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_standard_output_that_is_full(unbuffered, monkeypatch):
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    with open("/dev/full", "w") as full:
        assert outcome("flops", stdout=full) == (2, None, (
            "minigooglenet flops: standard output: cannot be read or written (No space left on device); check name, "
            "permissions and free space\n"))


@pytest.mark.parametrize("words", [("predict", "LONG"), ("predict", "a.jpg", "--weights", "LONG"), ("evaluate", "LONG"),
                                   ("data", "LONG"), ("train", "--data", "LONG"), ("train", "--out", "LONG"),
                                   ("flops", "LONG"), ("convert", "LONG", "a.safetensors"), ("runs", "LONG")],
                         ids=" ".join)
def test_names_of_300_characters(words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["x" * 300 if word == "LONG" else word for word in words]) == 2
    line, = capsys.readouterr().err.splitlines()
    assert line.startswith(f"minigooglenet {words[0]}: ") and "x" * 50 in line and os.listdir() == []


@pytest.mark.skipif(os.name != "posix", reason="names of bytes")
def test_errors_with_odd_names_are_one_printable_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for words in (["predict", ODD, "--weights", ODD], ["flops", ODD], ["data", ODD], [ODD]):
        assert main(words) == 2
        line, = capsys.readouterr().err.splitlines()
        assert line.isprintable() and "red" in line


IN_CLOSED = [("predict", "closed/a.png"), ("data", "closed"), ("predict", "a.png", "--weights", "closed/run"),
             ("flops", "closed/a.onnx"), ("train", "--data", "closed"), ("train", "--out", "closed/run"),
             ("evaluate", "closed/run"), ("runs", "closed/run")]

ONE_BY_ONE = """
import contextlib, io, json
from minigooglenet.cli import main
for words in json.loads(input()):
    with contextlib.redirect_stderr(io.StringIO()) as errors, contextlib.redirect_stdout(io.StringIO()):
        code = main(words)
    print(json.dumps([code, errors.getvalue()]))
"""


@pytest.fixture(scope="module")
def outcomes_in_closed(tmp_path_factory):
    """{words: [exit code, standard error]}, of one process without the superuser's privilege to read everything."""
    folder = tmp_path_factory.mktemp("closed")
    (folder / "closed").mkdir(mode=0)
    try:
        ended = subprocess.run([sys.executable, "-c", ONE_BY_ONE], cwd=folder, timeout=120, text=True,
                               env=os.environ | {"PYTHONPATH": str(small.ROOT)}, input=json.dumps(IN_CLOSED),
                               capture_output=True, preexec_fn=without_privileges)
    finally:
        (folder / "closed").chmod(0o700)
    return dict(zip(IN_CLOSED, map(json.loads, ended.stdout.splitlines()), strict=True))


@pytest.mark.skipif(sys.platform != "linux", reason="privileges of Linux")
@pytest.mark.parametrize("words", IN_CLOSED, ids=" ".join)
def test_folders_that_cannot_be_read(words, outcomes_in_closed):
    code, errors = outcomes_in_closed[words]
    lines = errors.splitlines()
    assert code == 2 and lines[-1].startswith(f"minigooglenet {words[0]}: ") and "Traceback" not in errors
    assert "closed" in lines[-1]


def without_privileges():
    """Before a program is started: it cannot ignore permissions, even if it is the superuser's."""
    if os.geteuid() == 0:
        for capability in (1, 2):               # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)                        # PR_CAPBSET_DROP


# -- the lessons' command ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("line, output, errors", [
    ("$LESSONS 2 | head -n 1 | cut -c -5; echo ${PIPESTATUS[0]}", "# 02.\n0\n", ""),
    ("PYTHONIOENCODING=ascii $LESSONS | grep -o 'What does a.*buy'; echo ${PIPESTATUS[0]}",
     "What does a 1?1 convolution buy\n0\n", ""),
    ("$LESSONS 99 2>&-; echo $?", "2\n", ""),
    ("$LESSONS --nonsense; echo $?", "2\n",
     "lessons: unrecognized arguments: --nonsense; all options: python -m lessons --help\n"),
    pytest.param("$LESSONS >/dev/full; echo $?", "2\n", "lessons: standard output: cannot be read or written (No space "
                 "left on device); check name, permissions and free space\n",
                 marks=pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full on this system")),
])
def test_lessons_and_commands_treat_streams_alike(line, output, errors, tmp_path):
    """A pipe without a reader, a terminal that cannot show every character, no standard error, a full disk."""
    assert shell(line, small.ROOT, MPLBACKEND="agg", MINIGOOGLENET_PROGRESS=str(tmp_path / "x")) == (output, errors)
