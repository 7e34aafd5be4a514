"""An inception module that trains, in a few passes over memory."""

from typing import Any

import numpy as np

from ..kernels.max_pool import max_pool
from ..kernels.max_pool_backward import max_pool_backward
from ..kernels.memory import empty
from ..layers import Array, MaxPool, Shape
from .algorithms import Pointwise
from .deferred import Deferred
from .fused_conv import FusedConv, chunk_size
from .passes import Backward, Forward, backward_pass, forward_pass
from .training import DeferredLayer, FusedUnit


class FusedConcat(DeferredLayer):
    """An inception module. Branches are lists of units, the first of which may follow a max pool.

    It runs in steps: first the first units of all branches, with all 1×1 units that read the module's input as one
    fused convolution; then the second units, and so on. The last unit of each branch writes into its own channels of
    the output. The cache is x, its pooled forms, and for every step the fused convolutions with their states and
    targets.
    """

    def __init__(self, branches: list[list], deferred: Deferred) -> None:
        super().__init__(deferred)
        self.pools: dict[int, MaxPool] = {
            b: branch[0] for b, branch in enumerate(branches) if isinstance(branch[0], MaxPool)}
        self.branches: list[list[FusedUnit]] = [
            [layer for layer in branch if not isinstance(layer, MaxPool)] for branch in branches]
        opening = [b for b, branch in enumerate(self.branches)
                   if b not in self.pools and isinstance(branch[0].one.algorithm, Pointwise)]
        depth = max(len(branch) for branch in self.branches)
        self.steps = [[([b], branch[d].one) for b, branch in enumerate(self.branches)
                       if d < len(branch) and not (d == 0 and b in opening)] for d in range(depth)]
        if opening:
            self.steps[0].insert(0, (opening, FusedConv([self.branches[b][0] for b in opening])))
        self.fused = [one for step in self.steps for _, one in step]
        self.input_gradient = True
        self.norms = [sum(one.F for _, one in step) for step in self.steps if step[0][1].bns]

    def widths(self, C: int) -> list[int]:
        """The channels of each branch's output, for C channels of input."""
        return [branch[-1].conv.F if branch else C for branch in self.branches]

    def output_shape(self, shape: Shape) -> Shape:
        return *shape[:2], sum(self.widths(shape[-1]))

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        N, H, W, C = x.shape
        widths = self.widths(C)
        out = empty((N, H, W, sum(widths)), x.dtype)
        offsets = np.cumsum([0, *widths]).tolist()
        pooled = {b: empty(x.shape, x.dtype) for b in self.pools}
        outputs = {b: pooled.get(b, x) for b in range(len(widths))}
        steps = []

        def pool(chunk: slice) -> None:
            for b, layer in self.pools.items():
                max_pool(x[chunk], *layer.window, y=pooled[b][chunk])
                if not self.branches[b]:
                    out[chunk][..., offsets[b]:offsets[b] + C] = pooled[b][chunk]

        if self.pools:
            self.deferred.defer(pool, N, chunk_size(N, H, W))
        for d, fused in enumerate(self.steps):
            step = []
            for members, one in fused:
                targets = [(out, offsets[b]) if d == len(self.branches[b]) - 1
                           else (empty((N, H, W, self.branches[b][d].conv.F), x.dtype), 0) for b in members]
                step.append(Forward(one, one.begin(outputs[members[0]], train), targets))
            forward_pass(step, self.deferred)
            for (members, _), job in zip(fused, step, strict=True):
                outputs.update({b: y for b, (y, _) in zip(members, job.targets, strict=True)})
            steps.append(step)
        return out, (x, pooled, steps, offsets)

    def backward(self, dy: Array, cache: Any) -> Array:
        x, pooled, steps, offsets = cache
        dy = np.require(dy, x.dtype, ["C", "W"])  # like the gradients inside: the kernels take them together
        gradients: list[Any] = [empty(x.shape, x.dtype) if self.input_gradient else None for _ in (x, *pooled)]
        dx, dpooled = gradients[0], dict(zip(pooled, gradients[1:], strict=True))
        gradient_of_input = {b: dpooled.get(b, dx) for b in range(len(self.branches))}  # of each branch's next unit
        jobs: list[list[Backward]] = []
        reads_x = False  # dx is fresh memory for the first job of the first step that reads x, which runs last
        for d, (fused, step) in enumerate(zip(self.steps, steps, strict=True)):
            jobs.append([])
            outputs = {}
            for (members, _), job in zip(fused, step, strict=True):
                dys = [(dy, offset) if d == len(self.branches[b]) - 1 else (empty(y.shape, y.dtype), 0)
                       for b, (y, offset) in zip(members, job.targets, strict=True)]
                into = gradient_of_input[members[0]]
                jobs[-1].append(Backward(job.one, job.state, dys, job.targets, into, not (into is dx and reads_x)))
                reads_x = reads_x or into is dx
                outputs.update({b: gradient for b, (gradient, _) in zip(members, dys, strict=True)})
            gradient_of_input.update(outputs)

        def unpool(chunk: slice) -> None:
            for k, (b, layer) in enumerate(self.pools.items()):
                if not self.branches[b]:
                    dpooled[b][chunk] = dy[chunk][..., offsets[b]:offsets[b + 1]]
                max_pool_backward(dpooled[b][chunk], x[chunk], pooled[b][chunk], *layer.window, dx=dx[chunk],
                                  fresh=not reads_x and k == 0)

        for step in reversed(jobs):
            backward_pass(step, self.deferred)
        if self.pools and self.input_gradient:
            self.deferred.defer(unpool, len(x), chunk_size(*x.shape[:3]))
        return dx
