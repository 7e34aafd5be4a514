"""How layers become a network: one after the other, side by side, and with auxiliary heads."""

import numpy as np

from .errors import ShapeError
from .layers.base import Layer


def call(name, function, *arguments):
    """``function(*arguments)``; if shapes do not fit, the error says that it happened inside ``name``."""
    try:
        return function(*arguments)
    except ShapeError as error:
        raise error.inside(name) from None


class Container(Layer):
    """What the three compositions share: they count by walking over the layers inside."""

    def check_shape(self, shape):
        """Each layer inside checks for itself."""

    def macs(self, shape):
        """The sum over the layers inside."""
        return sum(layer.macs(entering) for _, layer, entering, _ in self.trace(shape))

    def other_ops(self, shape):
        """The sum over the layers inside."""
        return sum(layer.other_ops(entering) for _, layer, entering, _ in self.trace(shape))


class Sequential(Container):
    """y = f_n(… f_2(f_1(x)))        dx = the gradients in the opposite order (chain rule)

    ``layers`` is {name: layer}. The cache is the list of theirs.
    """

    def __init__(self, layers):
        super().__init__()
        self.children = dict(layers)

    def forward(self, x, train=False):
        caches = []
        for name, layer in self.children.items():
            x, cache = call(name, layer.forward, x, train)
            caches.append(cache)
        return x, caches

    def backward(self, dy, caches):
        for (name, layer), cache in zip(reversed(self.children.items()), reversed(caches), strict=True):
            dy = call(name, layer.backward, dy, cache)
        return dy

    def predict(self, x):
        for name, layer in self.children.items():
            x = call(name, layer.predict, x)
        return x

    def trace(self, shape, path=""):
        for name, layer in self.children.items():
            try:
                yield from layer.trace(shape, f"{path}/{name}" if path else name)
                shape = layer.output_shape(shape)
            except ShapeError as error:
                raise error.inside(name) from None

    def output_shape(self, shape):
        for name, layer in self.children.items():
            call(name, layer.check_shape, shape)
            shape = call(name, layer.output_shape, shape)
        return shape

    def until(self, last):
        """The layers up to and including ``last``, sharing their parameters."""
        names = list(self.children)
        return Sequential({name: self.children[name] for name in names[:names.index(last) + 1]})


def check_sizes(shapes):
    """Raise ShapeError unless the shapes are equal but for the channels."""
    if len({shape[:-1] for shape in shapes}) > 1:
        raise ShapeError(f"branches end in different sizes: {', '.join(map(str, shapes))}")


def side_by_side(outputs):
    """One array out of several, along the channels."""
    check_sizes([y.shape for y in outputs])
    return np.concatenate(outputs, axis=-1)


class Concat(Container):
    """Branches that read the same x, their outputs put side by side along the channels.

        y = [f_1(x), f_2(x), …]        dx = f_1.backward(dy_1) + f_2.backward(dy_2) + …

    where dy_b is the part of dy that branch b had written: a value used several times gets the sum of the gradients.
    Each branch is a Sequential or a dict of layers; layers are named across all branches, so that a path reads
    ``4a/3x3`` and not ``4a/branch2/3x3``. The cache is the branches' caches and their widths.
    """

    def __init__(self, *branches):
        super().__init__()
        self.branches = [branch if isinstance(branch, Sequential) else Sequential(branch) for branch in branches]
        for branch in self.branches:
            for name, layer in branch.children.items():
                if name in self.children:
                    raise ValueError(f"two layers in different branches are both called {name!r}")
                self.children[name] = layer

    def forward(self, x, train=False):
        outputs, caches = zip(*(branch.forward(x, train) for branch in self.branches), strict=True)
        return side_by_side(outputs), (caches, [y.shape[-1] for y in outputs])

    def backward(self, dy, cache):
        caches, widths = cache
        dx, start = 0, 0
        for branch, branch_cache, width in zip(self.branches, caches, widths, strict=True):
            part = np.ascontiguousarray(dy[..., start:start + width])
            dx = dx + branch.backward(part, branch_cache)
            start += width
        return dx

    def predict(self, x):
        return side_by_side([branch.predict(x) for branch in self.branches])

    def trace(self, shape, path=""):
        for branch in self.branches:
            yield from branch.trace(shape, path)

    def output_shape(self, shape):
        shapes = [branch.output_shape(shape) for branch in self.branches]
        check_sizes(shapes)
        return *shapes[0][:-1], sum(s[-1] for s in shapes)


class Trunk(Container):
    """A network with auxiliary heads: extra classifiers half-way up that push gradient into the lower layers.

    ``trunk`` is the network itself, a Sequential; ``heads`` is {name: (tap, head)}: the head called ``name`` reads the
    output of the trunk's layer ``tap``. In training forward returns [logits, logits of head 1, logits of head 2, …]
    and backward takes as many gradients; where a head sits, two gradients meet:

        dx = layer.backward(dy + head.backward(dy_head))

    Otherwise there is one output, and the heads are not even touched: they are thrown away after training
    (Szegedy et al. 2014, section 5). The loss weights (0.3) are the loss's business.
    """

    def __init__(self, trunk, heads):
        super().__init__()
        self.trunk, self.heads = trunk, dict(heads)
        for name, (tap, _) in self.heads.items():
            if tap not in trunk.children:
                raise ValueError(f"head {name!r} wants to read {tap!r}, which the trunk does not have")
        self.children = {**trunk.children, **{name: head for name, (_, head) in self.heads.items()}}

    def forward(self, x, train=False):
        if not train:
            return self.trunk.forward(x)
        caches, outputs, head_caches = [], {}, {}
        for name, layer in self.trunk.children.items():
            x, cache = call(name, layer.forward, x, train)
            caches.append(cache)
            for head_name, (tap, head) in self.heads.items():
                if tap == name:
                    outputs[head_name], head_caches[head_name] = call(head_name, head.forward, x, train)
        return [x, *(outputs[name] for name in self.heads)], (caches, head_caches)

    def backward(self, dy, cache):
        if isinstance(dy, np.ndarray):  # the gradient of a forward that was not for training
            return self.trunk.backward(dy, cache)
        caches, head_caches = cache
        dx, dy_of = dy[0], dict(zip(self.heads, dy[1:], strict=True))
        for (name, layer), layer_cache in zip(reversed(self.trunk.children.items()), reversed(caches), strict=True):
            for head_name, (tap, head) in self.heads.items():
                if tap == name:
                    dx = dx + call(head_name, head.backward, dy_of[head_name], head_caches[head_name])
            dx = call(name, layer.backward, dx, layer_cache)
        return dx

    def predict(self, x):
        return self.trunk.predict(x)

    def macs(self, shape):
        """Of the trunk: inference does not touch the heads."""
        return self.trunk.macs(shape)

    def other_ops(self, shape):
        """Of the trunk: inference does not touch the heads."""
        return self.trunk.other_ops(shape)

    def trace(self, shape, path=""):
        """The trunk's layers, then those of the heads."""
        yield from self.trunk.trace(shape, path)
        for name, (tap, head) in self.heads.items():
            tapped = self.trunk.until(tap).output_shape(shape)
            try:
                yield from head.trace(tapped, f"{path}/{name}" if path else name)
            except ShapeError as error:
                raise error.inside(name) from None

    def output_shape(self, shape):
        return self.trunk.output_shape(shape)
