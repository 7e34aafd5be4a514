"""Solutions of lesson 19."""

import numpy as np


def input_gradient(x, w):
    """dL/dy = y, and y is 0 where the ReLU blocks, so it contains the mask. Then backward through the product."""
    y = np.maximum(x @ w, 0)
    return y @ w.T


def step_up(x, g, step, low, high):
    """np.clip accepts a minimum and a maximum for each channel."""
    return np.clip(x + step * (high - low) * g / np.abs(g).mean(), low, high)


def grad_cam(A, dA):
    """One weight for each channel, then a weighted sum over channels, then the ReLU."""
    alpha = dA.mean(axis=(1, 2), keepdims=True)  # (N, 1, 1, C)
    return np.maximum((alpha * A).sum(axis=-1), 0)
