"""What every layer promises. Layers own parameters; the caller owns activations."""

import numpy as np

from ..errors import ShapeError


class Layer:
    """A differentiable function with parameters.

    ``forward(x, train=False) -> (y, cache)``
        computes y, and whatever backward will need. Nothing is remembered in the layer.
    ``backward(dy, cache) -> dx``
        takes dLoss/dy, **adds** dLoss/dparameter into ``grads`` and returns dLoss/dx, shaped like x.
    ``predict(x) -> y``
        forward for use, keeping nothing.

    x and dy are read-only: four branches may share one x. ``params`` and ``grads`` have equal keys; ``buffers`` holds
    what is learned without a gradient (running statistics). ``children`` are the layers inside, by name.

    ``output_shape(shape)``, ``macs(shape)`` and ``other_ops(shape)`` answer for one picture, without running anything;
    shapes leave out the batch: (H, W, C) or (D,).
    """

    expects = ("H", "W", "C")  # the input without the batch; a number must match, a letter may be anything

    def __init__(self):
        self.params, self.grads, self.buffers, self.children = {}, {}, {}, {}

    # -- the mathematics, in the subclasses -------------------------------------------------------------------------

    def forward(self, x, train=False):
        raise NotImplementedError

    def backward(self, dy, cache):
        raise NotImplementedError

    def predict(self, x):
        return self.forward(x)[0]

    def output_shape(self, shape):
        """The shape that leaves, for one picture. The default: as it came."""
        return shape

    def macs(self, shape):
        """Multiply-adds of weights with activations, for one picture (the paper's "ops")."""
        return 0

    def other_ops(self, shape):
        """Comparisons, additions and the like, for one picture."""
        return 0

    # -- parameters -------------------------------------------------------------------------------------------------

    def add_param(self, name, value):
        """Register a parameter, its gradient beside it."""
        self.params[name] = value
        self.grads[name] = np.zeros(value.shape, value.dtype)  # untouched memory costs nothing; zeros_like touches it

    def walk(self, path=""):
        """(path, layer) for every layer without children, in order. ``4a/3x3`` is a path."""
        if not self.children:
            yield path, self
        for name, child in self.children.items():
            yield from child.walk(f"{path}/{name}" if path else name)

    def trace(self, shape, path=""):
        """(path, layer, shape in, shape out) for every layer without children, when a picture of ``shape`` enters.

        Counting, drawing and planning memory are loops over this. Raises ShapeError where the shape does not fit.
        """
        self.check_shape(shape)
        yield path, self, shape, self.output_shape(shape)

    def parameters(self):
        """{path: array} of all parameters, such as ``4a/3x3/w``. The arrays themselves, not copies."""
        return self._gather("params")

    def gradients(self):
        """{path: array} of all gradients, keyed like ``parameters()``."""
        return self._gather("grads")

    def state(self):
        """{path: array} of the buffers (running statistics)."""
        return self._gather("buffers")

    def _gather(self, kind):
        return {f"{path}/{name}".lstrip("/"): array
                for path, layer in self.walk() for name, array in getattr(layer, kind).items()}

    def zero_grads(self):
        """Set every gradient to zero, before the next backward adds to them."""
        for gradient in self.gradients().values():
            gradient[...] = 0

    def astype(self, dtype):
        """Turn all parameters, gradients and buffers into ``dtype``, in place. Returns self."""
        for _, layer in self.walk():
            for arrays in (layer.params, layer.grads, layer.buffers):
                arrays.update({name: array.astype(dtype) for name, array in arrays.items()})
        return self

    # -- errors in time ---------------------------------------------------------------------------------------------

    def check_shape(self, shape):
        """Raise ShapeError unless a picture of ``shape`` may enter."""
        if len(shape) != len(self.expects) or any(isinstance(want, int) and want != have
                                                  for want, have in zip(self.expects, shape, strict=True)):
            raise ShapeError(f"{self.describe()} got {_tuple(shape)}, expected {_tuple(self.expects)}")

    def check(self, x):
        """Raise ShapeError unless x is a batch that this layer takes, of the dtype of its parameters."""
        fits = x.ndim == len(self.expects) + 1 and all(
            not isinstance(want, int) or want == have for want, have in zip(self.expects, x.shape[1:], strict=True))
        dtype = next(iter(self.params.values())).dtype if self.params else x.dtype
        if not fits or x.dtype != dtype or x.dtype.kind != "f":
            wanted = dtype if dtype.kind == "f" else "float32 or float64"
            raise ShapeError(f"{self.describe()} got {x.dtype} {_tuple(x.shape)}, "
                             f"expected {wanted} {_tuple(('N', *self.expects))}")

    def check_gradient(self, dy, x_shape):
        """Raise ShapeError unless dy has the shape of the output that x of ``x_shape`` gives."""
        wanted = (x_shape[0], *self.output_shape(x_shape[1:]))
        if dy.shape != wanted:
            raise ShapeError(f"{self.describe()} got dy {_tuple(dy.shape)}, expected {_tuple(wanted)}")

    def describe(self):
        """The layer in a few words, as tables and errors print it."""
        return type(self).__name__

    def __repr__(self):
        return f"<{self.describe()}>"


def _tuple(shape):
    return "(" + ", ".join(str(n) for n in shape) + ("," if len(shape) == 1 else "") + ")"
