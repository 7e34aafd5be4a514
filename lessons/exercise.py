"""What a file in checks/ consists of: exercises with their cases, hints and common mistakes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .difference import describe, is_whole


class Wrong(Exception):
    """Raised by the test of a Property: what is wrong, and the likely cause (or "")."""

    def __init__(self, what: str, cause: str = "") -> None:
        super().__init__(what)
        self.what, self.cause = what, cause


@dataclass
class Case:
    """Arguments for the learner's function, and the expected answer: an array, number, string, or a tuple of these."""

    label: str
    arguments: tuple
    expected: Any


@dataclass
class Property:
    """A test that takes the learner's function and raises Wrong if it fails."""

    label: str
    test: Callable[[Callable], None]


def whole(*arguments: Any) -> Property:
    """That the answer to these arguments is an integer, not a float of the same value."""
    def test(attempt: Callable) -> None:
        if not is_whole(found := attempt(*arguments)):
            raise Wrong(f"{describe(found)} is no integer", "use // or int(…): np.zeros needs integers")
    return Property("an integer, as a shape needs it", test)


@dataclass
class Mistake:
    """A common wrong answer: the function that returns it, and the hint for a learner who gives the same answer."""

    function: Callable
    hint: str


@dataclass
class Exercise:
    """One function to write. ``returns`` names the parts of a returned tuple ("dx", "dw"). ``tolerance`` is relative to
    the largest expected value, by default 1e-9 (1e-5 for float32). ``random_cases(rng)`` yields more cases, which
    ``check --seed N`` draws."""

    name: str
    hints: tuple[str, ...]
    cases: Callable[[], Iterable[Case | Property]]
    mistakes: list[Mistake] = field(default_factory=list)
    returns: tuple[str, ...] = ()
    tolerance: float | None = None
    random_cases: Callable[[np.random.Generator], Iterable[Case | Property]] | None = None
