"""Checks of lesson 22: max pooling against the library's kernel, the wiring against hand-made steps."""

import numpy as np

from lessons.check import Case, Exercise, Mistake
from minigooglenet.kernels.geometry import output_size
from minigooglenet.kernels.max_pool import max_pool as library_max_pool

#: (H, W, K, S, P, ceil_mode)
WINDOWS = ((5, 7, 3, 2, 0, False), (6, 4, 3, 1, 1, False), (8, 5, 3, 2, 0, True), (7, 9, 2, 2, 0, True),
           (4, 6, 3, 2, 1, True), (6, 7, 5, 3, 2, False), (5, 4, 2, 1, 0, False))


# -- max pooling -------------------------------------------------------------------------------------------------------

def _pool(x, K, S, P, ceil_mode):
    OH, OW = (output_size(size, K, S, P, ceil_mode) for size in x.shape[1:3])
    return (x, K, S, P, OH, OW), library_max_pool(x, (K, K), (S, S), (P, P), ceil_mode)


def pool_cases():
    rng = np.random.default_rng(122)
    for H, W, K, S, P, ceil_mode in WINDOWS:
        x = rng.standard_normal((2, H, W, 3))
        yield Case(f"{H}×{W}, K {K}, S {S}, P {P}{', the last window cut at the border' * ceil_mode}",
                   *_pool(x, K, S, P, ceil_mode))
    x = -1 - rng.random((3, 5, 6, 2))
    yield Case("all pixels negative", *_pool(x, 3, 1, 1, False))
    yield Case("float32 in, float32 out", *_pool(x.astype(np.float32), 3, 2, 0, True))


def random_pools(rng):
    for _ in range(4):
        K = int(rng.integers(2, 5))
        S, P = int(rng.integers(1, 4)), int(rng.integers(0, K))
        H, W = rng.integers(5, 11, 2)
        yield Case(f"{H}×{W}, K {K}, S {S}, P {P}", *_pool(rng.standard_normal((2, H, W, 2)), K, S, P, True))


def _pooled(x, K, S, P, OH, OW, take=lambda window: window.max(axis=(1, 2)), origin=lambda i, S, P: i * S - P):
    y = np.empty((len(x), OH, OW, x.shape[-1]), x.dtype)
    for i in range(OH):
        for j in range(OW):
            top, left = origin(i, S, P), origin(j, S, P)
            y[:, i, j] = take(x[:, max(top, 0):top + K, max(left, 0):left + K])
    return y


def padded_with_zeros(x, K, S, P, OH, OW):
    rest = OH * S + K
    padded = np.pad(x, ((0, 0), (P, rest), (P, rest), (0, 0)))
    return _pooled(padded, K, S, 0, OH, OW)


def starts_at_zero(x, K, S, P, OH, OW):
    y = np.zeros((len(x), OH, OW, x.shape[-1]), x.dtype)
    return np.maximum(y, _pooled(x, K, S, P, OH, OW))


def padding_ignored(x, K, S, P, OH, OW):
    rest = OH * S + K + P
    padded = np.pad(x, ((0, 0), (0, rest), (0, rest), (0, 0)), constant_values=-np.inf)
    return _pooled(padded, K, S, 0, OH, OW)


def stride_ignored(x, K, S, P, OH, OW):
    return _pooled(x, K, S, P, OH, OW, origin=lambda i, S, P: i - P)


def stride_on_u_and_v(x, K, S, P, OH, OW):
    rest = S * K + OH + OW
    padded = np.pad(x, ((0, 0), (P, rest), (P, rest), (0, 0)), constant_values=-np.inf)
    y = np.full((len(x), OH, OW, x.shape[-1]), -np.inf, x.dtype)
    for u in range(K):
        for v in range(K):
            y = np.maximum(y, padded[:, S * u:S * u + OH, S * v:S * v + OW])
    return y


def over_channels(x, K, S, P, OH, OW):
    return _pooled(x, K, S, P, OH, OW, take=lambda window: window.max(axis=(1, 2, 3))[:, None])


def over_the_batch(x, K, S, P, OH, OW):
    return _pooled(x, K, S, P, OH, OW, take=lambda window: window.max(axis=(0, 1, 2)))


def average(x, K, S, P, OH, OW):
    return _pooled(x, K, S, P, OH, OW, take=lambda window: window.mean(axis=(1, 2)))


def rows_only(x, K, S, P, OH, OW):
    return _pooled(x, K, S, P, OH, OW, take=lambda window: window.max(axis=1)[:, 0])


def one_short(x, K, S, P, OH, OW):
    return _pooled(x, K, S, P, OH, OW, take=lambda window: window[:, :, :max(1, K - 1)].max(axis=(1, 2)))


# -- the wiring --------------------------------------------------------------------------------------------------------

def _product(w):
    """A step: 1×1 convolution. Its cache is x."""
    return (lambda x: (x @ w, x)), (lambda dy, x: dy @ w.T)


def _relu():
    return (lambda x: (np.maximum(x, 0), x > 0)), (lambda dy, on: dy * on)


def _branches(rng, C, widths, lengths, dtype):
    """A branch of ``length`` steps for each width: products, with a ReLU after the first."""
    branches = []
    for F, length in zip(widths, lengths, strict=True):
        steps, inside = [], C
        for n in range(length):
            if n == 1:
                steps.append(_relu())
                continue
            steps.append(_product(rng.standard_normal((inside, F)).astype(dtype)))
            inside = F
        branches.append(steps)
    return branches


def _forward(x, branches):
    outputs, caches = [], []
    for steps in branches:
        y, kept = x, []
        for forward, _ in steps:
            y, cache = forward(y)
            kept.append(cache)
        outputs.append(y)
        caches.append(kept)
    return outputs, caches


def _backward(dys, branches, caches):
    """Each branch's dx."""
    gradients = []
    for dy, steps, kept in zip(dys, branches, caches, strict=True):
        for (_, backward), cache in zip(reversed(steps), reversed(kept), strict=True):
            dy = backward(dy, cache)
        gradients.append(dy)
    return gradients


def _examples():
    rng = np.random.default_rng(222)
    for C, widths, lengths, dtype in ((3, (3, 3, 3), (4, 2, 4), float), (3, (2, 4, 1, 3), (1, 3, 2, 4), float),
                                      (2, (2, 2), (3, 4), float), (2, (5,), (1,), float),
                                      (4, (3, 2), (3, 1), np.float32)):
        x = rng.standard_normal((2, 4, 5, C)).astype(dtype)
        branches = _branches(rng, C, widths, lengths, dtype)
        dys = tuple(rng.standard_normal((2, 4, 5, F)).astype(dtype) for F in widths)
        many = f"{len(widths)} branch{'es' * (len(widths) > 1)}"
        yield f"{many} of {', '.join(map(str, lengths))} steps{', float32' * (dtype is not float)}", x, branches, dys


def forward_cases():
    for label, x, branches, _ in _examples():
        outputs, caches = _forward(x, branches)
        yield Case(label, (x, branches), (np.concatenate(outputs, axis=-1), caches))


def backward_cases():
    for label, x, branches, dys in _examples():
        caches = _forward(x, branches)[1]
        yield Case(label, (dys, branches, caches), sum(_backward(dys, branches, caches)))


def one_after_the_other(x, branches):
    outputs, caches = [], []
    for steps in branches:
        kept = []
        for forward, _ in steps:
            x, cache = forward(x)
            kept.append(cache)
        outputs.append(x)
        caches.append(kept)
    return np.concatenate(outputs, axis=-1), caches


def summed(x, branches):
    outputs, caches = _forward(x, branches)
    return sum(outputs), caches


def along_the_width(x, branches):
    outputs, caches = _forward(x, branches)
    return np.concatenate(outputs, axis=2), caches


def along_the_batch(x, branches):
    outputs, caches = _forward(x, branches)
    return np.concatenate(outputs), caches


def one_list_of_caches(x, branches):
    outputs, caches = _forward(x, branches)
    return np.concatenate(outputs, axis=-1), [cache for kept in caches for cache in kept]


def last_cache_only(x, branches):
    outputs, caches = _forward(x, branches)
    return np.concatenate(outputs, axis=-1), [kept[-1] for kept in caches]


def every_step_reads_x(x, branches):
    outputs, caches = [], []
    for steps in branches:
        done = [forward(x) for forward, _ in steps]
        outputs.append(done[-1][0])
        caches.append([cache for _, cache in done])
    return np.concatenate(outputs, axis=-1), caches


def caches_reversed(x, branches):
    outputs, caches = _forward(x, branches)
    return np.concatenate(outputs, axis=-1), [kept[::-1] for kept in caches]


def only_the_last_branch(dys, branches, caches):
    return _backward(dys, branches, caches)[-1]


def only_the_first_branch(dys, branches, caches):
    return _backward(dys, branches, caches)[0]


def mean_of_branches(dys, branches, caches):
    gradients = _backward(dys, branches, caches)
    return sum(gradients) / len(gradients)


def concatenated(dys, branches, caches):
    return np.concatenate(_backward(dys, branches, caches), axis=-1)


def not_reversed(dys, branches, caches):
    total = 0
    for dy, steps, kept in zip(dys, branches, caches, strict=True):
        for (_, backward), cache in zip(steps, kept, strict=True):
            dy = backward(dy, cache)
        total = total + dy
    return total


def caches_not_reversed(dys, branches, caches):
    return sum(_backward(dys, branches, [kept[::-1] for kept in caches]))


def same_gradient_for_all(dys, branches, caches):
    return sum(_backward([dys[0]] * len(dys), branches, caches))


EXERCISES = [
    Exercise(
        "max_pool",
        hints=("Loop over the windows only: one slice holds the window of all images and all channels.",
               "The rows of window i are i·S - P to i·S - P + K; a start below 0 must become 0, an end beyond the "
               "image does no harm.",
               "y[:, i, j] = x[:, max(top, 0):top + K, max(left, 0):left + K].max(axis=(1, 2))"),
        cases=pool_cases,
        random_cases=random_pools,
        mistakes=[
            Mistake(padded_with_zeros, "padding counts as -∞, not as 0: with all pixels negative, a 0 would win"),
            Mistake(starts_at_zero, "a maximum that starts at 0 never becomes negative: start at -∞"),
            Mistake(padding_ignored, "window (i, j) starts at row i·S - P; yours starts at i·S"),
            Mistake(stride_ignored, "window (i, j) starts at row i·S - P; yours starts at i - P"),
            Mistake(stride_on_u_and_v, "the stride multiplies i and j, not the position within the window"),
            Mistake(over_channels, "each channel has its own maximum: take it over height and width only"),
            Mistake(over_the_batch, "each image has its own maximum: take it over height and width only"),
            Mistake(average, "this is the average of the window, not its maximum"),
            Mistake(one_short, "a window is K pixels wide: the slice ends at left + K"),
            Mistake(rows_only, "the maximum is over both axes of the window; yours is over one of them"),
        ]),
    Exercise(
        "inception",
        hints=("Two loops: over the branches, and over the steps of a branch. Where does each branch begin?",
               "Within a branch: y, cache = forward(y), and append the cache to a list of that branch.",
               "Start each branch with y = x and kept = []; at its end append y to outputs and kept to caches; return "
               "np.concatenate(outputs, axis=-1), caches"),
        cases=forward_cases,
        returns=("y", "caches"),
        mistakes=[
            Mistake(one_after_the_other, "every branch reads x; yours reads what the previous branch returned"),
            Mistake(summed, "the outputs are concatenated along the channels, not added"),
            Mistake(along_the_width, "you concatenate along the width: the channels are the last axis"),
            Mistake(along_the_batch, "you concatenate along the batch: the channels are the last axis"),
            Mistake(one_list_of_caches, "caches has one list for each branch, not one list for all"),
            Mistake(last_cache_only, "keep the cache of every step, not only of the last one"),
            Mistake(every_step_reads_x, "a step reads what the step before it returned; yours all read x"),
            Mistake(caches_reversed, "the caches of a branch are in the order of its steps"),
        ]),
    Exercise(
        "inception_backward",
        hints=("All branches read the same x. What happens to the gradients of a value that is used several times?",
               "In a branch, the last step is the first in the backward pass: reverse the steps and their caches.",
               "for (_, backward), cache in zip(reversed(steps), reversed(kept)): dy = backward(dy, cache); then add "
               "dy to the total."),
        cases=backward_cases,
        mistakes=[
            Mistake(only_the_last_branch, "each branch overwrites dx: add, do not assign"),
            Mistake(only_the_first_branch, "dx comes from the first branch only, but all of them read x"),
            Mistake(mean_of_branches, "you take the mean over the branches; the chain rule takes the sum"),
            Mistake(concatenated, "the branches' gradients are added: x was not split, all of them read it"),
            Mistake(not_reversed, "the backward pass runs from the last step to the first"),
            Mistake(caches_not_reversed, "the steps are reversed, their caches are not: a step gets a wrong one"),
            Mistake(same_gradient_for_all, "every branch gets its own part of the gradient, dys[b], not the first"),
        ]),
]
