"""Checks of lesson 10: gradients against the library's layers, the map against GlobalAvgPool followed by Dense."""

import numpy as np

from lessons.check import Case, Exercise, Mistake
from minigooglenet.layers import Dense, GlobalAvgPool

#: (N, H, W, C): non-square maps, a single pixel, a single channel.
SHAPES = ((2, 2, 3, 4), (3, 5, 4, 2), (2, 1, 1, 3), (4, 3, 7, 1))


def _label(shape):
    N, H, W, C = shape
    return f"batch {N}, {C} map{'s' if C > 1 else ''} of {H}×{W}"


# -- global average pooling --------------------------------------------------------------------------------------------

def gap_cases():
    rng = np.random.default_rng(107)
    for shape in SHAPES:
        dy = rng.standard_normal((shape[0], shape[3]))
        yield Case(_label(shape), (dy, shape), GlobalAvgPool().backward(dy, shape))
    dy = rng.standard_normal((2, 4)).astype(np.float32)
    yield Case("float32 in, float32 out", (dy, (2, 5, 3, 4)), GlobalAvgPool().backward(dy, (2, 5, 3, 4)))


def _spread(dy, shape, divisor):
    return np.tile((dy / dy.dtype.type(divisor))[:, None, None, :], (1, *shape[1:3], 1))


def undivided(dy, shape):
    return _spread(dy, shape, 1)


def batch_averaged_too(dy, shape):
    return _spread(dy, shape, np.prod(shape[:3]))


def divided_by_height(dy, shape):
    return _spread(dy, shape, shape[1])


def divided_by_everything(dy, shape):
    return _spread(dy, shape, np.prod(shape[1:]))


def one_pixel_only(dy, shape):
    dx = np.zeros(shape, dy.dtype)
    dx[:, 0, 0] = dy
    return dx


def pixels_mixed_up(dy, shape):
    return _spread(dy, shape, shape[1] * shape[2]).transpose(0, 3, 1, 2).reshape(shape)


def width_twice(dy, shape):
    N, H, W, C = shape
    return np.tile((dy / dy.dtype.type(W * W))[:, None, None], (1, H, W, 1))


def sides_added(dy, shape):
    N, H, W, C = shape
    return np.tile((dy / dy.dtype.type(H + W))[:, None, None], (1, H, W, 1))


# -- dropout -----------------------------------------------------------------------------------------------------------

def dropout_cases():
    rng = np.random.default_rng(207)
    for p, dtype in ((0.4, np.float64), (0.7, np.float64), (0.0, np.float64), (0.4, np.float32)):
        x, dy = (rng.standard_normal((3, 20)).astype(dtype) for _ in range(2))
        kept = rng.random((3, 20)) >= p
        x[:, :3] = 0  # kept or not, as after a ReLU
        mask = kept.astype(dtype) / dtype(1 - p)
        label = f"p = {p}, {kept.sum()} of {kept.size} kept"
        yield Case(label + (", float32 in, float32 out" if dtype is np.float32 else ""), (x, dy, kept, p),
                   (x * mask, dy * mask))


def _masked(x, dy, forward, backward):
    return x * forward.astype(x.dtype), dy * backward.astype(x.dtype)


def not_divided(x, dy, kept, p):
    return _masked(x, dy, kept, kept)


def divided_by_p(x, dy, kept, p):
    return _masked(x, dy, kept / max(p, 1e-9), kept / max(p, 1e-9))


def divided_forward_only(x, dy, kept, p):
    return _masked(x, dy, kept / (1 - p), kept)


def mask_inverted(x, dy, kept, p):
    return _masked(x, dy, ~kept / (1 - p), ~kept / (1 - p))


def gradient_everywhere(x, dy, kept, p):
    return _masked(x, dy, kept / (1 - p), np.ones_like(kept))


def mask_of_y(x, dy, kept, p):
    return _masked(x, dy, kept / (1 - p), (x * kept > 0) / (1 - p))


def mask_of_nonzero(x, dy, kept, p):
    return _masked(x, dy, kept / (1 - p), (x * kept != 0) / (1 - p))


# -- class activation map ----------------------------------------------------------------------------------------------

def map_cases():
    rng = np.random.default_rng(307)
    for shape, label in zip(SHAPES, (3, 0, 4, 2), strict=True):
        x, w, b = rng.standard_normal(shape), rng.standard_normal((shape[3], 5)), rng.standard_normal(5)
        yield Case(f"{_label(shape)}, class {label} of 5", (x, w, b, label), _right(x, w, b, label))
    x, w, b = (a.astype(np.float32) for a in (x, w, b))
    yield Case("float32 in, float32 out", (x, w, b, label), _right(x, w, b, label))
    x, w, b = rng.standard_normal((2, 3, 2, 4)), rng.standard_normal((4, 4)), rng.standard_normal(4)
    yield Case("as many classes as maps", (x, w, b, 1), _right(x, w, b, 1))


def _right(x, w, b, label):
    """M by a loop over channels; z from the library's own layers."""
    linear = Dense(*w.shape, dtype=w.dtype)
    linear.params["w"][:], linear.params["b"][:] = w, b
    M = sum(x[..., c] * w[c, label] for c in range(x.shape[3]))
    return M, linear.predict(GlobalAvgPool().predict(x))[:, label]


def _map(x, w, b, label):
    M = x @ w[:, label]
    return M, b[label] + M.mean(axis=(1, 2))


def bias_forgotten(x, w, b, label):
    M, z = _map(x, w, b, label)
    return M, z - b[label]


def bias_in_the_map(x, w, b, label):
    M, z = _map(x, w, b, label)
    return M + b[label], z


def sum_for_mean(x, w, b, label):
    M, _ = _map(x, w, b, label)
    return M, b[label] + M.sum(axis=(1, 2))


def map_divided(x, w, b, label):
    M, z = _map(x, w, b, label)
    return M / (x.shape[1] * x.shape[2]), z


def negative_clipped(x, w, b, label):
    M, z = _map(x, w, b, label)
    return np.maximum(M, 0), z


def averaged_over_the_batch(x, w, b, label):
    M, z = _map(x, w, b, label)
    return M, np.full_like(z, z.mean())


def next_class(x, w, b, label):
    return _map(x, w, b, (label + 1) % w.shape[1])


EXERCISES = [
    Exercise(
        "gap_backward",
        hints=("y is a mean over H·W pixels. If one pixel changes by h, by how much does y change?",
               "Every pixel of map c of image n gets dy[n, c] / (H·W), the same for all (h, w).",
               "dy[:, None, None, :] has shape (N, 1, 1, C). Divide it, then apply np.tile with (1, H, W, 1)."),
        cases=gap_cases,
        mistakes=[
            Mistake(undivided, "each pixel contributes only 1/(H·W) of the mean: divide by H·W"),
            Mistake(batch_averaged_too, "divide by H·W only: the mean is over the pixels, not over the batch"),
            Mistake(divided_by_height, "a map has H·W pixels, not H"),
            Mistake(width_twice, "a map has H · W pixels, not W · W"),
            Mistake(sides_added, "a map has H · W pixels, not H + W"),
            Mistake(divided_by_everything, "divide by H·W, without C: each channel has its own mean"),
            Mistake(one_pixel_only, "every pixel of the map gets its share, not only the first"),
            Mistake(pixels_mixed_up, "channels and positions are mixed up: a reshape does not move the last axis"),
        ]),
    Exercise(
        "dropout",
        hints=("Dropped elements become 0. Kept ones, a fraction 1 - p, must grow to keep the expectation the same.",
               "y = x · mask, where mask is 1 / (1 - p) for kept elements and 0 elsewhere.",
               "For the gradient the mask is a constant: dx = dy · mask, with mask = kept.astype(x.dtype) / (1 - p)."),
        cases=dropout_cases,
        returns=("y", "dx"),
        mistakes=[
            Mistake(not_divided, "kept elements must compensate for dropped ones: divide by 1 - p"),
            Mistake(divided_by_p, "p is the fraction that is dropped; 1 - p is kept, so divide by 1 - p"),
            Mistake(divided_forward_only, "y has the factor 1 / (1 - p), so the gradient has it, too"),
            Mistake(mask_inverted, "the mask is inverted: kept is True where an element stays"),
            Mistake(gradient_everywhere, "dropped elements do not affect y: their gradient is 0"),
            Mistake(mask_of_nonzero, "y may be 0 where an element was kept: take the mask from kept"),
            Mistake(mask_of_y, "the mask is where elements are kept, not where y is positive"),
        ]),
    Exercise(
        "activation_map",
        hints=("First select the weights of the class: one per channel. Is that a row or a column of w?",
               "w[:, label] has C values. x @ w[:, label] sums over the last axis at every position: that is M.",
               "z is b[label] + M.mean(axis=(1, 2)): the mean over height and width, separately for each image."),
        cases=map_cases,
        returns=("M", "z"),
        mistakes=[
            Mistake(bias_forgotten, "the logit has a bias: add b[label] to the mean"),
            Mistake(bias_in_the_map, "the bias belongs to the logit, not to every position of the map"),
            Mistake(sum_for_mean, "the logit uses the mean of the map, not its sum: the pooling is an average"),
            Mistake(map_divided, "do not divide the map by H·W: taking the mean does that"),
            Mistake(negative_clipped, "no ReLU here: the mean must include positions that count against the class"),
            Mistake(averaged_over_the_batch, "each image has its own logit: take the mean over axes 1 and 2 only"),
            Mistake(next_class, "this is another class: class indices start at 0"),
        ]),
]
