"""Grouped convolution: AlexNet's two towers."""

import numpy as np

from .base import Layer
from .conv import Conv


class GroupedConv(Layer):
    """Cut the channels into G groups, convolve each with filters of its own, put the results side by side.

        y[..., group g] = Conv_g(x[..., group g])        x (N, H, W, C) -> y (N, OH, OW, F)

    C and F must be multiples of G. G times fewer weights and multiply-adds than one convolution. In AlexNet the two
    groups lived on two graphics cards (Krizhevsky et al. 2012, section 3.2).
    """

    def __init__(self, C, F, kernel, stride=1, pad=0, *, groups, **options):
        super().__init__()
        if C % groups or F % groups:
            raise ValueError(f"groups: {C} -> {F} channels cannot be cut into {groups} equal groups")
        self.groups, self.expects, self.F = groups, ("H", "W", C), F
        self.children = {f"group{g}": Conv(C // groups, F // groups, kernel, stride, pad, **options)
                         for g in range(groups)}

    def parts(self, a):
        """The groups of the last axis, each contiguous."""
        return [np.ascontiguousarray(part) for part in np.split(a, self.groups, axis=-1)]

    def forward(self, x, train=False):
        self.check(x)
        results = [conv.forward(part) for conv, part in zip(self.children.values(), self.parts(x), strict=True)]
        return np.concatenate([y for y, _ in results], axis=-1), [cache for _, cache in results]

    def backward(self, dy, cache):
        convs = zip(self.children.values(), self.parts(dy), cache, strict=True)
        return np.concatenate([conv.backward(part, x) for conv, part, x in convs], axis=-1)

    def output_shape(self, shape):
        OH, OW, _ = self._first.output_shape((*shape[:2], self._first.C))
        return OH, OW, self.F

    def macs(self, shape):
        return sum(conv.macs((*shape[:2], conv.C)) for conv in self.children.values())

    @property
    def _first(self):
        return next(iter(self.children.values()))

    def describe(self):
        return f"{self._first.describe()} in {self.groups} groups"
