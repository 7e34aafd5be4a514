"""Data sets: CIFAR-10 (downloaded and verified), Shapes-10 (generated from a seed), and folders of your own.

    dataset = load("shapes10")                      # or "cifar10", or a folder; by default the best one available
    normalizer = Normalizer.of(dataset.x_train)
    for x, y in batches(dataset.x_train, dataset.y_train, 128, epoch=0, seed=1, augment=Augment("crop"),
                        normalizer=normalizer):
        ...                                         # x float32 (128, 32, 32, 3), y int64 (128,)
"""

from .augment import Augment
from .batches import batches, steps_per_epoch
from .cifar10 import fetch
from .dataset import Dataset, Normalizer, channel_statistics, describe, normalize
from .source import load

__all__ = ["Augment", "Dataset", "Normalizer", "batches", "channel_statistics", "describe", "fetch", "load",
           "normalize", "steps_per_epoch"]
