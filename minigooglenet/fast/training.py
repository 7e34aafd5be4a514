"""Units, pools and concatenations that train: the contract of ``layers/base.py``, in a few passes over memory."""

import numpy as np

from .. import kernels
from ..layers import MaxPool
from ..layers.base import Layer
from ..threads import side_by_side
from .algorithms import Pointwise
from .bundle import Bundle, slice_size


class Training(Layer):
    """A rewritten network. Filters are prepared for all its bundles at once, and nothing is left waiting. One pass at a
    time: while it runs, filters and what waits are kept here, and not in its cache."""

    def __init__(self, net, rounds):
        super().__init__()
        self.net, self.rounds, self.children = net, rounds, net.children
        self.bundles = [bundle for _, layer in net.walk() for bundle in getattr(layer, "bundles", ())]

    def output_shape(self, shape):
        return self.net.output_shape(shape)

    def forward(self, x, train=False):
        return self.through(Bundle.prepare, self.net.forward, x, train)

    def backward(self, dy, cache):
        return self.through(Bundle.turn, self.net.backward, dy, cache)

    def predict(self, x):
        return self.through(Bundle.prepare, self.net.predict, x)

    def through(self, prepare, function, *arguments):
        try:
            side_by_side([(prepare, bundle) for bundle in self.bundles])
            result = function(*arguments)
            self.rounds.finish()
            return result
        finally:  # after an error too: what is left must not run in the next pass
            self.rounds.forget()
            for bundle in self.bundles:
                bundle.u = None


class Plain(Layer):
    """A layer that knows nothing of rounds: what it reads must be there."""

    def __init__(self, layer, rounds):
        super().__init__()
        self.layer, self.rounds = layer, rounds

    def walk(self, path=""):
        return self.layer.walk(path)

    def check_shape(self, shape):
        self.layer.check_shape(shape)

    def output_shape(self, shape):
        return self.layer.output_shape(shape)

    def forward(self, x, train=False):
        return self.between(self.layer.forward, x, train)

    def backward(self, dy, cache):
        return self.between(self.layer.backward, dy, cache)

    def predict(self, x):
        return self.between(self.layer.predict, x)

    def between(self, function, *arguments):
        self.rounds.run()
        result = function(*arguments)
        self.rounds.run()  # layers inside may have left something
        return result


class Fast(Layer):
    """What the others share: they leave work waiting."""

    def __init__(self, rounds):
        super().__init__()
        self.rounds = rounds

    def predict(self, x):
        y, _ = self.forward(x)
        self.rounds.run()  # or what waits would keep alive what only backward needs
        return y


class FastUnit(Fast):
    """Convolution, batch norm or bias, ReLU. The cache is the pass's State and y."""

    def __init__(self, conv, bn, rounds):
        super().__init__(rounds)
        self.conv, self.bn = conv, bn
        self.bundle = Bundle([self])
        self.bundles, self.expects, self.input_gradient = [self.bundle], conv.expects, True

    def output_shape(self, shape):
        return self.conv.output_shape(shape)

    def forward(self, x, train=False):
        state = self.bundle.open(x, train)
        y = np.empty((*state.shape, self.conv.F), x.dtype)
        run_forward([(self.bundle, state, [(y, 0)])], self.rounds)
        return y, (state, y)

    def backward(self, dy, cache):
        state, y = cache
        dy = np.require(dy, state.x.dtype, "CW")
        dx = np.empty(state.x.shape, state.x.dtype) if self.input_gradient else None
        run_backward([(self.bundle, state, [(dy, 0)], [(y, 0)], dx, True)], self.rounds)
        return dx


class FastPool(Fast):
    """A max pool. The cache is (x, y)."""

    def __init__(self, pool, rounds):
        super().__init__(rounds)
        self.pool, self.expects = pool, pool.expects

    def output_shape(self, shape):
        return self.pool.output_shape(shape)

    def forward(self, x, train=False):
        self.pool.check(x)
        y = np.empty((len(x), *self.output_shape(x.shape[1:])), x.dtype)
        self.rounds.later(lambda s: kernels.max_pool(x[s], *self.pool.window, y=y[s]), len(x), slice_size(*x.shape[:3]))
        return y, (x, y)

    def backward(self, dy, cache):
        x, y = cache
        self.pool.check_gradient(dy, x.shape)
        dx = np.empty(x.shape, x.dtype)

        def pull(s):
            kernels.max_pool_backward(dy[s], x[s], y[s], *self.pool.window, dx=dx[s], fresh=True)

        self.rounds.later(pull, len(x), slice_size(*x.shape[:3]))
        return dx


class FastConcat(Fast):
    """An inception module. Branches are lists of units, the first of which may follow a max pool.

    It runs in steps: first what opens the branches, with all 1×1 units that read the module's input as one bundle;
    then the branches' second units, and so on. The last unit of each branch writes into its own channels of the
    output. The cache is x, its pooled forms, and for every step the bundles with their States and targets.
    """

    def __init__(self, branches, rounds):
        super().__init__(rounds)
        self.pools = {b: branch[0] for b, branch in enumerate(branches) if isinstance(branch[0], MaxPool)}
        self.branches = [[layer for layer in branch if not isinstance(layer, MaxPool)] for branch in branches]
        opening = [b for b, branch in enumerate(self.branches)
                   if b not in self.pools and isinstance(branch[0].bundle.algorithm, Pointwise)]
        depth = max(len(branch) for branch in self.branches)
        self.steps = [[([b], branch[d].bundle) for b, branch in enumerate(self.branches)
                       if d < len(branch) and not (d == 0 and b in opening)] for d in range(depth)]
        if opening:
            self.steps[0].insert(0, (opening, Bundle([self.branches[b][0] for b in opening])))
        self.bundles = [bundle for step in self.steps for _, bundle in step]

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
        pooled = {b: np.empty(x.shape, x.dtype) for b in self.pools}
        steps, outputs = [], {b: pooled.get(b, x) for b in range(len(widths))}

        def pool(s):
            for b, layer in self.pools.items():
                kernels.max_pool(x[s], *layer.window, y=pooled[b][s])
                if not self.branches[b]:
                    out[s][..., offsets[b]:offsets[b] + C] = pooled[b][s]

        if self.pools:
            self.rounds.later(pool, N, slice_size(N, H, W))
        for d, bundles in enumerate(self.steps):
            jobs = []
            for members, bundle in bundles:
                targets = [(out, offsets[b]) if d == len(self.branches[b]) - 1
                           else (np.empty((N, H, W, self.branches[b][d].conv.F), x.dtype), 0) for b in members]
                jobs.append((bundle, bundle.open(outputs[members[0]], train), targets))
            run_forward(jobs, self.rounds)
            for (members, _), (_, _, targets) in zip(bundles, jobs, strict=True):
                outputs.update({b: y for b, (y, _) in zip(members, targets, strict=True)})
            steps.append(jobs)
        return out, (x, pooled, steps, offsets)

    def backward(self, dy, cache):
        x, pooled, steps, offsets = cache
        dy = np.require(dy, x.dtype, "CW")  # as the gradients within: kernels take those of a bundle together
        dx, dpooled = np.empty(x.shape, x.dtype), {b: np.empty(x.shape, x.dtype) for b in pooled}
        into, later = {b: dpooled.get(b, dx) for b in range(len(self.branches))}, []
        back = []  # for each step: (bundle, state, gradients of its targets, targets, gradient of its input, fresh)
        written = []  # dx is fresh memory for the first bundle of the first step that reads x, the last to run
        for d, (bundles, jobs) in enumerate(zip(self.steps, steps, strict=True)):
            step = []
            for (members, _), (bundle, state, targets) in zip(bundles, jobs, strict=True):
                dys = [(dy, offset) if d == len(self.branches[b]) - 1 else (np.empty(y.shape, y.dtype), 0)
                       for b, (y, offset) in zip(members, targets, strict=True)]
                goal = into[members[0]]
                step.append((bundle, state, dys, targets, goal, not (goal is dx and written)))
                written += [True] if goal is dx else []
                later += [(b, gradient) for b, (gradient, _) in zip(members, dys, strict=True)]
            into.update(later)
            back.append(step)

        def unpool(s):
            for k, (b, layer) in enumerate(self.pools.items()):
                if not self.branches[b]:
                    dpooled[b][s] = dy[s][..., offsets[b]:offsets[b + 1]]
                kernels.max_pool_backward(dpooled[b][s], x[s], pooled[b][s], *layer.window, dx=dx[s],
                                          fresh=not written and k == 0)

        for step in reversed(back):
            run_backward(step, self.rounds)
        if self.pools:
            self.rounds.later(unpool, len(x), slice_size(*x.shape[:3]))
        return dx


def run_forward(jobs, rounds):
    """Convolve and finish several bundles, slice by slice; where batch norm wants the sums of the whole batch first,
    these are waited for in between. ``jobs``: (bundle, state, targets)."""
    (_, first, _), *_ = jobs
    cut = len(first.x), slice_size(*first.shape)

    def convolve(s):
        return [bundle.convolve(state, s)[1] for bundle, state, _ in jobs]

    def finish(s):
        for bundle, state, targets in jobs:
            bundle.finish(state, state.z[s], targets, s)

    def both(s):
        for bundle, state, targets in jobs:
            z, _ = bundle.convolve(state, s)
            bundle.finish(state, z, targets, s)

    if not first.batch_statistics:
        rounds.later(both, *cut)
        return
    sums = rounds.now(convolve, *cut)
    for k, (bundle, state, _) in enumerate(jobs):
        bundle.settle(state, [own[k] for own in sums])
    rounds.later(finish, *cut)


def run_backward(jobs, rounds):
    """Take several bundles' gradients back. ``jobs``: (bundle, state, dys, ys, dx, whether that is fresh memory)."""
    (_, first, *_), *_ = jobs
    cut = len(first.x), slice_size(*first.shape)

    def gather(s):
        return [bundle.gather(state, dys, ys, s) for bundle, state, dys, ys, *_ in jobs]

    def pull(s):
        return [bundle.pull(state, dys, ys, dx, s, fresh) for bundle, state, dys, ys, dx, fresh in jobs]

    def collect(gradients):
        for k, (bundle, *_) in enumerate(jobs):
            bundle.collect([own[k] for own in gradients])

    sums = rounds.now(gather, *cut)
    for k, (bundle, state, *_) in enumerate(jobs):
        bundle.settle_back(state, [own[k] for own in sums])
    rounds.later(pull, *cut, collect)
