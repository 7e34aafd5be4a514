"""Finds a layer by its path and cuts a network there. The part up to the layer is a layer itself.

Parts share the parameters of the network but have gradients of their own: interpretation does not affect training.

A path names a layer of the network (``conv1``, ``4a``), a layer inside an inception module (``4a/3x3``), or a layer
inside a block (``4a/3x3/conv``, ``4a/3x3/bn``, ``4a/3x3/relu``). A block itself (``conv1``, ``4a/3x3``) stands for its
output, after the ReLU.
"""

import copy
import difflib
from collections.abc import Mapping, Sequence
from itertools import accumulate

import numpy as np

from .. import engine
from ..errors import ShapeError, UserError
from ..layers import BatchNorm, Dense
from ..layers.base import Layer, Shape
from ..layers.containers import Block, Concat, Container, Sequential, Trunk


def trunk_of(net: Layer) -> Layer:
    """The network without its auxiliary classifiers, which are used in training only."""
    return net.trunk if isinstance(net, Trunk) else net


def inside(layer: Layer) -> Mapping[str, Layer]:
    """{name: layer} for the layers inside ``layer``, as paths name them; empty for a single layer.

    In a block the layer with the weights is called "conv" or "dense".
    """
    if isinstance(layer, Block):
        weighted = "dense" if isinstance(layer.layer, Dense) else "conv"
        return {name or weighted: child for name, child in layer.children.items()}
    return layer.children if isinstance(layer, Container) else {}


def paths(net: Layer) -> list[str]:
    """Every path that names a layer, in the order of the network: ``4a``, then ``4a/1x1``, ``4a/1x1/conv``, …"""
    return list(_paths(trunk_of(net)))


def _paths(layer, start=""):
    for name, child in inside(layer).items():
        yield start + name
        yield from _paths(child, f"{start}{name}/")


def modules(net: Layer) -> list[str]:
    """The names of the inception modules."""
    return [name for name, layer in trunk_of(net).children.items() if isinstance(layer, Concat)]


def renamed(path: str) -> str:
    """What version 0.1 called ``path``: batch norm and ReLU were ``4a/3x3_bn`` and ``4a/3x3_relu`` there."""
    if path.endswith("_bn"):
        return path.removesuffix("_bn") + "/bn"
    return path.removesuffix("_relu")


def check_path(net: Layer, path: str) -> str:
    """``path`` itself. Raises UserError, with the closest match, unless it names a layer."""
    known = paths(net)
    if path in known:
        return path
    wanted = renamed(str(path).lower().removeprefix("inception_").removesuffix("/output"))
    alike = [other for other in known if other.count("/") == wanted.count("/")]
    guess = [wanted] if wanted in known else difflib.get_close_matches(wanted, alike, n=1, cutoff=0.5)
    meant = f"did you mean {guess[0]}? Or one of" if guess else "choose"
    raise UserError(f"layer: no layer is called {path!r}; {meant} {', '.join(trunk_of(net).children)}; "
                    "inside a module as in 4c/3x3")


def layer_at(net: Layer, path: str) -> Layer:
    """The layer at ``path``. Raises UserError for an unknown path."""
    layer = trunk_of(net)
    for name in check_path(net, path).split("/"):
        layer = inside(layer)[name]
    return layer


def until(net: Layer, path: str) -> Layer:
    """The layers from the input up to and including the one at ``path``, compiled, with gradients of their own.

    Inside a module only the branch of that layer is included. Raises UserError for an unknown path.
    """
    return ready(below(trunk_of(net), check_path(net, path).split("/")))


def ready(layer: Layer) -> Layer:
    """A part of a network, compiled, with gradients of its own."""
    return engine.compile(apart(layer))


def below(layer: Layer, names: Sequence[str]) -> Layer:
    """The part of ``layer`` up to and including the layer at the path ``names``; all of it for an empty path."""
    if not names:
        return layer
    name, *rest = names
    children = inside(_sequence(layer, name))
    first = list(children)[:list(children).index(name)]
    return Sequential({**{other: children[other] for other in first}, name: below(children[name], rest)})


def above(layer: Layer, names: Sequence[str]) -> Sequential:
    """The part of ``layer`` that follows the layer at the path ``names``; inside a module, up to the end of the branch
    only."""
    name, *rest = names
    children = inside(_sequence(layer, name))
    after = list(children)[list(children).index(name) + 1:]
    return Sequential({**({name: above(children[name], rest)} if rest else {}),
                       **{other: children[other] for other in after}})


def _sequence(layer, name):
    """The layers in sequence among which ``name`` is: those of its branch in a module."""
    return branch_of(layer, name) if isinstance(layer, Concat) else layer


def branch_of(module: Concat, inner: str) -> Sequential:
    """The branch of a module that contains the layer ``inner``."""
    return next(branch for branch in module.branches if inner in branch.children)


def widths(module: Concat, out: int) -> dict[str, int]:
    """{branch: channels} of an inception module with ``out`` channels.

    A branch goes by the name of its last convolution. A pool without a 1×1 after it has the remaining channels.
    """
    found: dict[str, int | None] = {}
    for branch in module.branches:
        filters = {name: _filters(layer) for name, layer in branch.children.items() if _filters(layer)}
        name = list(filters or branch.children)[-1]
        found[name] = filters.get(name)
    known = sum(F for F in found.values() if F)
    return {name: out - known if F is None else F for name, F in found.items()}


def _filters(layer):
    """The number of filters of a convolution, alone or in a block; None for another layer."""
    return getattr(layer.layer if isinstance(layer, Block) else layer, "F", None)


def apart(layer: Layer) -> Layer:
    """A copy of ``layer`` that shares its parameters and running statistics and has gradients of its own, all zero."""
    shared = [*layer.parameters().values(), *layer.state().values(),
              *(part.all_reduce for _, part in layer.walk() if isinstance(part, BatchNorm))]
    memo = {id(value): value for value in shared}
    memo |= {id(gradient): np.zeros(gradient.shape, gradient.dtype) for gradient in layer.gradients().values()}
    return copy.deepcopy(layer, memo)


def shape_at(net: Layer, path: str, image: Sequence[int]) -> Shape:
    """The output shape of the layer at ``path`` for an image of shape (H, W, C).

    Raises UserError for an unknown path, and where the image does not fit the layers up to there.
    """
    try:
        return below(trunk_of(net), check_path(net, path).split("/")).output_shape(tuple(image))
    except ShapeError as error:
        raise UserError(f"layer: {path} cannot be computed for images of {'x'.join(map(str, image))} ({error}); "
                        "choose a lower layer") from error


def check_channel(net: Layer, path: str, channel: int | None, image: Sequence[int]) -> None:
    """Raise UserError unless the layer at ``path`` has a channel of that number. ``image`` is (H, W, C)."""
    C = shape_at(net, path, image)[-1]
    if channel is not None and not 0 <= channel < C:
        raise UserError(f"channel: {path} has {C}, numbered 0 to {C - 1}; got {channel}")


def before_relu(net: Layer, path: str, channel: int, image: Sequence[int]) -> tuple[str, int]:
    """(path, channel) of the same channel before its ReLU, where there is one.

    A channel that is zero everywhere has no gradient after the ReLU, so gradient ascent cannot change it; before the
    ReLU it has one. Channels of a module are those of its branches, in their order. ``image`` is (H, W, C).
    Raises UserError for an unknown path or channel.
    """
    check_channel(net, path, channel, image)
    names, layer = path.split("/"), layer_at(net, path)
    if isinstance(layer, Concat):
        sizes = list(widths(layer, shape_at(net, path, image)[-1]).values())
        starts = list(accumulate(sizes, initial=0))
        number = max(i for i, start in enumerate(starts[:-1]) if start <= channel)
        channel -= starts[number]
        name, layer = list(layer.branches[number].children.items())[-1]
        names.append(name)
    if isinstance(layer, Block):
        names.append("relu")
    parent = layer_at(net, "/".join(names[:-1])) if len(names) > 1 else trunk_of(net)
    siblings = list(inside(_sequence(parent, names[-1])).items())
    index = [name for name, _ in siblings].index(names[-1])
    if siblings[index][1].kind == "relu" and index:
        names[-1] = siblings[index - 1][0]
    return "/".join(names), channel
