"""The checker: an answer runs in a process of its own, and may do anything."""

import os
import textwrap
from pathlib import Path

import numpy as np
import pytest
from checking import LESSON, exercise, told

from lessons import check, isolated, limit, report
from minigooglenet.errors import UserError


def waits(x):
    threading_event = __import__("threading").Event()
    threading_event.wait(60)


@pytest.mark.skipif(not hasattr(__import__("signal"), "setitimer"), reason="no timers on this system")
def test_waiting_is_stopped(monkeypatch):
    monkeypatch.setattr(limit, "WALL", 0.1)
    assert "not finished after 0.1 s, most of it waiting" in told(exercise(lambda x: x, (1,)), waits)


@pytest.mark.skipif(limit._mapped() is None, reason="no memory limit on this system")
def test_memory_is_limited(monkeypatch):
    text = told(exercise(lambda x: x, (1,)), lambda x: np.ones((1 << 20, 1 << 10)), Path(__file__))
    assert "needs more than 1 GB of memory" in text and "test_check_process.py, line" in text
    assert np.ones(1 << 20).all()  # the limit ends with the call


def isolated_verdicts(tmp_path, **bodies):
    path = tmp_path / f"{LESSON.stem}.py"
    path.write_text("print('loading')\n" + "".join(f"def {name}(*arguments):\n{textwrap.indent(body, '    ')}\n"
                                                   for name, body in bodies.items()))
    return isolated.judge_file(LESSON, path)


def test_a_dying_process_is_a_verdict_and_the_next_exercise_is_judged(tmp_path, monkeypatch):
    monkeypatch.setattr(isolated, "PATIENCE", 2)
    verdicts = isolated_verdicts(
        tmp_path, output_size="import os; os._exit(3)", convolve="import ctypes; print('on'); ctypes.string_at(0)",
        col2im="while True:\n    try:\n        import time; time.sleep(1e9)\n    except BaseException: pass")
    assert [verdict.status for verdict in verdicts.values()] == ["wrong"] * 3
    assert "wrong in case 1 of" in verdicts["output_size"].text
    assert "the process ended (exit code 3)" in verdicts["output_size"].text
    assert verdicts["output_size"].printed == "loading" and verdicts["convolve"].printed.endswith("on")
    assert "the process died (SIGSEGV)" in verdicts["convolve"].text or os.name != "posix"
    assert "not finished after 2 s" in verdicts["col2im"].text


def test_processes_are_refused_and_output_is_kept(tmp_path):
    verdicts = isolated_verdicts(
        tmp_path, output_size="import os\nwhile True: os.fork()",
        convolve="import sys; sys.stdout.close()",
        col2im="for n in range(100_000): print('line', n)\nraise KeyError(1)")
    assert "an exercise must not start processes" in verdicts["output_size"].text
    assert "every way through it end in a return" in verdicts["convolve"].text
    printed = verdicts["col2im"].printed
    assert printed.startswith("line 0\n") and "more bytes" in printed and len(printed) < 2000
    assert "KeyError" in verdicts["col2im"].text
    assert verdicts["col2im"].hints == check.exercises(LESSON)[2].hints
    assert "printed       line 0" in report.detailed(LESSON, verdicts)


def test_a_file_that_does_not_load(tmp_path):
    path = tmp_path / "mine.py"
    for text, said in (("def f(:\n", "line 1: SyntaxError"), ("import os; os._exit(1)", r"ended \(exit code 1\)")):
        path.write_text(text)
        with pytest.raises(UserError, match=said):
            isolated.judge_file(LESSON, path)
