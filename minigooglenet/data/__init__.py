"""Pictures to learn from: CIFAR-10 (fetched, checked, read), Shapes-10 (drawn, always there), folders of one's own.

    dataset = load("shapes10")                      # or "cifar10", a folder, or nothing: the best there is
    normaliser = Normaliser.of(dataset.x_train)
    for x, y in batches(dataset.x_train, dataset.y_train, 128, epoch=0, seed=1, augment=Augment("crop"),
                        normaliser=normaliser):
        ...                                         # x float32 (128, 32, 32, 3), y int64 (128,)
"""

from .augment import Augment
from .batches import batches, steps_per_epoch
from .cifar10 import fetch
from .dataset import Dataset, Normaliser, channel_statistics, describe, normalise
from .source import load

__all__ = ["Augment", "Dataset", "Normaliser", "batches", "channel_statistics", "describe", "fetch", "load",
           "normalise", "steps_per_epoch"]
