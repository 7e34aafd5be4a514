"""Exercises of lesson 05. Replace each `raise NotImplementedError`, then: make check N=5   (for a hint: HINT=1)

Arrays that are passed in are read-only: return new ones.
"""

import numpy as np  # noqa: F401


def softmax(z):
    """p[n, k] = exp(z[n, k]) / Σ_j exp(z[n, j])

    z (N, K) -> p, of the same shape and dtype. Logits of 1000 must not overflow.
    """
    raise NotImplementedError


def cross_entropy(z, labels):
    """L = -(1/N) Σ_n ln p[n, labels[n]]        p = softmax(z)        dz = dL/dz = (p - t) / N

    z (N, K); labels (N,): integers; t is 1 at the label and 0 elsewhere. Returns (L, dz), both finite for logits of any
    size; dz has the dtype of z.
    """
    raise NotImplementedError


def train(x, labels, w, b, lr, steps):
    """Gradient descent on one dense layer, with all examples in each step: z = x w + b, and the loss of exercise 2.

        w ← w - lr · dL/dw        b ← b - lr · dL/db        ``steps`` times

    x (N, D), labels (N,), w (D, K) and b (K,): the initial weights. Returns (w, b, losses): the final weights, and a
    list with the loss of every step, computed before its update.
    """
    raise NotImplementedError
