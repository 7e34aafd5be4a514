"""Checks of lesson 19: input gradients against the library's layers and finite differences, steps, and heat maps."""

import numpy as np

from lessons.check import Case, Exercise, Mistake, Property, Wrong
from minigooglenet.layers import Conv, ReLU

# -- the input gradient ------------------------------------------------------------------------------------------------


def gradient_cases():
    rng = np.random.default_rng(15)
    for N, H, W, C, F in ((1, 1, 2, 3, 2), (2, 3, 4, 3, 5), (3, 5, 2, 4, 3)):
        x, w = rng.standard_normal((N, H, W, C)), rng.standard_normal((C, F))
        yield Case(f"{N} of {H}×{W}, {C} channels to {F}", (x, w), _by_layers(x, w))
    x, w = x.astype(np.float32), w.astype(np.float32)
    yield Case("float32 in, float32 out", (x, w), _by_layers(x, w))
    yield Property("finite differences, and a step up", _differences)


def _by_layers(x, w):
    conv, relu = Conv(*w.shape, 1, bias=False, dtype=w.dtype), ReLU()
    conv.params["w"][0, 0] = w
    z, conv_cache = conv.forward(x)
    y, relu_cache = relu.forward(z)
    return conv.backward(relu.backward(y, relu_cache), conv_cache)


def _loss(x, w):
    return np.square(np.maximum(x @ w, 0)).sum() / 2


def _differences(attempt):
    rng = np.random.default_rng(115)
    x, w = rng.standard_normal((2, 3, 2, 3)), rng.standard_normal((3, 4))
    g, u, eps = np.asarray(attempt(x.copy(), w.copy())), rng.standard_normal(x.shape), 1e-6
    numeric = (_loss(x + eps * u, w) - _loss(x - eps * u, w)) / (2 * eps)
    if not np.isclose((g * u).sum(), numeric, rtol=1e-4):
        raise Wrong(f"along a random direction L changes by {numeric:.6g}, by your gradient {(g * u).sum():.6g}",
                    "the gradient of half a sum of squares is y; pass it back through the ReLU and the product")
    if not _loss(x + 0.01 * g, w) > _loss(x, w):
        raise Wrong("a small step along it does not increase L", "the sign is wrong")


def mask_forgotten(x, w):
    return (x @ w) @ w.T


def gradient_of_the_sum(x, w):
    return (x @ w > 0).astype(x.dtype) @ w.T


def not_halved(x, w):
    return 2 * np.maximum(x @ w, 0) @ w.T


def averaged(x, w):
    y = np.maximum(x @ w, 0)
    return y @ w.T / y.dtype.type(y.size)


def mask_inverted(x, w):
    return np.minimum(x @ w, 0) @ w.T


def mask_of_the_pixels(x, w):
    return np.where(x > 0, (x @ w) @ w.T, 0).astype(x.dtype)


# -- a step ------------------------------------------------------------------------------------------------------------

LOW, HIGH = np.array([-104.0, -117.0, -123.0]), np.array([151.0, 138.0, 132.0])


def step_cases():
    rng = np.random.default_rng(215)
    for H, W, step, size in ((2, 3, 0.006, 1e-4), (5, 4, 0.05, 30.0), (3, 7, 0.5, 1.0)):
        x, g = rng.uniform(LOW, HIGH, (H, W, 3)), size * rng.standard_normal((H, W, 3))
        yield Case(f"{H}×{W}, step {step}, gradients of about {size:g}", (x, g, step, LOW, HIGH),
                   _up(x, g, step, LOW, HIGH))
    low, high = np.array([-1.0, -2.0, 0.0]), np.array([1.0, 1.0, 3.0])  # other ranges, one for each channel
    x = rng.uniform(low, high, (4, 3, 3))
    yield Case("4×3, another range for each channel", (x, g[:1, :3] * np.ones((4, 3, 3)), 0.1, low, high),
               _up(x, g[:1, :3] * np.ones((4, 3, 3)), 0.1, low, high))


def _up(x, g, step, low, high):
    return np.clip(x + step * (high - low) * g / np.abs(g).mean(), low, high)


def downhill(x, g, step, low, high):
    return _up(x, -g, step, low, high)


def not_normalized(x, g, step, low, high):
    return np.clip(x + step * (high - low) * g, low, high)


def by_the_largest(x, g, step, low, high):
    return np.clip(x + step * (high - low) * g / np.abs(g).max(), low, high)


def mean_with_signs(x, g, step, low, high):
    return np.clip(x + step * (high - low) * g / g.mean(), low, high)


def not_clipped(x, g, step, low, high):
    return x + step * (high - low) * g / np.abs(g).mean()


def range_forgotten(x, g, step, low, high):
    return np.clip(x + step * g / np.abs(g).mean(), low, high)


def one_range_for_all(x, g, step, low, high):
    return np.clip(x + step * (high - low) * g / np.abs(g).mean(), low.min(), high.max())


# -- heat maps ---------------------------------------------------------------------------------------------------------

def heat_cases():
    rng = np.random.default_rng(315)
    for N, H, W, C in ((1, 2, 3, 2), (2, 5, 4, 6), (3, 3, 7, 4)):
        A, dA = np.maximum(rng.standard_normal((N, H, W, C)), 0), rng.standard_normal((N, H, W, C))
        yield Case(f"{N} of {H}×{W}, {C} channels", (A, dA), _heat(A, dA))
    A, dA = A.astype(np.float32), dA.astype(np.float32)
    yield Case("float32 in, float32 out", (A, dA), _heat(A, dA))


def _heat(A, dA):
    return np.maximum(np.einsum("nhwc,nc->nhw", A, dA.mean(axis=(1, 2))), 0)


def no_relu(A, dA):
    return np.einsum("nhwc,nc->nhw", A, dA.mean(axis=(1, 2)))


def not_pooled(A, dA):
    return np.maximum((A * dA).sum(axis=-1), 0)


def summed_gradients(A, dA):
    return np.maximum(np.einsum("nhwc,nc->nhw", A, dA.sum(axis=(1, 2))), 0)


def relu_too_early(A, dA):
    return np.maximum(A * dA.mean(axis=(1, 2), keepdims=True), 0).sum(axis=-1)


def averaged_over_the_batch(A, dA):
    return np.maximum(A @ dA.mean(axis=(0, 1, 2)), 0)


def arguments_swapped(A, dA):
    return np.maximum(np.einsum("nhwc,nc->nhw", dA, A.mean(axis=(1, 2))), 0)


def mean_over_channels(A, dA):
    return np.maximum((A * dA.mean(axis=(1, 2), keepdims=True)).mean(axis=-1), 0)


EXERCISES = [
    Exercise(
        "input_gradient",
        hints=("Chain rule, from the end: dL/dy first, then through the ReLU, then through the product (lesson 04).",
               "dL/dy = y. The ReLU passes it where z > 0. Elsewhere y is 0 anyway.",
               "y = np.maximum(x @ w, 0), and y @ w.T has the shape of x."),
        cases=gradient_cases,
        mistakes=[
            Mistake(mask_forgotten, "the ReLU's mask is missing: the gradient is 0 where z is negative"),
            Mistake(gradient_of_the_sum, "that is the gradient of Σ y; for Σ y²/2 the gradient dL/dy is y itself"),
            Mistake(not_halved, "L is Σ y²/2: the gradient of y²/2 is y, not 2y"),
            Mistake(averaged, "L is a sum, not a mean: nothing is divided"),
            Mistake(mask_inverted, "the ReLU passes positive values: np.maximum(z, 0), not np.minimum"),
            Mistake(mask_of_the_pixels, "the mask belongs to z, the ReLU's input, not to the pixels"),
        ]),
    Exercise(
        "step_up",
        hints=("The size of g means little: it is 0.0001 at one layer, 30 at another. Only its direction is used.",
               "g / np.abs(g).mean() is about 1 in size; step · (high - low) times that is a part of the full range.",
               "np.clip(…, low, high) takes arrays: a minimum and a maximum for each channel."),
        cases=step_cases,
        mistakes=[
            Mistake(downhill, "dreaming is gradient ascent: plus, not minus"),
            Mistake(not_normalized, "divide g by the mean of its absolute values: its size must not matter"),
            Mistake(by_the_largest, "divide by the mean of |g|, not by its maximum"),
            Mistake(mean_with_signs, "the mean of |g|: with signs, positive and negative values cancel"),
            Mistake(not_clipped, "pixels leave the range: clip to low … high after the step"),
            Mistake(range_forgotten, "the step is relative to the range from black to white: multiply by (high - low)"),
            Mistake(one_range_for_all, "each channel has its own black and white: clip with the arrays"),
        ]),
    Exercise(
        "grad_cam",
        hints=("Three lines: a mean of dA over positions, a weighted sum of A over channels, a ReLU.",
               "dA.mean(axis=(1, 2), keepdims=True) has the shape (N, 1, 1, C) and broadcasts against A.",
               "np.maximum((alpha * A).sum(axis=-1), 0)."),
        cases=heat_cases,
        mistakes=[
            Mistake(no_relu, "negative values count against the class: remove them with a ReLU at the end"),
            Mistake(not_pooled, "average the gradient over the positions first: one α for each channel"),
            Mistake(summed_gradients, "α is the mean over the positions, not the sum"),
            Mistake(relu_too_early, "the ReLU comes after the sum over channels, not before it"),
            Mistake(averaged_over_the_batch, "each image has its own α: the mean is over h and w only"),
            Mistake(arguments_swapped, "the averaged gradients weight the maps, not the other way round"),
            Mistake(mean_over_channels, "sum over the channels; the mean is of the gradients, over positions"),
        ]),
]
