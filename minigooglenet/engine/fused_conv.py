"""Convolutions of one window that read one input, fused: their weights concatenated, one matrix product."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from ..kernels.fused import Units, batch_constants, batch_constants_backward
from ..kernels.geometry import output_hw
from ..kernels.memory import empty
from ..layers import Array, BatchNorm, Conv, Layer
from .algorithms import choose, rows

Target = tuple[Array, int]  # an array, and the first of its channels that is meant


def chunk_size(N: int, H: int, W: int) -> int:
    """How many images make one task: few enough to stay in the cache, at least four tasks but none of fewer than 512
    pixels, as short tasks cost more than they save; and the last task about as long as the others. Never depends on the
    number of threads."""
    most = max(1, min(4096 // (H * W), max(-(-N // 4), 512 // (H * W))))
    return -(-N // max(1, -(-N // most)))


class Unit(Protocol):
    """A convolution and the batch norm after it, or None."""

    conv: Conv
    bn: BatchNorm | None


class FusedConv:
    """F = F_1 + F_2 + … filters from several units (a convolution each, all with batch norm or all without).

    One pass: ``prepare_forward``; ``begin``; for every chunk ``forward_conv``; ``batch_stats``; ``outputs``; for every
    chunk ``affine_relu``. Backward: ``prepare_backward``; ``gradients``; for every chunk ``relu_sums``;
    ``backward_constants``; for every chunk ``backward_data_and_weights``; ``reduce_grads``. Targets and their gradients
    are lists of (array, offset), one for each unit: the channels of ``array`` from ``offset`` on. ``outputs`` and
    ``gradients`` describe them for the kernels of ``kernels/fused.py``.
    """

    def __init__(self, units: Sequence[Unit]) -> None:
        self.convs, self.bns = [unit.conv for unit in units], [unit.bn for unit in units if unit.bn]
        self.first = self.convs[0]
        self.widths = [conv.F for conv in self.convs]
        self.F = sum(self.widths)
        self.starts = np.cumsum([0, *self.widths[:-1]]).tolist()
        self.own = [slice(start, start + width) for start, width in zip(self.starts, self.widths, strict=True)]
        self.algorithm, self.u = choose(self.first), np.empty(0)  # u: the packed filters of the pass that is running
        self.neutral = self.per_unit(np.ones(self.F), np.zeros(self.F))  # a scale and a shift that change nothing
        self.no_mix = [(zero, zero) for _, zero in self.neutral]  # b and c where μ and σ do not depend on the batch

    def concatenated(self, layers: Sequence[Layer], name: str, kind: str = "params") -> Array:
        """All the units' ``name`` in one array, concatenated along the last axis."""
        arrays = [getattr(layer, kind)[name] for layer in layers]
        return arrays[0] if len(arrays) == 1 else np.concatenate(arrays, axis=-1)

    def add_to_grads(self, layers: Sequence[Layer], name: str, gradient: Array) -> None:
        """Add a concatenated gradient to the units' own."""
        for layer, own in zip(layers, self.own, strict=True):
            layer.grads[name] += gradient[..., own]

    def sum(self, sums: list[Array]) -> Array:
        """(2, F): the chunks' sums, added in their order; of an empty batch 0."""
        return sum(sums[1:], sums[0]) if sums else np.zeros((2, self.F))

    def per_unit(self, *constants: Array) -> list[tuple[Array, ...]]:
        """For every unit its part of constants per channel, in the weights' precision, as the kernels need them."""
        constants = tuple(constant.astype(self.first.params["w"].dtype) for constant in constants)
        return [tuple(constant[own] for constant in constants) for own in self.own]

    def constants(self) -> tuple[Array, Array]:
        """(scale, shift) where they do not depend on the batch: from running statistics, or just the biases."""
        if not self.bns:
            if "b" not in self.first.params:
                return np.ones(self.F), np.zeros(self.F)
            return np.ones(self.F), self.concatenated(self.convs, "b").astype(np.float64)
        mean, inverse = self.running()
        scale = self.concatenated(self.bns, "gamma") * inverse
        return scale, self.concatenated(self.bns, "beta") - mean * scale

    def running(self) -> tuple[Array, Array]:
        """(μ, 1/σ) from the running statistics."""
        mean, variance = (self.concatenated(self.bns, name, "buffers").astype(float) for name in ("mean", "variance"))
        eps = np.repeat([bn.eps for bn in self.bns], self.widths)
        return mean, 1 / np.sqrt(variance + eps)

    def prepare_forward(self) -> None:
        """Pack the filters for ``forward_conv``."""
        self.u = self.algorithm.packed(self.concatenated(self.convs, "w"))

    def prepare_backward(self) -> None:
        """Pack the transposed filters for ``backward_data_and_weights``."""
        self.u = self.algorithm.transposed(self.concatenated(self.convs, "w"))

    # -- forward ----------------------------------------------------------------------------------------------------

    def begin(self, x: Array, train: bool) -> "PassState":
        """The state of one pass over the batch x."""
        for conv in self.convs:
            conv.check(x)
        hw = output_hw(x.shape[1], x.shape[2], self.first.kernel, self.first.stride, self.first.pad)
        state = PassState()
        state.x, state.batch_statistics = np.require(x, requirements=["C", "W"]), train and bool(self.bns)
        state.z = empty((len(x), *hw, self.F), x.dtype) if self.bns else None  # without: not needed for backward
        state.shape = (len(x), *hw)
        if not state.batch_statistics:
            state.affine = self.per_unit(*self.constants())
            if self.bns:
                state.moments = [tuple(constant[own] for constant in self.running()) for own in self.own]
        return state

    def forward_conv(self, state: "PassState", chunk: slice) -> tuple[Array, Array | None]:
        """z of a chunk, and its sums if batch norm needs them."""
        x = state.x[chunk]
        z = empty((len(x), *state.shape[1:], self.F), x.dtype) if state.z is None else state.z[chunk]
        sums = np.zeros((2, self.F)) if state.batch_statistics else None
        self.algorithm.forward(x, self.u, self.F, z, sums=sums)
        return z, sums

    def batch_stats(self, state: "PassState", M: float, whole: Array) -> None:
        """Scale and shift from the mean and variance of the whole batch, of M values per channel and the sums (2, F);
        the running statistics move towards those."""
        if M < 2:
            self.bns[0].count(state.z.size // self.F)  # raises ShapeError
        state.M, (total, squares) = M, whole
        state.moments, state.affine = [], []
        for bn, own in zip(self.bns, self.own, strict=True):
            mean, inverse, *affine = batch_constants(
                total[own], squares[own], state.M, bn.eps, bn.params["gamma"], bn.params["beta"],
                bn.momentum, bn.buffers["mean"], bn.buffers["variance"])
            state.moments.append((mean, inverse))
            state.affine.append(affine)

    def outputs(self, state: "PassState", z: Array, targets: list[Target]) -> Units:
        """What ``affine_relu`` takes: each unit's part of y = max(scale · z + shift, 0) goes into its target."""
        z = rows(z)
        return tuple([(z, start, width, *affine, rows(y), offset) for (y, offset), start, width, affine
                      in zip(targets, self.starts, self.widths, state.affine, strict=True)])

    # -- backward ---------------------------------------------------------------------------------------------------

    def gradients(self, state: "PassState", dys: list[Target], ys: list[Target]) -> Units:
        """What ``relu_sums`` takes. Without batch norm y stands in for z, with scale 1 and shift 0: the ReLU let
        through what is positive."""
        if self.bns:
            z = rows(state.z)
            return tuple([(rows(dy), offset, z, start, width, *affine) for (dy, offset), start, width, affine
                          in zip(dys, self.starts, self.widths, state.affine, strict=True)])
        return tuple([(rows(dy), offset, rows(y), start, width, *affine) for (dy, offset), (y, start), width, affine
                      in zip(dys, ys, self.widths, self.neutral, strict=True)])

    def backward_constants(self, state: "PassState", units: Units, ours: Array, whole: Array) -> Units:
        """What ``relu_mix`` takes, ``units`` with b and c: dz = scale g + b z + c (see ``layers/batchnorm.py``).
        γ and β, or the biases, get their gradients. The sums (2, F) are of this process, and of the whole batch."""
        if not self.bns:
            if "b" in self.first.params:
                self.add_to_grads(self.convs, "b", ours[0])
            return tuple([(*unit, *none) for unit, none in zip(units, self.no_mix, strict=True)])
        mix = []
        for bn, own, (mean, inverse), (scale, _) in zip(self.bns, self.own, state.moments, state.affine, strict=True):
            mix.append(batch_constants_backward(ours[0, own], ours[1, own], whole[0, own], whole[1, own], state.M, mean,
                                                inverse, scale, bn.grads["gamma"], bn.grads["beta"]))
        return tuple([(*unit, *own) for unit, own in zip(units, mix if state.batch_statistics else self.no_mix,
                                                         strict=True)])

    def backward_data_and_weights(self, state: "PassState", units: Units, dx: Array | None, fresh: bool, chunk: slice
                                  ) -> Array:
        """Add the chunk's dx into ``dx``, or write it where that is ``fresh`` memory (None leaves it out); return the
        chunk's share of the weights' gradient."""
        return self.algorithm.backward(units, self.F, state.shape, state.x, self.u, dx, fresh,
                                       (chunk.start, chunk.stop))

    def reduce_grads(self, gradients: list[Array]) -> None:
        """Add the chunks' shares, in their order, to the convolutions' gradients."""
        if gradients:  # else the batch is empty
            self.add_to_grads(self.convs, "w", self.algorithm.weight_gradient(gradients))


class PassState:
    """What one pass over one batch knows: the cache of a fused convolution.

    x, z, shape          input, convolution (where batch norm follows), the latter's (N, OH, OW)
    batch_statistics     whether μ and σ are the batch's own, from M values per channel
    moments, affine      for every unit: (μ, 1/σ); scale and shift of y = max(scale · z + shift, 0)
    """

    x: Array
    z: Any  # an array, or None where no batch norm follows
    shape: tuple[int, int, int]
    batch_statistics: bool
    moments: list
    affine: list
    M = 1.0  # not used where μ and σ are the running ones
