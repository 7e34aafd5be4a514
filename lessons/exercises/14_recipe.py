"""Exercises of lesson 14. Replace each `raise NotImplementedError`, then: make check N=14   (a hint: HINT=1)

Arrays that are passed in are read-only: return new ones.
"""

import numpy as np  # noqa: F401


def momentum_step(w, v, g, lr, momentum):
    """v ← momentum · v + g        w ← w - lr · v        where the second formula uses the new v.

    w, v, g: arrays of one shape -> (new w, new v).
    """
    raise NotImplementedError


def learning_rate(first, epoch):
    """first · 0.96^⌊epoch / 8⌋: the learning rate at ``epoch``, which counts from 0 and may be a fraction."""
    raise NotImplementedError


def polyak(weights, decay):
    """The averages along a sequence of weights, by a ← d a + (1 - d) w with a memory that starts short.

    weights (T, D): weights[0] are the initial weights, weights[1] those after the first step, and so on. Returns
    averages (T, D): averages[0] is weights[0], and averages[t + 1] comes from averages[t] and weights[t + 1] with
    d = min(decay, (1 + t) / (10 + t)).
    """
    raise NotImplementedError
