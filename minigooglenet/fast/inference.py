"""Units and concatenations that only predict: batch norm folded into the weights, weights prepared once."""

from itertools import chain, zip_longest

import numpy as np

from .. import kernels
from ..compose import Sequential
from ..layers import MaxPool
from ..layers.base import Layer
from ..threads import cores_apart, inside_a_task, over_slices, side_by_side
from .algorithms import PARTS, Pointwise, cut
from .bundle import Bundle


def run(*chains):
    """Run chains of steps, each of which needs those before it in its own chain only. A step is a list of parts, (task,
    arguments), that need not wait for each other.

    On a thread of its own, chain after chain. Otherwise the threads share out the first step of all chains, then the
    second of all, and so on.
    """
    if inside_a_task():
        for step in chain(*chains):
            for task, part in step:
                task(part)
    else:
        for steps in zip_longest(*chains, fillvalue=()):
            side_by_side(list(chain(*steps)))


class FrozenBundle:
    """Convolutions that read one input, with what follows them, as one product, a sum and a ReLU.

        relu(scale · (x * w) + shift) = relu(x * (w scale) + shift)
    """

    def __init__(self, units):
        bundle = Bundle(units)
        self.first, self.algorithm = bundle.first, bundle.algorithm
        w = bundle.joined(bundle.convs, "w")
        scale, shift = bundle.constants()
        w = (w * scale).astype(w.dtype)
        self.units = [(kernels.pack(self.algorithm.matrix(w[..., own])), width, shift[own].astype(w.dtype))
                      for own, width in zip(bundle.own, bundle.widths, strict=True)]

    def step(self, x, targets):
        """From x into the targets, (array, offset) for each unit."""
        self.first.check(x)
        whole = inside_a_task()
        parts = []
        for (u, F, shift), (y, offset) in zip(self.units, targets, strict=True):
            def task(part, u=u, F=F, shift=shift, y=y, offset=offset):
                self.algorithm.forward(x, u, F, y, offset=offset, shift=shift, **part)
            parts += [(task, part) for part in ([{}] if whole else self.algorithm.parts(y, F))]
        return parts


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
        run([self.bundle.step(x, [(y, 0)])])
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

        def steps(b, here, done):
            for place, layer in list(enumerate(self.branches[b]))[done:]:
                if isinstance(layer, MaxPool):
                    y, offset = target(b, place, C)
                    yield pooling(layer, here, y, offset)
                else:
                    y, offset = target(b, place, layer.conv.F)
                    yield layer.bundle.step(here, [(y, offset)])
                here = y

        opened = {b: target(b, 0, self.branches[b][0].conv.F) for b in self.opening}
        if self.bundle:
            run([self.bundle.step(x, list(opened.values()))])
        run(*(steps(b, opened[b][0] if b in opened else x, int(b in opened)) for b in range(len(self.branches))))
        return out


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
        size = max(32768 // (x.shape[1] * x.shape[2]), min(-(-len(x) // 4), 4))
        if len(x) < PARTS and len(x) > size:
            size = len(x)  # too few to give every thread one: share out each layer's lines instead
        with cores_apart():
            return np.concatenate(over_slices(lambda s: self.net.predict(x[s]), len(x), size))
