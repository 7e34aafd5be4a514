"""Find in a network what has a faster form, and put that in its place. The network itself stays as it is."""

from ..compose import Concat, Sequential, Trunk
from ..layers import BatchNorm, Conv, MaxPool, ReLU


def rewrite(net, unit, concat):
    """``net`` with every convolution-(batch norm)-ReLU replaced by ``unit(convolution, batch norm or None)``, and every
    Concat of such units and max pools that keep the size by ``concat(branches)``: lists of units, some after a pool."""
    if isinstance(net, Trunk):
        return Trunk(rewrite(net.trunk, unit, concat),
                     {name: (tap, rewrite(head, unit, concat)) for name, (tap, head) in net.heads.items()})
    if isinstance(net, Sequential):
        return Sequential({name: rewrite(layer, unit, concat) for name, layer in grouped(net, unit)})
    if isinstance(net, Concat):
        branches = [list(grouped(branch, unit)) for branch in net.branches]
        if all(keeps_size(layer) and (isinstance(layer, unit) or isinstance(layer, MaxPool) and place == 0)
               for branch in branches for place, (_, layer) in enumerate(branch)):
            return concat([[layer for _, layer in branch] for branch in branches])
        return Concat(*(rewrite(branch, unit, concat) for branch in net.branches))
    return net


def keeps_size(layer):
    """Whether a unit's or a pool's output is as high and wide as its input."""
    window = getattr(layer, "conv", layer)
    return getattr(window, "stride", None) == (1, 1) and window.kernel == tuple(2 * P + 1 for P in window.pad)


def grouped(net, unit):
    """(name, layer) of a Sequential, its units already put together. A unit goes by the name of its last layer, so that
    whoever taps the output of that still finds it."""
    layers = list(net.children.items())
    while layers:
        name, layer = layers.pop(0)
        if isinstance(layer, Conv):
            rest = [following for _, following in layers[:2]]
            bn = rest[0] if rest and isinstance(rest[0], BatchNorm) else None
            if isinstance(rest[1 if bn else 0] if len(rest) > bool(bn) else None, ReLU):
                name = layers[bool(bn)][0]
                del layers[:1 + bool(bn)]
                layer = unit(layer, bn)
        yield name, layer
