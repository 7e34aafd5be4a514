"""An inception module that trains, in a few passes over memory."""

from itertools import accumulate
from typing import Any

from ..kernels import plan_ops as kinds
from ..layers import MaxPool, Shape
from .algorithms import Pointwise
from .fused_conv import FusedConv, State, Target
from .passes import Backward, backward_pass, forward_pass
from .program import Program, Value, op
from .training import FusedUnit, Recorded, pool, unpool


def fused(branches: list[list]) -> "FusedConcat | None":
    """The module of these branches; None where it would not compute the same.

    A step has batch norms that all wait for sums over the same processes, or none. And it adds to all its gradients and
    running statistics in parallel, so each has to be an array of its own.
    """
    units = [layer for branch in branches for layer in branch if isinstance(layer, FusedUnit)]
    waiting = {unit.bn and unit.bn.all_reduce for unit in units}
    written = [array.ctypes.data for unit in units for layer in (unit.conv, unit.bn) if layer
               for array in (*layer.grads.values(), *layer.buffers.values())]
    return FusedConcat(branches) if len(waiting) == 1 and len(written) == len({*written}) else None


class FusedConcat(Recorded):
    """An inception module. Branches are lists of units, the first of which may follow a max pool.

    It runs in steps: first the first units of all branches, with all 1×1 units that read the module's input as one
    fused convolution; then the second units, and so on. The last unit of each branch writes into its own channels of
    the output.
    """

    def __init__(self, branches: list[list]) -> None:
        super().__init__()
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
        self.norms = [sum(one.F for _, one in step) for step in self.steps if step[0][1].bns]
        self.fused = [one for step in self.steps for _, one in step]

    def ends(self, C: int) -> list[int]:
        """Where each branch's channels end in the output, for C channels of input."""
        return list(accumulate(branch[-1].conv.F if branch else C for branch in self.branches))

    def output_shape(self, shape: Shape) -> Shape:
        return *shape[:2], self.ends(shape[-1])[-1]

    def record(self, to: Program, x: Value, train: bool) -> tuple[Value, Any]:
        for layer in (*self.pools.values(), *(one.first for _, one in self.steps[0])):
            to.check(layer, x)
        N, H, W, C = x.shape
        offsets = [0, *self.ends(C)]
        out = to.keep((N, H, W, offsets[-1]))
        pooled = {b: to.keep(x.shape) for b in self.pools}
        outputs = {b: pooled.get(b, x) for b in range(len(self.branches))}  # of each branch, so far
        for b, layer in self.pools.items():
            pool(to, layer, x, pooled[b])
            if not self.branches[b]:
                to.each((N, H, W), op(kinds.COPY, x=pooled[b], C=C, y=out, Y=offsets[-1], offset=offsets[b], width=C,
                                      per=H * W))
        states: list[list[State]] = []
        for d, step in enumerate(self.steps):
            states.append([])
            for members, one in step:
                ys = [Target(out, offsets[b]) if d == len(self.branches[b]) - 1
                      else Target(to.keep((N, H, W, self.branches[b][d].conv.F))) for b in members]
                states[-1].append(one.state(to, outputs[members[0]], ys))
                outputs.update({b: y for b, (y, _) in zip(members, ys, strict=True)})
            forward_pass(to, [(one, state) for (_, one), state in zip(step, states[-1], strict=True)], train)
        return out, (x, pooled, states, offsets)

    def record_backward(self, to: Program, dy: Value, state: Any, dx: Value | None) -> None:
        x, pooled, states, offsets = state
        (N, H, W, C), dpooled = x.shape, {b: to.temporary(x.shape) for b in pooled} if dx else {}
        into = {b: dpooled.get(b, dx) for b in range(len(self.branches))}  # gradient of each branch's next input
        jobs: list[list[Backward]] = []
        reads_x = False  # dx is fresh memory for the first job of the first step that reads x, which runs last
        for d, (step, its) in enumerate(zip(self.steps, states, strict=True)):
            jobs.append([])
            inner: dict[int, Value] = {}
            for (members, one), own in zip(step, its, strict=True):
                dys = [Target(dy, y.offset) if d == len(self.branches[b]) - 1 else Target(to.temporary(y.value.shape))
                       for b, y in zip(members, own.ys, strict=True)]
                target = into[members[0]]
                jobs[-1].append(Backward(one, own, dys, target, not (target == dx and reads_x)))
                reads_x = reads_x or target == dx
                inner.update({b: gradient for b, (gradient, _) in zip(members, dys, strict=True)})
            into.update(inner)
        for jobs_of_step in reversed(jobs):
            backward_pass(to, jobs_of_step)
            to.free(*(value for job in jobs_of_step for value, _ in job.dys if value != dy))
        for k, (b, layer) in enumerate(self.pools.items()):
            if dx is None:
                break
            if not self.branches[b]:
                to.each((N, H, W), op(kinds.COPY, x=dy, C=dy.shape[-1], start=offsets[b], y=dpooled[b], Y=C, width=C,
                                      per=H * W))
            unpool(to, layer, x, pooled[b], dpooled[b], dx, fresh=not reads_x and k == 0)
        to.free(*dpooled.values())
