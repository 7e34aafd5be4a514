# %% [markdown]
# # 10. Do 51.3 M weights earn their keep?
#
# * **Paper:** Szegedy et al. 2014, section 5: from fully connected layers to average pooling, "about 0.6%" better
# * **Review:** section 3, "Global Average Pooling" (Tsang 2018), with its 51.3M against 0
# * **You build:** global average pooling, its backward pass, dropout, and a fully connected layer to compare with
# * **Figure:** the parameters of both variants, and where the network detects a class: its activation map
# * **Time:** 20 s
#
# GoogLeNet's last module outputs 7×7×1024 values for each image, and the classifier needs 1000. AlexNet and VGG flatten
# such an output and feed it to **fully connected** layers: one weight for every pair of an input and an output. More
# than nine tenths of AlexNet's weights are there. GoogLeNet uses an idea of Lin et al. (2013): it averages each channel
# (its *feature map*) over all positions, with no weights at all,
#
#     y[n, c] = (1 / (H·W)) Σ_h Σ_w  x[n, h, w, c]
#
# then applies 40 % dropout, then one linear layer. This lesson counts what that saves, and trains both variants on the
# same images. It gets one more thing for free: a map that shows **where** the network detects a class.

# %% [markdown]
# ## Predict first

# %%
# 1. A fully connected layer reads 7×7×1024 values and outputs 1024. How many million weights does it have?
guess_weights = None

# 2. How many weights does global average pooling have instead?
guess_gap = None

# 3. With that fully connected layer, how many times as many parameters would GoogLeNet have?
guess_times = None

# 4. We train both variants on 1200 small images. Which one is more accurate on new images, "average" or "connected"?
guess_better = None

# %% [markdown]
# ## Build it small
#
# One image of 2×3 pixels with two channels. Besides the average, dropout: in training each value is set to 0 with
# probability p, and the others are scaled by 1 / (1 - p).

# %%
import numpy as np

from lessons import compare, show
from lessons.measured import tell


def average(x):
    """x (N, H, W, C) -> (N, C)"""
    return x.mean(axis=(1, 2))


def average_backward(dy, shape):
    """dy (N, C), shape (N, H, W, C) -> dx: every pixel contributes 1 / (H·W), and gets that share of the gradient."""
    N, H, W, C = shape
    return np.broadcast_to(dy[:, None, None, :] / (H * W), shape)


def dropout(x, p, rng):
    """(y, mask): the mask is 0 where x is dropped, 1 / (1 - p) where it is kept."""
    mask = (rng.random(x.shape) >= p) / (1 - p)
    return x * mask, mask


x = np.array([[[[1., 10], [2, 10], [3, 10]],
               [[4, 10], [5, 10], [9, 70]]]])
y = average(x)
dx = average_backward(np.array([[6., 12]]), x.shape)
print("x", x.shape, "-> y", y.shape, "=", y)
print("dy = [[6, 12]] -> dx", dx.shape, "each pixel", dx[0, 0, 0])

many, _ = dropout(np.full(100_000, 6.0), 0.4, np.random.default_rng(7))
print("40 % dropout:", many[:10], "… mean of 100,000 such values:", round(many.mean(), 2))

# %% [markdown]
# By hand: (1 + 2 + 3 + 4 + 5 + 9) / 6 = 4 for the first channel, 120 / 6 = 20 for the second. In the backward pass,
#
#     ∂y[n, c] / ∂x[n, h, w, c] = 1 / (H·W)        so        dx[n, h, w, c] = dy[n, c] / (H·W)
#
# the same for every pixel of a channel: 6/6 = 1 and 12/6 = 2.
#
# Dropout turns 6 into 0 or into 6 / 0.6 = 10, and the mean stays 6, since 0.4 · 0 + 0.6 · 10 = 6. So inference needs no
# correction. The backward pass is `dx = dy · mask`, with the same mask.

# %%
assert y.tolist() == [[4, 20]] and (dx == [1, 2]).all()
assert set(np.round(many, 9)) == {0, 10} and abs(many.mean() - 6) < 0.05

# %% [markdown]
# ## In the library
#
# `GlobalAvgPool`, `Dropout` and `Dense` of `minigooglenet.layers`. First the review's count.

# %%
from minigooglenet.flops import count
from minigooglenet.layers import Dense, Dropout, GlobalAvgPool
from minigooglenet.models import googlenet

H, W, C = maps = googlenet(heads=False).until("5b").output_shape((224, 224, 3))
connected, pool = Dense(H * W * C, C), GlobalAvgPool()
weights = {"connected": connected.params["w"].size, "average": sum(w.size for w in pool.params.values())}
print(f"after module 5b: {maps}; to {C}:", ", ".join(f"{variant} {n:,} weights" for variant, n in weights.items()))
with_average = count("googlenet").params
with_connected = with_average + connected.params["w"].size + connected.params["b"].size
print(f"GoogLeNet: {with_average:,} parameters; with the connected layer {with_connected:,}")

compare("millions of weights in the connected layer", guess_weights, weights["connected"] / 1e6)
compare("weights in global average pooling", guess_gap, weights["average"])
compare("times as many parameters", guess_times, round(with_connected / with_average, 2))
alexnet = count("alexnet")
share = sum(row.params for row in alexnet.layers if row.kind == "dense") / alexnet.params
print(f"AlexNet: {share:.0%} of the parameters are in its three fully connected layers")
assert share > 0.95
assert weights == {"connected": 51_380_224, "average": 0} and 7 * 7 * 1024 * 1024 == 51_380_224
assert (with_average, with_connected) == (6_998_552, 58_379_800) and 7 * 7 * 1024 * 1000 == 50_176_000

# %% [markdown]
# **Estimate, then measure.** The connected layer multiplies 51.4 M times, 3 % of GoogLeNet's work. Is it cheap? A
# convolution uses each weight at many pixels; here 206 MB are read, and each weight is used once. (In training each
# weight has a gradient and a velocity, lesson 14: 617 MB.) Compare the GFLOP/s with the peak of lesson 03.

# %%
import timeit

one, size = np.ones((1, *maps), np.float32), connected.params["w"].nbytes
connected.params["w"].fill(1)  # memory that was never written to is not read (lesson 03)
seconds, seconds_average = (min(timeit.repeat(run, number=1, repeat=5)) for run in (
    lambda: connected.predict(one.reshape(1, -1)), lambda: pool.predict(one)))
print(f"connected: {1000 * seconds:.1f} ms, {size / seconds / 1e9:.0f} GB/s, {size / 2 / seconds / 1e9:.0f} GFLOP/s; "
      f"average: {1000 * seconds_average:.2f} ms")
assert (round(size / 1e6), round(3 * size / 1e6)) == (206, 617)
assert round(connected.macs((H * W * C,)) / count("googlenet").macs, 2) == 0.03
z, cache = pool.forward(x)  # and the library's layers match ours
assert np.array_equal(z, y) and np.array_equal(pool.backward(np.array([[6., 12]]), cache), dx)
layer = Dropout(0.4, np.random.default_rng(7))
kept, mask = layer.forward(np.full((1, 1000), 6.0), train=True)
assert set(np.round(kept, 9).flat) == {0, 10} and np.array_equal(kept, 6 * mask)
assert np.array_equal(layer.predict(x), x) and abs(np.mean(kept == 0) - 0.4) < 0.05

# %% [markdown]
# Do the weights earn their keep? We test it on a small scale, with 32×32 images of a ring, a cross or a bowtie at a
# random position on a noisy background (Shapes-10, which the library draws). Four convolutions output 8×8 maps with 48
# channels. Then comes either variant, with 40 % dropout and a linear layer as in GoogLeNet: the average, or 48 fully
# connected units.

# %%
from minigooglenet import engine
from minigooglenet.data import Normalizer, batches, shapes10
from minigooglenet.layers import cross_entropy
from minigooglenet.models.inception import Style
from minigooglenet.models.rows import CLASSES, Convolution, Drop, FullyConnected, GlobalPooling, Pooling, build
from minigooglenet.training.evaluate import accuracy
from minigooglenet.training.sgd import SGD

NAMES = ("ring", "cross", "bowtie")
TRUNK = (Convolution("conv1", 16, 5, stride=2), Convolution("conv2", 32, 3), Pooling("pool2"),
         Convolution("conv3", 48, 3), Convolution("conv4", 48, 3))
TAIL = (Drop("dropout", 0.4), FullyConnected("linear", CLASSES))
EPOCHS = 6


def three_shapes(N, split):
    """Those of N drawn images that show one of NAMES, and their labels, the indices in NAMES."""
    images, labels = shapes10.draw(N, seed=7, split=split)
    classes = [shapes10.CLASSES.index(name) for name in NAMES]
    chosen = np.isin(labels, classes)
    return images[chosen], np.array([classes.index(label) for label in labels[chosen]])


x_train, y_train = three_shapes(4000, split=0)
x_test, y_test = three_shapes(1000, split=1)
normalize = Normalizer.of(x_train)


def train(first, lr):
    """A network of TRUNK, the row ``first`` and TAIL, trained for EPOCHS epochs."""
    net = build((*TRUNK, first, *TAIL), Style(norm="batch", rng=np.random.default_rng(1)), (32, 32, 3), len(NAMES))
    compiled = engine.compile(net, input_gradient=False)  # the same network and parameters, but faster
    optimizer = SGD(net.parameters(), momentum=0.9, weight_decay=1e-4)
    for epoch in range(EPOCHS):
        for images, labels in batches(x_train, y_train, 32, epoch=epoch, seed=1, normalizer=normalize):
            logits, cache = compiled.forward(images, train=True)
            _, dlogits = cross_entropy(logits, labels)
            net.zero_grads()
            compiled.backward(dlogits, cache)
            optimizer.step(net.gradients(), lr if epoch < 0.7 * EPOCHS else lr / 10)
    return net


trained = {"average": train(GlobalPooling("average"), lr=0.02), "connected": train(FullyConnected("fc", 48), lr=0.01)}
accuracies = {variant: accuracy(net, x_test, y_test, normalize) for variant, net in trained.items()}
sizes = {variant: sum(w.size for w in net.parameters().values()) for variant, net in trained.items()}
for variant in trained:
    print(f"{variant:<9} {sizes[variant]:>7,} parameters, {accuracies[variant]:.1%} correct on {len(y_test)} images")
compare("more accurate on new images", guess_better, max(accuracies, key=accuracies.get))
tell("gap")
assert len(x_train) == 1200 and (sizes["average"], sizes["connected"]) == (40_803, 188_307)
assert sizes["connected"] - sizes["average"] == 147_504 == 8 * 8 * 48 * 48 + 48
assert accuracies["average"] > 0.8 and accuracies["average"] > accuracies["connected"] - 0.05

# %% [markdown]
# The connected layer has 147,504 more parameters to learn, in as many epochs (passes over all images); each variant
# uses the better of a few learning rates. The extra parameters do not help. A likely reason is that a ring is a ring at
# any position. Averaging has this property built in, while the connected layer has to learn it separately for each of
# its 64 positions. On photos, in a short training, the average is ahead, by more than the interval. On ImageNet it
# improved top-1 accuracy (how often the most probable class is right) by about 0.6 %, the paper reports.
#
# Now for the map that comes for free. The logit of class k, its value before the softmax, is linear in the averages,
# and the averages are linear in the pixels. So the order of the two can be exchanged:
#
#     z[n, k] = b[k] + Σ_c w[c, k] · (1 / (H·W)) Σ_h Σ_w x[n, h, w, c]
#             = b[k] + (1 / (H·W)) Σ_h Σ_w  M[n, h, w, k]        with        M[n, h, w, k] = Σ_c x[n, h, w, c] · w[c, k]
#
# `M` is the **class activation map** (Zhou et al. 2016): how much each position contributes to class k. It is a 1×1
# convolution with the classifier's weights, its mean is the logit without the bias, and it needs no training. Since the
# average accepts maps of any size, so does the network: we tile six test images into one of 64×96. (The connected
# variant cannot process it: it has weights for exactly 8×8 positions.)

# %%
net = trained["average"]
w, b = (net.children["linear"].params[name] for name in "wb")
rng = np.random.default_rng(9)
order = (0, 1, 2, 2, 0, 1)  # ring, cross, bowtie; bowtie, ring, cross
score = net.predict(normalize(x_test))[np.arange(len(y_test)), y_test]  # the logit of the right class
tiles = [x_test[rng.choice(np.flatnonzero((y_test == label) & (score > np.median(score))))] for label in order]
scene = np.vstack([np.hstack(tiles[:3]), np.hstack(tiles[3:])])

features = net.until("conv4").predict(normalize(scene[None]))
M = features @ w
logits = net.predict(normalize(scene[None]))
print("scene", scene.shape, "-> maps", features.shape, "-> class activation maps", M.shape)
print("mean of each map + bias:", M.mean(axis=(1, 2))[0] + b, "  logits:", logits[0])
assert np.allclose(M.mean(axis=(1, 2)) + b, logits, rtol=1e-4, atol=1e-4)

tile_means = M[0].reshape(2, 8, 3, 8, 3).mean(axis=(1, 3)).reshape(6, 3)  # (tiles, classes)
hits = 0
for k, name in enumerate(NAMES):
    found, actual = set(np.argsort(tile_means[:, k])[-2:].tolist()), {tile for tile in range(6) if order[tile] == k}
    print(f"{name:<6} has its highest means in tiles {found}; it is in tiles {actual}")
    hits += len(found & actual)
assert M.shape == (1, 16, 24, 3) and hits >= 4

# %% [markdown]
# ## The figure
#
# First the parameters of GoogLeNet with either variant. Then the scene, and for each class the scene in gray with the
# class activation map as a heat map on top.

# %% tags=["figure"]
from minigooglenet.figures.style import COLORS, figure

linear = count("googlenet")["linear"].params
parts = {"up to module 5b": with_average - linear, "connected layer": with_connected - with_average, "linear": linear}
fig, ax = figure(width=6, height=3.4)
bottom = np.zeros(2)
for (name, params), color in zip(parts.items(), (COLORS[0], COLORS[1], COLORS[4]), strict=True):
    heights = np.array([params, 0 if name == "connected layer" else params]) / 1e6
    ax.bar((0, 1), heights, bottom=bottom, color=color, width=0.6, label=f"{name}: {params / 1e6:.1f} M")
    bottom += heights
ax.bar_label(ax.containers[-1], [f"{height:.1f} M" for height in bottom], padding=2, fontweight="bold")
ax.legend(frameon=False, loc="upper right", reverse=True)
ax.set_xticks((0, 1), ("connected", "average"))
ax.set(ylabel="million parameters", ylim=(0, 64), xlim=(-0.5, 2.1), title="GoogLeNet, both variants")
show(fig, "10_parameters", "Two bars: GoogLeNet has 7.0 million parameters, and would have 58.4 million with a "
     "connected layer of 51.4 million.")
assert [round(n / 1e6, 1) for n in (with_average, with_connected, *parts.values())] == [7.0, 58.4, 6.0, 51.4, 1.0]

# %% tags=["figure"]
from lessons.helpers import show_images
from minigooglenet.figures.heatmaps import blended
from minigooglenet.interpret.cam import upsample

heat = upsample(np.maximum(M[0].transpose(2, 0, 1), 0), 64, 96)
fig, axes = figure(2, 2, width=7, height=5.2)
show_images(axes.flat, {"input of the small network": scene}
            | {f"class activation map: {name}": blended(scene, heat[k]) for k, name in enumerate(NAMES)})
show(fig, "10_where", "A scene of six shapes, and for ring, cross and bowtie a heat map that shows where the network "
     "detects each.")

# %% [markdown]
# The training labels do not say where anything is, and still each class is detected mostly in its own tiles. The maps
# are coarse: 8×8 positions per tile. Lesson 19 does the same with the 2014 weights.

# %% [markdown]
# ## Exercises
#
# Write them in `lessons/exercises/10_average.py`, then run `make check N=10`. Stuck? `make check N=10 HINT=1`.
#
# 1. `gap_backward(dy, shape)`: the backward pass of global average pooling.
# 2. `dropout(x, dy, kept, p)`: y and dx of dropout in training, given which elements are kept.
# 3. `activation_map(x, w, b, label)`: the class activation map of one class, and its logit.

# %% [markdown]
# ## If you got …
#
# | you got | the usual cause |
# |---|---|
# | dx = dy, undivided | each pixel contributes 1/(H·W) of the mean: divide by H·W |
# | a dx that is N times too small | divided by N·H·W: the mean is over pixels only; the loss averages over the batch |
# | 50,176,000 weights | directly to 1000 classes: 7·7·1024·1000 |
# | 1,024,000 weights | that is the linear layer after the average; the average itself has none |
# | an output whose mean shrinks with dropout | the division by 1 - p is missing |
# | predictions that change from call to call | dropout is still active: it is for training only |
# | a logit that is H·W times too large | the sum of the map instead of its mean |

# %% [markdown]
# ## Where books and libraries get this wrong
#
# * **51.3 or 51.4?** 51,380,224 is 51.4 million; reviews print 51.3M, truncated, and our title quotes them.
# * **"GoogLeNet has no fully connected layer."** It has one, from 1024 to 1000, with one in seven of all parameters. It
#   makes the network easy to adapt to other labels (section 5). Lin et al. (2013) have none: their maps *are* classes.
# * **51.3 M is an example.** The paper does not print the size of the variant that it ran; the count is from reviews.
# * **Average pooling did not replace dropout.** "The use of dropout remained essential even after removing the fully
#   connected layers" (section 5). torchvision's GoogLeNet drops 20 %, not the paper's 40 %.
# * **p may mean dropped or kept.** In the paper, PyTorch and Caffe, 40 % are *dropped*; in older TensorFlow
#   (`keep_prob`) 0.4 would have dropped 60 %. This library's name is `drop_prob`.
# * **A fixed 7×7 window** is "global" only for images of 224×224. With 256 pixels the maps are 8×8: a global average
#   accepts them, but a 7×7 window has 2×2 positions there, and the linear layer fails.

# %%
from minigooglenet.layers import AvgPool

assert round(count("googlenet").params / count("googlenet")["linear"].params) == 7
assert googlenet(heads=False).until("5b").output_shape((256, 256, 3)) == (8, 8, 1024)
assert AvgPool(7, stride=1).output_shape((8, 8, 1024)) == (2, 2, 1024)
for variant, drop_prob in (("torchvision", 0.2), ("paper", 0.4)):
    assert googlenet(variant, heads=False).children["dropout"].drop_prob == drop_prob

# %% [markdown]
# ## Recap
#
# 1. Global average pooling reduces each map to one value with 0 weights; a connected layer needs 51,380,224.
# 2. In the backward pass, each pixel gets dy / (H·W).
# 3. With the connected layer GoogLeNet would have 58.4 million parameters, 8.3 times as many as it has.
# 4. 40 % dropout follows: random zeros in training, the rest divided by 0.6, no change at inference.
# 5. Since averaging and the linear layer commute, each class has a map of positions, whose mean gives its logit.

# %% [markdown]
# ## Glossary
#
# * **global average pooling**: the mean of each map over all positions: H×W×C values become C (Lin et al. 2013).
# * **fully connected layer**: a layer with a weight for every pair of an input and an output; here `Dense`.
# * **dropout**: setting random activations to 0 in training, so that none can be relied on (Srivastava et al. 2014).
# * **class activation map**: Σ_c x[h, w, c] · w[c, k], the evidence for class k at each position (Zhou et al. 2016).

# %% [markdown]
# ## Next
#
# Lesson 11 assembles all the parts, counts the whole network, and compares it with Table 1 of the paper.
