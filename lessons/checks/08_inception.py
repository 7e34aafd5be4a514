"""Checks of lesson 08: channels against the library's naive network, gradients against its Concat."""

import numpy as np

from lessons.check import Case, Exercise, Mistake
from minigooglenet.flops import count
from minigooglenet.layers import Conv, ReLU
from minigooglenet.layers.containers import Concat
from minigooglenet.models.googlenet import TABLE_1
from minigooglenet.models.inception import Style, inception
from minigooglenet.models.rows import Inception

#: Widths of the branches: three different ones, four, two equal ones, a single one.
WIDTHS = ((4, 5, 3), (1, 6, 2, 3), (2, 2), (3,))


# -- channels of stacked modules ---------------------------------------------------------------------------------------

def chain_cases():
    modules = [row for row in TABLE_1 if isinstance(row, Inception)]
    counted = count("googlenet-naive")
    yield Case("GoogLeNet's nine modules", (192, [(row.n1x1, row.n3x3, row.n5x5) for row in modules]),
               [counted[row.name].output[-1] for row in modules])
    for C, rows in ((3, ((1, 2, 3), (4, 5, 6))), (7, ((2, 2, 2),)), (5, ((3, 6, 1), (1, 1, 1), (2, 4, 7)))):
        right, size = [], (5, 4, C)
        for n1x1, n3x3, n5x5 in rows:
            size = inception(Style(reduced=False), size[-1], n1x1, 0, n3x3, 0, n5x5, 0).output_shape(size)
            right.append(size[-1])
        yield Case(f"{C} channels, {len(rows)} module{'s' if len(rows) > 1 else ''}", (C, rows), right)


def pool_forgotten(C, rows):
    return [sum(filters) for filters in rows]


def always_the_first_input(C, rows):
    return [C + sum(filters) for filters in rows]


def one_by_one_forgotten(C, rows):
    return [C + sum(sum(filters[1:]) for filters in rows[:i + 1]) for i in range(len(rows))]


def pool_added_twice(C, rows):
    after = []
    for filters in rows:
        C = 2 * C + sum(filters)
        after.append(C)
    return after


def only_the_last(C, rows):
    return [C + sum(map(sum, rows))]


def return_in_the_loop(C, rows):
    return [C + sum(rows[0])]


def input_listed_too(C, rows):
    return [C + sum(map(sum, rows[:i])) for i in range(len(rows))]


# -- backward through a concatenation ----------------------------------------------------------------------------------

def _parts(dy, widths):
    return np.split(dy, np.cumsum(widths)[:-1], axis=-1)


def concat_cases():
    rng = np.random.default_rng(206)
    for widths in WIDTHS:
        dy = rng.standard_normal((2, 3, 5, sum(widths)))
        yield Case(f"branches of {', '.join(map(str, widths))} channels", (dy, widths), tuple(_parts(dy, widths)))
    dy = rng.standard_normal((3, 4, 2, 9)).astype(np.float32)
    yield Case("float32 in, float32 out", (dy, (2, 3, 4)), tuple(_parts(dy, (2, 3, 4))))


def random_parts(rng):
    for _ in range(3):
        widths = tuple(int(n) for n in rng.integers(1, 7, rng.integers(2, 5)))
        dy = rng.standard_normal((2, 3, 4, sum(widths)))
        yield Case(f"branches of {', '.join(map(str, widths))} channels", (dy, widths), tuple(_parts(dy, widths)))


def last_index_kept(dy, widths):
    return tuple(np.split(dy, np.cumsum(widths), axis=-1))


def start_does_not_move(dy, widths):
    return tuple(dy[..., :width] for width in widths)


def cut_at_the_widths(dy, widths):
    return tuple(np.split(dy, widths, axis=-1))


def equal_parts(dy, widths):
    return tuple(np.array_split(dy, len(widths), axis=-1))


def from_the_end(dy, widths):
    return tuple(_parts(dy, widths[::-1])[::-1])


def along_the_width(dy, widths):
    return tuple(np.split(dy, np.cumsum(widths)[:-1], axis=2))


def whole_dy_to_each(dy, widths):
    return tuple(dy for _ in widths)


def divided(dy, widths):
    return tuple(part / len(widths) for part in _parts(dy, widths))


def starts_after_its_end(dy, widths):
    return tuple(dy[..., end:end + width] for end, width in zip(np.cumsum(widths), widths, strict=True))


def first_part_only(dy, widths):
    return (dy[..., :widths[0]],)


# -- a module ----------------------------------------------------------------------------------------------------------

def _library(dy, x, weights):
    module = Concat(*({f"conv{b}": Conv(*w.shape, 1, bias=False, dtype=w.dtype), f"relu{b}": ReLU()}
                      for b, w in enumerate(weights)))
    for b, w in enumerate(weights):
        module.children[f"conv{b}"].params["w"][0, 0] = w
    _, cache = module.forward(x, train=True)
    dx = module.backward(dy, cache)
    return dx, [module.children[f"conv{b}"].grads["w"][0, 0] for b in range(len(weights))]


def module_cases():
    rng = np.random.default_rng(306)
    for widths in WIDTHS:
        x, dy = rng.standard_normal((2, 3, 5, 4)), rng.standard_normal((2, 3, 5, sum(widths)))
        weights = [rng.standard_normal((4, F)) for F in widths]
        yield Case(f"branches of {', '.join(map(str, widths))} channels, batch 2", (dy, x, weights),
                   _library(dy, x, weights))
    x, dy, weights = x.astype(np.float32), dy.astype(np.float32), [w.astype(np.float32) for w in weights]
    yield Case("float32 in, float32 out", (dy, x, weights), _library(dy, x, weights))
    x, weights = np.ones((1, 1, 2, 2)), [np.array([[1.0], [-1.0]]), np.array([[1.0], [1.0]])]
    dy = np.array([1.0, 10, 100, 1000]).reshape(1, 1, 2, 2)
    yield Case("x @ w is 0 in the first branch", (dy, x, weights), _library(dy, x, weights))


def random_modules(rng):
    for _ in range(3):
        widths = [int(n) for n in rng.integers(1, 7, rng.integers(2, 5))]
        x, dy = rng.standard_normal((2, 3, 4, 5)), rng.standard_normal((2, 3, 4, sum(widths)))
        weights = [rng.standard_normal((5, F)) for F in widths]
        yield Case(f"branches of {', '.join(map(str, widths))} channels, batch 2", (dy, x, weights),
                   _library(dy, x, weights))


def _backward(dy, x, weights, masked=True):
    """Each branch's (dx, dw)."""
    C, gradients = x.shape[-1], []
    for w, part in zip(weights, _parts(dy, [w.shape[1] for w in weights]), strict=True):
        dz = part * (x @ w > 0) if masked else part
        gradients.append((dz @ w.T, x.reshape(-1, C).T @ dz.reshape(-1, w.shape[1])))
    return gradients


def last_branch_only(dy, x, weights):
    gradients = _backward(dy, x, weights)
    return gradients[-1][0], [dw for _, dw in gradients]


def first_branch_only(dy, x, weights):
    gradients = _backward(dy, x, weights)
    return gradients[0][0], [dw for _, dw in gradients]


def mean_of_branches(dy, x, weights):
    gradients = _backward(dy, x, weights)
    return sum(dx for dx, _ in gradients) / len(gradients), [dw for _, dw in gradients]


def relu_forgotten(dy, x, weights):
    gradients = _backward(dy, x, weights, masked=False)
    return sum(dx for dx, _ in gradients), [dw for _, dw in gradients]


def mask_of_the_input(dy, x, weights):
    gradients = _backward(dy, x, weights, masked=False)
    return sum(dx for dx, _ in gradients) * (x > 0), [dw for _, dw in gradients]


def mask_of_the_gradient(dy, x, weights):
    gradients = _backward(np.maximum(dy, 0), x, weights, masked=False)
    return sum(dx for dx, _ in gradients), [dw for _, dw in gradients]


def mask_at_zero(dy, x, weights):
    C, parts = x.shape[-1], _parts(dy, [w.shape[1] for w in weights])
    dzs = [part * (x @ w >= 0) for w, part in zip(weights, parts, strict=True)]
    return (sum(dz @ w.T for dz, w in zip(dzs, weights, strict=True)),
            [x.reshape(-1, C).T @ dz.reshape(-1, dz.shape[-1]) for dz in dzs])


def start_not_advanced(dy, x, weights):
    gradients = [_backward(dy[..., :w.shape[1]], x, [w])[0] for w in weights]
    return sum(dx for dx, _ in gradients), [dw for _, dw in gradients]


EXERCISES = [
    Exercise(
        "naive_chain",
        hints=("What does a naive module output? The filters of three branches, and what the pool passes on.",
               "The pool passes on every channel that it reads: C channels become C + n1x1 + n3x3 + n5x5.",
               "In a loop over rows: C = C + sum(filters), and append C to a list."),
        cases=chain_cases,
        mistakes=[
            Mistake(pool_forgotten, "the pool branch is missing: it passes on all the channels that it reads"),
            Mistake(always_the_first_input, "each module reads the output of the previous one, not the original C"),
            Mistake(one_by_one_forgotten, "the 1×1 branch is missing: a row has three kinds of filters"),
            Mistake(pool_added_twice, "only the pool passes the input channels on: add C once"),
            Mistake(only_the_last, "only the last module is in the list: append inside the loop"),
            Mistake(return_in_the_loop, "only the first module is there: the return belongs after the loop"),
            Mistake(input_listed_too, "the list must start after the first module, not before it"),
        ]),
    Exercise(
        "concat_backward",
        hints=("Concatenation computes nothing. In the backward pass, each branch gets the gradient of what it wrote.",
               "Branch 0 wrote the first widths[0] channels, branch 1 the next widths[1], and so on, on axis -1.",
               "Begin with start = 0; take dy[..., start:start + width]; then start += width. Return tuple(parts)."),
        cases=concat_cases,
        random_cases=random_parts,
        mistakes=[
            Mistake(start_does_not_move, "every part starts at channel 0: advance start by the branch's width"),
            Mistake(last_index_kept, "np.split at np.cumsum(widths) leaves an empty part at the end: take [:-1] of it"),
            Mistake(cut_at_the_widths, "np.split takes split indices, not widths: np.cumsum(widths)[:-1]"),
            Mistake(equal_parts, "branches may have different widths: split by widths, not into equal parts"),
            Mistake(from_the_end, "the first branch wrote the first channels: split from the front, in order"),
            Mistake(along_the_width, "you split along the image's width: the channels are the last axis"),
            Mistake(whole_dy_to_each, "each branch gets only its own channels of dy, not all of them"),
            Mistake(starts_after_its_end, "every part starts where it should end: advance start after the slice"),
            Mistake(first_part_only, "only the first part is there: is the return inside the loop?"),
            Mistake(divided, "do not divide: each branch gets the full gradient of what it wrote"),
        ]),
    Exercise(
        "module_backward",
        hints=("Split dy first (exercise 2; the widths are w.shape[1]). Then treat each branch as if it were alone.",
               "In a branch: dz = part where x @ w > 0, else 0. Then dw = xᵀ dz over all pixels, and dx gets dz @ w.T.",
               "Start with dx = np.zeros_like(x) and add every branch's dz @ w.T. For dw: x.reshape(-1, C).T @ "
               "dz.reshape(-1, F)."),
        cases=module_cases,
        random_cases=random_modules,
        returns=("dx", "dws"),
        mistakes=[
            Mistake(last_branch_only, "each branch overwrites dx: add with +=, do not assign with ="),
            Mistake(first_branch_only, "dx comes from the first branch only, but all of them read x"),
            Mistake(mean_of_branches, "you take the mean over the branches; the chain rule takes the sum"),
            Mistake(relu_forgotten, "the ReLU is ignored: where x @ w is not positive, the gradient is 0"),
            Mistake(mask_of_the_input, "the ReLU's mask is where x @ w > 0, not where x > 0"),
            Mistake(mask_of_the_gradient, "ReLU's backward is not ReLU: the mask is where x @ w > 0, not where dy > 0"),
            Mistake(mask_at_zero, "where x @ w is 0 the gradient is 0: the mask is > 0, not >= 0"),
            Mistake(start_not_advanced, "every branch gets dy's first channels: advance start by the branch's width"),
        ]),
]
