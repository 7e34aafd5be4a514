"""A network as a table: the kinds of rows there are, and how a list of rows becomes layers."""

from typing import NamedTuple

from ..compose import Sequential, Trunk
from ..layers import LRN, AdaptiveAvgPool, AvgPool, Dense, Dropout, Flatten, GlobalAvgPool, MaxPool, ReLU
from .inception import inception, unit


class Convolution(NamedTuple):
    """F filters of kernel × kernel, then ReLU."""
    name: str
    F: int
    kernel: int
    stride: int = 1


class Pooling(NamedTuple):
    """A max pool that rounds up, as Caffe's does."""
    name: str
    kernel: int = 3
    stride: int = 2


class Normalisation(NamedTuple):
    """Local response normalisation, where the style has it."""
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


class Head(NamedTuple):
    """An auxiliary classifier that reads the output of the row ``tap``: average pool, 1×1 convolution of F filters,
    ``hidden`` units with ReLU, dropout, classifier. ``adaptive`` asks for that many windows instead of 5×5/3."""
    name: str
    tap: str
    F: int = 128
    hidden: int = 1024
    drop_prob: float = 0.7
    adaptive: int = 0


def layers_of(row, style, C):
    """{name: layer} for one row that reads C channels."""
    match row:
        case Convolution(name, F, kernel, stride):
            return unit(style, name, C, style.scaled(F), kernel, stride)
        case Pooling(name, kernel, stride):
            return {name: MaxPool(kernel, stride, ceil_mode=True)}
        case Normalisation(name):
            return {name: LRN()} if style.norm == "lrn" else {}
        case Inception():
            name, *widths = row
            return {name: inception(style, C, *(style.scaled(F) for F in widths))}
    raise TypeError(f"no such kind of row: {row!r}")


def classifier(style, D, classes):
    """The last layer: its bias starts at 0, whatever the others do (Caffe's train_val.prototxt)."""
    return Dense(D, classes, init=style.init, rng=style.rng, dtype=style.dtype)


def head_layers(row, style, shape, classes):
    """An auxiliary head on maps of ``shape`` (H, W, C)."""
    pool = AdaptiveAvgPool(row.adaptive) if row.adaptive else AvgPool(5, stride=3)
    F, hidden = style.scaled(row.F), style.scaled(row.hidden)
    H, W, C = pool.output_shape(shape)
    return Sequential({
        "pool": pool, **unit(style, "conv", C, F, 1), "flatten": Flatten(),
        "fc": Dense(H * W * F, hidden, init=style.init, bias_value=style.bias_value, rng=style.rng, dtype=style.dtype),
        "fc_relu": ReLU(), "dropout": Dropout(row.drop_prob, style.rng), "linear": classifier(style, hidden, classes),
    })


def build(rows, style, input_shape, classes, drop_prob, heads=()):
    """The network of these rows for pictures of ``input_shape`` (H, W, C): the rows, then global average pool, dropout
    and a linear classifier; with ``heads``, a Trunk."""
    layers, shape, tapped = {}, input_shape, {}
    for row in rows:
        for name, layer in layers_of(row, style, shape[-1]).items():
            layers[name] = layer
            shape = layer.output_shape(shape)
        tapped[row.name] = (name, shape)
    layers |= {"pool5": GlobalAvgPool(), "dropout": Dropout(drop_prob, style.rng),
               "linear": classifier(style, shape[-1], classes)}
    trunk = Sequential(layers)
    if not heads:
        return trunk
    return Trunk(trunk, {head.name: (tapped[head.tap][0], head_layers(head, style, tapped[head.tap][1], classes))
                         for head in heads})
