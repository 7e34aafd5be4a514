"""Checks of lesson 13: batch norm against the library's layer."""

import numpy as np

from lessons.check import Case, Exercise, Mistake
from minigooglenet.layers import BatchNorm

#: (N, H, W, C): non-square images, a single image, a single pixel, a single channel.
SHAPES = ((3, 4, 5, 2), (1, 3, 2, 4), (6, 1, 1, 3), (2, 5, 3, 1))
AXES = (0, 1, 2)


def _label(shape, eps):
    N, H, W, C = shape
    return f"batch {N}, {C} channel{'s' if C > 1 else ''} of {H}×{W}, ε = {eps:g}"


def _random(rng, shape):
    """(x, gamma, beta): every channel has its own mean and size."""
    C = shape[-1]
    x = 3 * rng.standard_normal(C) + rng.uniform(0.5, 2, C) * rng.standard_normal(shape)
    return x, rng.uniform(0.5, 2, C), rng.standard_normal(C)


def _layer(gamma, beta, eps, momentum=0.1):
    layer = BatchNorm(len(gamma), eps=eps, momentum=momentum, dtype=gamma.dtype)
    layer.params["gamma"][...], layer.params["beta"][...] = gamma, beta
    return layer


# -- forward -----------------------------------------------------------------------------------------------------------

def forward_cases():
    one, zero = np.ones(1), np.zeros(1)
    x = np.array([2.0, 4.0, 4.0, 6.0]).reshape(1, 2, 2, 1)
    yield Case("the lesson's channel, ε = 0", (x, one, zero, 0.0), _forward(x, one, zero, 0.0))
    rng = np.random.default_rng(113)
    for shape, eps in zip(SHAPES, (1e-5, 0.1, 1e-3, 0.5), strict=True):
        x, gamma, beta = _random(rng, shape)
        yield Case(_label(shape, eps), (x, gamma, beta, eps), _forward(x, gamma, beta, eps))
    x, gamma, beta = (a.astype(np.float32) for a in _random(rng, (3, 4, 5, 2)))
    yield Case("float32 in, float32 out", (x, gamma, beta, 1e-3), _forward(x, gamma, beta, 1e-3))
    x, gamma, beta = _random(rng, (3, 4, 5, 2))
    far = 1e6 + x
    yield Case("a mean of a million", (far, gamma, beta, 1e-3), _forward(far - 1e6, gamma, beta, 1e-3))


def _forward(x, gamma, beta, eps):
    return _layer(gamma, beta, eps).forward(x, train=True)[0]


def _normalized(x, gamma, beta, eps, axes=AXES, ddof=0):
    mean = x.mean(axis=axes, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return gamma * (x - mean) / np.sqrt(x.var(axis=axes, ddof=ddof, keepdims=True) + eps) + beta


def per_image(x, gamma, beta, eps):
    return _normalized(x, gamma, beta, eps, (1, 2))


def per_pixel(x, gamma, beta, eps):
    return _normalized(x, gamma, beta, eps, (0,))


def over_channels(x, gamma, beta, eps):
    return _normalized(x, gamma, beta, eps, (1, 2, 3))


def unbiased(x, gamma, beta, eps):
    return _normalized(x, gamma, beta, eps, ddof=1)


def eps_outside(x, gamma, beta, eps):
    return gamma * (x - x.mean(axis=AXES)) / (x.std(axis=AXES) + eps) + beta


def variance_for_deviation(x, gamma, beta, eps):
    return gamma * (x - x.mean(axis=AXES)) / (x.var(axis=AXES) + eps) + beta


def one_pass(x, gamma, beta, eps):
    mean = x.mean(axis=AXES)
    with np.errstate(invalid="ignore", divide="ignore"):
        return gamma * (x - mean) / np.sqrt((x * x).mean(axis=AXES) - mean * mean + x.dtype.type(eps)) + beta


def beta_scaled(x, gamma, beta, eps):
    return _normalized(x, gamma, gamma * beta, eps)


def not_centered(x, gamma, beta, eps):
    return gamma * x / np.sqrt(x.var(axis=AXES) + eps) + beta


# -- backward ----------------------------------------------------------------------------------------------------------

def backward_cases():
    one = np.ones(1)
    x, dy = np.array([2.0, 4.0, 4.0, 6.0]).reshape(4, 1, 1, 1), np.array([1.0, 0, 0, 0]).reshape(4, 1, 1, 1)
    yield Case("the lesson's channel, dy = 1, 0, 0, 0", (dy, x, one, 0.0), _backward(dy, x, one, 0.0))
    rng = np.random.default_rng(213)
    for shape, eps in zip(SHAPES, (1e-5, 0.1, 1e-3, 0.5), strict=True):
        x, gamma, _ = _random(rng, shape)
        dy = 0.3 + rng.standard_normal(shape)
        yield Case(_label(shape, eps), (dy, x, gamma, eps), _backward(dy, x, gamma, eps))
    dy, x, gamma = dy.astype(np.float32), x.astype(np.float32), gamma.astype(np.float32)
    yield Case("float32 in, float32 out", (dy, x, gamma, 1e-3), _backward(dy, x, gamma, 1e-3))


def _backward(dy, x, gamma, eps):
    layer = _layer(gamma, np.zeros_like(gamma), eps)
    dx = layer.backward(dy, layer.forward(x, train=True)[1])
    return dx, layer.grads["gamma"], layer.grads["beta"]


def _terms(dy, x, gamma, eps, direct=1, by_mean=1, by_deviation=1):
    """The backward pass with its three terms weighted."""
    M, std = x.dtype.type(x.size // x.shape[-1]), np.sqrt(x.var(axis=AXES) + x.dtype.type(eps))
    x_hat = (x - x.mean(axis=AXES)) / std
    dbeta, dgamma = dy.sum(axis=AXES), (dy * x_hat).sum(axis=AXES)
    return gamma / std * (direct * dy - by_mean * dbeta / M - by_deviation * x_hat * dgamma / M), dgamma, dbeta


def constants(dy, x, gamma, eps):
    return _terms(dy, x, gamma, eps, by_mean=0, by_deviation=0)


def deviation_constant(dy, x, gamma, eps):
    return _terms(dy, x, gamma, eps, by_deviation=0)


def mean_constant(dy, x, gamma, eps):
    return _terms(dy, x, gamma, eps, by_mean=0)


def not_divided(dy, x, gamma, eps):
    M = x.size // x.shape[-1]
    return _terms(dy, x, gamma, eps, by_mean=M, by_deviation=M)


def divided_by_images(dy, x, gamma, eps):
    pixels = x.shape[1] * x.shape[2]
    return _terms(dy, x, gamma, eps, by_mean=pixels, by_deviation=pixels)


def gamma_forgotten(dy, x, gamma, eps):
    dx, dgamma, dbeta = _backward(dy, x, gamma, eps)
    return dx / gamma, dgamma, dbeta


def not_normalized(dy, x, gamma, eps):
    dx, _, dbeta = _backward(dy, x, gamma, eps)
    return dx, (dy * x).sum(axis=AXES), dbeta


def wrong_sign(dy, x, gamma, eps):
    return _terms(dy, x, gamma, eps, by_deviation=-1)


def divided_by_variance(dy, x, gamma, eps):
    dx, dgamma, dbeta = _backward(dy, x, gamma, eps)
    return dx / np.sqrt(x.var(axis=AXES) + eps), dgamma, dbeta


def dgamma_scaled(dy, x, gamma, eps):
    dx, dgamma, dbeta = _backward(dy, x, gamma, eps)
    return dx, gamma * dgamma, dbeta


# -- running statistics ------------------------------------------------------------------------------------------------

def running_cases():
    x = np.array([1.0, 2.0, 3.0, 4.0]).reshape(1, 2, 2, 1)
    yield Case("1, 2, 3, 4: the variance is 5/4 with M, 5/3 with M - 1", (np.zeros(1), np.ones(1), x, 0.1),
               _running(np.zeros(1), np.ones(1), x, 0.1))
    rng = np.random.default_rng(313)
    for shape, momentum in zip(SHAPES, (0.1, 0.3, 1.0, 0.01), strict=True):
        x, variance, mean = _random(rng, shape)
        yield Case(f"{_label(shape, 0).split(', ε')[0]}, momentum {momentum:g}", (mean, variance, x, momentum),
                   _running(mean, variance, x, momentum))
    arguments = mean.astype(np.float32), variance.astype(np.float32), x.astype(np.float32), 0.25
    yield Case("float32 in, float32 out", arguments, _running(*arguments))


def _running(mean, variance, x, momentum):
    layer = _layer(np.ones_like(mean), np.zeros_like(mean), 1e-5, momentum)
    layer.buffers["mean"][...], layer.buffers["variance"][...] = mean, variance
    layer.forward(x, train=True)
    return layer.buffers["mean"], layer.buffers["variance"]


def _moved(old, new, momentum):
    return old + old.dtype.type(momentum) * (new - old)


def with_m(mean, variance, x, momentum):
    return _running(mean, variance, x, momentum)[0], _moved(variance, x.var(axis=AXES), momentum)


def kerass_momentum(mean, variance, x, momentum):
    return _running(mean, variance, x, 1 - momentum)


def of_the_batch(mean, variance, x, momentum):
    return _running(mean, variance, x, 1.0)


def deviation_averaged(mean, variance, x, momentum):
    return _running(mean, variance, x, momentum)[0], _moved(variance, x.std(axis=AXES, ddof=1), momentum)


def images_counted(mean, variance, x, momentum):
    N = len(x)
    new = x.var(axis=AXES) * x.dtype.type(N / max(N - 1, 1))
    return _running(mean, variance, x, momentum)[0], _moved(variance, new, momentum)


def summed(mean, variance, x, momentum):
    new_mean, new_variance = _running(mean, variance, x, momentum)
    return new_mean + mean.dtype.type(momentum) * mean, new_variance + variance.dtype.type(momentum) * variance


EXERCISES = [
    Exercise(
        "batch_norm",
        hints=("One mean and one variance for each channel: the last axis is the only one that stays.",
               "x.mean(axis=(0, 1, 2)) has shape (C,), and so has x.var(axis=(0, 1, 2)), which divides by M.",
               "gamma * (x - mean) / np.sqrt(variance + eps) + beta"),
        cases=forward_cases,
        mistakes=[
            Mistake(per_image, "each image has its own mean and variance; take them over the batch, too: axes 0, 1, 2"),
            Mistake(per_pixel, "each pixel has its own mean and variance; take them over height and width, too"),
            Mistake(over_channels, "all channels share a mean and a variance; each needs its own: axes 0, 1, 2"),
            Mistake(unbiased, "the batch is normalized with M; M - 1 is only for the running variance"),
            Mistake(eps_outside, "ε is added to the variance, inside the square root"),
            Mistake(variance_for_deviation, "divide by the standard deviation, the square root of the variance"),
            Mistake(one_pass, "E[x²] - E[x]² loses its digits where the mean is large: average (x - mean)² instead"),
            Mistake(beta_scaled, "β is added after the product with γ: γ x̂ + β, not γ (x̂ + β)"),
            Mistake(not_centered, "the mean is not subtracted"),
        ]),
    Exercise(
        "batch_norm_backward",
        hints=("First compute x_hat and the standard deviation again, as in the forward pass.",
               "dbeta and dgamma are sums over batch and pixels; M is x.size // C.",
               "dx = gamma / std * (dy - dbeta / M - x_hat * dgamma / M)"),
        cases=backward_cases,
        returns=("dx", "dgamma", "dbeta"),
        mistakes=[
            Mistake(constants, "μ and σ depend on x, too: two of the three terms of dx are missing"),
            Mistake(deviation_constant, "the term through σ is missing: - x_hat · dgamma / M"),
            Mistake(mean_constant, "the term through μ is missing: - dbeta / M"),
            Mistake(not_divided, "in dx the sums dbeta and dgamma are divided by M"),
            Mistake(divided_by_images, "M counts all values of a channel, N · H · W, not only the images"),
            Mistake(wrong_sign, "the term through σ is subtracted, as is the one through μ: - x_hat · dgamma / M"),
            Mistake(divided_by_variance, "dx is divided by σ, the standard deviation, not by σ²"),
            Mistake(dgamma_scaled, "dgamma is the sum of dy · x_hat, without the factor gamma"),
            Mistake(gamma_forgotten, "dx lacks the factor gamma"),
            Mistake(not_normalized, "dgamma is the sum of dy · x_hat, with the normalized x"),
        ]),
    Exercise(
        "update_running",
        hints=("Compute the batch's own statistics first, then move the running ones a little toward them.",
               "The batch's variance divides by M - 1: x.var(axis=(0, 1, 2), ddof=1), or x.var(…) · M / (M - 1).",
               "(1 - momentum) * mean + momentum * batch_mean, and the same for the variance"),
        cases=running_cases,
        returns=("mean", "variance"),
        mistakes=[
            Mistake(with_m, "the running variance is the unbiased one: divide by M - 1, not by M"),
            Mistake(kerass_momentum, "momentum is the weight of the new batch; yours is that of the old value"),
            Mistake(of_the_batch, "these are the batch's own statistics: keep (1 - momentum) of the running ones"),
            Mistake(deviation_averaged, "average variances, not standard deviations"),
            Mistake(images_counted, "M counts all values of a channel, N · H · W, not only the images"),
            Mistake(summed, "the old value keeps the weight 1 - momentum, so that both weights add up to 1"),
        ]),
]
