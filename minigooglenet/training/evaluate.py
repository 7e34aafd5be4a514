"""How often is the network right?"""

import numpy as np

from .. import fast
from ..inference.crops import average_small
from ..layers import softmax


def probabilities(net, x, normaliser, batch=256, views=1):
    """Class probabilities (N, classes) for uint8 pictures (N, H, W, 3), batch by batch, averaged over the views:
    1 is the picture itself, 2 adds its mirror image, 10 and 144 are ``small_crops`` of inference/crops.py."""
    frozen = fast.predictor(net)

    def model(pictures):
        return softmax(frozen.predict(normaliser(np.ascontiguousarray(pictures))))

    return np.concatenate([average_small([model], x[start:start + batch], views) for start in range(0, len(x), batch)])


def accuracy(net, x, y, normaliser, batch=256, views=1):
    """The fraction of pictures whose most probable class is the label."""
    return float(np.mean(probabilities(net, x, normaliser, batch, views).argmax(axis=1) == y))


def confusion(guesses, labels, classes):
    """A table: one row for each true class, how many of its pictures went to which class, and the share that is right.

    guesses, labels: int (N,), from 0 to len(classes) - 1.
    """
    K = len(classes)
    counts = np.bincount(labels * K + guesses, minlength=K * K).reshape(K, K)
    width = max(map(len, classes))
    head = " " * width + "".join(f"{name[:6]:>7}" for name in classes) + "   right"
    rows = [f"{name:<{width}}" + "".join(f"{n:7,}" for n in row) + f"{row[k] / max(row.sum(), 1):8.1%}"
            for k, (name, row) in enumerate(zip(classes, counts, strict=True))]
    return "\n".join([head, *rows])
