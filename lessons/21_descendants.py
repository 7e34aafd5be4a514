# %% [markdown]
# # 21. What came after, and which idea paid?
#
# * **Paper:** Szegedy et al. 2014, section 9: "moving to sparser architectures is feasible and useful idea"
# * **Review:** its end, with links to the reviews of Inception v2, v3 and later (Tsang 2018)
# * **You build:** a counter for any network with branches, and the tables of four descendants
# * **Figure:** parameters and multiply-adds of the descendants; five blocks with equal multiply-adds, trained
# * **Time:** 2 min
#
# Within three years five ideas replaced most of GoogLeNet's details:
#
#     5×5      ->  3×3, 3×3          the same view, 18 instead of 25 weights          Inception v2 (2015)
#     7×7      ->  7×1, 1×7          the same view, 14 instead of 49 weights          Inception v3 (2015)
#     y = f(x) ->  y = x + f(x)      residual: the gradient has a way around f        ResNet (2015)
#     K×K·C·F  ->  K×K·C + C·F       depthwise separable: space first, then channels  Xception (2016), MobileNet (2017)
#     and batch norm after every convolution (lesson 13)                              all of them
#
# All ask what can be computed with a given number of multiply-adds. This lesson counts them, compares with published
# counts, and then trains five small networks with equal multiply-adds: does it show?

# %% [markdown]
# ## Predict first

# %%
# 1. Inception v3 takes 5.7 G multiply-adds for an image, ResNet-50 4.1 G. MobileNet (version 1) in G:
guess_mobile = None

# 2. Which has most of its multiply-adds in 1×1 convolutions: "Inception v3", "ResNet-50" or "MobileNet"?
guess_small = None

# 3. Five networks with equal multiply-adds, but other blocks: "5×5", "two 3×3", "7×1 and 1×7", "residual" (two 3×3)
#    or "depthwise". Which has the lowest error after a short training?
guess_best = None

# %% [markdown]
# ## Build it small
#
# A table of rows is not enough for these networks: they branch, and add. So a network is a nested structure. A list is
# a sequence, and an empty list passes its input on; `("cat", …)` concatenates branches, `("add", …)` adds them. One
# function walks through it. The layers are tuples that `conv`, `depthwise` and `pool` make.

# %%
from lessons import QUICK, compare, show
from minigooglenet.models.descendants import conv, depthwise, pool

print("kind, filters, kernel, stride, padded, batch norm:", conv(32, 7, 1), depthwise(3), pool(3, 2))


def tally(net, shape, lines):
    """The output shape (H, W, C). Appends (kernel, params, MACs) of each layer with weights to ``lines``."""
    if isinstance(net, list):
        for part in net:
            shape = tally(part, shape, lines)
        return shape
    (H, W, C), (kind, *values) = shape, net
    if kind in ("cat", "add"):
        shapes = [tally(branch, shape, lines) for branch in values]
        return (*shapes[0][:2], sum(s[2] for s in shapes) if kind == "cat" else shapes[0][2])
    if kind == "linear":  # after global average pooling; with a bias
        lines.append((None, C * values[0] + values[0], C * values[0]))
        return 1, 1, values[0]
    F, kernel, S, pad, norm = values
    H, W = ((size + pad * (K // 2) * 2 - K) // S + 1 for size, K in zip((H, W), kernel, strict=True))
    if kind == "pool":
        return H, W, C
    F, reads = (F, C) if kind == "conv" else (C, 1)  # depthwise: each filter reads its own channel
    weights = kernel[0] * kernel[1] * reads * F
    lines.append((kernel, weights + 2 * F * norm, weights * H * W))  # batch norm has γ and β in place of a bias
    return H, W, F


for name, block in (("5×5", [conv(32, 5)]), ("3×3, 3×3", [conv(32, 3)] * 2), ("7×7", [conv(32, 7)]),
                    ("7×1, 1×7", [conv(32, 7, 1), conv(32, 1, 7)]), ("depthwise 3×3, 1×1", [depthwise(3), conv(32)])):
    out = tally(block, (14, 10, 32), lines := [])
    print(f"{name:<19} {sum(line[1] for line in lines):>6,} params {sum(line[2] for line in lines):>9,} MACs -> {out}")

# %% [markdown]
# **By hand**, for C = F = 32 channels at 14·10 = 140 positions. 5×5 has 25·32·32 = 25,600 weights (and 64 parameters of
# batch norm); times 140 these are 3,584,000 multiply-adds. Two 3×3 see 5×5 pixels, too, with 18 instead of 25 weights
# for each pair of channels: 28 % fewer. 7×1 and 1×7 see what 7×7 sees, with 14 instead of 49. Depthwise separable:
#
#     K·K·C + C·F   instead of   K·K·C·F        1/F + 1/K² as many:   1/32 + 1/9 = 14 %
#
# For large F that is a ninth, and nearly all of it is the 1×1. The factorizations are not equal to what they replace:
# two 3×3 cannot compute every 5×5 filter, and between them there is a ReLU.

# %%
def total(net, shape):
    """(params, MACs, share of the MACs that is in 1×1 convolutions)"""
    lines = []
    tally(net, shape, lines)
    macs = sum(line[2] for line in lines)
    return sum(line[1] for line in lines), macs, sum(line[2] for line in lines if line[0] == (1, 1)) / macs


five, threes, three, separable = (total(block, (14, 10, 32)) for block in (
    [conv(32, 5)], [conv(32, 3)] * 2, [conv(32, 3)], [depthwise(3), conv(32)]))
assert five[:2] == (25_664, 3_584_000) and round(1 - threes[1] / five[1], 2) == 0.28
assert abs(separable[1] / three[1] - (1 / 32 + 1 / 9)) < 1e-12 and round(1 / 32 + 1 / 9, 2) == 0.14

# %% [markdown]
# ## In the library
#
# `minigooglenet/models/descendants.py` has four descendants in this form, and `flops --compare` counts them next to
# GoogLeNet and its ancestors. Inception v3 still has modules. ResNet-50 has *bottlenecks*: reduction, 3×3, expansion,
# added to the input. MobileNet is a column of depthwise separable convolutions, Xception one with additions.

# %%
from minigooglenet.flops import count
from minigooglenet.flops.descendants import count_descendant
from minigooglenet.models.descendants import DESCENDANTS

module_4a = [("cat", [conv(192)], [conv(96), conv(208, 3)], [conv(16), conv(48, 5)], [pool(3, 1), conv(64)])]
googlenet = count("googlenet")
assert total(module_4a, (14, 14, 480))[1] == googlenet["4a"].macs == 73_608_192
small = sum(row.macs for row in googlenet.layers if row.kernel == (1, 1)) / googlenet.macs
counted = {"googlenet": (googlenet.params, googlenet.macs, small)}
counted |= {name: total(found.structure, found.input_shape) for name, found in DESCENDANTS.items()}
for name, (params, macs, small) in counted.items():
    print(f"{name:<15} {params:>11,} params {macs:>14,} MACs, {small:.0%} of them in 1×1 convolutions")
    if name in DESCENDANTS:
        assert (count_descendant(name).params, count_descendant(name).macs) == (params, macs)
in_g = {name: round(macs / 1e9, 2) for name, (_, macs, _) in counted.items()}
assert (counted["inception-v3"][0], in_g["inception-v3"]) == (23_834_568, 5.71)  # torchvision's documentation
assert (counted["resnet50"][0], in_g["resnet50"]) == (25_557_032, 4.09)  # the same
assert counted["xception"][0] == 22_855_952  # Chollet 2016, Table 3
assert (round(counted["mobilenet"][0] / 1e6, 1), in_g["mobilenet"]) == (4.2, 0.57)  # Howard et al. 2017, Table 4
compare("MobileNet's multiply-adds in G", guess_mobile, in_g["mobilenet"])
ratio = {name: round(macs / googlenet.macs, 2) for name, (_, macs, _) in counted.items()}
assert (ratio["mobilenet"], ratio["inception-v3"], ratio["resnet50"]) == (0.36, 3.61, 2.58) and in_g["xception"] == 8.36
most = max(("inception-v3", "resnet50", "mobilenet"), key=lambda name: counted[name][2])
compare("most in 1×1", guess_small, {"mobilenet": "MobileNet", "resnet50": "ResNet-50"}.get(most, "Inception v3"))

# %% [markdown]
# The counts agree with the published ones. MobileNet takes 0.36 of GoogLeNet's multiply-adds, 95 % of them in 1×1
# convolutions: lesson 07 is where networks went. Inception v3 and ResNet-50 take 3.6 and 2.6 times *more*.
#
# **Which idea pays?** That a larger network is better says nothing about its blocks. So compare blocks with equal
# multiply-adds: three of them on 8×8 positions, as wide as the budget allows. Two layers are new:

# %%
import numpy as np

from minigooglenet import engine, gradcheck
from minigooglenet.layers import BatchNorm, Dense, GlobalAvgPool, Layer, MaxPool, ReLU, Sequential
from minigooglenet.models.inception import Style
from minigooglenet.models.inception import block as conv_block


class Residual(Sequential):
    """y = x + f(x), where f is the sequence inside        dx = dy + f's gradient"""
    def forward(self, x, train=False):
        y, caches = super().forward(x, train)
        return x + y, caches

    def backward(self, dy, caches):
        return dy + super().backward(dy, caches)

    def predict(self, x):
        return x + super().predict(x)


class Depthwise(Layer):
    """y[n, h, w, c] = Σ_u Σ_v  x[n, h + u - 1, w + v - 1, c] · filter[u, v, c]        3×3, zeros outside"""
    def __init__(self, C, rng):
        super().__init__()
        self.add_param("w", (rng.standard_normal((3, 3, C)) * (2 / 9) ** 0.5).astype(np.float32))

    def places(self, padded):  # filter row and column, and the part of the image that they multiply
        H, W = padded.shape[1] - 2, padded.shape[2] - 2
        return [(u, v, padded[:, u:u + H, v:v + W]) for u in range(3) for v in range(3)]

    def forward(self, x, train=False):
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        return sum(part * self.params["w"][u, v] for u, v, part in self.places(padded)), padded

    def backward(self, dy, padded):
        dpadded = np.zeros_like(padded)
        for (u, v, part), (_, _, dpart) in zip(self.places(padded), self.places(dpadded), strict=True):
            self.grads["w"][u, v] += (part * dy).sum(axis=(0, 1, 2))
            dpart += dy * self.params["w"][u, v]
        return dpadded[:, 1:-1, 1:-1]

    def macs(self, shape):
        return 9 * shape[0] * shape[1] * shape[2]


def inside(name, w, style):
    match name:
        case "5×5":
            return {"a": conv_block(style, w, w, 5)}
        case "7×1 and 1×7":
            return {"a": conv_block(style, w, w, (7, 1), pad=(3, 0)), "b": conv_block(style, w, w, (1, 7), pad=(0, 3))}
        case "depthwise":
            return {f"{at}{part}": layer for at in (1, 2) for part, layer in (
                ("depth", Depthwise(w, style.rng)), ("norm", BatchNorm(w)), ("relu", ReLU()),
                ("point", conv_block(style, w, w, 1)))}
    return {"a": conv_block(style, w, w, 3), "b": conv_block(style, w, w, 3)}


def network(name, w, seed=0):
    """A stem to 8×8 positions, three blocks, the average, a linear layer for ten classes."""
    style = Style(norm="batch", rng=np.random.default_rng(seed))
    kind = Residual if name == "residual" else Sequential
    return Sequential({
        "stem": conv_block(style, 3, 16, 5, stride=2), "pool": MaxPool(3, 2, ceil_mode=True),
        "widen": conv_block(style, 16, w, 1), **{f"block{at}": kind(inside(name, w, style)) for at in range(3)},
        "average": GlobalAvgPool(), "linear": Dense(w, 10, rng=style.rng)})


WIDTHS = {"5×5": 12, "two 3×3": 14, "7×1 and 1×7": 16, "residual": 14, "depthwise": 38}
costs = {name: network(name, w).macs((32, 32, 3)) for name, w in WIDTHS.items()}
print("multiply-adds:", ", ".join(f"{name} {macs:,}" for name, macs in costs.items()))
assert max(costs.values()) < 1.05 * min(costs.values())
held = {name: sum(int(np.prod(after)) for *_, after in network(name, w).trace((32, 32, 3)))
        for name, w in WIDTHS.items()}
print("outputs per image:", ", ".join(f"{name} {values:,}" for name, values in held.items()))
assert round(held["depthwise"] / held["5×5"], 1) == 4.8

rng = np.random.default_rng(21)
small = Residual({"depth": Depthwise(3, rng), "conv": conv_block(Style(norm="none", rng=rng), 3, 3, 1)})
checked = gradcheck(small.astype("float64"), rng.standard_normal((2, 4, 5, 3)))
print(f"gradient check of both new layers: {checked.worst:.0e}")
assert checked.ok

# Now train them, each with three seeds, on the shapes of lesson 18. The engine runs our two layers as written.
from lessons.helpers import noisy_shapes
from minigooglenet.data import Normalizer, batches
from minigooglenet.layers import cross_entropy
from minigooglenet.training.evaluate import accuracy
from minigooglenet.training.sgd import SGD

(x_train, y_train), (x_test, y_test) = noisy_shapes(200 if QUICK else 1000, 0), noisy_shapes(100 if QUICK else 500, 1)
normalize, EPOCHS, SEEDS = Normalizer.of(x_train), 1 if QUICK else 6, range(2 if QUICK else 3)


def error_of(name, seed):
    net = network(name, WIDTHS[name], seed)
    compiled, sgd = engine.compile(net, input_gradient=False), SGD(net.parameters(), momentum=0.9)
    for epoch in range(EPOCHS):
        for images, labels in batches(x_train, y_train, 25, epoch=epoch, seed=seed, normalizer=normalize):
            logits, cache = compiled.forward(images, train=True)
            net.zero_grads()
            compiled.backward(cross_entropy(logits, labels)[1], cache)
            sgd.step(net.gradients(), lr=0.05 * (1 - epoch / EPOCHS))
    return 100 * (1 - accuracy(net, x_test, y_test, normalize))


errors = {name: np.array([error_of(name, seed) for seed in SEEDS]) for name in WIDTHS}
print("             mean error   seeds               difference from two 3×3, 95 %")
for name, values in errors.items():
    gap = values - errors["two 3×3"]
    half = (12.706 if QUICK else 4.303) * gap.std(ddof=1) / np.sqrt(len(gap))  # Student's t: two seeds, or three
    print(f"{name:<12} {values.mean():8.1f} %   {'  '.join(f'{value:4.1f}' for value in values):<18} "
          f"{gap.mean():+5.1f} ± {half:.1f}")
compare("the lowest error", guess_best, min(errors, key=lambda name: errors[name].mean()))
assert QUICK or errors["depthwise"].mean() > errors["two 3×3"].mean()

# %% [markdown]
# An interval that contains 0 shows no difference. Four of the five blocks are equal, as far as three seeds can tell;
# only depthwise is worse, in a training this short. That is no verdict on the ideas: residuals help where depth hurts,
# in tens of layers. It is a warning: a single run would have shown you a "winner".
#
# **Estimate, then count.** Are blocks with equal multiply-adds equal in memory? No: depthwise has more and wider layers
# than 5×5, and keeps 4.8 times as many outputs for the backward pass (counted above).

# %% [markdown]
# ## The figure
#
# Left: what the networks cost, on logarithmic axes. Right: the errors of the small networks, one point per seed.

# %% tags=["figure"]
from minigooglenet.figures.style import COLORS, figure

LABELS = {"googlenet": ("GoogLeNet", 8, -3), "inception-v3": ("Inception v3", 0, 9), "resnet50": ("ResNet-50", -8, -3),
          "xception": ("Xception", 8, -3), "mobilenet": ("MobileNet", 8, -3)}
fig, (left, right) = figure(1, 2, width=8.6, height=3.6)
for (name, (text, dx, dy)), color in zip(LABELS.items(), COLORS, strict=False):
    params, macs, _ = counted[name]
    left.loglog(macs / 1e9, params / 1e6, "o", color=color, ms=9)
    left.annotate(text, (macs / 1e9, params / 1e6), xytext=(dx, dy), textcoords="offset points",
                  ha=("center", "left", "right")[np.sign(dx)])
left.set(xlim=(0.3, 30), ylim=(2.5, 60), xlabel="multiply-adds in G", ylabel="million parameters")
left.set_xticks((0.5, 1, 2, 5, 10, 20), ("0.5", "1", "2", "5", "10", "20"))
left.set_yticks((3, 5, 10, 20, 50), ("3", "5", "10", "20", "50"))
left.minorticks_off()
for at, values in enumerate(errors.values()):
    right.bar(at, values.mean(), color=COLORS[5], width=0.6)
    right.plot([at] * len(values), values, "o", color=COLORS[1], ms=5, zorder=3)
right.set_xticks(range(5), ["5×5", "two\n3×3", "7×1,\n1×7", "resi-\ndual", "depth-\nwise"])
right.set(ylabel="test error in %", title="equal multiply-adds")
show(fig, "21_descendants", "Left: MobileNet has 0.6 G multiply-adds and 4 million parameters, GoogLeNet 1.6 G and 7, "
     "ResNet-50 4.1 G and 26, Inception v3 5.7 G and 24, Xception 8.4 G and 23. Right: the errors of five small "
     "networks with equal multiply-adds. The points of three seeds overlap, but for depthwise, which is worse.")

# %% [markdown]
# ## Exercises
#
# Write them in `lessons/exercises/21_descendants.py`, then run `make check N=21`. Stuck? `make check N=21 HINT=1`.
#
# 1. `chain(shape, widths, kernels)`: weights, multiply-adds and receptive field of convolutions in a row.
# 2. `separable(x, depth, point)`: a depthwise separable convolution.
# 3. `residual_backward(dy, x, w1, w2)`: the backward pass of y = x + ReLU(x w1) w2.

# %% [markdown]
# ## If you got …
#
# | you got | the usual cause |
# |---|---|
# | 3.86 G for ResNet-50 | right, for the version of the paper: its strides are in the reductions |
# | 27.2 M for Inception v3 | torchvision's count includes the auxiliary classifier, used in training only |
# | a depthwise convolution with 9·C·C weights | each filter reads one channel: 9·C |
# | a view of 6×6 for two 3×3 | the windows overlap, each adds K - 1: they see 5×5 |

# %%
assert round(counted["resnet50-first"][1] / 1e9, 2) == 3.86 and 1 + 2 + 2 == 5

# %% [markdown]
# ## Where books and libraries get this wrong
#
# * **"ResNet-50 takes 3.8 GFLOPs."** The paper says so, and means multiply-adds of the version with strides in the
#   reductions. The usual implementation has 4.09 G: a different network, known as "v1.5".
# * **"Depthwise separable convolutions are nine times faster."** They have nearly nine times fewer multiply-adds. But
#   the depthwise part uses each value that it loads only nine times, so memory sets the pace, as in lesson 03.
# * **Which "Inception v2"?** Two papers use the name: Ioffe & Szegedy 2015 (batch norm; also BN-Inception) and Szegedy
#   et al. 2015 (factorized windows). torchvision's `inception_v3` is from the second.

# %% [markdown]
# ## Recap
#
# 1. Two 3×3 see what 5×5 sees, with 28 % fewer weights; 7×1 and 1×7 replace 7×7 with 14/49.
# 2. A depthwise separable convolution costs 1/F + 1/K² of a full one: about a ninth for 3×3.
# 3. A residual block adds its input: y = x + f(x), dx = dy + f's gradient.
# 4. MobileNet has a third of GoogLeNet's multiply-adds; Inception v3 and ResNet-50 have 3.6 and 2.6 times as many.
# 5. At equal cost most blocks are equal within noise: compare with several seeds, and give an interval.

# %% [markdown]
# ## Glossary
#
# * **factorization**: one convolution replaced by several cheaper ones in a row.
# * **depthwise convolution**: each channel has one filter of its own, and no channel sees another.
# * **residual connection**: adding the input of a block to its output (*skip connection*).
# * **bottleneck**: reduction, 3×3, expansion.

# %% [markdown]
# ## Next
#
# You have seen where GoogLeNet comes from and what became of it. In lesson 22 the network is made of your own answers.
