"""The operators of ONNX that compute: what each costs, and the shape of its output. ``onnx_moves`` has the others.

    RULES       {operator: function from an Op to a Result}
    PER_VALUE   operators that act on each value by itself, 1 operation per value of the output, and words for them

Shapes are those of the file, with the batch: images are (N, C, H, W). MACs are multiply-adds, as
``torch.utils.flop_counter`` counts them (2 FLOPs each): convolutions and matrix products, without biases.

Source: the operators of the ONNX standard, https://onnx.ai/onnx/operators.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..layers.base import Array, Shape


class Unfit(ValueError):
    """Shapes or attributes that do not fit the operator."""


class Unknown(ValueError):
    """The shape of the output depends on values that are not known before the network runs."""


class Value(NamedTuple):
    """What is known of an array before the network runs.

    shape   None if unknown
    data    its contents, if it is small and constant
    source  the name of the initializer that it comes from, possibly transposed or reshaped; None if it is computed
    real    floating-point numbers
    """

    shape: Shape | None = None
    data: Array | None = None
    source: str | None = None
    real: bool = True


class Result(NamedTuple):
    """The shapes of the outputs, multiply-adds, other operations, and a description of the layer."""

    shapes: Sequence[Shape]
    macs: int = 0
    other: int = 0
    kind: str = ""
    kernel: Any = None
    stride: Any = None
    groups: int = 1


@dataclass
class Op:
    """A node with its inputs. ``name`` is that of the operator."""

    name: str
    opset: int
    inputs: Sequence[Value | None]
    outputs: int
    attributes: dict[str, Any]

    def shape(self, i: int = 0) -> Shape:
        """The shape of input i. Raises Unknown, or Unfit if there is no such input."""
        value = self.inputs[i] if i < len(self.inputs) else None
        if value is None:
            raise Unfit(f"has no input {i}")
        if value.shape is None:
            raise Unknown("the shape of its input is unknown")
        return value.shape

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute."""
        return self.attributes.get(name, default)

    def ints(self, name: str, i: int | None = None, default: Sequence[int] | None = None) -> list[int] | None:
        """Integers from the attribute ``name``, else from input i, where newer opsets have it. Raises Unknown."""
        if name in self.attributes:
            found = self.attributes[name]
            return [int(n) for n in found] if isinstance(found, list) else [int(found)]
        value = self.inputs[i] if i is not None and i < len(self.inputs) else None
        if value is None:
            return None if default is None else list(default)
        if value.data is None:
            raise Unknown(f"its {name} are computed")
        return [int(n) for n in value.data.ravel()]


def axis_of(axis: int, axes: int) -> int:
    """An axis counted from the start."""
    if not -axes <= axis < axes:
        raise Unfit(f"axis {axis} of {axes}")
    return axis % axes


def broadcast(*shapes: Shape) -> Shape:
    """The shape of an elementwise operation on arrays of these shapes."""
    axes = max(map(len, shapes))
    padded = [(1,) * (axes - len(shape)) + shape for shape in shapes]
    sizes = []
    for column in zip(*padded, strict=True):
        found = {size for size in column if size != 1}
        if len(found) > 1:
            raise Unfit(f"shapes {', '.join(map(text, shapes))} do not fit")
        sizes.append(found.pop() if found else 1)
    return tuple(sizes)


def text(shape: Shape) -> str:
    """``(3, 224, 224) -> "3x224x224"``"""
    return "x".join(map(str, shape)) or "scalar"


def _window(op: Op, kernel: Sequence[int]) -> tuple[list[int], list[int], list[int], str]:
    """(strides, dilations, pads, auto_pad) of a convolution or pool."""
    n = len(kernel)
    strides, dilations = (op.ints(name, default=[1] * n) or [] for name in ("strides", "dilations"))
    pads = op.ints("pads", default=[0] * 2 * n) or []
    if len(strides) != n or len(dilations) != n or len(pads) != 2 * n or min([*strides, *dilations, *kernel]) < 1:
        raise Unfit(f"window {text(tuple(kernel))} with strides {strides}, dilations {dilations} and pads {pads}")
    return strides, dilations, pads, op.get("auto_pad", b"NOTSET").decode()


def _windows(op: Op, sizes: Shape, kernel: Sequence[int]) -> Shape:
    """Output sizes: ⌊(size + pads − D·(K − 1) − 1) / S⌋ + 1 on each axis."""
    if len(sizes) != len(kernel):
        raise Unfit(f"window {text(tuple(kernel))} on maps of {len(sizes)} axes")
    strides, dilations, pads, auto = _window(op, kernel)
    out = []
    for i, (size, K, S, D) in enumerate(zip(sizes, kernel, strides, dilations, strict=True)):
        before, after = (0, 0) if auto == "VALID" else (pads[i], pads[i + len(kernel)])
        last = size + before + after - D * (K - 1) - 1
        if auto.startswith("SAME"):
            O = -(-size // S)
        elif op.get("ceil_mode", 0):
            O = -(-last // S) + 1
            O -= (O - 1) * S >= size + before          # no window starts in the padding at the end
        else:
            O = last // S + 1
        if O < 1:
            raise Unfit(f"maps of {text(sizes)} are too small for its window {text(tuple(kernel))}")
        out.append(O)
    return tuple(out)


def _conv(x: int = 0, w: int = 1) -> Callable[[Op], Result]:
    """Conv, whose image and weights (F, C/g, K…) are inputs number x and w: OH·OW·F·KH·KW·C/g per image."""
    def rule(op: Op) -> Result:
        (N, C, *sizes), (F, per_group, *kernel) = _maps(op.shape(x)), _maps(op.shape(w))
        groups = op.get("group", 1)
        if groups < 1 or per_group * groups != C or F % groups:
            raise Unfit(f"weights {text(op.shape(w))} in {groups} groups do not fit {C} channels")
        out = _windows(op, tuple(sizes), kernel)
        return Result([(N, F, *out)], N * F * math.prod(out) * per_group * math.prod(kernel),
                      **_described(op, "conv", kernel, groups, C))
    return rule


def _conv_transpose(op: Op) -> Result:
    """Every input value times every weight of its group: H·W·C·KH·KW·F/g per image."""
    (N, C, *sizes), (channels, per_group, *kernel) = _maps(op.shape()), _maps(op.shape(1))
    groups = op.get("group", 1)
    if channels != C or groups < 1 or C % groups or len(sizes) != len(kernel):
        raise Unfit(f"weights {text(op.shape(1))} in {groups} groups do not fit maps of {text(op.shape())}")
    strides, dilations, pads, auto = _window(op, kernel)
    extra = op.ints("output_padding", default=[0] * len(kernel)) or []
    out = op.ints("output_shape") or [
        size * S if auto.startswith("SAME") else
        S * (size - 1) + (extra[i:] or [0])[0] + D * (K - 1) + 1 - (pads[i] + pads[i + len(kernel)]) * (auto != "VALID")
        for i, (size, K, S, D) in enumerate(zip(sizes, kernel, strides, dilations, strict=True))]
    if min(out[-len(kernel):]) < 1:
        raise Unfit(f"maps of {text(tuple(sizes))} are too small")
    return Result([(N, per_group * groups, *out[-len(kernel):])],
                  N * C * math.prod(sizes) * per_group * math.prod(kernel),
                  **_described(op, "conv transpose", kernel, groups, C))


def _described(op, kind, kernel, groups, C=0):
    strides = op.ints("strides", default=[1] * len(kernel))
    stride = str(strides[0]) if len(set(strides)) == 1 else text(tuple(strides))
    words = f"{kind} {text(tuple(kernel))}/{stride}"
    if groups > 1:
        words = f"depthwise {words}" if groups == C else f"{words} in {groups} groups"
    return {"kind": words, "kernel": tuple(kernel), "stride": tuple(strides), "groups": groups}


def _maps(shape: Shape) -> Shape:
    if len(shape) < 3:
        raise Unfit(f"{text(shape)} are not maps with channels")
    return shape


def _gemm(op: Op) -> Result:
    a, b = op.shape(), op.shape(1)
    if len(a) != 2 or len(b) != 2:
        raise Unfit(f"matrices {text(a)} and {text(b)} have other than two axes")
    M, K = reversed(a) if op.get("transA", 0) else a
    rows, N = reversed(b) if op.get("transB", 0) else b
    if K != rows:
        raise Unfit(f"matrices {M}x{K} and {rows}x{N} do not fit")
    return Result([(M, N)], M * K * N, kind=f"dense {K}->{N}")


def _matmul(a: int = 0, b: int = 1) -> Callable[[Op], Result]:
    """A product of matrices in the last two axes, as ``numpy.matmul``."""
    def rule(op: Op) -> Result:
        left, right = op.shape(a), op.shape(b)
        if not left or not right:
            raise Unfit("a scalar is not a matrix")
        (*outer, M, K), (*others, rows, N) = ((1,) * (2 - len(left)) + left,
                                              right if len(right) > 1 else (*right, 1))
        if K != rows:
            raise Unfit(f"matrices {text(left)} and {text(right)} do not fit")
        batch = broadcast(tuple(outer), tuple(others))
        shape = (*batch, *(M,) * (len(left) > 1), *(N,) * (len(right) > 1))
        weights = op.inputs[b]
        return Result([shape], math.prod(batch) * M * K * N,
                      kind=f"dense {K}->{N}" if weights and weights.source else "matrix product")
    return rule


def _einsum(op: Op) -> Result:
    """Multiply-adds of one or two factors: the product of the sizes of all indices."""
    left, _, out = op.get("equation", b"").decode().replace(" ", "").partition("->")
    names = left.split(",")
    if not out or "." in left or len(names) != len(op.inputs) or len(names) > 2:
        raise Unknown("an equation of another form")
    sizes: dict[str, int] = {}
    for i, letters in enumerate(names):
        if len(letters) != len(op.shape(i)):
            raise Unfit(f"equation {left} for an array of {len(op.shape(i))} axes")
        for letter, size in zip(letters, op.shape(i), strict=True):
            sizes[letter] = max(size, sizes.get(letter, 1))
    if not set(out) <= set(sizes):
        raise Unfit(f"equation {left}->{out}")
    macs = math.prod(sizes.values()) if len(names) == 2 else 0
    return Result([tuple(sizes[letter] for letter in out)], macs, kind="matrix product")


def _pool(words: str) -> Callable[[Op], Result]:
    """One comparison or addition for each value in a window."""
    def rule(op: Op) -> Result:
        N, C, *sizes = _maps(op.shape())
        kernel = op.ints("kernel_shape") or []
        out = (N, C, *_windows(op, tuple(sizes), kernel))
        return Result([out] * op.outputs, 0, math.prod(out) * math.prod(kernel), **_described(op, words, kernel, 1))
    return rule


def _global_pool(words: str) -> Callable[[Op], Result]:
    def rule(op: Op) -> Result:
        N, C, *sizes = _maps(op.shape())
        return Result([(N, C, *[1] * len(sizes))], 0, math.prod(op.shape()), words)
    return rule


def _lrn(op: Op) -> Result:
    """The sums of squares over neighboring channels; then scale, power and product for each value."""
    N, C, *sizes = _maps(op.shape())
    n = op.get("size", 1)
    before = (n - 1) // 2
    squares = sum(min(C, c - before + n) - max(0, c - before) for c in range(C)) if C <= 10**6 else C * n
    return Result([op.shape()], 0, N * math.prod(sizes) * (squares + 3 * C), "LRN")


def _norm(words: str, cost: int) -> Callable[[Op], Result]:
    """A normalization; ``cost`` per value: 2 with given statistics, 4 if their sums are computed as well."""
    def rule(op: Op) -> Result:
        return Result([op.shape()] * op.outputs, 0, cost * math.prod(op.shape()), words)
    return rule


RULES: dict[str, Callable[[Op], Result]] = {
    "Conv": _conv(), "ConvInteger": _conv(), "QLinearConv": _conv(0, 3), "ConvTranspose": _conv_transpose,
    "Gemm": _gemm, "MatMul": _matmul(), "MatMulInteger": _matmul(), "QLinearMatMul": _matmul(0, 3), "Einsum": _einsum,
    "MaxPool": _pool("max pool"), "AveragePool": _pool("average pool"), "LpPool": _pool("Lp pool"),
    "GlobalAveragePool": _global_pool("global average pool"), "GlobalMaxPool": _global_pool("global max pool"),
    "LRN": _lrn, "BatchNormalization": _norm("batch norm", 2), "InstanceNormalization": _norm("instance norm", 4),
    "LayerNormalization": _norm("layer norm", 4), "GroupNormalization": _norm("group norm", 4),
    "SimplifiedLayerNormalization": _norm("RMS norm", 4), "RMSNormalization": _norm("RMS norm", 4),
    "LpNormalization": _norm("Lp norm", 4), "MeanVarianceNormalization": _norm("mean and variance norm", 4),
    **{name: _norm(name.lower(), 3) for name in ("Softmax", "LogSoftmax", "Hardmax")},   # exponential, sum, division
}

#: Words for the operators that act on each value by itself. Comparisons, sums and functions count 1 per value.
PER_VALUE: dict[str, str] = {
    "Relu": "ReLU", "PRelu": "PReLU", "LeakyRelu": "leaky ReLU", "Clip": "clip", **{name: name.lower() for name in (
        "Add Sub Mul Div Pow Min Max Mean Sum Mod Sigmoid HardSigmoid HardSwish Tanh Elu Selu Celu Gelu Mish Softplus "
        "Softsign Erf Exp Log Sqrt Abs Neg Floor Ceil Round Sign Sin Cos Tan Asin Acos Atan Sinh Cosh Asinh Acosh "
        "Atanh Reciprocal ThresholdedRelu Shrink Equal Greater Less GreaterOrEqual LessOrEqual And Or Xor Not Where "
        "IsNaN IsInf BitShift QuantizeLinear DequantizeLinear Swish Affine ImageScaler BitwiseAnd BitwiseOr "
        "BitwiseXor BitwiseNot").split()},
}
