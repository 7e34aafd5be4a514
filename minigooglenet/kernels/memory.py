"""Arrays that begin where a cache line begins.

NumPy aligns arrays to 16 bytes only. A SIMD register of 64 bytes that begins elsewhere touches two lines of the cache
each time it is loaded or stored.
"""

import math

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .jit import inlined

LINE = 64  # bytes


def empty(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray:
    """As ``np.empty(shape, dtype)``, aligned to a cache line."""
    memory = np.empty(math.prod(shape) * np.dtype(dtype).itemsize + LINE, np.uint8)
    return np.ndarray(shape, dtype, memory, -memory.ctypes.data % LINE)


@inlined
def scratch(n: int, like: NDArray) -> NDArray:
    """n uninitialized values of the dtype of ``like`` for a kernel, aligned to a cache line."""
    memory = np.empty(n + LINE // like.itemsize, like.dtype)
    start = (LINE - memory.ctypes.data % LINE) % LINE // like.itemsize
    return memory[start:start + n]
