"""Counts parameters and operations by a walk over a network's structure. Nothing is run."""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..errors import ShapeError, UserError
from ..layers import Conv
from ..layers.base import Layer, Shape, join
from ..layers.containers import Block, Concat, Container, Sequential, Trunk
from ..models.catalog import entry, network
from ..models.googlenet import INPUT
from ..weights.loading import NO_MEMORY
from .tables import Table, shape_text

#: The columns of the table, of JSON and of CSV; the last two only with measured times.
FIELDS = ("name", "kind", "output", "params", "macs", "flops", "other", "ms", "gflop/s")
HEADINGS = {"macs": "MACs", "flops": "FLOPs", "gflop/s": "GFLOP/s"}    # where the table writes them differently


class Row(NamedTuple):
    """A layer, block or module, for one image.

    kind    what it is: the layer's own ``kind``, that of a block's layer with weights, "inception", "auxiliary head"
    output  the shape of its output, (H, W, C) or (D,)
    params  weights, biases, γ and β
    macs    multiply-adds of weights with activations, the paper's "ops"
    other   comparisons (ReLU, max pool), additions (average pool), LRN and batch norm; biases are left out
    parts   descriptions for people: of the layer, or of each layer of a block
    kernel, stride, groups  of a convolution or pool; None and 1 elsewhere
    counted  False for a node of an ONNX file whose operations are not known; ``macs`` and ``other`` are 0
    """
    name: str
    kind: str
    output: Shape
    params: int
    macs: int
    other: int
    parts: tuple[str, ...]
    kernel: tuple[int, int] | None = None
    stride: tuple[int, int] | None = None
    groups: int = 1
    counted: bool = True

    @property
    def text(self) -> str:
        """The description in one string, such as "conv 3x3/1, batch norm, ReLU"."""
        return ", ".join(self.parts)

    @property
    def flops(self) -> int:
        """1 MAC = 2 FLOPs: a multiplication and an addition."""
        return 2 * self.macs

    @property
    def is_conv(self) -> bool:
        """Whether it is a convolution, grouped or not, or the block of one."""
        return self.kind in ("conv", "grouped conv")


@dataclass(frozen=True)
class Count:
    """The counts of a network in three resolutions, each in the order of the network.

    layers   every layer by itself
    blocks   a block (convolution, batch norm, ReLU) as one row, every other layer by itself
    modules  what has one first part of the path as one row: an inception module, an auxiliary head, a block, a layer
    """

    model: str
    input: Shape
    layers: tuple[Row, ...]
    blocks: tuple[Row, ...]
    modules: tuple[Row, ...]

    def rows(self, by: str = "layer") -> tuple[Row, ...]:
        """The Rows by "layer", "block" or "module"."""
        return {"layer": self.layers, "block": self.blocks, "module": self.modules}[by]

    @property
    def params(self) -> int:
        return sum(row.params for row in self.layers)

    @property
    def macs(self) -> int:
        return sum(row.macs for row in self.layers)

    @property
    def flops(self) -> int:
        return 2 * self.macs

    @property
    def other(self) -> int:
        return sum(row.other for row in self.layers)

    def not_counted(self) -> dict[str, int]:
        """{what: how often} of the layers whose operations are not known. Without any, the totals are exact."""
        return dict(Counter(row.text for row in self.layers if not row.counted))

    def records(self, by: str = "layer", timings: Mapping[str, float] | None = None) -> list[dict[str, Any]]:
        """A dict for every layer, block or module: the fields of the table, of JSON and of CSV. None: not known.

        With ``timings`` {name: ms}, also milliseconds and achieved GFLOP/s.
        """
        found = []
        for row in self.rows(by):
            known = row.macs, row.flops, row.other
            values: list[Any] = [row.name, row.text, list(row.output), row.params]
            values += known if row.counted else [None] * 3
            if timings:
                values += _speed(timings[row.name], row.flops)
            found.append(dict(zip(FIELDS, values, strict=False)))
        return found

    def total(self, timings: Mapping[str, float] | None = None) -> dict[str, Any]:
        """The sums of the columns."""
        values: list[Any] = [self.params, self.macs, self.flops, self.other]
        if timings:
            values += _speed(sum(timings.values()), self.flops)
        return dict(zip(FIELDS[3:], values, strict=False))

    def table(self, by: str = "layer", timings: Mapping[str, float] | None = None) -> Table:
        """The ``records`` and the total: print it, or use its ``markdown()`` or ``csv()``."""
        rows = [[shape_text(value) if key == "output" else value for key, value in record.items()]
                for record in self.records(by, timings)]
        total = self.total(timings)
        headings = [HEADINGS.get(key, key) for key in FIELDS[:3 + len(total)]]
        return Table(headings, rows, [["total", "", "", *total.values()]])

    def to_dict(self, by: str = "layer", timings: Mapping[str, float] | None = None) -> dict[str, Any]:
        """The count as plain dicts and lists, for JSON: the ``records`` and the total."""
        return {"model": self.model, "input": list(self.input), "rows": self.records(by, timings),
                "total": self.total(timings), "not_counted": self.not_counted()}

    def to_csv(self, by: str = "layer") -> str:
        """The table as comma-separated values."""
        return self.table(by).csv()

    def __getitem__(self, name: str) -> Row:
        """The Row of the layer called ``name``, or of the module."""
        for row in (*self.layers, *self.modules):
            if row.name == name:
                return row
        raise KeyError(name)


def parameters_of(layer: Layer) -> int:
    """The number of values that a layer learns."""
    return sum(array.size for array in layer.parameters().values())


def convolution(layer: Layer) -> Conv:
    """The convolution of a block, or ``layer`` itself if it is one. Raises TypeError for anything else."""
    found = layer.layer if isinstance(layer, Block) else layer
    if not isinstance(found, Conv):
        raise TypeError(f"{layer.describe()}: not a convolution")
    return found


def named(counted: Count, name: str) -> Count:
    """The same Count, of a network called ``name``."""
    return dataclasses.replace(counted, model=name)


def count(model: str | Layer, input_shape: Shape | None = None, *, heads: bool = False, **options: Any) -> Count:
    """Count ``model`` for images of ``input_shape`` (H, W, C).

    model        a name of models/catalog.py, or any layer
    input_shape  required for a layer; a name has its own by default
    heads        count the auxiliary classifiers of a named network
    options      of a named network, such as width and classes

    Raises UserError for an unknown name or an input that does not fit.
    """
    net: Layer
    if isinstance(model, str):
        input_shape = tuple(input_shape or entry(model).input_shape)
        name, net = model, network(model, input_shape=input_shape, heads=heads, **{"dtype": NO_MEMORY} | options)
    else:
        if input_shape is None:
            raise TypeError("count: a layer needs an input_shape")
        name, net, input_shape = type(model).__name__, model, tuple(input_shape)
    try:
        traced = list(net.trace(input_shape))
    except ShapeError as error:
        raise UserError(f"input: images of {'x'.join(map(str, input_shape))} do not fit {name} ({error})") from error
    entering = {path: shape for path, _, shape, _ in traced}  # a block's first layer goes by the block's path
    names_of_heads = net.heads if isinstance(net, Trunk) else ()
    first: dict[str, Shape] = {}  # the input shape of each of the network's children
    for path, shape in entering.items():
        first.setdefault(path.split("/")[0], shape)
    return Count(name, input_shape, tuple(_row(path, layer, shape) for path, layer, shape, _ in traced),
                 tuple(_row(path, layer, entering[path]) for path, layer in units(net)),
                 tuple(_row(path, net.children.get(path, net), shape, path in names_of_heads)
                       for path, shape in first.items()))


def inputs(net: Layer, input_shape: Shape = INPUT) -> dict[str, Shape]:
    """{name: input shape} for the children of a sequential network; by default GoogLeNet's input."""
    entering, shape = {}, input_shape
    for name, layer in net.children.items():
        entering[name] = shape
        shape = layer.output_shape(shape)
    return entering


def units(layer: Layer, path: str = "") -> Iterator[tuple[str, Layer]]:
    """(path, layer) for every block, and for every layer outside of blocks, in the order of the network."""
    if isinstance(layer, Container) and not isinstance(layer, Block) and not layer.params:
        for name, child in layer.children.items():
            yield from units(child, join(path, name))
    else:
        yield path, layer


def _row(path: str, layer: Layer, entering: Shape, is_head: bool = False) -> Row:
    main, kind, parts = layer, layer.kind, [layer.describe()]
    if isinstance(layer, Block):
        main, parts = layer.layer, [child.describe() for child in layer.children.values()]
    elif isinstance(layer, Concat | Sequential):
        kind = "inception" if isinstance(layer, Concat) else "auxiliary head" if is_head else layer.kind
        parts = [kind]
    return Row(path, kind, layer.output_shape(entering), parameters_of(layer), layer.macs(entering),
               layer.other_ops(entering), tuple(parts), layer.kernel, layer.stride, getattr(main, "groups", 1))


def _speed(ms: float, flops: int) -> list[float | None]:
    return [round(ms, 3), round(flops / ms / 1e6, 1) if flops and ms else None]
