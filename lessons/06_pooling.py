# %% [markdown]
# # 06. Why does pooling's gradient overlap?
#
# * **Paper:** Szegedy et al. 2014, Table 1: "max pool 3×3/2" four times, and the LocalRespNorm of figure 3
# * **Review:** the pooling layers in sections 2, "Inception Module", and 4, "Overall Architecture" (Tsang 2018)
# * **You build:** max and average pooling, rounding up, LRN
# * **Figure:** a heat map of the routed gradient
# * **Time:** 15 s
#
# Between its convolutions GoogLeNet reduces the image size: 112, 56, 28, 14, 7 pixels in each dimension. **Pooling**
# does this without any weights. In each channel separately, it keeps the largest value of each window (**max pooling**)
# or the mean (**average pooling**):
#
#     max:      y[i, j] = the largest x[i·S + u - P, j·S + v - P] over u, v
#     average:  y[i, j] = the mean of x[i·S + u - P, j·S + v - P] over u, v
#
# It looks too simple for a lesson. But GoogLeNet's windows are 3 wide and move by 2, so **they overlap**, and the last
# one extends past the border. This is where simple implementations fail. The 2×2 windows with stride 2 of most
# tutorials do neither.

# %% [markdown]
# ## Predict first

# %%
# 1. Windows of 3 pixels with stride 2, on 112 pixels, without padding. How many fit completely?
guess_fit = None

# 2. Max pooling, 3×3 windows, stride 2. In how many windows at most can one pixel be the maximum?
guess_wins = None

# 3. All nine values of a window are equal. How many of the nine pixels get gradient from this library's max pooling?
guess_tie = None

# %% [markdown]
# ## Build it small
#
# Along one dimension, the window can move by size - K pixels, in steps of S. When that is rounded down, a window that
# extends past the border is dropped, and pixels that only this window contains are lost. When it is rounded **up**, the
# window is kept and clipped at the border. Python slices do the clipping automatically.
#
# Backward through a maximum: y *is* one of the x. If that x changes, y changes with it; small changes of the others
# have no effect. So the maximum gets all of dy, and the others get 0. For a mean of m values, each has the derivative
# 1/m.

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
# The 9 in row 2, column 2 lies in four windows: rows 0 to 2 and rows 2 to 3 share row 2, and columns 0 to 2 and 2 to 4
# share column 2. It is the maximum of all four, and gets 1 + 2 + 8 + 16 = 27. The 7 at the right is the maximum of the
# other two: 4 + 32 = 36. The 8, the second-largest value overall, gets nothing.
#
# So the gradient overlaps because the windows do. A value that is used four times affects the loss in four ways, and
# the chain rule (lesson 04) adds them up.

# %%
dx = max_pool_backward(dy, x, 3, 2)
assert max_pool(x, 3, 2).tolist() == [[9, 9, 7], [9, 9, 7]]
assert dx[2, 2] == 1 + 2 + 8 + 16 == 27 and dx[2, 5] == 4 + 32 == 36 and dx[3, 3] == 0
assert np.sort(x, axis=None)[-2:].tolist() == [8, 9] and x[3, 3] == 8
assert dx.sum() == dy.sum() == 63 and dy[1, 1] == 16  # routing preserves the sum
compare("windows that fit completely", guess_fit, count(112, 3, 2, False))
assert (count(112, 3, 2, False), count(112, 3, 2, True)) == (55, 56)

# %% [markdown]
# ## In the library
#
# `MaxPool` and `AvgPool` support batches, channels and padding; `ceil_mode=True` rounds up. Their kernels are in
# `kernels/max_pool.py` and `kernels/avg_pool.py`: the plain NumPy form first, then the compiled one.

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
images = rng.standard_normal((2, 6, 9, 3))
for layer in (pool, mean, MaxPool(3, 1, 1), AvgPool(3, 1, 1)):
    report = gradcheck(layer, images, rng)
    print(f"{layer.describe():<18} pad {layer.pad[0]}: {report.entries} elements checked, "
          f"largest error {report.worst:.0e}")
    assert report.ok

# %% [markdown]
# With rounding down, GoogLeNet would end with 6×6 pixels, not the 7×7 of Table 1. Padding needs two more rules. For a
# **maximum**, padding counts as -∞, since 0 would exceed every negative value. For a **mean**, padding counts as 0, and
# as a pixel. But what a window covers beyond the padding, because of rounding up, does not count at all:

# %%
negative = np.full((1, 4, 5, 1), -1.0)
print("max of -1, pad 1:", np.unique(MaxPool(3, 1, 1).predict(negative)))
print("mean of 1, pad 1, at a corner:", AvgPool(3, 1, 1).predict(-negative)[0, 0, 0, 0].round(4), "= 4/9")
print("mean of 1, no padding, rounded up:", np.unique(mean.predict(-negative)))
assert (MaxPool(3, 1, 1).predict(negative) == -1).all() and (mean.predict(-negative) == 1).all()
assert np.isclose(AvgPool(3, 1, 1).predict(-negative)[0, 0, 0, 0], 4 / 9)

# %% [markdown]
# **Ties.** When several values of a window are equally large, any of them may be chosen as the maximum, but only *one*.
# The library takes the first in reading order. Ties are common: pooling often follows a ReLU, and where all values are
# 0, all are equal. There the choice does not matter, because the ReLU blocks the gradient wherever its output is 0.

# %%
flat = np.ones((1, 3, 3, 1))
_, cache = pool.forward(flat)
routed = pool.backward(np.ones((1, 1, 1, 1)), cache)[0, :, :, 0]
print("the gradient of a window of nine ones:", *routed, sep="\n")
compare("pixels that get gradient from a window of nine equal values", guess_tie, int(np.count_nonzero(routed)))
assert routed[0, 0] == 1 and routed.sum() == 1 and (flat == flat.max()).sum() == 9

peak = np.zeros((1, 7, 9, 1))
peak[0, 2, 4] = 1
y, cache = pool.forward(peak)
windows_won = pool.backward(np.ones_like(y), cache)[0, 2, 4, 0]
compare("windows in which one pixel can be the maximum", guess_wins, int(windows_won))
assert windows_won == 4

# %% [markdown]
# **LRN.** GoogLeNet has one more kind of layer whose windows overlap: local response normalization, after the first
# pooling layer and before the second. Its windows run *across the channels* of one pixel. Each value is divided by a
# measure of the size of the n values around it, including itself:
#
#     s_i = k + (α/n) · Σ_j x_j²        y_i = x_i · s_i^-β            j runs over the n channels around i
#
# By hand, with n = 3, α = 3, β = 1 and k = 1, for the three channels 1, 2, 0: s = (1 + 1 + 4, 1 + 1 + 4 + 0, 1 + 4 + 0)
# = (6, 6, 5), and y = (1/6, 2/6, 0).
#
# Backward, x_m affects its own y_m directly, and every nearby y_i through s_i. The chain rule adds both. With ∂s_i/∂x_m
# = 2 (α/n) x_m and the derivative of s^-β, which is -β s^(-β - 1):
#
#     dx_m = dy_m · s_m^-β  -  2 (α/n) β · x_m · Σ_i dy_i · x_i · s_i^(-β - 1)            i around m
#
# This is overlap again: a sum over all outputs that depend on x_m.

# %%
from minigooglenet.layers import LRN


def around(a, n):
    """For each channel, the sum over the n channels around it; a (channels,)."""
    return np.array([a[max(0, i - n // 2):i + n // 2 + 1].sum() for i in range(len(a))])


def lrn_backward(dy, x, n, alpha, beta, k):
    s = k + alpha / n * around(x**2, n)
    return dy * s**-beta - 2 * alpha / n * beta * x * around(dy * x * s ** (-beta - 1), n)


channels, lrn = np.array([1.0, 2, 0]), LRN(size=3, alpha=3, beta=1, k=1)
y, cache = lrn.forward(channels.reshape(1, 1, 1, 3))
print("y", y.ravel(), "= 1/6, 2/6, 0")
d = np.array([1.0, -2, 3])
assert np.allclose(y.ravel(), [1 / 6, 2 / 6, 0])
assert np.allclose(lrn.backward(d.reshape(1, 1, 1, 3), cache).ravel(), lrn_backward(d, channels, 3, 3, 1, 1))
assert gradcheck(LRN(), 10 * rng.standard_normal((2, 3, 4, 7)), rng).ok

hundreds = LRN().predict(np.full((1, 1, 1, 7), 100.0))[0, 0, 0, 3]
print(f"GoogLeNet's constants (n 5, α 1e-4, β 0.75, k 1) turn 100 among 100s into {hundreds:.1f}")
assert np.isclose(hundreds, 100 / 2**0.75) and round(hundreds, 1) == 59.5

# %% [markdown]
# **Estimate, then measure.** Pooling multiplies nothing. Is it free? After conv1, each of 56·56·64 outputs takes nine
# comparisons: 1.5 % of conv1's multiply-adds. But its whole input has to be read. And the backward pass has to know
# where each maximum was. The library keeps x and y, and searches again; a number from 0 to 8 per window would do.

# %%
import timeit

from minigooglenet.layers import Conv

conv1 = Conv(C=3, F=64, kernel=7, stride=2, pad=3, rng=rng)
photo = rng.standard_normal((1, 224, 224, 3), dtype=np.float32)
maps = conv1.predict(photo)
pooled, comparisons = pool.predict(maps), pool.other_ops(maps.shape[1:])
conv_time, pool_time = (min(timeit.repeat(run, number=1, repeat=5)) for run in (
    lambda: conv1.predict(photo), lambda: pool.predict(maps)))
print(f"{comparisons:,} comparisons: {comparisons / conv1.macs((224, 224, 3)):.1%} of the operations, "
      f"{pool_time / conv_time:.0%} of the time")
print(f"kept: {(maps.nbytes + pooled.nbytes) / 1e6:.1f} MB; one byte for each window: {pooled.size / 1e6:.1f} MB")
assert comparisons == 9 * 56 * 56 * 64 and round(comparisons / conv1.macs((224, 224, 3)), 3) == 0.015
assert (maps.nbytes + pooled.nbytes, pooled.size) == (4_014_080, 200_704)

# %% [markdown]
# ## The figure
#
# A smooth random image, pooled with 3×3/2, rounded up. Every window gets dy = 1; the color shows how much of it reaches
# each pixel. Two windows are outlined. They share a column, in which the dot marks the maximum of both.

# %% tags=["figure"]
from minigooglenet.figures.style import COLORS, figure

noise = np.random.default_rng(8).standard_normal((12, 18))
soft = sum(np.roll(noise, (a, b), (0, 1)) for a in (-1, 0, 1) for b in (-1, 0, 1))[1:-1, 1:-1]  # 10 high, 16 wide
batch = soft[None, :, :, None]
gradients = {}
for name, layer in (("average", mean), ("max", pool)):
    y, cache = layer.forward(batch)
    gradients[name] = layer.backward(np.ones_like(y), cache)[0, :, :, 0]
windows = y.size

fig, axes = figure(1, 3, width=8, height=2.0)
axes[0].imshow(soft, cmap="Grays_r")
axes[0].set_title("x and two of its windows")
axes[0].plot(8, 2, "o", color="black", markersize=5)
axes[1].imshow(gradients["average"], cmap="Blues", vmin=0, vmax=1.2)
axes[1].set_title("average pooling: dx")
axes[2].imshow(gradients["max"], cmap="Blues", vmin=0, vmax=5)
axes[2].set_title("max pooling: dx")
for (i, j), value in np.ndenumerate(gradients["max"]):
    if value:
        axes[2].text(j, i, f"{value:.0f}", ha="center", va="center", fontsize=8,
                     color="white" if value > 2 else "black")
for ax in axes:
    for left, color in ((5.5, COLORS[1]), (7.5, COLORS[4])):
        ax.plot([left, left + 3, left + 3, left, left], [1.5, 1.5, 4.5, 4.5, 1.5], color=color, linewidth=1.8)
    ax.set(xticks=[], yticks=[])
    ax.spines[["top", "right"]].set_visible(True)
show(fig, "06_routed_gradient", f"Three images of 10 by 16 pixels. Average pooling spreads the gradient of {windows} "
     "windows in a regular pattern, darker where windows overlap and where they are clipped. Max pooling sends it to a "
     "few pixels, some of which get the gradient of four windows.")
maxima = np.count_nonzero(gradients["max"])
print(f"{windows} windows; the gradients sum to {gradients['average'].sum():.0f} and {gradients['max'].sum():.0f}; "
      f"with max pooling, {maxima} pixels get gradient")
assert np.isclose(gradients["average"].sum(), windows) and gradients["max"].sum() == windows == 5 * 8 > maxima
assert gradients["max"].max() == gradients["max"][2, 8] == 4
assert soft[2:5, 6:9].max() == soft[2:5, 8:11].max() == soft[2, 8]

# %% [markdown]
# Both distribute the same total, 1 per window. Average pooling spreads it in a fixed pattern: every second row and
# column belongs to two windows, and where a window is clipped, at the right and bottom, each of its pixels gets more.
# Max pooling concentrates it: few pixels receive gradient, but these receive much, and they are the ones that
# determined the output.

# %% [markdown]
# ## Exercises
#
# Write them in `lessons/exercises/06_pooling.py`, then run `make check N=6`. Stuck? `make check N=6 HINT=1`.
#
# 1. `pooled_size(size, K, S, P, ceil_mode)`: the number of windows, with padding, rounded up or down. There is one
#    catch: a window that would start beyond the image and its leading padding does not count.
# 2. `max_pool_backward(dy, x, K, S, P)`: for batches, channels and padding, with overlapping windows, ties, and windows
#    that are clipped at the border.
# 3. `avg_pool_backward(dy, shape, K, S, P)`: the same for the mean, with the right divisor.

# %% [markdown]
# ## If you got …
#
# | you got | the usual cause |
# |---|---|
# | dx[2, 2] = 16 instead of 27 | `=` instead of `+=`: the last window overwrote the others |
# | nine times too much gradient where all values are equal | `x == y` marks every pixel of a tie; only one may count |
# | 55, 27, 13, 6 | rounded down: `ceil_mode` is missing |
# | 0 as the maximum of negative values | padding counted as 0, not as -∞ |
# | means too small along the right and bottom border | divided by K·K where the window was clipped |
# | an `IndexError` at the last row | the last window extends past the border: clip it at H |

# %% [markdown]
# ## Where books and libraries get this wrong
#
# * **Testing only 2×2/2.** Its windows do not overlap, so `=` passes for `+=`. Solutions to a well-known course had
#   exactly this bug (a CS231n solution, 0809zheng, issue 19), and so did a library (joey, issue 5).
# * **Floor or ceil?** Caffe's pooling rounds up; PyTorch's rounds down by default, and torchvision's GoogLeNet sets
#   `ceil_mode=True` (vision, issue 678, is about its effect).
# * **"Padding 1 gives the same."** It gives the same *size*: 56. But then windows start at -1, 1, 3 …, not at 0, 2, 4
#   …, and contain other pixels. With weights that were trained the other way, accuracy drops silently.
# * **Zero padding for a maximum.** Harmless after a ReLU, wrong anywhere else, and missed by tests without padding.
# * **The divisor.** Caffe counts padding, and so does PyTorch (`count_include_pad=True`); TensorFlow does not. It makes
#   no difference for GoogLeNet, whose average pooling has no padding.
# * **LRN's α.** Caffe divides it by n and has k = 1; the AlexNet paper, which introduced LRN, does not divide and has k
#   = 2 (Krizhevsky et al. 2012, section 3.3). The same "α = 1e-4" differs by a factor of five.

# %%
image = rng.standard_normal((1, 112, 112, 2))
padded, clipped = MaxPool(3, 2, pad=1).predict(image), pool.predict(image)
same = np.mean(padded == clipped)
print("padding 1, rounded down:", padded.shape, " no padding, rounded up:", clipped.shape, f" equal values: {same:.0%}")
assert padded.shape == clipped.shape == (1, 56, 56, 2) and same < 0.6

# %% [markdown]
# ## Recap
#
# 1. Max pooling sends each window's dy to its maximum; average pooling splits it equally among all its pixels.
# 2. 3×3 windows with stride 2 overlap: a pixel may lie in four of them, and its gradient is the sum.
# 3. GoogLeNet rounds up: 112, 56, 28, 14, 7; the last window is clipped at the border.
# 4. Each window has one maximum, the first of a tie; padding is -∞ for a maximum and 0 for a mean.
# 5. LRN overlaps across channels: each value affects its own output and those of its neighbors.

# %% [markdown]
# ## Glossary
#
# * **pooling**: reducing each window of each channel to one value, without weights.
# * **max pooling**: keeping the largest value of each window.
# * **average pooling**: keeping the mean of each window.
# * **ceil_mode**: rounding the number of windows up, as Caffe does, and clipping the last one at the border.
# * **tie**: several equally large values in a window.
# * **LRN**: local response normalization: dividing by the size of the neighboring channels (Krizhevsky et al. 2012).

# %% [markdown]
# ## Next
#
# Lesson 07 covers the smallest convolution, 1×1, and shows why GoogLeNet depends on it.
