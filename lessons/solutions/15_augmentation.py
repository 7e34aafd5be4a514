"""Solutions of lesson 15."""

import numpy as np


def sample_boxes(seed, N, H, W):
    """The area first; then the aspect ratio, within what fits; then the position."""
    rng = np.random.default_rng(seed)
    s = rng.uniform(0.08, 1, N)
    low, high = np.maximum(3 / 4, s * W / H), np.minimum(4 / 3, W / (s * H))
    r = np.exp(rng.uniform(np.log(low), np.log(high)))
    height, width = np.sqrt(s * H * W / r), np.sqrt(s * H * W * r)
    return np.stack([rng.random(N) * (H - height), rng.random(N) * (W - width), height, width], axis=1)


def mirror(x, flips):
    """For each image, choose between x and x with its columns reversed."""
    return np.where(flips[:, None, None, None], x[:, :, ::-1], x)


def distort(x, brightness, contrast, color):
    """Give the factors and the luminances the missing axes, so that they broadcast."""
    luma = np.array([0.299, 0.587, 0.114], x.dtype)
    brightness, contrast, color = (f.astype(x.dtype)[:, None, None, None] for f in (brightness, contrast, color))
    x = np.clip(brightness * x, 0, 255)
    m = (x @ luma).mean(axis=(1, 2))[:, None, None, None]
    x = np.clip(m + contrast * (x - m), 0, 255)
    g = (x @ luma)[..., None]
    return np.clip(g + color * (x - g), 0, 255)
