"""A network as a table: the kinds of rows there are, and how a list of rows becomes layers."""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from ..layers import (
    LRN,
    AdaptiveAvgPool,
    AvgPool,
    Block,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool,
    Layer,
    MaxPool,
    Sequential,
    Shape,
    Trunk,
)
from ..layers.containers import call
from .inception import Style, block, inception

#: In place of a number of filters: as many as there are classes.
CLASSES = "classes"


class Convolution(NamedTuple):
    """F filters of kernel × kernel, then ReLU. Without ``pad``, half a window is padded; ``groups`` are AlexNet's."""
    name: str
    F: int | str
    kernel: int
    stride: int = 1
    pad: int | None = None
    groups: int = 1


class Pooling(NamedTuple):
    """A pool, "max" or "average", that rounds up, as Caffe's does."""
    name: str
    kernel: int = 3
    stride: int = 2
    kind: str = "max"
    ceil_mode: bool = True


class GlobalPooling(NamedTuple):
    """The average of each map: maps become a vector."""
    name: str


class Normalization(NamedTuple):
    """Local response normalization, where the style has it."""
    name: str


class Inception(NamedTuple):
    """An inception module; the widths in the order of Table 1's columns."""
    name: str
    n1x1: int
    n3x3_reduce: int
    n3x3: int
    n5x5_reduce: int
    n5x5: int
    pool_proj: int


class FullyConnected(NamedTuple):
    """F units connected to all inputs, then ReLU; with F = CLASSES the classifier, without ReLU. Maps are flattened."""
    name: str
    F: int | str


class Drop(NamedTuple):
    """Dropout."""
    name: str
    drop_prob: float = 0.5


class Head(NamedTuple):
    """An auxiliary classifier (head) that reads the output of the row ``tap``: average pool, 1×1 convolution of F
    filters, ``hidden`` units with ReLU, dropout, classifier. ``adaptive``: that many windows instead of 5×5/3."""
    name: str
    tap: str
    F: int = 128
    hidden: int = 1024
    drop_prob: float = 0.7
    adaptive: int = 0


#: One row of a table.
Row: TypeAlias = Convolution | Pooling | GlobalPooling | Normalization | Inception | FullyConnected | Drop


def layers_of(row: Row, style: Style, shape: Shape, classes: int) -> dict[str, Layer]:
    """{name: layer} for one row that reads ``shape``: (H, W, C) or (D,)."""
    def filters(F: int | str) -> int:
        return style.scaled(F) if isinstance(F, int) else classes

    match row:
        case Convolution(name, F, kernel, stride, pad, groups):
            return {name: block(style, shape[-1], filters(F), kernel, stride, pad, groups)}
        case Pooling(name, kernel, stride, kind, ceil_mode):
            return {name: {"max": MaxPool, "average": AvgPool}[kind](kernel, stride, ceil_mode=ceil_mode)}
        case GlobalPooling(name):
            return {name: GlobalAvgPool()}
        case Normalization(name):
            return {name: LRN()} if style.norm == "lrn" else {}
        case Inception():
            widths = (style.scaled(F) for F in row[1:])
            return {row.name: inception(style, shape[-1], *widths)}
        case FullyConnected(name, F):
            if len(shape) > 1:
                flatten = Flatten()
                return {"flatten": flatten} | layers_of(row, style, flatten.output_shape(shape), classes)
            if F == CLASSES:
                return {name: classifier(style, shape[0], classes)}
            return {name: Block(dense(style, shape[0], filters(F)))}
        case Drop(name, drop_prob):
            return {name: Dropout(drop_prob, style.rng)}
    raise TypeError(f"no such kind of row: {row!r}")


def dense(style: Style, D: int, F: int) -> Dense:
    """A fully connected layer, initialized as the style says."""
    return Dense(D, F, init=style.init, bias_value=style.bias_value, rng=style.rng, dtype=style.dtype)


def classifier(style: Style, D: int, classes: int) -> Dense:
    """The last layer: its bias is initialized to 0, whatever the others' (Caffe's train_val.prototxt)."""
    return Dense(D, classes, init=style.init, rng=style.rng, dtype=style.dtype)


def head_layers(row: Head, style: Style, shape: Shape, classes: int) -> Sequential:
    """An auxiliary head on maps of ``shape`` (H, W, C)."""
    pool = AdaptiveAvgPool(row.adaptive) if row.adaptive else AvgPool(5, stride=3)
    F, hidden = style.scaled(row.F), style.scaled(row.hidden)
    H, W, C = pool.output_shape(shape)
    return Sequential({
        "pool": pool, "conv": block(style, C, F, 1), "flatten": Flatten(), "fc": Block(dense(style, H * W * F, hidden)),
        "dropout": Dropout(row.drop_prob, style.rng), "linear": classifier(style, hidden, classes),
    })


def build(rows: Sequence[Row], style: Style, input_shape: Shape, classes: int,
          heads: Sequence[Head] = ()) -> Sequential | Trunk:
    """The network of these rows for images of ``input_shape`` (H, W, C); with ``heads``, a Trunk.

    Raises ShapeError, naming the row, where a window does not fit.
    """
    layers: dict[str, Layer] = {}
    shape, tapped = input_shape, {}
    for row in rows:
        for name, layer in layers_of(row, style, shape, classes).items():
            layers[name] = layer
            shape = call(name, layer.output_shape, shape)
        tapped[row.name] = shape
    trunk = Sequential(layers)
    if not heads:
        return trunk
    return Trunk(trunk, {head.name: (head.tap, call(head.name, head_layers, head, style, tapped[head.tap], classes))
                         for head in heads})


def ending(drop_prob: float, classifier: str = "gap") -> tuple[Row, ...]:
    """The last rows of GoogLeNet: "gap", the average of each map, dropout, one linear layer. Or "fc", what it replaced:
    1024 units connected to every pixel of every map (section 5: the average was better by 0.6 % top-1)."""
    choices: dict[str, Row] = {"gap": GlobalPooling("pool5"), "fc": FullyConnected("fc", 1024)}
    first = choices[classifier]
    return first, Drop("dropout", drop_prob), FullyConnected("linear", CLASSES)
