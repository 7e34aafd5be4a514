"""Checks of lesson 17: preprocessing against the library's, softmax and the top 5, and diagnoses."""

import numpy as np

from lessons.check import Case, Exercise, Mistake, Property, Wrong
from minigooglenet.data.photos import MEAN_BGR, caffe_input
from minigooglenet.layers import softmax

# -- preprocessing -----------------------------------------------------------------------------------------------------


def photos_of(rng, *shape):
    return rng.integers(0, 256, (*shape, 3)).astype(np.uint8)


def prepare_cases():
    rng = np.random.default_rng(13)
    red = np.array([[[[255, 0, 0], [0, 0, 255]]]], np.uint8)
    yield Case("one pixel red, one blue", (red,), caffe_input(red))
    for N, H, W in ((1, 4, 3), (2, 3, 5), (3, 6, 2)):
        photos = photos_of(rng, N, H, W)
        yield Case(f"{N} of {H}×{W}", (photos,), caffe_input(photos))


def red_first(photos):
    return photos.astype(np.float32) - MEAN_BGR


def red_first_with_its_mean(photos):
    return caffe_input(photos)[..., ::-1]


def mean_forgotten(photos):
    return photos[..., ::-1].astype(np.float32)


def divided(photos):
    return caffe_input(photos) / np.float32(255)


def wrapped(photos):
    return (photos[..., ::-1] - MEAN_BGR.astype(np.uint8)).astype(np.float32)


def mirrored(photos):
    return photos[:, :, ::-1].astype(np.float32) - MEAN_BGR


# -- top 5 -------------------------------------------------------------------------------------------------------------

OVERFLOW = "subtract the largest logit of each image before exp: exp(1000) is infinite, exp(0) is 1"


def top_cases():
    rng = np.random.default_rng(113)
    for N, K in ((1, 6), (2, 10), (3, 17)):
        z = 2 * rng.standard_normal((N, K))
        p = softmax(z)
        classes = np.argsort(-p, axis=1)[:, :5]
        yield Case(f"{N} images, {K} classes", (z,), (classes, np.take_along_axis(p, classes, 1)))
    yield Property("logits of 1000", large_logits)


def large_logits(attempt):
    z = np.array([[1000.0, 999.0, 0.0, 1.0, 2.0, -1000.0]])
    with np.errstate(all="ignore"):
        p, both = (np.asarray(attempt(logits)[1]) for logits in (z, np.concatenate([z, z - 2000])))
    if not np.isfinite(p).all():
        raise Wrong(f"the probabilities are {p.tolist()}", OVERFLOW)
    if not np.allclose(p[0, :2], [1 / (1 + np.exp(-1)), 1 / (1 + np.e)]):
        raise Wrong(f"the best two of logits 1000 and 999 get {p[0, :2].tolist()}", OVERFLOW)
    if not np.allclose(both[0], both[1]):
        raise Wrong(f"two images whose logits differ by the constant 2000 get {both.tolist()}", OVERFLOW)


def _best(z, p):
    classes = np.argsort(-z, axis=1)[:, :5]
    return classes, np.take_along_axis(p, classes, 1)


def overflows(z):
    e = np.exp(z)
    return _best(z, e / e.sum(axis=1, keepdims=True))


def one_maximum(z):
    e = np.exp(z - z.max())
    return _best(z, e / e.sum(axis=1, keepdims=True))


def over_the_batch(z):
    return _best(z, np.exp(z) / np.exp(z).sum(axis=0))


def over_everything(z):
    return _best(z, np.exp(z - z.max()) / np.exp(z - z.max()).sum())


def of_the_five_only(z):
    classes, five = _best(z, z)
    return classes, softmax(five)


def logits_returned(z):
    return _best(z, z)


def worst_first(z):
    classes, p = _best(z, softmax(z))
    return classes[:, ::-1], p[:, ::-1]


# -- diagnosis ---------------------------------------------------------------------------------------------------------

WRONG = {"nothing": caffe_input, "colors": red_first_with_its_mean, "mean": mean_forgotten, "scale": divided,
         "axes": lambda photos: caffe_input(photos).transpose(0, 2, 1, 3)}


def diagnose_cases():
    rng = np.random.default_rng(213)
    bright = (150 + photos_of(rng, 2, 4, 3) % 100).astype(np.uint8)
    for name, wrong in WRONG.items():
        photos = photos_of(rng, 2, 5, 4)
        yield Case(f"photos of 5×4, mistake: {name}", (photos, wrong(photos)), name)
    square = photos_of(rng, 1, 4, 4)
    yield Case("square photos, height and width swapped", (square, WRONG["axes"](square)), "axes")
    yield Case("a bright photo, correct input", (bright, caffe_input(bright)), "nothing")


def _named(photos, fed, names=tuple(WRONG), otherwise="nothing"):
    for name in names:
        suspect = WRONG[name](photos)
        if suspect.shape == fed.shape and np.allclose(suspect, fed, atol=1e-3):
            return name
    return otherwise


def never_colors(photos, fed):
    return _named(photos, fed, ("nothing", "mean", "scale", "axes"))


def by_the_shape(photos, fed):
    return "axes" if fed.shape != photos.shape else _named(photos, fed, ("nothing", "colors", "mean", "scale"))


def no_negatives(photos, fed):
    return "mean" if fed.min() >= 0 else _named(photos, fed)


def mean_not_divided(photos, fed):
    blue_first = photos[..., ::-1].astype(np.float32)
    if np.allclose(fed, blue_first / 255 - MEAN_BGR, atol=1e-3):
        return "scale"
    return _named(photos, fed, ("nothing", "colors", "mean", "axes"))


def mean_of_red_first(photos, fed):
    if np.allclose(fed, photos.astype(np.float32), atol=1e-3):
        return "mean"
    return _named(photos, fed, ("nothing", "colors", "scale", "axes"))


EXERCISES = [
    Exercise(
        "prepare",
        hints=("Three steps: convert to float32, reverse the channels, subtract the mean. In which order?",
               "Floats first: photos.astype(np.float32). Then [..., ::-1] reverses the last axis.",
               "photos.astype(np.float32)[..., ::-1] - np.array(MEAN, np.float32): the mean is blue first, too."),
        cases=prepare_cases,
        mistakes=[
            Mistake(red_first, "the colors are red first, and lose the wrong means: reverse the last axis first"),
            Mistake(red_first_with_its_mean, "blue comes first: reverse the last axis with [..., ::-1]"),
            Mistake(mean_forgotten, "the mean is still there: subtract MEAN from every pixel"),
            Mistake(divided, "nothing is divided: Caffe's weights expect values in the hundreds"),
            Mistake(wrapped, "uint8 wraps around below 0: convert the photos to float32 before you subtract"),
            Mistake(mirrored, "[:, :, ::-1] mirrors the images; the channels are the last axis: [..., ::-1]"),
        ]),
    Exercise(
        "top_5",
        hints=("Probabilities first, by the formula, for each image: sums along axis 1, with keepdims=True.",
               "np.argsort sorts in ascending order; np.argsort(-p, axis=1)[:, :5] are the indices of the best five.",
               "e = np.exp(logits - logits.max(axis=1, keepdims=True)), and np.take_along_axis(p, classes, axis=1)."),
        cases=top_cases,
        returns=("classes", "probabilities"),
        mistakes=[
            Mistake(overflows, OVERFLOW),
            Mistake(one_maximum, OVERFLOW),
            Mistake(over_the_batch, "the sum runs over the classes of one image (axis 1), not over the batch"),
            Mistake(over_everything, "each image's probabilities add up to 1: sum along axis 1, with keepdims=True"),
            Mistake(of_the_five_only, "softmax comes first, over all classes; only then take the five largest"),
            Mistake(logits_returned, "those are the logits; the probabilities are exp(z) / Σ exp(z)"),
            Mistake(worst_first, "best first: np.argsort sorts in ascending order, so sort -p"),
        ]),
    Exercise(
        "diagnose",
        hints=("The range of values reveals some mistakes, not all. Better: make each mistake yourself and compare.",
               "A dict {name: the input with this mistake} of five arrays, then np.allclose with fed. Mind the shapes.",
               "right = prepare(photos); from it [..., ::-1], + MEAN, / 255 and .transpose(0, 2, 1, 3)."),
        cases=diagnose_cases,
        mistakes=[
            Mistake(never_colors, "red first hardly changes the range and the mean: compare every value"),
            Mistake(by_the_shape, "in a square image height and width can be swapped without changing the shape"),
            Mistake(no_negatives, "a bright photo has no negative values either: compare with photos[..., ::-1]"),
            Mistake(mean_not_divided, "for \"scale\" the mean was subtracted first and divided, too: right / 255"),
            Mistake(mean_of_red_first, "for \"mean\" the channels are blue first: compare with photos[..., ::-1]"),
        ]),
]
