"""How training scales over processes: a cost model of the all-reduce, fitted to measurements, and its projection.

    all-reduce of s bytes over n processes:    t_n(s) = 2 log2(n) α + 2 (n - 1) / n · s / β   latency α, bandwidth β
    a training step:                           T(n) = T(1) / n + Σ over its messages of t_n(s)

t_n is Rabenseifner's reduce-scatter and allgather. α comes from the smallest message, β from the largest. T(n) ignores
that a smaller part of the batch is computed less efficiently. It also ignores overlap of communication and computation:
this trainer waits for each message.

With a batch that grows with the processes, B images in each, computing stays T(1), and E epochs of M images take

    T(n) = T(1) + Σ t_n(s)        efficiency = T(1) / T(n)        E · M / (B n) · T(n) seconds

Source: Thakur, Rabenseifner & Gropp 2005, "Optimization of collective communication operations in MPICH", section 4.
"""

import math
import time
from collections.abc import Sequence

import numpy as np

from .. import engine
from ..layers import BatchNorm
from ..layers.base import Layer
from . import processes


def measure(sizes: Sequence[int], repeats: int = 10, turns: int = 3) -> list[float]:
    """The seconds of an all-reduce of each of ``sizes`` bytes: the mean of ``repeats`` in succession, in the process
    that takes longest; the minimum of ``turns``, the least disturbed one. A single all-reduce would not do: one process
    enters it later than another, and the difference is part of the time of one and missing from that of the other."""
    n, rank, taken = processes.count(), processes.rank(), []
    for size in sizes:
        array, times = np.zeros(max(size // 4, 1), np.float32), np.zeros((n, turns))
        for turn in range(turns):
            processes.sum_over_processes(np.zeros(1))  # a barrier: start together
            started = time.perf_counter()
            for _ in range(repeats):
                processes.sum_over_processes(array)
            times[rank, turn] = (time.perf_counter() - started) / repeats
        taken.append(float(processes.sum_over_processes(times).max(axis=0).min()))
    return taken


def fit(sizes: Sequence[int], seconds: Sequence[float], n: int) -> tuple[float, float]:
    """(α in seconds, β in bytes per second) of the t_n that passes through the smallest and the largest message."""
    share = 2 * (n - 1) / n
    per_byte = max((seconds[-1] - seconds[0]) / (share * (sizes[-1] - sizes[0])), 1e-15)
    return max(seconds[0] - share * sizes[0] * per_byte, 0.0) / (2 * math.log2(n)), 1 / per_byte


def messages(net: Layer) -> list[int]:
    """The bytes of every all-reduce in one training step: all gradients in one message, a few scalars, and batch norm's
    sums in forward and backward: one message for each layer, or for all that the engine computes in one pass."""
    sizes = [sum(g.nbytes for g in net.gradients().values()), 8, 24, 8]
    compiled = engine.compile(net)
    for _, layer in getattr(compiled, "net", compiled).walk():  # what runs
        if isinstance(layer, BatchNorm):
            sizes += [8, 16 * layer.C] * 2
        for widths in getattr(layer, "norms", ()):
            sizes += [8 + 16 * widths, 16 * widths]
    return sizes


def sum_seconds(size: float, n: int, alpha: float, beta: float) -> float:
    """t_n(s); 0 for one process."""
    return 2 * math.log2(n) * alpha + 2 * (n - 1) / n * size / beta


def project(alone: float, sizes: Sequence[int], n: int, alpha: float, beta: float) -> float:
    """T(n) in seconds, from T(1) = ``alone`` and the messages' ``sizes``."""
    return alone / n + sum(sum_seconds(size, n, alpha, beta) for size in sizes)


# -- GoogLeNet on ImageNet ---------------------------------------------------------------------------------------------

IMAGES = 1_281_167  # of ILSVRC 2012, for training
EPOCHS = 60  # of the model that Caffe's authors trained: 2.4 million steps of 32 images; 250 in their long schedule
BATCH = 32  # images of each process
#: {name: (α in seconds, β in bytes per second)}: typical latencies of TCP and of InfiniBand; bandwidth of the line
NETWORKS = {"1 Gbit/s": (50e-6, 125e6), "10 Gbit/s": (20e-6, 1.25e9), "100 Gbit/s": (3e-6, 12.5e9)}


def growing(alone: float, sizes: Sequence[int], n: int, alpha: float, beta: float) -> tuple[float, float]:
    """(efficiency, hours of EPOCHS) with BATCH images in each of n processes; ``alone`` seconds for those in one."""
    step = project(n * alone, sizes, n, alpha, beta)
    return alone / step, EPOCHS * IMAGES / (BATCH * n) * step / 3600
