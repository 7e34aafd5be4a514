"""What tests of fine-tuning share: drawn images of three classes, a network with random weights, and a tuner."""

import numpy as np

from minigooglenet.data import Dataset, Normalizer, shapes10
from minigooglenet.training.config import Config
from minigooglenet.training.finetune import Base, FineTuner
from minigooglenet.training.network import build

CONFIG = Config(width=0.05, norm="lrn", heads=False, epochs=3, batch=8, lr=0.02, average=0, drop_prob=0.3, stored=34,
                size=32, schedule="cosine")
CLASSES = 3


def dataset(train=42, test=15):
    """Drawn images of three classes; those for training have a border of two pixels."""
    parts = []
    for number, split in ((train, 0), (test, 1)):
        x, y = shapes10.draw(4 * number, 3, split=split)
        chosen = np.flatnonzero(y < CLASSES)[:number]
        parts += [x[chosen], y[chosen]]
    x_train, *rest = parts
    return Dataset("drawn", np.pad(x_train, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge"), *rest,
                   shapes10.CLASSES[:CLASSES])


def base():
    """A network with random weights for ten classes that reads blue first."""
    net = build(CONFIG, 10, (32, 32, 3), np.random.default_rng(1))
    normalizer = Normalizer(np.array([100.0, 110, 120]), np.array([50.0, 60, 70]), "BGR")
    return Base("base", CONFIG, 32, net.parameters() | net.state(), normalizer)


def tuner(data, base, cache, unfreeze=None, folder=None, **changes):
    return FineTuner(CONFIG.but(**changes), data, base.normalizer, unfreeze, cache, folder)
