"""Solutions of lesson 02."""

import numpy as np


def output_size(size, K, S, P):
    """A window may start at pixel 0, S, 2S, ... up to size + 2P - K."""
    return (size + 2 * P - K) // S + 1


def convolve(x, w, b, S, P):
    """Pad once; then each window is a slice, and the sum over u, v and c is a matrix product."""
    (N, H, W, _), (K, _, _, F) = x.shape, w.shape
    OH, OW = output_size(H, K, S, P), output_size(W, K, S, P)
    padded = np.pad(x, ((0, 0), (P, P), (P, P), (0, 0)))
    y = np.zeros((N, OH, OW, F), x.dtype)
    for i in range(OH):
        for j in range(OW):
            window = padded[:, i * S:i * S + K, j * S:j * S + K]  # (N, K, K, C)
            y[:, i, j] = window.reshape(N, -1) @ w.reshape(-1, F) + b
    return y


def col2im(columns, shape, K, S, P):
    """Visit the windows in im2col's order, add each row to the padded images, then remove the padding."""
    N, H, W, C = shape
    OH, OW = output_size(H, K, S, P), output_size(W, K, S, P)
    windows = columns.reshape(N, OH, OW, K, K, C)
    padded = np.zeros((N, H + 2 * P, W + 2 * P, C), columns.dtype)
    for i in range(OH):
        for j in range(OW):
            padded[:, i * S:i * S + K, j * S:j * S + K] += windows[:, i, j]
    return padded[:, P:P + H, P:P + W]
