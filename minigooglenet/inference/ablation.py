"""Error as a function of the number of models and of crops: the paper's Table 3, measured here.

All rows derive from one array per number of crops, p (M, N, K): the probabilities of M models for N images, averaged
over the crops of each image. p[m] is one model; the ensemble is the mean over m, because the paper averages the softmax
over crops and models alike (section 7).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..data.photos import open_photo
from ..layers.base import Array
from .classifier import Classifier

#: Table 3: (models, crops) -> top-5 error on the validation set of ILSVRC 2014.
PAPER = {(1, 1): 0.1007, (1, 10): 0.0915, (1, 144): 0.0789, (7, 1): 0.0809, (7, 10): 0.0762, (7, 144): 0.0667}

CROPS = (1, 10, 144)


def evaluate_images(classifiers: Sequence[Classifier], x: Array, crops: Iterable[int] = CROPS,
                    on_images: Callable[[int], Any] | None = None) -> dict[int, Array]:
    """{crops: p (M, N, K)} for small images x (N, S, S, 3). ``on_images(n)`` is called after every n evaluations."""
    return {number: np.stack([c.images(x, number, on_batch=on_images) for c in classifiers]) for number in crops}


def evaluate_photos(classifiers: Sequence[Classifier], files: Iterable[Path | str], crops: Iterable[int] = CROPS,
                    on_images: Callable[[int], Any] | None = None) -> dict[int, Array]:
    """The same for image files, one at a time in memory. Raises UserError for a file that is not an image."""
    found: dict[int, list[list[Array]]] = {number: [] for number in crops}
    for file in files:
        image = open_photo(file)
        for number in found:
            found[number].append([c.photo(image, number) for c in classifiers])
            if on_images:
                on_images(len(classifiers))
    return {number: np.stack(answers, axis=1) for number, answers in found.items()}


def error(p: Array, y: Array, top: int = 1) -> float:
    """Top-k error: the fraction of images whose label y (N,) is not among the ``top`` highest classes of p (N, K)."""
    best = np.argsort(-p, axis=1, kind="stable")[:, :top]
    return float(np.mean((best != y[:, None]).all(axis=1)))


def table(found: Mapping[int, Array], y: Array) -> list[dict[str, Any]]:
    """Rows for one model and for all M, for each number of crops.

        models, crops, cost     cost = models · crops, as Table 3 counts it
        top1, top5              error; for one model the mean over all M, where the paper takes the model with the
                                lowest validation error (top5 is None for fewer than 20 classes)
        singles                 for one model: the top-1 error of each of the M
        paper                   the top-5 error in Table 3, if it has that row
    """
    rows = []
    for models in sorted({1, len(next(iter(found.values())))}):
        for crops, p in found.items():
            answers = list(p) if models == 1 else [p.mean(axis=0)]
            singles = [error(answer, y) for answer in answers]
            rows.append({
                "models": models, "crops": crops, "cost": models * crops, "top1": float(np.mean(singles)),
                "top5": float(np.mean([error(a, y, 5) for a in answers])) if p.shape[2] >= 20 else None,
                "singles": singles if models == 1 else None, "paper": PAPER.get((models, crops)),
            })
    return rows
