"""Exercises of lesson 13. Replace each `raise NotImplementedError`, then: make check N=13   (a hint: HINT=1)

Photos are uint8, red first, (N, H, W, 3). What a network of Caffe's reads is float32, blue first, minus MEAN.
"""

import numpy as np  # noqa: F401

MEAN = (104, 117, 123)  # blue, green, red


def prepare(photos):
    """x[n, h, w, c] = photos[n, h, w, 2 - c] - MEAN[c]

    photos (N, H, W, 3) uint8, red first -> (N, H, W, 3) float32, blue first. Nothing is divided.
    """
    raise NotImplementedError


def top_5(logits):
    """The five most probable classes of each picture, best first, and their probabilities by softmax:

        p[n, k] = exp(z[n, k]) / Σ_j exp(z[n, j])

    logits z (N, K), K at least 5, of any size, even 1000 -> classes (N, 5) integers, probabilities (N, 5).
    """
    raise NotImplementedError


def diagnose(photos, fed):
    """What went wrong on the way from ``photos`` (uint8, red first) to what was ``fed`` to the network? One of

        "nothing"    fed is right
        "colours"    red first: fed[..., c] = photos[..., c] - MEAN[2 - c], so each mean met its own colour
        "mean"       blue first, but the mean was not subtracted
        "scale"      blue first, mean subtracted, then all divided by 255
        "axes"       right but for height and width, which changed places

    Both are (N, H, W, 3), or (N, W, H, 3) for "axes"; square pictures are possible.
    """
    raise NotImplementedError
