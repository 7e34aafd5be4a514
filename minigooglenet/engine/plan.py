"""Layers that predict, as a table of tasks for ``kernels/plan.py``.

A task computes a part of a layer's output; threads may execute the tasks of a layer in parallel. All activations are in
one array, the memory. The outputs of the layers take turns in two regions of it, since each layer reads only that of
the one before. What an inception module computes on the way is in a third.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from ..errors import ShapeError
from ..kernels import plan
from ..kernels import plan_ops as kinds
from ..kernels.fused import UNIT
from ..kernels.geometry import Pair
from ..kernels.memory import LINE, empty
from ..kernels.threads import threads
from ..layers import LRN, Array, AvgPool, Dropout, GlobalAvgPool, Layer, MaxPool, Shape
from ..layers.containers import call
from .known import replaces

EVEN, ODD, INSIDE = range(3)  # the regions of the memory: outputs of every second layer; inside a module
PARTS = 4                     # of a pool or of a normalization
OF_TASK = plan.TASK.names or ()


class Value(NamedTuple):
    """An activation: its region of the memory (None: the images) and where it begins there; its shape, with the batch;
    the counter that shows that it is there."""

    region: int | None
    at: int
    shape: Shape
    counter: int


def cut(n: int, parts: int, unit: int = 1) -> list[Pair]:
    """0 … n in ``parts`` ranges, or fewer, of about equal length, which begin at multiples of ``unit``."""
    units = -(-n // unit)
    parts = max(1, min(parts, units))
    ends = [min(n, units * k // parts * unit) for k in range(parts + 1)]
    return list(zip(ends, ends[1:], strict=False))


def ranges(n: int, parts: int, unit: int = 1) -> list[dict[str, int]]:
    """``cut``, as fields of tasks."""
    return [{"first": first, "last": last} for first, last in cut(n, parts, unit)]


def window(layer: Any) -> dict[str, int]:
    """The window of a convolution or a pool, as fields of tasks."""
    return dict(zip(("KH", "KW", "SH", "SW", "PH", "PW"), (*layer.kernel, *layer.stride, *layer.pad), strict=True))


def array_of(layer: Layer, kind: str, name: str, shape: Shape) -> Array:
    """An array of a layer: ``kind`` is params, grads or buffers. Raises ShapeError unless it has this shape: nothing
    else keeps kernels from reading and writing past it."""
    array = getattr(layer, kind)[name]
    if array.shape != shape:
        raise ShapeError(f'{layer.describe()}: {kind}["{name}"] is {array.shape}, expected {shape}')
    return array


class Plan:
    """The tasks of some layers, one after the other, for a batch of one shape; ``parallel`` for several threads.

    Raises ShapeError, naming the layer, where the shape does not fit.
    """

    def __init__(self, layers: Mapping[str, Layer], shape: Shape, dtype: DTypeLike, parallel: bool) -> None:
        self.dtype, self.parallel, self.sizes = np.dtype(dtype), parallel, [0, 0, 0]
        self.totals = [0, 0]  # how far each counter counts; counter 0: tasks taken, 1: nothing to wait for
        self.rows: list[dict[str, Any]] = []
        self.kept: list[Array] = []  # arrays whose addresses the tasks have
        x, region = Value(None, 0, shape, 1), EVEN
        for name, layer in layers.items():
            call(name, self.check, layer, x)
            if not isinstance(layer, Dropout):
                y = self.value((shape[0], *call(name, layer.output_shape, x.shape[1:])), region)
                call(name, add_layer, self, layer, x, y)
                x, region = y, ODD if region == EVEN else EVEN
        self.finish(x)

    def check(self, layer: Layer, x: Value) -> None:
        """Raise ShapeError unless the layer takes the activation."""
        layer.check(np.broadcast_to(np.empty((), self.dtype), x.shape))

    def value(self, shape: Shape, region: int, at: int = 0) -> Value:
        """A new activation, with a counter of its own."""
        self.totals.append(0)
        y = Value(region, at, shape, len(self.totals) - 1)
        self.sizes[region] = max(self.sizes[region], end(y))
        return y

    def add(self, kind: int, x: Value, y: Value, parts: Iterable[Mapping[str, Any]], **fields: Any) -> None:
        """Add tasks that read x and write into y, one for each of ``parts``; all have the other ``fields``."""
        (N, H, W, C), (_, OH, OW, Y) = as_maps(x.shape), as_maps(y.shape)
        for part in parts:
            self.totals[y.counter] += 1
            self.rows.append({"kind": kind, "per": 1, "waits": x.counter, "signals": y.counter, "x": x, "N": N, "H": H,
                              "W": W, "C": C, "y": y, "OH": OH, "OW": OW, "Y": Y} | fields | dict(part))

    def finish(self, y: Value) -> None:
        """Make the tables of the rows: an operation and a task for each. y is the output."""
        starts = np.cumsum([0, *self.sizes]) * self.dtype.itemsize
        self.ops, self.tasks = np.zeros(len(self.rows), kinds.OP), np.zeros(len(self.rows), plan.TASK)
        self.of_images = {name: [row[name].region is None for row in self.rows] for name in ("x", "y")}
        for k, (op, task, row) in enumerate(zip(self.ops, self.tasks, self.rows, strict=True)):
            task["first_op"], task["last_op"], task["target"] = k, k + 1, self.totals[row["waits"]]
            for name, value in row.items():
                if isinstance(value, Value):
                    value = 0 if value.region is None else int(starts[value.region]) + value.at * self.dtype.itemsize
                (task if name in OF_TASK else op)[name] = value
        self.kernels = plan.addresses(self.dtype, {row["kind"] for row in self.rows})
        self.size, self.shape = int(starts[-1]), y.shape
        self.start = -1 if y.region is None else int(starts[y.region]) + y.at * self.dtype.itemsize
        del self.rows

    def run(self, x: Array) -> Array:
        """The output for the images x, of the plan's shape and dtype."""
        if self.start < 0:
            return x
        images, memory = np.ascontiguousarray(x), empty((self.size,), np.uint8)
        ops = self.ops.copy()
        for name, of_images in self.of_images.items():
            ops[name] += np.where(of_images, images.ctypes.data, memory.ctypes.data)
        plan.run(ops, np.empty(0, UNIT), self.tasks, self.kernels, len(self.totals), self.dtype,
                 threads() if self.parallel else 1, (self, images, memory))
        size = int(np.prod(self.shape)) * self.dtype.itemsize
        return memory[self.start:self.start + size].view(self.dtype).reshape(self.shape).copy()


def end(value: Value) -> int:
    """Where an activation ends in its region, at a cache line."""
    return value.at + -(-int(np.prod(value.shape)) // LINE) * LINE


def as_maps(shape: Shape) -> Shape:
    """(N, H, W, C); of vectors (N, 1, 1, D)."""
    return shape if len(shape) == 4 else (shape[0], 1, 1, *shape[1:])


# -- layers -----------------------------------------------------------------------------------------------------------

#: Layers that need no preparation to be part of a plan.
AS_THEY_ARE = MaxPool, AvgPool, GlobalAvgPool, LRN, Dropout


def plannable(layer: Layer) -> bool:
    """Whether a layer can be part of a plan."""
    return hasattr(layer, "add_to") or any(replaces(layer, kind) for kind in AS_THEY_ARE)


def add_layer(to: Plan, layer: Any, x: Value, y: Value, offset: int = 0) -> None:
    """Add the tasks of a layer that reads x and writes the channels of y from ``offset`` on."""
    N, H, W, _ = as_maps(x.shape)
    parts = PARTS if to.parallel else 1
    if isinstance(layer, MaxPool):
        to.add(kinds.MAX_POOL, x, y, ranges(N * y.shape[1], parts), **window(layer), offset=offset)
    elif isinstance(layer, AvgPool):
        to.add(kinds.AVG_POOL, x, y, ranges(N, parts), **window(layer))
    elif isinstance(layer, GlobalAvgPool):
        to.add(kinds.AVG_POOL, x, y, ranges(N, parts), KH=H, KW=W, SH=1, SW=1)
    elif isinstance(layer, LRN):
        size, alpha, beta, k = layer.constants
        to.add(kinds.LRN, x, y, ranges(N * H, parts), KH=size, alpha=alpha / size, exponent=beta, k=k)
    else:
        layer.add_to(to, x, y, offset)
