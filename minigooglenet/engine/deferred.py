"""Passes over chunks of a batch, deferred until their results are needed."""

from collections.abc import Callable
from typing import Any, NamedTuple

from ..kernels.threads import chunks, in_parallel


class Pass(NamedTuple):
    """``task(chunk)`` is to be done to every chunk; ``then`` gets the list of what it returned, or is None."""

    task: Callable[[slice], Any]
    then: Callable[[list], None] | None


class Deferred:
    """What is to be done to every chunk of a batch, collected by ``defer`` until ``run_now`` asks for a result.

    Then each chunk goes through all deferred passes while it is in the cache, and the threads wait for each other once
    instead of after every pass. The next run begins with the chunks that the last one ended with.

    Deferred work may receive an output array before it is filled: what it does to a chunk happens after the passes that
    fill that chunk. Anybody else calls ``run`` before reading.
    """

    def __init__(self) -> None:
        self.direction = -1
        self.clear()

    def clear(self) -> None:
        """Drop all that is deferred."""
        self.passes: list[Pass] = []
        self.reductions: list[tuple[Callable[[list], None], list]] = []  # run in parallel with the next passes
        self.cut: tuple[int, int] | None = None

    def defer(self, task: Callable[[slice], Any], N: int, size: int,
              then: Callable[[list], None] | None = None) -> None:
        """Do ``task(chunk)`` for every chunk of ``size`` images of N, after all that is deferred; passes over chunks of
        another size run now. The list of what the task returns goes to ``then``, in parallel with the next run, which
        must not touch what ``then`` does."""
        if self.cut != (N, size):
            self.run()
        self.cut = N, size
        self.passes.append(Pass(task, then))

    def run_now(self, task: Callable[[slice], Any], N: int, size: int) -> list:
        """The list of what ``task`` returns for every chunk, after all that is deferred."""
        self.defer(task, N, size)
        return self.run()

    def run(self) -> list:
        """Run all deferred passes. Returns what the last of them returned for every chunk."""
        if not self.passes or self.cut is None:
            return []
        passes, reductions, cut = self.passes, self.reductions, chunks(*self.cut)
        self.passes = []

        def all_passes(chunk: slice) -> list:
            return [task(chunk) for task, _ in passes]

        self.direction = -self.direction
        done = in_parallel([(all_passes, chunk) for chunk in cut[::self.direction]] + reductions)
        results = done[:len(cut)][::self.direction]
        of_pass = [[result[k] for result in results] for k in range(len(passes))]
        self.reductions = [(one.then, own) for one, own in zip(passes, of_pass, strict=True) if one.then]
        return of_pass[-1]

    def finish(self) -> None:
        """Run all deferred passes, and the reductions that would have run in parallel with the next ones."""
        self.run()
        reductions, self.reductions = self.reductions, []
        in_parallel(reductions)
