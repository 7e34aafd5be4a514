"""Whitening: initial weights of the first convolution that make its outputs uncorrelated, with equal variances."""

import numpy as np

from ..kernels.threads import blas_on_one_thread
from ..layers import Conv
from ..layers.base import Array, Layer

PIXELS = 2**20  # of the images from which the covariance is estimated: 1024 of 32×32
EPSILON = 4e-4  # added to the eigenvalues, the smallest of which are noise


def first_convolution(net: Layer) -> Conv:
    """The convolution that reads the images."""
    return next(layer for _, layer in net.walk() if isinstance(layer, Conv))


@blas_on_one_thread()  # the same bits for any number of threads
def whitening(w: Array, x: Array) -> Array:
    """Whitening filters (KH, KW, C, F) for normalized images x (N, H, W, C), in place of the random filters w.

    With the covariance Σ = V diag(λ) Vᵀ of all KH × KW patches of x, and λ in decreasing order,

        w_k = v_k / √(λ_k + ε)        w_{k + K} = -w_k        k = 0 … K - 1,    K = min(F/2, KH KW C)

    Filters beyond 2 K stay random. As each filter has a negative, ReLU loses nothing.
    Source: D. Page, "How to Train Your ResNet", part 8, 2019; with negatives: K. Jordan, "94% on CIFAR-10 in 3.29
    Seconds on a Single GPU", 2024. There the filters are frozen; here they are trained on.
    """
    KH, KW, C, F = w.shape
    values, vectors = np.linalg.eigh(covariance(x, KH, KW))
    K = min(F // 2, KH * KW * C)
    filters = (vectors / np.sqrt(np.maximum(values, 0) + EPSILON))[:, ::-1][:, :K]
    made = w.reshape(-1, F).copy()
    made[:, :2 * K] = np.concatenate([filters, -filters], axis=1)
    return made.reshape(w.shape)


def covariance(x: Array, KH: int, KW: int) -> Array:
    """Σ = the mean of p pᵀ over all KH × KW patches p of x, (KH KW C, KH KW C) in the order of a convolution's weights.

    The mean of a patch is not subtracted: images are normalized to mean 0.
    """
    total, D = np.zeros(()), KH * KW * x.shape[-1]
    patches = np.lib.stride_tricks.sliding_window_view(x, (KH, KW), axis=(1, 2))  # (N, OH, OW, C, KH, KW)
    for image in patches:  # one at a time: all patches together take KH KW times the memory of x
        p = image.transpose(0, 1, 3, 4, 2).reshape(-1, D).astype(np.float64)
        total = total + p.T @ p / len(p)
    return total / len(x)
