"""Checks of lesson 04: sizes by the library's formula, gradients against the plain reference, with ties and borders."""

import numpy as np

from lessons.check import Case, Exercise, Mistake
from minigooglenet.geometry import output_size
from minigooglenet.reference import pooling

#: (H, W, K, S, P, ceil_mode): no square pictures; windows that overlap, touch, leave gaps, and are cut.
GRID = ((6, 8, 3, 2, 0, True), (7, 5, 3, 2, 0, False), (5, 7, 3, 1, 1, False), (4, 6, 2, 2, 0, False),
        (6, 9, 3, 2, 1, True), (8, 6, 2, 3, 0, True), (5, 4, 5, 2, 2, True))


def label(H, W, K, S, P, ceil_mode):
    return f"{K}×{K}/{S}, padding {P}, rounded {'up' if ceil_mode else 'down'}, pictures of {H}×{W}"


def _out(H, W, K, S, P, ceil_mode):
    return output_size(H, K, S, P, ceil_mode), output_size(W, K, S, P, ceil_mode)


# -- how many windows --------------------------------------------------------------------------------------------------

def size_cases():
    for size, K, S, P in ((112, 3, 2, 0), (56, 3, 2, 0), (13, 3, 2, 0), (14, 3, 1, 1), (14, 5, 3, 0), (10, 3, 3, 1),
                          (9, 2, 3, 0), (5, 2, 3, 1), (7, 3, 4, 1)):
        for ceil_mode in (True, False):
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


# -- gradients ---------------------------------------------------------------------------------------------------------

def max_cases():
    rng = np.random.default_rng(4)

    def case(told, x, dy, K, S, P, ceil_mode):
        window = (K, K), (S, S), (P, P), ceil_mode
        y = pooling.max_pool(x, *window)
        return Case(told, (dy, x, K, S, P), pooling.max_pool_backward(dy, x, y, *window))

    for H, W, K, S, P, ceil_mode in GRID:
        x, dy = (rng.standard_normal((2, h, w, 3)) for h, w in ((H, W), _out(H, W, K, S, P, ceil_mode)))
        yield case(label(H, W, K, S, P, ceil_mode) + ", batch 2", x, dy, K, S, P, ceil_mode)
    for H, W, K, S, P, ceil_mode in (GRID[4], GRID[0]):
        x, dy = rng.integers(0, 3, (2, H, W, 3)).astype(float), rng.standard_normal((2, *_out(H, W, K, S, P, True), 3))
        yield case("many ties: " + label(H, W, K, S, P, ceil_mode), x, dy, K, S, P, ceil_mode)
    yield case("float32 in, float32 out", x.astype(np.float32), dy.astype(np.float32), K, S, P, ceil_mode)


def _route(dy, x, K, S, P, share, outside=-np.inf, assign=False):
    """Max pooling's backward on a padded picture; ``share(pixels (N, K·K, C))`` -> how much of dy each pixel gets."""
    (N, H, W, C), (_, OH, OW, _) = x.shape, dy.shape
    rest = S * max(OH, OW) + K  # room for windows that stick out
    padded = np.pad(x, ((0, 0), (P, rest), (P, rest), (0, 0)), constant_values=outside)
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


def every_tie(dy, x, K, S, P):
    return _route(dy, x, K, S, P, _equal)


def ties_share(dy, x, K, S, P):
    return _route(dy, x, K, S, P, lambda pixels: _equal(pixels) / _equal(pixels).sum(axis=1, keepdims=True))


def last_tie(dy, x, K, S, P):
    return _route(dy, x, K, S, P, lambda pixels: _first(pixels[:, ::-1])[:, ::-1])


def padding_wins(dy, x, K, S, P):
    return _route(dy, x, K, S, P, _first, outside=0)


def one_winner_for_all_channels(dy, x, K, S, P):
    return _route(dy, x, K, S, P, lambda pixels: _first(pixels.sum(axis=2, keepdims=True)))


def stride_ignored(dy, x, K, S, P):
    return _route(dy, x, K, 1, P, _first)


def avg_cases():
    rng = np.random.default_rng(104)
    for H, W, K, S, P, ceil_mode in GRID:
        dy = rng.standard_normal((2, *_out(H, W, K, S, P, ceil_mode), 3))
        wanted = pooling.avg_pool_backward(dy, (2, H, W, 3), (K, K), (S, S), (P, P), ceil_mode)
        yield Case(label(H, W, K, S, P, ceil_mode) + ", batch 2", (dy, (2, H, W, 3), K, S, P), wanted)
    yield Case("float32 in, float32 out", (dy.astype(np.float32), (2, H, W, 3), K, S, P), wanted.astype(np.float32))


def _spread(dy, shape, K, S, P, divisor, assign=False, step=None):
    """Average pooling's backward; ``divisor(rows in the padded picture, rows in the picture)`` along each side."""
    dx, step = np.zeros(shape, dy.dtype), S if step is None else step
    for i, j in np.ndindex(dy.shape[1:3]):
        cut, divide = [slice(None)], 1
        for at, size in zip((i, j), shape[1:3], strict=True):
            first = at * step - P
            inside = slice(max(first, 0), min(first + K, size))
            cut.append(inside)
            divide *= divisor(min(K, size + P - first), max(inside.stop - inside.start, 1))
        part = (dy[:, i, j] / dy.dtype.type(divide))[:, None, None]
        dx[tuple(cut)] = part if assign else dx[tuple(cut)] + part
    return dx


def not_divided(dy, shape, K, S, P):
    return _spread(dy, shape, K, S, P, lambda padded, inside: 1)


def always_k_squared(dy, shape, K, S, P):
    return _spread(dy, shape, K, S, P, lambda padded, inside: K)


def padding_not_counted(dy, shape, K, S, P):
    return _spread(dy, shape, K, S, P, lambda padded, inside: inside)


def mean_assigned(dy, shape, K, S, P):
    return _spread(dy, shape, K, S, P, lambda padded, inside: padded, assign=True)


def mean_without_stride(dy, shape, K, S, P):
    return _spread(dy, shape, K, S, P, lambda padded, inside: padded, step=1)


EXERCISES = [
    Exercise(
        "pooled_size",
        hints=("Begin with a convolution's formula (lesson 01), and round the division up if ceil_mode says so.",
               "-(-a // b) rounds up. Counted from the padding on, the last window begins at (windows - 1)·S.",
               "With ceil_mode: if (windows - 1) * S >= size + P, take one window away."),
        cases=size_cases,
        mistakes=[
            Mistake(always_down, "with ceil_mode the division rounds up: -(-a // b)"),
            Mistake(always_up, "without ceil_mode the division rounds down, as for a convolution"),
            Mistake(no_one_added, "the first window is one, too: add 1 after the division"),
            Mistake(padded_once, "padding is added at both ends: 2·P"),
            Mistake(last_one_kept, "a window that begins beyond size + P sees nothing: take it away"),
        ]),
    Exercise(
        "max_pool_backward",
        hints=("For each window (i, j): which of its rows lie in the picture? max(..., 0) and min(..., H) cut it.",
               "With pixels = window.reshape(N, -1, C), pixels.argmax(axis=1) is the first winner, for each n and c.",
               "wins = np.arange(pixels.shape[1])[:, None] == pixels.argmax(axis=1)[:, None] is (N, pixels, C); add "
               "wins * dy[:, i, j][:, None], reshaped like the window, to that part of dx."),
        cases=max_cases,
        mistakes=[
            Mistake(assigned, "windows overlap: a pixel that wins twice gets the sum, so add (+=)"),
            Mistake(every_tie, "a tie has one winner: x == y marks all of them, and each gets the whole gradient"),
            Mistake(ties_share, "a tie is not shared here: the first in reading order gets all"),
            Mistake(last_tie, "of a tie, the first in reading order wins; yours takes the last (>= in place of >?)"),
            Mistake(padding_wins, "padding must not win: it counts as -inf, not as 0"),
            Mistake(one_winner_for_all_channels, "each channel has a winner of its own"),
            Mistake(stride_ignored, "the stride is ignored: window (i, j) begins at row i·S - P"),
        ]),
    Exercise(
        "avg_pool_backward",
        hints=("Cut the window as for the maximum; every pixel in it gets the same part of dy[:, i, j], added.",
               "Counted from the start of the padding, a window begins at i·S, and the padded picture ends at H + 2P.",
               "divisor = min(K, H + 2*P - i*S) * min(K, W + 2*P - j*S), and dx[window] += (dy[:, i, j] / divisor)"
               "[:, None, None]."),
        cases=avg_cases,
        mistakes=[
            Mistake(not_divided, "the mean divides by the number of pixels, and so does its gradient"),
            Mistake(always_k_squared, "a window that sticks out beyond the padding has fewer than K·K pixels"),
            Mistake(padding_not_counted, "padding counts in the divisor"),
            Mistake(mean_assigned, "windows overlap: add (+=) where you assign (=)"),
            Mistake(mean_without_stride, "the stride is ignored: window (i, j) begins at row i·S - P"),
        ]),
]
