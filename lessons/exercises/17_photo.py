"""Exercises of lesson 17. Replace each `raise NotImplementedError`, then: make check N=17   (a hint: HINT=1)

Photos are uint8, red first, (N, H, W, 3). Caffe's networks read float32, blue first, minus MEAN.
"""

import numpy as np  # noqa: F401

MEAN = (104, 117, 123)  # blue, green, red


def prepare(photos):
    """x[n, h, w, c] = photos[n, h, w, 2 - c] - MEAN[c]

    photos (N, H, W, 3) uint8, red first -> (N, H, W, 3) float32, blue first. Nothing is divided.
    """
    raise NotImplementedError


def top_5(logits):
    """The five most probable classes of each image, best first, and their probabilities by softmax:

        p[n, k] = exp(z[n, k]) / Σ_j exp(z[n, j])

    logits z (N, K), K at least 5, of any size, even 1000 -> classes (N, 5) integers, probabilities (N, 5).
    """
    raise NotImplementedError


def diagnose(photos, fed):
    """What went wrong between ``photos`` (uint8, red first) and the input ``fed`` to the network? One of

        "nothing"    fed is right
        "colors"     red first: fed[..., c] = photos[..., c] - MEAN[2 - c], so each channel has its own mean
        "mean"       blue first, but the mean was not subtracted
        "scale"      blue first, mean subtracted, then everything divided by 255
        "axes"       right, except that height and width are swapped

    Both are (N, H, W, 3), or (N, W, H, 3) for "axes"; images may be square.
    """
    raise NotImplementedError
