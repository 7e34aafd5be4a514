"""Checks of lesson 16: widths against the library's counts, order against its batches, and bit-identical resuming."""

import functools

import numpy as np

from lessons.check import Case, Exercise, Mistake, Property, Wrong
from minigooglenet.data import batches
from minigooglenet.models import mini_googlenet

# -- a width for a budget ----------------------------------------------------------------------------------------------

WIDTHS = (0.125, 0.375, 0.0625, 0.25)


@functools.cache
def _macs(width):
    return mini_googlenet(width, heads=False).macs((32, 32, 3))


def width_cases():
    for label, budget, widths in (
            ("10 M", 10_000_000, WIDTHS), ("25 M: width 1/4 takes a little more", 25_000_000, WIDTHS),
            ("exactly that of width 1/4", _macs(0.25), WIDTHS), ("55 M", 55_000_000, WIDTHS),
            ("plenty", 10**9, WIDTHS), ("too little for any", 1_000_000, WIDTHS),
            ("8 M, one width only", 8_000_000, (0.125,))):
        right = [width for width in widths if _macs(width) <= budget]
        yield Case(f"budget {label}", (budget, widths), max(right, default=None))


def _best(budget, widths, cost, fits=lambda cost, budget: cost <= budget):
    return max((width for width in widths if fits(cost(width), budget)), default=None)


def counted_in_flops(budget, widths):
    return _best(budget, widths, lambda width: 2 * _macs(width))


def nearest(budget, widths):
    return min(widths, key=lambda width: abs(_macs(width) - budget))


def last_in_the_list(budget, widths):
    return next((width for width in reversed(widths) if _macs(width) <= budget), None)


def smallest(budget, widths):
    return min((width for width in widths if _macs(width) <= budget), default=None)


def strictly_below(budget, widths):
    return _best(budget, widths, _macs, lambda cost, budget: cost < budget)


def in_proportion(budget, widths):
    return _best(budget, widths, lambda width: 391_620_608 * width**2)


# -- the order of the images -------------------------------------------------------------------------------------------

def batch_cases():
    for N, B, seed, steps in ((10, 3, 0, (0, 1, 2, 3, 8)), (8, 4, 5, (0, 1, 2)), (50, 16, 12, (2, 3, 7))):
        for step in steps:
            yield Case(f"step {step} of {N} images in batches of {B}, seed {seed}", (step, N, B, seed),
                       _library_batch(step, N, B, seed))
    yield Property("every image comes at most once in an epoch", no_image_twice)


def _library_batch(step, N, B, seed):
    """The labels from minigooglenet.data.batches, where each image's label is its index."""
    epoch, start = divmod(step, N // B)
    source = batches(np.zeros((N, 1, 1, 1), np.uint8), np.arange(N), B, epoch, seed, start=start)
    _, y = next(source)
    source.close()
    return y


def no_image_twice(attempt):
    for seed in (1, 2):
        seen = np.concatenate([np.asarray(attempt(step, 20, 6, seed)) for step in range(3, 6)])
        if len(set(seen.tolist())) < 18:
            raise Wrong(f"in three batches of 6 there are only {len(set(seen.tolist()))} different images",
                        "permutation, not choice or integers: no image may come twice in an epoch")


def same_order_always(step, N, B, seed):
    return np.random.default_rng([seed, 0]).permutation(N)[step % (N // B) * B:][:B]


def epoch_first(step, N, B, seed):
    epoch, place = divmod(step, N // B)
    return np.random.default_rng([epoch, seed]).permutation(N)[place * B:(place + 1) * B]


def drawn_anew(step, N, B, seed):
    return np.random.default_rng([seed, step // (N // B)]).choice(N, B, replace=False)


def seed_plus_epoch(step, N, B, seed):
    epoch, place = divmod(step, N // B)
    return np.random.default_rng(seed + epoch).permutation(N)[place * B:(place + 1) * B]


def new_order_each_step(step, N, B, seed):
    return np.random.default_rng([seed, step]).permutation(N)[:B]


def epochs_rounded_up(step, N, B, seed):
    epoch, place = divmod(step, -(-N // B))
    return np.random.default_rng([seed, epoch]).permutation(N)[place * B:(place + 1) * B]


def step_of_all_epochs(step, N, B, seed):
    return np.random.default_rng([seed, step // (N // B)]).permutation(N)[step * B:(step + 1) * B]


def one_further(step, N, B, seed):
    epoch, place = divmod(step, N // B)
    return np.random.default_rng([seed, epoch]).permutation(N)[place:place + B]


def not_shuffled(step, N, B, seed):
    return np.arange(N)[step % (N // B) * B:][:B]


# -- training ----------------------------------------------------------------------------------------------------------

B = 16


def _clouds(seed, N=200, D=6, K=4):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, K, N)
    x = rng.standard_normal((K, D))[y] + 0.6 * rng.standard_normal((N, D))
    x.flags.writeable = y.flags.writeable = False
    return x, y


def _zeros(D=6, K=4):
    w = np.zeros((D, K))
    w.flags.writeable = False
    return w


def train_cases():
    rng = np.random.default_rng(112)
    x, y = _clouds(1)
    yield Case("one step from zero", (_zeros(), _zeros(), 0, 1, x, y, 3), _steps(_zeros(), _zeros(), 0, 1, x, y, 3))
    for start, stop, seed in ((0, 5, 0), (11, 14, 7), (5, 30, 2)):
        w, v = rng.standard_normal((2, 6, 4))
        yield Case(f"steps {start} to {stop - 1}, seed {seed}, from random w and v", (w, v, start, stop, x, y, seed),
                   _steps(w, v, start, stop, x, y, seed))
    w, v = rng.standard_normal((2, 6, 4))
    yield Case("no step at all", (w, v, 4, 4, x, y, 1), (w, v))
    yield Property("a resumed run is bit-identical", resumes)
    yield Property("60 steps reach the minimum: 80 % of new points", reaches_the_minimum)


def resumes(attempt):
    x, y = _clouds(2)
    uninterrupted = attempt(_zeros(), _zeros(), 0, 40, x, y, 9)
    w, v = attempt(_zeros(), _zeros(), 0, 23, x, y, 9)
    resumed = attempt(w, v, 23, 40, x, y, 9)
    for name, one, other in zip("wv", uninterrupted, resumed, strict=True):
        if not np.array_equal(one, other):
            off = np.abs(np.subtract(one, other)).max()
            raise Wrong(f"{name} differs by up to {off:.1e} after stopping at step 23",
                        "something that determines the next step is neither an argument nor returned")


def reaches_the_minimum(attempt):
    x, y = _clouds(3)
    w, _ = attempt(_zeros(), _zeros(), 0, 60, x[:120], y[:120], 4)
    right = np.mean((x[120:] @ np.asarray(w)).argmax(axis=1) == y[120:])
    if right < 0.8:
        raise Wrong(f"{right:.0%} of the new points are right after 60 steps", "does the loss decrease? print it")


def _steps(w, v, start, stop, x, y, seed, mu=0.9, share=1 / B, chosen=None, target=1.0, lr=0.1):
    for step in range(start, stop):
        rows = chosen(step) if chosen else _library_batch(step, len(y), B, seed)
        z = x[rows] @ w
        p = np.exp(z - z.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        p[np.arange(B), y[rows]] -= target
        v = mu * v + share * (x[rows].T @ p)
        w = w - lr * v
    return w, v


def velocity_forgotten(w, v, start, stop, x, y, seed):
    return _steps(w, 0 * v, start, stop, x, y, seed)


def no_momentum(w, v, start, stop, x, y, seed):
    return _steps(w, v, start, stop, x, y, seed, mu=0.0)


def starts_at_zero(w, v, start, stop, x, y, seed):
    return _steps(w, v, 0, stop - start, x, y, seed)


def one_step_too_many(w, v, start, stop, x, y, seed):
    return _steps(w, v, start, stop + 1, x, y, seed)


def carried_generator(w, v, start, stop, x, y, seed):
    rng = np.random.default_rng(seed)
    return _steps(w, v, start, stop, x, y, seed, chosen=lambda step: rng.permutation(len(y))[:B])


def summed_gradient(w, v, start, stop, x, y, seed):
    return _steps(w, v, start, stop, x, y, seed, share=1.0)


def label_forgotten(w, v, start, stop, x, y, seed):
    return _steps(w, v, start, stop, x, y, seed, target=0.0)


EXERCISES = [
    Exercise(
        "choose_width",
        hints=("mini_googlenet(width, heads=False).macs((32, 32, 3)) is the cost of an image; it needs no image.",
               "Collect the widths that cost at most the budget. The answer is the largest of them; there may be none.",
               "max([width for width in widths if … <= budget], default=None)"),
        cases=width_cases,
        mistakes=[
            Mistake(counted_in_flops, "the budget is in multiply-adds; you compare FLOPs, twice as many, with it"),
            Mistake(nearest, "at most the budget, not as close to it as possible"),
            Mistake(last_in_the_list, "widths are in any order: take the largest that fits, not the last in the list"),
            Mistake(smallest, "take the largest that fits, not the smallest"),
            Mistake(strictly_below, "exactly the budget is allowed: <=, not <"),
            Mistake(in_proportion, "width² is only approximate (widths are rounded, conv1 reads 3 channels): count"),
        ]),
    Exercise(
        "batch_of",
        hints=("Which epoch is this step in, and at which position? divmod(step, steps in an epoch) gives both.",
               "epoch, place = divmod(step, N // B); then order = np.random.default_rng([seed, epoch]).permutation(N).",
               "return order[place * B:(place + 1) * B]"),
        cases=batch_cases,
        mistakes=[
            Mistake(same_order_always, "each epoch has its own order: the epoch belongs in the seed"),
            Mistake(epoch_first, "the seed of the generator is [seed, epoch], in this order"),
            Mistake(drawn_anew, "permute all N once per epoch and cut batches from it; choice draws each batch anew"),
            Mistake(seed_plus_epoch, "seed + epoch makes seed 1, epoch 0 equal to seed 0, epoch 1: pass the list"),
            Mistake(new_order_each_step, "with a new order in each step images come twice: one order for each epoch"),
            Mistake(epochs_rounded_up, "an epoch has N // B steps: images that do not fill a batch are left out"),
            Mistake(step_of_all_epochs, "the position in the epoch is the remainder step % (N // B)"),
            Mistake(one_further, "batches do not overlap: the slice starts at place · B"),
            Mistake(not_shuffled, "the images are not shuffled: take the permutation of this epoch"),
        ]),
    Exercise(
        "train",
        hints=("A loop over range(start, stop): the step number must be that of the complete run.",
               "g = x_bᵀ (p - t) / B: subtract 1 from p at [np.arange(B), y_b], then x_b.T @ p / B.",
               "v = 0.9 * v + g; w = w - 0.1 * v (new arrays, not -=); return w, v. No generator but batch_of's."),
        cases=train_cases,
        returns=("w", "v"),
        mistakes=[
            Mistake(velocity_forgotten, "the velocity restarts at zero: continue with the v that is passed in"),
            Mistake(no_momentum, "the velocity is not kept from step to step: v ← 0.9 v + g"),
            Mistake(starts_at_zero, "you count steps from 0: count from start, so that the order continues"),
            Mistake(one_step_too_many, "one step too many: the last is stop - 1, as in range(start, stop)"),
            Mistake(carried_generator, "a generator made in each call draws the first batches again: use batch_of"),
            Mistake(summed_gradient, "the gradient is the mean over the batch: divide by B"),
            Mistake(label_forgotten, "t is missing: subtract 1 from p at the label"),
        ]),
]
