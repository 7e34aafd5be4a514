"""Exercises of lesson 10. Replace each `raise NotImplementedError`, then: make check N=10   (a hint: HINT=1)

Arrays that are passed in are read-only: return new ones.
"""

import numpy as np  # noqa: F401


def momentum_step(w, v, g, lr, momentum):
    """v ← momentum · v + g        w ← w - lr · v        with the new v in the second.

    w, v, g: arrays of one shape -> (new w, new v).
    """
    raise NotImplementedError


def learning_rate(first, epoch):
    """first · 0.96^⌊epoch / 8⌋: the rate at ``epoch``, counted from 0, which may lie between two whole numbers."""
    raise NotImplementedError


def polyak(weights, decay):
    """The averages along a path of weights, by a ← d a + (1 - d) w with a memory that begins short.

    weights (T, D): weights[0] is where training begins, weights[1] what the first step leads to, and so on. Returns
    averages (T, D): averages[0] is weights[0], and averages[t + 1] comes from averages[t] and weights[t + 1] with
    d = min(decay, (1 + t) / (10 + t)).
    """
    raise NotImplementedError
