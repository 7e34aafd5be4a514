"""One table of every layer at awkward sizes. ``python -m minigooglenet gradcheck`` and the tests run down it.

Odd and non-square pictures, windows that overlap, windows that leave pixels out, ragged strides (the last pixels fit
no window), padding on one axis only, padding as wide as the window: where index arithmetic goes wrong.
"""

import itertools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .compose import Concat, Sequential, Trunk
from .errors import UserError
from .geometry import pair
from .gradcheck import NETWORK_TOLERANCE, TOLERANCE, directional, gradcheck
from .layers import (
    LRN,
    AdaptiveAvgPool,
    AvgPool,
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool,
    GroupedConv,
    MaxPool,
    ReLU,
    Softmax,
    cross_entropy,
)
from .models import mini_googlenet
from .models.googlenet import LOSS_WEIGHTS
from .models.inception import Style, inception


class Case(NamedTuple):
    """``build(rng)`` gives the layer in float64; it is fed (3, *shape). ``mixes``: outputs of one picture depend on
    the others in the batch (batch norm in training). ``draws``: random in training (dropout)."""

    build: Callable
    shape: tuple
    train: bool = True
    mixes: bool = False
    draws: bool = False


class Outcome(NamedTuple):
    """One line of the check: how far off at worst, in which array, of how many entries."""

    name: str
    error: float
    where: str
    ok: bool
    entries: int
    kinks: int


WINDOWS = (  # kernel, stride, pad, height, width
    (1, 1, 0, 3, 5), (1, 2, 0, 5, 4), (2, 2, 0, 5, 6), (2, 1, 1, 3, 2), (3, 1, 1, 5, 4), (3, 2, 0, 6, 5),
    (3, 2, 1, 4, 7), (3, 3, 2, 5, 7), (4, 1, 0, 4, 4), (5, 1, 2, 4, 3), (5, 3, 2, 8, 5), (7, 2, 3, 9, 6),
    ((1, 3), 1, (0, 1), 4, 3), ((3, 2), (2, 1), (1, 0), 5, 6), ((2, 5), (1, 3), (0, 2), 3, 8),
)
WIDE_PADDING = ((1, 1, 1, 2, 3), (1, 5, 2, 4, 4), (2, 3, 4, 3, 2), ((1, 3), (2, 1), (3, 3), 3, 4))  # convolution only


def _windows(table):
    """(name, kernel stride and pad, height and width) of every row."""
    for kernel, stride, pad, H, W in table:
        (KH, KW), (SH, SW), (PH, PW) = pair(kernel), pair(stride), pair(pad)
        name = f"{KH}x{KW}/{SH}{f'x{SW}' if SW != SH else ''} pad {PH}{f'x{PW}' if PW != PH else ''} on {H}x{W}"
        yield name, (kernel, stride, pad), (H, W)


def _unit(rng, C, F, kernel):
    """Convolution, normalisation, ReLU: the network's brick."""
    return {"conv": Conv(C, F, kernel, pad=kernel // 2, bias=False, rng=rng, dtype="float64"),
            "bn": BatchNorm(F, dtype="float64"), "relu": ReLU()}


def _trunk(rng):
    body = Sequential({"a": Conv(2, 3, 3, rng=rng, dtype="float64"), "a_relu": ReLU(), "pool": MaxPool(2, 1),
                       "b": Conv(3, 4, 1, rng=rng, dtype="float64"), "gap": GlobalAvgPool(),
                       "linear": Dense(4, 5, rng=rng, dtype="float64")})
    heads = {f"aux{i}": (tap, Sequential({"gap": GlobalAvgPool(), "linear": Dense(3, 5, rng=rng, dtype="float64")}))
             for i, tap in enumerate(("a_relu", "pool"))}
    return Trunk(body, heads)


def _table():
    """{name: Case}."""
    table = {}
    for name, window, (H, W) in _windows(WINDOWS + WIDE_PADDING):
        table[f"conv: {name}"] = Case(lambda rng, w=window: Conv(3, 4, *w, rng=rng, dtype="float64"), (H, W, 3))
    table["conv: 3x3/1 without bias on 4x5"] = Case(
        lambda rng: Conv(2, 3, 3, bias=False, rng=rng, dtype="float64"), (4, 5, 2))
    for groups, window in ((2, (3, 1, 1)), (3, (1, 2, 0)), (2, (5, 2, 2))):
        table[f"grouped conv: {window[0]}x{window[0]}/{window[1]} in {groups}"] = Case(
            lambda rng, g=groups, w=window: GroupedConv(6, 12, *w, groups=g, rng=rng, dtype="float64"), (5, 6, 6))
    for kind in (MaxPool, AvgPool):
        for ceil_mode in (False, True):
            for name, window, (H, W) in _windows(WINDOWS):
                table[f"{kind.kind} pool: {name}{' ceil' * ceil_mode}"] = Case(
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
        "sequential: conv, batch norm, relu": Case(lambda rng: Sequential(_unit(rng, 2, 3, 3)), (4, 5, 2), mixes=True),
        "concat: conv, identity, pool": Case(
            lambda rng: Concat({"a": Conv(3, 2, 1, rng=rng, dtype="float64")}, {}, {"p": MaxPool(3, 1, 1)}), (3, 4, 3)),
        "inception: 2(a)": Case(lambda rng: inception(Style(reduced=False, rng=rng, dtype="float64"),
                                                     3, 2, 1, 3, 1, 2, 2), (4, 5, 3)),
        "inception: 2(b)": Case(lambda rng: inception(Style(rng=rng, dtype="float64"), 3, 2, 2, 3, 1, 2, 2), (4, 5, 3)),
        "inception: 2(b), batch norm": Case(lambda rng: inception(Style(norm="batch", rng=rng, dtype="float64"),
                                                                 3, 2, 2, 3, 1, 2, 2), (4, 3, 3), mixes=True),
        "trunk: two heads": Case(_trunk, (4, 5, 2)),
    }
    return table


LAYERS = _table()


def make(name, rng, N=3):
    """(layer, x) of one line of the table, in float64. Parameters and running statistics get random values on top, so
    that no bias is 0 and no ReLU on its kink."""
    case = LAYERS[name]
    layer = case.build(rng)
    for array in layer.parameters().values():
        array += 0.3 * rng.standard_normal(array.shape)
    for array in layer.state().values():
        array += rng.random(array.shape)  # upwards: a variance stays positive
    return layer, rng.standard_normal((N, *case.shape))


def make_network(rng, norm="batch", width=1 / 16, N=2):
    """(reduced GoogLeNet with both heads, x, the loss of the three outputs), in float64."""
    network = mini_googlenet(width, norm=norm, rng=rng, dtype="float64")
    for array in network.parameters().values():
        if array.ndim == 1:
            array += 0.1 * rng.standard_normal(array.shape)
    labels = rng.integers(0, 10, N)

    def loss(outputs):
        losses, gradients = zip(*(cross_entropy(z, labels, 0.1) for z in outputs), strict=True)
        return (sum(w * one for w, one in zip(LOSS_WEIGHTS, losses, strict=True)),
                [w * dz for w, dz in zip(LOSS_WEIGHTS, gradients, strict=True)])

    return network, rng.standard_normal((N, 32, 32, 3)), loss


def run(names=None, seed=0):
    """Check the gradients of every layer, the loss, then the whole reduced network. Yields an Outcome each.

    ``names`` limits it to lines that start so: "conv", "max pool: 3x3/2". Raises UserError for a start that
    no line has.
    """
    everything = {**LAYERS, **OTHERS}
    for name in names or ():
        if not any(line.startswith(name) for line in everything):
            raise UserError(f"{name}: no such layer; choose from: {', '.join(dict.fromkeys(map(kind, everything)))}")
    for name in everything:
        if names is None or name.startswith(tuple(names)):
            rng = np.random.default_rng(seed)
            report = OTHERS[name](rng) if name in OTHERS else gradcheck(*make(name, rng), rng, train=LAYERS[name].train)
            yield Outcome(name, report.worst, report.where, report.ok, report.entries, report.kinks)


def kind(name):
    """``"conv: 3x3/2 pad 1 on 4x7" -> "conv"``."""
    return name.split(":")[0]


def _loss(rng):
    labels = rng.integers(0, 6, 4)
    return gradcheck(Sequential({}), rng.standard_normal((4, 6)), rng, loss=lambda z: cross_entropy(z, labels, 0.1))


def _one_entry(rng):
    network, x, loss = make_network(rng)
    return gradcheck(network, x, rng, loss=loss, entries=1, tolerance=NETWORK_TOLERANCE)


def _directions(norm):
    def check(rng):
        network, x, loss = make_network(rng, norm)
        return directional(network, x, rng, loss=loss)
    return check


OTHERS = {
    "cross entropy: label smoothing": _loss,
    "reduced GoogLeNet, three losses: batch norm, one entry of each array": _one_entry,
    "reduced GoogLeNet, three losses: batch norm, a direction in each array": _directions("batch"),
    "reduced GoogLeNet, three losses: LRN, a direction in each array": _directions("lrn"),
}


def table(outcomes):
    """The outcomes as lines of text: one line for each kind of layer as soon as it is done, one for everything that is
    wrong, and a verdict last."""
    width = max(len(kind(name)) for name in (*LAYERS, *OTHERS))
    wrong, total = [], 0
    yield f"{'layer':{width}}  {'checks':>6}  {'entries':>7}  {'kinks':>5}  {'worst error':>11}  of the gradient"
    for name, group in itertools.groupby(outcomes, lambda one: kind(one.name)):
        group = list(group)
        worst = max(group, key=lambda one: one.error)
        yield (f"{name:{width}}  {len(group):6}  {sum(one.entries for one in group):7}  "
               f"{sum(one.kinks for one in group):5}  {worst.error:11.1e}  {worst.where}")
        for one in group:
            if not one.ok:
                yield f"  WRONG: {one.name}, error {one.error:.1e} in {one.where}, {one.kinks} kinks"
                wrong.append(one)
        total += len(group)
    yield (f"{len(wrong)} of {total} checks WRONG" if wrong else f"all {total} checks right") + (
        f" (errors are relative to the largest gradient; allowed are {TOLERANCE:.0e} in a layer and "
        f"{NETWORK_TOLERANCE:.0e} in a network)")


def print_table(names=None, seed=0):
    """Print the checks as they come, all or those whose names start with one of ``names``. True if all
    are right."""
    right = True

    def watched():
        nonlocal right
        for outcome in run(names, seed):
            right = right and outcome.ok
            yield outcome

    for line in table(watched()):
        print(line, flush=True)
    return right
