"""Dropout."""

from .base import Layer


class Dropout(Layer):
    """y = x · m / (1 - p) in training, with m = 0 at probability p (``drop_prob``), else 1; y = x afterwards.

    Dividing here ("inverted" dropout, as Caffe does) keeps the expectation, so that inference needs nothing. The cache
    is m / (1 - p), or None when not training; dx = dy · cache. Any shape. The draws come from ``rng``.
    Source: Srivastava et al. 2014; GoogLeNet drops 40 % before the classifier and 70 % in the auxiliary heads
    (Szegedy et al. 2014, sections 5 and 6).
    """

    def __init__(self, drop_prob, rng=None):
        super().__init__()
        if not 0 <= drop_prob < 1:
            raise ValueError(f"drop_prob: got {drop_prob}, needs 0 <= drop_prob < 1")
        self.drop_prob, self.rng = drop_prob, rng

    def check_shape(self, shape):
        """Any shape will do."""

    def forward(self, x, train=False):
        if not train or self.drop_prob == 0:
            return x, None
        if self.rng is None:
            raise ValueError("Dropout needs a random generator to train: Dropout(drop_prob, rng)")
        kept = self.rng.random(x.shape, dtype="float32") >= self.drop_prob
        mask = kept.astype(x.dtype) / x.dtype.type(1 - self.drop_prob)
        return x * mask, mask

    def backward(self, dy, mask):
        return dy if mask is None else dy * mask

    def describe(self):
        return f"dropout {self.drop_prob:.0%}"
