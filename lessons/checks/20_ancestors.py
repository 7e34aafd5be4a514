"""Checks of lesson 20: grouped convolutions, VGG and fractions, against the library's counts."""

from lessons.check import Case, Exercise, Mistake
from minigooglenet.flops import count
from minigooglenet.layers import GroupedConv

# -- groups ------------------------------------------------------------------------------------------------------------


def grouped_cases():
    for shape, F, K, S, P, groups in (((27, 27, 96), 256, 5, 1, 2, 2), ((13, 9, 384), 384, 3, 2, 1, 2),
                                      ((8, 10, 6), 9, 3, 2, 1, 3), ((8, 5, 4), 6, 1, 1, 0, 1)):
        layer = GroupedConv(shape[-1], F, K, S, P, groups=groups)
        params = sum(array.size for array in layer.parameters().values())
        yield Case(f"{shape}, {F} filters of {K}×{K}, stride {S}, padding {P}, groups: {groups}",
                   (shape, F, K, S, P, groups), (params, layer.macs(shape)))


def _grouped(shape, F, K, S, P, weights, biases, flops=1):
    OH, OW = (shape[0] + 2 * P - K) // S + 1, (shape[1] + 2 * P - K) // S + 1
    return weights + biases, flops * weights * OH * OW


def groups_ignored(shape, F, K, S, P, groups):
    return _grouped(shape, F, K, S, P, K * K * shape[-1] * F, F)


def one_group_only(shape, F, K, S, P, groups):
    return _grouped(shape, F, K, S, P, K * K * shape[-1] // groups * (F // groups), F // groups)


def biases_divided(shape, F, K, S, P, groups):
    return _grouped(shape, F, K, S, P, K * K * shape[-1] // groups * F, F // groups)


def no_biases(shape, F, K, S, P, groups):
    return _grouped(shape, F, K, S, P, K * K * shape[-1] // groups * F, 0)


def parameters_only(shape, F, K, S, P, groups):
    params, _ = _grouped(shape, F, K, S, P, K * K * shape[-1] // groups * F, F)
    return params, _grouped(shape, F, K, S, P, K * K * shape[-1] * F, F)[1]


def flops(shape, F, K, S, P, groups):
    return _grouped(shape, F, K, S, P, K * K * shape[-1] // groups * F, F, flops=2)


def one_added_early(shape, F, K, S, P, groups):
    OH, OW = ((size + 2 * P - K + 1) // S for size in shape[:2])
    weights = K * K * shape[-1] // groups * F
    return weights + F, weights * OH * OW


# -- VGG ---------------------------------------------------------------------------------------------------------------

WIDTHS = (64, 128, 256, 512, 512)


def vgg_cases():
    for name in ("vgg16", "vgg19"):
        counted = count(name)
        depths = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}[name]
        yield Case(f"{name} as published", (depths, (224, 224, 3), 1000), (counted.params, counted.macs))
    counted = count("vgg16", (96, 64, 3))
    yield Case("images of 96×64", ((2, 2, 3, 3, 3), (96, 64, 3), 1000), (counted.params, counted.macs))
    yield Case("one convolution in each block, ten classes, gray images of 70×41",
               ((1, 1, 1, 1, 1), (70, 41, 1), 10), _vgg((1, 1, 1, 1, 1), (70, 41, 1), 10))


def _vgg(depths, shape, classes, widths=WIDTHS, bias=1, pooled=True, macs_of_biases=0, first=None, dense=True):
    (H, W, C), params, macs = shape, 0, 0
    for depth, F in zip(depths, widths, strict=True):
        for at in range(depth):
            weights = 9 * (F if first == "F" and at == 0 and C > 3 else C) * F
            params, macs, C = params + weights + bias * F, macs + (weights + macs_of_biases * F) * H * W, F
        H, W = (H // 2, W // 2) if pooled else (H, W)
    D = {"fixed": 7 * 7 * 512, "channels": C}.get(first, H * W * C)
    for F in (4096, 4096, classes) if dense else ():
        params, macs, D = params + D * F + bias * F, macs + D * F + macs_of_biases * F, F
    return params, macs


def no_biases_in_vgg(depths, shape, classes):
    return _vgg(depths, shape, classes, bias=0)


def biases_are_macs(depths, shape, classes):
    return _vgg(depths, shape, classes, macs_of_biases=1)


def no_dense(depths, shape, classes):
    return _vgg(depths, shape, classes, dense=False)


def always_7x7(depths, shape, classes):
    return _vgg(depths, shape, classes, first="fixed")


def maps_averaged(depths, shape, classes):
    return _vgg(depths, shape, classes, first="channels")


def reads_its_own_width(depths, shape, classes):
    return _vgg(depths, shape, classes, first="F")


def widths_keep_doubling(depths, shape, classes):
    return _vgg(depths, shape, classes, widths=(64, 128, 256, 512, 1024))


# -- fractions ---------------------------------------------------------------------------------------------------------

NETWORK = [("conv", 10, 4000), ("pool", 0, 0), ("conv", 50, 5000), ("dense", 120, 900), ("dense", 20, 100)]


def share_cases():
    yield Case("two convolutions, two dense layers", (NETWORK,), (0.7, 0.1))
    yield Case("no dense layer", (NETWORK[:3],), (0.0, 0.0))
    for name in ("alexnet", "googlenet"):
        layers = [("dense" if row.kind.startswith("dense") else row.kind, row.params, row.macs)
                  for row in count(name).layers]
        yield Case(name, (layers,), _shares(layers))


def _shares(layers, total=lambda layers, i: sum(layer[i] for layer in layers)):
    return tuple(sum(layer[i] for layer in layers if layer[0] == "dense") / total(layers, i) for i in (1, 2))


def the_others(layers):
    return tuple(1 - share for share in _shares(layers))


def swapped(layers):
    return _shares(layers)[::-1]


def percent(layers):
    return tuple(100 * share for share in _shares(layers))


def against_the_others(layers):
    return _shares(layers, lambda layers, i: sum(layer[i] for layer in layers if layer[0] != "dense"))


def last_only(layers):
    dense = [layer for layer in layers if layer[0] == "dense"][-1:]
    return tuple(sum(layer[i] for layer in dense) / sum(layer[i] for layer in layers) for i in (1, 2))


EXERCISES = [
    Exercise(
        "grouped_conv",
        hints=("Start from an ordinary convolution (lesson 07). What changes is how many channels a filter reads.",
               "Each of the F filters reads C // groups channels: K·K·(C // groups)·F weights.",
               "Parameters: these weights and F biases. MACs: the weights times OH·OW, OH = (H + 2P - K) // S + 1."),
        cases=grouped_cases,
        returns=("parameters", "MACs"),
        mistakes=[
            Mistake(groups_ignored, "each filter reads only C / groups channels"),
            Mistake(one_group_only, "that is one part; there are ``groups`` parts, with F filters in all"),
            Mistake(biases_divided, "there are F biases, one for each filter, whatever the groups"),
            Mistake(no_biases, "the biases are parameters, too: F of them"),
            Mistake(parameters_only, "fewer weights also mean fewer multiply-adds: weights · OH · OW"),
            Mistake(flops, "those are FLOPs: one MAC is two of them"),
            Mistake(one_added_early, "add 1 after the division, not before it: (H + 2P - K) // S + 1"),
        ]),
    Exercise(
        "vgg",
        hints=("Keep track of H, W, C and two sums. A loop over blocks contains a loop over convolutions.",
               "A convolution adds 9·C·F + F parameters and 9·C·F·H·W MACs; then C = F. After a block, H and W halve.",
               "The first dense layer reads D = H·W·C numbers. Each adds D·F + F parameters and D·F MACs; then D = F."),
        cases=vgg_cases,
        returns=("parameters", "MACs"),
        mistakes=[
            Mistake(no_biases_in_vgg, "the biases are missing in the parameters: F for each layer"),
            Mistake(biases_are_macs, "adding a bias is not a multiply-add: count only weights as MACs"),
            Mistake(no_dense, "the three dense layers are missing: 4096, 4096 and the classes"),
            Mistake(always_7x7, "the first dense layer reads H·W·512 values, which is 7·7·512 for 224 pixels only"),
            Mistake(maps_averaged, "VGG has no global average pooling: its first dense layer reads all H·W·C values"),
            Mistake(reads_its_own_width, "the first convolution of a block reads the channels of the previous block"),
            Mistake(widths_keep_doubling, "the fifth block has 512 filters, like the fourth"),
        ]),
    Exercise(
        "dense_shares",
        hints=("Four sums: parameters of dense layers and of all, MACs of dense layers and of all.",
               "sum(params for kind, params, macs in layers if kind == \"dense\") is the first of them.",
               "Return two quotients: dense parameters / all parameters, dense MACs / all MACs."),
        cases=share_cases,
        returns=("fraction of parameters", "fraction of MACs"),
        mistakes=[
            Mistake(the_others, "that is the fraction of all other layers; the dense layers have 1 minus it"),
            Mistake(swapped, "parameters first, then MACs"),
            Mistake(percent, "return a fraction from 0 to 1, not percent"),
            Mistake(against_the_others, "divide by the sum over all layers, dense ones included"),
            Mistake(last_only, "all dense layers count, not only the last"),
        ]),
]
