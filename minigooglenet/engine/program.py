"""A pass through layers that train, recorded once as a table of tasks for ``kernels/plan.py``, and run for every batch.

The tasks are in stages: those of a stage may run in parallel, and a stage begins when the one before it is done. A
stage takes every chunk of the batch through all operations that need no more than that chunk, while it is in the cache.
It ends where something needs the whole batch, such as batch norm's sums.

Nothing is kept from one batch to the next but the table. Its arrays are *values*: a place in one of a few blocks of
memory, whose addresses are filled in for every pass.
"""

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from ..errors import ShapeError
from ..kernels import plan
from ..kernels.fused import UNIT
from ..kernels.memory import LINE, empty
from ..kernels.plan_ops import ARRAYS, OP
from ..kernels.threads import chunks, inside_a_task, threads
from ..layers import Array, Layer, Shape
from .plan import array_of

# The blocks of memory: anywhere; the batch, the gradient of its output and of itself; what forward keeps for backward;
# filters, prepared before all else; what else is needed during the pass only. After these the parameters, each an array
# of its own.
ANYWHERE, X, DY, DX, KEPT, FILTERS, TEMPORARY, PARAMETERS = range(8)

UNIT_ARRAYS = "y", "z", "scale", "shift", "b", "c"


class Value(NamedTuple):
    """An array of a program: its block of memory, the byte there where it begins, its shape and dtype."""

    block: int
    at: int
    shape: Shape
    dtype: np.dtype

    def part(self, k: int) -> "Value":
        """The k-th part along the first axis."""
        return Value(self.block, self.at + k * self.nbytes // self.shape[0], self.shape[1:], self.dtype)

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


Function = Callable[[Callable[[Value], Array]], None]  # takes a function that returns a value as an array
Op = dict[str, Any]  # fields of an operation (OP); of its units, a list of records (UNIT)


def op(kind: int, **fields: Any) -> Op:
    """An operation. Its arrays are Values."""
    return {"kind": kind, "per": 1} | fields


class Work(NamedTuple):
    """Operations, one after the other, for each of several parts: (first, last, number)."""

    ops: list[Op]
    parts: list[tuple[int, int, int]]


class Parameter(NamedTuple):
    """An array of a layer, params, grads or buffers, its form, and whether the pass writes into it."""

    layer: Layer
    kind: str
    name: str
    form: tuple[Shape, np.dtype, bool]
    written: bool


class Program:
    """A pass through layers, for batches of one shape and dtype: recorded, then ``finish``ed, then run many times.

    ``large`` filters need large chunks: each reads the filters, and writes a gradient as large.
    """

    def __init__(self, dtype: DTypeLike, large: bool = False) -> None:
        self.dtype = np.dtype(dtype)
        self.least, self.most = (512, 4096) if large else (128, 1024)  # pixels of a chunk
        self.stages: list[list[Work] | Function] = [[]]  # the first prepares filters
        self.recorded: list[Op] = []  # for every chunk of the cut, not in a stage yet
        self.cut: list[slice] = []
        self.direction = 1
        self.due: list[tuple[Work, list[Value]]] = []  # for the stage that is being recorded, and what is free after it
        self.later: list[tuple[Work, list[Value]]] = []  # for the stage after that
        self.freed: set[Value] = set()  # when the next stage is recorded
        self.used: list[tuple[int, int]] = []  # of the temporary memory
        self.sizes = {KEPT: 0, FILTERS: 0, TEMPORARY: 0}
        self.constants: list[Array] = []
        self.parameters: list[Parameter] = []
        #: The parameters of the last pass; their addresses; which of them kernels cannot use where they are.
        self.found: tuple[list[Array], list[int], list[int]] = [], [], []

    # -- memory -----------------------------------------------------------------------------------------------------

    def keep(self, shape: Shape, dtype: DTypeLike | None = None, block: int = KEPT) -> Value:
        """A new array that the backward pass finds as well; or one of another block that is never used again."""
        value = Value(block, self.sizes[block], shape, np.dtype(dtype or self.dtype))
        self.sizes[block] += room(value)
        return value

    def temporary(self, shape: Shape, dtype: DTypeLike | None = None) -> Value:
        """A new array that is needed until ``free``, or until the pass ends."""
        value, at = Value(TEMPORARY, 0, shape, np.dtype(dtype or self.dtype)), 0
        for start, end in sorted(self.used):  # the first gap that is large enough
            if start - at >= room(value):
                break
            at = max(at, end)
        self.used.append((at, at + room(value)))
        self.sizes[TEMPORARY] = max(self.sizes[TEMPORARY], at + room(value))
        return value._replace(at=at)

    def free(self, *values: Value) -> None:
        """What follows from the next stage on may use the memory of these values again."""
        self.freed |= {value for value in values if value.block == TEMPORARY}

    def constant(self, array: Array) -> Value:
        """An array that never changes."""
        self.constants.append(array)
        return Value(ANYWHERE, array.ctypes.data, array.shape, array.dtype)

    def parameter(self, layer: Layer, kind: str, name: str, shape: Shape, written: bool = False) -> Value:
        """As ``array_of``. Raises ShapeError, too, if it is to be ``written`` and cannot be."""
        array = array_of(layer, kind, name, shape)
        if written and not array.flags.writeable:
            raise ShapeError(f'{layer.describe()}: {kind}["{name}"] is read-only, expected an array to write into')
        self.parameters.append(Parameter(layer, kind, name, form(array), written))
        return Value(PARAMETERS + len(self.parameters) - 1, 0, shape, self.dtype)

    def check(self, layer: Layer, x: Value) -> None:
        """Raise ShapeError unless the layer takes the array."""
        layer.check(np.broadcast_to(np.empty((), self.dtype), x.shape))

    # -- recording --------------------------------------------------------------------------------------------------

    def prepare(self, *ops: Op, last: int = 1) -> None:
        """Do this before all else, with the range 0 … ``last``."""
        self.stages[0].append(Work(list(ops), [(0, last, 0)]))  # type: ignore[union-attr]

    def chunks(self, N: int, H: int, W: int) -> list[slice]:
        """N images of H×W pixels in chunks of one size, but for the last, which is smaller if N is no multiple: few
        enough to stay in the cache, at least four but none too small. Never depends on the number of threads."""
        most = max(1, min(self.most // (H * W), max(-(-N // 4), self.least // (H * W))))
        return chunks(N, -(-N // max(1, -(-N // most))))

    def each(self, shape: tuple[int, int, int], *ops: Op) -> None:
        """Do this to every chunk of images (N, H, W), after all that was to be done to the chunk before."""
        cut = self.chunks(*shape)
        if self.cut != cut:
            self.close()
        self.cut = cut
        self.recorded += ops

    def then(self, *ops: Op) -> None:
        """Do this when all chunks are done, each in parallel with the others."""
        self.close()
        self.stages.append([Work([one], [(0, 1, 0)]) for one in ops])

    def meanwhile(self, one: Op, total: int, parts: int, *free: Value) -> None:
        """Do this in parallel with the next stage, in parts of a range 0 … ``total``; values that are free after it."""
        ends = [total * k // parts for k in range(parts + 1)]
        self.later.append((Work([one], [(*ends[k:k + 2], k) for k in range(parts)]), list(free)))  # type: ignore[misc]

    def pause(self, function: Function) -> None:
        """Call a Python function when all is done that was recorded so far."""
        self.close()
        self.stages.append(function)

    def close(self) -> None:
        """End a stage."""
        if self.recorded:
            cut = [(chunk.start, chunk.stop, k) for k, chunk in enumerate(self.cut)]
            self.direction = -self.direction  # so a stage begins with the chunks that are still in the cache
            stage = [Work(self.recorded, cut[::self.direction])]
            due, self.due, self.later, self.recorded = self.due, self.later, [], []
            self.stages.append(stage + [work for work, _ in due])
            for value in self.freed | {value for _, values in due for value in values}:
                self.used.remove((value.at, value.at + room(value)))
            self.freed = set()

    def finish(self) -> "Program":
        """Make the tables. Nothing can be recorded any more."""
        self.close()
        self.stages += [[work for work, _ in self.due + self.later], nothing]
        ops: list[Op] = []
        units: list[dict[str, Any]] = []
        tasks: list[tuple] = []
        self.pieces: list[tuple[int, int, Function]] = []  # tasks, and what is called after them
        self.counters, self.width = [0, 0], 1  # how far they count; 0: tasks taken, 1: nothing, then one for each stage
        first, counter = 0, 1
        for stage in self.stages:
            if callable(stage):
                self.pieces.append((first, len(tasks), stage))
                first, counter = len(tasks), 1
                continue
            rows = []
            for work in stage:
                rows += [(len(ops), len(ops) + len(work.ops), *part) for part in work.parts]
                for one in work.ops:
                    of_op = one.pop("of", ())
                    ops.append(one | {"unit": len(units), "units": len(of_op)})
                    units += of_op
            if rows:
                tasks += [(*row, counter, self.counters[counter], len(self.counters)) for row in rows]
                counter, self.width = len(self.counters), max(self.width, len(rows))
                self.counters.append(len(rows))
        self.tasks, self.kernels = np.array(tasks, plan.TASK), plan.addresses(self.dtype, {one["kind"] for one in ops})
        self.ops, self.units = Table(ops, OP, ARRAYS), Table(units, UNIT, UNIT_ARRAYS)
        self.stages = []
        self.fits()
        return self

    # -- running ----------------------------------------------------------------------------------------------------

    def fits(self) -> bool:
        """Whether the parameters have the form of when this was recorded; if so, notes where they are now."""
        arrays = [getattr(one.layer, one.kind)[one.name] for one in self.parameters]
        if len(arrays) != len(self.found[0]) or not all(map(operator.is_, arrays, self.found[0])):
            if [form(array) for array in arrays] != [one.form for one in self.parameters]:
                return False
            self.found = arrays, [array.ctypes.data for array in arrays], [
                k for k, array in enumerate(arrays)
                if not (array.dtype == self.dtype and array.flags.c_contiguous and array.flags.aligned)]
        return True

    def run(self, given: Mapping[int, Array]) -> None:
        """Run the pass with these blocks of memory, and the parameters as ``fits`` found them."""
        arrays, own, unusable = self.found
        blocks = {k: empty((self.sizes[k],), np.uint8) for k in (FILTERS, TEMPORARY)} | dict(given)
        places = [0, *(blocks[k].ctypes.data if k in blocks else 0 for k in range(X, PARAMETERS)), *own]
        copies = {id(arrays[k]): arrays[k].astype(self.dtype, order="C") for k in unusable}  # one for each array
        for k in unusable:
            places[PARAMETERS + k] = copies[id(arrays[k])].ctypes.data
        addresses = np.array(places)
        ops, units = self.ops.at(addresses), self.units.at(addresses)

        def view(value: Value) -> Array:
            return blocks[value.block][value.at:value.at + value.nbytes].view(value.dtype).reshape(value.shape)

        for first, last, then in self.pieces:
            plan.run(ops, units, self.tasks[first:last], self.kernels, len(self.counters), self.dtype,
                     1 if inside_a_task() else min(threads(), self.width), (self, blocks, arrays, copies))
            then(view)
        for k in unusable:
            if self.parameters[k].written:
                arrays[k][...] = copies[id(arrays[k])]


def form(array: Array) -> tuple[Shape, np.dtype, bool]:
    """What a recorded pass relies on: shape and dtype, and whether the array can be written."""
    return array.shape, array.dtype, array.flags.writeable


def nothing(view: Callable[[Value], Array]) -> None:
    """What is called at the end of a pass."""


def room(value: Value) -> int:
    """The bytes from a value to the next: cache lines, and a few more. The sizes of most arrays are multiples of 4 KB,
    and a processor takes a load for one of what was just stored if the two places are a multiple of 4 KB apart."""
    return (-(-value.nbytes // LINE) + 5) * LINE


class Table:
    """Records with arrays, which are given as Values."""

    def __init__(self, rows: list[dict[str, Any]], dtype: np.dtype, arrays: tuple[str, ...]) -> None:
        self.records, self.names = np.zeros(len(rows), dtype), arrays
        self.blocks = np.zeros((len(rows), len(arrays)), int)
        for record, blocks, row in zip(self.records, self.blocks, rows, strict=True):
            for name, value in row.items():
                if isinstance(value, Value):
                    blocks[arrays.index(name)] = value.block
                    value = value.at
                record[name] = value

    def at(self, addresses: Array) -> Array:
        """The records, where the blocks of memory are at these addresses."""
        records = self.records.copy()
        for k, name in enumerate(self.names):
            records[name] += addresses[self.blocks[:, k]]
        return records
