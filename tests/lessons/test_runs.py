"""Every lesson runs from top to bottom in quick mode, within its budget; twice as much on a busy machine.

MINIGOOGLENET_BUDGET_FACTOR (default 2) stretches the budgets.
"""

import os

import pytest

from lessons.catalogue import lessons
from lessons.run import run_apart

FACTOR = float(os.environ.get("MINIGOOGLENET_BUDGET_FACTOR", "2"))


@pytest.mark.parametrize("lesson", lessons(), ids=lambda lesson: lesson.number)
def test_lesson_runs_within_its_budget(lesson, tmp_path, monkeypatch):
    monkeypatch.setenv("MINIGOOGLENET_PROGRESS", str(tmp_path / "progress.json"))
    code, seconds, printed = run_apart(lesson, quick=True)
    assert code == 0, printed
    assert "Warning" not in printed
    assert f"figures/lessons/{lesson.number}_" in printed
    assert seconds < lesson.budget * FACTOR
