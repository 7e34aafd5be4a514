"""The tasks of a network, one after the other in a table, for threads that execute them without Python.

Between two kernels Python takes 10 µs or more, in which no other thread can run Python, and a thread that waits for
another in Python sleeps: it takes 50 µs to wake up. The convolutions of a single image take as long as that. So a
network that predicts becomes a table of tasks (``engine/plan.py``), and one call executes it.

Every thread takes the next task of the table, and waits until a counter shows that the tasks are done whose output it
reads. Those are above it in the table, so some thread has taken them already: threads never wait for each other in a
circle, however few they are, and one that comes late finds less to do.

Imported only if numba is used.
"""

from typing import Any

import numpy as np
from numba import carray, types
from numpy.typing import DTypeLike, NDArray

from .avg_pool import _avg_pool
from .conv_forward import _columns, _pointwise, _winograd
from .gemm import ADD, RELU
from .jit import inlined, njit
from .lrn import _lrn
from .max_pool import _max_pool
from .plan_llvm import add, caller, machine_code, pointer, read

POINTWISE, COLUMNS, WINOGRAD, MAX_POOL, AVG_POOL, LRN, DENSE = range(7)  # kinds of tasks

#: A task: a part of a layer.
TASK = np.dtype([(name, np.int64) for name in (
    "kind",
    "waits", "target",          # the counter to wait for, and for which value
    "signals",                  # the counter to add 1 to when the task is done
    "x", "N", "H", "W", "C",    # the index of the input in the memory, or -1: the images; its shape
    "y", "OH", "OW", "Y",       # the index of the output in the memory, its height and width, and all its channels
    "offset",                   # the first channel to write
    "F", "u", "values",         # filters; the address of the packed matrix, or matrices, and the number of values
    "shift",                    # the address of F shifts
    "KH", "KW", "SH", "SW", "PH", "PW",  # kernel, stride and padding; LRN's window is KH
    "first", "last",            # which part: lines of the output, of tiles (Winograd), pixels (1×1), images
)] + [(name, np.float64) for name in ("alpha", "beta", "k")])  # LRN's

PATIENCE = 200_000  # looks at a counter, a fraction of a millisecond, until Python lets other programs run


def arguments(dtype: types.Type) -> dict[Any, tuple]:
    """{kernel: the types of its arguments} for activations of ``dtype``."""
    flat, image, lines = (types.Array(dtype, axes, "C", readonly=True) for axes in (1, 3, 4))
    y, y_image, y_lines = (types.Array(dtype, axes, "C") for axes in (1, 3, 4))
    i, sums = types.int64, types.Array(types.float64, 2, "C")
    return {
        _pointwise: (flat, y, i, i, y, *[i] * 4, y, i, sums),
        _columns: (image, y, i, i, y, *[i] * 12, y, i, sums),
        _winograd: (image, y, i, y_image, *[i] * 10, y, i, sums),
        _max_pool: (image, y_image, *[i] * 11),
        _avg_pool: (lines, y_lines, *[i] * 6),
        _lrn: (image, y_image, i, dtype, dtype, dtype),
    }


def kernels(dtype: DTypeLike) -> NDArray:
    """The addresses of the kernels for ``execute``, compiled for this dtype if they are not yet."""
    from numba import from_dtype
    return np.array([machine_code(*item) for item in arguments(from_dtype(np.dtype(dtype))).items()])


_call_pointwise, _call_columns, _call_winograd, _call_max_pool, _call_avg_pool, _call_lrn = (
    caller(kernel, arguments) for kernel in (_pointwise, _columns, _winograd, _max_pool, _avg_pool, _lrn))


@njit
def execute(tasks: NDArray, kernels: NDArray, counters: NDArray, mine: NDArray, images: NDArray, readable: NDArray,
            memory: NDArray, sums: NDArray) -> None:
    """Execute tasks until none is left, or until there was nothing but waiting for a while.

    tasks     records of type TASK
    kernels   what the function ``kernels`` returns
    counters  (n,) int64, zeros at first, shared by the threads; the first is the number of tasks taken
    mine      (1,): the task that this thread has taken but not executed, or -1; written
    images    the input, flat
    readable  the memory, read-only
    memory    for all activations, flat, written
    sums      (2, 0): convolutions compute no sums
    """
    task = mine[0]
    while True:
        if task < 0:
            task = add(counters, 0, 1)
        if task >= len(tasks):
            mine[0] = -1
            return
        t, patience = tasks[task], PATIENCE
        while read(counters, t["waits"]) < t["target"]:
            patience -= 1
            if patience < 0:
                mine[0] = task
                return
        _task(t, kernels, images, readable, memory, sums)
        add(counters, t["signals"], 1)
        task = -1


@inlined
def _task(t, kernels, images, readable, memory, sums):
    kind, C, F, Y, offset, first, last = t["kind"], t["C"], t["F"], t["Y"], t["offset"], t["first"], t["last"]
    N, H, W, OH, OW = t["N"], t["H"], t["W"], t["OH"], t["OW"]
    KH, KW, SH, SW, PH, PW = t["KH"], t["KW"], t["SH"], t["SW"], t["PH"], t["PW"]
    x = images if t["x"] < 0 else readable[t["x"]:t["x"] + N * H * W * C]
    y = memory[t["y"]:t["y"] + N * OH * OW * Y]
    if kind == MAX_POOL:
        _call_max_pool(kernels[3], (x.reshape(N, H, W * C), y.reshape(N, OH, OW * Y), C, Y, offset, KH, KW, SH, SW, PH,
                                    PW, first, last))
    elif kind == AVG_POOL:
        _call_avg_pool(kernels[4], (x.reshape(N, H, W, C)[first:last], y.reshape(N, OH, OW, C)[first:last], KH, KW,
                                    SH, SW, PH, PW))
    elif kind == LRN:
        _call_lrn(kernels[5], (x.reshape(N * H, W, C)[first:last], y.reshape(N * H, W, C)[first:last], KH,
                               t["alpha"], t["beta"], t["k"]))
    else:
        u, shift = carray(pointer(t["u"], memory), (t["values"],)), carray(pointer(t["shift"], memory), (F,))
        mode = RELU
        if kind == DENSE:
            mode = ADD
            for n in range(N):
                for f in range(F):
                    y[n * Y + offset + f] = shift[f]
        if kind == COLUMNS:
            _call_columns(kernels[1], (x.reshape(N, H, W * C), u, C, F, y, Y, OH, OW, KH, KW, SH, SW, PH, PW, first,
                                       last, offset, shift, mode, sums))
        elif kind == WINOGRAD:
            m = 7 - KH
            _call_winograd(kernels[2], (x.reshape(N, H, W * C), u, C, y.reshape(N, OH, OW * Y), Y, -(-OH // m),
                                        -(-OW // m), PH, m, first, last, 0, F, offset, shift, mode, sums))
        else:
            _call_pointwise(kernels[0], (x, u, C, F, y, Y, first, last, offset, shift, mode, sums))
