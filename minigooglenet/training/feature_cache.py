"""What the frozen part of a network computes from images, kept on disk: each image is computed once.

A cache is a folder with two files that only grow:

    keys    16 bytes for each row: a hash of an image's pixels
    rows    float32 (rows, *shape): the activations for that image

A row is written before its key and counts only with it, so a killed process loses at most the last few images. Added
images are computed, removed ones cost nothing but space. The folder may be deleted at any time.
"""

import contextlib
import hashlib
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from .. import engine
from ..data.dataset import Normalizer
from ..errors import UserError
from ..layers.base import Array, Layer, Shape

BATCH = 32      # images per pass; fixed, so that interrupted and resumed work gives the same bits
KEY = 16        # bytes
VERSION = 1     # of the files; a new one ignores old caches


class FeatureCache:
    """The outputs of ``net`` for images that ``normalizer`` prepares: ``found = find(images)``, then ``rows()[found]``.

    ``root`` is where caches are; the network's weights, the preprocessing and the engine name the folder in it.
    ``shape`` is that of an image, (H, W, C).
    """

    def __init__(self, root: Path | str, net: Layer, normalizer: Normalizer, shape: Shape) -> None:
        self.net, self.normalizer = net, normalizer
        self.shape = net.output_shape(shape)
        self.folder = Path(root) / f"features-{identity(net, normalizer)}"
        self._keys, self._rows = self.folder / "keys", self.folder / "rows"

    def bytes_for(self, images: int) -> int:
        """Size on disk of the rows of so many images."""
        return 4 * images * math.prod(self.shape)

    def rows(self) -> Array:
        """All rows, float32 (rows, *shape), mapped into memory."""
        number = self._known()[1]
        if not number:
            return np.empty((0, *self.shape), np.float32)
        return np.memmap(self._rows, np.float32, "r", shape=(number, *self.shape))

    def missing(self, images: Array, views: int) -> int:
        """How many rows the cache lacks of the uint8 ``images`` (N, H, W, C), and with two ``views`` of their mirror
        images."""
        keys = {key for mirrored in (False, True)[:views] for *_, some in keyed(images, mirrored) for key in some}
        return len(keys - self._known()[0].keys())

    def find(self, images: Array, mirrored: bool = False, on_images: Callable[[int], object] | None = None) -> Array:
        """The row of each of the uint8 ``images`` (N, H, W, C), or of their mirror images; (N,). Computes what is
        missing, in batches; ``on_images(n)`` is called after every n images.

        Raises UserError if the folder cannot be written. Another process with the same cache is waited for.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._claimed():
                return self._find(images, mirrored, on_images)
        except OSError as error:
            raise UserError(f"{self.folder}: cannot be written ({error.strerror or error}); free some space or choose "
                            "another folder with --datasets") from error

    def _find(self, images, mirrored, on_images):
        (known, number), predictor, found = self._known(), None, np.empty(len(images), np.int64)
        with open(self._rows, "ab") as rows, open(self._keys, "ab") as keys:
            rows.truncate(self.bytes_for(number))  # what a killed process has left
            keys.truncate(KEY * number)
            for part, batch, digests in keyed(images, mirrored):
                missing = {digest: i for i, digest in enumerate(digests) if digest not in known}
                if missing:
                    predictor = predictor or engine.predictor(self.net)
                    y = predictor.predict(self.normalizer(batch[list(missing.values())]))
                    rows.write(np.ascontiguousarray(y, np.float32).data)
                    rows.flush()
                    keys.write(b"".join(missing))
                    keys.flush()
                    known |= {digest: number + i for i, digest in enumerate(missing)}
                    number += len(missing)
                found[part] = [known[digest] for digest in digests]
                if on_images:
                    on_images(len(batch))
        return found

    def _known(self) -> tuple[dict[bytes, int], int]:
        """({key: row}, the number of complete rows); fewer keys than rows if one occurs twice."""
        try:
            keys, size = self._keys.read_bytes(), self._rows.stat().st_size
        except FileNotFoundError:
            return {}, 0
        number = min(len(keys) // KEY, size // max(1, self.bytes_for(1)))
        return {keys[KEY * i:KEY * (i + 1)]: i for i in range(number)}, number

    @contextlib.contextmanager
    def _claimed(self) -> Iterator[None]:
        """Inside, no other process writes to the cache, where there are locks."""
        with open(self.folder / "lock", "ab") as lock:
            with contextlib.suppress(ImportError, OSError):
                import fcntl
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def keyed(images: Array, mirrored: bool) -> Iterator[tuple[slice, Array, list[bytes]]]:
    """(which, the images or their mirror images, their keys) for BATCH images at a time."""
    for start in range(0, len(images), BATCH):
        part = slice(start, start + BATCH)
        batch = np.asarray(images[part])
        batch = np.ascontiguousarray(batch[:, :, ::-1] if mirrored else batch)
        yield part, batch, [hashlib.blake2b(image.data, digest_size=KEY).digest() for image in batch]


def identity(net: Layer, normalizer: Normalizer) -> str:
    """16 hexadecimal digits that differ for other weights, another preprocessing or another engine."""
    settings = (VERSION, engine.kind(), normalizer.order, *normalizer.mean.tolist(), *normalizer.std.tolist())
    digest = hashlib.blake2b(repr(settings).encode(), digest_size=8)
    for path, array in (net.parameters() | net.state()).items():
        digest.update(f"{path} {array.shape} {array.dtype}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
