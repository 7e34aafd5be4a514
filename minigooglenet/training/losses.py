"""The weighted sum of the three losses."""

from collections.abc import Sequence
from typing import Any

from ..layers import cross_entropy
from ..layers.base import Array


def weighted_loss(logits: Any, labels: Array, weights: Sequence[float],
                  smoothing: float = 0.0) -> tuple[float, float, Any]:
    """L = Σ_k w_k · cross_entropy(logits_k, labels), over the main classifier and the auxiliary classifiers.

    logits: a list of (N, classes), the main classifier's first; or one array for a network without auxiliary
    classifiers, weighted with w_0. Returns (L, the main classifier's own loss, dL/dlogits in the form of ``logits``).
    The auxiliary classifiers count 0.3 each (Szegedy et al. 2014, section 5).
    """
    if not isinstance(logits, list):
        loss, dz = cross_entropy(logits, labels, smoothing)
        return loss * weights[0], loss, dz * logits.dtype.type(weights[0])
    total, losses, gradients = 0.0, [], []
    for z, weight in zip(logits, weights, strict=True):
        loss, dz = cross_entropy(z, labels, smoothing)
        total += weight * loss
        losses.append(loss)
        gradients.append(dz * z.dtype.type(weight))
    return total, losses[0], gradients
