"""Find in a network what has a faster form, and put that in its place. The network itself stays as it is."""

from collections.abc import Callable, Container, Iterator
from typing import Any, NamedTuple

from ..layers import BatchNorm, Block, Concat, Conv, Layer, MaxPool, ReLU, Sequential, Trunk
from .known import replaces


class Unit(NamedTuple):
    """A convolution, the batch norm after it or None, and a ReLU. Before batch norm a convolution has no bias: batch
    norm would subtract it again."""

    conv: Conv
    bn: BatchNorm | None


def same(layer: Any, ends: Container[str] = ()) -> Any:
    return layer


def rewrite(net: Layer, unit: Callable[[Conv, BatchNorm | None], Layer], concat: Callable[[list], Layer | None],
            pool: Callable[[MaxPool], Layer] = same,
            chain: Callable[[dict[str, Layer], Container[str]], dict[str, Layer]] = same) -> Layer:
    """``net`` in faster forms, where its layers are known (``known.py``):

    every Unit as ``unit(conv, bn)``; every Concat of Units and max pools that keep the size as ``concat(branches)``,
    lists of units, some after a MaxPool, unless that is None; every other max pool as ``pool(layer)``; all other layers
    as they are. Then the layers of every sequence as ``chain(layers, taps)``, where heads read the outputs of the
    layers ``taps``.
    """
    def again(layer: Layer) -> Layer:
        return rewrite(layer, unit, concat, pool, chain)

    if replaces(net, Trunk):
        if not replaces(net.trunk, Sequential):
            return net
        heads = {name: (tap, again(head)) for name, (tap, head) in net.heads.items()}
        taps = {tap for tap, _ in heads.values()}
        return Trunk(Sequential(chain(_children(net.trunk, again, unit, taps), taps)), heads)
    if replaces(net, Sequential) or replaces(net, Block):
        return Sequential(chain(_children(net, again, unit), ()))
    if replaces(net, Concat):
        branches = [[layer for _, layer in grouped(branch)] for branch in net.branches]
        if all(branches) and all(replaces(branch, Sequential) for branch in net.branches) and all(
                keeps_size(layer) and (isinstance(layer, Unit) or replaces(layer, MaxPool) and place == 0)
                for branch in branches for place, layer in enumerate(branch)):
            module = concat([[unit(*layer) if isinstance(layer, Unit) else layer for layer in branch]
                             for branch in branches])
            if module is not None:
                return module
        return Concat(*(_branch(again(branch), f"branch {k}") for k, branch in enumerate(net.branches, start=1)))
    return pool(net) if replaces(net, MaxPool) else net


def _children(net: Sequential, again: Callable[[Layer], Layer], unit: Callable[..., Layer],
              taps: Container[str] = ()) -> dict[str, Layer]:
    return {name: unit(*layer) if isinstance(layer, Unit) else again(layer) for name, layer in grouped(net, taps)}


def _branch(layer: Layer, name: str) -> Sequential:
    """A branch of a Concat that stays one. A branch of a class of its own runs as written, as one layer."""
    return layer if type(layer) is Sequential else Sequential({name: layer})


def keeps_size(layer: Any) -> bool:
    """Whether a Unit's or a pool's output is as high and wide as its input."""
    window = getattr(layer, "conv", layer)
    return getattr(window, "stride", None) == (1, 1) and window.kernel == tuple(2 * P + 1 for P in window.pad)


def grouped(net: Sequential, taps: Container[str] = ()) -> Iterator[tuple[str, Any]]:
    """(name, layer) of a Sequential, with a Unit in place of every Block that is one, and of every convolution followed
    by a ReLU, with or without batch norm. Such a Unit goes by the name of its last layer, so that a head that reads the
    output of that still finds it. There is none where a head reads inside: ``taps`` are the layers that heads read."""
    layers = list(net.children.items())
    while layers:
        name, layer = layers[0]
        if replaces(layer, Block):
            inside = list(layer.children.values())
            found, taken = unit_at(inside)
            yield name, found if found and taken == len(inside) else layer
            del layers[0]
            continue
        found, taken = unit_at([layer for _, layer in layers[:3]])
        if any(inner in taps for inner, _ in layers[:taken - 1]):
            found, taken = None, 1
        yield (layers[taken - 1][0], found) if found else (name, layer)
        del layers[:taken]


def unit_at(layers: list[Layer]) -> tuple[Unit | None, int]:
    """(the Unit that these layers begin with, or None; how many of them it takes)"""
    conv, *rest = layers
    if type(conv) is Conv and replaces(conv, Conv):
        bn = rest[0] if rest and type(rest[0]) is BatchNorm and "b" not in conv.params else None
        if bn is not None and not (replaces(bn, BatchNorm) and bn.C == conv.F):
            return None, 1
        after = rest[1:] if bn else rest
        if after and replaces(after[0], ReLU):
            return Unit(conv, bn), 3 if bn else 2
    return None, 1
