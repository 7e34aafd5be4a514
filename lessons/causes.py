"""Where two answers differ, and the causes that can be read off the numbers alone."""

import itertools
import numbers

import numpy as np


def describe(value):
    """An argument in a few words: ``(2, 5, 4, 3) float64`` for an array, else its repr."""
    if isinstance(value, np.ndarray):
        return f"{value.shape} {value.dtype}"
    if isinstance(value, np.random.Generator):
        return "a generator"
    if isinstance(value, (list, tuple)) and any(isinstance(one, np.ndarray) for one in value):
        return f"a {type(value).__name__} of {len(value)}: {', '.join(map(describe, value))}"
    if callable(value):
        return "a function"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def difference(got, wanted, tolerance=None, returns=(), name="your answer"):
    """[(label, text)] saying where ``got`` departs from ``wanted``; empty if it does not."""
    if got is None and wanted is not None:
        return [(name, "None")]
    if isinstance(wanted, (tuple, list)) and (returns or not all(isinstance(v, numbers.Real) for v in wanted)):
        got = tuple(got) if isinstance(got, np.ndarray) and got.ndim else got
        if not isinstance(got, (tuple, list)) or len(got) != len(wanted):
            parts = f" ({', '.join(returns)})" if returns else ""
            return [(name, f"{describe(got)}, expected {len(wanted)} values{parts}")]
        labels = returns or [f"part {n}" for n in range(1, len(wanted) + 1)]
        for one, right, label in zip(got, wanted, labels, strict=True):
            if found := difference(one, right, tolerance, name=label):
                return found
        return []
    if isinstance(wanted, dict):
        if not isinstance(got, dict) or got.keys() != wanted.keys():
            return [(name, f"{describe(got)}, expected a dict with the keys {', '.join(map(str, wanted))}")]
        return next((found for key in wanted
                     if (found := difference(got[key], wanted[key], tolerance, name=str(key)))), [])
    if isinstance(wanted, (np.ndarray, tuple, list)):
        return _arrays(got, wanted, tolerance, name)
    if isinstance(wanted, numbers.Real) and not isinstance(wanted, bool):
        return _numbers(got, wanted, tolerance, name)
    return [] if got == wanted else [(name, f"{describe(got)}, right: {describe(wanted)}")]


def _numbers(got, wanted, tolerance, name):
    if isinstance(got, np.ndarray) and got.ndim == 0:
        got = got.item()
    if not isinstance(got, numbers.Real):
        return [(name, f"{describe(got)}, expected a number")]
    exact = isinstance(wanted, numbers.Integral)
    if got == wanted or (not exact or tolerance) and abs(got - wanted) <= (tolerance or 1e-9) * abs(wanted):
        return []
    return [(name, f"{got:,}, right: {wanted:,}")]


def _arrays(got, wanted, tolerance, name):
    wanted = np.asarray(wanted)
    try:
        got = np.asarray(got)
    except ValueError:
        return [(name, "a ragged list, expected an array")]
    if got.dtype.kind not in "bifu":
        return [(name, f"{describe(got)}, expected numbers")]
    if got.shape != wanted.shape:
        return [(name, f"{got.shape if got.shape else describe(got.item())}, expected {wanted.shape}")]
    if got.dtype.kind == wanted.dtype.kind == "f" and got.dtype != wanted.dtype:
        return [(name, f"{got.dtype}, expected {wanted.dtype}")]
    if not wanted.size:
        return []
    a, b = got.astype(np.float64), wanted.astype(np.float64)
    with np.errstate(invalid="ignore"):
        off = np.where(a == b, 0, np.abs(a - b))
    off = np.where(np.isnan(off), np.inf, off)
    limit = (tolerance or (1e-5 if wanted.dtype == np.float32 else 1e-9)) * max(1e-300, np.abs(b[np.isfinite(b)]).max(
        initial=0))
    if not (off > limit).any():
        return []
    worst = np.unravel_index(off.argmax(), off.shape)
    index = ", ".join(map(str, worst))
    return [(name, f"{got.shape} {got.dtype}: {int((off > limit).sum()):,} of {off.size:,} numbers are wrong"),
            ("worst at", f"[{index}]: yours {got[worst]:.6g}, right {wanted[worst]:.6g}")]


def general_cause(got, wanted, arguments):
    """A cause that the numbers themselves give away, or ""."""
    if got is None:
        return "the function returns nothing: is there a return?"
    if isinstance(wanted, (tuple, list)) and isinstance(got, (tuple, list)) and len(got) == len(wanted):
        for one, right in zip(got, wanted, strict=True):
            if difference(one, right):
                return general_cause(one, right, arguments)
    if isinstance(wanted, numbers.Real) and isinstance(got, numbers.Real) and wanted and got:
        ratio = got / wanted
        whole = np.isclose(max(ratio, 1 / ratio), round(max(ratio, 1 / ratio)), rtol=1e-9)  # 1.25 may well be chance
        return _factor(ratio, arguments) if whole else ""
    if not isinstance(wanted, np.ndarray):
        return ""
    try:
        got = np.asarray(got, np.float64)
    except (ValueError, TypeError):
        return ""
    return _shape_cause(got, wanted) if got.shape != wanted.shape else _array_cause(got, wanted, arguments)


def _shape_cause(got, wanted):
    if got.ndim == wanted.ndim and sorted(got.shape) == sorted(wanted.shape):
        return "two axes are swapped" + (" (height comes before width)" if got.ndim == 4 else "")
    if not got.size:
        return "nothing is left: a slice such as P:-P is empty when P is 0, where P:P+H is not"
    if got.size == wanted.size:
        return "the right number of numbers in another shape: a reshape at the end?"
    if got.ndim == wanted.ndim == 4 and got.shape[0] == wanted.shape[0] and got.shape[3] == wanted.shape[3]:
        return ("height and width: is the padding there on both sides (or cut off again, on the way back), and the "
                "number of windows rounded the right way?")
    return ""


def _array_cause(got, wanted, arguments):
    if not np.isfinite(got).all():
        return "NaN or infinity: a division by 0, an overflow, or np.empty that was not filled"
    if not np.any(got):
        return "all zeros: nothing was written into the result"
    same = _close(got, wanted)
    if same.all():
        first = next((a for a in arguments if isinstance(a, np.ndarray)), None)
        return ("the numbers are right, the dtype is not: np.zeros(shape) makes float64, np.zeros(shape, x.dtype) "
                "follows the input") if first is not None else "the numbers are right, the dtype is not"
    sized = np.abs(wanted) > 1e-12
    if np.count_nonzero(sized) > 1:
        ratios = got[sized] / wanted[sized]
        if np.allclose(ratios, ratios[0], rtol=1e-6) and not np.any(got[~sized]):
            return _factor(ratios[0], arguments)
    for axes in itertools.permutations(range(got.ndim)):
        turned = wanted.transpose(axes)
        if turned.shape == got.shape and axes != tuple(range(got.ndim)) and _close(got, turned).all():
            return f"two axes are swapped: right after a transpose{axes}"
    for axis in range(got.ndim):
        if got.shape[axis] > 1 and _close(got, np.flip(wanted, axis)).all():
            return f"everything is mirrored along axis {axis}"
    if got.ndim > 1 and len(got) > 1 and same[0].all():
        return "only the first picture of the batch is right"
    if got.ndim == 4 and min(got.shape[1:3]) > 2 and same[:, 1:-1, 1:-1].all():
        return "wrong only at the border: look at the padding"
    shift = got - wanted
    if got.ndim > 1 and np.allclose(shift, shift.reshape(-1, got.shape[-1])[0], atol=1e-9 * np.abs(wanted).max()):
        return "off by the same amount everywhere in a channel: the bias?"
    return ""


def _close(a, b):
    return np.isclose(a, b, rtol=1e-5, atol=1e-9 * max(1e-300, np.abs(b).max(initial=0)))


def _factor(ratio, arguments):
    if np.isclose(ratio, -1):
        return "the sign is the wrong way round"
    batch = next((len(a) for a in arguments if isinstance(a, np.ndarray) and a.ndim), 0)
    if batch > 1 and np.isclose(ratio, 1 / batch):
        return f"{batch} times too small: averaged over the batch, where the sum was asked for"
    if batch > 1 and np.isclose(ratio, batch):
        return f"{batch} times too large: summed over the batch, where the average was asked for"
    if ratio > 0:
        times = ratio if ratio > 1 else 1 / ratio
        if np.isclose(times, round(times, 3), rtol=1e-6) and times < 1000:
            return f"everything is {times:,.6g} times too {'large' if ratio > 1 else 'small'}"
    return ""
