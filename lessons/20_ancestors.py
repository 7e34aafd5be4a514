# %% [markdown]
# # 20. LeNet, AlexNet, ZFNet, NIN, VGG, GoogLeNet: who spends what?
#
# * **Paper:** Szegedy et al. 2014, sections 1 and 2, and Table 2: "12 times fewer parameters"
# * **Review:** section 4, "Overall Architecture", and section 6, "Testing Details" (Tsang 2018)
# * **You build:** the ancestors' tables as data
# * **Figure:** error against multiply-adds against parameters
# * **Time:** 10 s
#
# A network has two kinds of cost. **Parameters** cost memory: they must be stored, transferred and learned.
# **Multiply-adds** cost time, for every single image. In each layer the two are related. A convolution uses every
# weight once at each position of the output; a dense layer uses it exactly once:
#
#     convolution   params = K·K·C·F + F        MACs = K·K·C·F · OH·OW
#     dense         params = D·F + F            MACs = D·F
#
# So a million weights can cost a million multiply-adds, or fifty billion at 224·224 positions. What characterizes a
# network is where it puts its weights. This lesson compares sixteen years of networks, with GoogLeNet at the end, and
# checks the claim that it has "12 times fewer parameters" than the winner of 2012.

# %% [markdown]
# ## Predict first

# %%
# 1. VGG-16 has 138 million parameters. What fraction of them is in its three dense layers? (0 to 1)
guess_dense = None

# 2. And what fraction of its multiply-adds?
guess_dense_macs = None

# 3. Which takes more multiply-adds for an image, "AlexNet" (2012) or "GoogLeNet" (2014)?
guess_more = None

# 4. How many times fewer parameters than AlexNet does GoogLeNet really have? (The paper says 12.)
guess_fewer = None

# %% [markdown]
# ## Build it small
#
# A network as data is a list of rows. One function goes through the rows, tracks the shape, and adds up. LeNet-5 of
# 1998 is small enough to follow by hand.

# %%
import numpy as np

from lessons import compare, show

LENET = (("conv", 6, 5), ("pool", 2), ("conv", 16, 5), ("pool", 2),
         ("dense", 120), ("dense", 84), ("dense", 10))


def tally(rows, shape):
    """[(kind, output shape, params, MACs)] for convolutions without padding, and pools without overlap."""
    H, W, C = shape
    lines = []
    for kind, *values in rows:
        if kind == "conv":
            F, K = values
            H, W = H - K + 1, W - K + 1
            weights, places = K * K * C * F, H * W
        elif kind == "dense":
            F, = values
            weights, places = H * W * C * F, 1
            H, W = 1, 1
        else:
            size, = values
            H, W = H // size, W // size
            F, weights, places = C, 0, 0
        C = F
        lines.append((kind, (H, W, C), weights + F if weights else 0, weights * places))
    return lines


lenet = tally(LENET, (32, 32, 1))
for kind, shape, params, macs in lenet:
    print(f"{kind:<6} -> {'×'.join(map(str, shape)):<8}  {params:>7,} params  {macs:>8,} MACs")
params, macs = (sum(line[i] for line in lenet) for i in (2, 3))
print(f"{'total':<19}  {params:>7,} params  {macs:>8,} MACs: "
      f"{macs / params:.1f} MACs per parameter")

# %% [markdown]
# The first row by hand: six filters of 5×5 on one channel are 150 weights, and 6 biases make 156. Each weight is used
# at 28·28 positions: 150 · 784 = 117,600.
#
# Even here the difference is clear: the two convolutions have 4 % of the parameters and 86 % of the multiply-adds.

# %%
assert lenet[0] == ("conv", (28, 28, 6), 156, 117_600) and (params, macs) == (61_706, 416_520)
conv_share = [sum(line[i] for line in lenet if line[0] == "conv") / total
              for i, total in ((2, params), (3, macs))]
assert np.round(conv_share, 2).tolist() == [0.04, 0.86]

# %% [markdown]
# ## In the library
#
# `minigooglenet/models/ancestors.py` has all networks as such tables, with strides, paddings, groups and dropout. Here
# is NIN, "Network in Network". GoogLeNet took its 1×1 convolutions and its average pooling at the end from it:

# %%
from minigooglenet.models.ancestors import ANCESTORS

for row in ANCESTORS["nin"].rows:
    print("  ", row)

# %% [markdown]
# `count` counts each of them, and any network of `models/catalog.py`. The totals agree with published ones, where there
# are any: AlexNet's parameters are known from public code for Caffe's model; VGG's are in torchvision's documentation
# (138357544 and 143667240; 15.47 and 19.63 G); NIN's 7,595,176 parameters are 28.97 MiB, and the model zoo gives 29 MB.

# %%
from minigooglenet.flops import count

PUBLISHED = {"lenet5": (61_706, 416_520), "alexnet": (60_965_224, 724_406_816),
             "zfnet": (62_357_608, 1_168_032_896), "nin": (7_595_176, 1_100_188_800),
             "vgg16": (138_357_544, 15_470_264_320), "vgg19": (143_667_240, 19_632_062_464),
             "googlenet": (6_998_552, 1_582_671_872)}
counted = {name: count(name) for name in PUBLISHED}


def dense_part(c):
    """(parameters, MACs) of the dense layers."""
    rows = [row for row in c.layers if row.kind.startswith("dense")]
    return sum(row.params for row in rows), sum(row.macs for row in rows)


print(f"{'':<10} {'params':>11} {'in dense':>8} {'MACs':>14} {'in dense':>8} {'MACs / param':>12}")
for name, c in counted.items():
    dense_params, dense_macs = dense_part(c)
    print(f"{name:<10} {c.params:>11,} {dense_params / c.params:>8.1%} {c.macs:>14,} "
          f"{dense_macs / c.macs:>8.1%} {c.macs / c.params:>12.1f}")
    assert (c.params, c.macs) == PUBLISHED[name]
assert round(counted["nin"].params * 4 / 2**20, 2) == 28.97

# %% [markdown]
# Compare the two columns "in dense". AlexNet, ZFNet and VGG have 86 to 96 % of their parameters in three dense layers,
# which do at most 8.1 % of the work: a large memory, hardly used. NIN and GoogLeNet removed it, and replaced it by
# global average pooling (lesson 10).
#
# The last column is how often each parameter is used for one image. AlexNet: 12 times. VGG-16: 112 times. GoogLeNet:
# 226 times. That is what the paper means by better use of the computing resources *inside* the network.

# %%
vgg, alexnet, googlenet = counted["vgg16"], counted["alexnet"], counted["googlenet"]
compare("VGG-16's fraction of parameters in dense layers", guess_dense, dense_part(vgg)[0] / vgg.params)
compare("and of multiply-adds", guess_dense_macs, dense_part(vgg)[1] / vgg.macs)
compare("more multiply-adds", guess_more, "GoogLeNet")
compare("times fewer parameters than AlexNet", guess_fewer, alexnet.params / googlenet.params)
shares = {name: (dense_part(c)[0] / c.params, dense_part(c)[1] / c.macs) for name, c in counted.items()}
heavy = [shares[name] for name in ("alexnet", "zfnet", "vgg16", "vgg19")]
assert [round(100 * share) for share, _ in heavy] == [96, 94, 89, 86]
assert max(share for _, share in heavy) < 0.082
assert [round(c.macs / c.params) for c in (alexnet, vgg, googlenet)] == [12, 112, 226]
assert dense_part(counted["nin"]) == (0, 0)

# %% [markdown]
# **Estimate, then count.** Is a network with few parameters also small in memory? In training, every output is kept for
# the backward pass, for each image of a batch; the weights are needed three times (weights, gradients, velocity).

# %%
print(f"{'float32':<10} {'weights × 3':>12} {'outputs, 1 image':>17} {'outputs, batch 128':>19}")
memory = {}
for name, c in counted.items():
    outputs = sum(int(np.prod(row.output)) for row in c.layers)
    memory[name] = 3 * 4 * c.params / 1e6, 4 * outputs / 1e6
    print(f"{name:<10} {memory[name][0]:>9.0f} MB {memory[name][1]:>14.1f} MB {128 * memory[name][1] / 1000:>16.2f} GB")

assert [round(n) for n in memory["googlenet"]] == [84, 35] and round(memory["vgg16"][0] / memory["googlenet"][0]) == 20
assert round(128 * memory["googlenet"][1] / memory["googlenet"][0]) == 53

# %% [markdown]
# GoogLeNet's weights take 84 MB in training, a twentieth of VGG-16's. But its outputs for a batch of 128 take 4.4 GB,
# 53 times as much as its weights, and 4.5 times as much as AlexNet's: few parameters, each used at many pixels, mean
# many outputs. What limits the batch is not the size of the model file.
#
# What about "12 times fewer parameters"? The counts give 60,965,224 / 6,998,552 = 8.7. For 12, GoogLeNet would need
# only 5.1 million, and no reading of Table 1 gives so few: its own params column adds up to 6,798 K (lesson 11). The
# number is wrong, but the point is right. And GoogLeNet takes *more* time than AlexNet: it needs 2.2 times as many
# multiply-adds to reduce the error from 18.2 % to 7.89 %.

# %%
from minigooglenet.flops.audit import PRINTED

assert round(sum(row.params or 0 for row in PRINTED)) == 6798
print(f"{alexnet.params / googlenet.params:.2f} times fewer parameters,",
      f"{googlenet.macs / alexnet.macs:.2f} times as many MACs")
assert round(alexnet.params / googlenet.params, 1) == 8.7 and round(alexnet.params / 12 / 1e6, 1) == 5.1
assert round(googlenet.macs / alexnet.macs, 1) == 2.2

# %% [markdown]
# ## The figure
#
# Top: error against multiply-adds; the area of a circle is the number of parameters. The errors are from each paper,
# for one network with many crops on the validation images. NIN's authors give no top-5 error, and LeNet reads digits,
# so both are missing. Bottom: where the parameters and the multiply-adds of each network are.

# %% tags=["figure"]
from minigooglenet.figures.style import COLORS, figure
from minigooglenet.figures.systems import SYSTEMS

errors = {system.model: (system.name, system.error) for system in SYSTEMS if system.error}
names = {"lenet5": "LeNet-5", "alexnet": "AlexNet", "zfnet": "ZFNet", "nin": "NIN", "vgg16": "VGG-16",
         "googlenet": "GoogLeNet"}
fig, axes = figure(2, 2, width=7.6, height=7.2, height_ratios=[1.35, 1])
for ax in axes[0]:
    ax.remove()
top = fig.add_subplot(axes[0, 0].get_gridspec()[0, :])
top.spines[["top", "right"]].set_visible(False)
offsets = {"alexnet": (26, 0, "left"), "zfnet": (27, 0, "left"), "vgg16": (-38, 4, "right"),
          "vgg19": (36, 4, "left"), "googlenet": (0, 24, "center")}
for model, (name, error) in errors.items():
    c = counted[model]
    color = COLORS[0] if model == "googlenet" else COLORS[5]
    top.scatter(c.macs / 1e9, error, s=20 * c.params / 1e6, color=color, alpha=0.75,
                edgecolor="black", lw=0.8, zorder=2)
    across, up, side = offsets[model]
    text = f"{name}, {error:g} %\n{c.macs / 1e9:.1f} G MACs, {c.params / 1e6:.0f} M params"
    top.annotate(text, (c.macs / 1e9, error), xytext=(across, up), textcoords="offset points", ha=side,
                 va="center", fontsize=9)
top.set_xscale("log")
top.set(xlim=(0.4, 190), ylim=(4.5, 20.5), xlabel="multiply-adds for one image, in billions (G)",
        ylabel="top-5 error in %", title="lower left is better; area of a circle = parameters")
top.set_xticks([0.5, 1, 2, 5, 10, 20], ["0.5", "1", "2", "5", "10", "20"])
top.minorticks_off()
for ax, part, title in ((axes[1, 0], 0, "where the parameters are"), (axes[1, 1], 1, "where the multiply-adds are")):
    for at, model in enumerate(names):
        total = (counted[model].params, counted[model].macs)[part]
        share = 100 * dense_part(counted[model])[part] / total
        ax.barh(at, 100 - share, color=COLORS[5], height=0.62)
        ax.barh(at, share, left=100 - share, color=COLORS[1], height=0.62)
        text = f"{total / 1e6:,.1f} M" if total < 1e9 else f"{total / 1e9:.2f} G"
        ax.text(102, at, text, va="center", fontsize=9)
    ax.set_yticks(range(len(names)), names.values())
    ax.set(xlim=(0, 128), ylim=(5.5, -0.5), title=title, xlabel="%")
    ax.set_xticks([0, 50, 100])
    ax.spines["bottom"].set_bounds(0, 100)
    ax.tick_params(axis="y", length=0)
fig.legend(handles=[axes[1, 0].patches[0], axes[1, 0].patches[1]], labels=["convolutions", "dense layers"],
           loc="outside lower center", ncols=2, frameon=False)
show(fig, "20_ancestors", "Top-5 error against multiply-adds: AlexNet 18.2 % and 0.7 G, ZFNet 16.5 % and 1.2 G, "
     "GoogLeNet 7.89 % and 1.6 G with a circle of only 7 million parameters, VGG-16 and VGG-19 about 7 % with 15 and "
     "20 G and 138 and 144 million. Below: AlexNet, ZFNet and VGG have most parameters in dense layers, which do "
     "little of the work.")

# %% [markdown]
# In this comparison of single networks, VGG-16 is 0.7 points better than GoogLeNet, with 9.8 times the multiply-adds
# and 19.8 times the parameters. In the competition VGG was second, with 7.32 % against 6.67 %: seven networks each.

# %%
print(f"VGG-16: {vgg.macs / googlenet.macs:.1f} times the MACs,",
      f"{vgg.params / googlenet.params:.1f} times the parameters")
assert round(vgg.macs / googlenet.macs, 1) == 9.8 and round(vgg.params / googlenet.params, 1) == 19.8
assert round(errors["googlenet"][1] - errors["vgg16"][1], 1) == 0.7

# %% [markdown]
# ## Exercises
#
# Write them in `lessons/exercises/20_ancestors.py`, then run `make check N=20`. Stuck? `make check N=20 HINT=1`.
#
# 1. `grouped_conv(shape, F, K, S, P, groups)`: AlexNet ran on two graphics cards, and three of its convolutions read
#    only the half of the channels that is on their own card. Count one of them.
# 2. `vgg(depths, shape, classes)`: VGG-16 by hand. (2, 2, 3, 3, 3) convolutions in five blocks must give 138,357,544
#    parameters and 15,470,264,320 MACs.
# 3. `dense_shares(layers)`: the fractions of parameters and of MACs in the dense layers.

# %% [markdown]
# ## If you got …
#
# | you got for VGG-16 | the usual cause |
# |---|---|
# | 138,344,128 parameters | the biases are missing |
# | 14,714,688 parameters, 15,346,630,656 MACs | the three dense layers are missing |
# | 30,940,528,640 MACs | FLOPs: one MAC is two of them |
# | 15,483,821,032 MACs | biases counted as multiply-adds |
# | 124 million parameters for three dense layers | right: 123,642,856 of them |

# %%
biases = sum(row.F if isinstance(row.F, int) else 1000
             for row in ANCESTORS["vgg16"].rows if hasattr(row, "F"))
dense_params, dense_macs = dense_part(vgg)
at_every_place = sum(int(np.prod(row.output)) for row in vgg.layers if row.params)
assert vgg.params - biases == 138_344_128 and 2 * vgg.macs == 30_940_528_640
assert (vgg.params - dense_params, vgg.macs - dense_macs) == (14_714_688, 15_346_630_656)
assert vgg.macs + at_every_place == 15_483_821_032 and dense_params == 123_642_856

# %% [markdown]
# ## Where books and libraries get this wrong
#
# * **"12 times fewer".** It is 8.7, see above. The sentence is often quoted and hardly ever checked.
# * **Which AlexNet?** With groups, as in 2012: 60,965,224 parameters and 0.72 G MACs. Without groups: 62,378,344 and
#   1.14 G. torchvision's is the smaller one of 2014: 61,100,840 and 0.71 G. The paper of 2012 says "60 million", and
#   that its images have 224 pixels, which does not fit its own layers: without padding they need 227.
# * **Which LeNet-5?** The original of 1998 has 60,000 parameters: trainable pools, a second convolution that reads only
#   some of the maps, and fixed outputs. Most implementations are like the one above, with 61,706.
# * **ZFNet is not Clarifai.** Zeiler's company won in 2013 with a network that was never published.
# * **Which ZFNet?** The network of figure 3 has 16.5 %. The 16.0 % that others quote (also VGG's Table 7) belong to one
#   with 512, 1024 and 512 maps in its last three convolutions (Zeiler & Fergus 2014, Table 2): 107.6 M parameters and
#   2.48 G MACs.
# * **SuperVision is AlexNet**: the first is the team of 2012 (16.4 % is an average of five networks), the second the
#   name that the network got later.
# * **Which NIN?** On CIFAR-10 it has 10.41 % error without augmentation, and 8.81 % with it (Lin et al. 2013).
# * **Errors from different test procedures in one table.** One crop, ten, 144, or densely over the full image: lesson
#   18 showed how much that matters. In our figure each network has its authors' best test procedure.
# * **FLOPs and MACs mixed in one chart.** VGG-16 has 15.5 G MACs and 30.9 GFLOPs: see lesson 07.

# %%
for name, params, macs in (("alexnet-onetower", 62_378_344, 1_135_256_096),
                           ("alexnet-torchvision", 61_100_840, 714_188_480)):
    assert (count(name).params, count(name).macs) == (params, macs)
assert (227 - 11) % 4 == 0 and (224 - 11) % 4 != 0

from minigooglenet.models.inception import Style
from minigooglenet.models.rows import build

WIDER = {"conv3": 512, "conv4": 1024, "conv5": 512}
rows = [row._replace(F=WIDER[row.name]) if row.name in WIDER else row for row in ANCESTORS["zfnet"].rows]
wider = count(build(rows, Style(), (224, 224, 3), 1000), (224, 224, 3))
print(f"ZFNet with 512, 1024, 512 maps: {wider.params:,} parameters, {wider.macs:,} MACs")
assert round(wider.params / 1e6, 1) == 107.6 and round(wider.macs / 1e9, 2) == 2.48

# %% [markdown]
# ## Recap
#
# 1. Parameters cost memory, multiply-adds cost time: a convolution uses a weight OH·OW times, a dense layer once.
# 2. AlexNet, ZFNet and VGG have 86 to 96 % of their parameters in dense layers that do at most 8.1 % of the work.
# 3. NIN had the remedy: 1×1 convolutions and global average pooling. GoogLeNet made it deep.
# 4. GoogLeNet: 7.0 M parameters, 1.58 G MACs, 226 MACs per parameter; VGG-16 has 138 M and 15.5 G.
# 5. It has 8.7 times fewer parameters than AlexNet, not 12, and 2.2 times as many multiply-adds.

# %% [markdown]
# ## Glossary
#
# * **parameters**: all values that training changes: weights and biases.
# * **dense layer**: every output depends on every input; also called fully connected.
# * **groups**: a convolution split into parallel ones, each with its share of the channels.
# * **reuse**: how often a parameter is used for one image: MACs / parameters.
# * **tower**: the half of AlexNet on one of its two graphics cards.

# %% [markdown]
# ## Next
#
# `python -m minigooglenet flops --compare` counts all these networks in one table, and four that came later. Those are
# lesson 21: which of their ideas paid?
