"""A labelled set of pictures in memory, and the two numbers per channel that bring it to mean 0 and variance 1."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Dataset:
    """Pictures uint8 (N, H, W, 3) with values 0 ... 255, labels int64 (N,), and what the labels are called.

    ``name`` is "cifar10", "shapes10" or the name of the folder. ``note`` is one line on where the pictures come from
    that the user should see (not the official files, a replacement for CIFAR-10), or None.
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    classes: list
    note: str | None = None


@dataclass(frozen=True)
class Normaliser:
    """``(x - mean) / std`` per channel, with the statistics of one training set: ``Normaliser.of(x_train)(x)``."""

    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def of(cls, x_train):
        return cls(*channel_statistics(x_train))

    def __call__(self, x, dtype=np.float32):
        return normalise(x, self.mean, self.std, dtype)

    def undo(self, y):
        """``y std + mean``: back to pixels from 0 to 255, as floats of y's type."""
        return y * np.asarray(self.std, y.dtype) + np.asarray(self.mean, y.dtype)


def channel_statistics(x):
    """Mean and standard deviation per channel, float64 (C,) each, in units of one grey level (0 ... 255).

        mean_c = sum_v v n_cv / sum_v n_cv        std_c = sqrt(sum_v (v - mean_c)^2 n_cv / sum_v n_cv)

    ``x`` is uint8 (N, H, W, C). n_cv counts the pixels of channel c with value v: the sums are exact whatever the
    number of pictures, and no float copy of them is made. A channel of one single value gets std 1.
    """
    levels = np.arange(256.0)
    counts = np.stack([np.bincount(x[..., c].ravel(), minlength=256) for c in range(x.shape[-1])])
    total = counts.sum(axis=1)
    mean = counts @ levels / total
    std = np.sqrt((counts * (levels - mean[:, None]) ** 2).sum(axis=1) / total)
    return mean, np.where(std > 0, std, 1.0)


def normalise(x, mean, std, dtype=np.float32):
    """``(x - mean) / std`` per channel for x (..., C) of any real type with values 0 ... 255."""
    y = np.subtract(x, np.asarray(mean, dtype), dtype=dtype)
    y *= np.asarray(1 / np.asarray(std), dtype)
    return y


def describe(dataset):
    """What is in a data set, as the lines that ``python -m minigooglenet data`` prints."""
    mean, std = channel_statistics(dataset.x_train)
    width = max(map(len, dataset.classes))
    counts = [np.bincount(y, minlength=len(dataset.classes)) for y in (dataset.y_train, dataset.y_test)]
    H, W, C = dataset.x_train.shape[1:]
    lines = [f"{dataset.name}: {len(dataset.y_train):,} training and {len(dataset.y_test):,} test pictures, "
             f"{H}x{W}x{C}, {len(dataset.classes)} classes"]
    lines += [f"  {label:3}  {name:<{width}}  {train:6,} training  {test:6,} test"
              for label, (name, train, test) in enumerate(zip(dataset.classes, *counts, strict=True))]
    lines += [f"  {what:<5} {'  '.join(f'{value:7.2f}' for value in values)}   (red, green, blue of the training set)"
              for what, values in (("mean", mean), ("std", std))]
    return "\n".join(lines + ([f"note: {dataset.note}"] if dataset.note else []))
