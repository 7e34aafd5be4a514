"""Checks of lesson 05: softmax and the loss against the library, the training loop against the library's layers."""

import numpy as np

from lessons.check import Case, Exercise, Mistake
from minigooglenet.layers import Dense
from minigooglenet.layers import cross_entropy as right_loss
from minigooglenet.layers import softmax as right_softmax

#: (N, K): as many classes as examples, fewer, more, a single example, two classes.
SHAPES = ((4, 4), (5, 4), (3, 7), (1, 3), (6, 2))


def _logits(seed):
    rng = np.random.default_rng(seed)
    for N, K in SHAPES:
        yield f"{N} example{'s' * (N > 1)}, {K} classes", 2 * rng.standard_normal((N, K)), rng.integers(0, K, N)


# -- softmax -----------------------------------------------------------------------------------------------------------

def softmax_cases():
    z = np.log([[1.0, 2.0, 5.0]])
    yield Case("e^z = 1, 2, 5 from the lesson", (z,), right_softmax(z))
    for label, z, _ in _logits(105):
        yield Case(label, (z,), right_softmax(z))
    z = np.array([[1000.0, 999.0, 0.0], [-1000.0, -1001.0, -1000.0]])
    yield Case("logits of 1000 and -1000", (z,), right_softmax(z))
    z = np.array([[800.0, 0.0], [-800.0, 0.0], [0.0, 1.0]])
    yield Case("large logits in some rows only: every row has its own maximum", (z,), right_softmax(z))
    z = np.array([[90, 1, 0], [0.5, -2, 1]], np.float32)
    yield Case("float32 in, float32 out", (z,), right_softmax(z))


def overflowing(z):
    with np.errstate(over="ignore", invalid="ignore"):
        e = np.exp(z)
        return e / e.sum(axis=1, keepdims=True)


def over_the_batch(z):
    return right_softmax(np.ascontiguousarray(z.T)).T


def over_everything(z):
    return right_softmax(z.reshape(1, -1)).reshape(z.shape)


def not_divided(z):
    return np.exp(z - z.max(axis=1, keepdims=True))


def logarithm(z):
    shifted = z - z.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def one_maximum(z):
    with np.errstate(invalid="ignore"):
        e = np.exp(z - z.max())
        return e / e.sum(axis=1, keepdims=True)


def sums_as_a_row(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1)  # only a square array fits, and then it is wrong


# -- the loss and its gradient -----------------------------------------------------------------------------------------

def loss_cases():
    for K in (10, 3):
        z, labels = np.zeros((2, K)), np.array([1, K - 1])
        yield Case(f"an untrained classifier of {K} classes: ln {K}", (z, labels), right_loss(z, labels))
    for label, z, labels in _logits(205):
        yield Case(label, (z, labels), right_loss(z, labels))
    z, labels = np.array([[1000.0, 0.0, -1000.0], [3.0, 1.0, 2.0]]), np.array([2, 0])
    yield Case("certain and wrong in the first example: a loss of 2000 there, not infinity", (z, labels),
               right_loss(z, labels))
    z = (z / 10).astype(np.float32)
    loss, dz = right_loss(z, labels)
    yield Case("float32 in, float32 out", (z, labels), (np.float32(loss), dz))


def _changed(loss=lambda loss, N, K: loss, dz=lambda dz, N, K: dz):
    def answer(z, labels):
        right = right_loss(z, labels)
        return loss(right[0], *z.shape), dz(right[1], *z.shape)
    return answer


def gradient_not_averaged(z, labels):
    return _changed(dz=lambda dz, N, K: N * dz)(z, labels)


def summed(z, labels):
    return _changed(loss=lambda loss, N, K: N * loss, dz=lambda dz, N, K: N * dz)(z, labels)


def averaged_over_classes(z, labels):
    return _changed(loss=lambda loss, N, K: loss / K, dz=lambda dz, N, K: dz / K)(z, labels)


def other_sign(z, labels):
    return _changed(dz=lambda dz, N, K: -dz)(z, labels)


def label_not_subtracted(z, labels):
    return right_loss(z, labels)[0], right_softmax(z) / z.dtype.type(len(z))


def logarithm_of_p(z, labels):
    with np.errstate(divide="ignore"):
        return -np.log(right_softmax(z)[np.arange(len(z)), labels]).mean(), right_loss(z, labels)[1]


def softmax_twice(z, labels):
    return right_loss(right_softmax(z), labels)


# -- the training loop -------------------------------------------------------------------------------------------------

def train_cases():
    rng = np.random.default_rng(305)
    for N, D, K, lr, steps in ((4, 2, 3, 0.5, 1), (7, 3, 2, 0.1, 5), (5, 4, 6, 1.0, 12)):
        x, w, b = rng.standard_normal((N, D)), rng.standard_normal((D, K)), rng.standard_normal(K)
        labels = rng.integers(0, K, N)
        yield Case(f"{N} examples, {D} inputs, {K} classes, {steps} step{'s' * (steps > 1)} with lr {lr}",
                   (x, labels, w, b, lr, steps), _train(x, labels, w, b, lr, steps))
    yield Case("no step at all", (x, labels, w, b, 1.0, 0), (w, b, []))


def _train(x, labels, w, b, lr, steps, before=True, bias=1):
    """Softmax regression with the library's Dense. ``before``: the loss of a step is computed before its update."""
    layer, losses = Dense(*w.shape, dtype=w.dtype), []
    layer.params["w"][...], layer.params["b"][...] = w, b
    for _ in range(steps):
        z, cache = layer.forward(x)
        loss, dz = right_loss(z, labels)
        layer.zero_grads()
        layer.backward(dz, cache)
        layer.params["w"] -= lr * layer.grads["w"]
        layer.params["b"] -= lr * bias * layer.grads["b"]
        losses.append(loss if before else right_loss(layer.predict(x), labels)[0])
    return layer.params["w"], layer.params["b"], losses


def uphill(x, labels, w, b, lr, steps):
    return _train(x, labels, w, b, -lr, steps)


def loss_after_the_update(x, labels, w, b, lr, steps):
    return _train(x, labels, w, b, lr, steps, before=False)


def bias_forgotten(x, labels, w, b, lr, steps):
    return _train(x, labels, w, b, lr, steps, bias=0)


def not_averaged(x, labels, w, b, lr, steps):
    return _train(x, labels, w, b, lr * len(x), steps)


def averaged_twice(x, labels, w, b, lr, steps):
    return _train(x, labels, w, b, lr / len(x), steps)


def return_in_the_loop(x, labels, w, b, lr, steps):
    return _train(x, labels, w, b, lr, min(steps, 1))


def never_again(x, labels, w, b, lr, steps):
    """The gradient is computed once, before the loop."""
    w1, b1, losses = _train(x, labels, w, b, lr, min(steps, 1))
    return w + steps * (w1 - w), b + steps * (b1 - b), losses * steps


def sum_of_all_rows(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum()


def base_2(z, labels):
    return _changed(lambda loss, N, K: loss / np.log(2))(z, labels)


def base_10(z, labels):
    return _changed(lambda loss, N, K: loss / np.log(10))(z, labels)


def labels_as_columns(z, labels):
    N, (loss, dz) = len(z), right_loss(z, labels)
    dz = dz.copy()
    dz[np.arange(N), labels] += z.dtype.type(1 / N)
    dz[:, labels] -= z.dtype.type(1 / N)
    return loss, dz


def uphill_in_w(x, labels, w, b, lr, steps):
    losses = []
    for _ in range(steps):
        loss, dz = right_loss(x @ w + b, labels)
        losses.append(loss)
        w, b = w + lr * (x.T @ dz), b - lr * dz.sum(axis=0)
    return w, b, losses


def one_more_loss(x, labels, w, b, lr, steps):
    w, b, losses = _train(x, labels, w, b, lr, steps)
    return w, b, [*losses, right_loss(x @ w + b, labels)[0]]


EXERCISES = [
    Exercise(
        "softmax",
        hints=("Each row is an example: find its largest logit, and take exponentials of differences.",
               "z.max(axis=1, keepdims=True) has shape (N, 1), so that it can be subtracted from z.",
               "e = np.exp(z - z.max(axis=1, keepdims=True)); divide e by its sum, with the same axis and keepdims."),
        cases=softmax_cases,
        mistakes=[
            Mistake(overflowing, "exp overflows: subtract the largest logit of each row before exp"),
            Mistake(over_the_batch, "the classes of one example add up to 1, not the examples of one class: axis=1"),
            Mistake(over_everything, "each example has its own sum: axis=1, with keepdims=True"),
            Mistake(sum_of_all_rows, "each example has its own sum: e.sum(axis=1, keepdims=True)"),
            Mistake(not_divided, "the exponentials are not divided by their sum: the rows do not add up to 1"),
            Mistake(logarithm, "these are logarithms of probabilities: take exp of them"),
            Mistake(one_maximum, "one maximum for all rows: where it is much larger than a row, exp gives only zeros"),
            Mistake(sums_as_a_row, "the sums (N,) are used as a row: keepdims=True makes them a column (N, 1)"),
        ]),
    Exercise(
        "cross_entropy",
        hints=("Compute ln p first, and p = exp(ln p) from it. The loss picks one value of ln p in each row.",
               "ln p = s - ln Σ_j exp(s_j), where s is z minus the largest logit of its row.",
               "rows = np.arange(N): L = -log_p[rows, labels].mean(); subtract 1 from p[rows, labels]; divide p by N."),
        cases=loss_cases,
        returns=("loss", "dz"),
        mistakes=[
            Mistake(gradient_not_averaged, "the loss is a mean over the batch, so its gradient has a factor 1/N"),
            Mistake(summed, "divide by N: the loss is the mean over the batch, and its gradient has the same 1/N"),
            Mistake(averaged_over_classes, "divide by the number of examples N only, not by the number of classes"),
            Mistake(other_sign, "the gradient has the wrong sign: it is p - t, not t - p"),
            Mistake(label_not_subtracted, "subtract 1 from p at the label: the gradient is p - t"),
            Mistake(logarithm_of_p, "p rounds to 0, and its logarithm is -infinity: use z - max - ln Σ exp(z - max)"),
            Mistake(base_2, "that is the logarithm to base 2: np.log is the natural one"),
            Mistake(base_10, "that is the logarithm to base 10: np.log is the natural one"),
            Mistake(labels_as_columns, "dz[:, labels] takes these columns of every row: dz[np.arange(N), labels]"),
            Mistake(softmax_twice, "softmax is applied twice: the loss takes the logits themselves"),
        ]),
    Exercise(
        "train",
        hints=("One step: z = x @ w + b, then loss and dz from your cross_entropy, then dw and db as in lesson 04.",
               "dw = x.T @ dz and db = dz.sum(axis=0). dz contains the 1/N already.",
               "Append the loss; then w = w - lr * dw and b = b - lr * db, as new arrays. Return after the loop."),
        cases=train_cases,
        returns=("w", "b", "losses"),
        mistakes=[
            Mistake(uphill, "the step goes up: subtract the gradient"),
            Mistake(uphill_in_w, "w goes up: subtract its gradient, as for b"),
            Mistake(one_more_loss, "there is one loss too many: one for each step, computed before its update"),
            Mistake(loss_after_the_update, "the loss of a step is the one before its update"),
            Mistake(bias_forgotten, "b never changes: subtract lr · dz.sum(axis=0)"),
            Mistake(not_averaged, "the steps are N times too large: the loss is a mean, its gradient has a factor 1/N"),
            Mistake(averaged_twice, "the steps are N times too small: cross_entropy has divided by N already"),
            Mistake(return_in_the_loop, "only one step is taken: is the return inside the loop?"),
            Mistake(never_again, "the gradient changes with the weights: compute it in every step, inside the loop"),
        ]),
]
