"""Measuring accuracy."""

from collections.abc import Callable, Sequence

import numpy as np

from .. import engine
from ..data.crops import average_small
from ..data.mapped import chunks
from ..errors import shown
from ..layers import softmax
from ..layers.base import Array, Layer


def images_per_pass(H: int, W: int) -> int:
    """How many images are evaluated at a time: 256 of 32×32 pixels, fewer larger ones, in about the same memory."""
    return max(1, 2**18 // (H * W))


def probabilities(net: Layer, x: Array, normalizer: Callable[[Array], Array], batch: int | None = None,
                  views: int = 1) -> Array:
    """Class probabilities (N, classes) for uint8 images (N, H, W, C), averaged over the views of each image.

    batch: images at a time (default: ``images_per_pass``). views: 1, the image itself; 2, also its mirror image; 10
    and 144, the crops of ``small_crops`` in data/crops.py.
    """
    batch = batch or images_per_pass(*x.shape[1:3])
    predictor = engine.predictor(net)

    def model(images):
        return softmax(predictor.predict(normalizer(np.ascontiguousarray(images))))

    return np.concatenate([average_small([model], part, views) for part in chunks(x, batch)])


def accuracy(net: Layer, x: Array, y: Array, normalizer: Callable[[Array], Array], batch: int | None = None,
             views: int = 1) -> float:
    """The fraction of images whose most probable class is the label."""
    return float(np.mean(probabilities(net, x, normalizer, batch, views).argmax(axis=1) == y))


def averaged(views: int) -> str:
    """What follows a number of images: nothing, ", each averaged with its mirror image", or the number of views."""
    return {1: "", 2: ", each averaged with its mirror image"}.get(views, f", each averaged over {views} views")


def confusion(predicted: Array, labels: Array, classes: Sequence[str]) -> str:
    """The confusion matrix as text: a row for each label, a column for each predicted class, then the row's accuracy.

    predicted, labels: int (N,), from 0 to len(classes) - 1.
    """
    K, classes = len(classes), [shown(name) for name in classes]
    counts = np.bincount(labels * K + predicted, minlength=K * K).reshape(K, K)
    width = max(map(len, classes))
    head = " " * width + "".join(f"{name[:6]:>7}" for name in classes) + " correct"
    rows = [f"{name:<{width}}" + "".join(f"{n:7,}" for n in row) + f"{row[k] / max(row.sum(), 1):8.1%}"
            for k, (name, row) in enumerate(zip(classes, counts, strict=True))]
    return "\n".join([head, *rows])
