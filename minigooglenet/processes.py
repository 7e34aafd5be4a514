"""Work shared among processes, on one machine or many: each takes its part of every batch, sums run over all.

    the loss of a batch of N pictures is a mean, so with dz divided by the whole N
        dLoss/dw = Σ over pictures = Σ over processes of (Σ over its pictures)

and batch norm's μ and σ² come from sums over the batch, which are sums over processes as well. So one process and many
compute the same step, up to the rounding of sums in another order. Synchronous data parallelism; GoogLeNet was trained
with an asynchronous one, DistBelief (Szegedy et al. 2014, section 6; Dean et al. 2012).

Alone, which is the usual case, everything here is the identity. ``join()`` makes it more, under mpiexec.
"""

import contextlib
import os
import sys

import numpy as np

from .errors import UserError
from .extras import need

SIZES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE")  # how Open MPI, MPICH and MVAPICH tell a process

_world = None  # an mpi4py communicator of two or more processes


def started():
    """How many processes mpiexec has started; 1 without it."""
    return max([int(os.environ[name]) for name in SIZES if os.environ.get(name, "").isdecimal()], default=1)


def join():
    """Work together with the other processes that mpiexec has started. Without it nothing happens.

    Raises UserError if there are others but the package mpi4py is missing.
    """
    global _world
    if started() > 1 and _world is None:
        need("mpi4py", "training in several processes")
        from mpi4py import MPI
        _world = MPI.COMM_WORLD if MPI.COMM_WORLD.size > 1 else None


def count():
    """How many processes there are."""
    return 1 if _world is None else _world.size


def rank():
    """Which of them this one is, from 0. Only the first, 0, reads, writes and prints."""
    return 0 if _world is None else _world.rank


def sum_over_processes(array):
    """Σ of an array over all processes, in its dtype; alone, the array itself. Every process must call it, in the same
    order, and gets the same sum."""
    if _world is None:
        return array
    total = np.array(array, order="C")  # a copy: where the sum goes
    _world.Allreduce(_in_place(), total)
    return total


def sum_gradients(gradients):
    """Replace each of {path: gradient} by its sum over all processes, in place, in one message for each dtype."""
    if _world is None:
        return
    for dtype in {g.dtype for g in gradients.values()}:
        these = [g for g in gradients.values() if g.dtype == dtype]
        flat, start = sum_over_processes(np.concatenate([g.ravel() for g in these])), 0
        for g in these:
            g[...] = flat[start:start + g.size].reshape(g.shape)
            start += g.size


def part(N):
    """The slice of N pictures that is this process's. Raises UserError if there is not one for each."""
    if N < count():
        raise UserError(f"batch: {N} pictures cannot be shared among {count()} processes; start fewer, or "
                        "raise --batch")
    return slice(N * rank() // count(), N * (rank() + 1) // count())


def drawn(rng, N):
    """A generator for layers that see a part of a batch of N pictures; alone, ``rng`` itself."""
    return rng if _world is None else Drawn(rng, N)


class Drawn:
    """Like the numpy.random.Generator ``rng``, but ``random`` draws for the whole batch of N and returns this process's
    rows: dropout forgets the same units as in one process."""

    def __init__(self, rng, N):
        self.rng, self.N = rng, N

    def random(self, shape, dtype="float64"):
        return self.rng.random((self.N, *shape[1:]), dtype)[part(self.N)]

    def __getattr__(self, name):
        return getattr(self.rng, name)


def from_first(make):
    """``make()`` of the first process, handed to all. If it raises UserError the first raises that, and the others end
    without a word."""
    if _world is None:
        return make()
    result = error = None
    if rank() == 0:
        try:
            result = make()
        except UserError as problem:
            error = problem
    failed = _world.bcast(error is not None)
    if failed:
        raise error if rank() == 0 else SystemExit(2)
    return _world.bcast(result)


@contextlib.contextmanager
def all_or_none(together=()):
    """Inside, an error of one process ends all of them, who would otherwise wait for it for ever. Exceptions of the
    kinds ``together`` hit every process at once: then only the first speaks."""
    try:
        yield
    except together:
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
