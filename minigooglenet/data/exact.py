"""Pixels and labels that are stored as bytes: converted exactly, or refused with the value that does not fit."""

import numpy as np
from numpy.typing import ArrayLike

from ..errors import UserError

CHUNK = 1000                            # images converted at once


def pixels_of(x: ArrayLike, shape: tuple[int, int, int], what: str) -> np.ndarray:
    """Images (N, \\*shape) as uint8, N at least 1.

    Whole numbers 0 … 255 of any dtype keep their values. Floats up to 1 that are multiples of 1/255, as from dividing
    pixels by 255, are multiplied by 255. Raises UserError that begins with ``what`` for anything else, also for floats
    that are all 0 or 1, which have either meaning.
    """
    x = np.asarray(x)
    if x.dtype.kind not in "iuf":
        raise UserError(f"{what} has dtype {x.dtype}, expected uint8")
    if x.shape[1:] != shape or not len(x):
        hint = "; use x.transpose(0, 2, 3, 1)" if x.ndim == 4 and x.shape[2:] + x.shape[1:2] == shape else ""
        expected = ", ".join(map(str, shape))
        raise UserError(f"{what} has shape {x.shape}, expected (N, {expected}) with N at least 1{hint}")
    if x.dtype == np.uint8:
        return x
    factor = _factor(x, what)
    # the error of k / 255 in this dtype, with a margin for products with a rounded 1 / 255
    eps = max(np.finfo(t).eps for t in (x.dtype, np.float64)) if factor > 1 else 0
    tolerance = min(4 * factor * float(eps), 1 / 8)
    y = np.empty(x.shape, np.uint8)
    for start in range(0, len(x), CHUNK):
        values = x[start:start + CHUNK].astype(np.float64) * factor
        nearest = np.rint(values)
        with np.errstate(invalid="ignore"):                     # infinity; NaN compares as false
            right = (nearest >= 0) & (nearest <= 255) & (abs(values - nearest) <= tolerance)
        if not right.all():
            place = [int(i) for i in np.argwhere(~right)[0]]
            place[0] += start
            raise UserError(f"{what} has the value {x[tuple(place)]} at {place}, expected whole numbers 0 … 255 "
                            f"or multiples of 1/255 up to 1; convert it to uint8")
        y[start:start + CHUNK] = nearest
    return y


def _factor(x, what):
    """255 for floats from 0 to 1, else 1."""
    if x.dtype.kind != "f" or not x.max() <= 1 or not x.max() > 0:
        return 1
    if np.isin(x, (0, 1)).all():
        raise UserError(f"{what} has only the values 0.0 and 1.0; 1.0 can be white or almost black, convert it to "
                        "uint8")
    return 255


def labels_of(y: ArrayLike, N: int, classes: int, what: str) -> np.ndarray:
    """Labels (N,) as int64, whole numbers from 0 to ``classes`` - 1. Raises UserError that begins with ``what``."""
    y = np.asarray(y)
    if y.dtype.kind not in "iuf":
        raise UserError(f"{what} has dtype {y.dtype}, expected integers")
    if y.shape != (N,):
        raise UserError(f"{what} has shape {y.shape}, expected ({N},): a label per image")
    wrong = ~((y >= 0) & (y < classes) & (y == np.trunc(y)))                                 # true for NaN
    if wrong.any():
        place = int(np.argmax(wrong))
        raise UserError(f"{what} has the label {y[place]} at [{place}], expected 0 to {classes - 1}")
    return y.astype(np.int64)
