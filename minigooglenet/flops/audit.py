"""The audit of the paper's Table 1: its printed params and ops, and what its widths give.

Source of every printed value: Szegedy et al. 2014, "Going Deeper with Convolutions", Table 1. Its ops are
multiply-adds without biases, pooling, LRN and ReLU, in millions; its K is 1024 (see ``conventions``).
"""

from collections.abc import Iterable
from typing import NamedTuple

from ..layers import Conv, GroupedConv
from ..layers.base import Layer, Shape
from ..layers.containers import Concat, Sequential
from ..models.googlenet import INPUT, TABLE_1
from ..models.inception import Style, inception
from ..models.rows import Inception
from .counting import inputs, parameters_of

K, M = 1024, 1_000_000


class Printed(NamedTuple):
    """A row of Table 1: its type, our layers, output shape, depth, params in K and ops in M."""
    type: str
    layers: tuple[str, ...]
    output: Shape
    depth: int
    params: float | None = None
    ops: int | None = None


PRINTED = (
    Printed("convolution", ("conv1",), (112, 112, 64), 1, 2.7, 34),
    Printed("max pool", ("pool1",), (56, 56, 64), 0),
    Printed("convolution", ("conv2_reduce", "conv2"), (56, 56, 192), 2, 112, 360),
    Printed("max pool", ("pool2",), (28, 28, 192), 0),
    Printed("inception (3a)", ("3a",), (28, 28, 256), 2, 159, 128),
    Printed("inception (3b)", ("3b",), (28, 28, 480), 2, 380, 304),
    Printed("max pool", ("pool3",), (14, 14, 480), 0),
    Printed("inception (4a)", ("4a",), (14, 14, 512), 2, 364, 73),
    Printed("inception (4b)", ("4b",), (14, 14, 512), 2, 437, 88),
    Printed("inception (4c)", ("4c",), (14, 14, 512), 2, 463, 100),
    Printed("inception (4d)", ("4d",), (14, 14, 528), 2, 580, 119),
    Printed("inception (4e)", ("4e",), (14, 14, 832), 2, 840, 170),
    Printed("max pool", ("pool4",), (7, 7, 832), 0),
    Printed("inception (5a)", ("5a",), (7, 7, 832), 2, 1072, 54),
    Printed("inception (5b)", ("5b",), (7, 7, 1024), 2, 1388, 71),
    Printed("avg pool", ("pool5",), (1, 1, 1024), 0),
    Printed("dropout (40%)", ("dropout",), (1, 1, 1024), 0),
    Printed("linear", ("linear",), (1, 1, 1000), 1, 1000, 1),
)


class Audited(NamedTuple):
    """A row of Table 1 with our counts. ``params`` includes biases, ``weights`` does not."""
    printed: Printed
    output: Shape
    depth: int
    weights: int
    params: int
    macs: int

    @property
    def ops_agree(self) -> bool:
        """The printed ops are our count, rounded."""
        return self.printed.ops is None or self.printed.ops == round(self.macs / M)

    @property
    def params_agree(self) -> bool:
        """The printed params are our count with or without biases, rounded or truncated (the table does all four)."""
        return self.printed.params is None or self.weights // K <= self.printed.params <= round(self.params / K)

    @property
    def implied(self) -> tuple[float, float]:
        """(minimum, maximum) of the weights that the printed ops allow, since ops = weights · H · W."""
        H, W, _ = self.output
        ops = self.printed.ops or 0
        return (ops - 0.5) * M / (H * W), (ops + 0.5) * M / (H * W)


def weights_of(layer: Layer) -> int:
    """The number of weights, without biases."""
    return sum(inner.params["w"].size for _, inner in layer.walk() if "w" in inner.params)


def depth_of(layer: Layer) -> int:
    """The number of layers with weights on the longest path through ``layer``."""
    if isinstance(layer, Concat):
        return max(map(depth_of, layer.branches))
    if isinstance(layer, GroupedConv):  # its groups are parallel
        return 1
    return sum(map(depth_of, layer.children.values())) if layer.children else int("w" in layer.params)


def audit(net: Layer, input_shape: Shape = INPUT) -> list[Audited]:
    """An Audited for every row of PRINTED."""
    entering, rows = inputs(net, input_shape), []
    for printed in PRINTED:
        layers = [(net.children[name], entering[name]) for name in printed.layers]
        last, shape = layers[-1]
        output = last.output_shape(shape)
        rows.append(Audited(
            printed, output if len(output) == 3 else (1, 1, *output), sum(depth_of(layer) for layer, _ in layers),
            sum(weights_of(layer) for layer, _ in layers), sum(parameters_of(layer) for layer, _ in layers),
            sum(layer.macs(shape) for layer, shape in layers)))
    return rows


# -- why rows differ ------------------------------------------------------------------------------------------------

def separable_conv1() -> Sequential:
    """The first convolution as "separable with depth multiplier 8": each color has eight 7×7 filters of its own, and
    a 1×1 convolution mixes the 24 maps. Ioffe & Szegedy 2015 describe this layer in their network."""
    return Sequential({"depthwise": GroupedConv(3, 24, 7, 2, 3, groups=3, bias=False),
                       "pointwise": Conv(24, 64, 1, bias=False)})


def altered(audited: Audited, C: int, **widths: int) -> tuple[int, int]:
    """(weights, MACs) of an inception row that reads C channels and has some widths replaced."""
    row = next(row for row in TABLE_1 if isinstance(row, Inception) and row.name == audited.printed.layers[0])
    _, *table = row._replace(**widths)  # type: ignore[arg-type]  # widths name integer fields only
    layer = inception(Style(), C, *table)
    return weights_of(layer), layer.macs((*audited.output[:2], C))


def _k(weights):
    return f"{weights / K:,.1f}K"


def _m(macs):
    return f"{macs / M:.1f}M"


def _conv1(row):
    layer = separable_conv1()
    weights, macs = weights_of(layer), layer.macs(INPUT)
    return (f"fits a separable convolution, eight 7x7 per color, then 1x1: {weights:,} weights, {macs:,} ops.",
            "This is inferred: Ioffe & Szegedy 2015 describe this layer in their network, this paper does not.",
            "Ports of Google's released graph have a full 7x7. The rank of its weights could decide.")


def _4a(row):
    weights, macs = altered(row, 480, n3x3=204)
    return (f"fits 204 filters of 3x3 instead of 208, as in Google's released graph: {_k(weights)}, {_m(macs)}.",)


def _4b(row):
    weights, macs = altered(row, 508)
    return (f"fits 508 input channels instead of 512, which follows from 4a's 204 filters: {_k(weights)}, {_m(macs)}.",)


def _5a(row):
    weights, macs = altered(row, 832, n5x5_reduce=48)
    return (f"ops fit a 5x5 reduction to 48 maps instead of 32, as in the released graph: {_m(macs)}.",
            f"It has {_k(weights)} weights, not the printed {row.printed.params}K: unexplained.")


def _contradiction(row):
    low, high = row.implied
    return (f"{row.printed.ops}M ops imply {_k(low)} to {_k(high)} weights, and the widths give {_k(row.weights)}:",
            f"the printed {row.printed.params}K contradicts its own row. Unexplained.")


#: One or two lines for each row that differs from the printed one.
EXPLANATIONS = {"conv1": _conv1, "4a": _4a, "4b": _4b, "4c": _contradiction, "4d": _contradiction,
                "4e": _contradiction, "5a": _5a, "5b": _contradiction}


def conventions(rows: Iterable[Audited]) -> tuple[str, ...]:
    """What the table's own values show about its conventions, as lines of text."""
    by_name = {row.printed.layers[-1]: row for row in rows}
    conv2, linear = by_name["conv2"], by_name["linear"]
    return (
        f"K = 1024: conv2 has {conv2.weights:,} = {conv2.weights / K:g} x 1024 weights, linear {linear.weights:,} = "
        f"{linear.weights / K:g} x 1024.",
        f"K = 1000 would print {conv2.weights / 1000:.0f}K and "
        f"{linear.weights / 1000:.0f}K.",
        "ops = multiply-adds of weights, in millions, without biases, pooling, LRN and ReLU.",
        "Whether biases are included is unclear: 3b's 380K needs them; 3a's 159K is truncated either way.",
    )
