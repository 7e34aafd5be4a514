"""Checks of lesson 18: boxes against the library's, averages of softmaxes, top-1 and top-5 errors."""

import numpy as np

from lessons.check import Case, Exercise, Mistake
from minigooglenet.data.crops import SCALES, crops_144
from minigooglenet.inference.ablation import error
from minigooglenet.layers import softmax

# -- boxes -------------------------------------------------------------------------------------------------------------


def box_cases():
    for width, height, size, scales in ((12, 6, 4, (6,)), (6, 11, 4, (6, 7, 8)), (500, 375, 224, SCALES),
                                        (333, 500, 224, SCALES), (256, 256, 224, SCALES), (32, 32, 32, (32, 36))):
        kind = "landscape" if width > height else "portrait" if width < height else "square"
        yield Case(f"a {kind} of {width}×{height}, size {size}, {len(scales)} scale{'s' if len(scales) > 1 else ''}",
                   (width, height, size, scales), np.array(crops_144(width, height, size, scales)).astype(int))


def _boxes(width, height, size, scales, portrait=True, whole=True, sides=(0, 1), longer=False, squares=3,
           crop=lambda n: n // 2, square=lambda n: n // 2):
    found = []
    for shorter in scales:
        scale = shorter / (max if longer else min)(width, height)
        w, h = round(width * scale), round(height * scale)
        spare = max(w, h) - shorter
        far, middle = shorter - size, crop(shorter - size)
        places = [(0, 0, size), (far, 0, size), (0, far, size), (far, far, size), (middle, middle, size)]
        for step in {3: (0, square(spare), spare), 1: (square(spare),)}[squares]:
            left, top = (step, 0) if w >= h or not portrait else (0, step)
            found += [(shorter, left + dx, top + dy, side, mirrored)
                      for dx, dy, side in places + whole * [(0, 0, shorter)] for mirrored in sides]
    return np.array(found)


def portraits_like_landscapes(width, height, size, scales):
    return _boxes(width, height, size, scales, portrait=False)


def no_whole_square(width, height, size, scales):
    return _boxes(width, height, size, scales, whole=False)


def not_mirrored(width, height, size, scales):
    return _boxes(width, height, size, scales, sides=(0,))


def middle_square_only(width, height, size, scales):
    return _boxes(width, height, size, scales, squares=1)


def longer_side_scaled(width, height, size, scales):
    return _boxes(width, height, size, scales, longer=True)


def mirrored_last(width, height, size, scales):
    both = [_boxes(width, height, size, scales, sides=(side,)) for side in (0, 1)]
    return np.concatenate(both)


def left_and_top_swapped(width, height, size, scales):
    return _boxes(width, height, size, scales)[:, [0, 2, 1, 3, 4]]


def crop_rounded(width, height, size, scales):
    return _boxes(width, height, size, scales, crop=lambda n: round(n / 2))


def middles_rounded(width, height, size, scales):
    return _boxes(width, height, size, scales, crop=lambda n: round(n / 2), square=lambda n: round(n / 2))


# -- averaging ---------------------------------------------------------------------------------------------------------

def average_cases():
    rng = np.random.default_rng(14)
    for M, C, N, K in ((2, 3, 1, 4), (1, 5, 2, 3), (3, 2, 4, 6)):
        z = 3 * rng.standard_normal((M, C, N, K))
        yield Case(f"{M} models, {C} crops, {N} images, {K} classes", (z,), softmax(z).mean(axis=(0, 1)))
    z = z.astype(np.float32)
    yield Case("float32 in, float32 out", (z,), softmax(z).mean(axis=(0, 1)))
    z = 1000 * rng.standard_normal((2, 3, 2, 4))
    yield Case("logits of 1000", (z,), softmax(z).mean(axis=(0, 1)))


@np.errstate(all="ignore")
def overflows(logits, largest=0.0):
    e = np.exp(logits - logits.dtype.type(largest))
    return (e / e.sum(axis=-1, keepdims=True)).mean(axis=(0, 1))


def one_maximum(logits):
    return overflows(logits, logits.max())


def logits_averaged(logits):
    return softmax(logits.mean(axis=(0, 1)))


def summed(logits):
    return softmax(logits).sum(axis=(0, 1))


def crops_only(logits):
    return softmax(logits).mean(axis=1)[0]


def most_certain(logits):
    return softmax(logits).max(axis=(0, 1))


def votes(logits):
    K = logits.shape[-1]
    return (logits.argmax(-1)[..., None] == np.arange(K)).mean(axis=(0, 1)).astype(logits.dtype)


def not_normalized(logits):
    return np.exp(logits).mean(axis=(0, 1))


# -- errors ------------------------------------------------------------------------------------------------------------

def error_cases():
    rng = np.random.default_rng(114)
    for N, K, top in ((7, 3, 1), (9, 12, 5), (11, 8, 2), (5, 6, 5)):
        p = softmax(rng.standard_normal((N, K)))
        y = rng.integers(0, K, N)
        yield Case(f"top-{top} of {N} images, {K} classes", (p, y, top), error(p, y, top))


def accuracy(p, y, top):
    return 1 - error(p, y, top)


def always_top_1(p, y, top):
    return error(p, y, 1)


def least_probable(p, y, top):
    return error(-p, y, top)


def in_percent(p, y, top):
    return 100 * error(p, y, top)


def counted(p, y, top):
    return round(len(y) * error(p, y, top))


def sorted_over_images(p, y, top):
    best = np.argsort(-p, axis=0)[:, :top]
    return float(np.mean((best != y[:, None]).all(axis=1)))


def at_one_rank_only(p, y, top):
    best = np.argsort(-p, axis=1)[:, top - 1]
    return float(np.mean(best != y))


EXERCISES = [
    Exercise(
        "boxes",
        hints=("Four nested loops: scales, squares, positions, versions. First get 36 rows for one scale.",
               "spare = max(w, h) - shorter; the squares start at 0, spare // 2 and spare, along the longer side.",
               "In a square, with far = shorter - size: (0, 0), (far, 0), (0, far), (far, far), (far // 2, far // 2)."),
        cases=box_cases,
        mistakes=[
            Mistake(portraits_like_landscapes, "the squares of a portrait lie one below the other: the step is in top"),
            Mistake(no_whole_square, "five of the six are there; the sixth is the whole square, with side shorter"),
            Mistake(not_mirrored, "each crop comes twice: as it is (0) and mirrored (1)"),
            Mistake(middle_square_only, "there are three squares along the longer side, not only the middle one"),
            Mistake(longer_side_scaled, "the shorter side gets ``shorter`` pixels: divide by min(width, height)"),
            Mistake(mirrored_last, "mirrored varies fastest, so each crop is followed by its mirror image"),
            Mistake(left_and_top_swapped, "left comes before top: x, then y"),
            Mistake(crop_rounded, "the middle of the square is rounded down, too: // 2"),
            Mistake(middles_rounded, "the middle is rounded down: // 2"),
        ]),
    Exercise(
        "average",
        hints=("Two steps: a softmax for each prediction, then a mean.",
               "Softmax runs along the last axis: minus the maximum, exp, divided by the sum, all with keepdims=True.",
               "(e / e.sum(axis=-1, keepdims=True)).mean(axis=(0, 1)): over models and crops alike."),
        cases=average_cases,
        mistakes=[
            Mistake(overflows, "exp(1000) is infinite: subtract the largest logit of each prediction first"),
            Mistake(one_maximum, "subtract the largest logit of each prediction, not of all: axis=-1, keepdims=True"),
            Mistake(logits_averaged, "you average logits: first the softmax of each prediction, then the mean"),
            Mistake(summed, "that is the sum; divide by M·C, so that the probabilities add up to 1"),
            Mistake(crops_only, "the mean runs over the models, too: axes 0 and 1"),
            Mistake(most_certain, "take the mean, not the maximum: one confident prediction must not decide alone"),
            Mistake(votes, "probabilities are averaged, not votes for the best class"),
            Mistake(not_normalized, "exp(z) must be divided by its sum over the classes before averaging"),
        ]),
    Exercise(
        "top_error",
        hints=("Find the best classes of each image: np.argsort(-p, axis=1), and keep the first columns.",
               "best != y[:, None] compares each of them with the label. When is a prediction wrong?",
               "If none of them is the label: np.mean((best != y[:, None]).all(axis=1))."),
        cases=error_cases,
        mistakes=[
            Mistake(accuracy, "that is the accuracy; the error is 1 minus the accuracy"),
            Mistake(always_top_1, "the label may be any of the top classes, not only the first"),
            Mistake(least_probable, "np.argsort sorts in ascending order: those are the least probable classes"),
            Mistake(in_percent, "return a fraction from 0 to 1, not percent"),
            Mistake(counted, "that is how many are wrong; divide by the number of images"),
            Mistake(sorted_over_images, "sort the classes of each image: axis=1, not axis=0"),
            Mistake(at_one_rank_only, "you compare only the class at rank ``top``: all ranks up to it count"),
        ]),
]
