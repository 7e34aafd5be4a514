"""The comparison: check that all sides compute the same, warm up, then let them take turns."""

import statistics
import time
from dataclasses import dataclass, field

from minigooglenet.errors import UserError

from . import agree
from .side import CHECKED, SIDES
from .work import INFER
from .worker import Bench, Worker

REFERENCE = "plain"  # whom all others must agree with


@dataclass(frozen=True)
class Effort:
    """How long to measure.

    rounds   how many turns each side has
    turn     a turn lasts about so many seconds, at least one step
    budget   a side that has spent so many seconds sits the other rounds out, once it has had ``least`` turns
    least    turns that even a slow side has
    warm_up  steps before the clock counts, the first of which compiles; one if it takes longer than ``budget``
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
    """One side at one Work. seconds: of each step that counts; first: of the first step at full size."""
    side: str
    facts: dict
    first: float = 0.0
    peak_mb: float = 0.0
    seconds: list = field(default_factory=list)
    agreement: tuple = ()

    @property
    def median(self):
        return statistics.median(self.seconds)


def compare(work, sides, threads, effort=FULL):
    """{side: Result} for the sides that can do this Work. Raises UserError if two of them do not compute the same."""
    names = [name for name in sides if work.kind == INFER or SIDES[name].trains]
    _same_gradients(work, names, threads)
    workers, results = {}, {}
    try:
        reference = None
        for name in (REFERENCE, *(n for n in names if n != REFERENCE)):
            worker = Worker(Bench, (name, work, threads), threads)
            workers[name] = worker
            numbers = worker.call("check")
            if name == REFERENCE:
                reference = numbers
            agreement = agree.check(SIDES[name].title, numbers, reference, work.title())
            if name not in names:  # was here only to be agreed with
                workers.pop(name).close()
                continue
            results[name] = Result(name, worker.call("facts"), agreement=agreement)
            del numbers
        del reference
        for name in names:
            _warm_up(workers[name], results[name], effort)
        _take_turns(workers, results, names, effort)
        for name in names:
            results[name].peak_mb = workers[name].call("memory")
    finally:
        for worker in workers.values():
            worker.close()
    return {name: results[name] for name in names}


def _same_gradients(work, names, threads):
    """Check what training computes in float64, in processes of their own (whose memory is nobody's peak)."""
    if work.kind == INFER:
        return
    small, reference = work.but(dtype="float64", batch=min(work.batch, CHECKED)), None
    for name in (REFERENCE, *(n for n in names if n != REFERENCE)):
        with Worker(Bench, (name, small, threads), threads) as worker:
            numbers = worker.call("check")
        reference = reference or numbers
        agree.check(SIDES[name].title, numbers, reference, work.title(), "float64")


def _warm_up(worker, result, effort):
    worker.call("forget_peak")
    result.first = worker.call("time", 1)[0]
    if result.first < effort.budget:
        worker.call("time", max(0, effort.warm_up - 1))


def _take_turns(workers, results, names, effort):
    """A B C A B C … Each turn is a few steps; every one of them counts."""
    for turn in range(effort.rounds):
        for name in names:
            result = results[name]
            if turn >= effort.least and sum(result.seconds) > effort.budget:
                continue
            last = result.seconds[-1] if result.seconds else result.first
            time.sleep(effort.pause)
            result.seconds += workers[name].call("time", max(1, int(effort.turn / max(last, 1e-6))))


def available(wanted, say):
    """The sides of ``wanted`` whose packages are installed; ``say`` gets a line for each other one."""
    from .side import missing
    for name in wanted:
        if name not in SIDES:
            raise UserError(f"--sides: got {name!r}, choose from {', '.join(SIDES)}")
    absent = {name: missing(name) for name in wanted}
    for name, package in absent.items():
        if package:
            say(f"{SIDES[name].title} left out: {package} is not installed (pip install -e '.[compare]')")
    return [name for name in wanted if not absent[name]]
