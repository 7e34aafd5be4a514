"""What a step costs in n processes: a model of the sums over processes, measured, and what it projects.

    sum of s bytes over n:    t_n(s) = 2 log2(n) α + 2 (n - 1) / n · s / β        latency α, bandwidth β
    a training step:          T(n) = T(1) / n + Σ over its messages of t_n(s)

t_n is Rabenseifner's reduce-scatter and allgather; α comes from the smallest message, β from the largest. T(n) takes no
account of a smaller part of the batch being computed less efficiently, nor of sums that could hide behind computation:
this trainer waits for each. Source: Thakur, Rabenseifner & Gropp 2005, "Optimization of collective communication
operations in MPICH", section 4.
"""

import math
import time

import numpy as np

from .. import processes
from ..layers import BatchNorm


def measure(sizes, repeats=20):
    """Seconds that a sum of each of so many bytes over all processes takes: the fastest of ``repeats``,
    the one that other programs on the machine disturbed least."""
    taken = []
    for size in sizes:
        array, times = np.zeros(max(size // 4, 1), np.float32), []
        for _ in range(repeats):
            processes.sum_over_processes(np.zeros(1))  # begin together
            began = time.perf_counter()
            processes.sum_over_processes(array)
            times.append(time.perf_counter() - began)
        taken.append(min(times))
    return taken


def fit(sizes, seconds, n):
    """(α in seconds, β in bytes per second) of the t_n that runs through the smallest and the largest message."""
    share = 2 * (n - 1) / n
    per_byte = max((seconds[-1] - seconds[0]) / (share * (sizes[-1] - sizes[0])), 1e-15)
    return max(seconds[0] - share * sizes[0] * per_byte, 0.0) / (2 * math.log2(n)), 1 / per_byte


def messages(net):
    """The bytes of every sum in one training step: all gradients, batch norm's both ways, and a few single numbers."""
    norms = [layer.C for _, layer in net.walk() if isinstance(layer, BatchNorm)]
    return ([sum(g.nbytes for g in net.gradients().values()), 8, 24, 8]
            + [8] * len(norms) + [16 * C for C in norms] * 2)


def sum_seconds(size, n, alpha, beta):
    """t_n(s); 0 for one process."""
    return 2 * math.log2(n) * alpha + 2 * (n - 1) / n * size / beta


def project(alone, sizes, n, alpha, beta):
    """T(n) in seconds, from T(1) = ``alone`` and the messages' ``sizes``."""
    return alone / n + sum(sum_seconds(size, n, alpha, beta) for size in sizes)
