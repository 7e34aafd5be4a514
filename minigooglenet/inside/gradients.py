"""The gradient of anything inside a network with respect to the picture, by the layers' own backward passes."""

from itertools import groupby

import numpy as np

from .. import fast
from ..compose import Sequential, side_by_side
from ..errors import ShapeError
from .structure import after, apart, before, branch_of, check_path, modules, paths, trunk_of, until


def input_gradient(net, x, dy=None, layer=None, channel=None):
    """How a layer's output y changes with the pixels: one forward pass up to that layer, one backward pass from it.

        dx = Σ dy · ∂y/∂x        with dy = 1 by default: the gradient of the sum of y

    net      any network; a Trunk is used without its heads. Batch norm uses its running statistics, dropout is off
    x        what the network reads, (N, H, W, C), float32 or float64 as its parameters
    dy       the gradient that enters at the layer, shaped like its output; or a function of that output, such as
             ``lambda y: y`` for the gradient of Σ y²/2; or None for ones
    layer    a path such as "4c" or "4c/3x3"; None is the last layer, the logits
    channel  only this channel of the output counts (None: all of them)

    Returns dx, shaped like x. The network's own gradients stay as they are. Raises UserError for an unknown layer,
    ShapeError for an x or dy that does not fit, IndexError for a channel that is not there.
    Source: Simonyan, Vedaldi & Zisserman 2014, "Deep inside convolutional networks", section 3.
    """
    return value_and_gradient(until(net, layer or paths(net)[-1]), x, dy, channel)[1]


def value_and_gradient(piece, x, dy=None, channel=None):
    """(y, dx) of a piece of a network as ``until`` cuts it, so that many pictures need only one cut."""
    y, cache = piece.forward(x)
    dy = np.ones_like(y) if dy is None else dy(y) if callable(dy) else np.asarray(dy, y.dtype)
    if dy.shape != y.shape:
        raise ShapeError(f"got dy {dy.shape}, expected {y.shape}, the shape of the layer's output")
    if channel is not None:
        only = np.zeros_like(y)
        only[..., channel] = dy[..., channel]
        dy = only
    return y, piece.backward(dy, cache)


def one_class(classes):
    """The function logits -> dlogits whose gradient is that of the sum of the score of ``classes[n]`` in picture n."""
    def dlogits(logits):
        dy = np.zeros_like(logits)
        dy[np.arange(len(logits)), classes] = 1
        return dy
    return dlogits


def layer_gradient(net, x, dlogits, layer):
    """The output y of a layer, and the gradient of the logits with respect to it: (y, dy, logits).

    ``dlogits`` is the gradient that enters at the end, or a function of the logits. The layers below are only
    predicted; the gradient stops at ``layer``. Inside a module it comes out of that layer's branch: the others are
    constants that go by.
    """
    trunk = trunk_of(net)
    name, _, inner = check_path(net, layer).partition("/")
    module = trunk.children[name]
    entering = _ready(before(trunk, name)).predict(x)
    rest = _ready(after(trunk, name))
    if not inner:
        y = _ready(Sequential({name: module})).predict(entering)
        logits, cache = rest.forward(y)
        return y, rest.backward(dlogits(logits) if callable(dlogits) else dlogits, cache), logits
    own = branch_of(module, inner)
    branch = _ready(after(own, inner))
    y = _ready(own.until(inner)).predict(entering)
    end, branch_cache = branch.forward(y)
    outputs = [end if other is own else _ready(other).predict(entering) for other in module.branches]
    logits, cache = rest.forward(side_by_side(outputs))
    dmodule = rest.backward(dlogits(logits) if callable(dlogits) else dlogits, cache)
    start = sum(output.shape[-1] for output in outputs[:module.branches.index(own)])
    return y, branch.backward(np.ascontiguousarray(dmodule[..., start:start + end.shape[-1]]), branch_cache), logits


def module_gradients(net, x, dlogits):
    """{module: (y, dy)} for every inception module, in one forward and one backward pass."""
    inside, passed, found = set(modules(net)), [], {}
    # Pieces to look between: each module, and what lies between two of them.
    for module, layers in groupby(trunk_of(net).children.items(), lambda item: item[0] if item[0] in inside else None):
        piece = _ready(Sequential(layers))
        x, cache = piece.forward(x)
        passed.append((module, piece, cache, x))
    dy = dlogits(x) if callable(dlogits) else dlogits
    for module, piece, cache, y in reversed(passed):
        if module:
            found[module] = y, dy
        dy = piece.backward(dy, cache)
    return dict(reversed(found.items()))


def _ready(net):
    return fast.speed_up(apart(net))
