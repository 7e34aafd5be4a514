"""Cutting boxes out of pictures and stretching them to one size, compiled.

It runs in one thread: batches are prepared beside the training, which has the other threads.
"""

import numpy as np

from .jit import frozen, njit


def crop_resize(x, boxes, flips, OH, OW):
    """As ``reference.augment.crop_resize``."""
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
