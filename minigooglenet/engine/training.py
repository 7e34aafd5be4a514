"""Fused convolutions and pools that train: the contract of ``layers/base.py``, in a few passes over memory. Inception
modules are in ``concat.py``."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..kernels.max_pool import max_pool
from ..kernels.max_pool_backward import max_pool_backward
from ..kernels.memory import empty
from ..kernels.threads import blas_on_one_thread, in_parallel, one_thread
from ..layers import Array, BatchNorm, Conv, Layer, MaxPool, Shape
from .deferred import Deferred
from .fused_conv import FusedConv, chunk_size
from .passes import Backward, Forward, backward_pass, forward_pass

SMALL = 250_000_000  # multiply-adds of a forward pass


class Compiled(Layer):
    """A compiled network. Filters are prepared for all its fused convolutions in one call, and nothing is left
    deferred. One pass at a time: while it runs, filters and deferred work are kept here, and not in its cache."""

    def __init__(self, net: Layer, deferred: Deferred, macs: Callable[[Shape], int]) -> None:
        super().__init__()
        self.net, self.deferred, self.children = net, deferred, net.children
        self.count = macs
        self.macs_of: dict[Shape, int] = {}  # multiply-adds for an image of a shape, once counted
        self.fused = [one for _, layer in net.walk() for one in getattr(layer, "fused", ())]

    def output_shape(self, shape: Shape) -> Shape:
        return self.net.output_shape(shape)

    def forward(self, x: Array, train: bool = False) -> tuple[Any, Any]:
        small = self.small(x)
        y, cache = self.run(small, FusedConv.prepare_forward, self.net.forward, x, train)
        return y, (small, cache)

    def backward(self, dy: Any, cache: Any) -> Array:
        small, cache = cache
        return self.run(small, FusedConv.prepare_backward, self.net.backward, dy, cache)

    def predict(self, x: Array) -> Array:
        return self.run(self.small(x), FusedConv.prepare_forward, self.net.predict, x)

    def small(self, x: Array) -> bool:
        """Whether the batch is so small that one thread is faster: two would mostly wait for each other's Python."""
        shape = x.shape[1:]
        if shape not in self.macs_of:
            with contextlib.suppress(ShapeError):  # which forward raises with more words
                self.macs_of[shape] = self.count(shape)
        return 0 < len(x) * self.macs_of.get(shape, 0) < SMALL

    def run(self, small: bool, prepare: Callable, function: Callable, *arguments: Any) -> Any:
        with blas_on_one_thread(), one_thread() if small else contextlib.nullcontext():
            try:
                in_parallel([(prepare, one) for one in self.fused])
                result = function(*arguments)
                self.deferred.finish()
                return result
            finally:  # after an error too: what is left must not run in the next pass
                self.deferred.clear()
                for one in self.fused:
                    one.u = np.empty(0)


class AsWritten(Layer):
    """A layer as it is written, which knows nothing of deferred passes: what it reads must be there."""

    def __init__(self, layer: Layer, deferred: Deferred) -> None:
        super().__init__()
        self.layer, self.deferred = layer, deferred

    def walk(self, path: str = "") -> Iterator[tuple[str, Layer]]:
        return self.layer.walk(path)

    def check_shape(self, shape: Shape) -> None:
        self.layer.check_shape(shape)

    def output_shape(self, shape: Shape) -> Shape:
        return self.layer.output_shape(shape)

    def forward(self, x: Array, train: bool = False) -> tuple[Any, Any]:
        return self.between(self.layer.forward, x, train)

    def backward(self, dy: Any, cache: Any) -> Array:
        return self.between(self.layer.backward, dy, cache)

    def predict(self, x: Array) -> Array:
        return self.between(self.layer.predict, x)

    def between(self, function: Callable, *arguments: Any) -> Any:
        self.deferred.run()
        result = function(*arguments)
        self.deferred.run()  # layers inside may have deferred something
        return result


class DeferredLayer(Layer):
    """What the others share: they leave work deferred."""

    def __init__(self, deferred: Deferred) -> None:
        super().__init__()
        self.deferred = deferred

    def predict(self, x: Array) -> Array:
        y, _ = self.forward(x)
        self.deferred.run()  # or deferred work would keep alive what only backward needs
        return y


class FusedUnit(DeferredLayer):
    """Convolution, batch norm or bias, ReLU. The cache is the PassState and y."""

    def __init__(self, conv: Conv, bn: BatchNorm | None, deferred: Deferred) -> None:
        super().__init__(deferred)
        self.conv, self.bn = conv, bn
        self.one = FusedConv([self])
        self.fused, self.expects, self.input_gradient = [self.one], conv.expects, True
        self.norms = [conv.F] if bn else []  # channels of each pass that waits for batch norm's sums

    def output_shape(self, shape: Shape) -> Shape:
        return self.conv.output_shape(shape)

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        state = self.one.begin(x, train)
        y = empty((*state.shape, self.conv.F), x.dtype)
        forward_pass([Forward(self.one, state, [(y, 0)])], self.deferred)
        return y, (state, y)

    def backward(self, dy: Array, cache: Any) -> Array:
        state, y = cache
        dy = np.require(dy, state.x.dtype, ["C", "W"])
        dx = empty(state.x.shape, state.x.dtype) if self.input_gradient else None
        backward_pass([Backward(self.one, state, [(dy, 0)], [(y, 0)], dx, True)], self.deferred)
        return dx  # type: ignore[return-value]  # None: nobody asks for it


class DeferredMaxPool(DeferredLayer):
    """A max pool. The cache is (x, y)."""

    def __init__(self, pool: MaxPool, deferred: Deferred) -> None:
        super().__init__(deferred)
        self.pool, self.expects = pool, pool.expects

    def output_shape(self, shape: Shape) -> Shape:
        return self.pool.output_shape(shape)

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        self.pool.check(x)
        y = empty((len(x), *self.output_shape(x.shape[1:])), x.dtype)

        def pool(chunk: slice) -> None:
            max_pool(x[chunk], *self.pool.window, y=y[chunk])

        self.deferred.defer(pool, len(x), chunk_size(*x.shape[:3]))
        return y, (x, y)

    def backward(self, dy: Array, cache: Any) -> Array:
        x, y = cache
        self.pool.check_gradient(dy, x.shape)
        dx = empty(x.shape, x.dtype)

        def unpool(chunk: slice) -> None:
            max_pool_backward(dy[chunk], x[chunk], y[chunk], *self.pool.window, dx=dx[chunk], fresh=True)

        self.deferred.defer(unpool, len(x), chunk_size(*x.shape[:3]))
        return dx
