"""Arrays in a file, mapped into memory: only what is being read needs memory, so they may be larger than it."""

import mmap
import os
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

import numpy as np

CHUNK = 2 ** 22                         # bytes that are read at once


def mapped(path: Path, shape: tuple[int, ...]) -> np.memmap:
    """A file of uint8 as a read-only array of this shape. Raises ValueError if the file has another size, OSError."""
    if os.path.getsize(path) != np.prod(shape, dtype=np.int64):
        raise ValueError(f"{path}: not an array of shape {shape}")
    return np.memmap(path, np.uint8, "r", shape=shape)


def chunks(x: np.ndarray, rows: int | None = None) -> Iterator[np.ndarray]:
    """The array in parts of ``rows`` along its first axis (default: 4 MB), each released after its use."""
    rows = rows or max(1, CHUNK // max(1, x[:1].nbytes))
    for start in range(0, len(x), rows):
        yield x[start:start + rows]
        release(x)


def digests(x: np.ndarray) -> Iterator[bytes]:
    """One for each of the images (N, …): equal images have equal digests."""
    return (blake2b(np.ascontiguousarray(image).data, digest_size=16).digest() for part in chunks(x) for image in part)


def release(x: np.ndarray) -> None:
    """Return the memory of a mapped array to the system; the file is read again where it is needed.

    For any other array nothing happens. Without this the process seems to grow to the size of the file, since the
    system takes such memory back only when it is short of it.
    """
    opened = getattr(x, "_mmap", None)
    if isinstance(x, np.memmap) and opened is not None and x.mode == "r" and hasattr(mmap, "MADV_DONTNEED"):
        opened.madvise(mmap.MADV_DONTNEED)
