"""Finding a layer by its path, and cutting a network there. A piece of a network is a network again: a Sequential.

The pieces share the parameters. Their gradients are their own, and nobody reads them: who looks at a network must not
change what its next training step does.
"""

import copy
import difflib
from itertools import accumulate

import numpy as np

from .. import fast
from ..compose import Concat, Sequential, Trunk
from ..errors import ShapeError, UserError
from ..layers import ReLU


def trunk_of(net):
    """The network without its auxiliary heads, which only training needs."""
    return net.trunk if isinstance(net, Trunk) else net


def paths(net):
    """Every path that names a layer: ``4a``, and ``4a/3x3`` inside of it, in the order of the network."""
    return [path for name, layer in trunk_of(net).children.items()
            for path in [name, *(f"{name}/{inner}" for inner in layer.children)]]


def modules(net):
    """The names of the inception modules."""
    return [name for name, layer in trunk_of(net).children.items() if isinstance(layer, Concat)]


def check_path(net, path):
    """``path`` itself. Raises UserError, with a guess at what was meant, unless it names a layer."""
    known = paths(net)
    if path in known:
        return path
    wanted = str(path).lower().removeprefix("inception_").removesuffix("/output")
    alike = [other for other in known if ("/" in other) == ("/" in wanted)]
    guess = [wanted] if wanted in known else difflib.get_close_matches(wanted, alike, n=1, cutoff=0.5)
    meant = f"did you mean {guess[0]}? Or one of" if guess else "choose"
    short = [name for name in trunk_of(net).children if not name.endswith(("_bn", "_relu"))]
    raise UserError(f"layer: no layer is called {path!r}; {meant} {', '.join(short)}; inside a module as in 4c/3x3")


def until(net, path):
    """The layers from the picture up to and including the one at ``path``, as a layer that is ready to run: rewritten
    for speed, with gradients of its own. Inside a module it goes on into that layer's branch only."""
    return fast.speed_up(apart(Sequential(_below(net, path))))


def _below(net, path):
    """{name: layer} up to and including ``path``."""
    trunk = trunk_of(net)
    name, _, inner = check_path(net, path).partition("/")
    layers = dict(trunk.until(name).children)
    if inner:
        layers[name] = branch_of(layers[name], inner).until(inner)
    return layers


def branch_of(module, inner):
    """The branch of a Concat that has a layer called ``inner``."""
    return next(branch for branch in module.branches if inner in branch.children)


def widths(module, out):
    """{branch: channels} of an inception module with ``out`` of them; a pool without a 1×1 behind it has the rest."""
    found = {}
    for branch in module.branches:
        convolutions = [(name, layer) for name, layer in branch.children.items() if "w" in layer.params]
        name, F = (convolutions[-1][0], convolutions[-1][1].F) if convolutions else (next(iter(branch.children)), None)
        found[name] = F
    known = sum(F for F in found.values() if F)
    return {name: out - known if F is None else F for name, F in found.items()}


def after(sequence, name):
    """What of a Sequential follows the layer ``name``."""
    names = list(sequence.children)
    return Sequential({other: sequence.children[other] for other in names[names.index(name) + 1:]})


def before(sequence, name):
    """What of a Sequential comes before the layer ``name``."""
    names = list(sequence.children)
    return Sequential({other: sequence.children[other] for other in names[:names.index(name)]})


def apart(net):
    """The same layers with the same parameters, and gradients of their own."""
    if isinstance(net, Trunk):
        return apart(net.trunk)
    if isinstance(net, Sequential):
        return Sequential({name: apart(layer) for name, layer in net.children.items()})
    if isinstance(net, Concat):
        return Concat(*(apart(branch) for branch in net.branches))
    twin = copy.copy(net)
    twin.grads = {name: np.zeros(array.shape, array.dtype) for name, array in net.params.items()}
    return twin


def shape_at(net, path, picture):
    """The shape that leaves the layer at ``path`` when a picture of shape (H, W, C) enters the network.

    Raises UserError for an unknown path, and where the picture does not fit the layers on the way.
    """
    piece = Sequential(_below(net, path))
    try:
        return piece.output_shape(tuple(picture))
    except ShapeError as error:
        raise UserError(f"layer: {path} cannot be reached by pictures of {'x'.join(map(str, picture))} ({error}); "
                        "choose a layer further down") from error


def check_channel(net, path, channel, picture):
    """Raise UserError unless the layer at ``path`` has a channel of that number."""
    C = shape_at(net, path, picture)[-1]
    if channel is not None and not 0 <= channel < C:
        raise UserError(f"channel: {path} has {C}, numbered 0 to {C - 1}; got {channel}")


def before_relu(net, path, channel, picture):
    """(path, channel) of the same number before its ReLU, where there is one.

    A channel that is silent everywhere has no gradient after the ReLU, so that nothing could wake it; before it, it
    has one. Channels of a module are those of its branches, one after the other. ``picture`` is (H, W, C). Raises
    UserError for an unknown path or channel.
    """
    check_channel(net, path, channel, picture)
    name, _, inner = path.partition("/")
    layers = trunk_of(net).children
    if inner:
        layers = branch_of(layers[name], inner).children
    elif isinstance(layers[name], Concat):
        outputs = widths(layers[name], shape_at(net, path, picture)[-1])
        starts = dict(zip(outputs, accumulate(outputs.values(), initial=0), strict=False))
        chosen = [branch for branch, start in starts.items() if start <= channel][-1]
        layers, channel = branch_of(layers[name], chosen).children, channel - starts[chosen]
        inner = list(layers)[-1]
    names = list(layers)
    last = names.index(inner or name)
    last -= isinstance(layers[names[last]], ReLU) and last > 0
    return f"{name}/{names[last]}" if inner else names[last], channel
