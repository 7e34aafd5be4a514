"""Checks of lesson 02: sizes against the formula, convolution against seven loops, col2im against the library's."""

import numpy as np

from lessons.check import Case, Exercise, Mistake, whole
from minigooglenet.kernels.geometry import output_size as right_size
from minigooglenet.kernels.im2col import col2im_numpy as right_col2im
from minigooglenet.kernels.naive_conv import convolve as seven_loops

#: (H, W, K, S, P): non-square images; strides that do not divide evenly; windows that overlap, touch and leave gaps.
GRID = ((5, 4, 3, 1, 0), (4, 6, 3, 1, 1), (7, 5, 3, 2, 1), (6, 8, 2, 2, 0), (5, 7, 1, 1, 0), (5, 8, 2, 3, 1),
        (9, 6, 5, 2, 2))


def label(H, W, K, S, P):
    return f"{K}×{K} windows, stride {S}, padding {P}, images of {H}×{W}"


# -- output size -----------------------------------------------------------------------------------------------------

def size_cases():
    for size, K, S, P in ((5, 3, 1, 0), (224, 7, 2, 3), (56, 3, 1, 1), (28, 5, 1, 2), (14, 1, 1, 0), (9, 2, 3, 0),
                          (12, 3, 2, 0)):
        yield Case(f"{size} pixels, window {K}, stride {S}, padding {P}", (size, K, S, P), right_size(size, K, S, P))
    yield whole(12, 3, 2, 0)


def random_sizes(rng):
    for _ in range(5):
        K, S, P = (int(n) for n in rng.integers((1, 1, 0), (8, 5, 4)))
        size = int(rng.integers(K, 60))
        yield Case(f"{size} pixels, window {K}, stride {S}, padding {P}", (size, K, S, P), right_size(size, K, S, P))


def random_geometry(rng):
    """(H, W, K, S, P): a window fits into the padded image."""
    K, S, P = (int(n) for n in rng.integers((1, 1, 0), (5, 4, 3)))
    return *(int(n) for n in rng.integers(max(2, K - 2 * P), 9, 2)), K, S, P


def no_one_added(size, K, S, P):
    return (size + 2 * P - K) // S


def no_padding_counted(size, K, S, P):
    return (size - K) // S + 1


def padded_once(size, K, S, P):
    return (size + P - K) // S + 1


def rounded_up(size, K, S, P):
    return -(-(size + 2 * P - K) // S) + 1


def stride_ignored(size, K, S, P):
    return size + 2 * P - K + 1


def true_division(size, K, S, P):
    return (size + 2 * P - K) / S + 1


def a_float(size, K, S, P):
    return np.floor((size + 2 * P - K) / S) + 1


# -- convolution -----------------------------------------------------------------------------------------------------

def convolve_cases():
    rng = np.random.default_rng(101)
    for H, W, K, S, P in GRID:
        x, w, b = rng.standard_normal((2, H, W, 3)), rng.standard_normal((K, K, 3, 4)), rng.standard_normal(4)
        yield Case(label(H, W, K, S, P) + ", batch 2", (x, w, b, S, P), seven_loops(x, w, b, (S, S), (P, P)))
    x, w, b = (a.astype(np.float32) for a in (x, w, b))
    yield Case("float32 in, float32 out", (x, w, b, 2, 2), seven_loops(x, w, b, (2, 2), (2, 2)))


def random_convolutions(rng):
    for _ in range(3):
        H, W, K, S, P = random_geometry(rng)
        x, w, b = rng.standard_normal((2, H, W, 3)), rng.standard_normal((K, K, 3, 4)), rng.standard_normal(4)
        yield Case(label(H, W, K, S, P) + ", batch 2", (x, w, b, S, P), _conv(x, w, b, S, P))


def _conv(x, w, b, S, P):
    return seven_loops(x, w, b, (S, S), (P, P))


def mirrored(x, w, b, S, P):
    return _conv(x, w[::-1, ::-1], b, S, P)


def height_for_width(x, w, b, S, P):
    return _conv(x, w, b, S, P).transpose(0, 2, 1, 3)


def no_padding(x, w, b, S, P):
    return _conv(x, w, b, S, 0)


def no_bias(x, w, b, S, P):
    return _conv(x, w, 0 * b, S, P)


def first_channel_only(x, w, b, S, P):
    return _conv(x[..., :1], w[:, :, :1], b, S, P)


def window_does_not_stride(x, w, b, S, P):
    right = _conv(x, w, b, S, P)
    return _conv(x, w, b, 1, P)[:, :right.shape[1], :right.shape[2]]


def stride_on_u_and_v(x, w, b, S, P):
    y, K = np.zeros_like(_conv(x, w, 0 * b, S, P)), len(w)
    padded = np.pad(x, ((0, 0), (P, P + K * S), (P, P + K * S), (0, 0)))
    for u, v in np.ndindex(K, K):
        y += padded[:, u * S:u * S + y.shape[1], v * S:v * S + y.shape[2]] @ w[u, v]
    return y + b


def padded_at_one_end(x, w, b, S, P):
    return _conv(np.pad(x, ((0, 0), (P, 0), (P, 0), (0, 0))), w, b, S, 0)


def u_and_v_swapped(x, w, b, S, P):
    return _conv(x, w.transpose(1, 0, 2, 3), b, S, P)


def mean_for_sum(x, w, b, S, P):
    return _conv(x, w / w.dtype.type(w[..., 0].size), b, S, P)


def edge_repeated(x, w, b, S, P):
    return _conv(np.pad(x, ((0, 0), (P, P), (P, P), (0, 0)), mode="edge"), w, b, S, 0)


# -- col2im ----------------------------------------------------------------------------------------------------------

def col2im_cases():
    rng = np.random.default_rng(102)
    for H, W, K, S, P in GRID:
        rows = 2 * right_size(H, K, S, P) * right_size(W, K, S, P)
        columns = rng.standard_normal((rows, K * K * 3))
        wanted = right_col2im(columns, (2, H, W, 3), (K, K), (S, S), (P, P))
        yield Case(label(H, W, K, S, P) + ", batch 2", (columns, (2, H, W, 3), K, S, P), wanted)
    yield Case("float32 in, float32 out", (columns.astype(np.float32), (2, H, W, 3), K, S, P),
               wanted.astype(np.float32))


def random_columns(rng):
    for _ in range(3):
        H, W, K, S, P = random_geometry(rng)
        columns = rng.standard_normal((2 * right_size(H, K, S, P) * right_size(W, K, S, P), K * K * 3))
        yield Case(label(H, W, K, S, P) + ", batch 2", (columns, (2, H, W, 3), K, S, P),
                   right_col2im(columns, (2, H, W, 3), (K, K), (S, S), (P, P)))


def _put_back(columns, shape, K, S, P, put):
    """The loops of col2im; ``put(padded, index, window)`` writes window (i, j) of the whole batch."""
    N, H, W, C = shape
    OH, OW = right_size(H, K, S, P), right_size(W, K, S, P)
    windows = columns.reshape(N, OH, OW, K, K, C)
    padded = np.zeros((N, H + 2 * P, W + 2 * P, C), columns.dtype)
    for i in range(OH):
        for j in range(OW):
            put(padded, (slice(None), slice(i * S, i * S + K), slice(j * S, j * S + K)), windows[:, i, j])
    return padded


def _add(padded, index, window):
    padded[index] += window


def assigned(columns, shape, K, S, P):
    def assign(padded, index, window):
        padded[index] = window
    return _put_back(columns, shape, K, S, P, assign)[:, P:P + shape[1], P:P + shape[2]]


def averaged(columns, shape, K, S, P):
    total = _put_back(columns, shape, K, S, P, _add)
    times = _put_back(np.ones_like(columns), shape, K, S, P, _add)
    return (total / np.maximum(times, 1))[:, P:P + shape[1], P:P + shape[2]]


def padding_kept(columns, shape, K, S, P):
    return _put_back(columns, shape, K, S, P, _add)


def cut_at_one_end(columns, shape, K, S, P):
    return _put_back(columns, shape, K, S, P, _add)[:, :shape[1], :shape[2]]


def cut_from_the_end(columns, shape, K, S, P):
    return _put_back(columns, shape, K, S, P, _add)[:, P:-P, P:-P]


def window_transposed(columns, shape, K, S, P):
    C = shape[3]
    swapped = columns.reshape(-1, K, K, C).transpose(0, 2, 1, 3).reshape(len(columns), -1)
    return right_col2im(swapped, shape, (K, K), (S, S), (P, P))


def channels_first(columns, shape, K, S, P):
    C = shape[3]
    swapped = columns.reshape(-1, C, K, K).transpose(0, 2, 3, 1).reshape(len(columns), -1)
    return right_col2im(swapped, shape, (K, K), (S, S), (P, P))


def bias_at_every_weight(x, w, b, S, P):
    return _conv(x, w, b * w.shape[0] ** 2, S, P)


EXERCISES = [
    Exercise(
        "output_size",
        hints=("Put the window at the very left of the padded image. How many pixels can it move to the right?",
               "It can move size + 2P - K pixels, in steps of S. How many whole steps is that?",
               "(size + 2P - K) // S steps, and the first position counts too: add 1."),
        cases=size_cases,
        random_cases=random_sizes,
        mistakes=[
            Mistake(no_one_added, "the first window is not counted: add 1 after the division"),
            Mistake(no_padding_counted, "the padding P is ignored: the padded size is size + 2·P"),
            Mistake(padded_once, "padding is added at both ends: 2·P"),
            Mistake(rounded_up, "a convolution rounds down: a window that does not fit completely is dropped"),
            Mistake(stride_ignored, "the window moves S pixels at a time: divide by S"),
            Mistake(true_division, "the number of windows is a whole number: round down with //"),
            Mistake(a_float, "use // or int(…): np.zeros needs integers"),
        ]),
    Exercise(
        "convolve",
        hints=("Pad the images first, with np.pad on axes 1 and 2 only. Then no index is out of range.",
               "For each (i, j), the window is padded[:, i*S:i*S+K, j*S:j*S+K], of shape (N, K, K, C).",
               "window.reshape(N, -1) @ w.reshape(-1, F) + b gives y[:, i, j] for the whole batch."),
        cases=convolve_cases,
        random_cases=random_convolutions,
        mistakes=[
            Mistake(mirrored, "the weights are flipped, but deep learning does not flip them: x[i + u] meets w[u]"),
            Mistake(height_for_width, "height and width are swapped: axis 1 is H, axis 2 is W"),
            Mistake(no_padding, "the padding P is ignored: add P rows and columns of zeros on each side"),
            Mistake(no_bias, "the bias b is missing: add one value per filter at every position"),
            Mistake(first_channel_only, "only the first channel is summed: the sum must run over all channels c"),
            Mistake(window_does_not_stride, "the stride is ignored: window (i, j) starts at row i·S and column j·S"),
            Mistake(edge_repeated, "the padding must be zeros; yours repeats the border pixels"),
            Mistake(stride_on_u_and_v, "the stride multiplies i and j, not u and v: a window has no gaps"),
            Mistake(padded_at_one_end, "the padding is missing at the bottom and at the right: P zeros on both sides"),
            Mistake(u_and_v_swapped, "u and v are swapped: u goes down (rows), v to the right (columns)"),
            Mistake(mean_for_sum, "you take the mean over the window; a convolution takes the sum"),
            Mistake(bias_at_every_weight, "b is added K · K times: add it once, after the sum over u and v"),
        ]),
    Exercise(
        "col2im",
        hints=("columns.reshape(N, OH, OW, K, K, C) has one window per (i, j). Exercise 1 computes OH and OW.",
               "Create zeros of the padded size, and add window (i, j) at rows i*S to i*S + K, with +=.",
               "Finally, remove the padding on both sides: padded[:, P:P+H, P:P+W]."),
        cases=col2im_cases,
        random_cases=random_columns,
        mistakes=[
            Mistake(assigned, "windows overlap: add with +=, do not assign with ="),
            Mistake(averaged, "you take the mean where windows overlap; the adjoint takes the sum"),
            Mistake(padding_kept, "the padding is still there: remove P rows and columns on each side"),
            Mistake(cut_at_one_end, "you remove the padding on one side only: start at row P and column P"),
            Mistake(cut_from_the_end, "P:-P is empty when P is 0: take P:P + H and P:P + W"),
            Mistake(window_transposed, "u and v are swapped: a row runs over u (down), then v (to the right), then c"),
            Mistake(channels_first, "the channel is the last axis of a row: reshape to (..., K, K, C)"),
        ]),
]
