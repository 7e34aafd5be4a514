"""Everything that a report says in numbers, as values for JSON."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..inference import label_errors, metrics
from ..layers.base import Array

FORMAT = "minigooglenet report 1"
SHOWN = 12          # mistakes and suspects, at most


def facts(p: Array, y: Array, classes: Sequence[str]) -> dict[str, Any]:
    """The measures of inference/metrics.py for probabilities p (N, K) and labels y (N,). What is NaN becomes None."""
    K, predicted = len(classes), p.argmax(axis=1)
    C = metrics.confusion_matrix(y, predicted, K)
    by_class, bins = metrics.by_class(C), metrics.reliability(p, y)
    correct = int((predicted == y).sum())
    return _plain({
        "format": FORMAT, "test_images": len(y), "classes": list(classes), "correct": correct,
        "accuracy": correct / len(y), "interval": metrics.wilson(correct, len(y)),
        "guessing": by_class.support.max() / len(y),
        "by_class": [{"class": name, "images": by_class.support[k], "precision": by_class.precision[k],
                      "recall": by_class.recall[k],
                      "recall_interval": metrics.wilson(int(C[k, k]), int(by_class.support[k])), "f1": by_class.f1[k]}
                     for k, name in enumerate(classes)],
        "macro": {name: metrics.mean(getattr(by_class, name)) for name in ("precision", "recall", "f1")},
        "confusion_matrix": C, "confusions": confusions(C),
        "nll": metrics.negative_log_likelihood(p, y), "ece": metrics.calibration_error(bins),
        "confidence": p.max(axis=1).mean(dtype=np.float64),
        "reliability": [{"above": m / len(bins.images), "up_to": (m + 1) / len(bins.images), "images": bins.images[m],
                         "confidence": bins.confidence[m], "accuracy": bins.accuracy[m]}
                        for m in range(len(bins.images))],
    })


def confusions(C: Array, number: int = SHOWN) -> list[dict[str, int]]:
    """The largest entries off the diagonal: [{"label", "predicted", "images"}], as numbers of classes."""
    off = C - np.diag(np.diag(C))
    order = np.argsort(-off, axis=None, kind="stable")[:number]
    pairs = [(int(i), int(j)) for i, j in zip(*np.unravel_index(order, C.shape), strict=True)]
    return [{"label": i, "predicted": j, "images": int(off[i, j])} for i, j in pairs if off[i, j]]


def mistakes(p: Array, y: Array, number: int = SHOWN) -> Array:
    """The wrong predictions with the highest confidence: numbers of images."""
    wrong = np.flatnonzero(p.argmax(axis=1) != y)
    return wrong[np.argsort(-p[wrong].max(axis=1), kind="stable")[:number]]


def cases(p: Array, y: Array, images: Array, other: Array, files: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """[{"image", "file", "label", "predicted", "confidence", "self_confidence"}] for the numbers of some ``images``
    and a class for each that speaks against its label."""
    return _plain([{"image": n, "file": files[n] if files else None, "label": y[n], "predicted": k,
                    "confidence": p[n, k], "self_confidence": p[n, y[n]]}
                   for n, k in zip(images.tolist(), other.tolist(), strict=True)])


def suspects(p: Array, y: Array, files: Sequence[str] | None = None, number: int = SHOWN) -> dict[str, Any]:
    """{"images": how many labels are suspected, "shown": the ``cases`` of the most suspicious ones}."""
    found = label_errors.suspects(p, y)
    return {"images": len(found.images), "of": len(y),
            "shown": cases(p, y, found.images[:number], found.suggested[:number], files)}


def _plain(value: Any) -> Any:
    """``value`` of Python's own types, with None for NaN."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    return None if isinstance(value, float) and math.isnan(value) else value
