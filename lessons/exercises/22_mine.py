"""Exercises of lesson 22. Replace each `raise NotImplementedError`, then: make check N=22   (a hint: HINT=1)

They are the last parts of a network of your own answers: make mine. Arrays are read-only.
"""

import numpy as np  # noqa: F401


def max_pool(x, K, S, P, OH, OW):
    """y[n, i, j, c] = the largest x[n, h, w, c] in window (i, j), which starts at row i·S - P and column j·S - P.

    x (N, H, W, C) -> y (N, OH, OW, C). A window of K × K pixels may extend past the border on every side; only pixels
    of the image count. OH and OW are given: ``pooled_size`` of lesson 06 computes them.
    """
    raise NotImplementedError


def inception(x, branches):
    """(y, caches): run every branch on x, and concatenate their outputs along the channels.

    A branch is a list of steps, a step a pair (forward, backward) of functions: ``forward(x)`` returns (y, cache), and
    the next step of the branch reads that y. ``caches`` has a list for each branch: the caches of its steps, in order.
    x (N, H, W, C) -> y (N, H, W, F), where F is the sum of the branches' channels.
    """
    raise NotImplementedError


def inception_backward(dys, branches, caches):
    """dx of ``inception``: every branch backward, with its own part of the gradient.

    ``dys`` has the gradient of each branch's output, as ``concat_backward`` of lesson 08 returns them. ``branches`` and
    ``caches`` are those of ``inception``. ``backward(dy, cache)`` of a step returns the gradient of what it read.
    """
    raise NotImplementedError
