"""Convolutions and concatenations that only predict: batch norm folded into the weights, weights prepared once."""

import functools
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from itertools import accumulate, chain, zip_longest
from typing import Any, NamedTuple, Protocol

import numpy as np

from ..kernels.gemm import pack
from ..kernels.geometry import Pair
from ..kernels.max_pool import max_pool
from ..kernels.memory import empty
from ..kernels.threads import (
    blas_on_one_thread,
    in_parallel,
    inside_a_task,
    one_thread,
    over_chunks,
    pinned_cores,
)
from ..layers import Array, BatchNorm, Conv, Layer, MaxPool, Shape, Trunk
from .algorithms import PARTS, cut
from .fused_conv import FusedConv

CHUNK = 2 ** 20  # values in the largest activation of the images that go through a network together


class IntoChannels(Protocol):
    """A layer that writes into the channels of y from ``offset`` on, in parts that may run in parallel."""

    def check(self, x: Array) -> None: ...

    def into(self, x: Array, y: Array, offset: int, **part: Pair) -> None: ...

    def parts(self, y: Array) -> list[dict[str, Pair]]: ...


class Step(NamedTuple):
    """``layer`` reads x and writes into the channels of y from ``offset`` on."""

    layer: IntoChannels
    x: Array
    y: Array
    offset: int

    def run(self, part: dict[str, Pair]) -> None:
        self.layer.into(self.x, self.y, self.offset, **part)


def run_chains(*chains: Iterable[Step]) -> None:
    """Run chains of steps, such as the branches of an inception module.

    A step needs only those before it in its own chain. So the first steps of all chains run in parallel, in parts, then
    the second ones; inside a task, where there is one thread, one chain runs after the other.
    """
    if inside_a_task():
        for step in chain.from_iterable(chains):
            step.run({})
        return
    for steps in zip_longest(*chains):
        in_parallel([(step.run, part) for step in steps if step for part in step.layer.parts(step.y)])


class FrozenUnit(Layer):
    """Convolution and all that follows it, as one product, a sum and a ReLU.

        relu(scale · (x * w) + shift) = relu(x * (w scale) + shift)
    """

    def __init__(self, conv: Conv, bn: BatchNorm | None) -> None:
        super().__init__()
        self.conv, self.bn, self.expects, self.F = conv, bn, conv.expects, conv.F
        fused, w = FusedConv([self]), conv.params["w"]
        self.algorithm, (scale, shift) = fused.algorithm, fused.constants()
        self.u, self.shift = pack(self.algorithm.matrix((w * scale).astype(w.dtype))), shift.astype(w.dtype)

    def output_shape(self, shape: Shape) -> Shape:
        return self.conv.output_shape(shape)

    def check(self, x: Array) -> None:
        self.conv.check(x)

    def into(self, x: Array, y: Array, offset: int, **part: Pair) -> None:
        self.algorithm.forward(x, self.u, self.F, y, offset=offset, shift=self.shift, **part)

    def parts(self, y: Array) -> list[dict[str, Pair]]:
        return self.algorithm.parts(y, self.F)

    def predict(self, x: Array) -> Array:
        self.check(x)
        y = empty((len(x), *self.output_shape(x.shape[1:])), x.dtype)
        run_chains([Step(self, x, y, 0)])
        return y


class FrozenPool:
    """A max pool that keeps the size."""

    def __init__(self, pool: MaxPool) -> None:
        self.window, self.check = pool.window, pool.check

    def into(self, x: Array, y: Array, offset: int, lines: Pair | None = None) -> None:
        first, last = lines or (0, len(x) * x.shape[1])
        pooled = y if y.shape == x.shape else empty(x.shape, x.dtype)
        max_pool(x, *self.window, y=pooled, lines=(first, last))
        if pooled is not y:
            of_lines(y)[first:last, :, offset:offset + x.shape[-1]] = of_lines(pooled)[first:last]

    def parts(self, y: Array) -> list[dict[str, Pair]]:
        return [{"lines": lines} for lines in cut(len(y) * y.shape[1])]


def of_lines(a: Array) -> Array:
    """(N, H, W, C) -> (N·H, W, C), a view."""
    return a.reshape(-1, *a.shape[2:])


class FrozenConcat(Layer):
    """An inception module: each branch ends in its own channels of the output."""

    def __init__(self, branches: list[list]) -> None:
        super().__init__()
        self.branches: list[list[Any]] = [
            [FrozenPool(layer) if isinstance(layer, MaxPool) else layer for layer in branch] for branch in branches]

    def ends(self, C: int) -> list[int]:
        """Where each branch's channels end in the output. A pool has as many as its input: C."""
        return list(accumulate(getattr(branch[-1], "F", C) for branch in self.branches))

    def output_shape(self, shape: Shape) -> Shape:
        return *shape[:2], self.ends(shape[2])[-1]

    def predict(self, x: Array) -> Array:
        *NHW, C = x.shape
        ends = [0, *self.ends(C)]
        out = empty((*NHW, ends[-1]), x.dtype)
        run_chains(*(steps(branch, x, out, offset) for branch, offset in zip(self.branches, ends, strict=False)))
        return out


def steps(branch: list[Any], x: Array, out: Array, offset: int) -> Iterator[Step]:
    """The chain of a branch, from x into the channels of ``out`` from ``offset`` on."""
    for layer in branch:
        layer.check(x)
        last = layer is branch[-1]
        F: Any = getattr(layer, "F", x.shape[3])  # a pool has as many channels as its input
        y = out if last else empty((*x.shape[:3], F), x.dtype)
        yield Step(layer, x, y, offset if last else 0)
        x = y


class Chunked(Layer):
    """Takes a few images at a time through all layers, each such chunk on one thread. Where a few large images make
    only one chunk, each layer shares out its lines, or its filters, instead."""

    def __init__(self, net: Layer) -> None:
        super().__init__()
        self.net = net.trunk if isinstance(net, Trunk) else net  # heads are for training
        self.fitting: Callable[[Shape], int] = functools.cache(self.count_fitting)

    def output_shape(self, shape: Shape) -> Shape:
        return self.net.output_shape(shape)

    def count_fitting(self, shape: Shape) -> int:
        """How many images of ``shape`` have activations that stay in the cache."""
        return max(1, CHUNK // max(math.prod(after) for *_, after in self.net.trace(shape)))

    def predict(self, x: Array) -> Array:
        if not len(x):
            return np.empty((0, *self.output_shape(x.shape[1:])), x.dtype)
        N, fitting = len(x), self.fitting(x.shape[1:])
        small, share = fitting >= PARTS, -(-N // PARTS)
        if small:  # nothing to gain within an image, and short tasks cost more than they save
            size = min(fitting, max(share, fitting // 4))
        elif N < PARTS:
            size = PARTS  # too few to give every thread one: share out each layer instead
        else:
            size = max(fitting, min(share, 4))  # each chunk reads all filters: no fewer than four, if there are many
        count = max(1, -(-N // size))
        with pinned_cores(), blas_on_one_thread(), one_thread() if small and count == 1 else nullcontext():
            return np.concatenate(over_chunks(lambda s: self.net.predict(x[s]), N, max(1, -(-N // count))))
