"""The switch between the NumPy and the numba form of every kernel, and the compiler options of the numba forms.

Each kernel file has the NumPy form on top, the numba form below, and one line that chooses:

    im2col = im2col_numba if JIT else im2col_numpy

Tests check that both forms agree. ``MINIGOOGLENET_JIT=0`` in the environment, or numba's own ``NUMBA_DISABLE_JIT=1``,
chooses the NumPy forms; numba is then never imported.

Compiled code is kept on disk between runs. If it cannot be, kernels are compiled in each process.
"""

import contextlib
import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

JIT: bool = os.environ.get("MINIGOOGLENET_JIT", "1") != "0" and os.environ.get("NUMBA_DISABLE_JIT", "0") in ("", "0")

Function = TypeVar("Function", bound=Callable[..., Any])

njit: Callable[[Function], Function]  # a compiled function has the signature of the Python function
inlined: Callable[[Function], Function]
size: Callable[[Any], Any]


class KernelCache:
    """numba's cache of one kernel. Any failure, be it a damaged file, a full disk or a write-protected folder, means
    that the kernel is compiled again. A digest at the end of each file tells damaged machine code from code to run."""

    def __init__(self, cache: Any) -> None:
        self.cache, file = cache, cache._cache_file
        dump, load = file._dump, file._load_data

        def dump_with_digest(content):
            data = dump(content)
            return data + hashlib.sha256(data).digest()  # the unpickler stops before it

        def load_checked(name):
            data = Path(file._data_path(name)).read_bytes()
            if hashlib.sha256(data[:-32]).digest() != data[-32:]:
                raise ValueError(f"{name} is damaged")
            return load(name)

        file._dump, file._load_data = dump_with_digest, load_checked

    def __getattr__(self, name: str) -> Any:
        return getattr(self.cache, name)

    def load_overload(self, signature: Any, context: Any) -> Any:
        try:
            return self.cache.load_overload(signature, context)
        except Exception as error:
            note_failure(error)
            with contextlib.suppress(OSError):
                self.cache.flush()  # empties the index
            return None

    def save_overload(self, signature: Any, compiled: Any) -> None:
        try:
            self.cache.save_overload(signature, compiled)
        except Exception as error:
            note_failure(error)


_failures: list[Exception] = []


def note_failure(error: Exception) -> None:
    """Print one line to standard error when the cache fails for the first time in this process."""
    _failures.append(error)
    if len(_failures) == 1 and sys.stderr is not None:
        with contextlib.suppress(OSError):
            print("note: the cache of compiled kernels cannot be used, so they are compiled again, which takes up to a "
                  f"minute ({' '.join(str(error).split())[:150] or type(error).__name__}); NUMBA_CACHE_DIR may name "
                  "another folder for it", file=sys.stderr)


if JIT:
    import numba

    # nogil: threads run in parallel. error_model: x / 0 is infinite, as in NumPy; Python's ZeroDivisionError would keep
    # loops with a division from vectorizing. fastmath: sums may be reordered so that they vectorize. The compiler may
    # not assume that there is no NaN or infinity, so that a diverging training run is noticed.
    OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy",
                               "fastmath": {"reassoc", "contract", "arcp", "nsz"}}

    def cached(**options: Any) -> Callable[[Function], Function]:
        """``numba.njit`` that keeps compiled code on disk between runs, where that is possible."""
        def compiler(function):
            try:
                kernel = numba.njit(cache=True, **OPTIONS, **options)(function)
                kernel._cache = KernelCache(kernel._cache)
                return kernel
            except (RuntimeError, OSError) as error:  # neither the package nor the user has a folder to write to
                note_failure(error)
                return numba.njit(**OPTIONS, **options)(function)
        return compiler

    njit = cached()

    # For functions that kernels call: always inlined. Otherwise a process that has just compiled a function and one
    # that loads the kernel from the cache could run different machine code, with another order of summation and other
    # bits. (Only gemm.py's functions are called, not inlined: their order of summation is explicit.)
    inlined = cached(forceinline=True)

    size = np.uintp  # an unsigned index: numba omits the wraparound check, which keeps loops from vectorizing
else:
    def njit(function: Function) -> Function:
        return function

    inlined, size = njit, int


def frozen(a: NDArray) -> NDArray:
    """Return a read-only contiguous view of ``a`` (a copy if ``a`` is not contiguous).

    numba compiles a kernel once per argument type, and read-only and writable arrays are different types. Kernels
    freeze their inputs: so only two versions are compiled, float32 and float64, and no kernel can write to an input.
    """
    if not a.flags.c_contiguous:
        a = a.copy()
    a = a.view()
    a.flags.writeable = False
    return a


def clear_stale_cache(folder: Path, cache: Path) -> None:
    """Delete the compiled code in the folder ``cache`` unless it was compiled from the present files of ``folder``.

    numba recompiles a kernel when its own file has changed, but not when a function that it calls in another file has.
    """
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.py")):
        digest.update(file.read_bytes())
    stamp, fresh = cache / "kernels.sha256", cache / f"kernels.{os.getpid()}"
    with contextlib.suppress(OSError):  # a read-only folder holds no stale code
        if not (stamp.exists() and stamp.read_bytes() == digest.hexdigest().encode()):
            for old in cache.glob("*.nb[ic]"):  # numba's index, and the code: a new index must not find old code
                old.unlink(missing_ok=True)
            fresh.write_text(digest.hexdigest())
            os.replace(fresh, stamp)


def _nothing():
    """Compiled below, to find out where numba caches the code of this folder."""


if JIT and (_folder := njit(_nothing).stats.cache_path):  # type: ignore[attr-defined]
    clear_stale_cache(Path(__file__).parent, Path(_folder))
