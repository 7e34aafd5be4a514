"""The work of a network as a table of tasks, for threads that execute it without Python.

Between two kernels Python takes 10 µs or more, in which no other thread can run Python, and a thread that waits for
another in Python sleeps: it takes 50 µs to wake up. Many kernels take no longer than that. So the layers become tables
(``engine/plan.py`` for prediction, ``engine/program.py`` for training), and one call per thread executes them.

An *operation* (OP) is a kernel with its arguments; arrays are addresses. A *task* (TASK) is some operations, one after
the other, for a part of a batch. Every thread takes the next task of the table, and waits until a counter shows that
the tasks are done whose output it reads. Those are above it in the table, so some thread has taken them already:
threads never wait for each other in a circle, however few they are, and one that comes late finds less to do.

Imported only if numba is used.
"""

import time

import numpy as np
from numba import from_dtype
from numpy.typing import DTypeLike, NDArray

from .jit import njit
from .plan_llvm import add, machine_code, read
from .plan_ops import arguments, operation
from .threads import in_parallel

#: Some operations for a part of a batch.
TASK = np.dtype([(name, np.int64) for name in (
    "first_op", "last_op",      # the operations
    "first", "last", "chunk",   # which part, in units of the operations' ``per``; its number
    "waits", "target",          # the counter to wait for, and for which value
    "signals",                  # the counter to add 1 to when the task is done
)])

PATIENCE = 200_000  # looks at a counter, a fraction of a millisecond, until Python lets other programs run


def addresses(dtype: DTypeLike, kinds: set[int]) -> NDArray:
    """Where the kernels are, for ``execute``: one address for each kind of operation. Those of ``kinds`` are compiled
    for this dtype if they are not yet, the others are 0. Empty if one of ``kinds`` is not there, because ``ahead.py``
    is finding out which kernels are needed."""
    wanted = arguments(from_dtype(np.dtype(dtype)))
    found = np.array([machine_code(*item) if kind in kinds else 0 for kind, item in enumerate(wanted.items())])
    return found if all(found[kind] for kind in kinds) else found[:0]


@njit
def execute(ops: NDArray, units: NDArray, tasks: NDArray, kernels: NDArray, counters: NDArray, mine: NDArray,
            like: NDArray) -> None:
    """Execute tasks until none is left, or until there was nothing but waiting for a while.

    ops, units, tasks  records of type OP, UNIT and TASK
    kernels            what ``addresses`` returns; nothing if there are no tasks
    counters           (n,) int64, zeros at first, shared by the threads; the first is the number of tasks taken
    mine               (1,): the task that this thread has taken but not executed, or -1; written
    like               an empty array of the activations' dtype
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
        for k in range(t["first_op"], t["last_op"]):
            operation(ops[k], units, kernels, t["first"], t["last"], t["chunk"], like)
        add(counters, t["signals"], 1)
        task = -1


def run(ops: NDArray, units: NDArray, tasks: NDArray, kernels: NDArray, counters: int, dtype: DTypeLike, threads: int,
        alive: object) -> None:
    """Execute all tasks on so many threads. The arrays are those of ``execute``, with so many counters.

    ``alive`` holds all arrays whose addresses are in the tables. An exception such as KeyboardInterrupt may leave this
    function at any point, and another thread then still executes tasks.
    """
    counts, like = np.zeros(counters, np.int64), np.empty(0, dtype)
    failed: list[bool] = []
    if not len(kernels) and not len(kernels := addresses(dtype, set(ops["kind"].tolist()))):
        tasks = tasks[:0]  # so ``execute`` is compiled, and calls nothing

    def work(alive: object) -> None:
        mine = np.full(1, -1)
        try:
            while not failed:
                execute(ops, units, tasks, kernels, counts, mine, like)
                if mine[0] < 0:
                    break
                time.sleep(0)
        except BaseException:  # KeyboardInterrupt: the other threads wait for a task that will not be done
            failed.append(True)
            raise

    try:
        in_parallel([(work, alive)] * threads)
    except BaseException:  # the same, where this thread was not inside a task
        failed.append(True)
        raise
