"""Reading and decoding the files of a folder in several threads, in order, a few files ahead of the one that is used.

Pillow decodes and NumPy copies without Python's lock, so threads are enough.
"""

import hashlib
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from ..errors import UserError
from ..files import regular_file
from ..kernels.threads import threads
from . import limits
from .photos import center_square, decode

T = TypeVar("T")
R = TypeVar("R")

SHARPNESS = 2       # a JPEG is decoded at not less than this multiple of the size that it is then resized to


class Entry(NamedTuple):
    """What is known of a file: the digest of its bytes; format, width and height, or why it cannot be decoded.

    The digest is empty if the reason does not follow from the bytes, so that the file is tried again.
    """

    digest: str
    format: str = ""
    width: int = 0
    height: int = 0
    bad: str = ""


def examine(root: Path, path: str) -> Entry:
    """The digest of a file's bytes."""
    try:
        regular_file(root / path, "an image", limits.BYTES)
        digest = hashlib.blake2b(digest_size=16)
        with open(root / path, "rb") as file:
            while part := file.read(2 ** 20):
                digest.update(part)
    except UserError as error:
        return Entry("", bad=_reason(error, root / path))
    except OSError as error:
        return Entry("", bad=f"cannot be read ({error.strerror or error})")
    return Entry(digest.hexdigest())


def square(root: Path, path: str, digest: str, size: int) -> tuple[np.ndarray | None, Entry]:
    """A file as uint8 (size, size, 3): the shorter side resized to ``size``, with antialiasing, and the center cut.

    (None, an entry with the reason) if it cannot be decoded.
    """
    try:
        photo = decode(root / path, least=SHARPNESS * size)
    except UserError as error:
        return None, Entry("" if _passes(error) else digest, bad=_reason(error, root / path))
    pixels = np.ascontiguousarray(center_square(photo.image, size))
    return pixels, Entry(digest, photo.format, *photo.size)


def _passes(error):
    """Whether the reason of an error may pass: the system could not read the file, or had no memory. What Pillow
    raises about damaged bytes is an OSError as well, but without a number."""
    cause = error.__cause__
    return isinstance(cause, MemoryError) or isinstance(cause, OSError) and (
        cause.errno is not None or "out of memory" in str(cause))


def _reason(error, path):
    return str(error).removeprefix(f"{path}: ")


def in_order(function: Callable[[T], R], items: Iterable[T], ahead: int = 4) -> Iterator[R]:
    """``map(function, items)`` in as many threads as ``--threads``; at most ``ahead`` results per thread wait."""
    items = iter(items)
    workers = ThreadPoolExecutor(threads(), thread_name_prefix="images")
    try:
        waiting = deque(workers.submit(function, item) for item in itertools.islice(items, ahead * threads()))
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(workers.submit(function, item) for item in itertools.islice(items, 1))
            yield result
    finally:
        workers.shutdown(wait=True, cancel_futures=True)
