"""Layers that only predict: batch norm folded into the weights, weights prepared once. They run as part of a plan."""

import functools
from itertools import accumulate
from typing import Any

import numpy as np

from ..kernels import plan_ops as kinds
from ..kernels.gemm import pack, padded
from ..kernels.threads import inside_a_task
from ..layers import Array, BatchNorm, Conv, Dense, Layer, Shape
from .algorithms import Algorithm, Columns, Pointwise, Winograd, choose
from .passes import OF_NORM
from .plan import INSIDE, Plan, Value, add_layer, array_of, cut, end, ranges, window

GRAIN = 2_500_000  # multiply-adds in a part of a convolution, about
PARTS = 8          # most parts of a layer
FEW = 256          # pixels of a batch. If there are fewer, it takes longer to read the filters than to compute


class Frozen(Layer):
    """A layer with tasks of its own."""

    def add_to(self, to: Plan, x: Value, y: Value, offset: int = 0) -> None:
        """Add the tasks that read x and write the channels of y from ``offset`` on."""
        raise NotImplementedError

    def predict(self, x: Array) -> Array:
        return Plan({"": self}, x.shape, x.dtype, not inside_a_task()).run(x)


def by_filters(u: Array, shift: Array, offset: int, parts: int) -> list[dict[str, int]]:
    """A product of a packed matrix u (K, F) in parts that are products with fewer filters, as fields of tasks."""
    F = len(shift)
    K = u.size // padded(F)
    return [{"F": last - first, "offset": offset + first, "u": u.ctypes.data + first * K * u.itemsize,
             "values": (padded(last) - first) * K, "shift": shift.ctypes.data + first * shift.itemsize}
            for first, last in cut(F, parts, 32 if F < 128 else 64)]


def constants(conv: Conv, bn: BatchNorm | None) -> tuple[Array, Array]:
    """(scale, shift), each (F,): of the running statistics, or just the bias."""
    if bn is None:
        return np.ones(conv.F), array_of(conv, "params", "b", (conv.F,)) if "b" in conv.params else np.zeros(conv.F)
    gamma, beta, mean, variance = (array_of(bn, kind, name, (conv.F,)) for name, kind in OF_NORM)
    scale = gamma * (1 / np.sqrt(variance.astype(float) + bn.eps))
    return scale, beta - mean.astype(float) * scale


class FrozenUnit(Frozen):
    """Convolution and all that follows it, as one product, a sum and a ReLU.

        relu(scale · (x * w) + shift) = relu(x * (w scale) + shift)
    """

    def __init__(self, conv: Conv, bn: BatchNorm | None) -> None:
        super().__init__()
        self.conv, self.expects, self.F, self.algorithm = conv, conv.expects, conv.F, choose(conv)
        w = array_of(conv, "params", "w", (*conv.kernel, conv.C, conv.F))
        scale, shift = constants(conv, bn)
        self.w, self.shift = (w * scale).astype(w.dtype), shift.astype(w.dtype)
        self.params = {"w": self.w}  # images are checked against them
        self.packed = functools.cache(lambda algorithm: algorithm.packed(self.w))
        self.direct = Columns()

    def output_shape(self, shape: Shape) -> Shape:
        return self.conv.output_shape(shape)

    def describe(self) -> str:
        return self.conv.describe()

    def algorithm_for(self, pixels: int) -> Algorithm:
        """Winograd's matrices are four times as large as 3×3 filters, and have to be read, however few pixels."""
        return self.direct if isinstance(self.algorithm, Winograd) and pixels < FEW else self.algorithm

    def add_to(self, to: Plan, x: Value, y: Value, offset: int = 0) -> None:
        N, OH, OW, _ = y.shape
        algorithm, pixels = self.algorithm_for(N * OH * OW), N * OH * OW
        u, work = self.packed(algorithm), self.conv.macs(x.shape[1:]) * N
        parts: Any = min(PARTS, max(1, round(work / GRAIN))) if to.parallel else 1
        if isinstance(algorithm, Winograd):
            kind, parts = kinds.WINOGRAD, ranges(N * -(-OH // algorithm.m), parts)
        else:
            kind, lines, unit = (kinds.POINTWISE, pixels, 8) if isinstance(algorithm, Pointwise) else (
                kinds.COLUMNS, N * OH, 1)
            parts = [part | {"last": lines} for part in by_filters(u, self.shift, offset, parts)] if pixels < FEW else (
                ranges(lines, parts, unit))
        to.kept += [u, self.shift]
        whole, = by_filters(u, self.shift, offset, 1)
        to.add(kind, x, y, parts, **window(self.conv) | whole | {"values": u.size})


class FrozenDense(Frozen):
    """A fully connected layer."""

    def __init__(self, dense: Dense) -> None:
        super().__init__()
        self.dense, self.expects = dense, dense.expects
        w, b = array_of(dense, "params", "w", (dense.D, dense.F)), array_of(dense, "params", "b", (dense.F,))
        self.u, self.b = pack(w), b.astype(w.dtype)
        self.params = {"b": self.b}

    def output_shape(self, shape: Shape) -> Shape:
        return self.dense.output_shape(shape)

    def describe(self) -> str:
        return self.dense.describe()

    def add_to(self, to: Plan, x: Value, y: Value, offset: int = 0) -> None:
        to.kept += [self.u, self.b]
        to.add(kinds.POINTWISE, x, y, by_filters(self.u, self.b, offset, PARTS if to.parallel else 1), last=x.shape[0],
               linear=True)


class FrozenConcat(Frozen):
    """An inception module: each branch ends in its own channels of the output."""

    def __init__(self, branches: list[list]) -> None:
        super().__init__()
        self.branches = branches

    def ends(self, C: int) -> list[int]:
        """Where each branch's channels end in the output. A pool has as many as its input: C."""
        return list(accumulate(getattr(branch[-1], "F", C) for branch in self.branches))

    def output_shape(self, shape: Shape) -> Shape:
        return *shape[:2], self.ends(shape[2])[-1]

    def add_to(self, to: Plan, x: Value, y: Value, offset: int = 0) -> None:
        """First the first layers of all branches, then the second ones, and so on; those first that are followed by
        large ones, so that there is always something to do besides waiting."""
        starts, at, now = [0, *self.ends(x.shape[3])], 0, [x] * len(self.branches)
        for depth in range(max(map(len, self.branches))):
            going = [b for b, branch in enumerate(self.branches) if depth < len(branch)]
            for b in sorted(going, key=lambda b: -weights(self.branches[b][depth + 1:])):
                layer, last = self.branches[b][depth], depth == len(self.branches[b]) - 1
                to.check(layer, now[b])
                target = y if last else to.value((*now[b].shape[:3], *layer.output_shape(now[b].shape[1:])[2:]),
                                                 INSIDE, at)
                add_layer(to, layer, now[b], target, offset + starts[b] if last else 0)
                at, now[b] = at if last else end(target), target


def weights(layers: list[Any]) -> int:
    """How many weights there are in the convolutions among these layers."""
    return sum(layer.w.size for layer in layers if isinstance(layer, FrozenUnit))
