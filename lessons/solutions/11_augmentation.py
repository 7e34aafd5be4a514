"""Solutions of lesson 11."""

import numpy as np


def sample_boxes(seed, N, H, W):
    """The share first; then the aspect, within what fits; then the place."""
    rng = np.random.default_rng(seed)
    s = rng.uniform(0.08, 1, N)
    low, high = np.maximum(3 / 4, s * W / H), np.minimum(4 / 3, W / (s * H))
    r = np.exp(rng.uniform(np.log(low), np.log(high)))
    height, width = np.sqrt(s * H * W / r), np.sqrt(s * H * W * r)
    return np.stack([rng.random(N) * (H - height), rng.random(N) * (W - width), height, width], axis=1)


def mirror(x, flips):
    """Choose, picture by picture, between x and x with its third axis backwards."""
    return np.where(flips[:, None, None, None], x[:, :, ::-1], x)


def distort(x, brightness, contrast, colour):
    """Give factors and lightnesses the axes that they lack, and let them spread."""
    luma = np.array([0.299, 0.587, 0.114], x.dtype)
    brightness, contrast, colour = (f.astype(x.dtype)[:, None, None, None] for f in (brightness, contrast, colour))
    x = np.clip(brightness * x, 0, 255)
    m = (x @ luma).mean(axis=(1, 2))[:, None, None, None]
    x = np.clip(m + contrast * (x - m), 0, 255)
    g = (x @ luma)[..., None]
    return np.clip(g + colour * (x - g), 0, 255)
