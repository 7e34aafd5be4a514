"""SIMD registers: vector operations for loops that the compiler cannot vectorize by itself.

``load_16(a, at)`` loads 16 consecutive values of the flat array ``a``, from ``at`` on, into a register; ``store``
writes them back. ``full_like``, ``add``, ``subtract`` and ``where_equal`` work element by element. In a kernel they
read like scalar operations. A register that is carried from one iteration to the next is not written to memory, as an
array element would be.

Loads and stores are not bounds-checked. Pass only registers to functions that an innermost loop calls: for an array,
numba would count references on every call.
"""

import numpy as np
from numpy.typing import NDArray

from .jit import JIT

# -- NumPy ------------------------------------------------------------------------------------------------------------


def load_16_numpy(a: NDArray, at: int) -> NDArray:
    """a[at], …, a[at + 15]"""
    return a[at:at + 16].copy()


def load_8_numpy(a: NDArray, at: int) -> NDArray:
    """a[at], …, a[at + 7]"""
    return a[at:at + 8].copy()


def load_1_numpy(a: NDArray, at: int) -> NDArray:
    """a[at]"""
    return a[at:at + 1].copy()


def store_numpy(a: NDArray, at: int, value: NDArray) -> None:
    """a[at], a[at + 1], … = value"""
    a[at:at + len(value)] = value


def full_like_numpy(like: NDArray, value: float) -> NDArray:
    """A register of the type of ``like`` with ``value`` in every lane."""
    return np.full_like(like, value)


def add_numpy(a: NDArray, b: NDArray) -> NDArray:
    """a + b"""
    return a + b


def subtract_numpy(a: NDArray, b: NDArray) -> NDArray:
    """a - b"""
    return a - b


def where_equal_numpy(a: NDArray, b: NDArray, value: NDArray) -> NDArray:
    """``value`` where a == b, else 0. NaN equals nothing."""
    return np.where(a == b, value, value.dtype.type(0))


# -- numba, in LLVM IR ------------------------------------------------------------------------------------------------

if JIT:
    from . import llvm

load_16 = llvm.load_16 if JIT else load_16_numpy
load_8 = llvm.load_8 if JIT else load_8_numpy
load_1 = llvm.load_1 if JIT else load_1_numpy
store = llvm.store if JIT else store_numpy
full_like = llvm.full_like if JIT else full_like_numpy
add = llvm.add if JIT else add_numpy
subtract = llvm.subtract if JIT else subtract_numpy
where_equal = llvm.where_equal if JIT else where_equal_numpy
