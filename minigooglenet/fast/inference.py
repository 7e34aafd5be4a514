"""Units and concatenations that only predict: batch norm folded into the weights, weights prepared once."""

from itertools import zip_longest

import numpy as np

from .. import kernels
from ..compose import Sequential
from ..layers import MaxPool
from ..layers.base import Layer
from ..threads import cores_apart, inside_a_task, over_slices, side_by_side, sliced
from .algorithms import Pointwise, lines
from .bundle import Bundle

BANDS = 4  # into so many parts each step of a single picture is cut


def run(*chains):
    """Run chains of rounds, (pieces, task), each of which needs those before it in its own chain only.

    On a thread of its own, chain after chain. Otherwise the threads share out the first round of all chains, then the
    second of all, and so on.
    """
    if inside_a_task():
        for chain in chains:
            for pieces, task in chain:
                task(slice(0, pieces))
        return
    for rounds in zip_longest(*chains):
        side_by_side([piece for pieces, task in filter(None, rounds)
                      for piece in sliced(task, pieces, -(-pieces // BANDS))])


class FrozenBundle:
    """Convolutions that read one input, with what follows them, as one product, a sum and a ReLU.

        relu(scale · (x * w) + shift) = relu(x * (w scale) + shift)
    """

    def __init__(self, units):
        bundle = Bundle(units)
        self.first, self.algorithm = bundle.first, bundle.algorithm
        w = bundle.joined(bundle.convs, "w")
        scale, shift = bundle.constants()
        self.u = self.algorithm.prepare((w * scale).astype(w.dtype))
        self.units = list(zip(bundle.starts, bundle.widths, bundle.each(np.ones(bundle.F), shift), strict=True))

    def rounds(self, x, targets):
        """From x into the targets, (array, offset) for each unit."""
        self.first.check(x)
        goals = [(*unit, *target) for unit, target in zip(self.units, targets, strict=True)]
        yield from self.algorithm.rounds(x, self.u, goals=goals)


class FrozenUnit(Layer):
    """Convolution and all that follows it."""

    def __init__(self, conv, bn):
        super().__init__()
        self.conv, self.bn, self.expects = conv, bn, conv.expects
        self.bundle = FrozenBundle([self])

    def output_shape(self, shape):
        return self.conv.output_shape(shape)

    def predict(self, x):
        y = np.empty((len(x), *self.output_shape(x.shape[1:])), x.dtype)
        run(self.bundle.rounds(x, [(y, 0)]))
        return y


class FrozenConcat(Layer):
    """An inception module: one product for the 1×1s that open branches, each branch's end in its own channels."""

    def __init__(self, branches):
        super().__init__()
        self.branches = branches
        self.opening = [b for b, branch in enumerate(branches)
                        if isinstance(branch[0], FrozenUnit) and isinstance(branch[0].bundle.algorithm, Pointwise)]
        self.bundle = FrozenBundle([branches[b][0] for b in self.opening]) if self.opening else None

    def predict(self, x):
        *NHW, C = x.shape
        widths = [branch[-1].conv.F if isinstance(branch[-1], FrozenUnit) else C for branch in self.branches]
        out = np.empty((*NHW, sum(widths)), x.dtype)
        ends = list(zip([out] * len(widths), np.cumsum([0, *widths[:-1]]).tolist(), strict=True))

        def target(b, place, width):
            """Where a layer of branch b writes: at the branch's end into the output."""
            return ends[b] if place == len(self.branches[b]) - 1 else (np.empty((*NHW, width), x.dtype), 0)

        def chain(b, here, done):
            for place, layer in list(enumerate(self.branches[b]))[done:]:
                if isinstance(layer, MaxPool):
                    y, offset = target(b, place, C)
                    yield pooling(layer, here, y, offset)
                else:
                    y, offset = target(b, place, layer.conv.F)
                    yield from layer.bundle.rounds(here, [(y, offset)])
                here = y

        opened = {b: target(b, 0, self.branches[b][0].conv.F) for b in self.opening}
        if self.bundle:
            run(self.bundle.rounds(x, list(opened.values())))
        run(*(chain(b, opened[b][0] if b in opened else x, int(b in opened)) for b in range(len(self.branches))))
        return out


def pooling(layer, x, y, offset):
    """The one round of a max pool that keeps the size, into y from channel ``offset`` on."""
    C = x.shape[-1]
    pooled = y if y.shape == x.shape else np.empty_like(x)

    def task(s):
        kernels.max_pool(x, *layer.window, y=pooled, lines=(s.start, s.stop))
        if pooled is not y:
            lines(y)[s][..., offset:offset + C] = lines(pooled)[s]

    return len(x) * x.shape[1], task


class Sliced(Layer):
    """Takes a few pictures at a time through all layers, each such slice on one thread. Where they make only one slice,
    each layer shares out its lines instead."""

    def __init__(self, net):
        super().__init__()
        self.net = getattr(net, "trunk", net)  # heads are for training
        assert isinstance(self.net, Sequential)

    def output_shape(self, shape):
        return self.net.output_shape(shape)

    def predict(self, x):
        # Pictures in a slice: few, so that their activations stay in the cache; but if there are many, no fewer than
        # four, because each slice reads all filters.
        size = max(16384 // (x.shape[1] * x.shape[2]), min(-(-len(x) // 4), 4))
        if len(x) < BANDS and len(x) > size:
            size = len(x)  # too few to give every thread one: share out each layer's lines instead
        with cores_apart():
            return np.concatenate(over_slices(lambda s: self.net.predict(x[s]), len(x), size))
