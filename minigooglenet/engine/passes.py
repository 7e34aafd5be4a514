"""The passes of one step: several fused convolutions, chunk by chunk, waiting only for batch norm's sums."""

from typing import NamedTuple

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


def forward_pass(step: list[Forward], deferred: Deferred) -> None:
    """Convolve, normalize and rectify, chunk by chunk; where batch norm needs the sums over the whole batch first,
    these are waited for in between."""
    first = step[0].state
    N, size = len(first.x), chunk_size(*first.shape)

    def convolve(chunk: slice) -> list:
        return [job.one.forward_conv(job.state, chunk)[1] for job in step]

    def apply(chunk: slice) -> None:
        for job in step:
            job.one.apply(job.state, job.state.z[chunk], job.targets, chunk)

    def both(chunk: slice) -> None:
        for job in step:
            z, _ = job.one.forward_conv(job.state, chunk)
            job.one.apply(job.state, z, job.targets, chunk)

    if not first.batch_statistics:
        deferred.defer(both, N, size)
        return
    sums = deferred.run_now(convolve, N, size)
    for k, job in enumerate(step):
        job.one.batch_stats(job.state, [own[k] for own in sums])
    deferred.defer(apply, N, size)


def backward_pass(step: list[Backward], deferred: Deferred) -> None:
    """The gradients of a step's inputs, parameters of batch norm, biases and weights."""
    first = step[0].state
    N, size = len(first.x), chunk_size(*first.shape)

    def stats(chunk: slice) -> list:
        return [job.one.backward_stats(job.state, job.dys, job.ys, chunk) for job in step]

    def data_and_weights(chunk: slice) -> list:
        return [job.one.backward_data_and_weights(job.state, job.dys, job.ys, job.dx, chunk, job.fresh) for job in step]

    def reduce(gradients: list) -> None:
        for k, job in enumerate(step):
            job.one.reduce_grads([own[k] for own in gradients])

    sums = deferred.run_now(stats, N, size)
    for k, job in enumerate(step):
        job.one.backward_constants(job.state, [own[k] for own in sums])
    deferred.defer(data_and_weights, N, size, then=reduce)
