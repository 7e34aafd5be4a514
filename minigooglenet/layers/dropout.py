"""Dropout."""

from typing import Any

import numpy as np

from .base import Array, Layer
from .init import Random, as_generator


class Dropout(Layer):
    """y = x · m / (1 - p) in training, with m = 0 at probability p (``drop_prob``), else 1; y = x in inference.

    Dividing here ("inverted" dropout, as Caffe does) keeps the expectation, so that inference needs nothing. The cache
    is m / (1 - p), or None when not training; dx = dy · cache. Any shape. The mask is drawn from ``rng``.
    Source: Srivastava et al. 2014; GoogLeNet drops 40 % before the classifier and 70 % in the auxiliary heads
    (Szegedy et al. 2014, sections 5 and 6).
    """

    kind = "dropout"
    expects = None  # any shape

    def __init__(self, drop_prob: float, rng: Random = None) -> None:
        super().__init__()
        if not 0 <= drop_prob < 1:
            raise ValueError(f"drop_prob: got {drop_prob}, needs 0 <= drop_prob < 1")
        self.drop_prob, self.rng = drop_prob, as_generator(rng)

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Array | None]:
        self.check(x)
        if not train or self.drop_prob == 0:
            return x, None
        if self.rng is None:
            raise ValueError("Dropout needs a random generator to train: Dropout(drop_prob, rng)")
        kept = self.rng.random(x.shape, dtype=np.float32) >= self.drop_prob
        mask = kept.astype(x.dtype) / x.dtype.type(1 - self.drop_prob)
        return x * mask, mask

    def backward(self, dy: Array, mask: Any) -> Array:
        if mask is None:
            return dy
        self.check_gradient(dy, mask.shape)
        return dy * mask

    def describe(self) -> str:
        return f"dropout {self.drop_prob:.0%}"
