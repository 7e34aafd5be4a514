"""Counts a network in an ``.onnx`` file by a walk over its nodes. Nothing is run, and no weight is read.

Each node goes through three questions: is it a small constant, from which sizes are computed (``onnx_moves.FOLDS``)?
What does it cost, and which shape has its output (``onnx_rules``, ``onnx_moves``)? Which weights does it read for the
first time? A node without a rule stays in the table as "not counted", and so does what needs the shape of its output,
unless the file states that shape.

Shapes are those of the file without the batch: channels first, (C, H, W).
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UserError, shown
from ..layers.base import Shape
from ..weights.onnx_file import Model, Node, read_model
from ..weights.onnx_tensor import Tensor
from ..weights.wire import WireError
from .counting import Count, Row
from .onnx_moves import MOST_FOLDED, MOVES, PASSED_ON, fold
from .onnx_rules import PER_VALUE, RULES, Op, Result, Unfit, Unknown, Value, broadcast, text

MOST_CHANNELS = 4        # of an image whose sizes --input may replace
LONGEST = 10**9          # of a size

#: Inputs that are constants, but no weights: statistics of batch norm, limits, scales. All others count.
_ALL = range(1, 100)
NOT_WEIGHTS: dict[str, Sequence[int]] = {
    "BatchNormalization": (3, 4), "QLinearConv": (1, 2, 4, 5, 6, 7), "QLinearMatMul": (1, 2, 4, 5, 6, 7),
    **dict.fromkeys(("Clip", "Resize", "Upsample", "Pad", "Dropout", "QuantizeLinear", "DequantizeLinear", "Range"),
                    _ALL)}
#: Batch norm and activations after a layer are part of its block.
FOLLOWERS = ("BatchNormalization", "Relu", "PRelu", "LeakyRelu", "Clip", "Sigmoid", "HardSwish", "HardSigmoid", "Elu",
             "Selu", "Gelu", "Tanh", "Mish")


def count_onnx(path: Path | str, size: tuple[int, int] | None = None) -> Count:
    """Count the network in an ``.onnx`` file, for one image.

    size: (H, W) of the input, required if the file leaves them open. An open batch is 1; if the file fixes a batch of
    N, the counts are divided by N.

    Raises UserError that names the file: if it is damaged, if sizes are open or do not fit, if the graph is cyclic.
    """
    model = read_model(path)
    try:
        walk = _Walk(model, _entering(model, size, path), path)
        for node in model.nodes:
            walk.visit(node)
        rows = walk.per_image()
    except WireError as error:
        raise UserError(f"{path}: {error}; it is damaged or not an ONNX model") from error
    first = next(iter(walk.entering.values()), ())
    layers = tuple(row for _, row in rows)
    return Count(str(path), first[1:], layers, tuple(_blocks(rows)), tuple(_modules(layers)))


def _entering(model: Model, size, path) -> dict[str, Shape]:
    """{name: shape} of the inputs. Open sizes other than the batch are taken from ``size``, in order."""
    shapes: dict[str, Shape] = {}
    symbols: dict[str, int] = {}
    for name, dims in model.inputs.items():
        where = f"{path}: its input '{shown(name)}'"
        if dims is None:
            raise UserError(f"{where} has no shape; export the network with one")
        sizes: list[Any] = list(dims)
        if sizes and (isinstance(sizes[0], str) or sizes[0] == 0):
            sizes[0] = 1
        sizes = [symbols.get(n, n) if isinstance(n, str) else n for n in sizes]
        is_open = [i for i, n in enumerate(sizes) if isinstance(n, str)]
        if size is not None and not is_open and len(sizes) == 4 and not shapes:
            is_open = [2, 3] if sizes[1] <= MOST_CHANNELS else [1, 2] if sizes[3] <= MOST_CHANNELS else []
            sizes = [n if i not in is_open else "?" for i, n in enumerate(sizes)]
        if is_open and (size is None or len(is_open) > 2):
            raise UserError(f"{where} has open sizes, {text(dims)}; " + (    # type: ignore[arg-type]
                "give its height and width: --input 224" if len(is_open) < 3 else "export it with fixed channels"))
        for i, n in zip(is_open, size or (), strict=False):
            if isinstance(sizes[i], str):
                symbols.setdefault(sizes[i], n) if sizes[i] != "?" else None
            sizes[i] = n
        if any(not 1 <= n <= LONGEST for n in sizes):
            raise UserError(f"{where} has the impossible shape {text(tuple(sizes))[:80]}")
        shapes[name] = tuple(sizes)
    return shapes


class _Walk:
    """The values that are known so far, and the rows."""

    def __init__(self, model: Model, entering: dict[str, Shape], path: Path | str) -> None:
        self.model, self.entering, self.path = model, entering, path
        self.batch = next((shape[0] for shape in entering.values() if shape), 1)
        self.values: dict[str, Value] = {name: Value(shape) for name, shape in entering.items()}
        self.values |= {name: _constant(tensor, name) for name, tensor in model.tensors.items()}
        self.rows: list[tuple[Node, Row]] = []
        self.seen: set[str] = set()        # weights that are already counted
        self.names: set[str] = set()

    def visit(self, node: Node) -> None:
        """Compute what is known of the node's outputs, and add its row."""
        entering = [self._value(name, node) if name else None for name in node.inputs]
        op = Op(node.kind, self.model.opset, entering, len(node.outputs), node.attributes)
        made_here = all(value is None or value.source is not None or value.data is not None for value in entering)
        if node.kind == "Constant":
            return self._set(node, [_attribute(node)])
        try:
            result, counted = _rule(node, op), True
            if len(result.shapes) < len([name for name in node.outputs if name]) and node.kind not in RULES:
                raise Unfit(f"has {len(node.outputs)} outputs")
            shapes = [tuple(shape) for shape in result.shapes]
            data = fold(op, shapes)
        except Unknown as error:
            words = node.kind if node.kind else "a node without an operator"
            words = f"{node.domain}.{words}" if node.domain not in ("", "ai.onnx") else words
            result = Result([], kind=f"not counted: {shown(words)}" + f" ({error})" * bool(str(error)))
            shapes, data, counted = [], None, False
        except (Unfit, ValueError, TypeError, AttributeError, IndexError, OverflowError, KeyError) as error:
            raise UserError(f"{self.path}: its node '{shown(_name(node))}' ({shown(node.kind)}) does not fit: "
                            f"{shown(str(error), 200)}") from error
        real = node.kind not in ("Shape", "Size", "ArgMax", "ArgMin") and all(v is None or v.real for v in entering[:1])
        weights = entering[0].source if node.kind in PASSED_ON and entering and entering[0] else None
        if node.kind == "ConstantOfShape" and made_here:
            weights = node.outputs[0]
            fill = node.attributes.get("value")
            real = not isinstance(fill, Tensor) or fill.real
        self._set(node, [Value(shape, data if i == 0 else None, weights, real or node.kind == "DequantizeLinear")
                         for i, shape in enumerate(shapes)])
        if data is not None or weights is not None and made_here:
            return                         # computed when the network is loaded
        name = _name(node)
        name = name if name not in self.names else f"{name} ({len(self.rows)})"
        self.names.add(name)
        self.rows.append((node, Row(
            name, node.kind, self._output(node), self._params(node, entering), result.macs, result.other,
            (result.kind or PER_VALUE.get(node.kind, node.kind.lower()),),
            result.kernel, result.stride, result.groups, counted)))

    def _value(self, name, node) -> Value:
        if name in self.values:
            return self.values[name]
        later = any(name in other.outputs for other in self.model.nodes)
        raise UserError(f"{self.path}: its node '{shown(_name(node))}' reads '{shown(name)}', which " + (
            "only a later node computes; the graph is cyclic or out of order" if later else "no node computes"))

    def _set(self, node, values) -> None:
        for i, name in enumerate(node.outputs):
            if name in self.values:
                raise UserError(f"{self.path}: two nodes compute '{shown(name)}'")
            value = values[i] if i < len(values) else Value(_stated(self.model.values.get(name), self.batch))
            if value.shape is not None and any(n > 10**18 for n in value.shape):
                raise UserError(f"{self.path}: '{shown(name)}' has an impossible shape")
            if name:
                self.values[name] = value

    def _output(self, node) -> Shape:
        """The shape of the first output, without the batch."""
        shape = self.values[node.outputs[0]].shape if node.outputs and node.outputs[0] else None
        return () if shape is None else shape[1:] if len(shape) > 1 and shape[0] == self.batch else shape

    def _params(self, node, entering) -> int:
        """The weights that the node is the first to read."""
        params = 0
        for i, value in enumerate(entering):
            if value is None or value.source in self.seen or not value.source or not value.shape or (
                    i in NOT_WEIGHTS.get(node.kind, ())) or not (value.real or "Integer" in node.kind
                                                                 or node.kind.startswith("QLinear")):
                continue
            self.seen.add(value.source)
            params += math.prod(value.shape)
        return params

    def per_image(self) -> list[tuple[Node, Row]]:
        """The rows, divided by the batch that the file fixes."""
        N = self.batch
        odd = [row for _, row in self.rows if row.macs % N or row.other % N]
        if odd:
            raise UserError(f"{self.path}: fixes a batch of {N}, and {len(odd)} nodes, first '{shown(odd[0].name)}', "
                            "do not do the same for each image; export it with a batch of 1")
        return [(node, row._replace(macs=row.macs // N, other=row.other // N)) for node, row in self.rows]


def _rule(node: Node, op: Op) -> Result:
    """What the node computes. Raises Unknown for an operator without a rule."""
    if node.domain not in ("", "ai.onnx"):
        raise Unknown
    if rule := RULES.get(node.kind) or MOVES.get(node.kind):
        return rule(op)
    if node.kind not in PER_VALUE:
        raise Unknown
    shape = broadcast(*(op.shape(i) for i, value in enumerate(op.inputs) if value is not None)) if (
        node.kind not in ("QuantizeLinear", "DequantizeLinear", "PRelu", "Clip")) else op.shape()
    return Result([shape] * op.outputs, 0, math.prod(shape))


def _constant(tensor: Tensor, name: str) -> Value:
    """An initializer; small ones with their contents."""
    present = (tensor.raw is not None or bool(tensor.parts)) and not tensor.external
    if present:
        tensor.check()
    return Value(tensor.shape, tensor.array() if present and tensor.size <= MOST_FOLDED else None, name, tensor.real)


def _attribute(node: Node) -> Value:
    """The value of a Constant."""
    found = next((value for name, value in node.attributes.items() if name.startswith("value")), None)
    if isinstance(found, Tensor):
        return _constant(found, node.outputs[0] if node.outputs else "")
    if isinstance(found, int | float | list):
        data = np.array(found, None if found != [] else np.int64)
        return Value(data.shape, data, node.outputs[0] if node.outputs else "", data.dtype.kind == "f")
    return Value()


def _stated(dims, batch) -> Shape | None:
    """A shape that the file states, if all its sizes are known. An open first size is the batch."""
    if dims is None:
        return None
    sizes = [batch if i == 0 and isinstance(n, str) else n for i, n in enumerate(dims)]
    return None if any(isinstance(n, str) or n < 0 for n in sizes) else tuple(sizes)


def _name(node: Node) -> str:
    return shown(node.name or next(filter(None, node.outputs), node.kind), 200)


def _blocks(rows):
    """A layer with the batch norm and the activations after it, if nothing else reads its output, is one row."""
    readers: dict[str, int] = {}
    for node, _ in rows:
        for name in node.inputs:
            readers[name] = readers.get(name, 0) + 1
    found: list[Row] = []
    ends: dict[str, int] = {}              # output of a block -> its number
    for node, row in rows:
        at = ends.pop(node.inputs[0], None) if node.inputs and readers.get(node.inputs[0]) == 1 else None
        if at is not None and node.kind in FOLLOWERS and row.counted:
            found[at] = _sum([found[at], row], found[at].name, found[at].kind, (*found[at].parts, *row.parts))
        else:
            at = len(found)
            found.append(row)
        if node.outputs and found[at].counted and (node.kind in RULES or node.kind in FOLLOWERS):
            ends[node.outputs[0]] = at
    return found


def _modules(rows):
    """The rows whose names have one first part: "/layer1/layer1.0/conv1/Conv" and "3a/1x1" belong to layer1 and 3a."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        name = row.name.strip("/").split("/")[0] or row.name
        groups.setdefault(name if row.counted else row.name, []).append(row)
    for name, members in groups.items():
        parts = members[0].parts if len(members) == 1 else (f"{len(members)} nodes",)
        yield _sum(members, name, members[0].kind, parts)


def _sum(rows, name, kind, parts) -> Row:
    params, macs, other = (sum(getattr(row, key) for row in rows) for key in ("params", "macs", "other"))
    first, last = rows[0], rows[-1]
    return Row(name, kind, last.output, params, macs, other, tuple(parts), first.kernel, first.stride, first.groups,
               all(row.counted for row in rows))
