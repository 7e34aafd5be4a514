"""Where an answer differs from the expected one, and causes that follow from the values alone."""

import itertools
import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np


def describe(value: Any) -> str:
    """A short description of an argument: ``(2, 5, 4, 3) float64`` for an array, otherwise its repr."""
    if isinstance(value, np.ndarray):
        return f"{value.shape} {value.dtype}"
    if isinstance(value, np.random.Generator):
        return "a random generator"
    if isinstance(value, (list, tuple)) and any(isinstance(one, np.ndarray) for one in value):
        return f"a {type(value).__name__} of {len(value)}: {', '.join(map(describe, value))}"
    if callable(value):
        return "a function"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def difference(got: Any, expected: Any, tolerance: float | None = None, returns: Sequence[str] = (),
               name: str = "your answer") -> list[tuple[str, str]]:
    """Where ``got`` differs from ``expected``, as [(label, text)]; [] if they are equal within ``tolerance``."""
    if got is None and expected is not None:
        return [(name, "None")]
    if isinstance(expected, (tuple, list)) and (returns or not all(isinstance(v, numbers.Real) for v in expected)):
        got = tuple(got) if isinstance(got, np.ndarray) and got.ndim else got
        if not isinstance(got, (tuple, list)) or len(got) != len(expected):
            parts = f" ({', '.join(returns)})" if returns else ""
            return [(name, f"{describe(got)}, expected {len(expected)} values{parts}")]
        labels = returns or [f"part {n}" for n in range(1, len(expected) + 1)]
        for one, right, label in zip(got, expected, labels, strict=True):
            if found := difference(one, right, tolerance, name=label):
                return found
        return []
    if isinstance(expected, dict):
        if not isinstance(got, dict) or got.keys() != expected.keys():
            return [(name, f"{describe(got)}, expected a dict with the keys {', '.join(map(str, expected))}")]
        return next((found for key in expected
                     if (found := difference(got[key], expected[key], tolerance, name=str(key)))), [])
    if isinstance(expected, (np.ndarray, tuple, list)):
        return _arrays(got, expected, tolerance, name)
    if isinstance(expected, numbers.Real) and not isinstance(expected, bool):
        return _numbers(got, expected, tolerance, name)
    return [] if got == expected else [(name, f"{describe(got)}, expected {describe(expected)}")]


def _numbers(got, expected, tolerance, name):
    if isinstance(got, np.ndarray) and got.ndim == 0:
        got = got.item()
    if not isinstance(got, numbers.Real):
        return [(name, f"{describe(got)}, expected a number")]
    exact = isinstance(expected, numbers.Integral)
    limit = (tolerance or (1e-5 if isinstance(expected, np.float32) else 1e-9)) * abs(float(expected))
    if got == expected or (not exact or tolerance) and abs(float(got) - float(expected)) <= limit:
        return []
    return [(name, f"{got:,}, expected {expected:,}")]


def _arrays(got, expected, tolerance, name):
    expected = np.asarray(expected)
    try:
        got = np.asarray(got)
    except ValueError:
        return [(name, "a ragged list, expected an array")]
    if got.dtype.kind not in "bifu":
        return [(name, f"{describe(got)}, expected an array of numbers")]
    if got.shape != expected.shape:
        return [(name, f"{got.shape if got.shape else describe(got.item())}, expected {expected.shape}")]
    if got.dtype.kind == expected.dtype.kind == "f" and got.dtype != expected.dtype:
        return [(name, f"{got.dtype}, expected {expected.dtype}")]
    if not expected.size:
        return []
    a, b = got.astype(np.float64), expected.astype(np.float64)
    with np.errstate(invalid="ignore"):
        off = np.where(a == b, 0, np.abs(a - b))
    off = np.where(np.isnan(off), np.inf, off)
    limit = (tolerance or (1e-5 if expected.dtype == np.float32 else 1e-9)) * max(1e-300, np.abs(b[np.isfinite(b)]).max(
        initial=0))
    if not (off > limit).any():
        return []
    worst = np.unravel_index(off.argmax(), off.shape)
    index = ", ".join(map(str, worst))
    return [(name, f"{got.shape} {got.dtype}: {int((off > limit).sum()):,} of {off.size:,} values are wrong"),
            ("worst at", f"[{index}]: yours {got[worst]:.6g}, expected {expected[worst]:.6g}")]


def general_cause(got: Any, expected: Any, arguments: Sequence[Any]) -> str:
    """A likely cause that follows from the values alone, or ""."""
    if got is None:
        return "the function returns None: is the return statement missing?"
    if isinstance(expected, (tuple, list)) and isinstance(got, (tuple, list)) and len(got) == len(expected):
        for one, right in zip(got, expected, strict=True):
            if difference(one, right):
                return general_cause(one, right, arguments)
    if isinstance(expected, numbers.Real) and isinstance(got, numbers.Real) and expected and got:
        ratio = got / expected
        # Only a whole ratio names a cause: 1.25 may be chance.
        whole = np.isclose(max(ratio, 1 / ratio), round(max(ratio, 1 / ratio)), rtol=1e-9)
        return _factor(ratio, arguments) if whole else ""
    if not isinstance(expected, np.ndarray):
        return ""
    try:
        got = np.asarray(got, np.float64)
    except (ValueError, TypeError):
        return ""
    return _shape_cause(got, expected) if got.shape != expected.shape else _array_cause(got, expected, arguments)


def _shape_cause(got, expected):
    if got.ndim == expected.ndim and sorted(got.shape) == sorted(expected.shape):
        return "two axes are swapped" + (" (height comes before width)" if got.ndim == 4 else "")
    if not got.size:
        return "the array is empty: a slice such as P:-P is empty when P is 0; P:P+H is not"
    if got.size == expected.size:
        return "the number of elements is right, the shape is not: is a reshape at the end missing?"
    if got.ndim == expected.ndim == 4 and got.shape[0] == expected.shape[0] and got.shape[3] == expected.shape[3]:
        return ("height or width is wrong: is the padding added on both sides (or removed in the backward pass), "
                "and is the number of windows rounded correctly?")
    return ""


def _array_cause(got, expected, arguments):
    if not np.isfinite(got).all():
        return "NaN or infinity: a division by 0, an overflow, or an np.empty that is never filled"
    if not np.any(got):
        return "all zeros: nothing is written into the result"
    same = _close(got, expected)
    if same.all():
        first = next((a for a in arguments if isinstance(a, np.ndarray)), None)
        return ("the values are right, the dtype is not: np.zeros(shape) is float64, np.zeros(shape, x.dtype) has the "
                "dtype of the input") if first is not None else "the values are right, the dtype is not"
    sized = np.abs(expected) > 1e-12
    if np.count_nonzero(sized) > 1:
        ratios = got[sized] / expected[sized]
        if np.allclose(ratios, ratios[0], rtol=1e-6) and not np.any(got[~sized]):
            return _factor(ratios[0], arguments)
    for axes in itertools.permutations(range(got.ndim)):
        permuted = expected.transpose(axes)
        if permuted.shape == got.shape and axes != tuple(range(got.ndim)) and _close(got, permuted).all():
            return f"two axes are swapped: transpose{axes} of the right answer gives yours"
    for axis in range(got.ndim):
        if got.shape[axis] > 1 and _close(got, np.flip(expected, axis)).all():
            return f"the answer is flipped along axis {axis}"
    if got.ndim > 1 and len(got) > 1 and same[0].all():
        return "only the first image of the batch is right"
    if got.ndim == 4 and min(got.shape[1:3]) > 2 and same[:, 1:-1, 1:-1].all():
        return "wrong only at the border: check the padding"
    shift = got - expected
    if got.ndim > 1 and np.allclose(shift, shift.reshape(-1, got.shape[-1])[0], atol=1e-9 * np.abs(expected).max()):
        return "the error is constant within each channel: is the bias wrong?"
    return ""


def _close(a, b):
    return np.isclose(a, b, rtol=1e-5, atol=1e-9 * max(1e-300, np.abs(b).max(initial=0)))


def _factor(ratio, arguments):
    if np.isclose(ratio, -1):
        return "the sign is wrong"
    batch = next((len(a) for a in arguments if isinstance(a, np.ndarray) and a.ndim), 0)
    if batch > 1 and np.isclose(ratio, 1 / batch):
        return f"{batch} times too small: averaged over the batch instead of summed"
    if batch > 1 and np.isclose(ratio, batch):
        return f"{batch} times too large: summed over the batch instead of averaged"
    if ratio > 0:
        times = ratio if ratio > 1 else 1 / ratio
        if np.isclose(times, round(times, 3), rtol=1e-6) and times < 1000:
            return f"all values are {times:,.6g} times too {'large' if ratio > 1 else 'small'}"
    return ""
