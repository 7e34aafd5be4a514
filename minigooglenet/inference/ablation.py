"""Models × crops: what the paper's Table 3 measured, measured here.

Everything comes from one array for each number of crops, p (M, N, K): the probabilities that each of M models gives
each of N pictures, averaged over its crops. One model is a row p[m]; the ensemble is the mean over m, because the
softmax is averaged over crops and models alike (section 7).
"""

import numpy as np

from .photos import open_photo

#: Table 3: (models, crops) -> top-5 error on the validation set of the 2014 challenge.
PAPER = {(1, 1): 0.1007, (1, 10): 0.0915, (1, 144): 0.0789, (7, 1): 0.0809, (7, 10): 0.0762, (7, 144): 0.0667}

CROPS = (1, 10, 144)


def look_at_pictures(classifiers, x, crops=CROPS, on_pictures=None):
    """{number: p (M, N, K)} for small pictures x (N, S, S, 3); ``on_pictures(n)`` is called as they are done."""
    return {number: np.stack([c.pictures(x, number, on_batch=on_pictures) for c in classifiers]) for number in crops}


def look_at_photos(classifiers, files, crops=CROPS, on_pictures=None):
    """The same for photos in files, one at a time in memory. Raises UserError for a file that is no picture."""
    found = {number: [] for number in crops}
    for file in files:
        image = open_photo(file)
        for number in crops:
            found[number].append([c.photo(image, number) for c in classifiers])
            if on_pictures:
                on_pictures(len(classifiers))
    return {number: np.stack(answers, axis=1) for number, answers in found.items()}


def error(p, y, top=1):
    """The fraction of pictures whose label y (N,) is not among the ``top`` most probable classes of p (N, K)."""
    best = np.argsort(-p, axis=1, kind="stable")[:, :top]
    return float(np.mean((best != y[:, None]).all(axis=1)))


def table(found, y):
    """Rows for one model and for all M, at each number of crops; a list of dicts.

        models, crops, cost     cost = models · crops, as Table 3 counts it
        top1, top5              error; for one model the mean over all M, each alone (top5 None for under 20 classes)
        singles                 for one model: the top-1 error of each
        paper                   the top-5 error in Table 3, where it has that row
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
