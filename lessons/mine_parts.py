"""The network of the capstone, and which part of it is which answer.

``PARTS`` is the table. ``mine_layers.py`` has a subclass for every layer of the library that an answer can replace. So
any network can be wired with the answers, and counting, checking and training it are the same loops as for the
library's.
"""

from typing import NamedTuple

import numpy as np

from minigooglenet.layers import cross_entropy
from minigooglenet.layers.base import Array, Layer, Shape
from minigooglenet.models.inception import Style
from minigooglenet.models.rows import (
    CLASSES,
    Convolution,
    Drop,
    FullyConnected,
    GlobalPooling,
    Inception,
    Pooling,
    Row,
    build,
)

from .mine_answers import Answers
from .mine_layers import OWN


class Part(NamedTuple):
    """What an answer does in the network; the topic of its lesson; the name of the function."""

    does: str
    topic: str
    answer: str


PARTS = (
    Part("convolution: number of windows", "convolution", "output_size"),
    Part("convolution", "convolution", "convolve"),
    Part("convolution, backward", "backward", "conv_backward"),
    Part("1x1 convolution, dense layer", "one_by_one", "one_by_one"),
    Part("dense layer and ReLU, backward", "backward", "dense_relu_backward"),
    Part("max pooling: number of windows", "pooling", "pooled_size"),
    Part("max pooling", "mine", "max_pool"),
    Part("max pooling, backward", "pooling", "max_pool_backward"),
    Part("inception module", "mine", "inception"),
    Part("inception module, backward", "mine", "inception_backward"),
    Part("concatenation, backward", "inception", "concat_backward"),
    Part("global average, backward", "average", "gap_backward"),
    Part("dropout, forward and backward", "average", "dropout"),
    Part("batch norm", "batch_norm", "batch_norm"),
    Part("batch norm, backward", "batch_norm", "batch_norm_backward"),
    Part("batch norm: running statistics", "batch_norm", "update_running"),
    Part("initial weights", "depth", "deviation"),
    Part("loss and its gradient", "softmax", "cross_entropy"),
    Part("update of the weights", "recipe", "momentum_step"),
    Part("order of the images", "cifar", "batch_of"),
    Part("mirroring", "augmentation", "mirror"),
    Part("probabilities", "softmax", "softmax"),
)

#: Steps of NumPy for which no lesson has an exercise.
WITHOUT = "max(x, 0) of the ReLU and the mean over all pixels"


class Size(NamedTuple):
    """How large the training is: pixels, filters per column of the table (times 4), images in a batch."""

    side: int
    width: int
    batch: int


#: From the largest to the smallest. Loops over single pixels in Python can afford only the last.
SIZES = (Size(16, 2, 32), Size(16, 1, 16), Size(8, 1, 8))


def rows(width: int, drop_prob: float = 0.1) -> tuple[Row, ...]:
    """Two inception modules between a stem and the ending of GoogLeNet."""
    return (
        Convolution("conv1", 4 * width, 3),
        Pooling("pool1"),
        #               1x1        3x3r       3x3        5x5r       5x5        pool
        Inception("3a", 2 * width, 2 * width, 4 * width, 1 * width, 2 * width, 2 * width),
        Pooling("pool3"),
        Inception("4a", 4 * width, 4 * width, 8 * width, 2 * width, 4 * width, 4 * width),
        GlobalPooling("pool5"),
        Drop("dropout", drop_prob),
        FullyConnected("linear", CLASSES),
    )


def network(size: Size, answers: Answers, seed: int = 0, dtype: str = "float32") -> Layer:
    """The network for images (N, side, side, 3), with batch norm, made of the answers where there are some."""
    def init(rng: np.random.Generator, shape: Shape, fan_in: int) -> Array:
        std = answers.ask("deviation", (shape,), ())
        return rng.standard_normal(shape) * (np.sqrt(2 / fan_in) if std is None else std)

    style = Style(norm="batch", init=init, rng=np.random.default_rng(seed), dtype=dtype)
    return wire(build(rows(size.width), style, (size.side, size.side, 3), 10), answers)


def wire(net: Layer, answers: Answers) -> Layer:
    """Make every layer of ``net`` ask for the answers first. In place; returns net.

    Only the class of a layer changes: weights, names and the containers that hold it stay as they are.
    """
    if own := OWN.get(type(net)):
        net.__class__ = own
        net.answers = answers  # type: ignore[attr-defined]
    for child in net.children.values():
        wire(child, answers)
    return net


def loss_of(answers: Answers, z: Array, labels: Array) -> tuple[float, Array]:
    """The loss and dL/dz."""
    return answers.ask("cross_entropy", (z, labels), (), z.shape) or cross_entropy(z, labels)
