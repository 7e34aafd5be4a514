"""Checks of lesson 14: cases by hand, and the library's SGD, schedule and Average."""

import numpy as np

from lessons.check import Case, Exercise, Mistake
from minigooglenet.training.average import Average
from minigooglenet.training.schedule import steps
from minigooglenet.training.sgd import SGD

# -- momentum --------------------------------------------------------------------------------------------------------


def momentum_cases():
    w, v = np.array([10.0, 9.0, 7.2]), np.array([0.0, 10.0, 18.0])  # the gradient is w
    yield Case("three steps of the lesson's trace, by hand: w = 9, 7.2 and 4.86", (w, v, w, 0.1, 0.9),
               (np.array([9.0, 7.2, 4.86]), np.array([10.0, 18.0, 23.4])))
    rng = np.random.default_rng(10)
    for shape, lr, momentum in (((4,), 0.1, 0.9), ((3, 5), 0.02, 0.5), ((2, 3, 4), 0.3, 0.0)):
        w, v, g = rng.standard_normal((3, *shape))
        yield Case(f"shape {shape}, learning rate {lr}, momentum {momentum}", (w, v, g, lr, momentum),
                   _library(w, v, g, lr, momentum))
    w, v, g = rng.standard_normal((3, 3, 5)).astype(np.float32)
    yield Case("float32 in, float32 out", (w, v, g, 0.1, 0.9), _library(w, v, g, 0.1, 0.9))


def _library(w, v, g, lr, momentum):
    parameters = {"w": w.copy()}
    sgd = SGD(parameters, momentum)
    sgd.velocity["w"][...] = v
    sgd.step({"w": g}, lr)
    return parameters["w"], sgd.velocity["w"]


def random_steps(rng):
    for _ in range(3):
        w, v, g = rng.standard_normal((3, *rng.integers(1, 5, 2)))
        lr, momentum = rng.uniform(0.01, 0.5), rng.uniform(0, 1)
        yield Case(f"shape {w.shape}, learning rate {lr:.3f}, momentum {momentum:.3f}", (w, v, g, lr, momentum),
                   _library(w, v, g, lr, momentum))


def plain(w, v, g, lr, momentum):
    return w - lr * g, g


def uphill(w, v, g, lr, momentum):
    v = momentum * v + g
    return w + lr * v, v


def gradient_subtracted(w, v, g, lr, momentum):
    v = momentum * v - g
    return w - lr * v, v


def old_velocity(w, v, g, lr, momentum):
    return w - lr * v, momentum * v + g


def damped(w, v, g, lr, momentum):
    v = momentum * v + (1 - momentum) * g
    return w - lr * v, v


def lr_inside(w, v, g, lr, momentum):
    v = momentum * v - lr * g
    return w + v, v


def nesterov(w, v, g, lr, momentum):
    v = momentum * v + g
    return w - lr * (g + momentum * v), v


# -- step schedule ---------------------------------------------------------------------------------------------------

def rate_cases():
    for first, epoch in ((1.0, 0), (0.01, 7), (0.01, 8), (0.1, 12.5), (0.1, 15.99), (1.0, 136), (0.0015, 249)):
        yield Case(f"initial rate {first}, epoch {epoch}", (first, epoch), first * steps((epoch + 1e-6) / 250, 250))


def smooth(first, epoch):
    return first * 0.96 ** (epoch / 8)


def every_epoch(first, epoch):
    return first * 0.96 ** (epoch // 1)


def straight(first, epoch):
    return first * (1 - 0.04 * (epoch // 8))


def to_four_percent(first, epoch):
    return first * 0.04 ** (epoch // 8)


def one_early(first, epoch):
    return first * 0.96 ** ((epoch + 1) // 8)


def rounded(first, epoch):
    return first * 0.96 ** round(epoch / 8)


# -- Polyak averaging ------------------------------------------------------------------------------------------------

def polyak_cases():
    # by hand: d is 1/10, 2/11 (and would be 3/12): 10, 1 + 0 = 1, 2/11 + 11 · 9/11 = 9.18…
    yield Case("by hand: 10, then 1, then 2/11 + 9", (np.array([[10.0], [0.0], [11.0]]), 0.99),
               np.array([[10.0], [1.0], [2 / 11 + 9]]))
    rng = np.random.default_rng(110)
    for T, D, decay in ((5, 3, 0.15), (40, 2, 0.5), (30, 4, 0.99), (12, 1, 0.0)):
        weights = rng.standard_normal((T, D)).cumsum(axis=0) + 3
        yield Case(f"{T} rows of {D} weights, decay {decay}", (weights, decay), _averages(weights, decay))


def _averages(weights, decay):
    live = {"w": weights[0].copy()}
    average, rows = Average(live, decay), [weights[0]]
    for w in weights[1:]:
        live["w"][...] = w
        average.update()
        rows.append(average.arrays["w"].copy())
    return np.array(rows)


def _walk(weights, factor, start=None):
    rows = [weights[0] if start is None else start]
    for t, w in enumerate(weights[1:]):
        d = factor(t)
        rows.append(d * rows[-1] + (1 - d) * w)
    return np.array(rows)


def exchanged(weights, decay):
    return _walk(weights, lambda t: 1 - min(decay, (1 + t) / (10 + t)))


def long_from_the_start(weights, decay):
    return _walk(weights, lambda t: decay)


def counted_from_one(weights, decay):
    return _walk(weights, lambda t: min(decay, (2 + t) / (11 + t)))


def never_longer(weights, decay):
    return _walk(weights, lambda t: max(decay, (1 + t) / (10 + t)))


def started_at_zero(weights, decay):
    return _walk(weights, lambda t: min(decay, (1 + t) / (10 + t)), 0 * weights[0])


def aliased(weights, decay):
    return np.broadcast_to(_averages(weights, decay)[-1], weights.shape).copy()


def return_in_the_loop(weights, decay):
    return _averages(weights, decay)[:2]


def plain_mean(weights, decay):
    return weights.cumsum(axis=0) / np.arange(1, len(weights) + 1)[:, None]


EXERCISES = [
    Exercise(
        "momentum_step",
        hints=("Two lines. The velocity comes first, because the weight moves along the velocity, not the gradient.",
               "v_new = momentum * v + g. Do not write v += …: the arrays are read-only.",
               "return w - lr * v_new, v_new"),
        cases=momentum_cases,
        random_cases=random_steps,
        returns=("w", "v"),
        mistakes=[
            Mistake(plain, "the old velocity is lost: v is momentum · v + g, not g"),
            Mistake(uphill, "this goes up the gradient: subtract the step from w"),
            Mistake(gradient_subtracted, "the velocity adds the gradient, v = momentum · v + g; w subtracts v"),
            Mistake(old_velocity, "w moves along the old velocity: compute v first, then use the new one"),
            Mistake(damped, "the gradient is multiplied by 1 - momentum: here v is a sum, not an average"),
            Mistake(lr_inside, "your velocity contains the learning rate (Caffe's form): here v sums gradients only"),
            Mistake(nesterov, "that is Nesterov momentum, which looks ahead; here w moves along v itself"),
        ]),
    Exercise(
        "learning_rate",
        hints=("How many times has the learning rate been reduced before this epoch? In epochs 0 to 7: not at all.",
               "It has been reduced ⌊epoch / 8⌋ times; Python's // divides and rounds down, for 12.5 as well.",
               "Each reduction multiplies by 0.96: first * 0.96 ** (epoch // 8)."),
        cases=rate_cases,
        mistakes=[
            Mistake(smooth, "that is a smooth curve: count completed drops only, with //"),
            Mistake(every_epoch, "the learning rate drops every 8 epochs, not in each"),
            Mistake(straight, "take 4 % of what is left, not of the initial rate: multiply by 0.96 each time"),
            Mistake(to_four_percent, "the learning rate drops by 4 %, not to 4 %: the factor is 0.96"),
            Mistake(one_early, "epochs count from 0: the first drop is at epoch 8, not 7"),
            Mistake(rounded, "round down, not to the nearest integer"),
        ]),
    Exercise(
        "polyak",
        hints=("Start with averages = [weights[0]], and append one row for each further row of weights.",
               "for t, w in enumerate(weights[1:]): t counts from 0, so the first d is min(decay, 1 / 10).",
               "averages.append(d * averages[-1] + (1 - d) * w), and np.array(averages) at the end."),
        cases=polyak_cases,
        mistakes=[
            Mistake(exchanged, "d and 1 - d are exchanged: d is how much of the average stays"),
            Mistake(long_from_the_start, "the memory must start short: d = min(decay, (1 + t) / (10 + t))"),
            Mistake(counted_from_one, "t counts finished updates: it is 0 in the first one, and d is 1/10"),
            Mistake(never_longer, "the smaller of the two, min and not max: the memory grows up to decay"),
            Mistake(started_at_zero, "the average starts at weights[0], not at zero"),
            Mistake(aliased, "all rows are one array that you change in place: append a copy, or a new array"),
            Mistake(return_in_the_loop, "only one update is there: the return belongs after the loop"),
            Mistake(plain_mean, "that is the plain mean (Polyak's own); here old weights count less and less"),
        ]),
]
