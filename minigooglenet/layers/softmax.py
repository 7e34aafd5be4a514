"""Softmax, and the loss that goes with it."""

import math

import numpy as np

from ..errors import ShapeError
from .base import Layer


def softmax(z):
    """p_k = exp(z_k - max z) / sum over j of exp(z_j - max z), along the last axis. Subtracting the largest changes
    nothing and keeps exp from overflowing."""
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def cross_entropy(z, labels, smoothing=0.0):
    """The mean over the batch of -sum over k of t_k log p_k, with p = softmax(z); and its gradient.

        t = (1 - ε) · [k is the label] + ε / K        dz = (p - t) / N

    logits z (N, K), labels (N,) of integers -> (loss, dz). The division by N happens here and nowhere else.
    ε is ``smoothing`` (Szegedy et al. 2016, section 7). Raises ShapeError if the labels do not fit the logits.
    """
    N, K = z.shape
    if labels.shape != (N,) or labels.min() < 0 or labels.max() >= K:
        raise ShapeError(f"labels {labels.shape} from {labels.min()} to {labels.max()} do not fit logits {z.shape}; "
                         f"expected ({N},) from 0 to {K - 1}")
    shifted = z - z.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    t = np.full((N, K), smoothing / K, z.dtype)
    t[np.arange(N), labels] += z.dtype.type(1 - smoothing)
    return float(-(t * log_p).sum() / N), (np.exp(log_p) - t) / z.dtype.type(N)


class Softmax(Layer):
    """p = softmax(x)        dx_k = p_k · (dy_k - sum over j of dy_j p_j)

    x (N, K) -> (N, K). The cache is p. Training uses ``cross_entropy`` on the logits instead, which is exact where
    this would round a probability to 0.
    """

    expects = ("K",)

    def forward(self, x, train=False):
        self.check(x)
        p = softmax(x)
        return p, p

    def backward(self, dy, p):
        self.check_gradient(dy, p.shape)
        return p * (dy - (dy * p).sum(axis=-1, keepdims=True))

    def other_ops(self, shape):
        return 3 * math.prod(shape)  # exp, sum, division
