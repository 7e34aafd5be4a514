"""Solutions of lesson 16."""

import numpy as np

from minigooglenet.models import mini_googlenet


def choose_width(budget, widths):
    """Count each, keep those within the budget, take the largest."""
    allowed = [width for width in widths if mini_googlenet(width, heads=False).macs((32, 32, 3)) <= budget]
    return max(allowed, default=None)


def batch_of(step, N, B, seed):
    """The epoch determines the order, the position within the epoch the slice."""
    epoch, place = divmod(step, N // B)
    return np.random.default_rng([seed, epoch]).permutation(N)[place * B:(place + 1) * B]


def train(w, v, start, stop, x, y, seed, B=16):
    """Nothing is kept from step to step but w, v and the step number."""
    for step in range(start, stop):
        chosen = batch_of(step, len(y), B, seed)
        z = x[chosen] @ w
        p = np.exp(z - z.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        p[np.arange(B), y[chosen]] -= 1
        v = 0.9 * v + x[chosen].T @ p / B
        w = w - 0.1 * v
    return w, v
