"""Where an answer differs from the expected one. An answer may be anything at all: nothing here raises."""

import numbers
import operator
import reprlib
from collections.abc import Sequence
from typing import Any

import numpy as np


def describe(value: Any) -> str:
    """A short description of a value: ``(2, 5, 4, 3) float64`` for an array, otherwise its repr, shortened."""
    if isinstance(value, np.ndarray):
        return f"{value.shape} {value.dtype}"
    if isinstance(value, np.generic):
        return str(value)
    if isinstance(value, np.random.Generator):
        return "a random generator"
    if isinstance(value, (list, tuple)) and any(isinstance(one, np.ndarray) for one in value[:10]):
        rest = ", ..." if len(value) > 10 else ""
        return f"a {type(value).__name__} of {len(value)}: {', '.join(map(describe, value[:10]))}{rest}"
    if callable(value):
        return "a function"
    if isinstance(value, (list, tuple)) and _has_functions(value):
        return f"a {type(value).__name__} of {len(value)}"
    try:
        text = reprlib.repr(value) if len(text := repr(value)) > 60 else text
    except Exception:  # a learner's own __repr__
        text = reprlib.repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _has_functions(value):
    return any(_has_functions(one) if type(one) in (list, tuple) else callable(one) for one in value[:10])


def is_whole(value: Any) -> bool:
    """Whether NumPy takes a value as the length of an axis."""
    try:
        operator.index(value)
    except Exception:  # of a learner's own class
        return False
    return True


def difference(got: Any, expected: Any, tolerance: float | None = None, returns: Sequence[str] = (),
               name: str = "your answer", dtypes: bool = True) -> list[tuple[str, str]]:
    """Where ``got`` differs from ``expected``, as [(label, text)]; [] if they are equal within ``tolerance``. Without
    ``dtypes``, arrays of equal values are equal."""
    try:
        with np.errstate(all="ignore"):
            return _difference(got, expected, tolerance, returns, name, dtypes)
    except Exception as error:  # an object whose comparison or conversion fails
        return [(name, f"{describe(got)}, which cannot be compared ({type(error).__name__})")]


def _difference(got, expected, tolerance, returns, name, dtypes):
    if got is None and expected is not None:
        return [(name, "None")]
    if is_parts(expected, returns):
        if isinstance(got, np.ndarray) and (got.ndim == 1 or got.ndim and not returns):
            got = tuple(got)
        if not isinstance(got, (tuple, list)) or len(got) != len(expected):
            parts = f" ({', '.join(returns)})" if returns else ""
            return [(name, f"{describe(got)}, expected {len(expected)} values{parts}")]
        for one, right, label in zip(got, expected, part_names(expected, returns, name), strict=True):
            if found := _difference(one, right, tolerance, (), label, dtypes):
                return found
        return []
    if isinstance(expected, dict):
        if not isinstance(got, dict) or got.keys() != expected.keys():
            return [(name, f"{describe(got)}, expected a dict with the keys {', '.join(map(str, expected))}")]
        return next((found for key in expected
                     if (found := _difference(got[key], expected[key], tolerance, (), str(key), dtypes))), [])
    if isinstance(expected, (np.ndarray, tuple, list)):
        return _arrays(got, expected, tolerance, name, dtypes)
    if isinstance(expected, numbers.Real) and not isinstance(expected, (bool, np.bool_)):
        return _numbers(got, expected, tolerance, name)
    same = got == expected
    return [] if isinstance(same, (bool, np.bool_)) and same else [(name, f"{describe(got)}, expected "
                                                                           f"{describe(expected)}")]


def is_parts(expected: Any, returns: Sequence[str] = ()) -> bool:
    """Whether the expected answer consists of parts to compare one by one: not an array, nor a list of numbers."""
    return isinstance(expected, (tuple, list)) and bool(
        returns or not all(isinstance(value, numbers.Real) for value in expected))


def part_names(expected: Sequence[Any], returns: Sequence[str] = (), name: str = "your answer") -> Sequence[str]:
    """The names of the parts: as ``returns`` says, otherwise "part 1" …, or "dws[0]" … within a part named "dws"."""
    if returns:
        return returns
    return [f"part {n}" if name == "your answer" else f"{name}[{n - 1}]" for n in range(1, len(expected) + 1)]


def wrong_values(got: np.ndarray, expected: np.ndarray, tolerance: float | None = None) -> np.ndarray:
    """True where two arrays of one shape differ by more than the tolerance, relative to the largest expected value."""
    off = _distance(got, expected)
    finite = expected[np.isfinite(expected)].astype(np.float64)
    coarse = np.float32 if np.float32 in (got.dtype, expected.dtype) else np.float64
    return off > _relative(coarse, tolerance) * max(1e-300, np.abs(finite).max(initial=0))


def _relative(dtype, tolerance):
    return tolerance or (1e-5 if dtype == np.float32 else 1e-9)


def _distance(got, expected):
    a, b = got.astype(np.float64), expected.astype(np.float64)
    off = np.where(a == b, 0, np.abs(a - b))
    return np.where(np.isnan(off), np.where(np.isnan(a) & np.isnan(b), 0, np.inf), off)


def _numbers(got, expected, tolerance, name):
    if isinstance(got, np.ndarray) and got.ndim == 0:
        got = got.item()
    if not isinstance(got, numbers.Real):
        return [(name, f"{describe(got)}, expected a number")]
    if got == expected:
        return []
    exact = isinstance(expected, numbers.Integral) and not tolerance
    dtype = np.float32 if isinstance(expected, np.float32) else np.float64
    if not exact and abs(float(got) - float(expected)) <= _relative(dtype, tolerance) * abs(float(expected)):
        return []
    return [(name, f"{_grouped(got)}, expected {_grouped(expected)}")]


def _grouped(number):
    try:
        text = f"{number:,}"
    except (TypeError, ValueError):  # a Fraction, or an integer of more than 4300 digits
        text = describe(number)
    return text if len(text) <= 60 else text[:57] + "..."


def _arrays(got, expected, tolerance, name, dtypes):
    typed, expected = dtypes and isinstance(expected, np.ndarray), np.asarray(expected)
    try:
        got = np.asarray(got)
    except ValueError:
        return [(name, "a ragged list, expected an array")]
    if got.dtype.kind not in "bifu":
        return [(name, f"{describe(got)}, expected an array of numbers")]
    if got.shape != expected.shape:
        return [(name, f"{got.shape if got.shape else describe(got.item())}, expected {expected.shape}")]
    wrong = wrong_values(got, expected, tolerance)
    if not wrong.any():
        return [(name, f"{got.dtype}, expected {expected.dtype}")] if typed and _other_dtype(got, expected) else []
    off = _distance(got, expected)
    worst = np.unravel_index(np.where(wrong, off, -1).argmax(), off.shape)
    dtype = f"{got.dtype}, expected {expected.dtype}" if typed and _other_dtype(got, expected) else got.dtype
    return [(name, f"{got.shape} {dtype}: {int(wrong.sum()):,} of {off.size:,} values are wrong"),
            ("worst at", f"[{', '.join(map(str, worst))}]: yours {float(got[worst]):.6g}, "
             f"expected {float(expected[worst]):.6g}")]


def _other_dtype(got, expected):
    """Whether the dtype is wrong: of floats, and of 8-bit images. Integers where floats are expected are fine."""
    return got.dtype != expected.dtype and (got.dtype.kind == expected.dtype.kind == "f"
                                            or expected.dtype == np.uint8)
