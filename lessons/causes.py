"""Causes that follow from the values alone, for any exercise.

A wrong answer is compared with the right one in every case, and a cause is named only if it explains all of them: a
factor of 2 in one case may be chance, a factor of K in cases with different K is not.
"""

import itertools
import numbers
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .difference import describe, difference, is_parts, part_names, wrong_values

__all__ = ["Outcome", "describe", "difference", "general_cause"]


@dataclass(frozen=True)
class Outcome:
    """A wrong answer to one case: what the function returned, what was expected, and its arguments by name."""

    got: Any
    expected: Any
    arguments: Mapping[str, Any]


def general_cause(outcomes: Sequence[Outcome], returns: Sequence[str] = (), tolerance: float | None = None) -> str:
    """A likely cause of the first outcome that explains all others, too, or ""."""
    try:
        with np.errstate(all="ignore"):
            return _cause(outcomes, returns, tolerance)
    except Exception:  # an object that pretends to be an array
        return ""


def _cause(outcomes, returns, tolerance):
    if alone := _in_every(outcomes, lambda outcome: _one_part(outcome, returns, tolerance)):
        return alone
    if order := _in_every(outcomes, lambda outcome: _reordered(outcome, returns, tolerance)):
        return order
    outcomes, name = _first_wrong_part(outcomes, returns, tolerance)
    first = outcomes[0]
    if cause := _certain(first, tolerance):
        return cause
    found = _in_every(outcomes, lambda outcome: _inferred(outcome, tolerance), least=1 + _is_number(first.expected))
    return f"{name}: {found}" if found and name and returns else found


def _in_every(outcomes: Sequence[Outcome], detect: Callable[[Outcome], dict[Any, str]], least: int = 1) -> str:
    """The text of the first cause that ``detect`` finds in all outcomes, of which there must be ``least``."""
    found = detect(outcomes[0]) if len(outcomes) >= least else {}
    for outcome in outcomes[1:]:
        if not found:
            return ""
        also = detect(outcome)
        found = {key: text for key, text in found.items() if key in also}
    return next(iter(found.values()), "")


def _is_number(value):
    return isinstance(value, numbers.Real) and not isinstance(value, (bool, np.bool_))


def _reordered(outcome, returns, tolerance):
    got, expected = outcome.got, outcome.expected
    if not (returns and isinstance(got, (tuple, list)) and len(got) == len(returns) <= 5):
        return {}
    return {order: f"the parts are in another order: return {', '.join(returns)}"
            for order in itertools.permutations(range(len(got)))
            if order != tuple(range(len(got)))
            and not difference([got[n] for n in order], list(expected), tolerance, returns)}


def _one_part(outcome, returns, tolerance):
    if not returns or isinstance(outcome.got, (tuple, list)):
        return {}
    return {name: f"only {name} is there: return {', '.join(returns)}"
            for name, right in zip(returns, outcome.expected, strict=True)
            if not difference(outcome.got, right, tolerance)}


def _first_wrong_part(outcomes, returns, tolerance):
    """(The outcomes of the first wrong part, its name). Of the other cases those where this part is wrong, too."""
    first, name = outcomes[0], ""
    while is_parts(first.expected, returns) and _same_length(first.got, first.expected):
        at = next((n for n, (one, right) in enumerate(zip(first.got, first.expected, strict=True))
                   if difference(one, right, tolerance)), None)
        if at is None:
            break
        name = part_names(first.expected, returns, name or "your answer")[at]
        outcomes = [Outcome(o.got[at], o.expected[at], o.arguments) for o in outcomes
                    if _same_length(o.got, o.expected) and len(o.expected) > at
                    and difference(o.got[at], o.expected[at], tolerance)]
        first, returns = outcomes[0], ()
    return outcomes, name


def _same_length(got, expected):
    return isinstance(got, (tuple, list)) and len(got) == len(expected)


# -- causes that one case proves ---------------------------------------------------------------------------------------

def _certain(outcome, tolerance):
    if outcome.got is None:
        return "the function returns None here: does every way through it end in a return?"
    got, expected = _as_arrays(outcome)
    if got is None:
        return ""
    if got.ndim > 1 and not got.size and expected.size:
        return "the answer is empty: a slice such as P:-P is empty when P is 0; P:P+H is not"
    if not np.isfinite(got).all() and np.isfinite(expected).all():
        return "NaN or infinity: a division by 0, an overflow, or an np.empty that is never filled"
    if got.shape != expected.shape or not got.ndim:
        return ""
    if not wrong_values(got, expected, tolerance).any():
        return "the values are right, the dtype is not: " + (
            "np.zeros(shape) is float64, np.zeros(shape, x.dtype) has the dtype of the input"
            if got.dtype == np.float64 else "the answer has the dtype of the input")
    return "all values are 0: is anything written into the result?" if got.size > 1 and not got.any() else ""


def _as_arrays(outcome):
    """(got, expected) as arrays of numbers; (None, None) if one of them is none."""
    if isinstance(outcome.expected, (str, dict, bool)) or is_parts(outcome.expected):
        return None, None
    try:
        got, expected = np.asarray(outcome.got), np.asarray(outcome.expected)
    except ValueError:
        return None, None
    return (got, expected) if got.dtype.kind in "bifu" and expected.dtype.kind in "bifu" else (None, None)


# -- causes that must explain every case -------------------------------------------------------------------------------

def _inferred(outcome, tolerance):
    """{key: text} for every cause that fits this case. The same key in all cases makes it a likely cause."""
    got, expected = _as_arrays(outcome)
    if got is None:
        return {}
    b, a = expected.astype(np.float64), got.astype(np.float64)
    if a.shape != b.shape:
        return dict(_of_shapes(a, b))
    if not a.ndim:
        return dict(_of_numbers(a.item(), b.item(), isinstance(outcome.expected, numbers.Integral), outcome.arguments))

    def equal(x, y):
        return not wrong_values(x, y, tolerance or (1e-5 if expected.dtype == np.float32 else None)).any()

    return dict(_of_arrays(a, b, outcome.arguments, equal))


def _of_shapes(got, expected) -> Iterator[tuple[Any, str]]:
    def equal(a, b):
        return a.shape == b.shape and np.allclose(a, b, rtol=1e-5)

    if got.ndim != expected.ndim and equal(got.squeeze(), expected.squeeze()):
        yield "length 1", ("an axis of length 1 is left over: keepdims=True keeps it" if got.ndim > expected.ndim else
                           "an axis of length 1 is missing: keepdims=True keeps it")
    elif got.size == expected.size and equal(got.ravel(), expected.ravel()):
        yield "reshape", f"the values are right, the shape is not: reshape them to {expected.shape}"
    elif got.ndim == expected.ndim:
        for axes in _transpositions(got.ndim):
            if equal(expected.transpose(axes), got):
                yield axes, _transposed(axes)
        if got.shape[1:] == expected.shape[1:] and len(got) == 1 < len(expected) and equal(got[0], expected[0]):
            yield "one", "only the first entry is there: is the return inside the loop?"
        if got.ndim == 4 and got.shape[0] == expected.shape[0] and got.shape[3] == expected.shape[3]:
            if sorted(got.shape[1:3]) != sorted(expected.shape[1:3]):
                yield "sizes", "height or width is wrong: check stride and padding, and how the size is rounded"


def _transpositions(ndim):
    return [axes for axes in itertools.permutations(range(ndim)) if axes != tuple(range(ndim))]


def _transposed(axes):
    if axes == (0, 3, 1, 2):
        return "the channels come last here (NHWC); yours come first (NCHW): transpose(0, 2, 3, 1)"
    swapped = [n for n, axis in enumerate(axes) if n != axis]
    if axes == (0, 2, 1, 3):
        return "height and width are swapped: axis 1 is the height, axis 2 the width"
    return (f"axes {swapped[0]} and {swapped[1]} are swapped" if len(swapped) == 2 else
            f"the axes are in another order: transpose{axes} of the right answer gives yours")


def _of_numbers(got, expected, integral, arguments) -> Iterator[tuple[Any, str]]:
    if integral and got != int(got):
        for name, rounded in (("down: //", np.floor(got)), ("up: -(-a // b)", np.ceil(got))):
            if rounded == expected:
                yield name, f"the answer is a whole number: round the division {name}"
        yield "whole", "the answer must be a whole number: round where you divide, // down or -(-a // b) up"
    if abs(got - expected) in (1, 2) and expected == int(expected):
        yield ("off by", got - expected), f"always {abs(got - expected):g} too {'large' if got > expected else 'small'}"
    if got and expected:
        yield from _factors(got / expected, arguments)


def _of_arrays(got, expected, arguments, equal) -> Iterator[tuple[Any, str]]:
    if np.ptp(expected) == 0 or expected.size < 3:
        return
    sized = np.abs(expected) > 1e-9 * np.abs(expected).max()
    ratio = (got[sized] / expected[sized]).mean()
    if np.count_nonzero(sized) > 2 and equal(got, ratio * expected):
        yield from _factors(ratio, arguments)
    for axes in _transpositions(got.ndim):
        if expected.transpose(axes).shape == got.shape and equal(got, expected.transpose(axes)):
            yield axes, _transposed(axes)
    for axis in range(got.ndim):
        if got.shape[axis] > 1 and equal(got, np.flip(expected, axis)):
            yield ("flip", axis), f"the answer is flipped along axis {axis}"
    if len(got) > 2 and equal(got, np.broadcast_to(expected[-1], got.shape)):
        yield "alias", "every entry equals the last: you append the same array each time; append a copy"
    yield from _of_images(got, expected, arguments, equal)
    yield from _of_biases(got, expected, arguments, equal)


def _of_images(got, expected, arguments, equal):
    """Causes that need a batch of images: (N, H, W, C) as an argument, and N as the length of the answer."""
    if not any(isinstance(a, np.ndarray) and a.ndim == 4 and len(a) == len(got) for a in arguments.values()):
        return
    right = [equal(one, wanted) for one, wanted in zip(got, expected, strict=True)]
    if right[0] and not any(right[1:]) and len(right) > 1 and np.ptp(expected[0]) > 0:
        yield "first", "only the first image of the batch is right"
    if got.ndim != 4:
        return
    for name, part in (("window", np.s_[:, 0, 0]), ("row", np.s_[:, 0])):
        rest = got.copy()
        rest[part] = 0
        if equal(got[part], expected[part]) and not rest.any() and min(got.shape[1:3]) > 1:
            yield name, f"only the first {name} is computed: is the return inside the loop?"
    if min(got.shape[1:3]) > 2 and equal(got[:, 1:-1, 1:-1], expected[:, 1:-1, 1:-1]):
        yield "border", "wrong only at the border: check the padding, and windows that extend past the image"


def _of_biases(got, expected, arguments, equal):
    """An argument (F,) that is added to every pixel or row, but not in the answer; or twice."""
    for name, bias in arguments.items():
        if not (isinstance(bias, np.ndarray) and bias.dtype.kind == "f" and bias.any()
                and bias.shape == expected.shape[-1:] and expected.ndim > 1):
            continue
        for times, text in ((-1, "is not added"), (1, "is added twice"), (-2, "is subtracted; add it")):
            if equal(got, expected + times * bias):
                yield (name, times), f"{name} {text}"


def _factors(ratio, arguments) -> Iterator[tuple[Any, str]]:
    """Names for a factor between the answer and the right one."""
    if np.isclose(ratio, -1, rtol=1e-6):
        yield "sign", "the sign is wrong"
    if ratio <= 0 or np.isclose(ratio, 1, rtol=1e-6):
        return
    for base in (2, 10):
        if np.isclose(ratio, 1 / np.log(base), rtol=1e-6):
            yield f"log{base}", f"that is the logarithm to base {base}: np.log is the natural one"
    large, times = ("large", ratio) if ratio > 1 else ("small", 1 / ratio)
    same = [name for name, value in _sizes(arguments).items() if np.isclose(times, value, rtol=1e-5)]
    if "N" in same:
        yield ("N", large), (f"all values are {times:.0f} times too {large}, and the batch size is {times:.0f}: "
                             + ("summed over the batch instead of averaged?" if large == "large" else
                                "averaged over the batch instead of summed?"))
    if np.isclose(times, float(f"{times:.4g}"), rtol=1e-6) and times < 1000:
        yield ("times", round(ratio, 6)), f"always {times:.4g} times too {large}"
    yield from (((name, large), f"{name} times too {large}") for name in same if name != "N")  # if it varies with it


def _sizes(arguments):
    """{name: value} of sizes that a factor may be: integer arguments, their squares, the axes of the first array."""
    whole = {name: value for name, value in arguments.items()
             if isinstance(value, numbers.Integral) and not isinstance(value, bool) and value > 1}
    found = dict(whole) | {f"{name}²": value**2 for name, value in whole.items()}
    shape = next((a.shape for a in arguments.values() if isinstance(a, np.ndarray) and a.ndim), ())
    shape = next((v for v in arguments.values() if isinstance(v, tuple) and len(v) == 4), shape)
    if len(shape) == 4:
        N, H, W, C = shape
        found |= {"N": N, "H": H, "W": W, "C": C, "H·W": H * W, "N·H·W": N * H * W}
    elif shape and not isinstance(arguments.get("shape"), tuple):
        found |= {"N": shape[0]}
    image = arguments.get("shape")
    if isinstance(image, tuple) and len(image) == 3:
        H, W, C = image
        found |= {"H": H, "W": W, "C": C, "H·W": H * W}
    return {name: value for name, value in found.items() if value > 1}
