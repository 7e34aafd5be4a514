"""Layers that train as programs: the contract of ``layers/base.py``, in a few passes over memory. Inception modules are
in ``concat.py``."""

from collections.abc import Callable, Container, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..errors import ShapeError
from ..kernels import plan_ops as kinds
from ..kernels.memory import empty
from ..kernels.threads import blas_on_one_thread
from ..layers import Array, BatchNorm, Conv, Layer, MaxPool, Shape
from ..layers.containers import call
from .fused_conv import FusedConv, Target
from .passes import Backward, backward_pass, forward_pass
from .plan import window
from .program import DX, DY, KEPT, Program, Value, X, op

MOST = 8  # records of a chain: batches of so many shapes
LARGE = 100_000  # weights of a convolution, of which each chunk's part of the gradient does not stay in the cache


class Recorded(Layer):
    """A layer that is recorded. It does not run by itself: it is part of a chain."""

    fused: list[FusedConv]
    norms: list[int]        # channels of each pass that waits for batch norm's sums

    def record(self, to: Program, x: Value, train: bool) -> tuple[Value, Any]:
        """Record forward: (y, what backward needs to know). Raises ShapeError where x does not fit."""
        raise NotImplementedError

    def record_backward(self, to: Program, dy: Value, state: Any, dx: Value | None) -> None:
        """Record backward. Writes dx, or leaves it out; adds the gradients of parameters."""
        raise NotImplementedError


class FusedUnit(Recorded):
    """Convolution, batch norm or bias, ReLU."""

    def __init__(self, conv: Conv, bn: BatchNorm | None) -> None:
        super().__init__()
        self.conv, self.bn, self.expects = conv, bn, conv.expects
        self.one = FusedConv([self])
        self.fused, self.norms = [self.one], [conv.F] if bn else []

    def output_shape(self, shape: Shape) -> Shape:
        return self.conv.output_shape(shape)

    def record(self, to: Program, x: Value, train: bool) -> tuple[Value, Any]:
        to.check(self.conv, x)
        y = to.keep((x.shape[0], *self.output_shape(x.shape[1:])))
        state = self.one.state(to, x, [Target(y)])
        forward_pass(to, [(self.one, state)], train)
        return y, state

    def record_backward(self, to: Program, dy: Value, state: Any, dx: Value | None) -> None:
        backward_pass(to, [Backward(self.one, state, [Target(dy)], dx, True)])


class FusedPool(Recorded):
    """A max pool."""

    def __init__(self, layer: MaxPool) -> None:
        super().__init__()
        self.pool, self.expects, self.fused, self.norms = layer, layer.expects, [], []

    def output_shape(self, shape: Shape) -> Shape:
        return self.pool.output_shape(shape)

    def record(self, to: Program, x: Value, train: bool) -> tuple[Value, Any]:
        to.check(self.pool, x)
        y = to.keep((x.shape[0], *self.output_shape(x.shape[1:])))
        pool(to, self.pool, x, y)
        return y, (x, y)

    def record_backward(self, to: Program, dy: Value, state: Any, dx: Value | None) -> None:
        if dx:
            x, y = state
            unpool(to, self.pool, x, y, dy, dx, fresh=True)


def pool(to: Program, layer: MaxPool, x: Value, y: Value) -> None:
    """Record a max pool of x into y."""
    (N, H, W, C), (_, OH, OW, _) = x.shape, y.shape
    to.each((N, H, W), op(kinds.MAX_POOL, x=x, y=y, N=N, H=H, W=W, C=C, OH=OH, OW=OW, Y=C, per=OH, **window(layer)))


def unpool(to: Program, layer: MaxPool, x: Value, y: Value, dy: Value, dx: Value, fresh: bool) -> None:
    """Record the gradient of ``pool``: added into dx, or written where that is ``fresh`` memory."""
    (N, H, W, C), (_, OH, OW, _) = x.shape, y.shape
    to.each((N, H, W), op(kinds.MAX_POOL_BACKWARD, x=x, y=y, dy=dy, dx=dx, fresh=fresh, N=N, H=H, W=W, C=C, OH=OH,
                          OW=OW, Y=C, **window(layer)))


class Record(NamedTuple):
    """The programs of a chain for batches of one shape and dtype; its output, and how to record backward."""

    forward: Program
    y: Value
    backward: Callable[[], Program]


class Chain(Layer):
    """Layers, one after the other, that run as one program. The cache is x, what forward keeps, and the programs.

    It goes by the name of its last layer in the network, so that a head that reads the output of that finds it.
    """

    def __init__(self, layers: dict[str, Recorded]) -> None:
        super().__init__()
        self.layers, self.input_gradient = layers, True
        self.expects = next(iter(layers.values())).expects
        self.norms = [width for layer in layers.values() for width in layer.norms]
        self.fused = [one for layer in layers.values() for one in layer.fused]
        self.records: dict[Any, Record] = {}

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"records": {}}  # a copy has other arrays

    def output_shape(self, shape: Shape) -> Shape:
        for name, layer in self.layers.items():
            shape = call(name, layer.output_shape, shape)
        return shape

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        x = np.require(x, requirements=["C", "A"])
        key = x.shape, x.dtype, train, *(
            (bn.eps, bn.momentum, bn.all_reduce) for one in self.fused for bn in one.bns)
        record = self.records.get(key)
        if record is None or not record.forward.fits():
            record = self.record(x.shape, x.dtype, train)
        if record is not next(reversed(self.records.values()), None):  # the last one is the one used last
            others = [item for item in self.records.items() if item[0] != key]
            self.records = dict([*others[1 - MOST:], (key, record)])
        kept = empty((record.forward.sizes[KEPT],), np.uint8)
        record.forward.run({X: x, KEPT: kept})
        y = record.y
        return kept[y.at:y.at + y.nbytes].view(x.dtype).reshape(y.shape), (x, kept, record)

    def backward(self, dy: Array, cache: Any) -> Array:
        x, kept, record = cache
        if dy.shape != record.y.shape:
            raise ShapeError(f"got dy {dy.shape}, expected {record.y.shape}")
        dy = np.require(dy, x.dtype, ["C", "A"])
        dx = empty(x.shape, x.dtype) if self.input_gradient else None
        record.backward().run({X: x, DY: dy, KEPT: kept} | ({} if dx is None else {DX: dx}))
        return dx  # type: ignore[return-value]  # None: nobody asks for it

    def predict(self, x: Array) -> Array:
        return self.forward(x)[0].copy()  # or it would keep all that only backward needs

    def record(self, shape: Shape, dtype: np.dtype, train: bool) -> Record:
        """Record the chain for batches of a shape. Raises ShapeError where that does not fit."""
        large = any(conv.params["w"].size > LARGE for one in self.fused for conv in one.convs)
        forward = Program(dtype, large)
        value, steps = Value(X, 0, shape, dtype), []
        for name, layer in self.layers.items():
            y, state = call_inside(name, layer.record, forward, value, train)
            steps.append((name, layer, value, state))
            value = y
        programs: list[Program] = []

        def backward() -> Program:
            if not (programs and programs[0].fits()):  # the gradients may be others than in the last pass
                to, dy = Program(dtype, large), Value(DY, 0, value.shape, dtype)
                to.constants += forward.constants  # of the states
                for k, (name, layer, x, state) in reversed([*enumerate(steps)]):
                    dx = to.temporary(x.shape) if k else Value(DX, 0, shape, dtype) if self.input_gradient else None
                    call_inside(name, layer.record_backward, to, dy, state, dx)
                    to.free(dy)
                    dy = dx  # type: ignore[assignment]  # None for the first layer only
                programs[:] = [to.finish()]
            return programs[0]

        return Record(forward.finish(), value, backward)


def call_inside(name: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """As ``call``, for a layer of a chain."""
    try:
        return call(name, function, *arguments)
    except ShapeError as error:
        raise InsideAChain(error) from None


class InsideAChain(ShapeError):
    """An error of one of a chain's layers. The path names that layer, and not the chain."""

    def __init__(self, error: ShapeError) -> None:
        super().__init__(error.args[0])
        self.path, self.named = error.path, False

    def inside(self, name: str) -> ShapeError:
        self.named, first = True, not self.named
        return self if first else super().inside(name)


def chained(layers: dict[str, Layer], ends: Container[str] = ()) -> dict[str, Layer]:
    """The layers of a sequence, with a chain in place of those that are recorded and follow each other. Chains end at
    the layers ``ends``."""
    found: dict[str, Layer] = {}
    chain: dict[str, Recorded] = {}
    for name, layer in layers.items():
        if isinstance(layer, Recorded):
            chain[name] = layer
        if chain and (name in ends or not isinstance(layer, Recorded)):
            found[last(chain)], chain = Chain(chain), {}
        if not isinstance(layer, Recorded):
            found[name] = layer
    return found | ({last(chain): Chain(chain)} if chain else {})


def last(names: dict[str, Any]) -> str:
    return next(reversed(names))


class Compiled(Layer):
    """A compiled network: BLAS runs on one thread, because the network's own threads use all cores.

    ``net`` is what runs. Parameters, gradients and statistics are those of the network ``source`` that it stands for.
    """

    def __init__(self, source: Layer, net: Layer) -> None:
        super().__init__()
        self.source, self.net, self.children = source, net, net.children

    def walk(self, path: str = "") -> Iterator[tuple[str, Layer]]:
        return self.source.walk(path)

    def output_shape(self, shape: Shape) -> Shape:
        return self.net.output_shape(shape)

    @blas_on_one_thread()
    def forward(self, x: Array, train: bool = False) -> tuple[Any, Any]:
        return self.net.forward(x, train)

    @blas_on_one_thread()
    def backward(self, dy: Any, cache: Any) -> Array:
        return self.net.backward(dy, cache)

    @blas_on_one_thread()
    def predict(self, x: Array) -> Array:
        return self.net.predict(x)
