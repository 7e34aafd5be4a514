"""How good a classifier is, from the labels y (N,) of N images and the probabilities p (N, K) of K classes.

The predicted class is the most probable one, and its probability is the confidence: ŷ_n = argmax_k p_nk, c_n = max_k
p_nk. What cannot be computed, such as the recall of a class without images, is NaN.
"""

import math
from typing import NamedTuple

import numpy as np

from ..layers.base import Array

Z = 1.959964            # 95 % of a normal distribution are within so many standard deviations of its mean
BINS = 15               # of the confidence, as in Guo et al. 2017
SMALLEST = 1e-30        # a probability in a logarithm


def wilson(correct: int, total: int, z: float = Z) -> tuple[float, float]:
    """The Wilson interval of a fraction a = correct / total, here n = total: all true fractions t from which a is at
    most z standard deviations away, |a - t| <= z √(t (1 - t) / n). Solved for t:

        (a + z²/2n ± z √(a (1 - a) / n + z²/4n²)) / (1 + z²/n)

    Unlike a ± z √(a (1 - a) / n) it stays within 0 and 1, and 20 of 20 is not certainty. (NaN, NaN) for no images.
    Source: Wilson 1927.
    """
    if not total:
        return math.nan, math.nan
    a, s = correct / total, z * z / total
    half = math.sqrt(s * a * (1 - a) + s * s / 4)
    return max(0.0, (a + s / 2 - half) / (1 + s)), min(1.0, (a + s / 2 + half) / (1 + s))


def confusion_matrix(y: Array, predicted: Array, K: int) -> Array:
    """C_ij, the number of images with label i and predicted class j: int64 (K, K)."""
    return np.bincount(y * K + predicted, minlength=K * K).reshape(K, K)


class ByClass(NamedTuple):
    """Arrays (K,); ``support`` is the number of images with this label."""

    precision: Array
    recall: Array
    f1: Array
    support: Array


def by_class(C: Array) -> ByClass:
    """From the confusion matrix, for each class k:

        precision = C_kk / Σ_i C_ik        of the images predicted as k, the fraction that are k; NaN if there are none
        recall    = C_kk / Σ_j C_kj        of the images that are k, the fraction that is predicted as k; NaN likewise
        F1        = 2 C_kk / (Σ_i C_ik + Σ_j C_kj)                         the harmonic mean of precision and recall
    """
    hits, predicted, support = np.diag(C), C.sum(axis=0), C.sum(axis=1)
    return ByClass(_ratio(hits, predicted), _ratio(hits, support), _ratio(2 * hits, predicted + support), support)


def mean(values: Array) -> float:
    """The mean of the values that are not NaN: the macro average of a measure over the classes that have it."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else math.nan


def negative_log_likelihood(p: Array, y: Array) -> float:
    """NLL = -1/N Σ_n log p_n,y_n, in nats: the cross-entropy on these images. ln K for equal probabilities."""
    return float(-np.log(np.maximum(p[np.arange(len(y)), y].astype(np.float64), SMALLEST)).mean())


class Reliability(NamedTuple):
    """Arrays (bins,): the number of images in each bin of the confidence, their mean confidence and accuracy."""

    images: Array
    confidence: Array
    accuracy: Array


def reliability(p: Array, y: Array, bins: int = BINS) -> Reliability:
    """Images by confidence: bin m of M has those with (m - 1) / M < c_n <= m / M. Source: Guo et al. 2017, section 2.
    """
    confidence, correct = p.max(axis=1).astype(np.float64), p.argmax(axis=1) == y
    m = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    count = np.bincount(m, minlength=bins)
    return Reliability(count, *(_ratio(np.bincount(m, values, bins), count) for values in (confidence, correct)))


def calibration_error(found: Reliability) -> float:
    """The expected calibration error, ECE = Σ_m |B_m| / N · |accuracy(B_m) - confidence(B_m)| over the bins B_m.

    0 if, of the images with confidence 0.8, 80 % are correct, and so on. Source: Guo et al. 2017, equation 3.
    """
    gap = np.abs(found.accuracy - found.confidence)
    return float(np.nansum(found.images * gap) / found.images.sum())


def with_temperature(p: Array, T: float) -> Array:
    """softmax(z / T) for probabilities p (N, K) = softmax(z): p_k^(1/T) / Σ_j p_j^(1/T).

    T > 1 lowers the confidence, T < 1 raises it; the order of the classes stays. Source: Guo et al. 2017, section 4.2.
    """
    log_q = np.log(np.maximum(p.astype(np.float64), SMALLEST)) / T
    q = np.exp(log_q - log_q.max(axis=1, keepdims=True))
    return q / q.sum(axis=1, keepdims=True)


def _ratio(a, b):
    return np.divide(a, b, out=np.full(len(b), math.nan), where=b > 0)
