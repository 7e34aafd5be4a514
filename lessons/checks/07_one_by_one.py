"""Checks of lesson 07: counts against the library's ``macs``, the 1×1 convolution against the seven loops."""

import numpy as np

from lessons.check import Case, Exercise, Mistake
from minigooglenet.kernels.naive_conv import convolve
from minigooglenet.layers import Conv

#: (shape, F, K, S, P)
CONVOLUTIONS = (((14, 14, 480), 48, 5, 1, 2), ((14, 14, 480), 16, 1, 1, 0), ((9, 6, 3), 4, 3, 1, 0),
                ((7, 12, 5), 6, 3, 2, 1), ((224, 224, 3), 64, 7, 2, 3), ((10, 7, 8), 2, 1, 2, 0))


# -- counting ----------------------------------------------------------------------------------------------------------

def count_cases():
    for shape, F, K, S, P in CONVOLUTIONS:
        right = Conv(shape[-1], F, K, S, P).macs(shape)
        yield Case(f"{shape}, {F} filters of {K}×{K}, stride {S}, padding {P}", (shape, F, K, S, P), right)


def random_counts(rng):
    for _ in range(4):
        H, W, C, F = (int(n) for n in rng.integers(4, 20, 4))
        K, S, P = (int(n) for n in rng.integers((1, 1, 0), (5, 4, 3)))
        yield Case(f"{(H, W, C)}, {F} filters of {K}×{K}, stride {S}, padding {P}", ((H, W, C), F, K, S, P),
                   Conv(C, F, K, S, P).macs((H, W, C)))


def _size(n, K, S, P):
    return (n + 2 * P - K) // S + 1


def flops_for_macs(shape, F, K, S, P):
    return 2 * Conv(shape[-1], F, K, S, P).macs(shape)


def window_once(shape, F, K, S, P):
    return Conv(shape[-1], F, K, S, P).macs(shape) // K


def channels_forgotten(shape, F, K, S, P):
    return Conv(shape[-1], F, K, S, P).macs(shape) // shape[-1]


def filters_forgotten(shape, F, K, S, P):
    return Conv(shape[-1], F, K, S, P).macs(shape) // F


def at_the_input(shape, F, K, S, P):
    H, W, C = shape
    return H * W * F * K * K * C


def height_squared(shape, F, K, S, P):
    return _size(shape[0], K, S, P) ** 2 * F * K * K * shape[-1]


def padding_ignored(shape, F, K, S, P):
    return _size(shape[0], K, S, 0) * _size(shape[1], K, S, 0) * F * K * K * shape[-1]


def biases_counted(shape, F, K, S, P):
    return _size(shape[0], K, S, P) * _size(shape[1], K, S, P) * F * (K * K * shape[-1] + 1)


def weights_only(shape, F, K, S, P):
    return K * K * shape[-1] * F


# -- a branch ----------------------------------------------------------------------------------------------------------

def branch_cases():
    for shape, R, F, K in (((14, 14, 480), 16, 48, 5), ((14, 14, 480), 96, 208, 3), ((5, 8, 6), 2, 3, 5),
                           ((9, 4, 10), 4, 7, 3)):
        H, W, C = shape
        macs = Conv(C, R, 1).macs(shape) + Conv(R, F, K, pad=K // 2).macs((H, W, R))
        yield Case(f"{shape} to {R} channels, then {F} filters of {K}×{K}", (shape, R, F, K), (macs, 2 * macs))


def _branch(shape, first, second):
    macs = shape[0] * shape[1] * (first + second)
    return macs, 2 * macs


def reads_all_channels(shape, R, F, K):
    return _branch(shape, R * shape[2], F * K * K * shape[2])


def reduction_left_out(shape, R, F, K):
    return _branch(shape, 0, F * K * K * R)


def k_for_k_squared(shape, R, F, K):
    return _branch(shape, R * shape[2], F * K * R)


def biases_counted_twice(shape, R, F, K):
    return _branch(shape, R * (shape[2] + 1), F * (K * K * R + 1))


def window_on_both(shape, R, F, K):
    return _branch(shape, R * K * K * shape[2], F * K * K * R)


def no_padding(shape, R, F, K):
    H, W, C = shape
    macs = H * W * R * C + (H - K + 1) * (W - K + 1) * F * K * K * R
    return macs, 2 * macs


def halved(shape, R, F, K):
    macs = _branch(shape, R * shape[2], F * K * K * R)[0]
    return macs, macs // 2


def no_difference(shape, R, F, K):
    macs = _branch(shape, R * shape[2], F * K * K * R)[0]
    return macs, macs


# -- 1×1 ---------------------------------------------------------------------------------------------------------------

def one_by_one_cases():
    rng = np.random.default_rng(105)
    for (H, W, C, F), S in (((2, 3, 3, 2), 1), ((5, 4, 6, 6), 1), ((4, 7, 5, 3), 2), ((7, 5, 4, 8), 3)):
        x, w, b = rng.standard_normal((2, H, W, C)), rng.standard_normal((C, F)), rng.standard_normal(F)
        yield Case(f"two images of {H}×{W}, {C} channels to {F}, stride {S}", (x, w, b, S),
                   convolve(x, w[None, None], b, (S, S), (0, 0)))
    yield Case("stride 1, not given", (x, w, b), convolve(x, w[None, None], b, (1, 1), (0, 0)))
    x, w, b = (a.astype(np.float32) for a in (x, w, b))
    yield Case("float32 in, float32 out", (x, w, b, 3), convolve(x, w[None, None], b, (3, 3), (0, 0)))


def stride_ignored(x, w, b, S=1):
    return x @ w + b


def bias_forgotten(x, w, b, S=1):
    return x[:, ::S, ::S] @ w


def stride_on_height_only(x, w, b, S=1):
    return x[:, ::S] @ w + b


def channels_first(x, w, b, S=1):
    N, H, W, C = x.shape
    pixels = x.reshape(N, C, H * W).transpose(0, 2, 1)  # mistakes NHWC for NCHW
    return (pixels @ w + b).reshape(N, H, W, -1)[:, ::S, ::S]


def strides_from_the_end(x, w, b, S=1):
    return x[:, S - 1::S, S - 1::S] @ w + b


def padded_once(shape, F, K, S, P):
    H, W, C = shape
    return ((H + P - K) // S + 1) * ((W + P - K) // S + 1) * K * K * C * F


EXERCISES = [
    Exercise(
        "conv_macs",
        hints=("Count in two steps: how many output values are there, and how many multiply-adds does each need?",
               "There are OH·OW·F outputs, with OH = (H + 2P - K) // S + 1. Each is a sum over a window of K×K pixels.",
               "Each sums K·K·C products: the window includes all channels. So OH * OW * F * K * K * C."),
        cases=count_cases,
        random_cases=random_counts,
        mistakes=[
            Mistake(flops_for_macs, "these are FLOPs: one multiply-add (MAC) is two FLOPs"),
            Mistake(window_once, "the window has K·K positions, not K"),
            Mistake(channels_forgotten, "every filter reads all C channels: the sum has K·K·C products"),
            Mistake(filters_forgotten, "there are F filters, each with one output per pixel"),
            Mistake(at_the_input, "count output pixels: OH·OW, which depends on stride and padding"),
            Mistake(height_squared, "height and width differ here: OH·OW, not OH·OH"),
            Mistake(padding_ignored, "the padding P is ignored: OH = (H + 2P - K) // S + 1"),
            Mistake(padded_once, "padding is added at both ends: 2·P"),
            Mistake(biases_counted, "biases are not counted: adding one is not a multiply-add"),
            Mistake(weights_only, "this is the number of weights; each of them is used at OH·OW positions"),
        ]),
    Exercise(
        "branch_cost",
        hints=("There are two convolutions: count both and add. Height and width are H and W for both.",
               "The 1×1 takes H·W·R·C multiply-adds. The K×K reads its output: how many channels does that have?",
               "H·W·(R·C + F·K·K·R) MACs. A MAC is a multiplication and an addition, so FLOPs are twice the MACs."),
        cases=branch_cases,
        returns=("MACs", "FLOPs"),
        mistakes=[
            Mistake(reads_all_channels, "the K×K convolution reads the R reduced channels, not all C"),
            Mistake(reduction_left_out, "the 1×1 convolution is missing: add H·W·R·C"),
            Mistake(k_for_k_squared, "a window has K·K positions, not K"),
            Mistake(biases_counted_twice, "biases are not counted: adding one is not a multiply-add"),
            Mistake(window_on_both, "the first convolution has a 1×1 window: only the second has the factor K·K"),
            Mistake(no_padding, "the second convolution is padded to keep height and width: H·W positions, not fewer"),
            Mistake(no_difference, "FLOPs are not MACs: each MAC is a multiplication and an addition, so 2 FLOPs"),
            Mistake(halved, "MACs and FLOPs are reversed: one MAC is two FLOPs, so FLOPs = 2 · MACs"),
        ]),
    Exercise(
        "one_by_one",
        hints=("First the stride: which rows and columns of x are read? Slices with a step select them.",
               "x[:, ::S, ::S] has shape (N, OH, OW, C), and w is (C, F). NumPy's @ multiplies over the last axis.",
               "x[:, ::S, ::S] @ w + b: all axes before the last one stay unchanged."),
        cases=one_by_one_cases,
        mistakes=[
            Mistake(stride_ignored, "the stride S is ignored: read only every S-th row and column"),
            Mistake(bias_forgotten, "the bias b is missing: add one value per filter at every position"),
            Mistake(stride_on_height_only, "the stride applies to columns as well as rows: x[:, ::S, ::S]"),
            Mistake(channels_first, "the channels are the last axis (NHWC): a reshape to (N, C, H·W) mixes pixels"),
            Mistake(strides_from_the_end, "the first window is at row 0 and column 0, for any stride"),
        ]),
]
