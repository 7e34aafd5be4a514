"""The passes of one step: several fused convolutions, chunk by chunk, waiting only for batch norm's sums."""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..kernels.fused import affine_relu, relu_sums
from ..layers import Array
from .deferred import Deferred
from .fused_conv import FusedConv, PassState, Target, chunk_size


class Forward(NamedTuple):
    """One fused convolution of a step: its state, and where its units' outputs go."""

    one: FusedConv
    state: PassState
    targets: list[Target]


class Backward(NamedTuple):
    """The same backward: the gradients ``dys`` of its outputs ``ys``, the gradient ``dx`` of its input (None leaves it
    out), and whether that is ``fresh`` memory, which need not be added to."""

    one: FusedConv
    state: PassState
    dys: list[Target]
    ys: list[Target]
    dx: Array | None
    fresh: bool


def sums_of(step: Sequence[Forward | Backward], chunks: list) -> list[Array]:
    """(2, F) for each fused convolution of a step: the chunks' sums, added in their order."""
    return [job.one.sum([own[k] for own in chunks]) for k, job in enumerate(step)]


def over_processes(step: Sequence[Forward | Backward], arrays: list[Array]) -> list[Array]:
    """The arrays, summed over all processes that share the batch, in one message: latency counts, not bytes."""
    whole = step[0].one.bns[0].all_reduce(np.concatenate(arrays, axis=None))
    ends = itertools.accumulate(array.size for array in arrays)
    return [whole[end - array.size:end].reshape(array.shape) for end, array in zip(ends, arrays, strict=True)]


def forward_pass(step: list[Forward], deferred: Deferred) -> None:
    """Convolve, normalize and rectify, chunk by chunk; where batch norm needs the sums over the whole batch first,
    these are waited for in between."""
    first = step[0].state
    N, OH, OW = first.shape
    size, pixels = chunk_size(N, OH, OW), OH * OW

    def convolve(chunk: slice) -> list:
        return [job.one.forward_conv(job.state, chunk)[1] for job in step]

    def both(chunk: slice) -> None:
        for job in step:
            z, _ = job.one.forward_conv(job.state, chunk)
            affine_relu(job.one.outputs(job.state, z, [(y[chunk], at) for y, at in job.targets]), 0, len(z) * pixels)

    if not first.batch_statistics:
        deferred.defer(both, N, size)
        return
    values = np.array([math.prod(first.shape)], float)  # per channel
    (M,), *whole = over_processes(step, [values, *sums_of(step, deferred.run_now(convolve, N, size))])
    for job, sums in zip(step, whole, strict=True):
        job.one.batch_stats(job.state, float(M), sums)
    units = [job.one.outputs(job.state, job.state.z, job.targets) for job in step]

    def apply(chunk: slice) -> None:
        for own in units:
            affine_relu(own, chunk.start * pixels, chunk.stop * pixels)

    deferred.defer(apply, N, size)


def backward_pass(step: list[Backward], deferred: Deferred) -> None:
    """The gradients of a step's inputs, parameters of batch norm, biases and weights."""
    N, OH, OW = step[0].state.shape
    size, pixels = chunk_size(N, OH, OW), OH * OW
    units = [job.one.gradients(job.state, job.dys, job.ys) for job in step]

    def stats(chunk: slice) -> list:
        return [relu_sums(own, job.one.F, chunk.start * pixels, chunk.stop * pixels)
                for job, own in zip(step, units, strict=True)]

    ours = sums_of(step, deferred.run_now(stats, N, size))
    whole = over_processes(step, ours) if step[0].state.batch_statistics else ours
    mixed = [job.one.backward_constants(job.state, own, its, all_)
             for job, own, its, all_ in zip(step, units, ours, whole, strict=True)]

    def data_and_weights(chunk: slice) -> list:
        return [job.one.backward_data_and_weights(job.state, own, job.dx, job.fresh, chunk)
                for job, own in zip(step, mixed, strict=True)]

    def reduce(gradients: list) -> None:
        for k, job in enumerate(step):
            job.one.reduce_grads([own[k] for own in gradients])

    deferred.defer(data_and_weights, N, size, then=reduce)
