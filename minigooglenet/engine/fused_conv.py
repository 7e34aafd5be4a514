"""Convolutions of one window that read one input, fused: their weights concatenated, one matrix product."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np

from ..kernels import plan_ops as kinds
from ..kernels.geometry import output_hw
from ..layers import BatchNorm, Conv, Shape
from .algorithms import choose
from .plan import window
from .program import FILTERS, Op, Program, Value, op


class Target(NamedTuple):
    """Where a unit's output goes, or its gradient is: the channels of ``value`` from ``offset`` on."""

    value: Value
    offset: int = 0


class Unit(Protocol):
    """A convolution and the batch norm after it, or None."""

    conv: Conv
    bn: BatchNorm | None


@dataclass
class State:
    """What backward needs of a fused convolution's pass.

    x, ys, shape       input; each unit's output; the latter's (N, OH, OW)
    z                  the convolution; None without batch norm
    M                  number of values per channel that μ and σ are computed from; 0: they are the running ones
    moments, affine    for every unit (2, width): μ and 1/σ; scale and shift of y = max(scale · z + shift, 0)
    """

    x: Value
    ys: list[Target]
    shape: tuple[int, int, int]
    z: Value | None = None
    M: Value | None = None
    moments: list[Value] = field(default_factory=list)
    affine: list[Value] = field(default_factory=list)


class FusedConv:
    """F = F_1 + F_2 + … filters from several units (a convolution each, all with batch norm or all without).

    It makes the operations of which ``passes.py`` builds a pass.
    """

    def __init__(self, units: Sequence[Unit]) -> None:
        self.convs, self.bns = [unit.conv for unit in units], [unit.bn for unit in units if unit.bn]
        self.first = self.convs[0]
        self.widths = [conv.F for conv in self.convs]
        self.F = sum(self.widths)
        self.starts: list[int] = np.cumsum([0, *self.widths[:-1]]).tolist()
        self.w: Shape = (*self.first.kernel, self.first.C, self.F)  # the shape of all filters
        self.algorithm = choose(self.first)

    def state(self, to: Program, x: Value, ys: list[Target]) -> State:
        """The state of a pass over the batch x. Raises ShapeError where it does not fit."""
        for conv in self.convs:
            to.check(conv, x)
        hw = output_hw(x.shape[1], x.shape[2], self.first.kernel, self.first.stride, self.first.pad)
        return State(x, ys, (x.shape[0], *hw))

    def packed(self, to: Program, convs: Sequence[Conv], transposed: bool = False) -> dict[str, Any]:
        """The fields u and values of an operation: the filters of some convolutions, packed before all else."""
        w: Shape = (*self.w[:3], sum(conv.F for conv in convs))
        size, (KH, KW, C, F), own = self.algorithm.packed_size(w, transposed), w, [
            to.parameter(conv, "params", "w", (*self.w[:3], conv.F)) for conv in convs]
        u, whole, copies = to.keep((size,), block=FILTERS), own[0], []
        if len(convs) > 1:
            whole, start = to.keep(w, block=FILTERS), 0
            for conv, one in zip(convs, own, strict=True):
                copies.append(op(kinds.COPY, x=one, C=conv.F, y=whole, Y=F, offset=start, width=conv.F))
                start += conv.F
        to.prepare(*copies, op(self.algorithm.preparing, w=whole, u=u, values=size, KH=KH, KW=KW, C=C, F=F,
                               across=transposed), last=KH * KW * C)
        return {"u": u, "values": size}

    def convolution(self, state: State, kind: int, **fields: Any) -> Op:
        """An operation of the convolution, forward or backward."""
        (N, H, W, C), (_, OH, OW) = state.x.shape, state.shape
        return op(kind, x=state.x, N=N, H=H, W=W, C=C, OH=OH, OW=OW, **window(self.first) | fields)

    def units(self, state: State, targets: list[Target], mix: Sequence[Value] = ()) -> list[dict[str, Any]]:
        """The records of all units (``kernels/fused.py``); ``targets`` are the outputs, or their gradients. Without
        batch norm y stands in for z, with scale 1 and shift 0: the ReLU let through what is positive."""
        records = []
        for k, ((y, offset), start, width) in enumerate(zip(targets, self.starts, self.widths, strict=True)):
            z, at = state.ys[k] if state.z is None else (state.z, start)
            record = {"y": y, "Y": y.shape[-1], "y_offset": offset, "z": z, "Z": z.shape[-1], "z_offset": at,
                      "width": width, "scale": state.affine[k].part(0), "shift": state.affine[k].part(1)}
            records.append(record | ({"b": mix[k].part(0), "c": mix[k].part(1)} if mix else {}))
        return records
