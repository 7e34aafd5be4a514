"""How layers become a network: in sequence, as parallel branches, and with auxiliary classifiers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import ShapeError
from .base import Array, Layer, Shape, join
from .relu import ReLU


def call(name: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """``function(*arguments)``; if shapes do not fit, the error says that it happened inside ``name``."""
    try:
        return function(*arguments)
    except ShapeError as error:
        raise error.inside(name) from None


class Container(Layer):
    """What all compositions share: they count by walking over the layers inside."""

    def check_shape(self, shape: Shape) -> None:
        """Each layer inside checks for itself."""

    def trace(self, shape: Shape, path: str = "") -> Iterator[tuple[str, Layer, Shape, Shape]]:
        """The layers inside. A container with parameters of its own is more than those: it is one layer."""
        return super().trace(shape, path) if self.params else self.trace_inside(shape, path)

    def trace_inside(self, shape: Shape, path: str = "") -> Iterator[tuple[str, Layer, Shape, Shape]]:
        raise NotImplementedError

    def macs(self, shape: Shape) -> int:
        """The sum over the layers inside."""
        return sum(layer.macs(entering) for _, layer, entering, _ in self.trace_inside(shape))

    def other_ops(self, shape: Shape) -> int:
        """The sum over the layers inside."""
        return sum(layer.other_ops(entering) for _, layer, entering, _ in self.trace_inside(shape))

    def __repr__(self) -> str:
        """A tree: one line for each layer inside, indented."""
        lines = [self.describe()]
        for name, child in self.children.items():
            inside = (child.describe() if isinstance(child, Block) else repr(child).strip("<>")).split("\n")
            lines += [f"  {name}: {inside[0]}", *(f"  {line}" for line in inside[1:])]
        return "\n".join(lines)


class Sequential(Container):
    """y = f_n(… f_2(f_1(x)))        dx = the gradients in reverse order (chain rule)

    ``layers`` is {name: layer}. The cache is the list of theirs.
    """

    kind = "sequential"

    def __init__(self, layers: Mapping[str, Layer]) -> None:
        super().__init__()
        self.children = dict(layers)

    def forward(self, x: Array, train: bool = False) -> tuple[Array, list]:
        caches = []
        for name, layer in self.children.items():
            x, cache = call(name, layer.forward, x, train)
            caches.append(cache)
        return x, caches

    def backward(self, dy: Array, caches: Any) -> Array:
        for (name, layer), cache in zip(reversed(self.children.items()), reversed(caches), strict=True):
            dy = call(name, layer.backward, dy, cache)
        return dy

    def predict(self, x: Array) -> Array:
        for name, layer in self.children.items():
            x = call(name, layer.predict, x)
        return x

    def trace_inside(self, shape: Shape, path: str = "") -> Iterator[tuple[str, Layer, Shape, Shape]]:
        for name, layer in self.children.items():
            try:
                yield from layer.trace(shape, join(path, name))
                shape = layer.output_shape(shape)
            except ShapeError as error:
                raise error.inside(name) from None

    def output_shape(self, shape: Shape) -> Shape:
        for name, layer in self.children.items():
            call(name, layer.check_shape, shape)
            shape = call(name, layer.output_shape, shape)
        return shape

    def until(self, last: str) -> "Sequential":
        """The layers up to and including ``last``, sharing their parameters."""
        names = list(self.children)
        return Sequential({name: self.children[name] for name in names[:names.index(last) + 1]})


class Block(Sequential):
    """A layer with weights, batch norm if any, and ReLU: y = relu(norm(layer(x)))

    The brick of every network here; for a convolution, conv–norm–ReLU. The layer with the weights goes by the block's
    own path: in a block ``4a/3x3`` they are ``4a/3x3/w``, and batch norm's ``4a/3x3/bn/gamma``. The output of
    ``4a/3x3`` is that of the ReLU.
    """

    def __init__(self, layer: Layer, norm: Layer | None = None) -> None:
        super().__init__({"": layer, **({"bn": norm} if norm is not None else {}), "relu": ReLU()})
        self.layer, self.norm, self.relu = layer, norm, self.children["relu"]
        self.kind, self.kernel, self.stride, self.pad = layer.kind, layer.kernel, layer.stride, layer.pad

    def describe(self) -> str:
        return ", ".join(layer.describe() for layer in self.children.values())


def check_sizes(shapes: Sequence[Shape]) -> None:
    """Raise ShapeError unless the shapes are equal except for the channels."""
    if len({shape[:-1] for shape in shapes}) > 1:
        raise ShapeError(f"branches end in different sizes: {', '.join(map(str, shapes))}")


def concatenate(outputs: Sequence[Array]) -> Array:
    """The arrays, concatenated along the channels."""
    check_sizes([y.shape for y in outputs])
    return np.concatenate(outputs, axis=-1)


class Concat(Container):
    """Branches that read the same x, their outputs concatenated along the channels.

        y = [f_1(x), f_2(x), …]        dx = f_1.backward(dy_1) + f_2.backward(dy_2) + …

    where dy_b holds the channels of dy that branch b had written: a value used several times gets the sum of the
    gradients. Each branch is a Sequential or a dict of layers; layers are named across all branches, so that a path
    reads ``4a/3x3`` and not ``4a/branch2/3x3``. The cache is the branches' caches and their widths. Raises ValueError
    where two layers have one name, and for a branch with parameters of its own, which would have none.
    """

    kind = "concat"

    def __init__(self, *branches: Mapping[str, Layer] | Sequential) -> None:
        super().__init__()
        self.branches = [branch if isinstance(branch, Sequential) else Sequential(branch) for branch in branches]
        for branch in self.branches:
            if branch.params or branch.buffers:
                raise ValueError("a branch with parameters of its own needs a name: Concat({'name': branch}, ...)")
            for name, layer in branch.children.items():
                if name in self.children:
                    raise ValueError(f"two layers in different branches are both called {name!r}")
                self.children[name] = layer

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        outputs, caches = zip(*(branch.forward(x, train) for branch in self.branches), strict=True)
        return concatenate(outputs), (caches, [y.shape[-1] for y in outputs])

    def backward(self, dy: Array, cache: Any) -> Array:
        caches, widths = cache
        if dy.shape[-1] != sum(widths):  # each branch checks the rest
            raise ShapeError(f"{self.describe()} got dy {dy.shape}, expected {(*dy.shape[:-1], sum(widths))}")
        dx: Any = 0
        start = 0
        for branch, branch_cache, width in zip(self.branches, caches, widths, strict=True):
            part = np.ascontiguousarray(dy[..., start:start + width])
            dx = dx + branch.backward(part, branch_cache)
            start += width
        return dx

    def predict(self, x: Array) -> Array:
        return concatenate([branch.predict(x) for branch in self.branches])

    def trace_inside(self, shape: Shape, path: str = "") -> Iterator[tuple[str, Layer, Shape, Shape]]:
        for branch in self.branches:
            yield from branch.trace(shape, path)

    def output_shape(self, shape: Shape) -> Shape:
        shapes = [branch.output_shape(shape) for branch in self.branches]
        check_sizes(shapes)
        return *shapes[0][:-1], sum(s[-1] for s in shapes)


class Trunk(Container):
    """A network with auxiliary classifiers (heads): they read a layer half-way up and push gradient into the lower
    layers.

    ``trunk`` is the network itself, a Sequential; ``heads`` is {name: (tap, head)}: the head called ``name`` reads the
    output of the trunk's layer ``tap``. In training forward returns [logits, logits of head 1, logits of head 2, …]
    and backward takes as many gradients; where a head reads, two gradients meet:

        dx = layer.backward(dy + head.backward(dy_head))

    Otherwise there is one output, and the heads are not computed: they are discarded after training
    (Szegedy et al. 2014, section 5). The loss weights (0.3) belong to the loss. Raises ValueError for a tap that the
    trunk does not have, and for a trunk with parameters of its own: training runs its layers one by one.
    """

    kind = "trunk"

    def __init__(self, trunk: Sequential, heads: Mapping[str, tuple[str, Layer]]) -> None:
        super().__init__()
        if trunk.params or trunk.buffers:
            raise ValueError("a trunk with parameters of its own: put it into one, Sequential({'name': trunk})")
        self.trunk, self.heads = trunk, dict(heads)
        for name, (tap, _) in self.heads.items():
            if tap not in trunk.children:
                raise ValueError(f"head {name!r} is to read {tap!r}, which the trunk does not have")
        self.children = {**trunk.children, **{name: head for name, (_, head) in self.heads.items()}}

    def forward(self, x: Array, train: bool = False) -> tuple[Any, Any]:
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

    def backward(self, dy: Any, cache: Any) -> Array:
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

    def predict(self, x: Array) -> Array:
        return self.trunk.predict(x)

    def macs(self, shape: Shape) -> int:
        """Of the trunk: inference does not compute the heads."""
        return self.trunk.macs(shape)

    def other_ops(self, shape: Shape) -> int:
        """Of the trunk: inference does not compute the heads."""
        return self.trunk.other_ops(shape)

    def trace_inside(self, shape: Shape, path: str = "") -> Iterator[tuple[str, Layer, Shape, Shape]]:
        """The trunk's layers, then those of the heads."""
        yield from self.trunk.trace(shape, path)
        for name, (tap, head) in self.heads.items():
            tapped = self.trunk.until(tap).output_shape(shape)
            try:
                yield from head.trace(tapped, join(path, name))
            except ShapeError as error:
                raise error.inside(name) from None

    def output_shape(self, shape: Shape) -> Shape:
        return self.trunk.output_shape(shape)
