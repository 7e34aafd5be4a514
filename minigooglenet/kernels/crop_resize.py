"""Crop boxes from images and resize them bilinearly to one size.

The compiled form uses one thread: batches are prepared in parallel with training, which uses the other threads.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .jit import JIT, frozen, njit

# -- NumPy ------------------------------------------------------------------------------------------------------------


def crop_resize_numpy(x: NDArray, boxes: ArrayLike, flips: ArrayLike, OH: int, OW: int) -> NDArray:
    """Crop one box from each image and resize it bilinearly to OH×OW; optionally flip it. Returns (N, OH, OW, C).

    x       (N, H, W, C) uint8, float32 or float64. The result is float32 for uint8, else of x's dtype.
    boxes   (N, 4) of (top, left, height, width) in pixels. Fractions are allowed; pixel h extends from h to h + 1.
    flips   (N,) bool: flip horizontally
    OH, OW  height and width of the output

    Output pixel (i, j) is centered at (i + 1/2, j + 1/2), as every input pixel is:

        v = top + (i + 1/2) height / OH - 1/2         h = floor(v), a = v - h
        u = left + (j + 1/2) width / OW - 1/2         w = floor(u), b = u - w
        y_ij = (1-a)(1-b) x_hw + (1-a) b x_h,w+1 + a (1-b) x_h+1,w + a b x_h+1,w+1

    Coordinates outside the image are clamped to its border pixels. Four neighbors are read at any scale: reducing a box
    to less than half its size would need smoothing first.
    """
    N, H, W, C = x.shape
    y = np.empty((N, OH, OW, C), np.float32 if x.dtype == np.uint8 else x.dtype)
    flips = np.asarray(flips)
    for n, (top, left, height, width) in enumerate(np.asarray(boxes, np.float64)):
        h, h1, a = _neighbors(top, height, OH, H, y.dtype)
        w, w1, b = _neighbors(left, width, OW, W, y.dtype)
        if flips[n]:
            w, w1, b = w[::-1], w1[::-1], b[::-1]
        a, b = a[:, None, None], b[:, None]
        rows, rows1 = x[n, h], x[n, h1]
        y[n] = (1 - a) * ((1 - b) * rows[:, w] + b * rows[:, w1]) + a * ((1 - b) * rows1[:, w] + b * rows1[:, w1])
    return y


def _neighbors(start, length, out, size, dtype):
    """The two input indices of each of the ``out`` output pixels, and the weight of the second."""
    place = np.clip(start + (np.arange(out) + 0.5) * (length / out) - 0.5, 0, size - 1)
    first = place.astype(np.int64)
    return first, np.minimum(first + 1, size - 1), (place - first).astype(dtype)


# -- numba ------------------------------------------------------------------------------------------------------------


def crop_resize_numba(x: NDArray, boxes: ArrayLike, flips: ArrayLike, OH: int, OW: int) -> NDArray:
    """As ``crop_resize_numpy``, compiled."""
    N, H, W, C = x.shape
    y = np.empty((N, OH, OW, C), np.float32 if x.dtype == np.uint8 else x.dtype)
    _crop_resize(frozen(x), frozen(np.asarray(boxes, np.float64)), frozen(np.asarray(flips, np.bool_)), y)
    return y


@njit
def _crop_resize(x, boxes, flips, y):
    N, H, W, C = x.shape
    _, OH, OW, _ = y.shape
    one = y.dtype.type(1)
    w, w1, b = np.empty(OW, np.int64), np.empty(OW, np.int64), np.empty(OW, y.dtype)
    for n in range(N):
        top, left, height, width = boxes[n]
        for j in range(OW):
            u = min(max(left + (j + 0.5) * (width / OW) - 0.5, 0.0), W - 1.0)
            k = OW - 1 - j if flips[n] else j
            w[k] = int(u)
            w1[k] = min(w[k] + 1, W - 1)
            b[k] = u - w[k]
        for i in range(OH):
            v = min(max(top + (i + 0.5) * (height / OH) - 0.5, 0.0), H - 1.0)
            h = int(v)
            a = y.dtype.type(v - h)
            row, row1, out = x[n, h], x[n, min(h + 1, H - 1)], y[n, i]
            for j in range(OW):
                p, q, t = w[j], w1[j], b[j]
                for c in range(C):
                    out[j, c] = ((one - a) * ((one - t) * row[p, c] + t * row[q, c])
                                 + a * ((one - t) * row1[p, c] + t * row1[q, c]))


crop_resize = crop_resize_numba if JIT else crop_resize_numpy
