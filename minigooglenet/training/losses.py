"""The weighted sum of the three losses, and weights of the classes."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..layers import cross_entropy
from ..layers.base import Array


def weighted_loss(logits: Any, labels: Array, weights: Sequence[float], smoothing: float = 0.0,
                  class_weights: Array | None = None) -> tuple[float, float, Any]:
    """L = Σ_k w_k · cross_entropy(logits_k, labels), over the main classifier and the auxiliary classifiers.

    logits: a list of (N, classes), the main classifier's first; or one array for a network without auxiliary
    classifiers, weighted with w_0. class_weights: (classes,), or None for ``cross_entropy`` without them. Returns (L,
    the main classifier's own loss, dL/dlogits in the form of ``logits``). The auxiliary classifiers count 0.3 each
    (Szegedy et al. 2014, section 5).
    """
    if not isinstance(logits, list):
        loss, dz = balanced_cross_entropy(logits, labels, smoothing, class_weights)
        return loss * weights[0], loss, dz * logits.dtype.type(weights[0])
    total, losses, gradients = 0.0, [], []
    for z, weight in zip(logits, weights, strict=True):
        loss, dz = balanced_cross_entropy(z, labels, smoothing, class_weights)
        total += weight * loss
        losses.append(loss)
        gradients.append(dz * z.dtype.type(weight))
    return total, losses[0], gradients


def balanced_cross_entropy(z: Array, labels: Array, smoothing: float = 0.0,
                           class_weights: Array | None = None) -> tuple[float, Array]:
    """The cross-entropy l_n of each image, weighted with its class, and the gradient of the mean.

        L = 1/N Σ_n w_{y_n} l_n        dz_n = w_{y_n} (p_n - t_n) / N

    z (N, K), labels y (N,), class_weights w (K,) -> (L, dz). Images of one class have the same weight, so L is summed
    class by class from ``cross_entropy``, which defines l_n, label smoothing included.

    PyTorch's ``CrossEntropyLoss(weight=w)`` divides by Σ_n w_{y_n} instead of N, so without smoothing it is L · N / Σ_n
    w_{y_n}. With N, an image counts the same in every batch, and parts of a batch add up. With smoothing PyTorch
    weights each term t_nk log p_nk with w_k; here an image has one weight.
    """
    if class_weights is None:
        return cross_entropy(z, labels, smoothing)
    N, loss, dz = len(z), 0.0, cross_entropy(z, labels, smoothing)[1]
    for label in np.unique(labels):
        chosen = labels == label
        loss += class_weights[label] * chosen.sum() / N * cross_entropy(z[chosen], labels[chosen], smoothing)[0]
    dz *= class_weights[labels, None].astype(z.dtype)
    return float(loss), dz


def class_weights(labels: Array, classes: int) -> Array:
    """w_c = N / (K n_c), float64 (classes,), for N labels of which n_c are c, and K classes that occur; 0 for others.

    The mean of w_{y_n} over the N labels is 1, and every class has the same share of it. scikit-learn calls these
    weights "balanced".
    """
    n = np.bincount(labels, minlength=classes)
    return np.divide(len(labels), (n > 0).sum() * n, out=np.zeros(classes), where=n > 0)
