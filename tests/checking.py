"""An exercise for the checker's tests, and its verdict."""

from pathlib import Path

from lessons import catalog, check

LESSON = catalog.find(2)


def exercise(function, *cases, **options):
    """An exercise whose right answer is ``function``."""
    return check.Exercise("it", ("a", "b", "c"), **options, cases=lambda: [
        check.Case("a case", case, function(*case)) for case in cases])


def told(exercise, attempt, path=Path(__file__)):
    """The verdict's text in one line; ``path`` is the file of the attempt."""
    verdict = check.judge(exercise, attempt, path)
    assert verdict.status == "wrong"
    return " ".join(verdict.text.split())
