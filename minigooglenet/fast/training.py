"""Units and concatenations that train: the contract of ``layers/base.py``, in a few passes over memory."""

import numpy as np

from .. import kernels
from ..layers import MaxPool
from ..layers.base import Layer
from ..threads import over_slices
from .algorithms import Pointwise
from .bundle import Bundle, slice_size


class FastUnit(Layer):
    """Convolution, batch norm or bias, ReLU. The cache is the pass's State and y."""

    def __init__(self, conv, bn):
        super().__init__()
        self.conv, self.bn = conv, bn
        self.bundle = Bundle([self])
        self.expects, self.input_gradient = conv.expects, True

    def output_shape(self, shape):
        return self.conv.output_shape(shape)

    def forward(self, x, train=False):
        state = self.bundle.open(x, train)
        y = np.empty((*state.shape, self.conv.F), x.dtype)
        size = slice_size(*state.shape)
        run_forward([(self.bundle, state, [(y, 0)])], len(x), size)
        return y, (state, y)

    def backward(self, dy, cache):
        state, y = cache
        size, dys, ys = slice_size(*state.shape), [(dy, 0)], [(y, 0)]
        self.bundle.settle_back(state, over_slices(lambda s: self.bundle.gather(state, dys, ys, s), len(y), size))
        dx = np.empty(state.x.shape, state.x.dtype) if self.input_gradient else None
        self.bundle.collect(over_slices(lambda s: self.bundle.pull(state, dys, ys, dx, s, fresh=True), len(y), size))
        return dx


class FastConcat(Layer):
    """An inception module. Branches are lists of units, the first of which may follow a max pool.

    It runs in rounds: first what opens the branches, with all 1×1 units that read the module's input as one bundle;
    then the branches' second units, and so on. The last unit of each branch writes into its own channels of the
    output. The cache is x, its pooled forms, and for every round the bundles with their States and targets.
    """

    def __init__(self, branches):
        super().__init__()
        self.pools = {b: branch[0] for b, branch in enumerate(branches) if isinstance(branch[0], MaxPool)}
        self.branches = [[layer for layer in branch if not isinstance(layer, MaxPool)] for branch in branches]
        opening = [b for b, branch in enumerate(self.branches)
                   if b not in self.pools and isinstance(branch[0].bundle.algorithm, Pointwise)]
        depth = max(len(branch) for branch in self.branches)
        self.rounds = [[([b], branch[d].bundle) for b, branch in enumerate(self.branches)
                        if d < len(branch) and not (d == 0 and b in opening)] for d in range(depth)]
        if opening:
            self.rounds[0].insert(0, (opening, Bundle([self.branches[b][0] for b in opening])))

    def widths(self, C):
        """The channels of each branch's output, for C channels of input."""
        return [branch[-1].conv.F if branch else C for branch in self.branches]

    def output_shape(self, shape):
        return *shape[:2], sum(self.widths(shape[-1]))

    def forward(self, x, train=False):
        N, H, W, C = x.shape
        widths = self.widths(C)
        out = np.empty((N, H, W, sum(widths)), x.dtype)
        offsets = np.cumsum([0, *widths]).tolist()
        pooled = {b: np.empty_like(x) for b in self.pools}
        size, rounds, outputs = slice_size(N, H, W), [], {b: pooled.get(b, x) for b in range(len(widths))}

        def pool(s):
            for b, layer in self.pools.items():
                kernels.max_pool(x[s], *layer.window, y=pooled[b][s])
                if not self.branches[b]:
                    out[s][..., offsets[b]:offsets[b] + C] = pooled[b][s]

        for d, bundles in enumerate(self.rounds):
            jobs = []
            for members, bundle in bundles:
                targets = [(out, offsets[b]) if d == len(self.branches[b]) - 1
                           else (np.empty((N, H, W, self.branches[b][d].conv.F), x.dtype), 0) for b in members]
                jobs.append((bundle, bundle.open(outputs[members[0]], train), targets))
            run_forward(jobs, N, size, before=pool if d == 0 else None)
            for (members, _), (_, _, targets) in zip(bundles, jobs, strict=True):
                outputs.update({b: y for b, (y, _) in zip(members, targets, strict=True)})
            rounds.append(jobs)
        return out, (x, pooled, rounds, offsets)

    def backward(self, dy, cache):
        x, pooled, rounds, offsets = cache
        dx, dpooled = np.empty(x.shape, x.dtype), {b: np.empty(x.shape, x.dtype) for b in pooled}
        into, later = {b: dpooled.get(b, dx) for b in range(len(self.branches))}, []
        steps = []  # for each round: (bundle, state, gradients of its targets, targets, gradient of its input, fresh)
        written = []  # dx is fresh memory for the first bundle of the first round that reads x, the last to run
        for d, (bundles, jobs) in enumerate(zip(self.rounds, rounds, strict=True)):
            step = []
            for (members, _), (bundle, state, targets) in zip(bundles, jobs, strict=True):
                dys = [(dy, offset) if d == len(self.branches[b]) - 1 else (np.empty(y.shape, y.dtype), 0)
                       for b, (y, offset) in zip(members, targets, strict=True)]
                goal = into[members[0]]
                step.append((bundle, state, dys, targets, goal, not (goal is dx and written)))
                written += [True] if goal is dx else []
                later += [(b, gradient) for b, (gradient, _) in zip(members, dys, strict=True)]
            into.update(later)
            steps.append(step)

        def pull(s, step):
            return [bundle.pull(state, dys, ys, into, s, fresh) for bundle, state, dys, ys, into, fresh in step]

        def gather(s, step):
            return [bundle.gather(state, dys, ys, s) for bundle, state, dys, ys, *_ in step]

        def unpool(s):
            if not written:
                dx[s] = 0
            for b, layer in self.pools.items():
                if not self.branches[b]:
                    dpooled[b][s] = dy[s][..., offsets[b]:offsets[b + 1]]
                kernels.max_pool_backward(dpooled[b][s], x[s], pooled[b][s], *layer.window, dx=dx[s])

        above, size = [], slice_size(*x.shape[:3])
        for step in reversed(steps):
            # What a slice's gradient becomes in the round above is known as soon as that slice has been pulled.
            results = over_slices(lambda s, above=above, step=step: (pull(s, above), gather(s, step)), len(x), size)
            _collect(above, [pulled for pulled, _ in results])
            for k, (bundle, state, *_) in enumerate(step):
                bundle.settle_back(state, [sums[k] for _, sums in results])
            above = step

        def last(s):
            pulled = pull(s, above)
            unpool(s)
            return pulled

        _collect(above, over_slices(last, len(x), size))
        return dx


def _collect(step, results):
    """Hand each bundle of a round its slices' shares of the weights' gradient."""
    for k, (bundle, *_) in enumerate(step):
        bundle.collect([pulled[k] for pulled in results])


def run_forward(jobs, N, size, before=None):
    """Convolve and finish several bundles, slice by slice; where batch norm wants the sums of the whole batch first,
    in two rounds. ``jobs``: (bundle, state, targets); ``before`` runs at the beginning of each slice."""
    wait = jobs[0][1].batch_statistics

    def convolve(s):
        if before:
            before(s)
        sums = []
        for bundle, state, targets in jobs:
            z, partial = bundle.convolve(state, s)
            sums.append(partial)
            if not wait:
                bundle.finish(state, z, targets, s)
        return sums

    partials = over_slices(convolve, N, size)
    for _, state, _ in jobs:
        state.u = None  # backward wants them turned
    if not wait:
        return
    for (bundle, state, _), sums in zip(jobs, zip(*partials, strict=True), strict=True):
        bundle.settle(state, sums)

    def finish(s):
        for bundle, state, targets in jobs:
            bundle.finish(state, state.z[s], targets, s)

    over_slices(finish, N, size)
