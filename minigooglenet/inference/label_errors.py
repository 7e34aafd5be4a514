"""Labels that are probably wrong: confident learning (Northcutt, Jiang & Chuang 2021).

The probabilities p (N, K) have to be out of sample: from a network that was not trained on these images, or at least
not on their labels. A network that memorized a wrong label agrees with it.
"""

from typing import NamedTuple

import numpy as np

from ..layers.base import Array


class Suspects(NamedTuple):
    """``images`` (n,) are the numbers of the images, the most suspicious first; ``suggested`` (n,) their classes
    according to the network."""

    images: Array
    suggested: Array


def thresholds(p: Array, y: Array) -> Array:
    """t_k, the mean of p_nk over the images n that are labeled k: (K,). Infinite for a class without images.

    A network is less sure of a difficult class, and t_k allows for that. Source: equation 2 of the paper.
    """
    K = p.shape[1]
    number = np.bincount(y, minlength=K)
    total = np.bincount(y, p[np.arange(len(y)), y], K)
    return np.divide(total, number, out=np.full(K, np.inf), where=number > 0)


def suspects(p: Array, y: Array) -> Suspects:
    """Images whose label y_n is neither the predicted class nor the one that the network is sure of.

    The network is sure of class k for image n if p_nk >= t_k, of the most probable one if there are several. These are
    the entries off the diagonal of the paper's confident joint (equation 1), without images whose label is predicted:
    the same images as with ``filter_by="confident_learning"`` of the package cleanlab. They are sorted by p_n,y_n, the
    self-confidence, from low to high.
    """
    sure = np.where(p >= thresholds(p, y), p, -1.0)
    suggested = sure.argmax(axis=1)
    found = np.flatnonzero((sure.max(axis=1) >= 0) & (suggested != y) & (p.argmax(axis=1) != y))
    found = found[np.argsort(p[found, y[found]], kind="stable")]
    return Suspects(found, suggested[found])
