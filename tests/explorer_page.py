"""A classifier and images for the tests of the explorer."""

import numpy as np

from minigooglenet.inference.classifier import Classifier
from minigooglenet.layers import softmax
from minigooglenet.models import mini_googlenet


def classifier():
    """An untrained Classifier, with names that need escaping in HTML."""
    net = mini_googlenet(0.05, classes=3, rng=np.random.default_rng(3))

    def prepare(x):
        return np.asarray(x, np.float32) / 255

    return Classifier("weights & more", 32, ["cat", "dog", "</script><b>"], lambda x: softmax(net.predict(prepare(x))),
                      net, prepare, lambda x: 255 * x)


def images():
    """[(name, image)]"""
    return [(name, np.random.default_rng(n).integers(0, 256, (32, 32, 3), np.uint8))
            for n, name in enumerate(["first", "<second>"])]
