"""Checks of lesson 01: edges against the library's seven loops, counts against its layers, fields against the loops."""

import numpy as np

from lessons.check import Case, Exercise, Mistake
from minigooglenet.kernels.naive_conv import convolve as seven_loops
from minigooglenet.layers import Conv

SOBEL = np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])

# -- edges -------------------------------------------------------------------------------------------------------------


def edge_cases():
    x = np.zeros((5, 7))
    x[:, 4:] = 9
    yield Case("a vertical edge: dark at the left, bright at the right", (x,), _strength(x))
    yield Case("a horizontal edge", (x.T.copy(),), _strength(x.T))
    yield Case("bright at the left: the strength is positive, too", (x[:, ::-1].copy(),), _strength(x[:, ::-1]))
    yield Case("the same value everywhere", (np.full((4, 5), 7.0),), np.zeros((2, 3)))
    rng = np.random.default_rng(101)
    for H, W in ((3, 3), (4, 8), (7, 5)):
        x = rng.standard_normal((H, W))
        yield Case(f"noise, {H}×{W}", (x,), _strength(x))


def _under(x, w):
    return seven_loops(x[None, :, :, None], w[:, :, None, None], np.zeros(1), (1, 1), (0, 0))[0, :, :, 0]


def _strength(x):
    return np.sqrt(_under(x, SOBEL) ** 2 + _under(x, SOBEL.T) ** 2)


def one_direction(x):
    return np.abs(_under(x, SOBEL))


def same_filter_twice(x):
    return np.sqrt(2) * np.abs(_under(x, SOBEL))


def no_root(x):
    return _strength(x) ** 2


def just_added(x):
    return _under(x, SOBEL) + _under(x, SOBEL.T)


def absolute_values(x):
    return np.abs(_under(x, SOBEL)) + np.abs(_under(x, SOBEL.T))


def unit_weights(x):
    w = np.sign(SOBEL)
    return np.sqrt(_under(x, w) ** 2 + _under(x, w.T) ** 2)


def padded(x):
    return _strength(np.pad(x, 1))


# -- weights -----------------------------------------------------------------------------------------------------------

def weight_cases():
    for H, W, C, K, F in ((4, 6, 1, 3, 1), (28, 28, 192, 3, 128), (5, 7, 3, 1, 2), (32, 24, 3, 5, 16), (9, 8, 2, 7, 4)):
        conv = Conv(C, F, K, pad=K // 2)
        outputs = int(np.prod(conv.output_shape((H, W, C))))
        right = sum(w.size for w in conv.params.values()), H * W * C * outputs + outputs
        yield Case(f"{H}×{W}, {C} → {F} channels, {K}×{K}", (H, W, C, K, F), right)


def _counts(H, W, C, K, F):
    return K * K * C * F + F, (H * W * C) * (H * W * F) + H * W * F


def no_biases(H, W, C, K, F):
    return K * K * C * F, (H * W * C) * (H * W * F)


def channels_forgotten(H, W, C, K, F):
    return K * K * F + F, _counts(H, W, C, K, F)[1]


def k_once(H, W, C, K, F):
    return K * C * F + F, _counts(H, W, C, K, F)[1]


def at_every_position(H, W, C, K, F):
    return H * W * (K * K * C * F + F), _counts(H, W, C, K, F)[1]


def to_f_units(H, W, C, K, F):
    return _counts(H, W, C, K, F)[0], H * W * C * F + F


def one_bias_per_filter(H, W, C, K, F):
    return _counts(H, W, C, K, F)[0], (H * W * C) * (H * W * F) + F


# -- receptive field ---------------------------------------------------------------------------------------------------

def field_cases():
    for what, layers in (("no layer", []), ("one layer of 3×3", [(3, 1)]), ("three layers of 3×3", [(3, 1)] * 3),
                         ("GoogLeNet's conv1, pool1 and conv2", [(7, 2), (3, 2), (3, 1)]),
                         ("1×1 with stride 2, then 3×3", [(1, 2), (3, 1)]), ("a stride at the end", [(5, 1), (2, 2)]),
                         ("VGG's first five convolutions", [*[(3, 1)] * 2, (2, 2), *[(3, 1)] * 2, (2, 2), (3, 1)])):
        yield Case(what, (layers,), _field(layers))


def _field(layers):
    """From the end: n values of the output need (n - 1) · S + K of the input."""
    n = 1
    for K, S in reversed(layers):
        n = (n - 1) * S + K
    return n


def windows_added(layers):
    return max(1, sum(K for K, S in layers))


def windows_multiplied(layers):
    return int(np.prod([K for K, S in layers], dtype=int))


def strides_ignored(layers):
    return 1 + sum(K - 1 for K, S in layers)


def own_stride_counted(layers):
    r, d = 1, 1
    for K, S in layers:
        d *= S
        r += (K - 1) * d
    return r


def last_stride_only(layers):
    r, before = 1, 1
    for K, S in layers:
        r, before = r + (K - 1) * before, S
    return r


def pixel_forgotten(layers):
    return _field(layers) - 1


def one_bias_for_all(H, W, C, K, F):
    return K * K * C * F + 1, H * W * C * H * W * F + H * W * F


def return_in_the_loop(layers):
    return layers[0][0] if layers else 1


EXERCISES = [
    Exercise(
        "edge_strength",
        hints=("Use slide from the lesson twice, with w and with w.T, and combine the two results.",
               "a = slide(x, w) and b = slide(x, w.T) have the shape (H - 2, W - 2), as the result has.",
               "np.sqrt(a**2 + b**2)"),
        cases=edge_cases,
        mistakes=[
            Mistake(one_direction, "only one direction: the second filter, w.T, finds horizontal edges"),
            Mistake(same_filter_twice, "both filters are the same: the second one is the transpose, w.T"),
            Mistake(no_root, "the square root is missing"),
            Mistake(just_added, "the two results are added as they are, and may cancel: add their squares"),
            Mistake(absolute_values, "absolute values are added: add squares, and take the root of the sum"),
            Mistake(unit_weights, "the middle row of w has -2 and 2"),
            Mistake(padded, "the image is padded: without padding there are H - 2 by W - 2 positions"),
        ]),
    Exercise(
        "weights",
        hints=("How many values does one filter have? How many inputs and outputs does the dense layer have?",
               "A filter has K · K · C weights. The dense layer has H · W · C inputs and H · W · F outputs.",
               "K*K*C*F + F, and (H*W*C) * (H*W*F) + H*W*F"),
        cases=weight_cases,
        returns=("convolution", "dense"),
        mistakes=[
            Mistake(no_biases, "the biases are missing: F in the convolution, one for each output in the dense layer"),
            Mistake(channels_forgotten, "a filter has weights for every channel it reads: K · K · C"),
            Mistake(k_once, "a filter is K high and K wide: K · K · C weights"),
            Mistake(at_every_position, "the filters are shared: count them once, not at every position"),
            Mistake(to_f_units, "the dense layer has H · W · F outputs, not F"),
            Mistake(one_bias_per_filter, "the dense layer has a bias for each of its H · W · F outputs"),
            Mistake(one_bias_for_all, "the convolution has a bias for each of its F filters"),
        ]),
    Exercise(
        "receptive_field",
        hints=("Begin with r = 1, one pixel, and ask how much each layer adds.",
               "A window of K reaches K - 1 neighbors farther, and neighbors are d pixels apart; strides multiply d.",
               "For each (K, S): r = r + (K - 1) * d, then d = d * S."),
        cases=field_cases,
        mistakes=[
            Mistake(windows_added, "windows overlap: a layer adds (K - 1) · d pixels, not K"),
            Mistake(windows_multiplied, "windows overlap: a layer adds (K - 1) · d pixels, it does not multiply by K"),
            Mistake(strides_ignored, "the strides of earlier layers count: after them, neighbors are d pixels apart"),
            Mistake(own_stride_counted, "a layer's stride matters only for what follows: add to r, then multiply d"),
            Mistake(last_stride_only, "all strides so far multiply: d = d · S, not d = S"),
            Mistake(pixel_forgotten, "begin with r = 1: with no layer at all, a value is one pixel"),
            Mistake(return_in_the_loop, "only the first layer counts: is the return inside the loop?"),
        ]),
]
