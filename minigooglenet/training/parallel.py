"""What a step costs in n processes: a model of the sums over processes, measured, and what it projects.

    sum of s bytes over n:    t_n(s) = 2 log2(n) α + 2 (n - 1) / n · s / β        latency α, bandwidth β
    a training step:          T(n) = T(1) / n + Σ over its messages of t_n(s)

t_n is Rabenseifner's reduce-scatter and allgather; α is measured on small messages and β on large ones. T(n) takes no
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
    """Seconds that a sum of each of so many bytes over all processes takes: the median of ``repeats``."""
    taken = []
    for size in sizes:
        array, times = np.zeros(max(size // 4, 1), np.float32), []
        for _ in range(repeats):
            processes.sum_over_processes(np.zeros(1))  # begin together
            began = time.perf_counter()
            processes.sum_over_processes(array)
            times.append(time.perf_counter() - began)
        taken.append(float(np.median(times)))
    return taken


def fit(sizes, seconds, n):
    """(α in seconds, β in bytes per second) of t_n that miss the measured seconds by the smallest relative squares."""
    seconds = np.asarray(seconds)
    terms = np.stack([np.full(len(seconds), 2 * math.log2(n)), 2 * (n - 1) / n * np.asarray(sizes)], axis=1)
    (alpha, inverse), *_ = np.linalg.lstsq(terms / seconds[:, None], np.ones(len(seconds)), rcond=None)
    return max(float(alpha), 0.0), 1 / max(float(inverse), 1e-15)


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
