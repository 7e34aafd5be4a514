"""The layers to check, at awkward sizes: one table for ``python -m minigooglenet gradcheck`` and for the tests.

The sizes are those where index arithmetic fails: odd and non-square images, overlapping windows, strides larger than
the window, strides that leave pixels over at the end, padding on one axis only, padding as wide as the window.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..kernels.geometry import pair
from ..layers import (
    LRN,
    AdaptiveAvgPool,
    Array,
    AvgPool,
    BatchNorm,
    Block,
    Concat,
    Conv,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool,
    GroupedConv,
    Layer,
    MaxPool,
    ReLU,
    Sequential,
    Shape,
    Softmax,
    Trunk,
    cross_entropy,
)
from ..models import mini_googlenet
from ..models.googlenet import LOSS_WEIGHTS
from ..models.inception import Style, inception
from .check import Loss


class Case(NamedTuple):
    """``build(rng)`` returns the layer in float64; its input is (N, *shape). ``train`` is passed to forward. ``mixes``:
    the outputs for one image depend on the others in the batch (batch norm in training). ``draws``: random in training
    (dropout)."""

    build: Callable[[np.random.Generator], Layer]
    shape: Shape
    train: bool = True
    mixes: bool = False
    draws: bool = False


WINDOWS = (  # kernel, stride, pad, height, width
    (1, 1, 0, 3, 5), (1, 2, 0, 5, 4), (2, 2, 0, 5, 6), (2, 1, 1, 3, 2), (3, 1, 1, 5, 4), (3, 2, 0, 6, 5),
    (3, 2, 1, 4, 7), (3, 3, 2, 5, 7), (4, 1, 0, 4, 4), (5, 1, 2, 4, 3), (5, 3, 2, 8, 5), (7, 2, 3, 9, 6),
    ((1, 3), 1, (0, 1), 4, 3), ((3, 2), (2, 1), (1, 0), 5, 6), ((2, 5), (1, 3), (0, 2), 3, 8),
)
WIDE_PADDING = ((1, 1, 1, 2, 3), (1, 5, 2, 4, 4), (2, 3, 4, 3, 2), ((1, 3), (2, 1), (3, 3), 3, 4))  # convolution only


def _windows(table):
    """(name, (kernel, stride, pad), (height, width)) of every row."""
    for kernel, stride, pad, H, W in table:
        (KH, KW), (SH, SW), (PH, PW) = pair(kernel), pair(stride), pair(pad)
        name = f"{KH}x{KW}/{SH}{f'x{SW}' if SW != SH else ''} pad {PH}{f'x{PW}' if PW != PH else ''} on {H}x{W}"
        yield name, (kernel, stride, pad), (H, W)


def _conv(rng, C, F, kernel, **options):
    return Conv(C, F, kernel, rng=rng, dtype="float64", **options)


def _trunk(rng):
    body = Sequential({"a": _conv(rng, 2, 3, 3), "a_relu": ReLU(), "pool": MaxPool(2, 1), "b": _conv(rng, 3, 4, 1),
                       "gap": GlobalAvgPool(), "linear": Dense(4, 5, rng=rng, dtype="float64")})
    heads = {f"aux{i}": (tap, Sequential({"gap": GlobalAvgPool(), "linear": Dense(3, 5, rng=rng, dtype="float64")}))
             for i, tap in enumerate(("a_relu", "pool"))}
    return Trunk(body, heads)


def _table():
    """{name: Case}"""
    table = {}
    for name, window, (H, W) in _windows(WINDOWS + WIDE_PADDING):
        table[f"conv: {name}"] = Case(lambda rng, w=window: Conv(3, 4, *w, rng=rng, dtype="float64"), (H, W, 3))
    table["conv: 3x3/1 without bias on 4x5"] = Case(lambda rng: _conv(rng, 2, 3, 3, bias=False), (4, 5, 2))
    for groups, window in ((2, (3, 1, 1)), (3, (1, 2, 0)), (2, (5, 2, 2))):
        table[f"grouped conv: {window[0]}x{window[0]}/{window[1]} in {groups}"] = Case(
            lambda rng, g=groups, w=window: GroupedConv(6, 12, *w, groups=g, rng=rng, dtype="float64"), (5, 6, 6))
    for kind in (MaxPool, AvgPool):
        for ceil_mode in (False, True):
            for name, window, (H, W) in _windows(WINDOWS):
                table[f"{kind.kind}: {name}{' ceil' * ceil_mode}"] = Case(
                    lambda rng, k=kind, w=window, c=ceil_mode: k(*w, c), (H, W, 3))
    for size, H, W in ((1, 3, 4), (4, 14, 14), (2, 5, 3), ((3, 2), 4, 7), (3, 2, 2)):
        table[f"adaptive average pool: {size} on {H}x{W}".replace(", ", "x")] = Case(
            lambda rng, s=size: AdaptiveAvgPool(s), (H, W, 2))
    table |= {
        "global average pool: 3x5": Case(lambda rng: GlobalAvgPool(), (3, 5, 4)),
        "relu: maps": Case(lambda rng: ReLU(), (3, 4, 5)),
        "relu: vectors": Case(lambda rng: ReLU(), (7,)),
        "LRN: as Caffe": Case(lambda rng: LRN(), (2, 3, 7)),
        "LRN: strong": Case(lambda rng: LRN(5, 1.0, 0.75, 2.0), (2, 3, 7)),
        "LRN: AlexNet's n, 1 channel": Case(lambda rng: LRN(5, 0.5, 0.75, 2.0), (3, 2, 1)),
        "LRN: wider than the channels": Case(lambda rng: LRN(7, 1.0, 0.75, 1.0), (2, 3, 3)),
        "batch norm: the batch's statistics": Case(lambda rng: BatchNorm(4, dtype="float64"), (2, 3, 4), mixes=True),
        "batch norm: running statistics": Case(lambda rng: BatchNorm(4, dtype="float64"), (2, 3, 4), train=False),
        "dropout: 40%": Case(lambda rng: Dropout(0.4, rng), (3, 4, 2), draws=True),
        "dropout: 70%, vectors": Case(lambda rng: Dropout(0.7, rng), (9,), draws=True),
        "dropout: inference": Case(lambda rng: Dropout(0.4, rng), (3, 4, 2), train=False),
        "dense: 7->5": Case(lambda rng: Dense(7, 5, rng=rng, dtype="float64"), (7,)),
        "flatten: 3x4": Case(lambda rng: Flatten(), (3, 4, 2)),
        "softmax: 6": Case(lambda rng: Softmax(), (6,)),
        "sequential: conv, batch norm, relu": Case(lambda rng: Sequential({
            "conv": _conv(rng, 2, 3, 3, pad=1, bias=False), "bn": BatchNorm(3, dtype="float64"), "relu": ReLU()}),
            (4, 5, 2), mixes=True),
        "block: conv, relu": Case(lambda rng: Block(_conv(rng, 2, 3, (1, 3), pad=(0, 1))), (4, 5, 2)),
        "block: conv, batch norm, relu": Case(
            lambda rng: Block(_conv(rng, 2, 3, 3, bias=False), BatchNorm(3, dtype="float64")), (4, 5, 2), mixes=True),
        "block: dense, relu": Case(lambda rng: Block(Dense(7, 5, rng=rng, dtype="float64")), (7,)),
        "concat: conv, identity, pool": Case(
            lambda rng: Concat({"a": _conv(rng, 3, 2, 1)}, {}, {"p": MaxPool(3, 1, 1)}), (3, 4, 3)),
        "inception: 2(a)": Case(lambda rng: inception(Style(reduced=False, rng=rng, dtype="float64"),
                                                     3, 2, 1, 3, 1, 2, 2), (4, 5, 3)),
        "inception: 2(b)": Case(lambda rng: inception(Style(rng=rng, dtype="float64"), 3, 2, 2, 3, 1, 2, 2), (4, 5, 3)),
        "inception: 2(b), batch norm": Case(lambda rng: inception(Style(norm="batch", rng=rng, dtype="float64"),
                                                                 3, 2, 2, 3, 1, 2, 2), (4, 3, 3), mixes=True),
        "trunk: two heads": Case(_trunk, (4, 5, 2)),
    }
    return table


LAYERS: dict[str, Case] = _table()


def make(name: str, rng: np.random.Generator, N: int = 3) -> tuple[Layer, Array]:
    """(layer, x) of one row of the table, in float64. Random values are added to parameters and running statistics, so
    that no bias is 0 and no ReLU on its kink."""
    case = LAYERS[name]
    layer = case.build(rng)
    for array in layer.parameters().values():
        array += 0.3 * rng.standard_normal(array.shape)
    for array in layer.state().values():
        array += rng.random(array.shape)  # a variance stays positive
    return layer, rng.standard_normal((N, *case.shape))


def make_network(rng: np.random.Generator, norm: str = "batch", width: float = 1 / 16,
                 N: int = 2) -> tuple[Layer, Array, Loss]:
    """(reduced GoogLeNet with both auxiliary classifiers, x, the weighted sum of its three losses), in float64."""
    network = mini_googlenet(width, norm=norm, rng=rng, dtype="float64")
    for array in network.parameters().values():
        if array.ndim == 1:
            array += 0.1 * rng.standard_normal(array.shape)
    labels = rng.integers(0, 10, N)

    def loss(outputs: list[Array]) -> tuple[float, list[Array]]:
        losses, gradients = zip(*(cross_entropy(z, labels, 0.1) for z in outputs), strict=True)
        return (sum(w * one for w, one in zip(LOSS_WEIGHTS, losses, strict=True)),
                [w * dz for w, dz in zip(LOSS_WEIGHTS, gradients, strict=True)])

    return network, rng.standard_normal((N, 32, 32, 3)), loss
