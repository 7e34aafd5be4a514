"""Softmax, and the loss that goes with it."""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..errors import ShapeError
from .base import Array, Layer, Shape


def softmax(z: Array) -> Array:
    """p_k = exp(z_k - max z) / sum over j of exp(z_j - max z), along the last axis. Subtracting the maximum does not
    change p and keeps exp from overflowing."""
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def cross_entropy(z: Array, labels: ArrayLike, smoothing: float = 0.0) -> tuple[float, Array]:
    """The mean over the batch of -sum over k of t_k log p_k, with p = softmax(z); and its gradient.

        t = (1 - ε) · [k is the label] + ε / K        dz = (p - t) / N

    logits z (N, K), labels (N,) of integers -> (loss, dz). The mean over N is taken here and nowhere else.
    ε is ``smoothing`` (Szegedy et al. 2016, section 7). A term with t_k = 0 is 0, even where p_k is 0.
    Raises ShapeError unless the labels are whole numbers from 0 to K - 1, one for each row of the logits, and N ≥ 1;
    ValueError unless 0 ≤ ε < 1.
    """
    labels = np.asarray(labels)
    if z.ndim != 2 or z.size == 0 or labels.shape != z.shape[:1]:
        raise ShapeError(f"labels {labels.shape} do not fit logits {z.shape}; expected (N,) and (N, K), not empty")
    N, K = z.shape
    if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= K:
        raise ShapeError(f"labels, {labels.dtype} from {labels.min()} to {labels.max()}, do not fit logits {z.shape}; "
                         f"expected integers from 0 to {K - 1}")
    if not 0 <= smoothing < 1:
        raise ValueError(f"smoothing: got {smoothing}, needs 0 <= smoothing < 1")
    shifted = z - z.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    t = np.full((N, K), smoothing / K, z.dtype)
    t[np.arange(N), labels] += z.dtype.type(1 - smoothing)
    terms = np.multiply(t, log_p, where=t != 0, out=np.zeros_like(t))
    return float(-terms.sum() / N), (np.exp(log_p) - t) / z.dtype.type(N)


class Softmax(Layer):
    """p = softmax(x)        dx_k = p_k · (dy_k - sum over j of dy_j p_j)

    x (N, K) -> (N, K). The cache is p. Training uses ``cross_entropy`` on the logits instead, which stays exact where
    a probability would round to 0.
    """

    kind = "softmax"
    expects = ("K",)

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Array]:
        self.check(x)
        p = softmax(x)
        return p, p

    def backward(self, dy: Array, p: Any) -> Array:
        self.check_gradient(dy, p.shape)
        return p * (dy - (dy * p).sum(axis=-1, keepdims=True))

    def other_ops(self, shape: Shape) -> int:
        return 3 * math.prod(shape)  # exp, sum, division
