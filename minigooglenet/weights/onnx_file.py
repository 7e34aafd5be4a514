"""Reading ``.onnx`` files without the package onnx: nodes, shapes and initializers. The file is a ModelProto:

    ModelProto      { GraphProto graph = 7;   OperatorSetId opset_import = 8;   StringStringEntry metadata_props = 14; }
    GraphProto      { NodeProto node = 1;   TensorProto initializer = 5;   ValueInfo input = 11, output = 12, … = 13; }
    NodeProto       { string input = 1, output = 2, name = 3, op_type = 4, domain = 7;   Attribute attribute = 5; }
    AttributeProto  { string name = 1;   float f = 2;   int64 i = 3;   bytes s = 4;   TensorProto t = 5;
                      float floats = 7;   int64 ints = 8; }
    ValueInfoProto  { string name = 1;   TypeProto type = 2; }    TypeProto { Tensor tensor_type = 1; }
    Tensor          { TensorShapeProto shape = 2; }   Shape { Dimension dim = 1; }   Dimension { int64 dim_value = 1;
                      string dim_param = 2; }

``onnx_tensor`` reads a TensorProto. Everything else is skipped. The file is memory-mapped, and an initializer is
decoded only when its values are needed.
Source: onnx.proto of ONNX 1.17.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from ..errors import UserError
from ..files import recognize
from .names import shown
from .onnx_tensor import MOST_AXES, MOST_INTEGERS, Tensor, integers, read_tensor, text
from .wire import FIXED32, LENGTH, VARINT, Budget, WireError, as_signed, expect, fields, map_file

LARGEST = 2**31 - 1        # bytes: the maximum size of a protobuf message
MOST_FIELDS = 500_000      # a network of 1,000 nodes has about 15,000

Dims: TypeAlias = tuple[int | str, ...] | None


@dataclass
class Node:
    """One operator. An attribute is an int, a float, bytes, a Tensor, or a list of ints or floats."""

    kind: str = ""
    domain: str = ""
    name: str = ""
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass
class Model:
    """A file: its nodes in order, {name: Tensor} of the initializers, {name: dims} of the inputs and of other values.

    A size of ``dims`` is a number, or the name of a symbolic size; None stands for an unknown number of axes.
    """

    nodes: list[Node] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    inputs: dict[str, Dims] = field(default_factory=dict)
    values: dict[str, Dims] = field(default_factory=dict)
    opset: int = 1
    properties: dict[str, str] = field(default_factory=dict)


def read_model(path: Path | str) -> Model:
    """The Model in a file. Raises UserError that names the file if it is missing, of another kind or malformed."""
    view = map_file(path, "an .onnx file", LARGEST)
    if (what := recognize(bytes(view[:512]))) is not None:
        raise UserError(f"{path}: expected an .onnx file, but this is {what}")
    try:
        model = _model(view, Budget(MOST_FIELDS))
    except WireError as error:
        raise UserError(f"{path}: {error}; it is damaged or not an ONNX model") from error
    if not model.nodes:
        raise UserError(f"{path}: contains no graph; it is damaged or not an ONNX model")
    return model


def is_onnx(path: Path | str) -> bool:
    """Whether to read ``path`` as ONNX: because of its name, or of its first fields."""
    if Path(path).suffix == ".onnx":
        return True
    kinds = {}
    try:
        with open(path, "rb") as file:
            for number, kind, value in fields(memoryview(file.read(4096)), Budget(20)):
                kinds[number] = kind, value
    except (OSError, WireError):               # the first bytes may end in the middle of the graph
        pass
    return kinds.get(1, (None,))[0] == VARINT and kinds.get(2, (None,))[0] == LENGTH and 8 in kinds


def _model(view, budget):
    model = Model()
    for number, kind, value in fields(view, budget):
        if number == 7:
            _graph(expect(kind, LENGTH, value, "the graph"), model, budget)
        elif number == 8:
            found = dict(_entries(expect(kind, LENGTH, value, "an opset"), budget))
            if text(found.get(1, b"")) in ("", "ai.onnx"):
                model.opset = as_signed(found.get(2, 1))
        elif number == 14:
            found = dict(_entries(expect(kind, LENGTH, value, "an entry of metadata"), budget))
            model.properties[text(found.get(1, b""))] = text(found.get(2, b""))
    model.inputs = {name: dims for name, dims in model.inputs.items() if name not in model.tensors}
    return model


def _graph(view, model, budget):
    for number, kind, value in fields(view, budget):
        if number not in (1, 5, 11, 12, 13):
            continue
        value = expect(kind, LENGTH, value, "a part of the graph")
        if number == 1:
            model.nodes.append(_node(value, budget))
        elif number == 5:
            tensor = read_tensor(value, budget)
            if tensor.name in model.tensors:
                raise WireError(f"two initializers are named '{shown(tensor.name)}'")
            model.tensors[tensor.name] = tensor
        else:
            name, dims = _value_info(value, budget)
            (model.inputs if number == 11 else model.values)[name] = dims


def _node(view, budget):
    node = Node()
    for number, kind, value in fields(view, budget):
        if number not in (1, 2, 3, 4, 5, 7):
            continue
        value = expect(kind, LENGTH, value, "a part of a node")
        if number == 5:
            name, attribute = _attribute(value, budget)
            node.attributes[name] = attribute
        elif number in (1, 2):
            (node.inputs if number == 1 else node.outputs).append(text(value))
        else:
            setattr(node, {3: "name", 4: "kind", 7: "domain"}[number], text(value))
    return node


def _attribute(view, budget):
    """(name, value); the value of a graph or of a list of texts is None."""
    name, found, listed = "", None, None
    for number, kind, value in fields(view, budget):
        if number == 1:
            name = text(value)
        elif number == 2:
            found = float(expect(kind, FIXED32, value, "a number").view("<f4")[0, 0])
        elif number == 3:
            found = as_signed(expect(kind, VARINT, value, "an integer"))
        elif number == 4:
            found = bytes(expect(kind, LENGTH, value, "a text")[:1000])
        elif number == 5:
            found = read_tensor(expect(kind, LENGTH, value, "a tensor"), budget)
        elif number in (7, 8):
            listed = [] if listed is None else listed
            listed += integers(kind, value) if number == 8 else _floats(kind, value)
            if len(listed) > MOST_INTEGERS:
                raise WireError(f"the attribute '{shown(name)}' has more than {MOST_INTEGERS:,} values")
    return name, found if listed is None else listed


def _value_info(view, budget):
    name, dims = "", None
    for number, kind, value in fields(view, budget):
        if number == 1:
            name = text(value)
        elif number == 2:
            for shape in _inside(_inside([expect(kind, LENGTH, value, "a type")], 1, budget), 2, budget):
                dims = tuple(_dimension(dim, budget) for dim in _inside([shape], 1, budget))
                if len(dims) > MOST_AXES:
                    raise WireError(f"'{shown(name)}' has more than {MOST_AXES} axes")
    return name, dims


def _dimension(view, budget):
    found = dict(_entries(view, budget))
    return as_signed(found[1]) if isinstance(found.get(1), int) else text(found.get(2, b"")) or "?"


def _inside(views, wanted, budget):
    """The embedded messages with the field number ``wanted``."""
    return [expect(kind, LENGTH, value, "a shape") for view in views for number, kind, value in fields(view, budget)
            if number == wanted]


def _entries(view, budget):
    """(field number, value) of the integers and texts of a small message."""
    return [(number, value) for number, kind, value in fields(view, budget) if kind in (VARINT, LENGTH)]


def _floats(kind, value):
    """Repeated numbers, packed or not."""
    if kind not in (FIXED32, LENGTH) or value.nbytes % 4:
        raise WireError("a list of numbers is malformed")
    return np.frombuffer(value[:4 * MOST_INTEGERS].tobytes(), "<f4").tolist()
