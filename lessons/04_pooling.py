# %% [markdown]
# # 04. Why does pooling's gradient overlap?
#
# * **Paper:** Szegedy et al. 2014, Table 1: "max pool 3×3/2" four times, and the LocalRespNorm of figure 3
# * **Review:** sections 2, "Inception Module", and 4, "Overall Architecture", where the poolings stand (Tsang 2018)
# * **You build:** max and average pooling, rounding up, LRN
# * **Picture:** a heat map of the routed gradient
# * **Time:** 15 s
#
# Between its convolutions GoogLeNet makes the picture smaller: 112, 56, 28, 14, 7 pixels along a side. **Pooling** does
# it, without any weights: of each window it keeps the largest number (**max pooling**) or the mean (**average
# pooling**), channel by channel.
#
#     max:      y[i, j] = the largest x[i·S + u - P, j·S + v - P] over u, v
#     average:  y[i, j] = (Σ_u Σ_v x[i·S + u - P, j·S + v - P]) / how many there are
#
# It looks too simple for a lesson. But GoogLeNet's windows are 3 wide and move by 2, so **they overlap**, and the last
# one sticks out. That is where home-made versions break: with 2×2 windows that move by 2, which tutorials like to take,
# neither happens.

# %% [markdown]
# ## Predict first

# %%
# 1. Windows of 3 pixels with stride 2, on 112 pixels, without padding. How many fit in entirely?
guess_fit = None

# 2. Max pooling, 3×3 windows, stride 2. In how many windows at most can one pixel be the winner?
guess_wins = None

# 3. All nine numbers of a window are equal. How many of the nine pixels get gradient from this library's max pooling?
guess_tie = None

# %% [markdown]
# ## Build it small
#
# Along one side, size - K pixels are left for the window to move over, in steps of S. Rounded down, a window that
# sticks out is dropped, and what only it would have seen is lost. Rounded **up**, it is kept and cut off at the
# border. Slices in Python do the cutting by themselves.
#
# Backward through a maximum: y *is* one of the x. If that one moves, y moves with it; the others may wiggle as they
# like. So dy goes to the winner, whole, and the others get 0. Through a mean of m numbers, each has the slope 1/m.

# %%
import numpy as np

from lessons import compare, show


def count(size, K, S, round_up):
    steps = -(-(size - K) // S) if round_up else (size - K) // S  # -(-a // b) rounds up
    return steps + 1


def max_pool(x, K, S):
    OH, OW = count(x.shape[0], K, S, True), count(x.shape[1], K, S, True)
    return np.array([[x[i * S:i * S + K, j * S:j * S + K].max() for j in range(OW)] for i in range(OH)])


def max_pool_backward(dy, x, K, S):
    dx = np.zeros_like(x)
    for i, j in np.ndindex(dy.shape):
        window = x[i * S:i * S + K, j * S:j * S + K]
        u, v = np.unravel_index(window.argmax(), window.shape)  # the first, if several are largest
        dx[i * S + u, j * S + v] += dy[i, j]
    return dx


def avg_pool_backward(dy, x, K, S):
    dx = np.zeros_like(x)
    for i, j in np.ndindex(dy.shape):
        window = dx[i * S:i * S + K, j * S:j * S + K]
        window += dy[i, j] / window.size
    return dx


x = np.array([[1.0, 2, 0, 3, 1, 4], [0, 5, 2, 1, 6, 0], [3, 1, 9, 2, 0, 7], [2, 0, 1, 8, 3, 1]])
dy = np.array([[1.0, 2, 4], [8, 16, 32]])
print("x", x, "\ny", max_pool(x, 3, 2), "\ndy", dy, "\ndx", max_pool_backward(dy, x, 3, 2), sep="\n")
print("\n112 pixels, 3/2: rounded down", count(112, 3, 2, False), " rounded up", count(112, 3, 2, True))

# %% [markdown]
# The 9 in row 2, column 2 lies in four windows at once: rows 0 to 2 and rows 2 to 3 share row 2, and columns 0 to 2
# and 2 to 4 share column 2. It wins all four, and gets 1 + 2 + 8 + 16 = 27. The 7 at the right wins the two others:
# 4 + 32 = 36. The 8, the second largest number of all, gets nothing.
#
# Why then does the gradient overlap? Because the windows do. A number that was used four times has four ways to
# change the loss, and the chain rule (lesson 03) adds them up.

# %%
dx = max_pool_backward(dy, x, 3, 2)
assert max_pool(x, 3, 2).tolist() == [[9, 9, 7], [9, 9, 7]]
assert dx[2, 2] == 1 + 2 + 8 + 16 == 27 and dx[2, 5] == 4 + 32 == 36 and dx[3, 3] == 0
assert np.sort(x, axis=None)[-2:].tolist() == [8, 9] and x[3, 3] == 8
assert dx.sum() == dy.sum() == 63  # routed, not made: nothing is lost and nothing is added
compare("windows that fit in entirely", guess_fit, count(112, 3, 2, False))
assert (count(112, 3, 2, False), count(112, 3, 2, True)) == (55, 56)

# %% [markdown]
# ## The library's own
#
# `MaxPool` and `AvgPool` take batches, channels and padding; `ceil_mode=True` rounds up. `kernels/pooling.py` is the
# fast form, `reference/pooling.py` the plain one.

# %%
from minigooglenet.gradcheck import gradcheck
from minigooglenet.layers import AvgPool, MaxPool

pool = MaxPool(3, stride=2, ceil_mode=True)
y, cache = pool.forward(x[None, :, :, None])
assert np.array_equal(y[0, :, :, 0], max_pool(x, 3, 2))
assert np.array_equal(pool.backward(dy[None, :, :, None], cache)[0, :, :, 0], dx)

mean = AvgPool(3, stride=2, ceil_mode=True)
_, cache = mean.forward(x[None, :, :, None])
assert np.allclose(mean.backward(dy[None, :, :, None], cache)[0, :, :, 0], avg_pool_backward(dy, x, 3, 2))

up, down = [112], [112]
for sizes, ceil_mode in ((up, True), (down, False)):
    for _ in range(4):
        sizes.append(MaxPool(3, 2, ceil_mode=ceil_mode).output_shape((sizes[-1], sizes[-1], 64))[0])
print("rounded up:  ", *up, "\nrounded down:", *down)
assert up == [112, 56, 28, 14, 7] and down == [112, 55, 27, 13, 6]

rng = np.random.default_rng(4)
pictures = rng.standard_normal((2, 6, 9, 3))
for layer in (pool, mean, MaxPool(3, 1, 1), AvgPool(3, 1, 1)):
    report = gradcheck(layer, pictures, rng)
    print(f"{layer.describe():<18} pad {layer.pad[0]}: {report.entries} numbers checked, "
          f"largest error {report.worst:.0e}")
    assert report.ok

# %% [markdown]
# Rounded down, GoogLeNet would end at 6×6 pixels and not at the 7×7 that Table 1 prints. Two more rules, for padding.
# In a **max**, padding counts as -∞, since with 0 it would beat every negative number. In a **mean** it counts as 0,
# and as a pixel; but what a window sees beyond the padding, because sizes were rounded up, does not count at all:

# %%
negative = np.full((1, 4, 5, 1), -1.0)
print("max of -1, pad 1:", np.unique(MaxPool(3, 1, 1).predict(negative)))
print("mean of 1, pad 1, a corner:", AvgPool(3, 1, 1).predict(-negative)[0, 0, 0, 0].round(4), "= 4/9")
print("mean of 1, no padding, rounded up:", np.unique(mean.predict(-negative)))
assert (MaxPool(3, 1, 1).predict(negative) == -1).all() and (mean.predict(-negative) == 1).all()
assert np.isclose(AvgPool(3, 1, 1).predict(-negative)[0, 0, 0, 0], 4 / 9)

# %% [markdown]
# **Ties.** When several numbers of a window are equally large, any of them may be called the winner, but only *one*.
# The library takes the first in reading order. Ties are no rarity: pooling often follows a ReLU, and where all is 0,
# all are equal. There the choice does not even matter, because the ReLU stops the gradient wherever it gave 0.

# %%
flat = np.ones((1, 3, 3, 1))
_, cache = pool.forward(flat)
routed = pool.backward(np.ones((1, 1, 1, 1)), cache)[0, :, :, 0]
print("a window of nine ones:", *routed, sep="\n")
compare("pixels that get gradient from a window of nine equal numbers", guess_tie, int(np.count_nonzero(routed)))
assert routed[0, 0] == 1 and routed.sum() == 1

peak = np.zeros((1, 7, 9, 1))
peak[0, 2, 4] = 1
y, cache = pool.forward(peak)
won = pool.backward(np.ones_like(y), cache)[0, 2, 4, 0]
compare("windows that one pixel can win", guess_wins, int(won))
assert won == 4

# %% [markdown]
# **LRN.** GoogLeNet has one more kind of layer whose windows overlap: local response normalisation, after the first
# pooling and before the second. Its windows run *across the channels* of one pixel. A number is divided by a measure of
# how large the n numbers around it are, itself among them:
#
#     s_i = k + (α/n) · Σ_j x_j²        y_i = x_i · s_i^-β            j runs over the n channels around i
#
# By hand, with n = 3, α = 3, β = 1 and k = 1, for three channels 1, 2, 0: s = (1 + 1 + 4, 1 + 1 + 4 + 0, 1 + 4 + 0)
# = (6, 6, 5), and y = (1/6, 2/6, 0).
#
# Backward, x_m acts on its own y_m directly, and on every y_i around it through s_i. The chain rule adds both. With
# ∂s_i/∂x_m = 2 (α/n) x_m and the derivative of s^-β, which is -β s^(-β - 1):
#
#     dx_m = dy_m · s_m^-β  -  2 (α/n) β · x_m · Σ_i dy_i · x_i · s_i^(-β - 1)            i around m
#
# The overlap again, as a sum over all that looked at x_m.

# %%
from minigooglenet.layers import LRN


def around(a, n):
    """The sum over the n channels around each; a (channels,)."""
    return np.array([a[max(0, i - n // 2):i + n // 2 + 1].sum() for i in range(len(a))])


def lrn_backward(dy, x, n, alpha, beta, k):
    s = k + alpha / n * around(x**2, n)
    return dy * s**-beta - 2 * alpha / n * beta * x * around(dy * x * s ** (-beta - 1), n)


channels, by_hand = np.array([1.0, 2, 0]), LRN(size=3, alpha=3, beta=1, k=1)
y, cache = by_hand.forward(channels.reshape(1, 1, 1, 3))
print("y", y.ravel(), "= 1/6, 2/6, 0")
d = np.array([1.0, -2, 3])
assert np.allclose(y.ravel(), [1 / 6, 2 / 6, 0])
assert np.allclose(by_hand.backward(d.reshape(1, 1, 1, 3), cache).ravel(), lrn_backward(d, channels, 3, 3, 1, 1))
assert gradcheck(LRN(), 10 * rng.standard_normal((2, 3, 4, 7)), rng).ok

hundreds = LRN().predict(np.full((1, 1, 1, 7), 100.0))[0, 0, 0, 3]
print(f"GoogLeNet's constants (n 5, α 1e-4, β 0.75, k 1) turn 100 among 100s into {hundreds:.1f}")
assert np.isclose(hundreds, 100 / 2**0.75) and round(hundreds, 1) == 59.5

# %% [markdown]
# ## The picture
#
# A soft random picture, pooled with 3×3/2, rounded up. Every window gets dy = 1; the colour says how much of it
# arrives at each pixel. Two windows are outlined. They share a column, and in it the dot marks the winner of both.

# %% tags=["figure"]
from minigooglenet.pictures.style import COLOURS, figure

noise = np.random.default_rng(8).standard_normal((12, 18))
soft = sum(np.roll(noise, (a, b), (0, 1)) for a in (-1, 0, 1) for b in (-1, 0, 1))[1:-1, 1:-1]  # 10 high, 16 wide
batch = soft[None, :, :, None]
arrived = {}
for name, layer in (("average", mean), ("max", pool)):
    y, cache = layer.forward(batch)
    arrived[name] = layer.backward(np.ones_like(y), cache)[0, :, :, 0]
windows = y.size

fig, axes = figure(1, 3, width=8, height=2.0)
axes[0].imshow(soft, cmap="Greys_r")
axes[0].set_title("x, and two of its windows")
axes[0].plot(8, 2, "o", color="black", markersize=5)
axes[1].imshow(arrived["average"], cmap="Blues", vmin=0, vmax=1.2)
axes[1].set_title("average pooling: dx")
axes[2].imshow(arrived["max"], cmap="Blues", vmin=0, vmax=5)
axes[2].set_title("max pooling: dx")
for (i, j), times in np.ndenumerate(arrived["max"]):
    if times:
        axes[2].text(j, i, f"{times:.0f}", ha="center", va="center", fontsize=8,
                     color="white" if times > 2 else "black")
for ax in axes:
    for left, colour in ((5.5, COLOURS[1]), (7.5, COLOURS[4])):
        ax.plot([left, left + 3, left + 3, left, left], [1.5, 1.5, 4.5, 4.5, 1.5], color=colour, linewidth=1.8)
    ax.set(xticks=[], yticks=[])
    ax.spines[["top", "right"]].set_visible(True)
show(fig, "04_routed_gradient", f"Three pictures of 10 by 16 pixels. Average pooling spreads the gradient of {windows} "
     "windows in a regular pattern, darker where windows meet and where they are cut. Max pooling hands it to a few "
     "winners, some of which get the gradient of four windows.")
winners = np.count_nonzero(arrived["max"])
print(f"{windows} windows; both gradients sum to {arrived['average'].sum():.0f} and {arrived['max'].sum():.0f}; "
      f"max pooling has {winners} winners")
assert np.isclose(arrived["average"].sum(), windows) and arrived["max"].sum() == windows == 5 * 8 > winners
assert arrived["max"].max() == arrived["max"][2, 8] == 4
assert soft[2:5, 6:9].max() == soft[2:5, 8:11].max() == soft[2, 8]

# %% [markdown]
# Both hand on the same total, one for each window. Average pooling spreads it in a fixed pattern: every second row
# and column belongs to two windows, and where a window is cut, at the right and below, each of its pixels gets more.
# Max pooling concentrates it. Few pixels learn from an example, but those learn strongly: the ones that the network
# really looked at.

# %% [markdown]
# ## Exercises
#
# Write them in `lessons/exercises/04_pooling.py`, then run `make check N=4`. Stuck? `make check N=4 HINT=1`.
#
# 1. `pooled_size(size, K, S, P, ceil_mode)`: how many windows, with padding, rounded up or down. There is one catch: a
#    window that would begin beyond the picture and its leading padding does not count.
# 2. `max_pool_backward(dy, x, K, S, P)`: for batches, channels and padding, with windows that overlap, ties, and
#    windows that are cut at the border.
# 3. `avg_pool_backward(dy, shape, K, S, P)`: the same for the mean, with the right divisor.

# %% [markdown]
# ## If you got …
#
# | you got | the usual cause |
# |---|---|
# | dx[2, 2] = 16 in place of 27 | `=` for `+=`: the last window overwrote the others |
# | nine times too much gradient where all is equal | `x == y` marks every pixel of a tie; one only may win |
# | 55, 27, 13, 6 | rounded down: `ceil_mode` is missing |
# | 0 as the maximum of negative numbers | padding counted as 0, not as -∞ |
# | means too small along the right and lower border | divided by K·K where the window was cut |
# | an `IndexError` at the last row | the last window sticks out: cut it at H |

# %%
overwritten = np.zeros_like(x)
for i, j in np.ndindex(dy.shape):
    window = x[i * 2:i * 2 + 3, j * 2:j * 2 + 3]
    u, v = np.unravel_index(window.argmax(), window.shape)
    overwritten[i * 2 + u, j * 2 + v] = dy[i, j]
every_tie = (flat == flat.max()).sum()
print("with = in place of +=:", overwritten[2, 2], "  with x == y:", every_tie, "times the gradient")
assert overwritten[2, 2] == 16 and every_tie == 9

# %% [markdown]
# ## Where books and libraries get this wrong
#
# * **Only 2×2/2 is tested.** There no windows overlap, so `=` passes for `+=`. Solutions to a well-known course had
#   just that (a CS231n solution, 0809zheng, issue 19), and so had a library (joey, issue 5).
# * **Floor or ceil?** Caffe's pooling rounds up; PyTorch's rounds down unless told otherwise, and torchvision's
#   GoogLeNet sets `ceil_mode=True` (vision, issue 678, is about what that does).
# * **"Padding 1 gives the same."** It gives the same *size*: 56. But then windows begin at -1, 1, 3 …, not at 0, 2, 4
#   …, and see other pixels. With weights trained the other way the network gets worse, quietly.
# * **Zero padding in a maximum.** Harmless after a ReLU, wrong anywhere else, and not seen by tests without padding.
# * **The divisor.** Caffe counts padding and so does PyTorch (`count_include_pad=True`); TensorFlow does not.
#   GoogLeNet's average poolings have no padding, so no harm is done there.
# * **LRN's α.** Caffe divides it by n and has k = 1; the AlexNet paper, where LRN comes from, does not divide and has
#   k = 2 (Krizhevsky et al. 2012, section 3.3). The same "α = 1e-4" is five times apart.

# %%
photo = rng.standard_normal((1, 112, 112, 2))
padded, cut = MaxPool(3, 2, pad=1).predict(photo), pool.predict(photo)
same = np.mean(padded == cut)
print("padding 1, rounded down:", padded.shape, " no padding, rounded up:", cut.shape, f" equal numbers: {same:.0%}")
assert padded.shape == cut.shape == (1, 56, 56, 2) and same < 0.6

# %% [markdown]
# ## Recap
#
# 1. Max pooling sends each window's dy to its winner, average pooling to all its pixels in equal parts.
# 2. 3×3 windows with stride 2 overlap: a pixel may be in four of them, and its gradient is the sum.
# 3. GoogLeNet rounds up: 112, 56, 28, 14, 7; the last window is cut at the border.
# 4. One winner per window, the first of a tie; padding is -∞ for a maximum and 0 for a mean.
# 5. LRN overlaps across channels: each number acts on its own output and on its neighbours'.

# %% [markdown]
# ## Glossary
#
# * **pooling**: one number for each window of each channel, without weights.
# * **max pooling**: keeping the largest number of each window.
# * **average pooling**: keeping the mean of each window.
# * **ceil_mode**: rounding the number of windows up, as Caffe does, and cutting the last one at the border.
# * **tie**: several numbers of a window that are equally large.
# * **LRN**: local response normalisation: dividing by the size of the neighbouring channels (Krizhevsky et al. 2012).

# %% [markdown]
# ## Next
#
# Lesson 05 meets the smallest convolution there is, 1×1, and finds out why GoogLeNet could not do without it.
