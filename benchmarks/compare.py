"""The comparison: check that all sides compute the same values, warm up, then time them alternately."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from minigooglenet.errors import UserError

from . import agree
from .side import CHECKED, SIDES, missing
from .work import INFER, Work
from .worker import Bench, Worker

REFERENCE = "plain"  # the side that all others must agree with


@dataclass(frozen=True)
class Effort:
    """How long to measure.

    rounds   number of turns of each side
    turn     length of a turn in seconds, at least one step
    budget   a side that has used this many seconds skips the other rounds, after ``least`` turns
    least    minimum number of turns, even for a slow side
    warm_up  untimed steps, the first of which compiles; only one if it takes longer than ``budget``
    pause    seconds between two turns, in which the threads of the last one go to sleep
    """
    rounds: int = 15
    turn: float = 0.2
    budget: float = 12.0
    least: int = 3
    warm_up: int = 3
    pause: float = 0.02


FULL = Effort()
QUICK = Effort(rounds=7, turn=0.1, budget=2.0, least=1, warm_up=2)
TINY = Effort(rounds=1, turn=0.0, budget=0.1, least=1, warm_up=1, pause=0.0)


@dataclass
class Result:
    """One side at one Work. seconds: of each timed step; first: of the first step at full size."""
    side: str
    facts: dict[str, Any]
    first: float = 0.0
    peak_mb: float = 0.0
    seconds: list[float] = field(default_factory=list)
    agreement: tuple[float, float | None] | tuple[()] = ()

    @property
    def median(self) -> float:
        """Median seconds of a step."""
        return statistics.median(self.seconds)


def compare(work: Work, sides: Sequence[str], threads: int, effort: Effort = FULL) -> dict[str, Result]:
    """{side: Result} for the sides that support this Work. Raises UserError if two of them compute different values."""
    names = [name for name in sides if work.kind == INFER or SIDES[name].trains]
    _same_gradients(work, names, threads)
    workers: dict[str, Worker] = {}
    results: dict[str, Result] = {}
    try:
        reference: Any = None
        for name in (REFERENCE, *(n for n in names if n != REFERENCE)):
            worker = Worker(Bench, (name, work, threads), threads)
            workers[name] = worker
            values = worker.call("check")
            if name == REFERENCE:
                reference = values
            agreement = agree.check(SIDES[name].title, values, reference, work.title())
            if name not in names:  # the reference, not timed
                workers.pop(name).close()
                continue
            results[name] = Result(name, worker.call("facts"), agreement=agreement)
            del values
        del reference
        for name in names:
            _warm_up(workers[name], results[name], effort)
        _alternate(workers, results, names, effort)
        for name in names:
            results[name].peak_mb = workers[name].call("memory")
    finally:
        for worker in workers.values():
            worker.close()
    return {name: results[name] for name in names}


def _same_gradients(work, names, threads):
    """Check what training computes in float64, in separate processes, so that it does not count as peak memory."""
    if work.kind == INFER:
        return
    names = [name for name in names if not SIDES[name].slow_start]
    small, reference = work.but(dtype="float64", batch=min(work.batch, CHECKED)), None
    for name in (REFERENCE, *(n for n in names if n != REFERENCE)):
        with Worker(Bench, (name, small, threads), threads) as worker:
            values = worker.call("check")
        reference = reference or values
        agree.check(SIDES[name].title, values, reference, work.title(), "float64")


def _warm_up(worker, result, effort):
    worker.call("reset_peak_memory")
    result.first = worker.call("time", 1)[0]
    if result.first < effort.budget:
        worker.call("time", max(0, effort.warm_up - 1))


def _alternate(workers, results, names, effort):
    """A B C A B C …: each turn is a few steps, all of them timed."""
    for turn in range(effort.rounds):
        for name in names:
            result = results[name]
            if turn >= effort.least and sum(result.seconds) > effort.budget:
                continue
            last = result.seconds[-1] if result.seconds else result.first
            time.sleep(effort.pause)
            result.seconds += workers[name].call("time", max(1, int(effort.turn / max(last, 1e-6))))


def available(wanted: Sequence[str], say: Callable[[str], object]) -> list[str]:
    """The sides of ``wanted`` whose packages are installed; ``say`` gets a line for each of the others."""
    for name in wanted:
        if name not in SIDES:
            raise UserError(f"--sides: got {name!r}, choose from {', '.join(SIDES)}")
    absent = {name: missing(name) for name in wanted}
    for name, package in absent.items():
        if package:
            say(f"{SIDES[name].title} left out: {package} is not installed"
                + ("" if " " in package else " (pip install -e '.[compare]')"))
    return [name for name in wanted if not absent[name]]
