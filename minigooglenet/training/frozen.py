"""What the trained layers read: activations of the frozen layers below them, from a cache or computed every time."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np

from .. import engine
from ..data.dataset import Normalizer
from ..data.mapped import digests
from ..layers import Sequential, softmax
from ..layers.base import Array, Shape
from .feature_cache import FeatureCache
from .images import center
from .linear import distinct

PASS = 64                               # images per pass of predictions
LARGEST_CACHE = 8e9                     # bytes
FREE = 0.5                              # the part of the free disk space that new rows of the cache may take
OnImages: TypeAlias = Callable[[int], object] | None


class Cached:
    """Activations in a FeatureCache. ``index`` (N, views) has the row of each image, and of its mirror image."""

    def __init__(self, rows: Array, index: Array) -> None:
        self.rows, self.index = rows, index

    def __len__(self) -> int:
        return len(self.index)

    def view(self, chosen: Array, number: int | Array) -> Array:
        """float32 (n, …) for the images number ``chosen`` (n,): as they are (0) or mirrored (1)."""
        return np.asarray(self.rows[self.index[chosen, number]])

    def sample(self, chosen: Array, rng: np.random.Generator) -> Array:
        """The same with a random view of each image."""
        return self.view(chosen, rng.integers(self.index.shape[1], size=len(chosen)))

    def finish(self, x: Array) -> Array:
        """x itself: nothing remains to be computed of a ``sample``."""
        return x


class Direct:
    """Activations that are computed from the images whenever they are read.

    images (N, H, W, C), uint8, may be larger than ``shape``, the input of the network: ``sample`` takes random crops
    and ``view`` the center. Without frozen ``layers`` the activations are the preprocessed images.
    """

    def __init__(self, images: Array, shape: Shape, views: int, normalizer: Normalizer, layers: Sequential) -> None:
        self.images, self.size, self.views, self.normalizer = images, shape[0], views, normalizer
        self.predictor = engine.predictor(layers) if layers.children else None

    def __len__(self) -> int:
        return len(self.images)

    def view(self, chosen: Array, number: int) -> Array:
        x = center(self.images[chosen], self.size)
        return self.finish(self.normalizer(np.ascontiguousarray(x[:, :, ::-1] if number else x)))

    def sample(self, chosen: Array, rng: np.random.Generator) -> Array:
        """Preprocessed random crops, mirrored with probability 1/2 if there are two views. Call ``finish`` with them,
        in the thread that trains."""
        x = np.asarray(self.images[chosen])
        N, H, W, _ = x.shape
        top, left = (rng.integers(side - self.size, size=(N, 1), endpoint=True) for side in (H, W))
        flips = rng.integers(self.views, size=(N, 1)) == 1
        rows, columns = top + np.arange(self.size), left + np.arange(self.size)
        columns = np.where(flips, columns[:, ::-1], columns)
        return self.normalizer(x[np.arange(N)[:, None, None], rows[:, :, None], columns[:, None, :]])

    def finish(self, x: Array) -> Array:
        """The activations for preprocessed images."""
        return self.predictor.predict(x) if self.predictor else x


def activations(images: Array, shape: Shape, views: int, layers: Sequential, normalizer: Normalizer,
                cache: Path | str, on_images: OnImages = None, cached: bool | None = None) -> Cached | Direct:
    """What the frozen ``layers`` make of uint8 ``images``: with ``cached``, by default if it ``fits``, from the folder
    ``cache``, after computing what that lacks; ``on_images(n)`` is called after every n images and after every n mirror
    images."""
    if fits(images, shape, views, layers, normalizer, cache) if cached is None else cached:
        found, middle = FeatureCache(cache, layers, normalizer, shape), center(images, shape[0])
        index = [found.find(middle, mirrored, on_images) for mirrored in (False, True)[:views]]
        return Cached(found.rows(), np.stack(index, axis=1))
    if on_images:
        on_images(views * len(images))
    return Direct(images, shape, views, normalizer, layers)


def fits(images: Array, shape: Shape, views: int, layers: Sequential, normalizer: Normalizer,
         cache: Path | str) -> bool:
    """Whether the folder ``cache`` can keep the activations of so many views of the ``images``: they take at most
    LARGEST_CACHE bytes, and what it lacks of them takes at most FREE of the free disk space."""
    if not layers.children:
        return False
    found, free = FeatureCache(cache, layers, normalizer, shape), FREE * free_disk(cache)
    size = found.bytes_for(views * len(images))
    return size <= LARGEST_CACHE and (
        size <= free or found.bytes_for(found.missing(center(images, shape[0]), views)) <= free)


def features(layers: Sequential, inputs: Cached | Direct, views: int, on_images: OnImages = None) -> Array:
    """What ``layers`` make of so many views of all ``inputs``: (N, views, …)."""
    upper, parts = engine.predictor(layers) if layers.children else layers, []
    for chosen in passes(len(inputs)):
        parts.append(np.stack([upper.predict(inputs.view(chosen, v)) for v in range(views)], axis=1))
        if on_images and layers.children:
            on_images(views * len(chosen))
    return np.concatenate(parts)


def probabilities(layers: Sequential, inputs: Cached | Direct, chosen: Array, views: int = 1,
                  on_images: OnImages = None) -> Array:
    """Class probabilities (n, classes), averaged over so many views of the ``chosen`` ``inputs``. ``layers`` end in the
    classifier."""
    predictor, parts = engine.predictor(layers), []
    for part in passes(len(chosen)):
        z = [predictor.predict(inputs.view(chosen[part], v)).astype(np.float64) for v in range(views)]
        parts.append(softmax(np.stack(z)).mean(axis=0))
        if on_images:
            on_images(views * len(part))
    return np.concatenate(parts)


def free_disk(folder: Path | str) -> int:
    """Free bytes on the disk of a folder, which need not exist yet."""
    existing = next(path for path in (Path(folder).absolute(), *Path(folder).absolute().parents) if path.exists())
    return shutil.disk_usage(existing).free


def held_out(y: Array, K: int, seed: int, copies: Array | None = None, part: float = 0.15) -> Array:
    """Which images (N,) are for validation: about ``part`` of each class, at least one if it has two or more; an image
    with its ``copies``, as in ``linear.folds``."""
    first, group = distinct(len(y), copies)
    rng, held = np.random.default_rng([seed, 7]), np.zeros(len(first), bool)
    for k in range(K):
        members = np.flatnonzero(y[first] == k)
        number = max(round(part * len(members)), int(len(members) > 1))
        held[rng.permutation(members)[:number]] = True
    return held[group]


def copies_of(images: Array) -> Array:
    """A number for each of the images (N, …), the same for equal ones: (N,)."""
    numbers: dict[bytes, int] = {}
    return np.array([numbers.setdefault(digest, len(numbers)) for digest in digests(images)])


def passes(N: int) -> Iterator[Array]:
    """The numbers 0 to N - 1 in arrays of at most PASS."""
    for start in range(0, N, PASS):
        yield np.arange(start, min(start + PASS, N))
