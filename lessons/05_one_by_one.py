# %% [markdown]
# # 05. What does a 1×1 convolution buy?
#
# * **Paper:** Szegedy et al. 2014, section 4: "1×1 convolutions are used to compute reductions"
# * **Review:** section 1, "The 1×1 Convolution" (Tsang 2018), with its 112.9M against 5.3M
# * **You build:** a 1×1 convolution as one product, and a counter of multiply-adds
# * **Picture:** 112.9 M against 1.5 M + 3.8 M, and the same for all nine modules
# * **Time:** 5 s
#
# A window of one pixel sees no neighbours. It cannot find an edge, or anything else that has a shape. So a 1×1
# convolution looks useless, and yet GoogLeNet is full of them. What it does see at its pixel is all C channels:
#
#     y[n, h, w, f] = b[f] + Σ_c  x[n, h, w, c] · w[c, f]
#
# It mixes channels, at each pixel by itself, C in and F out. With F smaller than C it is a **reduction**. This
# lesson counts what such a reduction saves when an expensive convolution comes after it.

# %% [markdown]
# ## Predict first
#
# The case is the 5×5 branch of module 4a: 14×14 pixels with 480 channels go in, 48 channels of the same size come out.

# %%
# 1. How many multiplications does a 5×5 convolution with 48 filters take here? (an order of magnitude)
guess_macs = None

# 2. First a 1×1 convolution from 480 channels down to 16, then the 5×5 on those: how many times fewer?
guess_times = None

# 3. Of GoogLeNet's 57 convolutions, how many are 1×1?
guess_share = None

# %% [markdown]
# ## Build it small
#
# A picture 2 high and 3 wide, with channels red, green and blue. Two filters: "brightness" adds all three, the
# other takes red minus blue. Each row of the reshaped x is one pixel, so there is no window to lay out: x is its
# own column matrix.

# %%
import numpy as np

from lessons import compare, show


def one_by_one(x, w):
    """x (N, H, W, C), w (C, F) -> (N, H, W, F): one product, nothing copied."""
    N, H, W, C = x.shape
    return (x.reshape(N * H * W, C) @ w).reshape(N, H, W, -1)


def macs(OH, OW, F, K, C):
    """Multiply-adds of a K×K convolution: each of OH·OW·F results sums K·K·C products."""
    return OH * OW * F * K * K * C


x = np.array([[[[9., 0, 0], [0, 9, 0], [0, 0, 9]],
               [[1, 1, 1], [5, 3, 1], [0, 0, 0]]]])  # red, green, blue / grey, orange, black
w = np.array([[1., 1], [1, 0], [1, -1]])  # rows: red, green, blue; columns: brightness, red - blue
y = one_by_one(x, w)
print("x", x.shape, " w", w.shape, " y", y.shape)
print("brightness\n", y[0, :, :, 0], "\nred - blue\n", y[0, :, :, 1], sep="")

alone = macs(14, 14, 48, 5, 480)
reduce, after = macs(14, 14, 16, 1, 480), macs(14, 14, 48, 5, 16)
print(f"\n5×5 alone        14·14·48·5·5·480 = {alone:>11,}")
print(f"1×1 to 16 maps   14·14·16·480     = {reduce:>11,}")
print(f"5×5 on those     14·14·48·5·5·16  = {after:>11,}")
print(f"the two together                    {reduce + after:>11,}")

# %% [markdown]
# The orange pixel (5, 3, 1) has brightness 5 + 3 + 1 = 9 and red minus blue 5 - 1 = 4: by hand, as before.
#
# A **MAC** (multiply-add) is one multiplication and the addition that takes its product into the sum. The counts are
# those of the review: 112.9M alone, against 1.5M + 3.8M = 5.3M. Where does the factor come from? Write R for the
# number of reduced channels; H·W cancels:
#
#     K²·C·F / (R·C + K²·R·F)  =  K²·C·F / (R · (C + K²·F))
#
# The window is large (K² = 25) and C is large, and with the reduction they never meet in one product: C is paid at one
# pixel, K² only for R channels.

# %%
assert y[0, 1, 1].tolist() == [9, 4]
assert (alone, reduce, after, reduce + after) == (112_896_000, 1_505_280, 3_763_200, 5_268_480)
assert np.isclose(alone / (reduce + after), 25 * 480 * 48 / (16 * (480 + 25 * 48)))
compare("multiply-adds of the 5×5 alone", guess_macs, alone)
compare("times fewer with a 1×1 in front", guess_times, round(alone / (reduce + after), 2))

# %% [markdown]
# ## The library's own
#
# Nothing has to run to be counted. Every layer has `macs(shape)`, for one picture of that shape; so has the whole
# network, which adds up its layers. `make flops` prints what follows and much more.

# %%
from minigooglenet.flops import count
from minigooglenet.layers import Conv
from minigooglenet.models import googlenet

net = googlenet(heads=False)
module = net.children["4a"]
size = (14, 14, 480)  # what enters module 4a

direct = Conv(C=480, F=48, kernel=5, pad=2)
reduction, conv = module.children["5x5_reduce"], module.children["5x5"]
between = reduction.output_shape(size)
print(f"4a/5x5_reduce  {size} -> {between}  {reduction.macs(size):>11,} MACs")
print(f"4a/5x5         {between} -> {conv.output_shape(between)}   {conv.macs(between):>11,} MACs")
print(f"without        {size} -> {direct.output_shape(size)}  {direct.macs(size):>11,} MACs")
assert (direct.macs(size), reduction.macs(size), conv.macs(between)) == (alone, reduce, after)

# %% [markdown]
# And the library's 1×1 convolution is ours: its columns are not merely equal to x, they *are* x, the same memory.

# %%
ours = Conv(C=3, F=2, kernel=1, dtype="float64")
ours.params["w"][0, 0] = w
assert np.array_equal(ours.predict(x), y)
assert np.shares_memory(ours.columns(x), x)

counted = count("googlenet")
small = [row for row in counted.layers if row.kind.startswith("conv 1x1")]
share = sum(row.macs for row in small) / counted.macs
compare("1×1 convolutions in GoogLeNet", guess_share, len(small))
print(f"They take {share:.1%} of its {counted.macs:,} MACs, {2 * counted.macs:,} FLOPs.")
assert len(small) == 37 and round(share, 3) == 0.233 and counted.macs == 1_582_671_872

# %% [markdown]
# Is it free? No: the reduction also **throws away** something. Leave out the ReLU between the two, and they are one
# single 5×5 convolution with the weights
#
#     w[u, v, c, f] = Σ_r  reduce[c, r] · after[u, v, r, f]
#
# As a matrix of C rows and K·K·F columns, this `w` has at most R independent rows: rank 16, where 480 would be
# possible. The bet is that 480 channels say many things twice. The ReLU that GoogLeNet puts between makes the pair more
# than one convolution; the paper calls such 1×1 layers "dual-purpose" for it (section 4).

# %%
from minigooglenet.reference.convolution import convolve

rng = np.random.default_rng(5)
thin, wide = rng.standard_normal((6, 2)), rng.standard_normal((5, 5, 2, 3))  # C = 6, R = 2, F = 3
picture, none = rng.standard_normal((1, 4, 5, 6)), np.zeros(3)
merged = np.einsum("cr,uvrf->uvcf", thin, wide)
in_two_steps = convolve(one_by_one(picture, thin), wide, none, (1, 1), (2, 2))
in_one_step = convolve(picture, merged, none, (1, 1), (2, 2))
rank = np.linalg.matrix_rank(merged.transpose(2, 0, 1, 3).reshape(6, -1))
print("rank of the merged weights:", rank)
assert np.allclose(in_two_steps, in_one_step) and rank == 2

# %% [markdown]
# ## The picture
#
# On the left the branch that was just counted. On the right: how many times fewer multiply-adds, for the 5×5 branch of
# all nine modules.

# %% tags=["figure"]
from minigooglenet.models.googlenet import TABLE_1
from minigooglenet.models.rows import Inception
from minigooglenet.pictures.style import COLOURS, figure

entering, shape = {}, (224, 224, 3)
for name, layer in net.children.items():
    entering[name], shape = shape, layer.output_shape(shape)

times = {}
for row in TABLE_1:
    if isinstance(row, Inception):
        H, W, C = entering[row.name]
        without = macs(H, W, row.n5x5, 5, C)
        times[row.name] = without / (macs(H, W, row.n5x5_reduce, 1, C)
                                     + macs(H, W, row.n5x5, 5, row.n5x5_reduce))

fig, (left, right) = figure(1, 2, width=8, height=3.4, width_ratios=[1, 1.4])
M = 1e6
left.bar(["5×5 alone", "1×1, then 5×5"], [alone / M, reduce / M], color=[COLOURS[1], COLOURS[0]], width=0.6)
left.bar(["1×1, then 5×5"], [after / M], bottom=[reduce / M], color=COLOURS[5], width=0.6)
left.text(0, alone / M + 2, f"{alone / M:.1f} M", ha="center")
left.text(1, (reduce + after) / M + 2, f"{reduce / M:.1f} M + {after / M:.1f} M\n= {(reduce + after) / M:.1f} M",
          ha="center")
left.set(ylabel="million multiply-adds", ylim=(0, 126), title="the 5×5 branch of 4a")
right.bar(list(times), list(times.values()), width=0.6,
          color=[COLOURS[0] if name == "4a" else COLOURS[5] for name in times])
for at, value in enumerate(times.values()):
    right.text(at, value + 0.4, f"{value:.1f}", ha="center", fontsize=9)
right.set(ylabel="times fewer multiply-adds", ylim=(0, 24), title="with the reduction, in every module")
show(fig, "05_reduction", "Left: the 5×5 convolution of module 4a takes 112.9 million multiply-adds alone, and "
     "1.5 + 3.8 = 5.3 million with a 1×1 reduction. Right: over the nine modules the reduction saves a factor "
     "between 7.2, in 3b, and 21.4, in 4a.")
assert min(times, key=times.get) == "3b" and max(times, key=times.get) == "4a"
assert round(times["3b"], 1) == 7.2 and round(times["4a"], 1) == 21.4

# %% [markdown]
# ## Exercises
#
# Write them in `lessons/exercises/05_one_by_one.py`, then run `make check N=5`. Stuck? `make check N=5 HINT=1`.
#
# 1. `conv_macs(shape, F, K, S, P)`: the multiply-adds of any convolution, with stride and padding, for one picture of
#    `shape` = (H, W, C). On the way you need the size of the result (lesson 01).
# 2. `branch_cost(shape, R, F, K)`: what a branch costs that reduces to R channels and then takes F filters of K×K,
#    in MACs and in FLOPs. For 4a's 5×5 branch the MACs are 5,268,480.
# 3. `one_by_one(x, w, b)`: a 1×1 convolution with a bias, without a loop over pixels, and for one that moves in larger
#    steps than one pixel, too: `one_by_one(x, w, b, S)`.

# %% [markdown]
# ## If you got …
#
# | you got | the usual cause |
# |---|---|
# | 225,792,000 | FLOPs in place of MACs: one MAC is two FLOPs |
# | 22,579,200 | K in place of K²: a window of 5×5 has 25 places |
# | 235,200 | the channels were forgotten: every filter sees all 480 of them |
# | 114,401,280 for the branch | the 5×5 was counted on 480 channels, though it reads the 16 reduced ones |
# | 3,763,200 for the branch | the 1×1 itself was left out |
# | 40,642,560 | a 3×3 window: torchvision's "5×5" branch has one, see below |

# %%
for wrong, number in ((2 * alone, 225_792_000), (alone / 5, 22_579_200), (alone / 480, 235_200),
                      (reduce + alone, 114_401_280), (after, 3_763_200),
                      (macs(14, 14, 48, 3, 480), 40_642_560)):
    assert wrong == number

# %% [markdown]
# ## Where books and libraries get this wrong
#
# * **MACs are called FLOPs.** fvcore prints "flops" and means MACs (fvcore, issue 69), and so did the example of
#   pytorch-OpCounter (issue 46). Numbers from two tools then differ by a factor of two. The paper's "ops" are MACs:
#   its Table 1 gives module 4a 73M, and the widths give 73.6M. (Lesson 08 finds the rest.)
# * **The batch is counted.** A model file that says "10 pictures at once" has given ten times the MACs (netscope,
#   issue 29). Here all counts are for one picture.
# * **The example is not the paper's.** 112.9M against 5.3M is in reviews and tutorials. The paper never counts a naive
#   4a.
# * **torchvision's 5×5 is a 3×3** (vision, issue 906, inherited from TensorFlow). Whoever counts with that model finds
#   other numbers.
# * **"A 1×1 convolution shrinks the picture."** Not with stride 1: it shrinks the number of channels. Height and width
#   stay.

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
# 4. The price is rank: everything that follows has to live on what 16 channels can say.
# 5. 37 of GoogLeNet's 57 convolutions are 1×1, and take 23.3 % of its multiply-adds.

# %% [markdown]
# ## Glossary
#
# * **1×1 convolution**: a convolution whose window is one pixel: the same small dense layer at every pixel (Lin et al.
#   2013, "Network in Network").
# * **reduction**: a 1×1 convolution with fewer channels out than in, in front of a more expensive layer.
# * **MAC**: a multiply-add: one multiplication, and the addition of its product to a sum.
# * **FLOP**: a floating-point operation; a multiplication or an addition. 1 MAC = 2 FLOPs.
# * **rank**: how many rows of a matrix are independent; the others are mixtures of those.

# %% [markdown]
# ## Next
#
# Lesson 06 puts four such branches side by side: the inception module, without and with reductions.
