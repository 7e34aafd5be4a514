"""Under mpiexec: a training step of the reduced network, measured and as ``parallel`` projects it, as JSON.

All hosts share the cores of this machine, so their computing would not take 1/n of the time. It is replaced by sleep:
1/n of STEP seconds, divided among the messages of a real step, in their number and sizes. What is measured then is
communication.
"""

import json
import time

import numpy as np

from minigooglenet.commands.parallel import SIZES
from minigooglenet.models import mini_googlenet
from minigooglenet.training import parallel, processes

STEP = 0.129  # seconds of a step of 128 images in one process (benchmarks/README.md)
STEPS = 10


def step(sizes: list[int], seconds: float) -> float:
    """Sleep ``seconds`` between messages of ``sizes``. Returns how long it really slept."""
    slept = 0.0
    for size in sizes:
        started = time.perf_counter()
        time.sleep(seconds / len(sizes))
        slept += time.perf_counter() - started
        processes.sum_over_processes(np.zeros(size // 4, np.float32))
    return slept


if __name__ == "__main__":
    processes.initialize()
    n = processes.count()
    sizes = sorted(parallel.messages(mini_googlenet(0.25)))  # the gradients last
    alpha, beta = parallel.fit(SIZES, parallel.measure(SIZES), n)
    step(sizes, STEP / n)
    started = time.perf_counter()
    slept = sum(step(sizes, STEP / n) for _ in range(STEPS)) / STEPS
    taken = (time.perf_counter() - started) / STEPS
    if processes.rank() == 0:
        alone = n * slept
        projected = parallel.project(alone, sizes, n, alpha, beta)
        print(json.dumps({"alpha": alpha, "beta": beta, "messages": len(sizes), "bytes": sum(sizes), "alone": alone,
                          "projected": projected, "measured": taken}))
