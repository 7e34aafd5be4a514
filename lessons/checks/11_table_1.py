"""Checks of lesson 11: the depth of the library's networks, and counts from its layers."""

from lessons.check import Case, Exercise, Mistake
from minigooglenet.flops.audit import separable_conv1
from minigooglenet.layers import Conv, GroupedConv, MaxPool
from minigooglenet.layers.containers import Sequential
from minigooglenet.layers.pooling import GlobalAvgPool
from minigooglenet.models import ancestor, googlenet
from minigooglenet.models.googlenet import TABLE_1
from minigooglenet.models.inception import Style, inception
from minigooglenet.models.rows import Inception
from minigooglenet.weights.loading import NO_MEMORY

MODULES = {row.name: row[1:] for row in TABLE_1 if isinstance(row, Inception)}
WITH_WEIGHTS = ("conv", "dense")


# -- depth -------------------------------------------------------------------------------------------------------------

def _words(layer):
    """A network of the library as strings, lists and tuples."""
    if branches := getattr(layer, "branches", None):
        return tuple(_words(branch) for branch in branches)
    if isinstance(layer, (Conv, GroupedConv)):
        return "conv"
    if isinstance(layer, (MaxPool, GlobalAvgPool)):
        return "pool"
    return [_words(child) for child in layer.children.values()] if layer.children else type(layer).__name__.lower()


def depth_cases():
    for label, net, right in (
            ("a convolution", "conv", (1, 1)), ("a ReLU", "relu", (0, 0)), ("a pool", "pool", (0, 1)),
            ("two convolutions, a pool", ["conv", "relu", "conv", "relu", "pool"], (2, 3)),
            ("a module", (["conv"], ["conv", "relu", "conv"], ["conv", "conv"], ["pool", "conv"]), (2, 2)),
            ("a pool branch that is the longest path", (["conv"], ["pool", "conv", "pool"]), (1, 3)),
            ("modules in modules", ["conv", (["conv", (["conv"], ["conv", "conv", "dense"])], ["conv"] * 3), "dense"],
             (6, 6)),
            ("VGG-16", _words(ancestor("vgg16", dtype=NO_MEMORY)), (16, 21)),
            ("GoogLeNet", _words(googlenet(heads=False, dtype=NO_MEMORY)), (22, 27))):
        for pools in (False, True):
            yield Case(label + (", with pools" if pools else ""), (net, pools), right[pools])
    yield Case("a convolution and a pool, pools not given", (["conv", "pool"],), 1)


def _depth(net, pools, counts, join):
    """``counts(word)`` is the depth of a layer, ``join(depths)`` that of parallel networks."""
    if isinstance(net, str):
        return counts(net)
    return (sum if isinstance(net, list) else join)([_depth(part, pools, counts, join) for part in net])


def _usual(pools):
    return lambda word: int(word in WITH_WEIGHTS or pools and word == "pool")


def all_branches_added(net, pools=False):
    return _depth(net, pools, _usual(pools), sum)


def a_module_is_one(net, pools=False):
    return _depth(net, pools, _usual(pools), lambda depths: 1)


def everything_counts(net, pools=False):
    return _depth(net, pools, lambda word: 1, max)


def pools_always(net, pools=False):
    return _depth(net, pools, _usual(True), max)


def pools_never(net, pools=False):
    return _depth(net, pools, _usual(False), max)


def first_branch(net, pools=False):
    return _depth(net, pools, _usual(pools), lambda depths: depths[0])


def dense_forgotten(net, pools=False):
    return _depth(net, pools, lambda word: int(word == "conv" or pools and word == "pool"), max)


# -- a separable convolution -------------------------------------------------------------------------------------------

#: (C, times, F, K, OH, OW); conv1 first.
SEPARABLE = ((3, 8, 64, 7, 112, 112), (3, 1, 64, 7, 112, 112), (4, 2, 6, 3, 5, 8), (5, 3, 7, 1, 4, 6))


def separable_cases():
    first = separable_conv1()
    for C, times, F, K, OH, OW in SEPARABLE:
        layer = Sequential({"depthwise": GroupedConv(C, C * times, K, pad=K // 2, groups=C, bias=False),
                            "pointwise": Conv(C * times, F, 1, bias=False)})
        size, macs = sum(w.size for w in layer.parameters().values()), layer.macs((OH, OW, C))
        if (C, times, F, K) == (3, 8, 64, 7):
            assert macs == first.macs((224, 224, 3))
        yield Case(f"{C} channels, {times} filter{'s' if times > 1 else ''} of {K}×{K} for each, then {F} of 1×1, on "
                   f"{OH}×{OW}", (C, times, F, K, OH, OW), (size, macs))


def _both(weights, OH, OW):
    return weights, weights * OH * OW


def full_convolution(C, times, F, K, OH, OW):
    return _both(K * K * C * F, OH, OW)


def filters_read_all_channels(C, times, F, K, OH, OW):
    return _both(K * K * C * C * times + C * times * F, OH, OW)


def pointwise_reads_the_input(C, times, F, K, OH, OW):
    return _both(K * K * C * times + C * F, OH, OW)


def pointwise_forgotten(C, times, F, K, OH, OW):
    return _both(K * K * C * times, OH, OW)


def multiplier_forgotten(C, times, F, K, OH, OW):
    return _both(K * K * C + C * times * F, OH, OW)


def window_once(C, times, F, K, OH, OW):
    return _both(K * C * times + C * times * F, OH, OW)


def biases_too(C, times, F, K, OH, OW):
    weights = K * K * C * times + C * times * F
    return weights + C * times + F, weights * OH * OW


# -- a width that fits -------------------------------------------------------------------------------------------------

#: (label, shape, widths, ops, step)
PUZZLES = (
    ("5a, multiples of 8", (7, 7, 832), MODULES["5a"], 54, 8), ("5a, every width", (7, 7, 832), MODULES["5a"], 54, 1),
    ("5b, which is right as printed", (7, 7, 832), MODULES["5b"], 71, 8),
    ("3a, which is right as printed", (28, 28, 192), MODULES["3a"], 128, 4),
    ("4a: no multiple of 8 fits", (14, 14, 480), MODULES["4a"], 73, 8),
    ("a module on 9×20 pixels", (9, 20, 300), (40, 50, 60, 70, 80, 90), 30, 2),
    ("4e, with the last width, 128", (14, 14, 528), MODULES["4e"], 240, 8),
    ("129 would fit, but is too wide", (9, 20, 300), (40, 50, 60, 70, 80, 90), 68, 3),
    ("0 would fit, but is no width", (9, 20, 300), (40, 50, 60, 70, 80, 90), 15, 1))


def _counts(shape, widths, step):
    """{width: multiply-adds} by the library's own modules."""
    n1, r3, n3, _, n5, proj = widths
    return {r5: inception(Style(), shape[-1], n1, r3, n3, r5, n5, proj).macs(shape) for r5 in range(step, 129, step)}


def fitting_cases():
    for label, shape, widths, ops, step in PUZZLES:
        yield Case(f"{label}: {ops}M", (shape, widths, ops, step),
                   [r5 for r5, macs in _counts(shape, widths, step).items() if round(macs / 1e6) == ops])


def _fit(shape, widths, ops, step, changed=lambda r5: 0, fits=lambda macs, ops: round(macs / 1e6) == ops, start=1):
    H, W, C = shape
    n1, r3, n3, _, n5, proj = widths
    return [r5 for r5 in range(start * step, 129, step)
            if fits(H * W * (C * (n1 + r3 + r5 + proj) + 9 * r3 * n3 + 25 * r5 * n5 + changed(r5)), ops)]


def cut_not_rounded(shape, widths, ops, step):
    return _fit(shape, widths, ops, step, fits=lambda macs, ops: macs // 1e6 == ops)


def five_by_five_unchanged(shape, widths, ops, step):
    return _fit(shape, widths, ops, step, lambda r5: 25 * widths[4] * (widths[3] - r5))


def reduction_unchanged(shape, widths, ops, step):
    return _fit(shape, widths, ops, step, lambda r5: shape[2] * (widths[3] - r5))


def projection_forgotten(shape, widths, ops, step):
    return _fit(shape, widths, ops, step, lambda r5: -shape[2] * widths[5])


def millions_of_1024(shape, widths, ops, step):
    return _fit(shape, widths, ops, step, fits=lambda macs, ops: round(macs / 1024 ** 2) == ops)


def windows_read_the_input(shape, widths, ops, step):
    _, r3, n3, _, n5, _ = widths
    return _fit(shape, widths, ops, step, lambda r5: 9 * (shape[2] - r3) * n3 + 25 * (shape[2] - r5) * n5)


def last_width_missing(shape, widths, ops, step):
    return [r5 for r5 in _fit(shape, widths, ops, step) if r5 < 128]


def width_0_too(shape, widths, ops, step):
    return _fit(shape, widths, ops, step, start=0)


def only_the_first(shape, widths, ops, step):
    return _fit(shape, widths, ops, step)[:1]


EXERCISES = [
    Exercise(
        "depth",
        hints=("Use recursion for the parts of a list or a tuple. The base case is a single string.",
               "For a list, sum the depths of its parts; for a tuple, take the largest of them.",
               "isinstance(net, str): 1 for \"conv\", \"dense\", and \"pool\" if pools. Pass pools on in every call."),
        cases=depth_cases,
        mistakes=[
            Mistake(all_branches_added, "of parallel networks, only the deepest counts: max, not sum"),
            Mistake(a_module_is_one, "a module is as deep as its longest branch, not one layer"),
            Mistake(everything_counts, "only layers with weights count: not ReLU, LRN or dropout"),
            Mistake(pools_always, "pools count only if pools is True"),
            Mistake(pools_never, "pools must count if pools is True; do you pass it on in the recursive calls?"),
            Mistake(first_branch, "the longest branch counts, not the first one"),
            Mistake(dense_forgotten, "dense layers have weights, too"),
        ]),
    Exercise(
        "separable_conv",
        hints=("Count the two layers separately. How many weights does a filter that reads one channel have?",
               "The first has C·times filters of K·K weights. The second reads C·times maps with F filters of 1×1.",
               "weights = K*K*C*times + C*times*F; each is used at all OH·OW positions."),
        cases=separable_cases,
        returns=("weights", "multiply-adds"),
        mistakes=[
            Mistake(full_convolution, "this is an ordinary convolution: here each K×K filter reads only one channel"),
            Mistake(filters_read_all_channels, "a K×K filter reads only its own channel: K·K weights, not K·K·C"),
            Mistake(pointwise_reads_the_input, "the 1×1 convolution reads all C·times maps, not C"),
            Mistake(pointwise_forgotten, "the 1×1 convolution that mixes the maps has weights, too"),
            Mistake(multiplier_forgotten, "each channel has `times` filters of its own"),
            Mistake(window_once, "a window has K·K positions, not K"),
            Mistake(biases_too, "do not count biases, only weights"),
        ]),
    Exercise(
        "fitting_reductions",
        hints=("First write the multiply-adds of a module as a function of r5 alone; then try every r5.",
               "H·W·(C·(n1 + r3 + r5 + proj) + 9·r3·n3 + 25·r5·n5): r5 occurs twice.",
               "[r5 for r5 in range(step, 129, step) if round(macs(r5) / 1e6) == ops]"),
        cases=fitting_cases,
        mistakes=[
            Mistake(cut_not_rounded, "round to the nearest million: 53.6 is printed as 54"),
            Mistake(five_by_five_unchanged, "the 5×5 convolution reads the r5 reduced channels: 25·r5·n5"),
            Mistake(reduction_unchanged, "the cost of the reduction itself depends on r5: C·r5"),
            Mistake(projection_forgotten, "the projection after the pool is missing, the sixth convolution: C·proj"),
            Mistake(millions_of_1024, "a million is 1,000,000 here; only the K of the params is 1024"),
            Mistake(windows_read_the_input, "the 3×3 and 5×5 read the reduced channels, not all C"),
            Mistake(last_width_missing, "128 is one of the widths: range(step, 129, step)"),
            Mistake(width_0_too, "the widths start at step: range(step, 129, step)"),
            Mistake(only_the_first, "return all widths that fit, not only the first"),
        ]),
]
