# %% [markdown]
# # 09. Why inception at all?
#
# * **Paper:** Szegedy et al. 2014, sections 2 to 4: "clustering neurons with highly correlated outputs"
# * **Review:** section 2, "Inception Module" (Tsang 2018), which has the module without the argument for it
# * **You build:** the correlations between units of a layer, a cover by clusters, the window that each cluster needs
# * **Figure:** the clusters of several layers by window size, and the ratio of window sizes in Table 1
# * **Time:** 1 min
#
# Why windows of 1×1, 3×3 *and* 5×5? The paper gives an argument in four steps (sections 3 and 4):
#
# 1. Large networks overfit and cost too much. Sparse connections would help with both.
# 2. Arora et al. (2013) prove, under strong assumptions, how to find a sparse network: layer by layer, connect each new
#    unit to a **cluster** of highly correlated units. (Hebb's rule: what fires together is wired together.)
# 3. Sparse arithmetic is slow on real machines. So cover the clusters by dense blocks.
# 4. In images, correlated units are close together. Many clusters fit into one position, a 1×1 convolution; fewer are
#    spread over 3×3, and still fewer over 5×5. In deeper layers they spread more, so the ratio of 3×3 and 5×5 to 1×1
#    "should increase as we move to higher layers".
#
# Step 4 can be measured; the paper does not. It calls its argument a "speculative undertaking", and warns that "it is
# still questionable" whether the success is due to it. So we measure: correlate the units of a layer, cluster them, and
# look at how far the clusters spread.

# %% [markdown]
# ## Predict first

# %%
# 1. In a small trained network, we cover the clusters of its first inception module. Which window do most of them
#    need: "1×1", "3×3", or "5×5 or more"?
guess_window = None

# 2. The same network before training, from its first to its third module: do clusters "grow" or "shrink"?
guess_depth = None

# 3. In Table 1, module 3a has 64 filters of 1×1, 128 of 3×3 and 32 of 5×5: a ratio (128 + 32) / 64 = 2.5. What is the
#    ratio in 5b, the last module?
guess_ratio = None

# %% [markdown]
# ## Build it small
#
# First a world in which Arora's argument holds. Six hidden causes are independent; each of 24 visible units copies one
# of them, plus noise. An observer sees only the visible units, and wants to know which ones share a cause.

# %%
import numpy as np

from lessons import QUICK, compare, show, weights_of_2014


def correlations(x, K):
    """r[c, v, u, d]: channel c at a position, and channel d at (v, u) of the K×K window around it."""
    N, H, W, C = x.shape
    h, w = H - K + 1, W - K + 1  # windows that lie inside the image

    def unit(v, u):
        a = x[:, v:v + h, u:u + w].reshape(-1, C)
        a = a - a.mean(axis=0)
        size = np.sqrt((a * a).sum(axis=0))
        return a / np.where(size > 0, size, 1)

    center = unit(K // 2, K // 2)
    return np.stack([[center.T @ unit(v, u) for u in range(K)] for v in range(K)]).transpose(2, 0, 1, 3)


def cover(near):
    """near (C, K, K, C): who is highly correlated -> [members (K, K, C)], clusters that cover all channels."""
    p, left, found = near.shape[1] // 2, np.ones(len(near), bool), []
    while left.any():
        c = np.where(left, near[..., left].sum(axis=(1, 2, 3)), -1).argmax()  # the one with most partners leads
        members = near[c] & left
        left &= ~members[p, p]  # the channels at its own position are covered
        left[c] = False
        found += [members] if members.any() else []  # a channel that is always 0 has none
    return found


rng = np.random.default_rng(9)
parent = rng.permutation(np.arange(24) % 6)
visible = rng.standard_normal((2000, 6))[:, parent] + 0.5 * rng.standard_normal((2000, 24))
r = correlations(visible.reshape(2000, 1, 1, 24), K=1)
clusters = [np.flatnonzero(members) for members in cover(r > 0.5)]
print("r, clusters, causes:", r.shape, [c.tolist() for c in clusters], [parent[c].tolist() for c in clusters], sep="\n")

# %% [markdown]
# **By hand.** Two units with the same cause are h + e and h + e', where h has variance 1 and the noise 0.5² = 0.25.
# Their covariance (the mean product) is 1, their variances 1.25, so r = 1 / 1.25 = 0.8; without a common cause it is 0.
# Its error is about 1/√2000 = 0.02. Any threshold in between works, and a cluster is what one next unit should read.
#
# **In an image layer** a unit is a channel at a position. Weights are shared, so it is enough to ask for each channel c
# with which channels d, at which place (v, u) in a window around it, it is correlated: `correlations` with K > 1. A
# cluster then needs the smallest odd window that covers its members: 1×1, 3×3, 5×5 …

# %%
assert sorted(map(len, clusters)) == [4] * 6 and all(len(set(parent[c])) == 1 for c in clusters)
expected = np.where(np.eye(24), 1, np.where(parent[:, None] == parent, 1 / (1 + 0.5**2), 0))
assert np.allclose(r[:, 0, 0], expected, atol=0.12) and round(2000**-0.5, 2) == 0.02 and 1 / 1.25 == 0.8


def extent(members):
    """The side of the smallest centered window that covers a cluster (K, K, C)."""
    v, u, _ = np.nonzero(members)
    p = len(members) // 2
    return int(2 * max(abs(v - p).max(), abs(u - p).max()) + 1)


# %% [markdown]
# ## In the library
#
# A network with three inception modules of equal widths, all at 16×16, so that only the depth differs, before and after
# a few seconds of training on drawings, Shapes-10. The untrained one is the *control*: what both show is not learned.

# %%
from minigooglenet import engine
from minigooglenet.data import Normalizer, batches, shapes10
from minigooglenet.layers import cross_entropy
from minigooglenet.models.inception import Style
from minigooglenet.models.rows import CLASSES, Convolution, FullyConnected, GlobalPooling, Inception, Pooling, build
from minigooglenet.training.evaluate import accuracy
from minigooglenet.training.sgd import SGD

MODULES, K = ("3a", "3b", "3c"), 7
TABLE = (Convolution("conv1", 24, 3), Pooling("pool1"), *(Inception(name, 8, 8, 16, 8, 8, 8) for name in MODULES),
         GlobalPooling("pool5"), FullyConnected("linear", CLASSES))
EPOCHS = 1 if QUICK else 4
(x_train, y_train), (x_test, y_test) = shapes10.draw(400 if QUICK else 1600, split=0), shapes10.draw(300, split=1)
normalize = Normalizer.of(x_train)


def network(train):
    """The network, trained or not (then batch norm, lesson 13, only gets its statistics)."""
    net = build(TABLE, Style(norm="batch", rng=np.random.default_rng(9)), (32, 32, 3), 10)
    compiled, sgd = engine.compile(net, input_gradient=False), SGD(net.parameters(), momentum=0.9)
    for epoch in range(EPOCHS):
        for images, labels in batches(x_train, y_train, 25, epoch=epoch, seed=9, normalizer=normalize):
            logits, cache = compiled.forward(images, train=True)
            if train:
                net.zero_grads()
                compiled.backward(cross_entropy(logits, labels)[1], cache)
                sgd.step(net.gradients(), lr=0.05 * (1 - epoch / EPOCHS))
    return net


images = normalize(x_test[:100 if QUICK else 200])
nets = {"untrained": network(False), "trained": network(True)}
measured = {(name, module): correlations(net.until(module).predict(images), K)
            for name, net in nets.items() for module in MODULES}
x = nets["trained"].until("3a").predict(images)
pair = x[:, 3:13, 3:13, 3].ravel(), x[:, 2:12, 6:16, 5].ravel()  # channel 3 in the center, channel 5 at (2, 6)
assert np.isclose(np.corrcoef(pair)[0, 1], measured["trained", "3a"][3, 2, 6, 5], atol=1e-4)
print(f"accuracy of the trained network: {accuracy(nets['trained'], x_test, y_test, normalize):.0%}")

SIDES, THRESHOLDS = (1, 3, 5, 7), (0.5, 0.6, 0.7, 0.8)  # how high is "highly correlated"? The paper does not say


def shares(r, threshold):
    """(shares of clusters with the extents SIDES, in %; share of the clusters that are a single unit, in %)"""
    found = cover(r >= threshold)
    extents = np.array([extent(members) for members in found])
    return [100 * np.mean(extents == side) for side in SIDES], 100 * np.mean([m.sum() == 1 for m in found])


print("                 threshold   1×1   3×3   5×5  7×7+   single units, in %")
table = {}
for (name, module), r in measured.items():
    for threshold in THRESHOLDS:
        table[name, module, threshold], single = shares(r, threshold)
        print(f"{name:<10} {module:<5} {threshold:>9.1f} ", *(f"{share:5.0f}" for share in
                                                             table[name, module, threshold]), f"{single:8.0f}")
        assert abs(table[name, module, threshold][0] - single) < 5
one, three, *more = table["trained", "3a", 0.6]
needed = {"1×1": one, "3×3": three, "5×5 or more": sum(more)}
compare("most clusters of the trained 3a need", guess_window, max(needed, key=needed.get))
first, third = (table["untrained", module, 0.6][0] for module in ("3a", "3c"))
compare("untrained, with depth clusters", guess_depth, "shrink" if third > first else "grow")
assert QUICK or (third > first + 15 and three > max(one, sum(more)) and table["trained", "3c", 0.6][0] < one + 15)

# %% [markdown]
# Compare this with step 4:
#
# * **Many clusters in one position? No.** Clusters that fit into 1×1 are single units; the columns agree in every row.
#   Two channels at one position are hardly ever highly correlated if their neighbors are not. What is correlated is a
#   channel with *itself*, one position further: images are smooth, and windows overlap.
# * **Fewer and fewer with larger windows?** From 3×3 on, mostly. What is most frequent depends on the threshold, which
#   nobody can derive: at 0.8 it is 1×1, at 0.6 it is 3×3.
# * **The untrained network shows nearly the same.** Such a result is no sign of learning.
# * **More spread with depth?** Untrained, the opposite: the clusters shrink. Training (without `--quick`) undoes that.
#
# **The network of 2014.** `RECORDED` has the same for it and for random weights, on the central 224×224 of 40 photos,
# with 160 channels of each layer. To repeat it, put dozens of photos into a folder `photos`, and get the weights.

# %%
from pathlib import Path

from PIL import Image

from minigooglenet.data.photos import caffe_input, center_crop
from minigooglenet.inference.classifier import load_caffe
from minigooglenet.models import googlenet

LAYERS = ("pool2", "3a", "3b", "4a", "4b", "4c", "4d", "4e")
RECORDED = {  # in %: 1×1, 3×3, 5×5, 7×7 or more
    "trained": ((21, 72, 4, 4), (23, 60, 14, 4), (55, 41, 4, 1), (52, 43, 4, 1),
                (17, 68, 11, 4), (16, 64, 14, 6), (8, 73, 18, 1), (6, 63, 25, 6)),
    "untrained": ((20, 66, 11, 2), (21, 54, 10, 15), (31, 45, 12, 12), (26, 53, 17, 4),
                  (31, 47, 14, 8), (29, 54, 12, 5), (29, 58, 11, 2), (29, 56, 13, 2)),
}


def of_photos(net, x):
    """{layer: shares at threshold 0.6} of a GoogLeNet that reads x (N, 224, 224, 3)."""
    found = {}
    for name, layer in net.until(LAYERS[-1]).children.items():
        x = np.concatenate([layer.predict(part) for part in np.array_split(x, len(x) // 4)])
        if name in LAYERS:
            some = np.random.default_rng(1).permutation(x.shape[3])[:160]
            found[name] = shares(correlations(x[..., some], K), 0.6)[0]
    return found


weights, photos = weights_of_2014(), sorted(Path("photos").glob("*.[jJ][pP]*[gG]"))
large = {name: dict(zip(LAYERS, values, strict=True)) for name, values in RECORDED.items()}
measure = weights and len(photos) >= 8 and not QUICK
if measure:
    x = np.concatenate([caffe_input(center_crop(Image.open(path).convert("RGB"))[None]) for path in photos])
    large = {"trained": of_photos(load_caffe(weights).net, x),
             "untrained": of_photos(googlenet(heads=False, rng=np.random.default_rng(0)), x)}
print("GoogLeNet, threshold 0.6, shares of 1×1/3×3/5×5/7×7 in %" + " (recorded)" * (not measure))
for name, layers in large.items():
    print(name, *(f"{layer} {'/'.join(f'{share:.0f}' for share in values)}" for layer, values in layers.items()))
if not measure:
    ends = [(values[0], sum(values[2:])) for layers in large.values() for values in (layers["4a"], layers["4e"])]
    assert ends == [(52, 5), (6, 31), (26, 21), (29, 15)] and [large["trained"][m][0] for m in ("3a", "3b")] == [23, 55]

# %% [markdown]
# From 4a to 4e, where all maps are 14×14, clusters do spread: those of 1×1 fall from 52 to 6 %, those of 5×5 or more
# rise from 5 to 31 %. With random weights they do not (26 to 29 %, and 21 to 15 %). **Here the paper is right, and it
# is learned.** From 3a to 3b it is wrong: the share of 1×1 rises from 23 to 55 %.
#
# **Does Table 1 follow the argument?** The ratio of 3×3 and 5×5 filters to 1×1 filters "should increase":

# %%
from minigooglenet.models.googlenet import TABLE_1

ratio = {row.name: (row.n3x3 + row.n5x5) / row.n1x1 for row in TABLE_1 if isinstance(row, Inception)}
print("  ".join(f"{name} {value:.2f}" for name, value in ratio.items()))
compare("the ratio in 5b", guess_ratio, round(ratio["5b"], 2))
assert [round(value, 2) for value in ratio.values()] == [2.5, 2.25, 1.33, 1.8, 2.5, 3.14, 1.75, 1.75, 1.33]

# %% [markdown]
# It does from 4a to 4d, where the clusters spread. But it starts at 2.5 in 3a, falls to 1.33 in 4a, and ends at 1.33.
#
# **Step 3, estimate, then measure.** "Even if the number of arithmetic operations is reduced by 100×, the overhead of
# lookups and cache misses is so dominant" that sparse matrices would not pay off (section 3). Take 1024 units that read
# 1024, and 1024 that read 10 of them: 102 times fewer multiplications. How many times faster is that?

# %%
import timeit

x, dense = rng.standard_normal((256, 1024), dtype=np.float32), rng.standard_normal((1024, 1024), dtype=np.float32)
reads, few = rng.integers(0, 1024, (1024, 10)), rng.standard_normal((1024, 10), dtype=np.float32)  # of each unit
times = [min(timeit.repeat(run, number=1, repeat=5)) for run in (
    lambda: x @ dense, lambda: np.einsum("nok,ok->no", x[:, reads], few))]
print(f"dense {1000 * times[0]:.1f} ms, sparse {1000 * times[1]:.1f} ms: {times[0] / times[1]:.2f} times as fast")
assert round(dense.size / few.size) == 102

# %% [markdown]
# A compiled loop does better, but not 102 times: each product has to fetch its own input, a dense one reuses it.

# %% [markdown]
# ## The figure
#
# Clusters by the window they need, threshold 0.6, in our three modules and in GoogLeNet; and the ratio in Table 1.

# %% tags=["figure"]
from minigooglenet.figures.style import COLORS, figure

fig, axes = figure(1, 3, width=9, height=3.6, width_ratios=[1.1, 1.6, 1])
small = [(module, table[name, module, 0.6]) for name in nets for module in MODULES]
for ax, values, title in ((axes[0], small, "untrained      trained"),
                          (axes[1], large["trained"].items(), "GoogLeNet, trained")):
    bottom = np.zeros(len(values))
    for at, (label, k) in enumerate((("1×1", 0), ("3×3", 5), ("5×5", 4), ("7×7 or more", 1))):
        heights = np.array([share[at] for _, share in values])
        ax.bar(range(len(values)), heights, bottom=bottom, color=COLORS[k], width=0.7, label=label)
        bottom += heights
    ax.set_xticks(range(len(values)), [name for name, _ in values], fontsize=7)
    ax.set(ylim=(0, 100), title=title, ylabel="clusters in %" if ax is axes[0] else "")
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
axes[2].plot(list(ratio), list(ratio.values()), "o-", color=COLORS[0], lw=2)
axes[2].set(ylim=(0, 3.5), title="ratio in Table 1")
axes[2].tick_params(axis="x", labelsize=7)
show(fig, "09_clusters", "Left: shares of clusters that need 1×1, 3×3, 5×5 or more, in three modules, untrained and "
     "trained; most need 1×1 or 3×3. Middle: in GoogLeNet the share of 1×1 falls from 4a to 4e, that of larger windows "
     "rises. Right: the ratio in Table 1 falls from 2.5 to 1.33, rises to 3.14 in 4d, and falls to 1.33 again.")

# %% [markdown]
# ## Exercises
#
# Write them in `lessons/exercises/09_why_inception.py`, then run `make check N=9`. Stuck? `make check N=9 HINT=1`.
#
# 1. `correlations(x, K)`: of each channel with all units in the window around it.
# 2. `clusters(near)`: the greedy cover of any set of units.
# 3. `extent(members)`: the window that a cluster needs.

# %% [markdown]
# ## If you got …
#
# | you got | the usual cause |
# |---|---|
# | correlations near 1 everywhere | the mean is not subtracted: activations after ReLU are all positive |
# | NaN | a channel that is always 0 has standard deviation 0 |
# | high correlations at the border only | padding with zeros: two zeros always agree |
# | nearly all clusters 1×1, or 7×7 | the threshold is too high, or too low |
# | far more small than large clusters, always | counted wherever they fit: 1×1 fits 49 times into 7×7, 7×7 once |

# %%
assert [(7 - side + 1) ** 2 for side in SIDES] == [49, 25, 9, 1]

# %% [markdown]
# ## Where books and libraries get this wrong
#
# * **"Inception is derived from Arora et al."** Their theorem is about random sparse networks, found layer by layer and
#   without labels. GoogLeNet is trained end to end, and none of its layers was built from correlations.
# * **"Different windows see objects of different size."** That is another argument, "processed at various scales and
#   then aggregated" (section 4). It needs no theory, and nothing here speaks against it.
# * **No control.** Without the untrained network, the correlations of overlapping windows look like a discovery.
# * **1, 3 and 5** were chosen for "convenience rather than necessity" (section 4). Lesson 21: two 3×3 replaced the 5×5.

# %% [markdown]
# ## Recap
#
# 1. The argument: correlated units form clusters; a next layer reads one cluster per unit; windows cover the clusters.
# 2. In a world made of independent causes the clusters of correlations are exactly the causes (Arora et al.).
# 3. In our small network, a cluster at one position is a single unit; a channel is correlated with its neighbors.
# 4. Spreading with depth is seen from 4a to 4e, and is learned; not from 3a to 3b. Table 1's ratio rises from 4a to 4d.
# 5. Dense blocks in place of sparse ones: this part of the argument can be timed, and holds.

# %% [markdown]
# ## Glossary
#
# * **correlation**: covariance divided by both standard deviations, from -1 to 1.
# * **Hebb's rule**: what fires together is wired together: connect units that are active at the same time.
# * **cluster**: units that are highly correlated with one of them, the leader.
# * **control**: the same measurement where the effect cannot be; here, an untrained network.

# %% [markdown]
# ## Next
#
# Whatever justifies the module, it works. Lesson 10 asks what classifies its output.
