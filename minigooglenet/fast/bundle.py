"""Convolutions of one window that read one input, run as one: their weights side by side, one product."""

import numpy as np

from .. import kernels
from ..geometry import output_hw
from ..processes import sum_over_processes
from .algorithms import choose, rows


def slice_size(N, H, W):
    """How many pictures make one task: few enough to stay in the cache, at least four tasks but none of less than 512
    pixels, as short ones get into each other's way. Never by the number of threads."""
    return max(1, min(4096 // (H * W), max(-(-N // 4), 512 // (H * W))))


class Bundle:
    """F = F_1 + F_2 + … filters from several units (a convolution each, all with batch norm or all without).

    The life of one pass: ``prepare`` the filters; ``open`` it; for every slice ``convolve``; ``settle`` the statistics
    of the batch; for every slice ``finish`` (scale, shift, ReLU). Backward: ``turn`` the filters; for every slice
    ``gather`` sums; ``settle_back``; for every slice ``pull`` the gradient through; ``collect`` the weights' gradients.
    Targets and gradients are lists of (array, offset), one for each unit: the channels of ``array`` from ``offset`` on.
    """

    def __init__(self, units):
        self.convs, self.bns = [unit.conv for unit in units], [unit.bn for unit in units if unit.bn]
        self.first = self.convs[0]
        self.widths = [conv.F for conv in self.convs]
        self.F = sum(self.widths)
        self.starts = np.cumsum([0, *self.widths[:-1]]).tolist()
        self.own = [slice(start, start + width) for start, width in zip(self.starts, self.widths, strict=True)]
        self.algorithm, self.u = choose(self.first), None
        self.neutral = self.each(np.ones(self.F), np.zeros(self.F))  # a scale and a shift that change nothing
        self.still = [(zero, zero) for _, zero in self.neutral]  # b and c where μ and σ do not depend on the batch

    def joined(self, layers, name, kind="params"):
        """One array of all the units' ``name``, side by side on the last axis."""
        arrays = [getattr(layer, kind)[name] for layer in layers]
        return arrays[0] if len(arrays) == 1 else np.concatenate(arrays, axis=-1)

    def hand_out(self, layers, name, gradient):
        """Add a joined gradient to the units' own."""
        for layer, own in zip(layers, self.own, strict=True):
            layer.grads[name] += gradient[..., own]

    def each(self, *constants):
        """For every unit its part of constants per channel, as the kernels want them: in the weights' precision."""
        constants = [constant.astype(self.first.params["w"].dtype) for constant in constants]
        return [tuple(constant[own] for constant in constants) for own in self.own]

    def constants(self):
        """(scale, shift) of a unit that does not look at the batch: running statistics, or just the biases."""
        if not self.bns:
            if "b" not in self.first.params:
                return np.ones(self.F), np.zeros(self.F)
            return np.ones(self.F), self.joined(self.convs, "b").astype(np.float64)
        mean, inverse = self.running()
        scale = self.joined(self.bns, "gamma") * inverse
        return scale, self.joined(self.bns, "beta") - mean * scale

    def running(self):
        """(μ, 1/σ) from the running statistics."""
        mean, variance = (self.joined(self.bns, name, "buffers").astype(float) for name in ("mean", "variance"))
        return mean, 1 / np.sqrt(variance + self.bns[0].eps)

    def prepare(self):
        """Bring the filters into the order that ``convolve`` wants."""
        self.u = kernels.pack(self.algorithm.matrix(self.joined(self.convs, "w")))

    def turn(self):
        """Bring the filters into the order that ``pull`` wants."""
        self.u = self.algorithm.turned(self.joined(self.convs, "w"))

    # -- forward ----------------------------------------------------------------------------------------------------

    def open(self, x, train):
        """The state of one pass over the batch x."""
        for conv in self.convs:
            conv.check(x)
        hw = output_hw(*x.shape[1:3], self.first.kernel, self.first.stride, self.first.pad)
        state = State()
        state.x, state.batch_statistics = np.require(x, requirements="CW"), train and bool(self.bns)
        state.z = np.empty((len(x), *hw, self.F), x.dtype) if self.bns else None  # without: not needed for backward
        state.shape = (len(x), *hw)
        if not state.batch_statistics:
            state.affine = self.each(*self.constants())
            if self.bns:
                state.known = [[constant[own] for constant in self.running()] for own in self.own]
        return state

    def convolve(self, state, s):
        """z of a slice, and its sums if batch norm asks for them."""
        x = state.x[s]
        z = np.empty((len(x), *state.shape[1:], self.F), x.dtype) if state.z is None else state.z[s]
        sums = np.zeros((2, self.F)) if state.batch_statistics else None
        self.algorithm.forward(x, self.u, self.F, z, sums=sums)
        return z, sums

    def settle(self, state, sums):
        """Scale and shift from the batch's own mean and variance, and the running ones moved towards those."""
        state.M = float(sum_over_processes(np.array(state.z.size // self.F)))
        total, squares = sum_over_processes(sum(sums))
        state.known, state.affine = [], []
        for bn, own in zip(self.bns, self.own, strict=True):
            mean, inverse, *affine = kernels.batch_constants(
                total[own], squares[own], state.M, bn.eps, bn.params["gamma"], bn.params["beta"],
                bn.momentum, bn.buffers["mean"], bn.buffers["variance"])
            state.known.append((mean, inverse))
            state.affine.append(affine)

    def finish(self, state, z, targets, s):
        """y = max(scale · z + shift, 0), each unit's part into its target."""
        units = zip(targets, self.starts, self.widths, state.affine, strict=True)
        kernels.affine_relu(tuple([(rows(z), start, width, *affine, rows(y[s]), offset)
                                   for (y, offset), start, width, affine in units]))

    # -- backward ---------------------------------------------------------------------------------------------------

    def parts(self, state, dys, ys, s):
        """For each unit, as the kernels ask for it: a slice's dy, its z, and scale and shift. Without batch norm y
        stands in for z, with scale 1 and shift 0: the ReLU let through what is positive."""
        if self.bns:
            z = rows(state.z[s])
            for (dy, offset), start, width, affine in zip(dys, self.starts, self.widths, state.affine, strict=True):
                yield rows(dy[s]), offset, z, start, width, *affine
        else:
            for (dy, offset), (y, start), width, affine in zip(dys, ys, self.widths, self.neutral, strict=True):
                yield rows(dy[s]), offset, rows(y[s]), start, width, *affine

    def gather(self, state, dys, ys, s):
        """(2, F): Σ g and Σ g z of a slice, where g = dy where the ReLU let it through."""
        return kernels.relu_sums(tuple(self.parts(state, dys, ys, s)), self.F)

    def settle_back(self, state, sums):
        """dz = scale g + b z + c with b, c per channel (see ``layers/batchnorm.py``). γ and β, or the biases, get their
        gradients."""
        ours = sum(sums)
        if not self.bns:
            if "b" in self.first.params:
                self.hand_out(self.convs, "b", ours[0])
            state.mix = self.still
            return
        whole = sum_over_processes(ours) if state.batch_statistics else ours  # of the batch, wherever it is
        mix = [kernels.batch_constants_back(*ours[:, own], *whole[:, own], state.M, *known, scale,
                                            bn.grads["gamma"], bn.grads["beta"])
               for bn, own, known, (scale, _) in zip(self.bns, self.own, state.known, state.affine, strict=True)]
        state.mix = mix if state.batch_statistics else self.still

    def pull(self, state, dys, ys, dx, s, fresh=False):
        """Add the slice's dx into ``dx``, or write it where that is ``fresh`` memory (None leaves it out); return the
        slice's share of the weights' gradient."""
        x = state.x[s]
        units = tuple([(*part, *mix) for part, mix in zip(self.parts(state, dys, ys, s), state.mix, strict=True)])
        return self.algorithm.backward(units, self.F, (len(x), *state.shape[1:]), x, self.u,
                                       None if dx is None else dx[s], fresh)

    def collect(self, gradients):
        """Add the slices' shares, in their order, to the convolutions' gradients."""
        total = gradients[0]
        for gradient in gradients[1:]:
            total += gradient
        self.hand_out(self.convs, "w", self.algorithm.weight_gradient(total))


class State:
    """What one pass over one batch knows: the cache of a unit.

    x, z, shape          input, convolution (where batch norm follows), the latter's (N, OH, OW)
    batch_statistics     whether μ and σ are the batch's own, from M values a channel
    known, affine, mix   for every unit: (μ, 1/σ); scale and shift of y = max(scale · z + shift, 0); b and c of
                         dz = scale · g + b · z + c
    """

    M = 1.0  # not used where μ and σ are the running ones
