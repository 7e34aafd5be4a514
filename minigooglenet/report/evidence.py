"""Why a network predicts what it does: maps of its evidence, and the training images that are most similar to it."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ..data.dataset import Dataset, Normalizer
from ..errors import UserError
from ..interpret import cam
from ..interpret.structure import trunk_of
from ..layers import Sequential
from ..layers.base import Array, Layer
from ..training import linear
from ..training.frozen import activations, copies_of, features

SEARCHED = 10_000       # training images that are compared, at most
NEAREST = 4


def body(net: Layer) -> Sequential:
    """The layers below the classifier, which is the last layer with weights. Their output are the features: of
    GoogLeNet the 1,024 means of global average pooling."""
    children = trunk_of(net).children
    last = [name for name, layer in children.items() if layer.parameters()][-1]
    return Sequential(dict(list(children.items())[:list(children).index(last)]))


class Searched:
    """The features of training images: ``numbers`` (n,) of the images, ``vectors`` (n, D).

    Of more than SEARCHED images so many are drawn. ``cache`` is the folder of the feature caches of fine-tuning, which
    computes an image once; None: nothing is kept. ``on_images(n)`` is called after every n images.
    """

    def __init__(self, net: Layer, normalizer: Normalizer, dataset: Dataset, cache: Path | None = None,
                 on_images: Callable[[int], object] | None = None) -> None:
        N = len(dataset.y_train)
        self.layers, self.normalizer, self.cache = body(net), normalizer, cache
        self.shape, self.on_images = dataset.x_test.shape[1:], on_images
        self.numbers = np.sort(np.random.default_rng(0).permutation(N)[:SEARCHED])
        images = dataset.x_train if N <= SEARCHED else dataset.x_train[self.numbers]
        self.vectors = self.features(images) if N else np.zeros((0, 0))

    def features(self, images: Array) -> Array:
        """(N, D) for uint8 images (N, H, W, C), of which the center is used if they are larger than the input."""
        if self.cache:
            inputs = activations(images, self.shape, 1, self.layers, self.normalizer, self.cache, self.on_images)
            found = features(Sequential({}), inputs, 1)
        else:
            inputs = activations(images, self.shape, 1, Sequential({}), self.normalizer, "")
            found = features(self.layers, inputs, 1, self.on_images)
        return found.reshape(len(images), -1)

    def nearest(self, images: Array, number: int = NEAREST, but: Array | None = None) -> list[list[tuple[int, float]]]:
        """For each of the uint8 ``images`` (n, H, W, C): the most similar training images, as (number, cosine
        similarity), the most similar first. ``but`` (n,): a training image for each that is left out.

        cos(a, b) = a·b / |a||b| for features a, b: 1 if they have the same direction.
        """
        if not len(self.numbers):
            return [[] for _ in images]
        similarity = unit(self.features(images)) @ unit(self.vectors).T
        if but is not None:
            similarity[but[:, None] == self.numbers] = -np.inf
        order = np.argsort(-similarity, axis=1, kind="stable")[:, :number]
        return [[(int(self.numbers[i]), float(row[i])) for i in best if np.isfinite(row[i])]
                for row, best in zip(similarity, order, strict=True)]

    def out_of_sample(self, y_train: Array, K: int, C: float) -> Array | None:
        """Probabilities (n, K) of the searched images, each from a linear classifier that was fitted without it, and
        without its copies; None if a class has a single image."""
        return linear.out_of_sample(self.vectors, y_train[self.numbers], K, C, copies=copies_of(self.vectors))


def unit(x: Array) -> Array:
    """Each row of x (N, D) divided by its length."""
    x = x.astype(np.float64)
    return x / np.maximum(np.sqrt((x * x).sum(axis=1, keepdims=True)), 1e-30)


def maps(net: Layer, x: Array, classes: Sequence[int], size: tuple[int, int]) -> Array:
    """Where the preprocessed images x (N, H, W, 3) have evidence for ``classes``: N maps of ``size``, non-negative.

    The class activation map; for networks that do not end in global average pooling and one linear layer, Grad-CAM at
    the last layer with maps below the classifier.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        try:
            found = cam.class_activation_map(net, x, classes)
        except UserError:
            found = cam.grad_cam(net, x, classes, cam.layers_with_maps(body(net), x.shape[1:])[-1])
    return np.maximum(cam.upsample(found, *size), 0)
