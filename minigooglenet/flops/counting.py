"""Counting: one walk over a network's structure. Nothing is run."""

from dataclasses import dataclass
from typing import NamedTuple

from ..errors import ShapeError, UserError
from ..models.catalogue import entry, network

#: What a container is called in a table by module.
_KINDS = {"Concat": "inception", "Sequential": "auxiliary head"}


class Row(NamedTuple):
    """A layer or module, for one picture.

    output  its shape, (H, W, C) or (D,)
    params  weights, biases, γ and β
    macs    multiply-adds of weights with activations, the paper's "ops"
    other   comparisons (ReLU, max pool), additions (average pool), and what LRN and batch norm do; biases are left out
    """
    name: str
    kind: str
    output: tuple
    params: int
    macs: int
    other: int

    @property
    def flops(self):
        """1 MAC = 2 FLOPs: a multiplication and an addition."""
        return 2 * self.macs


@dataclass(frozen=True)
class Count:
    """A network counted: ``layers`` are its leaves in order, ``modules`` the same by the first part of their paths."""

    model: str
    input: tuple
    layers: tuple
    modules: tuple

    def rows(self, by="layer"):
        """The Rows by "layer" or by "module"."""
        return {"layer": self.layers, "module": self.modules}[by]

    @property
    def params(self):
        return sum(row.params for row in self.layers)

    @property
    def macs(self):
        return sum(row.macs for row in self.layers)

    @property
    def flops(self):
        return 2 * self.macs

    @property
    def other(self):
        return sum(row.other for row in self.layers)

    def __getitem__(self, name):
        """The Row of the layer called ``name``, or else of the module."""
        for row in (*self.layers, *self.modules):
            if row.name == name:
                return row
        raise KeyError(name)


def parameters_of(layer):
    """How many numbers a layer learns."""
    return sum(array.size for array in layer.parameters().values())


def count(model, input_shape=None, *, heads=False):
    """Count ``model``: a name of models/catalogue.py, or any layer, for pictures of ``input_shape`` (H, W, C).

    A name knows its own ``input_shape``, and with ``heads`` its auxiliary heads; a layer needs to be told its input.

    Raises UserError for an unknown name or pictures that do not fit.
    """
    if isinstance(model, str):
        input_shape = tuple(input_shape or entry(model).input_shape)
        name, net = model, network(model, input_shape=input_shape, heads=heads)
    else:
        name, net, input_shape = type(model).__name__, model, tuple(input_shape)
    try:
        traced = list(net.trace(input_shape))
    except ShapeError as error:
        raise UserError(f"input: pictures of {'x'.join(map(str, input_shape))} do not fit {name} ({error})") from error
    layers = [_row(path, layer, entering) for path, layer, entering, _ in traced]
    return Count(name, input_shape, tuple(layers), tuple(_modules(net, traced)))


def _row(path, layer, entering):
    kind = _KINDS.get(type(layer).__name__) or layer.describe()
    return Row(path, kind, layer.output_shape(entering), parameters_of(layer), layer.macs(entering),
               layer.other_ops(entering))


def _modules(net, traced):
    """One Row for each first part of a path, with the ReLU and batch norm of a convolution in its row."""
    entering = {}  # the shape that enters each of the network's children
    for path, _, shape, _ in traced:
        entering.setdefault(path.split("/")[0], shape)
    return folded(_row(name, net.children.get(name, net), shape) for name, shape in entering.items())


def folded(rows):
    """The rows with those called ``x_bn`` and ``x_relu`` added to the row ``x`` before them, the sums unchanged."""
    kept = []
    for row in rows:
        if kept and any(row.name == kept[-1].name + ending for ending in ("_bn", "_relu")):
            before = kept[-1]
            kept[-1] = before._replace(
                kind=f"{before.kind}, {row.kind}", output=row.output, params=before.params + row.params,
                macs=before.macs + row.macs, other=before.other + row.other)
        else:
            kept.append(row)
    return kept
