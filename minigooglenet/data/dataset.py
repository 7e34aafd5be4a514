"""A labeled set of images, in memory or mapped into it, and its normalization to mean 0 and variance 1 per channel."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import DTypeLike

from ..errors import shown
from ..hints import counted
from .mapped import chunks


@dataclass(frozen=True)
class Dataset:
    """Images uint8 (N, H, W, 3) with values 0 ... 255, labels int64 (N,), and the names of the classes.

    ``name`` is "cifar10", "shapes10" or the name of the folder. ``note`` is a line for the user about the origin of the
    images (not the official files, a replacement for CIFAR-10, what was left out), or None. For a folder of image
    files, ``files_train`` and ``files_test`` are their paths relative to that folder, and the images are read-only
    memory maps (``data.mapped``).
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    classes: list[str]
    note: str | None = None
    files_train: tuple[str, ...] | None = None
    files_test: tuple[str, ...] | None = None

    def noted(self, more: str) -> "Dataset":
        """This data set with ``more`` at the end of its note."""
        return replace(self, note="; ".join(filter(None, [self.note, more])))


@dataclass(frozen=True)
class Normalizer:
    """``(x - mean) / std`` per channel, with the statistics of one training set: ``Normalizer.of(x_train)(x)``.

    ``order`` is that of the channels that the network reads, "RGB" or "BGR"; ``mean`` and ``std`` have the same order.
    """

    mean: np.ndarray
    std: np.ndarray
    order: str = "RGB"

    @classmethod
    def of(cls, x_train: np.ndarray) -> "Normalizer":
        return cls(*channel_statistics(x_train))

    def __call__(self, x: np.ndarray, dtype: DTypeLike = np.float32) -> np.ndarray:
        return normalize(x if self.order == "RGB" else x[..., ::-1], self.mean, self.std, dtype)

    def undo(self, y: np.ndarray) -> np.ndarray:
        """The inverse, ``y std + mean``: RGB pixels 0 ... 255 in y's dtype."""
        x = y * np.asarray(self.std, y.dtype) + np.asarray(self.mean, y.dtype)
        return x if self.order == "RGB" else x[..., ::-1]


def channel_statistics(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation per channel, float64 (C,) each, on the scale of the pixels (0 ... 255).

        mean_c = sum_v v n_cv / sum_v n_cv        std_c = sqrt(sum_v (v - mean_c)^2 n_cv / sum_v n_cv)

    ``x`` is uint8 (N, H, W, C). n_cv is the number of pixels of channel c with value v: the sums are exact for any
    number of images, and the images are read in parts. A constant channel gets std 1.
    """
    levels = np.arange(256.0)
    counts = np.zeros((x.shape[-1], 256), np.int64)
    for part in chunks(x):
        counts += [np.bincount(part[..., c].ravel(), minlength=256) for c in range(x.shape[-1])]
    total = counts.sum(axis=1)
    mean = counts @ levels / total
    std = np.sqrt((counts * (levels - mean[:, None]) ** 2).sum(axis=1) / total)
    return mean, np.where(std > 0, std, 1.0)


def normalize(x: np.ndarray, mean: np.ndarray, std: np.ndarray, dtype: DTypeLike = np.float32) -> np.ndarray:
    """``(x - mean) / std`` per channel for x (..., C) of any real dtype with values 0 ... 255."""
    y = np.subtract(x, np.asarray(mean, dtype), dtype=dtype)
    y *= np.asarray(1 / np.asarray(std), dtype)
    return y


def describe(dataset: Dataset) -> str:
    """A summary of a data set, as ``python -m minigooglenet data`` prints it."""
    mean, std = channel_statistics(dataset.x_train)
    names = [shown(name) for name in dataset.classes]
    width = max(map(len, names))
    counts = [np.bincount(y, minlength=len(dataset.classes)) for y in (dataset.y_train, dataset.y_test)]
    H, W, C = dataset.x_train.shape[1:]
    lines = [f"{shown(dataset.name)}: {len(dataset.y_train):,} training and "
             f"{counted(len(dataset.y_test), 'test image')}, {H}x{W}x{C}, {len(dataset.classes)} classes"]
    lines += [f"  {label:3}  {name:<{width}}  {train:6,} training  {test:6,} test"
              for label, (name, train, test) in enumerate(zip(names, *counts, strict=True))]
    lines += [f"  {what:<5} {'  '.join(f'{value:7.2f}' for value in values)}   (red, green, blue of the training set)"
              for what, values in (("mean", mean), ("std", std))]
    return "\n".join(lines + ([f"note: {dataset.note}"] if dataset.note else []))
