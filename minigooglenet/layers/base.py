"""What every layer promises. Layers own parameters; the caller owns activations."""

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..errors import ShapeError

Array: TypeAlias = NDArray[Any]
Shape: TypeAlias = tuple[int, ...]

DTYPES = np.dtype("float32"), np.dtype("float64")  # what kernels are compiled for


class Layer:
    """A differentiable function with parameters.

    ``forward(x, train=False) -> (y, cache)``
        computes y, and whatever backward will need. Nothing is remembered in the layer.
    ``backward(dy, cache) -> dx``
        takes dLoss/dy, **adds** dLoss/dparameter into ``grads`` and returns dLoss/dx, shaped like x.
    ``predict(x) -> y``
        forward for inference, keeping nothing.

    x and dy are read-only: four branches may share one x. ``params`` and ``grads`` have equal keys; ``buffers`` holds
    what is learned without a gradient (running statistics). ``children`` are the layers inside, by name.

    ``kind`` is what the layer is, in a word or two; ``kernel``, ``stride`` and ``pad`` are its window, (height, width)
    each, where it has one. ``output_shape(shape)``, ``macs(shape)`` and ``other_ops(shape)`` answer for one image,
    without running anything; shapes leave out the batch: (H, W, C) or (D,).
    """

    kind: str = "layer"
    kernel: tuple[int, int] | None = None
    stride: tuple[int, int] | None = None
    pad: tuple[int, int] | None = None
    expects: tuple[int | str, ...] | None = ("H", "W", "C")  # without the batch; only numbers must match; None: any

    def __init__(self) -> None:
        self.params: dict[str, Array] = {}
        self.grads: dict[str, Array] = {}
        self.buffers: dict[str, Array] = {}
        self.children: dict[str, Layer] = {}

    # -- the mathematics, in the subclasses -------------------------------------------------------------------------

    def forward(self, x: Array, train: bool = False) -> tuple[Any, Any]:
        raise NotImplementedError

    def backward(self, dy: Any, cache: Any) -> Array:
        raise NotImplementedError

    def predict(self, x: Array) -> Array:
        return self.forward(x)[0]

    def output_shape(self, shape: Shape) -> Shape:
        """The shape of the output, for one image. The default: that of the input."""
        return shape

    def macs(self, shape: Shape) -> int:
        """Multiply-adds of weights with activations, for one image (the paper's "ops")."""
        return 0

    def other_ops(self, shape: Shape) -> int:
        """Comparisons, additions and the like, for one image."""
        return 0

    # -- parameters -------------------------------------------------------------------------------------------------

    def add_param(self, name: str, value: Array) -> None:
        """Register a parameter and its gradient."""
        self.params[name] = value
        self.grads[name] = np.zeros(value.shape, value.dtype)  # untouched memory costs nothing; zeros_like touches it

    def walk(self, path: str = "") -> Iterator[tuple[str, "Layer"]]:
        """(path, layer), in order, for every layer without children or with parameters of its own. ``4a/3x3`` is a
        path."""
        if not self.children or self.params or self.buffers:
            yield path, self
        for name, child in self.children.items():
            yield from child.walk(join(path, name))

    def trace(self, shape: Shape, path: str = "") -> Iterator[tuple[str, "Layer", Shape, Shape]]:
        """(path, layer, input shape, output shape) for every layer, instead of a container for those inside, given an
        image of ``shape``.

        Counting, drawing and planning memory are loops over this. Raises ShapeError where the shape does not fit.
        """
        self.check_shape(shape)
        yield path, self, shape, self.output_shape(shape)

    def parameters(self) -> dict[str, Array]:
        """{path: array} of all parameters, such as ``4a/3x3/w``. The arrays themselves, not copies."""
        return self._by_path("params")

    def gradients(self) -> dict[str, Array]:
        """{path: array} of all gradients, keyed like ``parameters()``."""
        return self._by_path("grads")

    def state(self) -> dict[str, Array]:
        """{path: array} of the buffers (running statistics)."""
        return self._by_path("buffers")

    def _by_path(self, attribute: str) -> dict[str, Array]:
        return {join(path, name): array for path, layer in self.walk()
                for name, array in getattr(layer, attribute).items()}

    def zero_grads(self) -> None:
        """Set every gradient to zero, before the next backward adds to them."""
        for gradient in self.gradients().values():
            gradient[...] = 0

    def astype(self, dtype: DTypeLike) -> "Layer":
        """Convert all parameters, gradients and buffers to ``dtype``, in place. Returns self."""
        for _, layer in self.walk():
            for arrays in (layer.params, layer.grads, layer.buffers):
                arrays.update({name: array.astype(dtype) for name, array in arrays.items()})
        return self

    # -- errors in time ---------------------------------------------------------------------------------------------

    def check_shape(self, shape: Shape) -> None:
        """Raise ShapeError unless the layer takes an image of ``shape``."""
        if not self._fits(shape):
            raise ShapeError(f"{self.describe()} got {_tuple(shape)}, expected {_tuple(self.expects or ())}")

    def check(self, x: Array) -> None:
        """Raise ShapeError unless x is a batch that this layer takes, of the dtype of its parameters."""
        dtype = next(iter(self.params.values())).dtype if self.params else x.dtype
        if x.ndim == 0 or not self._fits(x.shape[1:]) or x.dtype != dtype or x.dtype not in DTYPES:
            wanted = dtype if dtype in DTYPES else "float32 or float64"
            shape = "of any shape" if self.expects is None else _tuple(("N", *self.expects))
            raise ShapeError(f"{self.describe()} got {x.dtype} {_tuple(x.shape)}, expected {wanted} {shape}"
                             f"{self._hint(x)}")

    def _hint(self, x: Array) -> str:
        """What to do about the two usual mistakes: a single image, and channels first."""
        if x.ndim == 0 or self._fits(x.shape[1:]):
            return ""
        if self._fits(x.shape):
            return "; for a batch of one image pass x[None]"
        if x.ndim == 4 and self._fits((*x.shape[2:], x.shape[1])):
            return "; channels come last: pass x.transpose(0, 2, 3, 1)"
        return ""

    def _fits(self, shape: Shape) -> bool:
        return self.expects is None or len(shape) == len(self.expects) and all(
            want == have or not isinstance(want, int) for want, have in zip(self.expects, shape, strict=True))

    def check_gradient(self, dy: Array, x_shape: Shape) -> None:
        """Raise ShapeError unless dy has the shape of the output for an input of ``x_shape``."""
        wanted = (x_shape[0], *self.output_shape(x_shape[1:]))
        if dy.shape != wanted:
            raise ShapeError(f"{self.describe()} got dy {_tuple(dy.shape)}, expected {_tuple(wanted)}")

    def describe(self) -> str:
        """The layer in a few words, for people; programs read ``kind``, ``kernel`` and ``stride``."""
        return self.kind + window_text(self)

    # -- for interactive use ----------------------------------------------------------------------------------------

    def __call__(self, x: Array) -> Array:
        """``predict(x)``. Raises ShapeError if the layer has weights that were never initialized or loaded: all 0."""
        w = next((w for path, w in self.parameters().items() if w.ndim > 1), None)
        if w is not None and not w.any():
            raise ShapeError("all weights are 0: pass a random generator (rng=0) to initialize them, or load weights")
        return self.predict(x)

    def summary(self, shape: Shape) -> str:
        """A table of all layers, those of heads included, for an image of ``shape`` (H, W, C): path, description,
        output, parameters, MACs."""
        traced = list(self.trace(shape))
        sizes = [sum(w.size for w in layer.parameters().values()) for _, layer, _, _ in traced]
        macs = [layer.macs(before) for _, layer, before, _ in traced]
        rows = [("path", "layer", "output", "parameters", "MACs"),
                *((path or "-", layer.describe(), "x".join(map(str, after)), f"{size:,}", f"{ops:,}")
                  for (path, layer, _, after), size, ops in zip(traced, sizes, macs, strict=True)),
                ("total", "", "", f"{sum(sizes):,}", f"{sum(macs):,}")]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join("  ".join(cell.ljust(width) if k < 3 else cell.rjust(width)
                                   for k, (cell, width) in enumerate(zip(row, widths, strict=True))).rstrip()
                         for row in rows)

    def __repr__(self) -> str:
        return f"<{self.describe()}>"


def join(path: str, name: str) -> str:
    """A path and a name inside it. A layer whose name is empty goes by the path of what contains it."""
    return f"{path}/{name}" if path and name else path or name


def window_text(layer: Layer) -> str:
    """`` 3x3/2``: the window and the stride of a layer; empty where it has none."""
    if layer.kernel is None or layer.stride is None:
        return ""
    (KH, KW), (SH, SW) = layer.kernel, layer.stride
    return f" {KH}x{KW}/{SH if SH == SW else (SH, SW)}"


def _tuple(shape: tuple) -> str:
    return "(" + ", ".join(str(n) for n in shape) + ("," if len(shape) == 1 else "") + ")"
