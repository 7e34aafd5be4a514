"""The operators of ONNX that move, reduce or make values, and small constants computed in advance.

    MOVES   {operator: function from an Op to a Result}
    FOLDS   {operator: its NumPy function}: exporters compute the sizes for Reshape and others from small arrays

Source: the operators of the ONNX standard, https://onnx.ai/onnx/operators.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..layers.base import Array, Shape
from .onnx_rules import Op, Result, Unfit, Unknown, axis_of, broadcast, text

MOST_FOLDED = 4096    # values in a constant that is computed here
MOST_AXES = 32


def _same(op: Op) -> Result:
    return Result([op.shape()] * op.outputs)


def _reshape(op: Op) -> Result:
    """0 copies a size, -1 is what remains."""
    entering, wanted = op.shape(), op.ints("shape", 1) or []
    if not op.get("allowzero", 0):
        if any(n == 0 and i >= len(entering) for i, n in enumerate(wanted)):
            raise Unfit(f"shape {wanted} copies more sizes than {text(entering)} has")
        wanted = [entering[i] if n == 0 else n for i, n in enumerate(wanted)]
    size, known = math.prod(entering), math.prod(n for n in wanted if n != -1)
    if min(wanted, default=1) < -1 or wanted.count(-1) > 1:
        raise Unfit(f"shape {wanted} is negative")
    if -1 in wanted:
        wanted[wanted.index(-1)] = size // max(known, 1)
    if math.prod(wanted) != size:
        raise Unfit(f"{text(entering)} does not have the {math.prod(wanted):,} values of {text(tuple(wanted))}")
    return Result([tuple(wanted)])


def _flatten(op: Op) -> Result:
    shape, axis = op.shape(), op.get("axis", 1)
    axis = axis + len(shape) if axis < 0 else axis
    return Result([(math.prod(shape[:axis]), math.prod(shape[axis:]))], kind="flatten")


def _transpose(op: Op) -> Result:
    shape = op.shape()
    order = op.get("perm") or range(len(shape))[::-1]
    if sorted(order) != list(range(len(shape))):
        raise Unfit(f"order {list(order)} of {len(shape)} axes")
    return Result([tuple(shape[i] for i in order)])


def _squeeze(op: Op) -> Result:
    shape, axes = op.shape(), op.ints("axes", 1)
    gone = ({i for i, size in enumerate(shape) if size == 1} if axes is None else
            {axis_of(axis, len(shape)) for axis in axes})
    return Result([tuple(size for i, size in enumerate(shape) if i not in gone)])


def _unsqueeze(op: Op) -> Result:
    shape, axes = list(op.shape()), op.ints("axes", 1) or []
    total = len(shape) + len(axes)
    for axis in sorted(axis_of(axis, total) for axis in axes):
        shape.insert(axis, 1)
    return Result([tuple(shape)])


def _concat(op: Op) -> Result:
    shapes = [op.shape(i) for i in range(len(op.inputs))]
    axis = axis_of(op.get("axis", 1), len(shapes[0])) if shapes else 0
    rest = {(*shape[:axis], *shape[axis + 1:]) for shape in shapes}
    if len(rest) != 1:
        raise Unfit(f"shapes {', '.join(map(text, shapes[:4]))} do not fit along axis {axis}")
    first = shapes[0]
    return Result([(*first[:axis], sum(shape[axis] for shape in shapes), *first[axis + 1:])], kind="concat")


def _split(op: Op) -> Result:
    shape = op.shape()
    axis = axis_of(op.get("axis", 0), len(shape))
    sizes = op.ints("split", 1)
    if sizes is None:
        part = -(-shape[axis] // max(op.outputs, 1))
        sizes = [min(part, shape[axis] - i * part) for i in range(op.outputs)]
    if sum(sizes) != shape[axis] or min(sizes, default=0) < 0 or len(sizes) != op.outputs:
        raise Unfit(f"parts {sizes[:8]} of {shape[axis]}")
    return Result([(*shape[:axis], size, *shape[axis + 1:]) for size in sizes])


def _slice(op: Op) -> Result:
    shape = list(op.shape())
    starts, ends = op.ints("starts", 1) or [], op.ints("ends", 2) or []
    axes = op.ints("axes", 3) or list(range(len(starts)))
    steps = op.ints("steps", 4) or [1] * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise Unfit(f"starts {starts[:8]}, ends {ends[:8]}, axes {axes[:8]} and steps {steps[:8]}")
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        axis = axis_of(axis, len(shape))
        shape[axis] = len(range(*slice(start, end, step).indices(shape[axis])))
    return Result([tuple(shape)])


def _gather(op: Op) -> Result:
    shape, indices = op.shape(), op.shape(1)
    axis = axis_of(op.get("axis", 0), len(shape))
    return Result([(*shape[:axis], *indices, *shape[axis + 1:])])


def _pad(op: Op) -> Result:
    shape, pads, axes = op.shape(), op.ints("pads", 1) or op.ints("paddings") or [], op.ints("axes", 3)
    where = [axis_of(axis, len(shape)) for axis in axes] if axes else list(range(len(shape)))
    if len(pads) != 2 * len(where):
        raise Unfit(f"{len(pads)} pads for {len(where)} axes")
    sizes = list(shape)
    for i, axis in enumerate(where):
        sizes[axis] += pads[i] + pads[i + len(where)]
    if min(sizes, default=1) < 0:
        raise Unfit(f"pads {pads[:8]} of {text(shape)}")
    return Result([tuple(sizes)])


def _expand(op: Op) -> Result:
    return Result([broadcast(op.shape(), tuple(op.ints("shape", 1) or []))])


def _tile(op: Op) -> Result:
    shape, repeats = op.shape(), op.ints("repeats", 1) or []
    if len(repeats) != len(shape) or min(repeats, default=0) < 0:
        raise Unfit(f"repeats {repeats[:8]} of {text(shape)}")
    return Result([tuple(size * n for size, n in zip(shape, repeats, strict=True))])


def _resize(op: Op) -> Result:
    """Each output is a weighted sum of 1 (nearest), 2 (linear) or 4 (cubic) values along each axis that is scaled."""
    shape, last = op.shape(), len(op.inputs) - 1
    if "scales" in op.attributes or op.name == "Upsample" or op.opset == 10 or last < 3:
        scales, sizes = op.get("scales"), None
        if scales is None:
            scales = _known(op, min(last, 1 if op.name == "Upsample" or op.opset == 10 else 2), "scales")
    else:
        scales, sizes = None, [int(n) for n in _known(op, 3, "sizes")]
    axes = [axis_of(axis, len(shape)) for axis in op.ints("axes", default=range(len(shape))) or []]
    given = sizes if sizes is not None else scales
    if given is None or len(given) != len(axes) or not all(0 < n < 2**31 for n in given):
        raise Unfit("its scales or sizes do not fit its input")
    if sizes is not None and op.get("keep_aspect_ratio_policy", b"stretch") != b"stretch":
        raise Unknown("sizes that keep the aspect ratio")
    out = list(shape)
    for axis, n in zip(axes, given, strict=True):
        out[axis] = int(n) if sizes is not None else math.floor(shape[axis] * n)
    read = {b"linear": 2, b"bilinear": 2, b"cubic": 4}.get(op.get("mode", b"nearest"), 1)
    scaled = sum(a != b for a, b in zip(out, shape, strict=True))
    return Result([tuple(out)], 0, math.prod(out) * read**scaled if read > 1 else 0, "resize")


def _known(op: Op, i: int, words: str) -> list[float]:
    """The values of input i."""
    value = op.inputs[i] if i < len(op.inputs) else None
    if value is None or value.data is None:
        raise Unknown(f"its {words} are computed")
    return value.data.ravel().tolist()


def _reduce(op: Op) -> Result:
    """An addition or comparison for each value that is read."""
    shape, axes = op.shape(), op.ints("axes", 1)
    if not axes:
        axes = [] if op.get("noop_with_empty_axes", 0) else list(range(len(shape)))
    gone, kept = {axis_of(axis, len(shape)) for axis in axes}, op.get("keepdims", 1)
    return Result([tuple(1 if i in gone else size for i, size in enumerate(shape) if kept or i not in gone)], 0,
                  math.prod(shape), op.name.removeprefix("Reduce").lower() + " over axes")


def _arg(op: Op) -> Result:
    shape = op.shape()
    axis, kept = axis_of(op.get("axis", 0), len(shape)), op.get("keepdims", 1)
    return Result([(*shape[:axis], *(1,) * kept, *shape[axis + 1:])], 0, math.prod(shape))


def _constant_of_shape(op: Op) -> Result:
    shape = tuple(op.ints("shape", 0) or [])
    if len(shape) > MOST_AXES or min(shape, default=0) < 0:
        raise Unfit(f"a shape of {len(shape)} axes, some negative")
    return Result([shape])


def _range(op: Op) -> Result:
    start, limit, step = (_known(op, i, "limits")[0] for i in range(3))
    if step == 0 or not all(map(math.isfinite, (start, limit, step))):
        raise Unfit(f"from {start} to {limit} in steps of {step}")
    return Result([(max(0, math.ceil((limit - start) / step)),)])


def _blocks(op: Op) -> Result:
    """DepthToSpace and SpaceToDepth."""
    (N, C, H, W), b = op.shape() if len(op.shape()) == 4 else (0, 0, 0, 0), op.get("blocksize", 0)
    if op.name == "DepthToSpace" and b > 0 and C and C % (b * b) == 0:
        return Result([(N, C // (b * b), H * b, W * b)])
    if op.name == "SpaceToDepth" and b > 0 and H and H % b == W % b == 0:
        return Result([(N, C * b * b, H // b, W // b)])
    raise Unfit(f"blocks of {b} in {text(op.shape())}")


MOVES: dict[str, Callable[[Op], Result]] = {
    **dict.fromkeys(("Identity", "Cast", "CastLike", "Dropout", "ScatterElements", "ScatterND", "Trilu", "CumSum",
                     "EyeLike", "ChannelShuffle", "StopGradient", "Bernoulli"), _same),
    "Reshape": _reshape, "Flatten": _flatten, "Transpose": _transpose, "Squeeze": _squeeze, "Unsqueeze": _unsqueeze,
    "Concat": _concat, "Split": _split, "Slice": _slice, "Gather": _gather, "Pad": _pad, "Expand": _expand,
    "Tile": _tile, "Resize": _resize, "Upsample": _resize, "ArgMax": _arg, "ArgMin": _arg,
    "ConstantOfShape": _constant_of_shape, "DepthToSpace": _blocks, "SpaceToDepth": _blocks,
    "Shape": lambda op: Result([(len(range(len(op.shape()))[op.get("start", 0):op.get("end")]),)]),
    "Range": _range,
    "Size": lambda op: Result([()]),
    "GatherElements": lambda op: Result([op.shape(1)]),
    **{f"Reduce{name}": _reduce for name in ("Mean", "Sum", "Max", "Min", "Prod", "L1", "L2", "SumSquare", "LogSum",
                                             "LogSumExp")},
}

#: What is left of a constant is a constant: a transposed weight is still that weight.
PASSED_ON = ("Identity", "Cast", "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Expand",
             "DequantizeLinear")

FOLDS: dict[str, Callable[..., Any]] = {
    "Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Min": np.minimum, "Max": np.maximum, "Equal": np.equal,
    "Less": np.less, "Greater": np.greater, "Not": np.logical_not, "And": np.logical_and, "Or": np.logical_or,
    "Where": np.where, "Floor": np.floor, "Ceil": np.ceil, "Sqrt": np.sqrt, "Neg": np.negative, "Abs": np.abs,
    "Pow": np.power,
    "Div": lambda a, b: np.trunc(a / b).astype(a.dtype) if a.dtype.kind in "iu" else a / b,
}
_TYPES = {1: "f4", 6: "i4", 7: "i8", 9: "?", 10: "f2", 11: "f8"}


def fold(op: Op, shapes: list[Shape]) -> Array | None:
    """The contents of the only output, if they follow from small known inputs; else None. ``shapes``: the outputs'."""
    if op.name == "Shape" and op.inputs[0] and op.inputs[0].shape is not None:
        return np.array(op.inputs[0].shape[op.get("start", 0):op.get("end")], np.int64)
    arrays = [value.data for value in op.inputs if value is not None]
    if len(shapes) != 1 or math.prod(shapes[0]) > MOST_FOLDED or any(array is None for array in arrays):
        return None
    data: Any = arrays
    with np.errstate(all="ignore"):
        match op.name:
            case "Identity" | "Dropout":
                return data[0]
            case "Cast":
                return data[0].astype(_TYPES[op.get("to", 0)]) if op.get("to", 0) in _TYPES else None
            case "Reshape" | "Squeeze" | "Unsqueeze" | "Flatten":
                return data[0].reshape(shapes[0])
            case "Transpose":
                return data[0].transpose(op.get("perm"))
            case "Gather":
                index = data[1].astype(np.int64)
                inside = index.size == 0 or -len(data[0]) <= index.min() and index.max() < len(data[0])
                return np.take(data[0], index, axis=0) if data[0].ndim == 1 and inside else None
            case "Concat":
                return np.concatenate(data, axis=op.get("axis", 1))
            case "Slice" if data[0].ndim == 1:
                steps = op.ints("steps", 4) or [1]
                return data[0][slice((op.ints("starts", 1) or [0])[0], (op.ints("ends", 2) or [0])[0], steps[0])]
            case "Range":
                return data[0] + np.arange(*shapes[0]) * data[2]
            case "Expand":
                return np.broadcast_to(data[0], shapes[0])
            case "ConstantOfShape":
                value = op.get("value")
                return np.full(shapes[0], value.array().ravel()[0] if value is not None and value.size else 0)
            case "ReduceProd":
                return np.prod(data[0]).reshape(shapes[0]) if math.prod(shapes[0]) == 1 else None
    return np.asarray(FOLDS[op.name](*data)) if op.name in FOLDS else None
