"""SIMD registers: vector operations for loops that the compiler vectorizes badly, or not at all.

A register holds LANES values: as many float32 as one register of the processor that the code is compiled for. ``load``
and ``store`` move the first n of them, so the last channels of a pixel need no loop of their own:

    for k in range(0, n, LANES):
        store(y, k, min(n - k, LANES), relu(load(x, k, min(n - k, LANES)) * scale + shift))

Where n is LANES in the code itself, they are plain loads and stores; such a loop for most values and one step for the
rest is faster on processors without AVX-512. Registers add, subtract and multiply with each other and with numbers
like arrays. A register that is carried from one iteration to the next is not written to memory, as an array element
would be, and the compiler does not ask whether arrays overlap.

Loads and stores are not bounds-checked. Call functions that take arrays outside the innermost loop: numba counts
references to an array on every call.
"""

import numpy as np
from numpy.typing import NDArray

from .jit import JIT

# -- NumPy ------------------------------------------------------------------------------------------------------------

LANES = 16


def load_numpy(a: NDArray, at: int, n: int) -> NDArray:
    """a[at], …, a[at + n - 1], then zeros: LANES values. Nothing is read if n is 0."""
    value = np.zeros(LANES, a.dtype)
    value[:n] = a[at:at + n]
    return value


def store_numpy(a: NDArray, at: int, n: int, value: NDArray) -> None:
    """a[at], …, a[at + n - 1] = the first n values"""
    a[at:at + n] = value[:n]


def prefetch_numpy(a: NDArray, at: int, n: int) -> None:
    """Ask for a[at], …, a[at + n - 1] to be brought into the cache, and do not wait: they will be read, or written,
    soon. They may lie outside the array; then nothing happens."""


def full_like_numpy(like: NDArray, value: float) -> NDArray:
    """A register of the type of ``like`` with ``value`` in every lane."""
    return np.full_like(like, value)


def equal_numpy(a: NDArray, b: NDArray) -> NDArray:
    """a == b, a mask: NaN equals nothing."""
    return a == b


def greater_numpy(a: NDArray, b: NDArray) -> NDArray:
    """a > b, a mask: false where one of them is NaN."""
    return a > b


def both_numpy(a: NDArray, b: NDArray) -> NDArray:
    """a and b, of two masks"""
    return a & b


def without_numpy(a: NDArray, b: NDArray) -> NDArray:
    """a and not b, of two masks"""
    return a & ~b


def where_numpy(condition: NDArray, a: NDArray, b: NDArray) -> NDArray:
    """a where the mask ``condition`` is true, else b."""
    return np.where(condition, a, b)


# -- numba, in LLVM IR ------------------------------------------------------------------------------------------------

if JIT:
    from . import simd_llvm
    LANES = simd_llvm.LANES

load = simd_llvm.load if JIT else load_numpy
store = simd_llvm.store if JIT else store_numpy
prefetch = simd_llvm.prefetch if JIT else prefetch_numpy
full_like = simd_llvm.full_like if JIT else full_like_numpy
equal = simd_llvm.equal if JIT else equal_numpy
greater = simd_llvm.greater if JIT else greater_numpy
both = simd_llvm.both if JIT else both_numpy
without = simd_llvm.without if JIT else without_numpy
where = simd_llvm.where if JIT else where_numpy
