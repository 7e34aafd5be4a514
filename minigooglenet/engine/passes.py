"""The passes of one step: several fused convolutions, chunk by chunk, waiting only for batch norm's sums."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ..kernels import plan_ops as kinds
from ..layers import Array, BatchNorm
from ..layers.batchnorm import itself
from .fused_conv import FusedConv, State, Target
from .program import KEPT, Op, Program, Value, op

REDUCED = 1 << 18  # values of a gradient of filters that one task adds up, about
MOST = 4           # such tasks for one gradient
OF_NORM = ("gamma", "params"), ("beta", "params"), ("mean", "buffers"), ("variance", "buffers")


class Backward(NamedTuple):
    """One fused convolution of a step backward: its state, the gradients ``dys`` of its outputs, the gradient ``dx`` of
    its input (None leaves it out), and whether that is ``fresh`` memory, which need not be added to."""

    one: FusedConv
    state: State
    dys: list[Target]
    dx: Value | None
    fresh: bool


def over_processes(to: Program, bn: BatchNorm, sums: Sequence[Value], M: Value | None = None, here: int = 0
                   ) -> list[Value]:
    """The chunks' sums, added in their order and over all processes that share the batch. With M, the number of values
    per channel, of which there are so many ``here``: all in one message, since latency counts, not bytes."""
    whole = [to.temporary((1, *value.shape[1:]), float) for value in sums]

    def reduce(view: Callable[[Value], Array]) -> None:
        arrays = [*([np.array([here], float)] if M else []), *(view(value).sum(axis=0) for value in sums)]
        message, end = bn.all_reduce(np.concatenate(arrays, axis=None)), 0
        for target in [*([M] if M else []), *whole]:
            start, end = end, end + math.prod(target.shape)
            view(target)[...] = message[start:end].reshape(target.shape)
        if M and view(M)[0] < 2:
            bn.count(here)  # raises ShapeError

    to.pause(reduce)
    return whole


def forward_pass(to: Program, step: Sequence[tuple[FusedConv, State]], train: bool) -> None:
    """Convolve, normalize and rectify, chunk by chunk; where batch norm needs the sums over the whole batch first,
    these are waited for in between."""
    (N, OH, OW), bns = step[0][1].shape, step[0][0].bns
    count = len(to.chunks(N, OH, OW))
    if not bns:
        for one, state in step:
            state.affine = [neutral(to, width) for width in one.widths]
            for conv, (y, offset) in zip(one.convs, state.ys, strict=True):
                shift = (to.parameter(conv, "params", "b", (conv.F,)) if "b" in conv.params
                         else neutral(to, conv.F).part(1))
                to.each(state.shape, one.convolution(state, one.algorithm.forward, y=y, Y=y.shape[-1], offset=offset,
                                                     F=conv.F, shift=shift, per=one.algorithm.per_image(OH, OW),
                                                     **one.packed(to, [conv])))
        return
    here, alone = N * OH * OW, bns[0].all_reduce is itself
    if train and alone and here < 2:
        bns[0].count(here)  # raises ShapeError
    M = to.constant(np.array([here if train else 0], float)) if alone or not train else to.keep((1,), float)
    sums = [to.temporary((count, 2, one.F), float) for one, _ in step]
    for (one, state), its in zip(step, sums, strict=True):
        state.z, state.M = to.keep((N, OH, OW, one.F)), M
        state.affine = [to.keep((2, width)) for width in one.widths]
        state.moments = [to.keep((2, width), float) for width in one.widths]
        to.each(state.shape, one.convolution(state, one.algorithm.forward, y=state.z, Y=one.F, F=one.F, linear=True,
                                             counted=train, sums=its, per=one.algorithm.per_image(OH, OW),
                                             **one.packed(to, one.convs)))
    whole = sums if alone or not train else over_processes(to, bns[0], sums, M, here)
    constants = [op(kinds.CONSTANTS, sums=its, chunks=its.shape[0], F=one.F, start=start, width=bn.C, M=M, eps=bn.eps,
                    momentum=bn.momentum, moments=moments, affine=affine,
                    **{name: to.parameter(bn, kind, name, (bn.C,), written=kind == "buffers" and train)
                       for name, kind in OF_NORM})
                 for (one, state), its in zip(step, whole, strict=True)
                 for bn, start, moments, affine in zip(one.bns, one.starts, state.moments, state.affine, strict=True)]
    if train:
        to.then(*constants)
    else:
        to.prepare(*constants)
    for one, state in step:
        to.each(state.shape, op(kinds.NORMALIZE, of=one.units(state, state.ys), per=OH * OW))
    to.free(*sums, *whole)


def neutral(to: Program, width: int) -> Value:
    """A scale and a shift that change nothing."""
    return to.constant(np.repeat([[1], [0]], width, axis=1).astype(to.dtype))


def backward_pass(to: Program, step: Sequence[Backward]) -> None:
    """The gradients of a step's inputs, parameters of batch norm, biases and weights."""
    N, OH, OW = step[0].state.shape
    count, M = len(to.chunks(N, OH, OW)), step[0].state.M
    sums = [to.temporary((count, 2, job.one.F), float) for job in step]
    for job, its in zip(step, sums, strict=True):
        to.each(job.state.shape, op(kinds.SUMS, of=job.one.units(job.state, job.dys), F=job.one.F, sums=its,
                                    per=OH * OW))
    whole = over_processes(to, step[0].one.bns[0], sums) if M and M.block == KEPT else sums
    mixes = [[to.temporary((2, width)) if M else to.constant(np.zeros((2, width), to.dtype))
              for width in job.one.widths] for job in step]
    to.then(*(constant for job, own, its, mix in zip(step, sums, whole, mixes, strict=True)
              for constant in constants_backward(to, job, own, its, mix)))
    for job, mix in zip(step, mixes, strict=True):
        one, C, F = job.one, job.one.first.C, job.one.F
        parts, across = to.temporary((count, one.algorithm.gradient_size(one.w))), one.algorithm.across(C, F)
        fields = {"of": one.units(job.state, job.dys, mix), "F": F, "parts": parts, "across": across,
                  "per": OH * OW if one.algorithm.backward == kinds.POINTWISE_BACKWARD else 1}
        if job.dx:
            fields |= {"dx": job.dx, "counted": True, "fresh": job.fresh, **one.packed(to, one.convs, transposed=True)}
        to.each(job.state.shape, one.convolution(job.state, one.algorithm.backward, **fields))
        if job.dx and one.algorithm.input is not None:
            to.each(job.state.shape, one.convolution(job.state, one.algorithm.input, **fields))
        if N:
            reduce(to, one, parts, across)
    to.free(*sums, *whole, *(value for mix in mixes for value in mix))


def constants_backward(to: Program, job: Backward, own: Value, whole: Value, mix: list[Value]) -> Iterator[Op]:
    """The operations that compute the gradients of batch norm's parameters, or of biases; and what ``relu_mix`` needs
    of the whole batch."""
    one, state = job.one, job.state
    for k, (start, width) in enumerate(zip(one.starts, one.widths, strict=True)):
        fields = {"sums": own, "chunks": own.shape[0], "F": one.F, "start": start, "width": width}
        if one.bns:
            gamma, beta = (to.parameter(one.bns[k], "grads", name, (width,), True) for name in ("gamma", "beta"))
            yield op(kinds.CONSTANTS_BACKWARD, whole=whole, others=whole.shape[0], M=state.M, moments=state.moments[k],
                     affine=state.affine[k], gamma=gamma, beta=beta, mix=mix[k], **fields)
        elif "b" in one.convs[k].params:
            yield op(kinds.BIAS, beta=to.parameter(one.convs[k], "grads", "b", (width,), True), **fields)


def reduce(to: Program, one: FusedConv, parts: Value, across: bool) -> None:
    """Add the chunks' parts of the gradient of the filters, in their order, to the convolutions' gradients."""
    (KH, KW, C, F), tasks = one.w, max(1, min(MOST, math.prod(parts.shape) // REDUCED))
    fields = {"parts": parts, "chunks": parts.shape[0], "KH": KH, "KW": KW, "C": C, "F": F}
    gradients = [to.parameter(conv, "grads", "w", (KH, KW, C, conv.F), True) for conv in one.convs]
    if one.algorithm.preparing == kinds.FILTERS:
        to.meanwhile(op(kinds.FILTER_GRADIENT, w=gradients[0], **fields), C * F, tasks, parts)
        return
    for w, start, width in zip(gradients, one.starts, one.widths, strict=True):
        to.meanwhile(op(kinds.ADD_PARTS, w=w, start=start, width=width, across=across, **fields),
                     width if across else KH * KW * C, tasks, *([parts] if start == 0 else []))
