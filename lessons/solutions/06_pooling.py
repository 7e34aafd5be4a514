"""Solutions of lesson 06."""

import numpy as np


def pooled_size(size, K, S, P, ceil_mode):
    """-(-a // b) rounds a / b up."""
    span = size + 2 * P - K
    windows = (-(-span // S) if ceil_mode else span // S) + 1
    if ceil_mode and (windows - 1) * S >= size + P:
        windows -= 1
    return windows


def _window(i, j, H, W, K, S, P):
    """The rows and columns of window (i, j) that lie in the image."""
    top, left = i * S - P, j * S - P
    return np.s_[:, max(top, 0):min(top + K, H), max(left, 0):min(left + K, W)]


def max_pool_backward(dy, x, K, S, P):
    """argmax returns the first of several maxima; reshape keeps a window's pixels in reading order."""
    N, H, W, C = x.shape
    dx = np.zeros_like(x)
    for i in range(dy.shape[1]):
        for j in range(dy.shape[2]):
            window = _window(i, j, H, W, K, S, P)
            pixels = x[window].reshape(N, -1, C)
            is_max = np.arange(pixels.shape[1])[:, None] == pixels.argmax(axis=1)[:, None]  # (N, pixels, C)
            dx[window] += (is_max * dy[:, i, j][:, None]).reshape(x[window].shape)
    return dx


def avg_pool_backward(dy, shape, K, S, P):
    """The divisor clips the window at the end of the padding, the slice at the end of the image."""
    _, H, W, _ = shape
    dx = np.zeros(shape, dy.dtype)
    for i in range(dy.shape[1]):
        for j in range(dy.shape[2]):
            height, width = min(K, H + 2 * P - i * S), min(K, W + 2 * P - j * S)
            dx[_window(i, j, H, W, K, S, P)] += (dy[:, i, j] / (height * width))[:, None, None]
    return dx
