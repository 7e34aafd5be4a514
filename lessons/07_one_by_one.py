# %% [markdown]
# # 07. What does a 1×1 convolution buy?
#
# * **Paper:** Szegedy et al. 2014, section 4: "1×1 convolutions are used to compute reductions"
# * **Review:** section 1, "The 1×1 Convolution" (Tsang 2018), with its 112.9M against 5.3M
# * **You build:** a 1×1 convolution as one product, and a counter of multiply-adds
# * **Figure:** 112.9 M against 1.5 M + 3.8 M, and the same for all nine modules
# * **Time:** 5 s
#
# A window of one pixel contains no neighbors. It cannot detect an edge, or anything else that has a shape. So a 1×1
# convolution looks useless, and yet GoogLeNet is full of them. What it does see is all C channels of its pixel:
#
#     y[n, h, w, f] = b[f] + Σ_c  x[n, h, w, c] · w[c, f]
#
# It mixes the channels of each pixel separately, C in and F out. If F is smaller than C, it is a **reduction**. This
# lesson counts how much such a reduction saves when it precedes an expensive convolution.

# %% [markdown]
# ## Predict first
#
# The case is the 5×5 branch of module 4a: the input has 14×14 pixels and 480 channels, the output has the same size and
# 48 channels.

# %%
# 1. How many multiplications does a 5×5 convolution with 48 filters need here? (an order of magnitude)
guess_macs = None

# 2. First a 1×1 convolution from 480 channels to 16, then the 5×5 on those: how many times fewer multiplications?
guess_times = None

# 3. Of GoogLeNet's 57 convolutions, how many are 1×1?
guess_share = None

# %% [markdown]
# ## Build it small
#
# An image 2 high and 3 wide, with the channels red, green and blue, and two filters: "brightness" adds all three
# channels, the other computes red minus blue. Each row of the reshaped x is one pixel, so there are no windows to lay
# out: x already is its own column matrix.

# %%
import numpy as np

from lessons import compare, show


def one_by_one(x, w):
    """x (N, H, W, C), w (C, F) -> (N, H, W, F): one product, nothing copied."""
    N, H, W, C = x.shape
    return (x.reshape(N * H * W, C) @ w).reshape(N, H, W, -1)


def macs(OH, OW, F, K, C):
    """Multiply-adds of a K×K convolution: each of OH·OW·F outputs sums K·K·C products."""
    return OH * OW * F * K * K * C


x = np.array([[[[9., 0, 0], [0, 9, 0], [0, 0, 9]],
               [[1, 1, 1], [5, 3, 1], [0, 0, 0]]]])  # red, green, blue / gray, orange, black
w = np.array([[1., 1], [1, 0], [1, -1]])  # rows: red, green, blue; columns: brightness, red - blue
y = one_by_one(x, w)
print("x", x.shape, " w", w.shape, " y", y.shape)
print("brightness\n", y[0, :, :, 0], "\nred - blue\n", y[0, :, :, 1], sep="")

alone = macs(14, 14, 48, 5, 480)
reduce, after = macs(14, 14, 16, 1, 480), macs(14, 14, 48, 5, 16)
print(f"\n5×5 alone           14·14·48·5·5·480 = {alone:>11,}")
print(f"1×1 to 16 channels  14·14·16·480     = {reduce:>11,}")
print(f"5×5 on those        14·14·48·5·5·16  = {after:>11,}")
print(f"both together                          {reduce + after:>11,}")

# %% [markdown]
# By hand, the orange pixel (5, 3, 1) has brightness 5 + 3 + 1 = 9 and red minus blue 5 - 1 = 4, as printed.
#
# A **MAC** (multiply-accumulate, or multiply-add) is one multiplication and the addition of its product to a sum. The
# counts are those of the review: 112.9M for the 5×5 alone, 1.5M + 3.8M = 5.3M with the reduction. Where does the factor
# come from? Let R be the number of reduced channels; H·W cancels:
#
#     K²·C·F / (R·C + K²·R·F)  =  K²·C·F / (R · (C + K²·F))
#
# Both the window (K² = 25) and C are large, and with the reduction they never occur in the same product: all C channels
# are read by a 1×1 window, and the K² positions apply to only R channels.

# %%
assert y[0, 1, 1].tolist() == [9, 4]
assert (alone, reduce, after, reduce + after) == (112_896_000, 1_505_280, 3_763_200, 5_268_480)
assert np.isclose(alone / (reduce + after), 25 * 480 * 48 / (16 * (480 + 25 * 48)))
compare("multiply-adds of the 5×5 alone", guess_macs, alone)
compare("times fewer with a 1×1 before it", guess_times, round(alone / (reduce + after), 2))

# %% [markdown]
# ## In the library
#
# Nothing has to be run to be counted. Every layer has `macs(shape)`, for one image of that shape; so does the network,
# which sums over its layers. `make flops` prints these counts and many more.

# %%
from minigooglenet.flops import count
from minigooglenet.layers import Conv
from minigooglenet.models import googlenet

net = googlenet(heads=False)
module = net.children["4a"]
size = (14, 14, 480)  # the input of module 4a

direct = Conv(C=480, F=48, kernel=5, pad=2)
reduction, conv = module.children["5x5_reduce"], module.children["5x5"]
between = reduction.output_shape(size)
print(f"4a/5x5_reduce      {size} -> {between}  {reduction.macs(size):>11,} MACs")
print(f"4a/5x5             {between} -> {conv.output_shape(between)}   {conv.macs(between):>11,} MACs")
print(f"without reduction  {size} -> {direct.output_shape(size)}  {direct.macs(size):>11,} MACs")
assert (direct.macs(size), reduction.macs(size), conv.macs(between)) == (alone, reduce, after)

# %% [markdown]
# The library's 1×1 convolution is the same as ours: its columns are not just equal to x, they *are* x, the same memory.

# %%
ours = Conv(C=3, F=2, kernel=1, dtype="float64")
ours.params["w"][0, 0] = w
assert np.array_equal(ours.predict(x), y)
assert np.shares_memory(ours.columns(x), x)

counted = count("googlenet")
small = [row for row in counted.layers if row.is_conv and row.kernel == (1, 1)]
share = sum(row.macs for row in small) / counted.macs
compare("1×1 convolutions in GoogLeNet", guess_share, len(small))
print(f"They take {share:.1%} of its {counted.macs:,} MACs, {2 * counted.macs:,} FLOPs.")
assert len(small) == 37 and round(share, 3) == 0.233 and counted.macs == 1_582_671_872

# %% [markdown]
# **Estimate, then measure.** 21 times fewer multiply-adds: also 21 times less time? Each convolution must read its
# input and its weights, and write its output, 4 bytes per value. What it computes with each byte:

# %%
import timeit

bytes_moved, seconds = {}, {}
for name, layer, shape in (("5×5 alone", direct, size), ("reduction", reduction, size),
                           ("5×5 after it", conv, between)):
    arrays = list(layer.parameters().values())
    for array in arrays:
        array.fill(1)  # memory that was never written to is not read (lesson 03)
    bytes_moved[name] = 4 * int(np.prod(shape) + sum(map(np.size, arrays)) + np.prod(layer.output_shape(shape)))
    image = np.ones((1, *shape), np.float32)
    seconds[name] = min(timeit.repeat(lambda layer=layer, image=image: layer.predict(image), number=1, repeat=5))
    print(f"{name:<13} {bytes_moved[name]:>9,} bytes, {layer.macs(shape) / bytes_moved[name]:4.1f} MACs per byte, "
          f"{1000 * seconds[name]:.2f} ms")
print(f"{seconds['5×5 alone'] / (seconds['reduction'] + seconds['5×5 after it']):.1f} times faster with the reduction")
assert [round(n / 1000) for n in bytes_moved.values()] == [2718, 420, 127]
assert direct.columns(np.ones((1, *size), np.float32)).nbytes == 9_408_000

# %% [markdown]
# It need not be 21, for two reasons that pull in opposite directions. The multiply-adds that are left are poorer: the
# 1×1 convolution does 4 with each byte, the 5×5 alone 42. But the 5×5 alone has a column matrix of 9.4 MB, with every
# pixel 25 times, which does not fit into a cache; the 1×1 convolution needs none.
#
# Is it free? No: a reduction also **discards** information. Without the ReLU between them, the two convolutions are one
# 5×5 convolution with the weights
#
#     w[u, v, c, f] = Σ_r  reduce[c, r] · after[u, v, r, f]
#
# As a matrix with C rows and K·K·F columns, this `w` has at most R independent rows: rank 16, where 480 is possible.
# The assumption is that the 480 channels are redundant. Because of the ReLU between them, the pair is more than one
# convolution; the paper calls such 1×1 layers "dual-purpose" for this reason (section 4).

# %%
from minigooglenet.kernels.naive_conv import convolve

rng = np.random.default_rng(5)
reducing, wide = rng.standard_normal((6, 2)), rng.standard_normal((5, 5, 2, 3))  # C = 6, R = 2, F = 3
image, no_bias = rng.standard_normal((1, 4, 5, 6)), np.zeros(3)
merged = np.einsum("cr,uvrf->uvcf", reducing, wide)
in_two_steps = convolve(one_by_one(image, reducing), wide, no_bias, (1, 1), (2, 2))
in_one_step = convolve(image, merged, no_bias, (1, 1), (2, 2))
rank = np.linalg.matrix_rank(merged.transpose(2, 0, 1, 3).reshape(6, -1))
print("rank of the merged weights:", rank)
assert np.allclose(in_two_steps, in_one_step) and rank == 2

# %% [markdown]
# **A learned PCA?** The paper calls a reduction "dimension reduction". The classic one is PCA, principal component
# analysis: project the C values of each pixel onto the R directions of largest variance. No R values per pixel allow a
# better linear reconstruction. A 1×1 convolution can compute exactly this projection, but nothing makes it do so: its
# weights are trained for the loss, not for reconstruction, and a direction of small variance may be the one that tells
# two classes apart.

# %%
label = rng.integers(0, 2, 2000)
values = rng.standard_normal((2000, 6)) * (9, 6, 3, 1, 1, 0.1)  # six channels; the last one hardly varies ...
values[:, 5] += label  # ... but it knows the class
values -= values.mean(axis=0)
_, scale, directions = np.linalg.svd(values, full_matrices=False)
for name, reduce_to_2 in (("PCA", directions[:2].T), ("the last two channels", np.eye(6)[:, 4:])):
    reduced = values @ reduce_to_2
    left_over = 1 - (reduced**2).sum() / (values**2).sum()
    weights = np.linalg.lstsq(reduced, 2.0 * label - 1, rcond=None)[0]  # a linear classifier
    right = np.mean((reduced @ weights > 0) == label)
    print(f"6 -> 2 by {name:<22} loses {left_over:4.0%} of the variance; {right:4.0%} of the classes right")
    assert (left_over < 0.1, right > 0.9) == ((True, False) if name == "PCA" else (False, True))

# %% [markdown]
# ## The figure
#
# On the left, the branch that we just counted. On the right, the factor by which the reduction lowers the multiply-adds
# of the 5×5 branch in each of the nine modules.

# %% tags=["figure"]
from minigooglenet.figures.style import COLORS, figure
from minigooglenet.models.googlenet import TABLE_1
from minigooglenet.models.rows import Inception

input_shapes, shape = {}, (224, 224, 3)
for name, layer in net.children.items():
    input_shapes[name], shape = shape, layer.output_shape(shape)

times = {}
for row in TABLE_1:
    if isinstance(row, Inception):
        H, W, C = input_shapes[row.name]
        without = macs(H, W, row.n5x5, 5, C)
        times[row.name] = without / (macs(H, W, row.n5x5_reduce, 1, C)
                                     + macs(H, W, row.n5x5, 5, row.n5x5_reduce))

fig, (left, right) = figure(1, 2, width=8, height=3.4, width_ratios=[1, 1.4])
M = 1e6
left.bar(["5×5 alone", "1×1, then 5×5"], [alone / M, reduce / M], color=[COLORS[1], COLORS[0]], width=0.6)
left.bar(["1×1, then 5×5"], [after / M], bottom=[reduce / M], color=COLORS[5], width=0.6)
left.text(0, alone / M + 2, f"{alone / M:.1f} M", ha="center")
left.text(1, (reduce + after) / M + 2, f"{reduce / M:.1f} M + {after / M:.1f} M\n= {(reduce + after) / M:.1f} M",
          ha="center")
left.set(ylabel="million multiply-adds", ylim=(0, 126), title="the 5×5 branch of 4a")
right.bar(list(times), list(times.values()), width=0.6,
          color=[COLORS[0] if name == "4a" else COLORS[5] for name in times])
for at, value in enumerate(times.values()):
    right.text(at, value + 0.4, f"{value:.1f}", ha="center", fontsize=9)
right.set(ylabel="times fewer multiply-adds", ylim=(0, 24), title="with the reduction, in each module")
show(fig, "07_reduction", "Left: the 5×5 convolution of module 4a takes 112.9 million multiply-adds alone, and "
     "1.5 + 3.8 = 5.3 million with a 1×1 reduction. Right: in the nine modules the reduction saves a factor "
     "between 7.2, in 3b, and 21.4, in 4a.")
assert min(times, key=times.get) == "3b" and max(times, key=times.get) == "4a"
assert round(times["3b"], 1) == 7.2 and round(times["4a"], 1) == 21.4

# %% [markdown]
# ## Exercises
#
# Write them in `lessons/exercises/07_one_by_one.py`, then run `make check N=7`. Stuck? `make check N=7 HINT=1`.
#
# 1. `conv_macs(shape, F, K, S, P)`: the multiply-adds of any convolution, with stride and padding, for one image of
#    `shape` = (H, W, C). You need the output size for this (lesson 02).
# 2. `branch_cost(shape, R, F, K)`: the cost of a branch that reduces to R channels and then applies F filters of K×K,
#    in MACs and in FLOPs. For 4a's 5×5 branch, the MACs are 5,268,480.
# 3. `one_by_one(x, w, b)`: a 1×1 convolution with a bias, without a loop over pixels. It also supports a stride:
#    `one_by_one(x, w, b, S)`.

# %% [markdown]
# ## If you got …
#
# | you got | the usual cause |
# |---|---|
# | 225,792,000 | FLOPs instead of MACs: one MAC is two FLOPs |
# | 22,579,200 | K instead of K²: a 5×5 window has 25 positions |
# | 235,200 | the channels are missing: every filter reads all 480 |
# | 114,401,280 for the branch | the 5×5 was counted on 480 channels, but it reads the 16 reduced ones |
# | 3,763,200 for the branch | the 1×1 itself is missing |
# | 40,642,560 | a 3×3 window: torchvision's "5×5" branch has one, see below |

# %%
for wrong, number in ((2 * alone, 225_792_000), (alone / 5, 22_579_200), (alone / 480, 235_200),
                      (reduce + alone, 114_401_280), (after, 3_763_200),
                      (macs(14, 14, 48, 3, 480), 40_642_560)):
    assert wrong == number

# %% [markdown]
# ## Where books and libraries get this wrong
#
# * **Calling MACs FLOPs.** fvcore prints "flops" and means MACs (fvcore, issue 69), and so did the example of
#   pytorch-OpCounter (issue 46). Counts from two tools then differ by a factor of two. The paper's "ops" are MACs: its
#   Table 1 gives module 4a 73M, and the widths give 73.6M. (Lesson 11 explains the rest.)
# * **Counting the batch.** A model file with a batch of 10 has given ten times the MACs (netscope, issue 29). Here all
#   counts are for one image.
# * **Attributing the example to the paper.** 112.9M against 5.3M appears in reviews and tutorials. The paper never
#   counts a naive 4a.
# * **torchvision's 5×5 is a 3×3** (vision, issue 906, inherited from TensorFlow). Counts of that model therefore
#   differ.
# * **"A 1×1 convolution shrinks the image."** Not with stride 1: it reduces the number of channels. Height and width
#   stay the same.

# %%
four_a = count("googlenet")["4a"]
print(f"all of module 4a: {four_a.macs:,} MACs; the paper prints 73M")
assert four_a.macs == 73_608_192 and round(four_a.macs / M, 1) == 73.6

# %% [markdown]
# ## Recap
#
# 1. A 1×1 convolution mixes the channels of each pixel: one product, and x is its own column matrix.
# 2. A convolution takes OH·OW·F·K·K·C multiply-adds (MACs); one MAC is two FLOPs.
# 3. 5×5 alone: 112,896,000. With a 1×1 to 16 channels before it: 1,505,280 + 3,763,200 = 5,268,480, or 21.4× fewer.
# 4. The price is rank: everything that follows depends on what 16 channels can represent.
# 5. 37 of GoogLeNet's 57 convolutions are 1×1, and take 23.3 % of its multiply-adds.

# %% [markdown]
# ## Glossary
#
# * **1×1 convolution**: a convolution whose window is one pixel: the same small dense layer at every pixel (Lin et al.
#   2013, "Network in Network").
# * **reduction**: a 1×1 convolution with fewer output than input channels, before a more expensive layer.
# * **MAC**: a multiply-add: one multiplication, and the addition of its product to a sum.
# * **FLOP**: a floating-point operation: a multiplication or an addition. 1 MAC = 2 FLOPs.
# * **PCA**: principal component analysis: the projection onto the directions of largest variance.
# * **rank**: the number of independent rows of a matrix; the others are linear combinations of them.

# %% [markdown]
# ## Next
#
# Lesson 08 combines four such branches into the inception module, without and with reductions.
