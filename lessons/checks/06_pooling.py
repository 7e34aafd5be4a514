"""Checks of lesson 06: sizes by the library's formula, gradients against the NumPy kernels, with ties and borders."""

import numpy as np

from lessons.check import Case, Exercise, Mistake, whole
from minigooglenet.kernels.avg_pool import avg_pool_backward_numpy
from minigooglenet.kernels.geometry import output_size
from minigooglenet.kernels.max_pool import max_pool_numpy
from minigooglenet.kernels.max_pool_backward import max_pool_backward_numpy

#: (H, W, K, S, P, ceil_mode): non-square images; windows that overlap, touch, leave gaps, and are clipped.
GRID = ((6, 8, 3, 2, 0, True), (7, 5, 3, 2, 0, False), (5, 7, 3, 1, 1, False), (4, 6, 2, 2, 0, False),
        (6, 9, 3, 2, 1, True), (8, 6, 2, 3, 0, True), (5, 4, 5, 2, 2, True))


def label(H, W, K, S, P, ceil_mode):
    return f"{K}×{K}/{S}, padding {P}, rounded {'up' if ceil_mode else 'down'}, images of {H}×{W}"


def _out(H, W, K, S, P, ceil_mode):
    return output_size(H, K, S, P, ceil_mode), output_size(W, K, S, P, ceil_mode)


# -- output size -------------------------------------------------------------------------------------------------------

def size_cases():
    for size, K, S, P in ((112, 3, 2, 0), (56, 3, 2, 0), (13, 3, 2, 0), (14, 3, 1, 1), (14, 5, 3, 0), (10, 3, 3, 1),
                          (9, 2, 3, 0), (5, 2, 3, 1), (7, 3, 4, 1), (3, 2, 1, 1)):
        for ceil_mode in (True, False):
            yield Case(f"{size} pixels, window {K}, stride {S}, padding {P}, rounded {'up' if ceil_mode else 'down'}",
                       (size, K, S, P, ceil_mode), output_size(size, K, S, P, ceil_mode))
    yield whole(112, 3, 2, 0, True)


def random_geometry(rng):
    """(H, W, K, S, P, ceil_mode), with padding of at most half a window."""
    K, S = (int(n) for n in rng.integers((2, 1), (5, 4)))
    P = int(rng.integers(0, K // 2 + 1))
    return *(int(n) for n in rng.integers(K, 10, 2)), K, S, P, bool(rng.integers(2))


def random_sizes(rng):
    for _ in range(6):
        size, _, K, S, P, ceil_mode = random_geometry(rng)
        yield Case(f"{size} pixels, window {K}, stride {S}, padding {P}, rounded {'up' if ceil_mode else 'down'}",
                   (size, K, S, P, ceil_mode), output_size(size, K, S, P, ceil_mode))


def always_down(size, K, S, P, ceil_mode):
    return (size + 2 * P - K) // S + 1


def always_up(size, K, S, P, ceil_mode):
    return output_size(size, K, S, P, True)


def no_one_added(size, K, S, P, ceil_mode):
    return output_size(size, K, S, P, ceil_mode) - 1


def padded_once(size, K, S, P, ceil_mode):
    return -(-(size + P - K) // S) + 1 if ceil_mode else (size + P - K) // S + 1


def last_one_kept(size, K, S, P, ceil_mode):
    return -(-(size + 2 * P - K) // S) + 1 if ceil_mode else (size + 2 * P - K) // S + 1


def a_float(size, K, S, P, ceil_mode):
    return float(output_size(size, K, S, P, ceil_mode))


def clause_without_padding(size, K, S, P, ceil_mode):
    windows = last_one_kept(size, K, S, P, ceil_mode)
    return windows - (ceil_mode and (windows - 1) * S >= size)


# -- gradients ---------------------------------------------------------------------------------------------------------

def _max_case(text, x, dy, K, S, P, ceil_mode):
    window = (K, K), (S, S), (P, P), ceil_mode
    y = max_pool_numpy(x, *window)
    return Case(text, (dy, x, K, S, P), max_pool_backward_numpy(dy, x, y, *window))


def random_max(rng):
    for _ in range(3):
        H, W, K, S, P, ceil_mode = random_geometry(rng)
        x, dy = (rng.standard_normal((2, h, w, 3)) for h, w in ((H, W), _out(H, W, K, S, P, ceil_mode)))
        yield _max_case(label(H, W, K, S, P, ceil_mode) + ", batch 2", x - 3, dy, K, S, P, ceil_mode)


def max_cases():
    rng, case = np.random.default_rng(4), _max_case
    for H, W, K, S, P, ceil_mode in GRID:
        x, dy = (rng.standard_normal((2, h, w, 3)) for h, w in ((H, W), _out(H, W, K, S, P, ceil_mode)))
        yield case(label(H, W, K, S, P, ceil_mode) + ", batch 2", x, dy, K, S, P, ceil_mode)
    for H, W, K, S, P, ceil_mode in (GRID[4], GRID[0]):
        x, dy = rng.integers(0, 3, (2, H, W, 3)).astype(float), rng.standard_normal((2, *_out(H, W, K, S, P, True), 3))
        yield case("many ties: " + label(H, W, K, S, P, ceil_mode), x, dy, K, S, P, ceil_mode)
    H, W, K, S, P, ceil_mode = GRID[4]
    dark = -2 - rng.random((2, H, W, 3))
    yield case("all pixels below -1: " + label(H, W, K, S, P, True), dark,
               rng.standard_normal((2, *_out(H, W, K, S, P, True), 3)), K, S, P, True)
    H, W, K, S, P, ceil_mode = GRID[0]
    yield case("float32 in, float32 out", x.astype(np.float32), dy.astype(np.float32), K, S, P, ceil_mode)


def _route(dy, x, K, S, P, share, outside=-np.inf, assign=False):
    """Max pooling's backward on padded images; ``share(pixels (N, K·K, C))`` returns each pixel's share of dy."""
    (N, H, W, C), (_, OH, OW, _) = x.shape, dy.shape
    extra = S * max(OH, OW) + K  # enough for windows that extend past the border
    padded = np.pad(x, ((0, 0), (P, extra), (P, extra), (0, 0)), constant_values=outside)
    dx = np.zeros_like(padded)
    for i, j in np.ndindex(OH, OW):
        window = np.s_[:, i * S:i * S + K, j * S:j * S + K]
        parts = share(padded[window].reshape(N, -1, C)) * dy[:, i, j][:, None]
        parts = parts.reshape(N, K, K, C).astype(x.dtype)
        dx[window] = np.where(parts != 0, parts, dx[window]) if assign else dx[window] + parts
    return dx[:, P:P + H, P:P + W]


def _first(pixels):
    return np.arange(pixels.shape[1])[:, None] == pixels.argmax(axis=1)[:, None]


def _equal(pixels):
    return pixels == pixels.max(axis=1, keepdims=True)


def assigned(dy, x, K, S, P):
    return _route(dy, x, K, S, P, _first, assign=True)


def all_of_a_tie(dy, x, K, S, P):
    return _route(dy, x, K, S, P, _equal)


def ties_share(dy, x, K, S, P):
    return _route(dy, x, K, S, P, lambda pixels: _equal(pixels) / _equal(pixels).sum(axis=1, keepdims=True))


def last_tie(dy, x, K, S, P):
    return _route(dy, x, K, S, P, lambda pixels: _first(pixels[:, ::-1])[:, ::-1])


def padding_wins(dy, x, K, S, P):
    return _route(dy, x, K, S, P, _first, outside=0)


def padding_ignored(dy, x, K, S, P):
    return _route(dy, x, K, S, 0, _first)


def padding_minus_one(dy, x, K, S, P):
    return _route(dy, x, K, S, P, _first, outside=-1)


def one_value_of_all_channels(dy, x, K, S, P):
    def largest(pixels):
        flat = pixels.reshape(len(pixels), -1)
        return (np.arange(flat.shape[1]) == flat.argmax(axis=1)[:, None]).reshape(pixels.shape)
    return _route(dy, x, K, S, P, largest)


def same_pixel_for_all_channels(dy, x, K, S, P):
    return _route(dy, x, K, S, P, lambda pixels: _first(pixels.sum(axis=2, keepdims=True)))


def stride_ignored(dy, x, K, S, P):
    return _route(dy, x, K, 1, P, _first)


def avg_cases():
    rng = np.random.default_rng(104)
    for H, W, K, S, P, ceil_mode in GRID:
        dy = rng.standard_normal((2, *_out(H, W, K, S, P, ceil_mode), 3))
        wanted = avg_pool_backward_numpy(dy, (2, H, W, 3), (K, K), (S, S), (P, P), ceil_mode)
        yield Case(label(H, W, K, S, P, ceil_mode) + ", batch 2", (dy, (2, H, W, 3), K, S, P), wanted)
    yield Case("float32 in, float32 out", (dy.astype(np.float32), (2, H, W, 3), K, S, P), wanted.astype(np.float32))


def random_avg(rng):
    for _ in range(3):
        H, W, K, S, P, ceil_mode = random_geometry(rng)
        dy = rng.standard_normal((2, *_out(H, W, K, S, P, ceil_mode), 3))
        yield Case(label(H, W, K, S, P, ceil_mode) + ", batch 2", (dy, (2, H, W, 3), K, S, P),
                   avg_pool_backward_numpy(dy, (2, H, W, 3), (K, K), (S, S), (P, P), ceil_mode))


def _spread(dy, shape, K, S, P, divisor, assign=False, step=None):
    """Average pooling's backward; ``divisor(pixels in the padded image, pixels in the image)`` along each dimension."""
    dx, step = np.zeros(shape, dy.dtype), S if step is None else step
    for i, j in np.ndindex(dy.shape[1:3]):
        window, pixels = [slice(None)], 1
        for at, size in zip((i, j), shape[1:3], strict=True):
            first = at * step - P
            inside = slice(max(first, 0), min(first + K, size))
            window.append(inside)
            pixels *= divisor(min(K, size + P - first), max(inside.stop - inside.start, 1))
        part = (dy[:, i, j] / dy.dtype.type(pixels))[:, None, None]
        dx[tuple(window)] = part if assign else dx[tuple(window)] + part
    return dx


def not_divided(dy, shape, K, S, P):
    return _spread(dy, shape, K, S, P, lambda padded, inside: 1)


def always_k_squared(dy, shape, K, S, P):
    return _spread(dy, shape, K, S, P, lambda padded, inside: K)


def padding_not_counted(dy, shape, K, S, P):
    return _spread(dy, shape, K, S, P, lambda padded, inside: inside)


def mean_assigned(dy, shape, K, S, P):
    return _spread(dy, shape, K, S, P, lambda padded, inside: padded, assign=True)


def negative_start(dy, shape, K, S, P):
    dx, (H, W) = np.zeros(shape, dy.dtype), shape[1:3]
    for i, j in np.ndindex(dy.shape[1:3]):
        top, left = i * S - P, j * S - P
        pixels = min(K, H + P - top) * min(K, W + P - left)
        dx[:, top:top + K, left:left + K] += (dy[:, i, j] / dy.dtype.type(pixels))[:, None, None]
    return dx


def without_padding(dy, shape, K, S, P):
    return _spread(dy, shape, K, S, 0, lambda padded, inside: padded)


def divided_by_k(dy, shape, K, S, P):
    return _spread(dy, shape, K, S, P, lambda padded, inside: dy.dtype.type(K)**0.5)


def mean_without_stride(dy, shape, K, S, P):
    return _spread(dy, shape, K, S, P, lambda padded, inside: padded, step=1)


def window_assigned(dy, x, K, S, P):
    N, H, W, C = x.shape
    dx = np.zeros_like(x)
    for i, j in np.ndindex(dy.shape[1:3]):
        top, left = i * S - P, j * S - P
        window = np.s_[:, max(top, 0):top + K, max(left, 0):left + K]
        pixels = x[window].reshape(N, -1, C)
        on = np.arange(pixels.shape[1])[:, None] == pixels.argmax(axis=1)[:, None]
        dx[window] = (on * dy[:, i, j][:, None]).reshape(x[window].shape)
    return dx


EXERCISES = [
    Exercise(
        "pooled_size",
        hints=("Start with the formula for a convolution (lesson 02), and round the division up if ceil_mode is True.",
               "-(-a // b) rounds up. Relative to the start of the padding, the last window starts at (windows - 1)·S.",
               "With ceil_mode: if (windows - 1) * S >= size + P, subtract one window."),
        cases=size_cases,
        random_cases=random_sizes,
        mistakes=[
            Mistake(always_down, "with ceil_mode the division rounds up: -(-a // b)"),
            Mistake(always_up, "without ceil_mode the division rounds down, as for a convolution"),
            Mistake(no_one_added, "the first window is not counted: add 1 after the division"),
            Mistake(padded_once, "padding is added at both ends: 2·P"),
            Mistake(clause_without_padding, "a window counts if it starts before size + P, not only before size"),
            Mistake(last_one_kept, "a window that starts beyond size + P is empty: do not count it"),
            Mistake(a_float, "use // or int(…): np.zeros needs integers"),
        ]),
    Exercise(
        "max_pool_backward",
        hints=("For each window (i, j), which of its rows lie in the image? max(..., 0) and min(..., H) clip it.",
               "With pixels = window.reshape(N, -1, C), pixels.argmax(axis=1) is the first maximum for each n and c.",
               "is_max = np.arange(pixels.shape[1])[:, None] == pixels.argmax(axis=1)[:, None] is (N, pixels, C); add "
               "is_max * dy[:, i, j][:, None], reshaped like the window, to that part of dx."),
        cases=max_cases,
        random_cases=random_max,
        mistakes=[
            Mistake(assigned, "windows overlap: a pixel that is the maximum of two windows gets the sum, so use +="),
            Mistake(window_assigned, "windows overlap, and a later one overwrites the earlier one: add with +="),
            Mistake(all_of_a_tie, "x == y marks all pixels of a tie; only one of them gets the gradient"),
            Mistake(ties_share, "the gradient of a tie is not split here: the first in reading order gets all of it"),
            Mistake(last_tie, "in a tie, the first in reading order counts; yours takes the last (>= instead of >?)"),
            Mistake(padding_wins, "padding must never be the maximum: it counts as -inf, not as 0"),
            Mistake(padding_ignored, "the padding P is ignored: window (i, j) starts at row i·S - P, column j·S - P"),
            Mistake(padding_minus_one, "padding must never be the maximum, of negative pixels neither: -inf, not -1"),
            Mistake(same_pixel_for_all_channels, "each channel has its own maximum"),
            Mistake(one_value_of_all_channels, "argmax along the pixels only (axis 1): every channel has a maximum"),
            Mistake(stride_ignored, "the stride is ignored: window (i, j) starts at row i·S - P"),
        ]),
    Exercise(
        "avg_pool_backward",
        hints=("Clip the window as for the maximum, and add the same share of dy[:, i, j] to each of its pixels.",
               "Relative to the start of the padding, a window starts at i·S, and the padded image ends at H + 2P.",
               "divisor = min(K, H + 2*P - i*S) * min(K, W + 2*P - j*S), and dx[window] += (dy[:, i, j] / divisor)"
               "[:, None, None]."),
        cases=avg_cases,
        random_cases=random_avg,
        mistakes=[
            Mistake(not_divided, "the mean divides by the number of pixels, and so does its gradient"),
            Mistake(without_padding, "the padding P is ignored: window (i, j) starts at row i·S - P"),
            Mistake(divided_by_k, "a window has K·K pixels, not K"),
            Mistake(negative_start, "a negative start counts from the end of the image: clip it with max(…, 0)"),
            Mistake(always_k_squared, "a window that extends beyond the padding has fewer than K·K pixels"),
            Mistake(padding_not_counted, "the divisor must count the padding"),
            Mistake(mean_assigned, "windows overlap: add with +=, do not assign with ="),
            Mistake(mean_without_stride, "the stride is ignored: window (i, j) starts at row i·S - P"),
        ]),
]
