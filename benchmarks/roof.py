"""The roof: how fast this machine multiplies matrices, in float32, by BLAS.

BLAS in our own process is held to one thread, so the rate on several is measured in other processes, in every way
there is: NumPy's BLAS with threads of its own; one product for each of our threads, as the plain layers do it; and
PyTorch's, if it is installed. The largest counts.
"""

import importlib.util
import time

import numpy as np

from .worker import Worker

SIZES = (512, 768, 1024, 1536)


class Gemm:
    """n×n times n×n: 2 n³ operations. ``way`` is "blas", "slices" or "torch"."""

    def __init__(self, way, threads):
        self.way, self.threads = way, threads

    def rate(self, n, seconds):
        """GFLOP/s: the best of as many repetitions as fit into so many seconds."""
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

    def blas(self, n):
        a, b, c = _square(n), _square(n), np.empty((n, n), np.float32)
        return lambda: np.matmul(a, b, out=c), 1

    def slices(self, n):
        from minigooglenet.threads import over_slices, set_threads
        set_threads(self.threads)
        several = [(_square(n), _square(n), np.empty((n, n), np.float32)) for _ in range(self.threads)]

        def one(s):
            a, b, c = several[s.start]
            np.matmul(a, b, out=c)

        return lambda: over_slices(one, self.threads, 1), self.threads

    def torch(self, n):
        import torch
        torch.set_num_threads(self.threads)
        a, b, c = torch.tensor(_square(n)), torch.tensor(_square(n)), torch.empty(n, n)
        return lambda: torch.mm(a, b, out=c), 1


def _square(n):
    return np.random.default_rng(n).standard_normal((n, n), np.float32)


WAYS = {"blas": "NumPy's BLAS, its own threads", "slices": "NumPy's BLAS, one product a thread", "torch": "PyTorch"}


def measure(threads, seconds=0.4, sizes=SIZES):
    """{way: largest GFLOP/s over the sizes} on so many threads."""
    rates = {}
    for way in WAYS:
        if way == "torch" and importlib.util.find_spec("torch") is None:
            continue
        with Worker(Gemm, (way, threads), threads) as worker:
            rates[way] = max(worker.call("rate", n, seconds) for n in sizes)
    return rates
