"""The peak that speeds are compared with: how fast this machine multiplies float32 matrices with BLAS.

Each way of using several threads is measured in a process of its own: NumPy's BLAS with its own threads; one product in
each of our threads, as the plain layers do it; and PyTorch, if it is installed. The largest value counts.
"""

import importlib.util
import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from .worker import Worker

SIZES = (512, 768, 1024, 1536)


class Gemm:
    """Products of n×n matrices: 2 n³ operations each. ``way`` is "blas", "chunks" or "torch"."""

    def __init__(self, way: str, threads: int) -> None:
        self.way, self.threads = way, threads

    def gflops(self, n: int, seconds: float) -> float:
        """GFLOP/s: the best of all repetitions within ``seconds``."""
        product, products = getattr(self, self.way)(n)
        product()
        best, end = float("inf"), time.perf_counter() + seconds
        while True:
            began = time.perf_counter()
            product()
            now = time.perf_counter()
            best = min(best, now - began)
            if now > end:
                return products * 2e-9 * n**3 / best

    def blas(self, n: int) -> tuple[Callable[[], object], int]:
        """(function that multiplies, how many products it computes)"""
        a, b, c = _square(n), _square(n), np.empty((n, n), np.float32)
        return lambda: np.matmul(a, b, out=c), 1

    def chunks(self, n: int) -> tuple[Callable[[], object], int]:
        """The same with one product per thread."""
        from minigooglenet.kernels.threads import over_chunks, set_threads
        set_threads(self.threads)
        several = [(_square(n), _square(n), np.empty((n, n), np.float32)) for _ in range(self.threads)]

        def one(chunk: slice) -> None:
            a, b, c = several[chunk.start]
            np.matmul(a, b, out=c)

        return lambda: over_chunks(one, self.threads, 1), self.threads

    def torch(self, n: int) -> tuple[Callable[[], object], int]:
        """The same in PyTorch."""
        import torch
        torch.set_num_threads(self.threads)
        a, b, c = torch.tensor(_square(n)), torch.tensor(_square(n)), torch.empty(n, n)
        return lambda: torch.mm(a, b, out=c), 1


def _square(n: int) -> NDArray:
    return np.random.default_rng(n).standard_normal((n, n), np.float32)


WAYS = {"blas": "NumPy's BLAS, its own threads", "chunks": "NumPy's BLAS, one product per thread", "torch": "PyTorch"}


def measure(threads: int, seconds: float = 0.4, sizes: Sequence[int] = SIZES) -> dict[str, float]:
    """{way: largest GFLOP/s over the sizes} with ``threads`` threads."""
    speeds = {}
    for way in WAYS:
        if way == "torch" and importlib.util.find_spec("torch") is None:
            continue
        with Worker(Gemm, (way, threads), threads) as worker:
            speeds[way] = max(worker.call("gflops", n, seconds) for n in sizes)
    return speeds
