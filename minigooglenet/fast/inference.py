"""Units and concatenations that only predict: batch norm folded into the weights, weights prepared once."""

import numpy as np

from .. import kernels
from ..compose import Sequential
from ..geometry import output_hw
from ..layers import MaxPool
from ..layers.base import Layer
from ..threads import cores_apart, inside_a_task, over_slices
from .algorithms import Pointwise, lines, rows
from .bundle import Bundle

BANDS = 4  # into so many parts a single picture is cut


class FrozenBundle:
    """Convolutions that read one input, with what follows them, as one product, a sum and a ReLU.

        relu(scale · (x * w) + shift) = relu(x * (w scale) + shift)
    """

    def __init__(self, units):
        bundle = Bundle(units)
        self.first, self.F, self.algorithm = bundle.first, bundle.F, bundle.algorithm
        w = bundle.joined(bundle.convs, "w")
        scale, shift = bundle.constants()
        self.u = self.algorithm.prepare((w * scale).astype(w.dtype))
        self.units = list(zip(bundle.starts, bundle.widths, bundle.each(np.ones(self.F), shift), strict=True))

    def run(self, x, targets=None):
        """Into the targets, (array, offset) for each unit; without any, a single unit's output is returned.

        A picture that comes alone is shared out among the threads.
        """
        self.first.check(x)
        OH, OW = output_hw(*x.shape[1:3], self.first.kernel, self.first.stride, self.first.pad)
        z = np.empty((len(x), OH, OW, self.F), x.dtype)
        *rounds, (pieces, last) = self.algorithm.rounds(x, self.u, z)
        per_picture, height = pieces // len(x), self.algorithm.height

        def finish(s):
            last(s)
            top, bottom = (piece // per_picture * OH + min(piece % per_picture * height, OH)
                           for piece in (s.start, s.stop))
            done = rows(lines(z)[top:bottom])
            for (start, width, affine), (y, offset) in zip(self.units, targets or [(z, 0)], strict=True):
                kernels.affine_relu(done, start, width, *affine, rows(lines(y)[top:bottom]), offset)

        for count, task in (*rounds, (pieces, finish)):
            over_slices(task, count, count if inside_a_task() else -(-count // BANDS))
        return z


class FrozenUnit(Layer):
    """Convolution and all that follows it."""

    def __init__(self, conv, bn):
        super().__init__()
        self.conv, self.bn, self.expects = conv, bn, conv.expects
        self.bundle = FrozenBundle([self])

    def output_shape(self, shape):
        return self.conv.output_shape(shape)

    def predict(self, x):
        return self.bundle.run(x)


class FrozenConcat(Layer):
    """An inception module: one product for the 1×1s that open branches, each branch's end in its own channels."""

    def __init__(self, branches):
        super().__init__()
        self.branches = branches
        self.opening = [b for b, branch in enumerate(branches)
                        if isinstance(branch[0], FrozenUnit) and isinstance(branch[0].bundle.algorithm, Pointwise)]
        self.bundle = FrozenBundle([branches[b][0] for b in self.opening]) if self.opening else None

    def predict(self, x):
        N, H, W, C = x.shape
        widths = [branch[-1].conv.F if isinstance(branch[-1], FrozenUnit) else C for branch in self.branches]
        offsets, out = np.cumsum([0, *widths]), np.empty((N, H, W, sum(widths)), x.dtype)

        def target(b, last, F):
            return (out, int(offsets[b])) if last else (np.empty((N, H, W, F), x.dtype), 0)

        reached = {}
        if self.bundle:
            targets = [target(b, len(self.branches[b]) == 1, self.branches[b][0].conv.F) for b in self.opening]
            self.bundle.run(x, targets)
            reached = {b: y for b, (y, _) in zip(self.opening, targets, strict=True)}
        for b, branch in enumerate(self.branches):
            here, rest = (reached[b], branch[1:]) if b in reached else (x, branch)
            for place, layer in enumerate(rest, len(branch) - len(rest) + 1):
                if isinstance(layer, MaxPool):
                    here = kernels.max_pool(here, *layer.window)
                    if place == len(branch):
                        out[..., offsets[b]:offsets[b + 1]] = here
                else:
                    goal = target(b, place == len(branch), layer.conv.F)
                    layer.bundle.run(here, [goal])
                    here = goal[0]
        return out


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
        size = max(1, 16384 // (x.shape[1] * x.shape[2]))  # pictures in a slice: their activations stay in the cache
        if len(x) < BANDS and len(x) > size:
            size = len(x)  # too few to give every thread one: share out each layer's lines instead
        with cores_apart():
            return np.concatenate(over_slices(lambda s: self.net.predict(x[s]), len(x), size))
