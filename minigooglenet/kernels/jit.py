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
    that the kernel is compiled again. A digest at the end of each file tells damaged machine code from code to run.

    Several processes may write at once, and any may be killed: machine code gets a name that follows from what it was
    compiled for, and is written before the index that lists it."""

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

        def save(key, content):
            name = file._data_name(int(hashlib.sha256(repr(key).encode()).hexdigest()[:12], 16))
            file._save_data(name, content)
            index = file._load_index()
            if index.get(key) != name:
                file._save_index(index | {key: name})

        file._dump, file._load_data, file.save = dump_with_digest, load_checked, save

    def __getattr__(self, name: str) -> Any:
        return getattr(self.cache, name)

    def holds(self, signature: Any, context: Any) -> bool:
        """Whether the index lists machine code for a signature."""
        try:
            return self.cache._index_key(signature, context.codegen()) in self.cache._cache_file._load_index()
        except Exception:
            return False

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
STAMP = "ahead."  # begins the name of a file in the cache: see ``ahead.py``
KERNELS: list[Any] = []  # every kernel that Python calls, as numba's dispatchers; filled by ``njit`` below


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

    def njit(function: Function) -> Function:
        """``numba.njit`` that keeps compiled code on disk between runs, where that is possible."""
        try:
            kernel = numba.njit(cache=True, no_cfunc_wrapper=True, **OPTIONS)(function)
            kernel._cache = KernelCache(kernel._cache)
        except (RuntimeError, OSError) as error:  # neither the package nor the user has a folder to write to
            note_failure(error)
            kernel = numba.njit(no_cfunc_wrapper=True, **OPTIONS)(function)
        KERNELS.append(kernel)
        return kernel

    # For functions that kernels call: always inlined, so that a kernel's machine code, with its order of summation and
    # its bits, is all in the kernel. (Only gemm.py's functions are called, not inlined: their order is explicit.)
    def inlined(function: Function) -> Function:
        """``numba.njit`` for a function that is compiled into each kernel that calls it, and never on its own.

        This takes a fifth off the time to compile a training step: one version serves constants and variables alike
        (numba would compile one for each pattern of constants among the arguments), and none has the two wrappers for
        calls from Python and C, into which it would be inlined as well. A call from Python compiles a copy that has.
        """
        kernel, plain = numba.njit(forceinline=True, no_cpython_wrapper=True, no_cfunc_wrapper=True,
                                   **OPTIONS)(function), numba.njit(**OPTIONS)(function)
        template = kernel.get_call_template
        kernel.get_call_template = lambda args, kws: template(tuple(map(numba.types.unliteral, args)), kws)
        kernel.add_overload = lambda made: kernel.overloads.update({tuple(made.signature.args): made})
        kernel._compile_for_args = lambda *arguments: plain  # what a call from Python runs
        return kernel

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
            for pattern in (f"{STAMP}*", "*.nb[ic]"):  # index and code: a new index must not find old code
                for old in cache.glob(pattern):
                    old.unlink(missing_ok=True)
            fresh.write_text(digest.hexdigest())
            os.replace(fresh, stamp)


def _nothing():
    """Compiled below, to find out where numba caches the code of this folder."""


if JIT and (_folder := njit(_nothing).stats.cache_path):  # type: ignore[attr-defined]
    clear_stale_cache(Path(__file__).parent, Path(_folder))
