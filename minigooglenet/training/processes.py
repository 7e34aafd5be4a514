"""Synchronous data-parallel training in several processes, on one machine or many.

Each process computes its part of every batch. The loss of a batch of N images is a mean, so with dz divided by the
whole N

        dLoss/dw = Σ over images = Σ over processes of (Σ over the process's images)

Batch norm's μ and σ² come from sums over the batch, which are summed over processes as well. So one process and many
compute the same step, up to rounding, because the sums run in another order. GoogLeNet was trained with an asynchronous
method, DistBelief (Szegedy et al. 2014, section 6; Dean et al. 2012).

With one process, the usual case, every function here is the identity. ``initialize()`` connects processes that mpiexec
has started.
"""

import atexit
import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, TypeVar

import numpy as np

from ..errors import UserError, need
from ..layers.base import Array, Shape
from .heartbeat import Heartbeat

SIZES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE")  # set by Open MPI, MPICH and MVAPICH

_world: Any = None  # an mpi4py communicator of two or more processes

Result = TypeVar("Result")


def started() -> int:
    """The number of processes that mpiexec has started; 1 without it."""
    return max([int(os.environ[name]) for name in SIZES if os.environ.get(name, "").isdecimal()], default=1)


def initialize() -> None:
    """Connect to the other processes that mpiexec has started. Without mpiexec nothing happens.

    If a process can no longer be reached, all others end (heartbeat.py), where the MPI lets several threads call it.

    Raises UserError if there are others but the package mpi4py is missing.
    """
    global _world
    if started() > 1 and _world is None:
        need("mpi4py", "training in several processes")
        from mpi4py import MPI
        if MPI.COMM_WORLD.size == 1:
            return
        _world = MPI.COMM_WORLD
        if MPI.Query_thread() == MPI.THREAD_MULTIPLE:
            atexit.register(Heartbeat(_world, MPI.Get_processor_name()).stop)


def count() -> int:
    """The number of processes."""
    return 1 if _world is None else _world.size


def rank() -> int:
    """The number of this process, from 0. Only process 0 reads, writes and prints."""
    return 0 if _world is None else _world.rank


def sum_over_processes(array: Array) -> Array:
    """The sum of an array over all processes (all-reduce), in its dtype; for one process the array itself.

    Every process must make the same calls in the same order. All get the same sum.
    """
    if _world is None:
        return array
    total = np.array(array, order="C")  # a copy, which receives the sum
    _world.Allreduce(_in_place(), total)
    return total


def sum_gradients(gradients: dict[str, Array]) -> None:
    """Replace each of {path: gradient} by its sum over all processes, in place, in one message for each dtype."""
    if _world is None:
        return
    for dtype in {g.dtype for g in gradients.values()}:
        these = [g for g in gradients.values() if g.dtype == dtype]
        flat, start = sum_over_processes(np.concatenate([g.ravel() for g in these])), 0
        for g in these:
            g[...] = flat[start:start + g.size].reshape(g.shape)
            start += g.size


def part(N: int) -> slice:
    """This process's part of a batch of N images. Raises UserError if there are more processes than images."""
    if N < count():
        raise UserError(f"batch: {N} images cannot be divided among {count()} processes; start fewer, or "
                        "raise --batch")
    return slice(N * rank() // count(), N * (rank() + 1) // count())


def batch_generator(rng: np.random.Generator, N: int) -> Any:
    """A generator for layers that see one part of a batch of N images; for one process ``rng`` itself."""
    return rng if _world is None else BatchGenerator(rng, N)


class BatchGenerator:
    """A ``np.random.Generator`` whose ``random`` draws for the whole batch of N images and returns this process's rows.

    With it, dropout drops the same activations in several processes as in one.
    """

    def __init__(self, rng: np.random.Generator, N: int) -> None:
        self.rng, self.N = rng, N

    def random(self, shape: Shape, dtype: Any = "float64") -> Array:
        return self.rng.random((self.N, *shape[1:]), dtype)[part(self.N)]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rng, name)


def broadcast_from_first(make: Callable[[], Result]) -> Result:
    """The result of ``make()``, called in process 0 only and sent to all.

    If it raises UserError, process 0 raises that error and the others exit silently.
    """
    if _world is None:
        return make()
    result = error = None
    if rank() == 0:
        try:
            result = make()
        except UserError as problem:
            error = problem
    if _world.bcast(error is not None):
        _fail(error)
    return _world.bcast(result)


def _fail(error: UserError | None) -> NoReturn:
    raise error if error is not None else SystemExit(2)


@contextlib.contextmanager
def abort_all_on_error(collective: Any = ()) -> Iterator[None]:
    """Inside, if one process fails, all are terminated; otherwise the others would wait for it forever.

    Exceptions of the types ``collective`` occur in every process at once: only process 0 raises them, the others exit
    silently.
    """
    try:
        yield
    except collective:
        if rank():
            raise SystemExit(2) from None
        raise
    except BaseException as error:
        if _world is not None:
            print(f"minigooglenet, process {rank()}: {error or type(error).__name__}", file=sys.stderr, flush=True)
            _world.Abort(2 if isinstance(error, UserError) else 1)
        raise


def _in_place():
    from mpi4py import MPI
    return MPI.IN_PLACE
