"""Cutting boxes out of pictures and stretching them to one size, in plain NumPy."""

import numpy as np


def crop_resize(x, boxes, flips, OH, OW):
    """Cut one box out of each picture, resize it bilinearly to OH x OW, mirror it where asked: y (N, OH, OW, C).

    ``x`` is uint8, float32 or float64 (N, H, W, C); y is float32 for uint8, else of x's dtype. ``boxes`` (N, 4) holds
    (top, left, height, width) in pixels, fractions allowed, with pixel h reaching from h to h + 1. ``flips`` (N,)
    of bool mirrors left and right.

    Output pixel (i, j) has its centre at (i + 1/2, j + 1/2), and so has every input pixel:

        v = top + (i + 1/2) height / OH - 1/2         h = floor(v), a = v - h
        u = left + (j + 1/2) width / OW - 1/2         w = floor(u), b = u - w
        y_ij = (1-a)(1-b) x_hw + (1-a) b x_h,w+1 + a (1-b) x_h+1,w + a b x_h+1,w+1

    Outside the picture its outermost pixels go on. Four neighbours are read whatever the scale: a box shrunk to less
    than half its size would need smoothing first.
    """
    N, H, W, C = x.shape
    y = np.empty((N, OH, OW, C), np.float32 if x.dtype == np.uint8 else x.dtype)
    for n, (top, left, height, width) in enumerate(np.asarray(boxes, np.float64)):
        h, h1, a = _neighbours(top, height, OH, H, y.dtype)
        w, w1, b = _neighbours(left, width, OW, W, y.dtype)
        if flips[n]:
            w, w1, b = w[::-1], w1[::-1], b[::-1]
        a, b = a[:, None, None], b[:, None]
        rows, rows1 = x[n, h], x[n, h1]
        y[n] = (1 - a) * ((1 - b) * rows[:, w] + b * rows[:, w1]) + a * ((1 - b) * rows1[:, w] + b * rows1[:, w1])
    return y


def _neighbours(start, length, out, size, dtype):
    """The two input indices of each of ``out`` output pixels, and the weight of the second."""
    place = np.clip(start + (np.arange(out) + 0.5) * (length / out) - 0.5, 0, size - 1)
    first = place.astype(np.int64)
    return first, np.minimum(first + 1, size - 1), (place - first).astype(dtype)
