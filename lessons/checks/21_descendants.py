"""Checks of lesson 21: costs against the library's layers, the separable convolution against GroupedConv and Conv, the
residual block against Dense and ReLU."""

import numpy as np

from lessons.check import Case, Exercise, Mistake
from minigooglenet.layers import Conv, Dense, GroupedConv, ReLU

# -- the chain ---------------------------------------------------------------------------------------------------------

CHAINS = {
    "one 5×5": ((14, 10, 8), (8,), ((5, 5),)),
    "two 3×3": ((14, 10, 8), (6, 8), ((3, 3), (3, 3))),
    "7×1 and 1×7": ((17, 17, 12), (12, 20), ((7, 1), (1, 7))),
    "1×1, then 5×3": ((9, 6, 16), (4, 10), ((1, 1), (5, 3))),
    "three 3×3, as in VGG": ((7, 5, 3), (4, 4, 9), ((3, 3),) * 3),
    "1×3 and 3×1, and 1×1": ((8, 11, 5), (7, 3, 2), ((1, 3), (3, 1), (1, 1))),
}


def right_chain(shape, widths, kernels):
    weights, macs, first, at = 0, 0, shape, shape
    for F, (KH, KW) in zip(widths, kernels, strict=True):
        layer = Conv(at[2], F, (KH, KW), 1, (KH // 2, KW // 2), bias=False)
        weights, macs, at = weights + layer.params["w"].size, macs + layer.macs(at), layer.output_shape(at)
    assert at[:2] == first[:2]
    return weights, macs, (1 + sum(K - 1 for K, _ in kernels), 1 + sum(K - 1 for _, K in kernels))


def chain_cases():
    for label, arguments in CHAINS.items():
        yield Case(label, arguments, right_chain(*arguments))


def more_chains(rng):
    for _ in range(4):
        n = int(rng.integers(1, 4))
        shape, widths = tuple(map(int, rng.integers(5, 20, 3))), tuple(map(int, rng.integers(2, 12, n)))
        kernels = tuple(tuple(map(int, pair)) for pair in 2 * rng.integers(0, 4, (n, 2)) + 1)
        yield Case(f"{shape}, {widths}, {kernels}", (shape, widths, kernels), right_chain(shape, widths, kernels))


def _chain(shape, widths, kernels, reads=True, square=False, views=None):
    (H, W, C), weights = shape, 0
    for F, (KH, KW) in zip(widths, kernels, strict=True):
        weights += (KH * KH if square else KH * KW) * C * F
        C = F if reads else C
    seen = views(kernels) if views else right_chain(shape, widths, kernels)[2]
    return weights, weights * H * W, seen


def always_the_first_input(shape, widths, kernels):
    return _chain(shape, widths, kernels, reads=False)


def square_windows(shape, widths, kernels):
    return _chain(shape, widths, kernels, square=True)


def views_added(shape, widths, kernels):
    return _chain(shape, widths, kernels, views=lambda kernels: tuple(map(sum, zip(*kernels, strict=True))))


def largest_window(shape, widths, kernels):
    return _chain(shape, widths, kernels, views=lambda kernels: tuple(map(max, zip(*kernels, strict=True))))


def view_without_one(shape, widths, kernels):
    return _chain(shape, widths, kernels,
                  views=lambda kernels: tuple(sum(K - 1 for K in side) for side in zip(*kernels, strict=True)))


def biases_counted(shape, widths, kernels):
    weights, _, view = right_chain(shape, widths, kernels)
    return weights + sum(widths), (weights + sum(widths)) * shape[0] * shape[1], view


def weights_only(shape, widths, kernels):
    weights, _, view = right_chain(shape, widths, kernels)
    return weights, weights, view


# -- depthwise separable -----------------------------------------------------------------------------------------------

#: (N, H, W, C, F, K)
GRID = ((2, 4, 5, 3, 3, 3), (1, 5, 4, 2, 4, 3), (3, 6, 7, 4, 2, 5), (2, 3, 4, 3, 5, 1))


def right_separable(x, depth, point):
    K, C = len(depth), x.shape[3]
    channels = GroupedConv(C, C, K, 1, K // 2, groups=C, bias=False, dtype=x.dtype)
    for c, conv in enumerate(channels.convs):
        conv.params["w"][..., 0, 0] = depth[..., c]
    mix = Conv(C, point.shape[1], 1, bias=False, dtype=x.dtype)
    mix.params["w"][0, 0] = point
    return mix.predict(channels.predict(x))


def _images(rng, grid=GRID):
    for N, H, W, C, F, K in grid:
        yield (f"{N} images {H}×{W}×{C}, {K}×{K}, {F} filters",
               (rng.standard_normal((N, H, W, C)), rng.standard_normal((K, K, C)), rng.standard_normal((C, F))))


def separable_cases():
    for label, arguments in _images(np.random.default_rng(121)):
        yield Case(label, arguments, right_separable(*arguments))
    arguments = tuple(a.astype(np.float32) for a in arguments)
    yield Case("float32 in, float32 out", arguments, right_separable(*arguments))


def more_images(rng):
    grid = [(*map(int, rng.integers(2, 9, 5)), K) for K in (1, 3, 3, 5)]
    for label, arguments in _images(rng, grid):
        yield Case(label, arguments, right_separable(*arguments))


def flipped(x, depth, point):
    return right_separable(x, depth[::-1, ::-1], point)


def u_and_v_exchanged(x, depth, point):
    return right_separable(x, depth.transpose(1, 0, 2), point)


def one_filter_for_all(x, depth, point):
    return right_separable(x, np.repeat(depth[..., :1], depth.shape[2], axis=2), point)


def edges_repeated(x, depth, point):
    P = len(depth) // 2
    padded = np.pad(x, ((0, 0), (P, P), (P, P), (0, 0)), mode="edge")
    return right_separable(padded, depth, point)[:, P:P + x.shape[1], P:P + x.shape[2]]


def shifted(x, depth, point):
    """Windows begin at the pixel instead of around it."""
    P, (_, H, W, _) = len(depth) // 2, x.shape
    padded = np.pad(x, ((0, 0), (0, 2 * P), (0, 2 * P), (0, 0)))
    return right_separable(padded, depth, point)[:, P:P + H, P:P + W]


def depth_only(x, depth, point):
    return right_separable(x, depth, np.eye(x.shape[3], dtype=x.dtype))


def relu_between(x, depth, point):
    d = right_separable(x, depth, np.eye(x.shape[3], dtype=x.dtype))
    return np.maximum(d, 0) @ point


def summed_over_channels(x, depth, point):
    d = right_separable(x, depth, np.eye(x.shape[3], dtype=x.dtype)).sum(axis=3, keepdims=True)
    return d @ point.sum(axis=0, keepdims=True) / point.dtype.type(len(point))


# -- the residual block ------------------------------------------------------------------------------------------------

def right_residual(dy, x, w1, w2):
    first, relu, second = Dense(*w1.shape, dtype=x.dtype), ReLU(), Dense(*w2.shape, dtype=x.dtype)
    first.params["w"][...], second.params["w"][...] = w1, w2
    a, cache1 = first.forward(x)
    h, cache2 = relu.forward(a)
    _, cache3 = second.forward(h)
    dx = dy + first.backward(relu.backward(second.backward(dy, cache3), cache2), cache1)
    return dx, first.grads["w"], second.grads["w"]


def residual_cases():
    yield from _residuals(np.random.default_rng(321), ((4, 3, 3), (5, 4, 6), (1, 6, 2)))
    rng = np.random.default_rng(322)
    arguments = tuple(rng.standard_normal(shape).astype(np.float32) for shape in ((3, 4), (3, 4), (4, 5), (5, 4)))
    yield Case("float32 in, float32 out", arguments, right_residual(*arguments))


def more_residuals(rng):
    yield from _residuals(rng, rng.integers(1, 12, (4, 3)))


def _residuals(rng, sizes):
    for N, D, M in sizes:
        arguments = tuple(rng.standard_normal(shape) for shape in ((N, D), (N, D), (D, M), (M, D)))
        yield Case(f"{N} examples, {D} values, {M} in between", arguments, right_residual(*arguments))


def _residual(dy, x, w1, w2, dx=lambda dy, long: dy + long, mask=True, scale=1):
    h = np.maximum(x @ w1, 0)
    dh = dy @ w2.T * ((h > 0) if mask else 1)
    return dx(dy, dh @ w1.T), x.T @ dh * scale, h.T @ dy * scale


def short_way_forgotten(dy, x, w1, w2):
    return _residual(dy, x, w1, w2, dx=lambda dy, long: long)


def long_way_forgotten(dy, x, w1, w2):
    return _residual(dy, x, w1, w2, dx=lambda dy, long: dy.copy())


def averaged(dy, x, w1, w2):
    return _residual(dy, x, w1, w2, dx=lambda dy, long: (dy + long) / 2)


def no_mask(dy, x, w1, w2):
    return _residual(dy, x, w1, w2, mask=False)


def relu_of_the_gradient(dy, x, w1, w2):
    h = np.maximum(x @ w1, 0)
    dh = np.maximum(dy @ w2.T, 0)
    return dy + dh @ w1.T, x.T @ dh, h.T @ dy


def before_relu(dy, x, w1, w2):
    dx, dw1, _ = right_residual(dy, x, w1, w2)
    return dx, dw1, (x @ w1).T @ dy


def input_times(dy, x, w1, w2):
    return _residual(dy, x, w1, w2, dx=lambda dy, long: dy * x + long)


EXERCISES = [
    Exercise(
        "chain",
        hints=("Go through the layers and keep three things: the channels that the next one reads, the weights so far, "
               "the view.",
               "A layer has KH·KW·C·F weights, each used at H·W positions; then C = F.",
               "The windows overlap: each adds KH - 1 rows and KW - 1 columns to a view that begins as (1, 1)."),
        cases=chain_cases, random_cases=more_chains, returns=("weights", "MACs", "view"),
        mistakes=[
            Mistake(always_the_first_input, "a layer reads the filters of the one before it: C = F"),
            Mistake(square_windows, "a window has KH·KW positions: 7 for 7×1, not 49"),
            Mistake(views_added, "the windows overlap: each adds K - 1 to the view, not K"),
            Mistake(largest_window, "the view grows with every layer: two 3×3 see 5×5"),
            Mistake(view_without_one, "the view begins with the pixel itself: 1 plus all K - 1"),
            Mistake(biases_counted, "there are no biases, and they would take no multiplications"),
            Mistake(weights_only, "every weight is used at H·W positions: multiply the weights by H·W"),
        ]),
    Exercise(
        "separable",
        hints=("Pad x with K // 2 zeros on each side. The depthwise part is a sum of K·K shifted images.",
               "padded[:, u:u + H, v:v + W] * depth[u, v]: the filter value of each channel multiplies that channel.",
               "The 1×1 convolution is a matrix product along the last axis: d @ point."),
        cases=separable_cases, random_cases=more_images,
        mistakes=[
            Mistake(flipped, "the filter is flipped: x[i + u - K//2] belongs to depth[u], not to depth[K - 1 - u]"),
            Mistake(u_and_v_exchanged, "u counts rows and v columns: depth[u, v] belongs to row i + u, column j + v"),
            Mistake(one_filter_for_all, "each channel has a filter of its own: depth[u, v] has C values"),
            Mistake(edges_repeated, "outside the image there are zeros, not copies of the edge"),
            Mistake(shifted, "the window is around the pixel: pad K // 2 on both sides"),
            Mistake(depth_only, "the 1×1 convolution is missing: d @ point mixes the channels"),
            Mistake(relu_between, "there is no ReLU between the two parts here"),
            Mistake(summed_over_channels, "a depthwise convolution does not add up channels: d keeps all C of them"),
        ]),
    Exercise(
        "residual_backward",
        hints=("x is used twice: directly, and in x w1. So its gradient has two terms.",
               "The long way is lesson 04: dh = dy w2ᵀ where the ReLU is active, then dh w1ᵀ. The short way is dy.",
               "h = max(x w1, 0); dh = dy @ w2.T * (h > 0); dx = dy + dh @ w1.T; dw1 = x.T @ dh; dw2 = h.T @ dy."),
        cases=residual_cases, random_cases=more_residuals, returns=("dx", "dw1", "dw2"),
        mistakes=[
            Mistake(short_way_forgotten, "the short way is missing in dx: add dy"),
            Mistake(long_way_forgotten, "dx is dy alone: add the gradient through the two layers"),
            Mistake(averaged, "the two ways are added, not averaged: y = x + …"),
            Mistake(no_mask, "ReLU passes the gradient only where its output is positive: dh · (h > 0)"),
            Mistake(relu_of_the_gradient, "the mask is where the *activation* is positive, not the gradient"),
            Mistake(before_relu, "w2 multiplies the output of the ReLU: dw2 = hᵀ dy with h = max(x w1, 0)"),
            Mistake(input_times, "the derivative of x + … with respect to x is 1: the short way passes dy unchanged"),
        ]),
]
