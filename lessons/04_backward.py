# %% [markdown]
# # 04. How do gradients flow back?
#
# * **Paper:** Szegedy et al. 2014, section 5: "propagate gradients back through all the layers in an effective manner"
# * **Review:** the background of section 5, "Auxiliary Classifiers for Training" (Tsang 2018)
# * **You build:** the backward pass of convolution, ReLU and dense; a gradient check
# * **Figure:** error against ε: the V
# * **Time:** 20 s
#
# Training adjusts millions of weights to reduce one number, the **loss** L, which measures how wrong the network is.
# For each weight it needs to know how L changes when the weight changes a little. That is the derivative dL/dw, and all
# of these derivatives together are the **gradient**. (∂ in place of d: all other variables are held fixed.)
#
# A network is a sequence of layers, so there is an efficient way to compute all of them. Let a layer compute y from x.
# If we already know `dy`, short for dL/dy, the chain rule gives `dx`, which is the `dy` of the previous layer:
#
#     dx[k] = Σ_m  dy[m] · ∂y[m]/∂x[k]            the sum runs over all outputs m that depend on x[k]
#
# So the backward pass visits the layers in reverse order. Each layer passes dx on, and computes the gradient of its own
# weights in the same way. After three layers, the rest of this lesson is about one question that matters more than the
# formulas: **how do you know that your gradient is right?**

# %% [markdown]
# ## Predict first

# %%
# 1. A dense layer gets x = (1, 2, 3) and has two outputs, for which dy = (1, 10). What is the gradient of the weight
#    from the third input to the second output?
guess_weight = None

# 2. A convolution has 3×3 windows, stride 1 and 8 filters. How many products are summed in the gradient of a pixel in
#    the interior of the image?
guess_products = None

# 3. You check a gradient with ε = 0.00001. Then you make ε a hundred thousand times smaller. Does the check get
#    "better" or "worse"?
guess_smaller = None

# %% [markdown]
# ## Build it small
#
# First the dense layer, y = x w + b. Input k reaches output m through one weight, so ∂y[m]/∂x[k] = w[k, m]. The weight
# w[k, m] affects only y[m], with derivative x[k]; for the bias b[m] it is 1. (ᵀ exchanges rows and columns.)
#
#     dx = dy wᵀ        dw = xᵀ dy        db = the sum of dy over the batch
#
# ReLU, y = max(x, 0), passes dy where y > 0 and blocks it elsewhere. And the convolution? Each time a pixel and a
# weight *meet* in a window, the forward pass computes y += x · w. In the backward pass, each meeting adds dy · w to the
# gradient of the pixel and dy · x to the gradient of the weight. The loop stays the same:

# %%
import timeit

import numpy as np

from lessons import compare, show


def dense_backward(dy, x, w):
    return dy @ w.T, x.T @ dy, dy.sum(axis=0)


def relu_backward(dy, y):
    return np.where(y > 0, dy, 0.0)


def convolve(x, w):
    """x (H, W), w (KH, KW), stride 1, no padding."""
    y = np.zeros((x.shape[0] - w.shape[0] + 1, x.shape[1] - w.shape[1] + 1))
    for i, j in np.ndindex(y.shape):
        for u, v in np.ndindex(w.shape):
            y[i, j] += x[i + u, j + v] * w[u, v]
    return y


def convolve_backward(dy, x, w):
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for i, j in np.ndindex(dy.shape):
        for u, v in np.ndindex(w.shape):
            dx[i + u, j + v] += dy[i, j] * w[u, v]
            dw[u, v] += dy[i, j] * x[i + u, j + v]
    return dx, dw


x = np.arange(1.0, 13.0).reshape(3, 4)  # image and weights of lesson 02
w = np.array([[1.0, 2.0], [0.0, 3.0]])
dy = np.array([[1.0, 0.0, 0.0], [0.0, 10.0, 0.0]])
dx, dw = convolve_backward(dy, x, w)
_, dw_dense, _ = dense_backward(np.array([[1.0, 10.0]]), np.array([[1.0, 2.0, 3.0]]), np.ones((3, 2)))
print("dy", dy, "dx", dx, "dw", dw, "dense: dw", dw_dense, sep="\n")

# %% [markdown]
# By hand: dy is nonzero for two windows. The first, with dy = 1, adds the weights 1 2 / 0 3 to the pixels at the top
# left. The other, one row down and one column to the right, adds ten times the weights. The pixel in row 1, column 1
# receives both: 3 + 10 = 13. They **add up**, since the pixel was used twice.
#
# Is it right? L is a function of x. Move one element of x up by ε and down by ε, and compare the two values of L:
#
#     dL/dx[k]  ≈  (L(x + ε at k) - L(x - ε at k)) / 2ε          the central difference
#
# Here L = Σ dy · y. Its derivative with respect to y is dy, which is exactly what we passed in.

# %%
assert dx.tolist() == [[1, 2, 0, 0], [0, 13, 20, 0], [0, 0, 30, 0]] and dx[1, 1] == 3 + 10
assert dw.tolist() == [[61, 72], [105, 116]] and w[::-1, ::-1].tolist() == [[3, 0], [2, 1]]


def slope(L, a, k, eps=1e-6):
    """dL/da[k] by a central difference, for a function L of the array a."""
    up, down = a.copy(), a.copy()
    up[k] += eps
    down[k] -= eps
    return (L(up) - L(down)) / (2 * eps)


found = slope(lambda a: (dy * convolve(a, w)).sum(), x, (1, 1)), slope(lambda a: (dy * convolve(x, a)).sum(), w, (0, 1))
print("dL/dx[1, 1] and dL/dw[0, 1] by central differences:", np.array(found))
assert np.allclose(found, (dx[1, 1], dw[0, 1]))
compare("the gradient of that weight", guess_weight, dw_dense[2, 1])
assert dw_dense[2, 1] == 3 * 10 == 30

# %% [markdown]
# ## In the library
#
# `minigooglenet/layers/conv.py` has no loops. With the windows of x as the rows of X (lesson 02), Y = X w + b is a
# dense layer, so its gradients are those of a dense layer:
#
#     dw = Xᵀ dY        db = the sum of dY's rows        dX = dY wᵀ, and dx = col2im(dX)
#
# col2im adds where windows overlap, like the 3 + 10 above. The reference implementation,
# `minigooglenet/kernels/naive_conv.py`, has all three as plain loops.

# %%
from minigooglenet.kernels.naive_conv import convolve_dw, convolve_dx
from minigooglenet.layers import Conv, Dense, ReLU

rng = np.random.default_rng(3)
conv = Conv(C=3, F=8, kernel=3, pad=1, rng=rng, dtype="float64")
images = rng.standard_normal((2, 5, 6, 3))
y, cache = conv.forward(images)
dy = rng.standard_normal(y.shape)
dx = conv.backward(dy, cache)
print("x", images.shape, " y", y.shape, " dx", dx.shape, " dw", conv.grads["w"].shape)

dw, db = convolve_dw(dy, images, conv.kernel, conv.stride, conv.pad)
assert np.allclose(dx, convolve_dx(dy, conv.params["w"], images.shape, conv.stride, conv.pad))
assert np.allclose(conv.grads["w"], dw) and np.allclose(conv.grads["b"], db)
assert np.array_equal(relu_backward(dy, np.maximum(y, 0)), ReLU().backward(dy, ReLU().forward(y)[1]))

ones = convolve_dx(np.ones((1, 5, 6, 8)), np.ones((3, 3, 3, 8)), (1, 5, 6, 3), (1, 1), (1, 1))
compare("products in the gradient of an interior pixel", guess_products, int(ones[0, 2, 2, 0]))
assert ones[0, 2, 2, 0] == 3 * 3 * 8 == 72

# %% [markdown]
# Two conventions prevent bugs. `backward` **adds** to `grads`, so a weight that is used twice gets both gradients, and
# `zero_grads` resets them before the next batch. And gradients are sums over the batch: only the loss takes the mean.
#
# **Estimate, then measure.** dw and dX are products of the same size as Y = X w. So the backward pass should take twice
# as long as the forward pass, and x must be kept for it. By differences, the same gradient takes two forward passes for
# *each* weight.

# %%
from minigooglenet.flops import count

conv.backward(dy, cache)
assert np.allclose(conv.grads["w"], 2 * dw)
conv.zero_grads()
assert not conv.grads["w"].any()
layer, batch = Conv(C=64, F=64, kernel=3, pad=1, rng=rng), rng.standard_normal((8, 28, 28, 64), dtype=np.float32)
z, kept = layer.forward(batch)
ahead, back = (min(timeit.repeat(run, number=1, repeat=5)) for run in (
    lambda: layer.forward(batch), lambda: layer.backward(z, kept)))
print(f"forward {1000 * ahead:.1f} ms; backward {back / ahead:.1f} times as long; kept: {kept.nbytes / 1e6:.1f} MB")
print(f"GoogLeNet's gradient by differences: {2 * count('googlenet').params:,} forward passes; backward: about two")
assert kept is batch and 2 * count("googlenet").params == 13_997_104

# %% [markdown]
# `minigooglenet.gradcheck.gradcheck` checks every element of every array as we did. It reports errors relative to the
# largest gradient of the array, since tiny gradients are mostly rounding error. L is Σ dy · y with a **random** dy, and
# that matters. This convolution's backward pass flips dy vertically. With a dy of all ones, the check does not notice.

# %%
from minigooglenet.gradcheck import gradcheck


class FlippedBackward(Conv):
    def backward(self, dy, cache):
        return super().backward(dy[:, ::-1], cache)


for layer in (conv, Dense(4, 3, rng=rng, dtype="float64"), ReLU()):
    inputs = rng.standard_normal((2, 4)) if isinstance(layer, Dense) else images
    report = gradcheck(layer, inputs, rng)
    print(f"{layer.describe():<11} {report.entries:>3} elements checked, largest error {report.worst:.0e}")
    assert report.ok and report.worst < 1e-7

wrong = FlippedBackward(C=3, F=2, kernel=3, rng=rng, dtype="float64")
with_ones = gradcheck(wrong, images, rng, loss=lambda y: (y.sum(), np.ones_like(y)))
with_random = gradcheck(wrong, images, rng)
print(f"\nflipped dy, dy all ones: largest error {with_ones.worst:.0e}, ok: {with_ones.ok}")
print(f"flipped dy, random dy:   largest error {with_random.worst:.0e}, ok: {with_random.ok}")
assert with_ones.ok and not with_random.ok

# %% [markdown]
# ## The figure
#
# How small should ε be? Mathematics says: as small as possible. Floating-point arithmetic disagrees, because there are
# two sources of error. By Taylor's formula, the central difference has a truncation error. And each value of L is
# rounded with relative precision u; dividing by 2ε amplifies this rounding error:
#
#     error(ε)  ≈  |L'''| · ε² / 6  +  u · |L| / ε           smallest near  ε = (3 u |L| / |L'''|)^(1/3)
#
# The first term shrinks with ε, the second grows: a V on logarithmic axes, with its minimum near the cube root of u.
# For float64, u = 1.1e-16, and the cube root is 5e-6. For float32, u = 6e-8, it is 4e-3, and even the smallest error is
# large. A one-sided difference, (L(x + ε) - L(x)) / ε, has a much larger truncation error, |L''| · ε / 2.
# To see this, L must be curved, so we take the loss of a classifier: dense layer, softmax, cross-entropy (lesson 05).

# %%
from minigooglenet.layers.softmax import cross_entropy

STEPS = 10.0 ** np.arange(-12, 0.25, 0.25)


def errors(dtype, one_sided=False):
    """For each step ε: the largest error of any weight's slope, relative to the largest gradient."""
    rng = np.random.default_rng(3)
    dense = Dense(6, 4, rng=rng, dtype="float64").astype(dtype)
    x, labels = rng.standard_normal((5, 6)).astype(dtype), np.array([0, 2, 1, 3, 2])
    y, cache = dense.forward(x)
    dense.backward(cross_entropy(y, labels)[1], cache)
    exact, found, down = dense.grads["w"], [], 0 if one_sided else 1

    def loss(move):
        return cross_entropy(x @ (dense.params["w"] + move), labels)[0]

    for eps in STEPS:
        moves = (eps * np.eye(24).reshape(24, 6, 4)).astype(dtype)  # one weight at a time
        slopes = [(loss(move) - loss(-down * move)) / ((1 + down) * eps) for move in moves]
        found.append(np.abs(np.reshape(slopes, (6, 4)) - exact).max() / np.abs(exact).max())
    return np.array(found)


central, one_sided, single = errors("float64"), errors("float64", one_sided=True), errors("float32")
kink = np.array([abs((max(eps, 0) - max(-eps, 0)) / (2 * eps) - 0) for eps in STEPS])
for name, error in (("float64, central", central), ("float64, one-sided", one_sided), ("float32, central", single)):
    print(f"{name:<19} smallest error {error.min():.0e}, at ε = {STEPS[error.argmin()]:.0e}")

u64, u32 = np.finfo("float64").eps / 2, np.finfo("float32").eps / 2
assert f"{u64:.1e} {u64 ** (1 / 3):.0e}" == "1.1e-16 5e-06" and f"{u32:.0e} {u32 ** (1 / 3):.0e}" == "6e-08 4e-03"
assert central.min() < 1e-9 < one_sided.min() < 1e-6 < single.min() and set(kink) == {0.5}
assert 1e-6 < STEPS[central.argmin()] < 1e-4 and 1e-3 < STEPS[single.argmin()] < 0.1
assert 1e-9 < STEPS[one_sided.argmin()] < 1e-6 and one_sided.min() > 100 * central.min()
compare("the check with ε made a hundred thousand times smaller", guess_smaller, "worse")
assert np.allclose(STEPS[[8, 28]], (1e-10, 1e-5)) and central[8] > 1000 * central[28]

# %% tags=["figure"]
from minigooglenet.figures.style import COLORS, figure

fig, ax = figure(width=8, height=4.6)
for error, color, marker, text, ink, x_text, y_text in (
        (single, COLORS[1], "s", "float32, central", COLORS[1], 2e-9, 8e-3),
        (one_sided, COLORS[4], "^", "float64, one-sided:\nerror grows as ε", "#8a5f00", 1e-8, 6e-6),
        (central, COLORS[0], "o", "float64, central:\nerror grows as ε²", COLORS[0], 2.5e-3, 2e-8)):
    ax.loglog(STEPS, np.maximum(error, 1e-16), color=color, marker=marker, markersize=3.5, linewidth=1.4)
    ax.text(x_text, y_text, text, color=ink, va="center")
ax.loglog(STEPS, kink, color="0.45", linestyle="--", linewidth=1.2)
ax.text(1.5e-12, 0.3, "at the kink of a ReLU: 0.5 for every ε", color="0.35", va="top")
ax.text(1.5e-11, 8e-8, "rounding: u |L| / ε", color="0.25", ha="center", va="center")
ax.axvline(1e-6, ymax=0.24, color="0.6", linewidth=1, linestyle=":")
ax.text(7e-7, 2e-12, "gradcheck: ε = 1e-6", color="0.25", ha="right", va="bottom")
marks = 10.0 ** np.arange(-12, 1, 2)
ax.set(xlabel="ε, the step", ylabel="error, relative to the largest gradient", ylim=(1e-12, 8), xlim=(1e-12, 2),
       xticks=marks, yticks=marks)
ax.minorticks_off()
ax.grid(color="0.92")
show(fig, "04_error_v", "Error of the numerical gradient against the step ε on logarithmic axes: V shapes. Central "
     "differences in float64 are best near ε = 1e-5, one-sided ones near 1e-7 and hundreds of times worse; in float32 "
     "the minimum is near 1e-2, and the error is large. At the kink of a ReLU the error is 0.5 for every step.")

# %% [markdown]
# Where the float32 line is flat at 1, ε is so small that w + ε rounds to w, so nothing changes. gradcheck uses float64
# and ε = 1e-6, near the minimum. The dashed line is the one case that no ε can fix. At a **kink**, where ReLU bends,
# the derivative does not exist: the central difference averages the slopes 0 and 1, while the backward pass has to
# choose one of them (0). gradcheck detects kinks and counts them separately:

# %%
assert single[0] == 1 and np.float32(0.5) + np.float32(1e-9) == np.float32(0.5)
at_kinks = gradcheck(ReLU(), np.zeros((2, 3)), rng)
print(f"{at_kinks.kinks} of {at_kinks.entries} at a kink; ok: {at_kinks.ok} (too many to judge)")
assert at_kinks.kinks == at_kinks.entries == 6 and not at_kinks.ok

# %% [markdown]
# ## Exercises
#
# Write them in `lessons/exercises/04_backward.py`, then run `make check N=4`. Stuck? `make check N=4 HINT=1`.
#
# 1. `dense_relu_backward(dy, x, w, b)`: the backward pass of y = max(x w + b, 0), with all three of dx, dw and db.
# 2. `conv_backward(dy, x, w, S, P)`: dx and dw with batch, channels, filters, stride and padding, on a grid of K, S, P.
# 3. `check_gradient(L, gradient, x, eps)`: your own gradient check, for any function L of an array. It returns the
#    largest error and its index.

# %% [markdown]
# ## If you got …
#
# | you got | the usual cause |
# |---|---|
# | dx[1, 1] = 10 instead of 13 | `=` instead of `+=`: the second window overwrote the first |
# | dx with 3 0 / 2 1 where the weights should be | the weights are flipped: backward uses them as they are |
# | dw right for a batch of one, else too small | the mean over the batch, which the loss has already taken |
# | half or twice the numerical gradient | the central difference divides by 2ε |
# | an error of about 0.5 in a few entries | they are at a kink; use random biases |
# | errors of 1e-3 everywhere, in float32 | no mistake: float32 is too imprecise for a gradient check |

# %% [markdown]
# ## Where books and libraries get this wrong
#
# * **A dy of all ones.** Tests that sum the output pass wrong gradients, as above. tinygrad found a wrong convolution
#   only when its test happened to get another layer after it, and with it a dy that was not uniform.
# * **One entry, rough tolerance.** A check of one random coordinate to two digits (minitorch's) misses errors at
#   borders. Check all elements of a small array, with odd sizes and a batch.
# * **"Backward is a convolution with the rotated kernel."** True for stride 1, where it is just another way to write
#   the same sums. With a larger stride, zeros must be inserted into dy. The loop over all meetings needs neither.
# * **`=` where gradients meet.** Assigning instead of adding works until the first branch (tinygrad, pull request 119).

# %% [markdown]
# ## Recap
#
# 1. In the backward pass, each layer turns dy into dx by the chain rule, and adds to the gradients of its own weights.
# 2. Dense: dx = dy wᵀ, dw = xᵀ dy, db = Σ dy. ReLU: dy where y > 0. Convolution: as dense, with im2col and col2im.
# 3. A value used several times gets the sum: pixels in overlapping windows, weights at all positions of the image.
# 4. Check every gradient against central differences: in float64, ε near 1e-5 or 1e-6, with a random dy.
# 5. A large ε gives truncation error, a small one rounding error; at a kink there is no right answer.

# %% [markdown]
# ## Glossary
#
# * **loss**: the number that training minimizes; it measures how wrong the network is.
# * **gradient**: the derivatives of the loss with respect to each element of an array; `dx` has the shape of `x`.
# * **chain rule**: the derivative of a composed function: products along each path, summed over all paths.
# * **backward pass**: visiting the layers from last to first, turning dy into dx (Rumelhart et al. 1986).
# * **ReLU**: rectified linear unit, max(x, 0).
# * **cache**: what forward saves for backward; here the input of the layer.
# * **central difference**: (L(x + ε) - L(x - ε)) / 2ε, a derivative with an error of order ε².
# * **kink**: a point where a function bends and has no derivative, such as ReLU at 0.

# %% [markdown]
# ## Next
#
# Backward passes begin with the gradient of the loss. Lesson 05 derives it, and trains a first classifier.
