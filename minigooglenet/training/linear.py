"""A linear classifier on features: logistic regression with several classes, fitted by L-BFGS in float64.

    L(W, b) = 1/N · Σ_n v_{y_n} · −log softmax(x_n W + b)[y_n]  +  |W|² / (2 C N)

x (N, D) are standardized features, W (D, K), b (K,); v (K,) weights the classes, 1 without ``balance``. A small C keeps
W small. L is convex, so it has one minimum, and no learning rate, seed or number of epochs is needed. scikit-learn's
LogisticRegression minimizes the same function.
"""

from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from ..kernels.threads import blas_on_one_thread
from ..layers import softmax
from ..layers.base import Array
from .losses import balanced_cross_entropy

ACCURACY, ROUGH = 1e-4, 1e-2                # distance of W from the minimum, at most: of a result, in cross-validation
LIMIT = 2000                                # iterations
MEMORY = 10                                 # steps that L-BFGS remembers
ARMIJO = 1e-4                               # the part of the predicted decrease that a step has to reach
CHOICES = 10.0 ** np.arange(-5, 2.5, 0.5)   # of C, in cross-validation
FOLDS = 5


class Classifier(NamedTuple):
    """z = x w + b for features x (N, D) as they are, not standardized: w (D, K), b (K,)."""

    w: Array
    b: Array

    def logits(self, x: Array) -> Array:
        return x @ self.w + self.b


class Validated(NamedTuple):
    """The result of cross-validation: the C with the lowest loss, its mean accuracy and loss on the held-out images,
    and the number of folds. Without cross-validation, because a class has one distinct image: 0 folds and NaN."""

    C: float
    accuracy: float
    loss: float
    folds: int


def fit(x: Array, y: Array, K: int, C: float, start: Classifier | None = None, accuracy: float = ACCURACY,
        weights: Array | None = None) -> Classifier:
    """The minimum of L for features x (N, D), labels y (N,), 0 to K - 1, and ``weights`` v (K,) of the classes.

    The features are standardized by one mean per feature and one scale for all, (x - mean) / s with s² the mean
    variance: a feature that hardly varies keeps its small weight in |W|². The result is converted back to x.

    The gradient's norm is at the end at most ``accuracy``, and ``accuracy`` / (C N): L grows at least with |W -
    minimum|² / (2 C N), so W, for standardized features, is no farther than ``accuracy`` from the minimum. ``start``
    is a solution for another C.
    """
    N, D = x.shape
    standard = np.array(x, np.float64)  # changed in place: the only large array
    mean = standard.mean(axis=0)
    standard -= mean
    scale = np.sqrt(np.einsum("nd,nd->d", standard, standard).mean() / N) or 1.0
    standard /= scale
    theta = np.zeros((D + 1, K))
    if start is not None:
        theta[:D], theta[D] = start.w * scale, start.b + mean @ start.w

    def function(flat: Array) -> tuple[float, Array]:
        loss, gradient = loss_and_gradient(flat.reshape(D + 1, K), standard, y, C, weights)
        return loss, gradient.ravel()

    with blas_on_one_thread():  # so that the bits do not depend on the number of threads
        theta = minimize(function, theta.ravel(), accuracy * min(1.0, 1 / (C * N))).reshape(D + 1, K)
    w = theta[:D] / scale
    return Classifier(w, theta[D] - mean @ w)


def loss_and_gradient(theta: Array, x: Array, y: Array, C: float,
                      weights: Array | None = None) -> tuple[float, Array]:
    """L and its gradient. theta (D + 1, K) is W above b.

        dL/dW = xᵀ g + W / (C N)        dL/db = Σ_n g_n        g_n = v_{y_n} (p_n - t_n) / N

    p = softmax(x W + b), t one-hot, v ``weights``.
    """
    N, w = len(x), theta[:-1]
    loss, dz = balanced_cross_entropy(x @ w + theta[-1], y, class_weights=weights)
    gradient = np.concatenate([x.T @ dz + w / (C * N), dz.sum(axis=0, keepdims=True)])
    return loss + float((w * w).sum()) / (2 * C * N), gradient


def minimize(function: Callable[[Array], tuple[float, Array]], w: Array, tolerance: float,
             limit: int = LIMIT) -> Array:
    """The minimum of a smooth convex function, ``function(w) -> (value, gradient)``, from w (n,) on, by L-BFGS.

    Each iteration moves along -H g, where H approximates the inverse of the Hessian, as far as 1, 1/2, 1/4 … until the
    value decreases enough (Armijo). It stops when the norm of the gradient is at most ``tolerance``, when rounding
    leaves no lower value, or after ``limit`` iterations. Source: Liu & Nocedal 1989.
    """
    pairs: deque[tuple[Array, Array]] = deque(maxlen=MEMORY)
    value, g = function(w)
    for _ in range(limit):
        if np.linalg.norm(g) <= tolerance:
            break
        direction = -approximate_newton(g, pairs)
        slope, t = float(g @ direction), 1.0 if pairs else min(1.0, 1 / float(np.linalg.norm(g)))
        while True:
            new_value, new_g = function(w + t * direction)
            if new_value <= value + ARMIJO * t * slope:
                break
            t /= 2
            if t < 1e-12:
                return w
        s, change = t * direction, new_g - g
        if s @ change > 0:
            pairs.append((s, change))
        w, value, g = w + s, new_value, new_g
    return w


def approximate_newton(g: Array, pairs: deque[tuple[Array, Array]]) -> Array:
    """H g, from the last steps s and the changes y of the gradient: the smallest change of a multiple of the identity
    with which H y = s for each. Two loops instead of a matrix (Nocedal 1980)."""
    q, factors = g.copy(), []
    for s, y in reversed(pairs):
        a = (s @ q) / (s @ y)
        q -= a * y
        factors.append(a)
    if pairs:
        s, y = pairs[-1]
        q *= (s @ y) / (y @ y)
    for (s, y), a in zip(pairs, reversed(factors), strict=True):
        q += (a - (y @ q) / (s @ y)) * s
    return q


def cross_validate(x: Array, y: Array, K: int, seed: int = 0,
                   on_choice: Callable[[float, float, float], object] | None = None,
                   weights: Array | None = None, copies: Array | None = None) -> Validated:
    """The C of CHOICES with the lowest mean loss on held-out images.

    x (N, views, D): features of each image, and of its mirror image if there are two views. Every fold trains on all
    views of the other folds, and is tested on the images as they are. Classes are divided evenly among the folds: five,
    or as many as the smallest class has distinct images. From small C to large, each fit starts from the one before;
    when the loss has risen twice, larger ones are not tried. ``on_choice(C, accuracy, loss)`` is called after each C.
    ``weights`` of the classes as in ``fit``, ``copies`` as in ``folds``.
    """
    held = list(folds(y, K, seed, copies))
    if len(held) < 2:
        return Validated(float(CHOICES[len(CHOICES) // 2]), np.nan, np.nan, 0)
    fitted: list[Classifier | None] = [None] * len(held)
    results: list[Validated] = []
    for C in CHOICES:
        losses, correct = 0.0, 0
        for k, test in enumerate(held):
            train = np.setdiff1d(np.arange(len(y)), test)
            fitted[k] = found = fit(*flat(x[train], y[train]), K, C, fitted[k], ROUGH, weights)
            z = found.logits(x[test, 0].astype(np.float64))
            losses += balanced_cross_entropy(z, y[test], class_weights=weights)[0] * len(test)
            correct += int((z.argmax(axis=1) == y[test]).sum())
        results.append(Validated(float(C), correct / len(y), losses / len(y), len(held)))
        if on_choice:
            on_choice(*results[-1][:3])
        if len(results) > 2 and results[-3].loss < results[-2].loss < results[-1].loss:
            break
    return min(results, key=lambda result: result.loss)


def out_of_sample(x: Array, y: Array, K: int, C: float, seed: int = 0, copies: Array | None = None) -> Array | None:
    """Probabilities (N, K) for features x (N, D), each from the classifier that was fitted without its fold; None if a
    class has fewer than two distinct images. ``copies`` as in ``folds``."""
    held = list(folds(y, K, seed, copies))
    if len(held) < 2:
        return None
    p = np.empty((len(y), K))
    for test in held:
        train = np.setdiff1d(np.arange(len(y)), test)
        p[test] = softmax(fit(x[train], y[train], K, C, accuracy=ROUGH).logits(x[test].astype(np.float64)))
    return p


def flat(x: Array, y: Array) -> tuple[Array, Array]:
    """Features (N, views, D) and labels (N,) as (N · views, D) and (N · views,)."""
    return x.reshape(-1, x.shape[-1]), y.repeat(x.shape[1])


def folds(y: Array, K: int, seed: int, copies: Array | None = None) -> Iterator[Array]:
    """The indices of the images that each fold holds out. Each class is shuffled and dealt out in turn.

    ``copies`` (N,) has the same number for equal images, which are held out together: a copy among the training images
    would give away the label.
    """
    first, group = distinct(len(y), copies)
    number = min(FOLDS, *np.bincount(y[first], minlength=K).tolist())
    rng = np.random.default_rng([seed, 5])
    dealt = np.concatenate([rng.permutation(np.flatnonzero(y[first] == k)) for k in range(K)])
    yield from (np.flatnonzero(np.isin(group, dealt[fold::number])) for fold in range(number))


def distinct(N: int, copies: Array | None) -> tuple[Array, Array]:
    """(the index of the first copy of each distinct image, for each of the N images which of these it equals)."""
    return np.unique(np.arange(N) if copies is None else copies, return_index=True, return_inverse=True)[1:]
