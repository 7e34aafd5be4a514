# %% [markdown]
# # 07. Do 51.3 M weights earn their keep?
#
# * **Paper:** Szegedy et al. 2014, section 5: from fully connected layers to average pooling, "about 0.6%" better
# * **Review:** section 3, "Global Average Pooling" (Tsang 2018), with its 51.3M against 0
# * **You build:** global average pooling, its backward pass, dropout, and a fully connected layer to compare with
# * **Picture:** the parameters of both endings, and what a class sees where: its activation map
# * **Time:** 20 s
#
# GoogLeNet's last module leaves 7×7×1024 numbers for each picture, and the answer has to be 1000. AlexNet and VGG
# flatten such numbers and read them all with **fully connected** layers: a weight for every pair of an input and a
# unit. More than nine tenths of AlexNet's weights are there. GoogLeNet takes an idea of Lin et al. (2013): the average
# of each map, and nothing to learn,
#
#     y[n, c] = (1 / (H·W)) Σ_h Σ_w  x[n, h, w, c]
#
# then dropout of 40 %, then one linear layer. This lesson counts what that saves, trains both endings on the same
# pictures, and gets something for nothing: a map that shows **where** a class was seen.

# %% [markdown]
# ## Predict first

# %%
# 1. A fully connected layer reads 7×7×1024 numbers and gives 1024. Its weights, in millions?
guess_weights = None

# 2. Global average pooling in its place has how many weights?
guess_gap = None

# 3. With that fully connected layer, GoogLeNet would have how many times as many parameters as it has?
guess_times = None

# 4. We train both endings on 1200 small pictures. Which is right more often on new ones, "average" or "connected"?
guess_better = None

# %% [markdown]
# ## Build it small
#
# One picture of 2×3 pixels with two maps. Beside the average, dropout: in training each number is set to 0 with
# probability p, and the others grow by 1 / (1 - p).

# %%
import numpy as np

from lessons import compare, show


def average(x):
    """x (N, H, W, C) -> (N, C)"""
    return x.mean(axis=(1, 2))


def average_backward(dy, shape):
    """dy (N, C), shape (N, H, W, C) -> dx: every pixel had 1 / (H·W) of the say, and gets that much of the gradient."""
    N, H, W, C = shape
    return np.broadcast_to(dy[:, None, None, :] / (H * W), shape)


def dropout(x, p, rng):
    """What is kept, and the mask: 0 where dropped, 1 / (1 - p) where kept."""
    mask = (rng.random(x.shape) >= p) / (1 - p)
    return x * mask, mask


x = np.array([[[[1., 10], [2, 10], [3, 10]],
               [[4, 10], [5, 10], [9, 70]]]])
y = average(x)
dx = average_backward(np.array([[6., 12]]), x.shape)
print("x", x.shape, "-> y", y.shape, "=", y)
print("dy = [[6, 12]] -> dx", dx.shape, "each pixel", dx[0, 0, 0])

many, _ = dropout(np.full(100_000, 6.0), 0.4, np.random.default_rng(7))
print("dropout of 40 %:", many[:10], "… mean of 100,000 such:", round(many.mean(), 2))

# %% [markdown]
# By hand: (1 + 2 + 3 + 4 + 5 + 9) / 6 = 4 for the first map, 120 / 6 = 20 for the second. Going back,
#
#     ∂y[n, c] / ∂x[n, h, w, c] = 1 / (H·W)        so        dx[n, h, w, c] = dy[n, c] / (H·W)
#
# the same for every pixel of a map: 6/6 = 1 and 12/6 = 2.
#
# Dropout makes 6 into 0 or into 6 / 0.6 = 10, and the mean stays 6, since 0.4 · 0 + 0.6 · 10 = 6. So nothing has to
# be done when the trained network is used. Its backward is `dx = dy · mask`, with the same mask.

# %%
assert y.tolist() == [[4, 20]] and (dx == [1, 2]).all()
assert set(np.round(many, 9)) == {0, 10} and abs(many.mean() - 6) < 0.05

# %% [markdown]
# ## The library's own
#
# `GlobalAvgPool`, `Dropout` and `Dense` of `minigooglenet.layers`. First the count, which is the review's.

# %%
from minigooglenet.flops import count
from minigooglenet.layers import Dense, Dropout, GlobalAvgPool
from minigooglenet.models import googlenet

net = googlenet(heads=False)
maps = net.until("5b").output_shape((224, 224, 3))
H, W, C = maps
connected = Dense(H * W * C, C)
pool = GlobalAvgPool()
weights = {"connected": connected.params["w"].size, "average": sum(w.size for w in pool.params.values())}
print(f"after module 5b: {maps}; to {C}:", ", ".join(f"{n:,} weights {ending}" for ending, n in weights.items()))
with_average = count("googlenet").params
with_connected = with_average + connected.params["w"].size + connected.params["b"].size
print(f"all of GoogLeNet: {with_average:,} parameters; with the connected layer {with_connected:,}")

compare("millions of weights in the connected layer", guess_weights, weights["connected"] / 1e6)
compare("weights in the average", guess_gap, weights["average"])
compare("times as many parameters", guess_times, round(with_connected / with_average, 2))
for name, least in (("alexnet", 0.95), ("vgg16", 0.85)):
    counted = count(name)
    share = sum(row.params for row in counted.layers if row.kind.startswith("dense")) / counted.params
    print(f"{name}: {share:.0%} of the parameters are in its three fully connected layers")
    assert share > least
assert weights == {"connected": 51_380_224, "average": 0} and 7 * 7 * 1024 * 1024 == 51_380_224
assert (with_average, with_connected) == (6_998_552, 58_379_800)

# %% [markdown]
# The layers themselves are ours of above:

# %%
z, cache = pool.forward(x)
assert np.array_equal(z, y) and np.array_equal(pool.backward(np.array([[6., 12]]), cache), dx)
layer = Dropout(0.4, np.random.default_rng(7))
kept, mask = layer.forward(np.full((1, 1000), 6.0), train=True)
assert set(np.round(kept, 9).flat) == {0, 10} and np.array_equal(kept, 6 * mask)
assert np.array_equal(layer.predict(x), x)
print(f"Dropout(0.4) dropped {np.mean(kept == 0):.1%} of 1000 numbers in training, none in use")

# %% [markdown]
# Do the weights earn their keep? We ask on a small scale: pictures of 32×32 with a ring, a cross or a bowtie somewhere
# on a noisy ground (Shapes-10, which the library draws), and four convolutions that end in 8×8 maps of 48 channels.
# Then either ending, with dropout of 40 % and a linear layer, as in GoogLeNet: the average, or 48 connected units.

# %%
from minigooglenet import fast
from minigooglenet.data import Normaliser, batches, shapes10
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
    """Those of N drawn pictures that show one of NAMES, and which one."""
    pictures, labels = shapes10.draw(N, seed=7, split=split)
    numbers = [shapes10.CLASSES.index(name) for name in NAMES]
    chosen = np.isin(labels, numbers)
    return pictures[chosen], np.array([numbers.index(label) for label in labels[chosen]])


x_train, y_train = three_shapes(4000, split=0)
x_test, y_test = three_shapes(1000, split=1)
normalise = Normaliser.of(x_train)


def train(first, lr):
    """A network that ends in the row ``first`` and TAIL, after EPOCHS rounds through the training pictures."""
    net = build((*TRUNK, first, *TAIL), Style(norm="batch", rng=np.random.default_rng(1)), (32, 32, 3), len(NAMES))
    quick = fast.speed_up(net, input_gradient=False)  # the same network, computed in fewer passes over memory
    optimiser = SGD(net.parameters(), momentum=0.9, weight_decay=1e-4)
    for epoch in range(EPOCHS):
        for pictures, labels in batches(x_train, y_train, 32, epoch=epoch, seed=1, normaliser=normalise):
            logits, cache = quick.forward(pictures, train=True)
            _, dlogits = cross_entropy(logits, labels)
            net.zero_grads()
            quick.backward(dlogits, cache)
            optimiser.step(net.gradients(), lr if epoch < 0.7 * EPOCHS else lr / 10)
    return net


trained = {"average": train(GlobalPooling("average"), lr=0.02), "connected": train(FullyConnected("fc", 48), lr=0.01)}
right = {ending: accuracy(net, x_test, y_test, normalise) for ending, net in trained.items()}
sizes = {ending: sum(w.size for w in net.parameters().values()) for ending, net in trained.items()}
for ending in trained:
    print(f"{ending:<9} {sizes[ending]:>7,} parameters, {right[ending]:.1%} of {len(y_test)} new pictures right")
compare("right more often", guess_better, max(right, key=right.get))
assert len(x_train) == 1200 and (sizes["average"], sizes["connected"]) == (40_803, 188_307)
assert sizes["connected"] - sizes["average"] == 147_504 == 8 * 8 * 48 * 48 + 48
assert right["average"] > 0.8 and right["average"] > right["connected"] - 0.05

# %% [markdown]
# The connected layer has 147,504 parameters more to learn, from the same pictures, in the same time; each ending has
# the learning rate, of a few tried, that suits it better. They do not help. A likely reason: a ring is a ring wherever
# it lies. The average knows that from the start, and the connected layer has to learn it anew for each of its 64
# places. (Three shapes are not ImageNet. There, the paper found the average better by about 0.6 % top-1.)

# %% [markdown]
# And now for nothing, the map. The logit (the number before the softmax) of class k is linear in the average, and the
# average is linear in the pixels. So the two may change places:
#
#     z[n, k] = b[k] + Σ_c w[c, k] · (1 / (H·W)) Σ_h Σ_w x[n, h, w, c]
#             = b[k] + (1 / (H·W)) Σ_h Σ_w  M[n, h, w, k]        with        M[n, h, w, k] = Σ_c x[n, h, w, c] · w[c, k]
#
# `M` is the **class activation map** (Zhou et al. 2016): how much each place says for class k. It is a 1×1 convolution
# with the classifier's weights, and its mean is the logit, but for the bias. Nothing was trained for it. And since the
# average takes maps of any size, so does the network: we show it six test pictures at once, glued to one of 64×96. (The
# connected layer cannot look at them: it has weights for 8×8 places and for no others.)

# %%
net = trained["average"]
w, b = (net.children["linear"].params[name] for name in "wb")
rng = np.random.default_rng(9)
order = (0, 1, 2, 2, 0, 1)  # ring, cross, bowtie; bowtie, ring, cross
sure = net.predict(normalise(x_test))[np.arange(len(y_test)), y_test]
tiles = [x_test[rng.choice(np.flatnonzero((y_test == label) & (sure > np.median(sure))))] for label in order]
scene = np.vstack([np.hstack(tiles[:3]), np.hstack(tiles[3:])])

features = net.until("conv4_relu").predict(normalise(scene[None]))
M = features @ w
logits = net.predict(normalise(scene[None]))
print("scene", scene.shape, "-> maps", features.shape, "-> class activation maps", M.shape)
print("mean of each map + bias:", M.mean(axis=(1, 2))[0] + b, "\nlogits:                 ", logits[0])
assert np.allclose(M.mean(axis=(1, 2)) + b, logits, rtol=1e-4, atol=1e-4)

tile_means = M[0].reshape(2, 8, 3, 8, 3).mean(axis=(1, 3)).reshape(6, 3)  # what each of the six tiles says
hits = 0
for k, name in enumerate(NAMES):
    found, there = set(np.argsort(tile_means[:, k])[-2:].tolist()), {at for at in range(6) if order[at] == k}
    print(f"{name:<6} is seen most in the tiles {found}; it is in {there}")
    hits += len(found & there)
assert M.shape == (1, 16, 24, 3) and hits >= 4

# %% [markdown]
# ## The picture
#
# First what either ending costs GoogLeNet. Then the scene, and for each class the same scene in grey, in colours of
# fire where the map of that class is high.

# %% tags=["figure"]
from minigooglenet.pictures.style import COLOURS, figure

linear = count("googlenet")["linear"].params
parts = {"up to module 5b": with_average - linear, "connected layer": with_connected - with_average, "linear": linear}
fig, ax = figure(width=6, height=3.4)
below = np.zeros(2)
for (name, number), colour in zip(parts.items(), (COLOURS[0], COLOURS[1], COLOURS[4]), strict=True):
    heights = np.array([number, 0 if name == "connected layer" else number]) / 1e6
    ax.bar((0, 1), heights, bottom=below, color=colour, width=0.6, label=f"{name}: {number / 1e6:.1f} M")
    below += heights
ax.bar_label(ax.containers[-1], [f"{height:.1f} M" for height in below], padding=2, fontweight="bold")
ax.legend(frameon=False, loc="upper right", reverse=True)
ax.set_xticks((0, 1), ("connected", "average"))
ax.set(ylabel="million parameters", ylim=(0, 64), xlim=(-0.5, 2.1), title="GoogLeNet, either ending")
show(fig, "07_parameters", "Two bars: GoogLeNet has 7.0 million parameters, and would have 58.4 million with a "
     "connected layer of 51.4 million.")
assert [round(n / 1e6, 1) for n in (with_average, with_connected, *parts.values())] == [7.0, 58.4, 6.0, 51.4, 1.0]

# %% tags=["figure"]
from lessons.helpers import hang
from minigooglenet.inside.cam import to_picture
from minigooglenet.pictures.heatmaps import blended

heat = to_picture(np.maximum(M[0].transpose(2, 0, 1), 0), 64, 96)
fig, axes = figure(2, 2, width=7, height=5.2)
hang(axes.flat, {"what the small network sees": scene}
     | {f"where it sees a {name}": blended(scene, heat[k]) for k, name in enumerate(NAMES)})
show(fig, "07_where", "A scene of six shapes, and for ring, cross and bowtie a map that shows where the network sees "
     "each.")

# %% [markdown]
# Nobody ever told the network where anything is, and still each class is seen most in its own tiles, or nearly so. The
# maps are not tidy: 8×8 places per tile, after seconds of training. Lesson 15 asks the same of the 2014 weights.

# %% [markdown]
# ## Exercises
#
# Write them in `lessons/exercises/07_average.py`, then run `make check N=7`. Stuck? `make check N=7 HINT=1`.
#
# 1. `gap_backward(dy, shape)`: the backward pass of global average pooling.
# 2. `dropout(x, dy, kept, p)`: y and dx of dropout in training, for a given choice of what is kept.
# 3. `activation_map(x, w, b, label)`: the class activation map of one class, and the logit, which its mean must give.

# %% [markdown]
# ## If you got …
#
# | you got | the usual cause |
# |---|---|
# | dx = dy, undivided | each pixel had 1/(H·W) of the say: divide by H·W |
# | a dx that is N times too small | divided by N·H·W: the mean is over pixels, the loss has taken it over the batch |
# | 50,176,000 weights | straight to 1000 classes: 7·7·1024·1000 |
# | 1,024,000 weights | that is the linear layer after the average; the average itself has none |
# | an output that shrinks when dropout is on | nothing was divided by 1 - p |
# | predictions that change from call to call | dropout is still on: it belongs to training |
# | a logit that is H·W times too large | the sum of the map in place of its mean |
# | a map that is right, and a logit a little off | the bias of the class was left out |

# %%
assert 7 * 7 * 1024 * 1000 == 50_176_000 and net.children["linear"].D == 48 and 1024 * 1000 == 1_024_000

# %% [markdown]
# ## Where books and libraries get this wrong
#
# * **51.3 or 51.4?** 51,380,224 is 51.4 million; reviews print 51.3M, cut and not rounded. Our title keeps it, so that
#   you can find it again.
# * **"GoogLeNet has no fully connected layer."** It has one: the linear layer from 1024 to 1000, more than a million
#   parameters, about one in seven of all. The paper says why: it makes the network easy to adapt to other labels
#   (section 5). Lin et al. (2013) have none; there the last maps *are* the classes.
# * **The 51.3 M is a network nobody ran.** The paper compares with a fully connected ending without printing its size.
#   The example with 1024 units is the reviews'. (Such a layer is in the auxiliary heads, Lesson 09.)
# * **Average pooling did not make dropout superfluous.** "The use of dropout remained essential even after removing
#   the fully connected layers" (section 5). torchvision's GoogLeNet drops 20 %, not the paper's 40 %.
# * **p may mean kept or dropped.** In the paper, PyTorch and Caffe, 40 % are *dropped*; in older TensorFlow
#   (`keep_prob`) 0.4 would have dropped 60 %. The library's name is `drop_prob`.
# * **7×7 fixed.** An average pool of 7×7 is "global" only for pictures of 224. Give the network 256 pixels, and it ends
#   in 8×8 maps. A true global average takes them; a window of 7×7 has 2×2 places there, and the linear layer fails.

# %%
from minigooglenet.layers import AvgPool

assert round(count("googlenet").params / count("googlenet")["linear"].params) == 7
assert googlenet(heads=False).until("5b").output_shape((256, 256, 3)) == (8, 8, 1024)
assert AvgPool(7, stride=1).output_shape((8, 8, 1024)) == (2, 2, 1024)
assert googlenet("torchvision", heads=False).children["dropout"].drop_prob == 0.2
assert googlenet(heads=False).children["dropout"].drop_prob == 0.4

# %% [markdown]
# ## Recap
#
# 1. Global average pooling makes one number of each map, with 0 weights; a connected layer needs 51,380,224 for it.
# 2. Backward, each pixel gets dy / (H·W).
# 3. With the connected layer GoogLeNet would have 58.4 million parameters, 8.3 times as many as it has.
# 4. Dropout of 40 % comes after it: zeros at random in training, the rest divided by 0.6, nothing at use.
# 5. Since average and linear layer may change places, each class has a map that says where; its mean is the logit.

# %% [markdown]
# ## Glossary
#
# * **global average pooling**: the mean of each map over all places: H×W×C numbers become C (Lin et al. 2013).
# * **fully connected layer**: a layer with a weight for every pair of an input and an output; `Dense` here.
# * **dropout**: setting random activations to 0 in training, so that none can be relied on (Srivastava et al. 2014).
# * **logit**: a class's number before the softmax.
# * **class activation map**: Σ_c x[h, w, c] · w[c, k], how much each place says for class k (Zhou et al. 2016).

# %% [markdown]
# ## Next
#
# All parts are on the table now. Lesson 08 puts them together, counts the whole network, and holds the paper's own
# Table 1 against it.
