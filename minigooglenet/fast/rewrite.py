"""Find in a network what has a faster form, and put that in its place. The network itself stays as it is."""

from typing import NamedTuple

from ..compose import Concat, Sequential, Trunk
from ..layers import BatchNorm, Conv, MaxPool, ReLU


class Unit(NamedTuple):
    """A convolution, the batch norm after it or None, and a ReLU. Before batch norm a convolution has no bias: it would
    be taken away again."""
    conv: Conv
    bn: BatchNorm | None


def same(layer):
    return layer


def rewrite(net, unit, concat, pool=same, plain=same):
    """``net`` in faster forms:

    every Unit as ``unit(conv, bn)``; every Concat of Units and max pools that keep the size as ``concat(branches)``,
    lists of units, some after a MaxPool; every other max pool as ``pool(layer)``; all other layers as ``plain(layer)``.
    What NumPy adds or concatenates next, heads and layers of a Concat that stays one, goes through ``plain`` as well.
    """
    def again(layer):
        return rewrite(layer, unit, concat, pool, plain)

    if isinstance(net, Trunk):
        return Trunk(again(net.trunk), {name: (tap, plain(again(head))) for name, (tap, head) in net.heads.items()})
    if isinstance(net, Sequential):
        return Sequential({name: again(layer) for name, layer in grouped(net)})
    if isinstance(net, Concat):
        branches = [[layer for _, layer in grouped(branch)] for branch in net.branches]
        if all(keeps_size(layer) and (isinstance(layer, Unit) or isinstance(layer, MaxPool) and place == 0)
               for branch in branches for place, layer in enumerate(branch)):
            return concat([[unit(*layer) if isinstance(layer, Unit) else layer for layer in branch]
                           for branch in branches])
        forms = [lambda *layers, form=form: plain(form(*layers)) for form in (unit, concat, pool)]
        return plain(Concat(*(rewrite(branch, *forms, plain) for branch in net.branches)))
    if isinstance(net, Unit):
        return unit(*net)
    return pool(net) if isinstance(net, MaxPool) else plain(net)


def keeps_size(layer):
    """Whether a Unit's or a pool's output is as high and wide as its input."""
    window = getattr(layer, "conv", layer)
    return getattr(window, "stride", None) == (1, 1) and window.kernel == tuple(2 * P + 1 for P in window.pad)


def grouped(net):
    """(name, layer) of a Sequential, its Units put together. A Unit goes by the name of its last layer, so that whoever
    taps the output of that still finds it."""
    layers = list(net.children.items())
    while layers:
        name, layer = layers.pop(0)
        if isinstance(layer, Conv):
            rest = [following for _, following in layers[:2]]
            bn = rest[0] if rest and isinstance(rest[0], BatchNorm) and "b" not in layer.params else None
            if isinstance(rest[1 if bn else 0] if len(rest) > bool(bn) else None, ReLU):
                name = layers[bool(bn)][0]
                del layers[:1 + bool(bn)]
                layer = Unit(layer, bn)
        yield name, layer
