"""Units and concatenations that only predict: batch norm folded into the weights, weights prepared once."""

import functools
import math
from contextlib import nullcontext
from itertools import accumulate, chain, zip_longest

import numpy as np

from .. import kernels
from ..compose import Sequential
from ..layers import MaxPool
from ..layers.base import Layer
from ..threads import cores_apart, inside_a_task, one_thread, over_slices, side_by_side
from .algorithms import PARTS, cut
from .bundle import Bundle

SLICE = 2 ** 20  # numbers in the largest activation of the pictures that go through a network together


def run(*chains):
    """Run chains of steps (layer, x, y, offset): ``layer`` takes x into the channels of y from ``offset`` on.

    A step needs those before it in its own chain only. So the first steps of all chains go side by side, in parts, then
    the second ones; inside a task, where there is one thread, each chain is run to its end.
    """
    if inside_a_task():
        for layer, *where in chain.from_iterable(chains):
            layer.into(*where)
        return
    for steps in zip_longest(*chains):
        side_by_side([piece for step in steps if step for piece in pieces(*step)])


def pieces(layer, x, y, offset):
    """A step as (task, argument) for each of its parts."""
    def task(part):
        layer.into(x, y, offset, **part)

    return [(task, part) for part in layer.parts(y)]


class FrozenUnit(Layer):
    """Convolution and all that follows it, as one product, a sum and a ReLU.

        relu(scale · (x * w) + shift) = relu(x * (w scale) + shift)
    """

    def __init__(self, conv, bn):
        super().__init__()
        self.conv, self.bn, self.expects, self.F = conv, bn, conv.expects, conv.F
        bundle, w = Bundle([self]), conv.params["w"]
        self.algorithm, (scale, shift) = bundle.algorithm, bundle.constants()
        self.u, self.shift = kernels.pack(self.algorithm.matrix((w * scale).astype(w.dtype))), shift.astype(w.dtype)

    def output_shape(self, shape):
        return self.conv.output_shape(shape)

    def check(self, x):
        self.conv.check(x)

    def into(self, x, y, offset, **part):
        self.algorithm.forward(x, self.u, self.F, y, offset=offset, shift=self.shift, **part)

    def parts(self, y):
        return self.algorithm.parts(y, self.F)

    def predict(self, x):
        self.check(x)
        y = np.empty((len(x), *self.output_shape(x.shape[1:])), x.dtype)
        run([(self, x, y, 0)])
        return y


class FrozenPool:
    """A max pool that keeps the size."""

    def __init__(self, pool):
        self.window, self.check = pool.window, pool.check

    def into(self, x, y, offset, lines=None):
        first, last = lines or (0, len(x) * x.shape[1])
        pooled = y if y.shape == x.shape else np.empty_like(x)
        kernels.max_pool(x, *self.window, y=pooled, lines=(first, last))
        if pooled is not y:
            of_lines(y)[first:last, :, offset:offset + x.shape[-1]] = of_lines(pooled)[first:last]

    def parts(self, y):
        return [{"lines": lines} for lines in cut(len(y) * y.shape[1])]


def of_lines(a):
    """(N, H, W, C) -> (N·H, W, C), a view."""
    return a.reshape(-1, *a.shape[2:])


class FrozenConcat(Layer):
    """An inception module: each branch ends in its own channels of the output."""

    def __init__(self, branches):
        super().__init__()
        self.branches = [[FrozenPool(layer) if isinstance(layer, MaxPool) else layer for layer in branch]
                         for branch in branches]

    def ends(self, C):
        """Where each branch's channels end in the output. A pool has as many as it is given: C."""
        return list(accumulate(getattr(branch[-1], "F", C) for branch in self.branches))

    def output_shape(self, shape):
        return *shape[:2], self.ends(shape[2])[-1]

    def predict(self, x):
        *NHW, C = x.shape
        ends = [0, *self.ends(C)]
        out = np.empty((*NHW, ends[-1]), x.dtype)
        run(*(steps(branch, x, out, offset) for branch, offset in zip(self.branches, ends, strict=False)))
        return out


def steps(branch, x, out, offset):
    """The chain of a branch, from x into the channels of ``out`` from ``offset`` on."""
    for layer in branch:
        layer.check(x)
        last = layer is branch[-1]
        y = out if last else np.empty((*x.shape[:3], getattr(layer, "F", x.shape[3])), x.dtype)
        yield layer, x, y, offset if last else 0
        x = y


class Sliced(Layer):
    """Takes a few pictures at a time through all layers, each such slice on one thread. Where a few large pictures make
    only one slice, each layer shares out its lines, or its filters, instead."""

    def __init__(self, net):
        super().__init__()
        self.net = getattr(net, "trunk", net)  # heads are for training
        assert isinstance(self.net, Sequential)
        self.fitting = functools.cache(self.fitting)

    def output_shape(self, shape):
        return self.net.output_shape(shape)

    def fitting(self, shape):
        """How many pictures of ``shape`` have activations that stay in the cache."""
        return SLICE // max(math.prod(after) for *_, after in self.net.trace(shape))

    def predict(self, x):
        N, fitting = len(x), self.fitting(x.shape[1:])
        small, share = fitting >= PARTS, -(-N // PARTS)
        if small:  # nothing to gain within a picture, and short tasks get into each other's way
            size = min(fitting, max(share, fitting // 4))
        elif N < PARTS:
            size = PARTS  # too few to give every thread one: share out each layer instead
        else:
            size = max(fitting, min(share, 4))  # each slice reads all filters: no fewer than four, if there are many
        slices = max(1, -(-N // size))
        with cores_apart(), one_thread() if small and slices == 1 else nullcontext():
            return np.concatenate(over_slices(lambda s: self.net.predict(x[s]), N, max(1, -(-N // slices))))
