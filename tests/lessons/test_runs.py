"""Every lesson runs from top to bottom in quick mode, within its time budget.

MINIGOOGLENET_BUDGET_FACTOR multiplies the budgets; the default is 2, for a busy machine.
"""

import os

import pytest

from lessons.catalog import lessons
from lessons.run import run_in_process

FACTOR = float(os.environ.get("MINIGOOGLENET_BUDGET_FACTOR", "2"))


@pytest.mark.parametrize("lesson", lessons(), ids=lambda lesson: lesson.number)
def test_lesson_runs_within_its_budget(lesson, tmp_path, monkeypatch):
    monkeypatch.setenv("MINIGOOGLENET_PROGRESS", str(tmp_path / "progress.json"))
    code, seconds, printed = run_in_process(lesson, quick=True)
    assert code == 0, printed
    assert "Warning" not in printed
    assert f"figures/lessons/{lesson.number}_" in printed
    assert seconds < lesson.budget * FACTOR
