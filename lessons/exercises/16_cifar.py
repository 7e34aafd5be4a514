"""Exercises of lesson 16. Replace each `raise NotImplementedError`, then: make check N=16   (a hint: HINT=1)

Arrays that are passed in are read-only: return new ones.
"""

import numpy as np  # noqa: F401


def choose_width(budget, widths):
    """The largest of ``widths`` for which the reduced GoogLeNet takes at most ``budget`` multiply-adds per image.

    For images of 32 × 32, without auxiliary heads; ``minigooglenet.models.mini_googlenet`` builds the network, and
    every layer counts its own operations. ``widths`` are in any order. Returns None if all are too expensive.
    """
    raise NotImplementedError


def batch_of(step, N, B, seed):
    """The indices (B,) of the images that step number ``step`` (from 0) trains on, out of N.

    An epoch has N // B steps; images that do not fill a batch are left out. The order within an epoch is
    ``np.random.default_rng([seed, epoch]).permutation(N)``, which is cut into batches from its start.
    """
    raise NotImplementedError


def train(w, v, start, stop, x, y, seed):
    """Softmax regression with momentum, from step number ``start`` to ``stop`` - 1; returns the new (w, v).

        p = softmax(x_b w)        g = x_bᵀ (p - t) / B        v ← 0.9 v + g        w ← w - 0.1 v

    x (N, D), y (N,) the labels, w and v (D, K); x_b are the rows ``batch_of(step, N, B, seed)`` of x with B = 16, and
    t is 1 at the label and 0 elsewhere. train(…, 0, 40, …) must be bit-identical to two calls: steps 0 to 23, then 23
    to 40 with the w and v of the first call.
    """
    raise NotImplementedError
