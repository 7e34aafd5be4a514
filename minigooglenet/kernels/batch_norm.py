"""The few numbers per channel that batch norm needs of a whole batch, after a fused convolution and backward.

The chunks of a batch have sums of their own (``fused.py``), here in one array, ``sums`` (chunks, 2, all channels). They
are added in the order of the chunks. One batch norm has F of the channels, from ``start`` on.
"""

import numpy as np
from numpy.typing import NDArray

from .jit import JIT, inlined, njit
from .simd import LANES, full_like, load, store

# -- NumPy ------------------------------------------------------------------------------------------------------------


def batch_constants_numpy(sums: NDArray, start: int, M: NDArray, eps: float, gamma: NDArray, beta: NDArray,
                          momentum: float, running_mean: NDArray, running_variance: NDArray, moments: NDArray,
                          affine: NDArray) -> None:
    """Batch norm as an affine map per channel; updates the running statistics.

        mean = total / M        variance = squares / M - mean²        inverse = 1 / sqrt(variance + eps)
        scale = gamma · inverse        shift = beta - mean · scale

    sums, start                     float64: Σ z and Σ z², of every chunk
    M                               (1,) float64: number of values in each channel; 0: the running statistics are used
    eps, gamma, beta                batch norm's ε, and its parameters (F,)
    momentum                        how far the running statistics move towards the batch's
    running_mean, running_variance  (F,) updated in place; the variance with M - 1
    moments                         (2, F) float64, written: mean and inverse
    affine                          (2, F) written: scale and shift
    """
    total, squares = sums[:, :, start:start + len(gamma)].sum(axis=0)
    mean, variance = running_mean.astype(np.float64), running_variance.astype(np.float64)
    if M[0]:
        mean = total / M[0]
        variance = np.maximum(squares / M[0] - mean**2, 0)
        running_mean += momentum * (mean - running_mean)
        running_variance += momentum * (variance * M[0] / max(M[0] - 1, 1) - running_variance)
    moments[...] = mean, 1 / np.sqrt(variance + eps)
    scale = gamma * moments[1]
    affine[...] = scale, beta - mean * scale


def batch_constants_backward_numpy(own: NDArray, whole: NDArray, start: int, M: NDArray, moments: NDArray,
                                   affine: NDArray, dgamma: NDArray, dbeta: NDArray, mix: NDArray) -> None:
    """b and c of dz = scale · g + b · z + c (see ``layers/batchnorm.py``); adds the gradients of γ and β.

    own, start       float64: Σ g and Σ g · z, of every chunk of this process's part of the batch
    whole            the same for the whole batch, of all processes
    M                (1,) number of values in each channel of the whole batch; 0: mean and inverse are constants, and so
                     b and c are 0
    moments, affine  from ``batch_constants``
    dgamma, dbeta    (F,) gradients, added to in place
    mix              (2, F) written: b and c
    """
    channels, (mean, inverse), scale = slice(start, start + len(dgamma)), moments, affine[0]
    (own_sum, own_dot), (total, dot) = (sums[:, :, channels].sum(axis=0) for sums in (own, whole))
    dbeta += own_sum.astype(dbeta.dtype)
    dgamma += ((own_dot - mean * own_sum) * inverse).astype(dgamma.dtype)
    b = c = 0 * mean
    if M[0]:
        b = -scale * inverse**2 * (dot - mean * total) / M[0]
        c = -b * mean - scale * total / M[0]
    mix[...] = b, c


def bias_gradient_numpy(sums: NDArray, start: int, db: NDArray) -> None:
    """Add Σ g to the gradient db (F,) of biases; ``sums`` as in ``batch_constants_backward``."""
    db += sums[:, 0, start:start + len(db)].sum(axis=0).astype(db.dtype)


# -- numba ------------------------------------------------------------------------------------------------------------


@inlined
def _totals(sums, which, f, n, block):
    """The sums of n channels, added in the order of the chunks, into ``block``: in registers, since the compiler may
    change the order of a loop's additions."""
    chunks, _, F = sums.shape
    flat = sums.reshape(-1)
    total = full_like(load(block, 0, 0), 0)
    for k in range(chunks):
        total = total + load(flat, (2 * k + which) * F + f, n)
    store(block, 0, LANES, total)


@njit
def batch_constants_numba(sums: NDArray, start: int, M: NDArray, eps: float, gamma: NDArray, beta: NDArray,
                          momentum: float, running_mean: NDArray, running_variance: NDArray, moments: NDArray,
                          affine: NDArray) -> None:
    """As ``batch_constants_numpy``, compiled."""
    total, squares = np.empty(LANES), np.empty(LANES)
    for first in range(0, len(gamma), LANES):
        n = min(LANES, len(gamma) - first)
        _totals(sums, 0, start + first, n, total)
        _totals(sums, 1, start + first, n, squares)
        for k in range(n):
            f = first + k
            mean, variance = np.float64(running_mean[f]), np.float64(running_variance[f])
            if M[0] > 0:
                mean = total[k] / M[0]
                variance = max(squares[k] / M[0] - mean * mean, 0.0)
                running_mean[f] += momentum * (mean - running_mean[f])
                running_variance[f] += momentum * (variance * M[0] / max(M[0] - 1, 1.0) - running_variance[f])
            inverse = 1 / np.sqrt(variance + eps)
            moments[0, f], moments[1, f] = mean, inverse
            affine[0, f] = gamma[f] * inverse
            affine[1, f] = beta[f] - mean * (gamma[f] * inverse)


@njit
def batch_constants_backward_numba(own: NDArray, whole: NDArray, start: int, M: NDArray, moments: NDArray,
                                   affine: NDArray, dgamma: NDArray, dbeta: NDArray, mix: NDArray) -> None:
    """As ``batch_constants_backward_numpy``, compiled."""
    own_sum, own_dot, total, dot = np.empty(LANES), np.empty(LANES), np.empty(LANES), np.empty(LANES)
    for first in range(0, len(dgamma), LANES):
        n = min(LANES, len(dgamma) - first)
        for which, sums, target in ((0, own, own_sum), (1, own, own_dot), (0, whole, total), (1, whole, dot)):
            _totals(sums, which, start + first, n, target)
        for k in range(n):
            f = first + k
            mean, inverse, scale = moments[0, f], moments[1, f], affine[0, f]
            dbeta[f] += own_sum[k]
            dgamma[f] += (own_dot[k] - mean * own_sum[k]) * inverse
            b = c = 0.0
            if M[0] > 0:
                b = -scale * inverse * inverse * (dot[k] - mean * total[k]) / M[0]
                c = -b * mean - scale * total[k] / M[0]
            mix[0, f], mix[1, f] = b, c


@njit
def bias_gradient_numba(sums: NDArray, start: int, db: NDArray) -> None:
    """As ``bias_gradient_numpy``, compiled."""
    total = np.empty(LANES)
    for first in range(0, len(db), LANES):
        n = min(LANES, len(db) - first)
        _totals(sums, 0, start + first, n, total)
        for k in range(n):
            db[first + k] += total[k]


batch_constants = batch_constants_numba if JIT else batch_constants_numpy
batch_constants_backward = batch_constants_backward_numba if JIT else batch_constants_backward_numpy
bias_gradient = bias_gradient_numba if JIT else bias_gradient_numpy
