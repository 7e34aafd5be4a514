"""How this room compiles: two decorators, a type for offsets, and helpers that keep the compilations few and fresh."""

import contextlib
import hashlib
import os
from pathlib import Path

import numba
import numpy as np

# Without the lock (threads really run side by side), kept on disk between runs. Sums may be reordered so that they
# vectorise, but the compiler may not assume that there is no NaN or infinity: a diverging training must be seen. And
# x / 0 is infinite, as in NumPy: Python's way, an exception, would keep every loop with a division from vectorising.
OPTIONS = {"nogil": True, "cache": True, "error_model": "numpy", "fastmath": {"reassoc", "contract", "arcp", "nsz"}}
njit = numba.njit(**OPTIONS)

# For what kernels call: always put into them. A call could reach another translation of the same function in a process
# that has just compiled than in one that read the kernel from disk, with another order of sums, and other bits. (Only
# product.py's are called: their order of sums is spelled out.)
inlined = numba.njit(**OPTIONS, forceinline=True)

size = np.uintp  # an index that cannot be negative: numba then leaves out the check that keeps loops from vectorising


def frozen(a):
    """A read-only contiguous view (a copy only if ``a`` is not contiguous).

    numba compiles once per type, and a read-only array is another type than a writable one. Kernels that are given
    anyone's arrays take them frozen, so float32 and float64 are the only two versions there are; and they cannot write
    into an input.
    """
    if not a.flags.c_contiguous:
        a = a.copy()
    a = a.view()
    a.flags.writeable = False
    return a


def forget_changed(folder, cache):
    """Remove what has been compiled into the folder ``cache``, unless it is of the very files that ``folder`` has now.

    numba compiles a kernel anew when its own file has changed, but would go on with an old translation of what it calls
    from another file.
    """
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.py")):
        digest.update(file.read_bytes())
    stamp, fresh = cache / "kernels.sha256", cache / f"kernels.{os.getpid()}"
    with contextlib.suppress(OSError):  # where nothing can be written, nothing has been
        if not (stamp.exists() and stamp.read_text() == digest.hexdigest()):
            for old in cache.glob("*.nbi"):  # numba's index: without it the rest is not looked at
                old.unlink(missing_ok=True)
            fresh.write_text(digest.hexdigest())
            os.replace(fresh, stamp)


@njit
def _nothing():
    """Compiled like any other: numba says where to."""


forget_changed(Path(__file__).parent, Path(_nothing.stats.cache_path))
