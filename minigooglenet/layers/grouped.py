"""Grouped convolution: AlexNet's two towers."""

from typing import Any

import numpy as np

from ..kernels.geometry import Pair, whole
from .base import Array, Layer, Shape
from .conv import Conv
from .init import Random, as_generator


class GroupedConv(Layer):
    """Split the channels into G groups, convolve each with filters of its own, concatenate the results.

        y[..., group g] = Conv_g(x[..., group g])        x (N, H, W, C) -> y (N, OH, OW, F)

    C and F must be multiples of G; otherwise raises ValueError. G times fewer weights and multiply-adds than one
    convolution. In AlexNet the two groups lived on two graphics cards (Krizhevsky et al. 2012, section 3.2).
    """

    kind = "grouped conv"

    def __init__(self, C: int, F: int, kernel: int | Pair, stride: int | Pair = 1, pad: int | Pair = 0, *,
                 groups: int, rng: Random = None, **options: Any) -> None:
        super().__init__()
        groups = whole(groups, "groups")
        if C % groups or F % groups:
            raise ValueError(f"groups: {C} -> {F} channels cannot be split into {groups} equal groups")
        self.groups, self.expects, self.F = groups, ("H", "W", C), F
        rng = as_generator(rng)  # one for all groups: with a seed for each their filters would be equal
        self.convs = [Conv(C // groups, F // groups, kernel, stride, pad, rng=rng, **options) for _ in range(groups)]
        self.children = {f"group{g}": conv for g, conv in enumerate(self.convs)}
        self.kernel, self.stride, self.pad = self.convs[0].kernel, self.convs[0].stride, self.convs[0].pad

    def forward(self, x: Array, train: bool = False) -> tuple[Array, list[Array]]:
        self.check(x)
        results = [conv.forward(part) for conv, part in zip(self.convs, self.split(x), strict=True)]
        return np.concatenate([y for y, _ in results], axis=-1), [cache for _, cache in results]

    def backward(self, dy: Array, cache: Any) -> Array:
        parts = zip(self.convs, self.split(dy), cache, strict=True)
        return np.concatenate([conv.backward(part, x) for conv, part, x in parts], axis=-1)

    def split(self, a: Array) -> list[Array]:
        """The groups of the last axis, each contiguous."""
        return [np.ascontiguousarray(part) for part in np.split(a, self.groups, axis=-1)]

    def output_shape(self, shape: Shape) -> Shape:
        OH, OW, _ = self.convs[0].output_shape((*shape[:2], self.convs[0].C))
        return OH, OW, self.F

    def macs(self, shape: Shape) -> int:
        return sum(conv.macs((*shape[:2], conv.C)) for conv in self.convs)

    def describe(self) -> str:
        return f"{self.convs[0].describe()} in {self.groups} groups"
