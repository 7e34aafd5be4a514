"""Units and concatenations that only predict: batch norm folded into the weights, weights prepared once."""

from itertools import accumulate, chain, zip_longest

import numpy as np

from .. import kernels
from ..compose import Sequential
from ..layers import MaxPool
from ..layers.base import Layer
from ..threads import cores_apart, inside_a_task, over_slices, side_by_side
from .algorithms import PARTS, cut
from .bundle import Bundle


def run(*chains):
    """Run chains of steps: the first step of all chains, then the second of all, and so on. A step needs those before
    it in its own chain only, and is a list of parts, (task, argument), that need not wait for each other."""
    for steps in zip_longest(*chains, fillvalue=()):
        side_by_side(list(chain(*steps)))


class FrozenUnit(Layer):
    """Convolution and all that follows it, as one product, a sum and a ReLU.

        relu(scale · (x * w) + shift) = relu(x * (w scale) + shift)
    """

    def __init__(self, conv, bn):
        super().__init__()
        self.conv, self.bn, self.expects = conv, bn, conv.expects
        bundle, w = Bundle([self]), conv.params["w"]
        self.algorithm, (scale, shift) = bundle.algorithm, bundle.constants()
        self.u, self.shift = kernels.pack(self.algorithm.matrix((w * scale).astype(w.dtype))), shift.astype(w.dtype)

    def output_shape(self, shape):
        return self.conv.output_shape(shape)

    def step(self, x, y, offset=0):
        """From x into the channels of y from ``offset`` on."""
        F = self.conv.F

        def task(part):
            self.algorithm.forward(x, self.u, F, y, offset=offset, shift=self.shift, **part)

        return [(task, part) for part in ([{}] if inside_a_task() else self.algorithm.parts(y, F))]

    def predict(self, x):
        self.conv.check(x)
        y = np.empty((len(x), *self.output_shape(x.shape[1:])), x.dtype)
        run([self.step(x, y)])
        return y


class FrozenConcat(Layer):
    """An inception module: each branch ends in its own channels of the output."""

    def __init__(self, branches):
        super().__init__()
        self.branches = branches

    def predict(self, x):
        *NHW, C = x.shape
        ends = [0, *accumulate(branch[-1].conv.F if isinstance(branch[-1], FrozenUnit) else C
                               for branch in self.branches)]
        out = np.empty((*NHW, ends[-1]), x.dtype)
        run(*(self.steps(branch, x, out, offset) for branch, offset in zip(self.branches, ends, strict=False)))
        return out

    def steps(self, branch, x, out, offset):
        """The chain of a branch, from x into the channels of ``out`` from ``offset`` on."""
        for layer in branch:
            last, is_pool = layer is branch[-1], isinstance(layer, MaxPool)
            if not is_pool:
                layer.conv.check(x)
            y = out if last else np.empty((*x.shape[:3], x.shape[3] if is_pool else layer.conv.F), x.dtype)
            yield (pooling if is_pool else FrozenUnit.step)(layer, x, y, offset if last else 0)
            x = y


def pooling(layer, x, y, offset):
    """The one step of a max pool that keeps the size, into y from channel ``offset`` on."""
    C = x.shape[-1]
    pooled = y if y.shape == x.shape else np.empty_like(x)

    def task(lines):
        kernels.max_pool(x, *layer.window, y=pooled, lines=lines)
        if pooled is not y:
            first, last = lines
            of_lines(y)[first:last, :, offset:offset + C] = of_lines(pooled)[first:last]

    every = len(x) * x.shape[1]
    return [(task, lines) for lines in ([(0, every)] if inside_a_task() else cut(every))]


def of_lines(a):
    """(N, H, W, C) -> (N·H, W, C), a view."""
    return a.reshape(-1, *a.shape[2:])


class Sliced(Layer):
    """Takes a few pictures at a time through all layers, each such slice on one thread. Where they make only one slice,
    each layer shares out its lines, or its filters, instead."""

    def __init__(self, net):
        super().__init__()
        self.net = getattr(net, "trunk", net)  # heads are for training
        assert isinstance(self.net, Sequential)

    def output_shape(self, shape):
        return self.net.output_shape(shape)

    def predict(self, x):
        # Pictures in a slice: few, so that their activations stay in the cache; but if there are many, no fewer than
        # four, because each slice reads all filters.
        size = max(32768 // (x.shape[1] * x.shape[2]), min(-(-len(x) // 4), 4))
        if len(x) < PARTS and len(x) > size:
            size = len(x)  # too few to give every thread one: share out each layer instead
        with cores_apart():
            return np.concatenate(over_slices(lambda s: self.net.predict(x[s]), len(x), size))
