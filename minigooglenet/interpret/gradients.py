"""The gradient of any layer's output with respect to the image, by the layers' own backward passes."""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import TypeAlias

import numpy as np

from ..errors import ShapeError
from ..layers.base import Array, Layer
from ..layers.containers import Concat, Sequential, concatenate
from .structure import above, below, branch_of, check_path, modules, ready, trunk_of, until

#: A gradient, or a function that computes it from the output.
Gradient: TypeAlias = Array | Callable[[Array], Array]


def input_gradient(net: Layer, x: Array, dy: Gradient | None = None, layer: str | None = None,
                   channel: int | None = None) -> Array:
    """The gradient of a layer's output y with respect to the image: one forward pass up to that layer and one backward
    pass.

        dx = Σ dy · ∂y/∂x        with dy = 1 by default: the gradient of the sum of y

    net      any network; auxiliary classifiers are ignored. Batch norm uses its running statistics, dropout is off
    x        the network's input, (N, H, W, C), float32 or float64 as its parameters
    dy       the gradient with respect to y, shaped like y; or a function of y, such as ``lambda y: y`` for the gradient
             of Σ y²/2; or None for ones
    layer    a path such as "4c" or "4c/3x3"; None is the last layer, the logits
    channel  use only this channel of y (None: all of them)

    Returns dx, shaped like x. The network's own gradients do not change. Raises UserError for an unknown layer,
    ShapeError for an x or dy that does not fit, IndexError for a channel that does not exist.
    Source: Simonyan, Vedaldi & Zisserman 2014, "Deep inside convolutional networks", section 3.
    """
    return value_and_gradient(until(net, layer or list(trunk_of(net).children)[-1]), x, dy, channel)[1]


def value_and_gradient(part: Layer, x: Array, dy: Gradient | None = None,
                       channel: int | None = None) -> tuple[Array, Array]:
    """(y, dx) of a part of a network that ``until`` has cut, so that many images need only one cut. The arguments are
    those of ``input_gradient``."""
    y, cache = part.forward(x)
    dy = np.ones_like(y) if dy is None else dy(y) if callable(dy) else np.asarray(dy, y.dtype)
    if dy.shape != y.shape:
        raise ShapeError(f"got dy {dy.shape}, expected {y.shape}, the shape of the layer's output")
    if channel is not None:
        only = np.zeros_like(y)
        only[..., channel] = dy[..., channel]
        dy = only
    return y, part.backward(dy, cache)


def one_class(classes: Sequence[int]) -> Callable[[Array], Array]:
    """The function logits -> dlogits for the gradient of the score of class ``classes[n]`` for image n."""
    def dlogits(logits: Array) -> Array:
        dy = np.zeros_like(logits)
        dy[np.arange(len(logits)), classes] = 1
        return dy
    return dlogits


def layer_gradient(net: Layer, x: Array, dlogits: Gradient, layer: str) -> tuple[Array, Array, Array]:
    """The output y of a layer, and the gradient of the logits with respect to it: (y, dy, logits).

    ``dlogits`` is the gradient with respect to the logits, or a function of them. The layers below run forward only.
    For a layer inside a module the gradient is that of its branch; the other branches are constants.
    """
    trunk, names = trunk_of(net), check_path(net, layer).split("/")
    module = trunk.children[names[0]]
    if len(names) == 1 or not isinstance(module, Concat):
        y = ready(below(trunk, names)).predict(x)
        rest = ready(above(trunk, names))
        logits, cache = rest.forward(y)
        return y, rest.backward(dlogits(logits) if callable(dlogits) else dlogits, cache), logits
    entering = ready(Sequential(dict(_before(trunk, names[0])))).predict(x)
    own, inner = branch_of(module, names[1]), names[1:]
    branch, rest = ready(above(own, inner)), ready(above(trunk, names[:1]))
    y = ready(below(own, inner)).predict(entering)
    end, branch_cache = branch.forward(y)
    outputs = [end if other is own else ready(other).predict(entering) for other in module.branches]
    logits, cache = rest.forward(concatenate(outputs))
    dmodule = rest.backward(dlogits(logits) if callable(dlogits) else dlogits, cache)
    start = sum(output.shape[-1] for output in outputs[:module.branches.index(own)])
    return y, branch.backward(np.ascontiguousarray(dmodule[..., start:start + end.shape[-1]]), branch_cache), logits


def _before(trunk, last):
    """The (name, layer) of the trunk's layers before ``last``."""
    for name, layer in trunk.children.items():
        if name == last:
            return
        yield name, layer


def module_gradients(net: Layer, x: Array, dlogits: Gradient) -> dict[str, tuple[Array, Array]]:
    """{module: (y, dy)} for every inception module: its output and the gradient with respect to it, in one forward and
    one backward pass."""
    names, passed, found = set(modules(net)), [], {}
    # Parts: each module, and the layers between two modules.
    for module, layers in groupby(trunk_of(net).children.items(), lambda item: item[0] if item[0] in names else None):
        part = ready(Sequential(dict(layers)))
        x, cache = part.forward(x)
        passed.append((module, part, cache, x))
    dy = dlogits(x) if callable(dlogits) else dlogits
    for module, part, cache, y in reversed(passed):
        if module:
            found[module] = y, dy
        dy = part.backward(dy, cache)
    return dict(reversed(found.items()))
