# %% [markdown]
# # 13. How does batch norm move the 2.303?
#
# * **Paper:** Ioffe & Szegedy 2015, section 3, and for the network it was made for: Szegedy et al. 2014
# * **Review:** what came a year after its section 5, "Auxiliary Classifiers for Training" (Tsang 2018)
# * **You build:** batch norm, forward and backward, and its running statistics
# * **Figure:** activations by depth with and without it; the error of two ways to compute a variance
# * **Time:** 1 min
#
# Lesson 12 had to choose the size of the initial weights with care: too small, and the signal fades from layer to layer
# until the loss sits at ln 10 = 2.303. **Batch norm** removes the choice. After each convolution it rescales every
# channel to mean 0 and variance 1, whatever came in. With M values of a channel in the batch (all images, all pixels):
#
#     μ = (1/M) Σ x_i        σ² = (1/M) Σ (x_i - μ)² + ε        x̂_i = (x_i - μ) / σ        y_i = γ x̂_i + β
#
# γ and β are learned, one of each per channel, so that a layer can still have any mean and size if that is useful. (β
# decides how often the next ReLU is active; lesson 14 lets it learn faster than the weights.) The first network that
# had it was an Inception: it reached the same accuracy in 14 times fewer steps, says the abstract.

# %% [markdown]
# ## Predict first

# %%
# 1. A channel has the values 2, 4, 4, 6. What does batch norm make of the 2? (γ = 1, β = 0, ε = 0)
guess_first = None

# 2. The gradient dy is 1 for every value of a channel. How large is dx?
guess_dx = None

# 3. The variance is the mean of x² minus the square of the mean of x. Computed like this in float32, for values of
#    variance 1 around 1000: can it come out negative? "yes" or "no"
guess_negative = None

# %% [markdown]
# ## Build it small
#
# x has one column per channel: x.reshape(-1, C) of an array (N, H, W, C).

# %%
import numpy as np

from lessons import QUICK, compare, show


def batch_norm(x, gamma, beta, eps=1e-5):
    mean, std = x.mean(axis=0), np.sqrt(x.var(axis=0) + eps)
    x_hat = (x - mean) / std
    return gamma * x_hat + beta, (x_hat, std)


def batch_norm_backward(dy, gamma, cache):
    (x_hat, std), M = cache, len(dy)
    dbeta, dgamma = dy.sum(axis=0), (dy * x_hat).sum(axis=0)
    return gamma / std * (dy - dbeta / M - x_hat * dgamma / M), dgamma, dbeta


x = np.array([[2.0], [4.0], [4.0], [6.0]])
y, cache = batch_norm(x, 1.0, 0.0, eps=0)
dx, dgamma, dbeta = batch_norm_backward(np.array([[1.0], [0], [0], [0]]), 1.0, cache)
print("y ", y[:, 0], "\ndx", dx[:, 0], "  dγ", dgamma, " dβ", dbeta)


# A random net of 20 dense layers with ReLU, as in lesson 12: the size of the activations, the norms of the gradients.
def deep(scale, norm, D=100, N=200):
    rng, sizes, saved = np.random.default_rng(9), [], []
    x = rng.standard_normal((N, D))
    for w in scale * rng.standard_normal((20, D, D)):
        z, cache = batch_norm(x @ w, 1.0, 0.0) if norm else (x @ w, None)
        saved.append((x, w, cache, z > 0))
        x = np.maximum(z, 0)
        sizes.append(np.sqrt((x**2).mean()))
    dx, norms = rng.standard_normal((N, D)), []
    for x, w, cache, on in reversed(saved):
        dz = batch_norm_backward(dx * on, 1.0, cache)[0] if norm else dx * on
        norms.append(np.linalg.norm(x.T @ dz))
        dx = dz @ w.T
    return sizes, norms[::-1]


# %% [markdown]
# **By hand.** 2, 4, 4, 6 have mean 4 and variance (4 + 0 + 0 + 4) / 4 = 2, so x̂ = -√2, 0, 0, √2.
#
# **The backward pass.** x_j reaches the loss in three ways: directly, through μ, and through σ. Since Σ (x_i - μ) = 0,
# the derivatives of the two statistics are short:
#
#     ∂μ/∂x_j = 1/M        ∂σ/∂x_j = x̂_j / M        so        ∂x̂_i/∂x_j = ([i = j] - 1/M - x̂_i x̂_j / M) / σ
#
# Multiply by dx̂_i = γ dy_i and add over i:
#
#     dβ = Σ dy_i        dγ = Σ dy_i x̂_i        dx_j = (γ/σ) · (dy_j  -  dβ/M  -  x̂_j dγ/M)
#                                                              direct   by μ     by σ
#
# In the example dy = 1, 0, 0, 0: dβ = 1 and dγ = -√2, so dx = (1/√2) · (3/4 - 1/2, -1/4, -1/4, -1/4 + 1/2), which is
# 0.177 · (1, -1, -1, 1). Of the direct 0.707 a quarter is left.
#
# **What it means.** Adding a constant to a channel, or multiplying it by a positive one, does not change y. So dx has
# no part in these two directions: it adds up to 0, and Σ dx_i x̂_i = 0 (for ε = 0). If dy is constant, dx is 0.

# %%
assert np.allclose(y[:, 0], [-(2**0.5), 0, 0, 2**0.5]) and np.allclose(dx[:, 0], 2**0.5 / 8 * np.array([1, -1, -1, 1]))
assert round(2**0.5 / 8, 3) == 0.177 and np.allclose(dx.sum(), 0) and np.allclose((dx * cache[0]).sum(), 0)
compare("batch norm of the 2", guess_first, float(y[0, 0]))
compare("dx for a constant dy", guess_dx, float(abs(batch_norm_backward(np.ones((4, 1)), 1.0, cache)[0]).max()))

# %% [markdown]
# ## In the library
#
# `minigooglenet/layers/batchnorm.py` has the same formulas. `gradcheck` compares its backward pass with finite
# differences. It passes. If μ and σ are treated as constants, so only the first of the three terms is left, dx is
# wrong by 9 %: little enough to be overlooked in training, but not in a gradient check.

# %%
from minigooglenet import gradcheck
from minigooglenet.layers import BatchNorm, Conv, cross_entropy

rng = np.random.default_rng(13)
images, dy = 3 + 2 * rng.standard_normal((4, 5, 3, 2)), rng.standard_normal((4, 5, 3, 2))
layer = BatchNorm(2, dtype="float64")
layer.params["gamma"][:], layer.params["beta"][:] = (1.5, 0.5), (0.0, 2.0)
y, library_cache = layer.forward(images, train=True)
ours, cache = batch_norm(images.reshape(-1, 2), **layer.params)
dx, dgamma, dbeta = batch_norm_backward(dy.reshape(-1, 2), layer.params["gamma"], cache)
assert np.allclose(y.reshape(-1, 2), ours) and np.allclose(layer.backward(dy, library_cache).reshape(-1, 2), dx)
assert np.allclose(layer.grads["gamma"], dgamma) and np.allclose(layer.grads["beta"], dbeta)
direct = layer.params["gamma"] / cache[1] * dy.reshape(-1, 2)
wrong = np.abs(direct - dx).max() / np.abs(dx).max()
print(f"gradient check: {gradcheck(layer, images).worst:.0e}   with only the first term, dx is wrong by {wrong:.0%}")
assert gradcheck(layer, images).ok and round(wrong, 2) == 0.09

# %% [markdown]
# **At inference** there may be only one image, and its prediction must not depend on others. So training keeps
# *running* statistics; inference uses these in place of the batch's mean and variance (and adds ε to the variance):
#
#     running ← (1 - m) · running + m · batch        m = 0.1, and the batch's variance with M - 1 in place of M
#
# After n steps, (1 - m)^n of the initial value is left: 5 % after 29 steps. Now inference is y = x · scale + shift with
# constants, so it can be **folded** into the convolution before it, and costs nothing:
#
#     scale = γ / σ        shift = β - μ · scale        w' = w · scale        b' = b · scale + shift

# %%
moved = BatchNorm(2, dtype="float64")
moved.forward(images, train=True)
M = images.size // 2
assert np.allclose(moved.buffers["mean"], 0.1 * images.mean(axis=(0, 1, 2)))
assert np.allclose(moved.buffers["variance"], 0.9 + 0.1 * images.var(axis=(0, 1, 2)) * M / (M - 1))
assert 0.9**28 > 0.05 > 0.9**29

conv = Conv(2, 2, kernel=3, pad=1, rng=rng, dtype="float64")
separate = moved.predict(conv.predict(images))
scale = moved.params["gamma"] / np.sqrt(moved.buffers["variance"] + moved.eps)
conv.params["w"][...] *= scale
conv.params["b"][...] = conv.params["b"] * scale + moved.params["beta"] - moved.buffers["mean"] * scale
print(f"folded into the convolution: largest difference {np.abs(conv.predict(images) - separate).max():.0e}")
assert np.allclose(conv.predict(images), separate)

# %% [markdown]
# **Why it moves the 2.303.** A layer with weights of 0.01 makes its input 14 times smaller. Batch norm divides by σ,
# which makes it 14 times larger again, and in the backward pass the same 1/σ enlarges the gradient. The size of the
# weights cancels:

# %%
print("weights     size at the end            gradient of layer 1          of layer 20")
print("            plain    batch norm        plain    batch norm          batch norm")
sizes = {}
for name, scale in {"0.01": 0.01, "Xavier": 0.1, "He": 0.02**0.5, "1": 1.0}.items():
    (plain, plain_norms), (normed, norms) = deep(scale, False), deep(scale, True)
    sizes[name] = plain, normed
    print(f"{name:<9} {plain[-1]:>8.0e} {normed[-1]:>12.2f} {plain_norms[0]:>13.0e} {norms[0]:>12.0e} "
          f"{norms[-1]:>18.0e}")
    assert 0.6 < normed[-1] < 0.8 and 20 < norms[0] / norms[-1] < 60
assert plain[-1] > 1e16 and sizes["0.01"][0][-1] < 1e-22 and round(1 / (100 * 0.01**2 / 2) ** 0.5) == 14

# %% [markdown]
# With batch norm all four end with the same size. Their gradients differ by the factor by which the weights differ, in
# reverse: small weights get large gradients, so even a bad start is corrected within a few steps. Not everything is
# cured. Layer 1 has a gradient 36 times that of layer 20: toward the input it *grows* by a fifth per layer, where in
# lesson 12 all layers had the same. In 20 layers that is harmless, in 100 it is not (Yang et al. 2019).
#
# Now the network of lesson 12, with its worst initialization: weights of 0.01, which stayed at 2.3 for all its steps.

# %%
from minigooglenet import engine
from minigooglenet.data import Normalizer, shapes10
from minigooglenet.layers.init import truncated_normal
from minigooglenet.models.inception import Style
from minigooglenet.models.mini import MODULES, STEM
from minigooglenet.models.rows import build, ending
from minigooglenet.training.sgd import SGD

x, labels = shapes10.draw(32, seed=9)
x = Normalizer.of(x)(x)
style = Style(norm="batch", width=0.25, init=truncated_normal, rng=np.random.default_rng(9))
net = build((*STEM, *MODULES, *ending(drop_prob=0.0)), style, (32, 32, 3), 10)
compiled, sgd, losses = engine.compile(net, input_gradient=False), SGD(net.parameters(), momentum=0.9), []
for _ in range(6 if QUICK else 40):
    logits, cache = compiled.forward(x, train=True)
    loss, dlogits = cross_entropy(logits, labels)
    net.zero_grads()
    compiled.backward(dlogits, cache)
    sgd.step(net.gradients(), lr=0.05)
    losses.append(loss)
print("weights of 0.01, batch norm:", " ".join(f"{loss:.2f}" for loss in losses[::5 if len(losses) > 6 else 1]))
assert losses[-1] < (2.29 if QUICK else 0.5) and abs(losses[0] - np.log(10)) < 0.05

# %% [markdown]
# **Two ways to a variance.** Both are exact on paper:
#
#     two passes    first μ, then the mean of (x - μ)²
#     one pass      the mean of x², minus μ²
#
# One pass reads the array once, and reading is what batch norm costs. But the mean of x² and μ² agree in nearly all
# their digits if μ is large compared to the standard deviation, and the difference loses these. With relative precision
# u the error is at least about u · μ², and float32 has u = 6e-8. Rounding in the sums makes it worse.

# %%
def variance_errors(mean):
    """The relative errors of one pass, two passes, and one pass in float64; and the smallest result of the first."""
    x = (mean + np.random.default_rng(13).standard_normal((50_000, 4))).astype(np.float32)
    true = x.astype(np.float64).var(axis=0)
    mu, wide = x.mean(axis=0), x.astype(np.float64)
    found = ((x * x).mean(axis=0) - mu**2, ((x - mu) ** 2).mean(axis=0),
             (wide * wide).mean(axis=0) - wide.mean(axis=0) ** 2)
    return [np.abs(v - true).max() / true.max() for v in found], found[0].min()


MEANS = (1, 10, 100, 1000, 10_000, 100_000)
errors, lowest = zip(*map(variance_errors, MEANS), strict=True)
print("     mean   one pass  two passes   one pass, float64 sums")
for mean, (one, two, library) in zip(MEANS, errors, strict=True):
    print(f"{mean:>9,} {one:>10.0e} {two:>11.0e} {library:>24.0e}")
compare("a negative variance around 1000", guess_negative, "yes" if lowest[3] < 0 else "no")
assert errors[3][0] > 0.5 > 1e-3 > errors[3][1] and max(library for *_, library in errors) < 1e-2

# %% [markdown]
# A negative variance under a square root is NaN. The library reads x once and sums in float64, the last column. Two
# passes in float32 fail, too, at 100,000: there the sum of the values is so rounded that μ itself is wrong.
#
# **Estimate, then measure.** Batch norm multiplies each value once or twice. A 3×3 convolution with 96 channels takes
# 864 multiply-adds for each of its outputs, so batch norm should be free. But it reads the array twice (statistics,
# then y) and writes it once, and memory is slow.

# %%
import timeit

a = rng.standard_normal((32, 28, 28, 96), dtype=np.float32)
layer, conv = BatchNorm(96), Conv(96, 96, kernel=3, pad=1, bias=False, rng=rng)
seconds = {what: min(timeit.repeat(lambda run=run: run(a), number=1, repeat=3)) for what, run in (
    ("copy", np.copy), ("batch norm", lambda a: layer.forward(a, train=True)), ("convolution", conv.predict))}
print(f"{a.nbytes / 1e6:.1f} MB. A copy moves it twice, batch norm three times: expect 1.5 copies, "
      f"measured {seconds['batch norm'] / seconds['copy']:.1f}")
print(f"multiplications {1 / 864:.1%}, time {seconds['batch norm'] / seconds['convolution']:.0%} of the convolution's")
assert a.nbytes == 9_633_792 and 3 * 3 * 96 == 864

# %% [markdown]
# ## The figure
#
# Left: the size of the activations by layer; lines with batch norm lie on top of each other. Right: the error of the
# variance; above 1 (gray) no digit is right.

# %% tags=["figure"]
from minigooglenet.figures.style import COLORS, figure

fig, (left, right) = figure(1, 2, width=8, height=3.6)
for (name, (plain, normed)), color in zip(sizes.items(), COLORS, strict=False):
    left.semilogy(range(1, 21), plain, "--", color=color, lw=1.6)
    left.semilogy(range(1, 21), normed, color=color, lw=2.2)
    left.text(20.4, plain[-1], name, color=color, va="center")
left.set(xlim=(1, 24), xticks=(1, 5, 10, 15, 20), xlabel="layer", ylabel="size of the activations",
         title="dashed: without batch norm; solid: with")
right.axhspan(1, 1e7, color="0.93")
for values, name, color in zip(zip(*errors, strict=True), ("one pass", "two passes", "one pass, float64 sums"),
                               (COLORS[1], COLORS[0], COLORS[2]), strict=True):
    right.loglog(MEANS, values, "-o", color=color, lw=2, ms=4, label=name)
right.legend(frameon=False, loc="lower right")
right.set(xlabel="mean (standard deviation 1)", ylabel="relative error of the variance", ylim=(1e-16, 1e7),
          title="float32 values")
show(fig, "13_depth_and_variance", "Left: over 20 layers the activations shrink to 1e-23 or grow to 1e16, depending on "
     "the initial weights; with batch norm all stay near 0.7. Right: the error of a variance in one float32 pass grows "
     "with the square of the mean and exceeds 1 at a mean of 1000; that of two passes only at 100,000.")

# %% [markdown]
# ## Exercises
#
# Write them in `lessons/exercises/13_batch_norm.py`, then run `make check N=13`. Stuck? `make check N=13 HINT=1`.
#
# 1. `batch_norm(x, gamma, beta, eps)`: the forward pass in training, for images.
# 2. `batch_norm_backward(dy, x, gamma, eps)`: dx with its three terms, dγ and dβ.
# 3. `update_running(mean, variance, x, momentum)`: the running statistics after one more batch.

# %% [markdown]
# ## If you got …
#
# | you got | the usual cause |
# |---|---|
# | dx = 0.707, 0, 0, 0 for the example | μ and σ taken as constants: two of the three terms are missing |
# | dx that does not add up to 0 | the sums are not divided by M, or M counts images but not pixels |
# | good training accuracy, 10 % in the test | running statistics never updated, or training mode in the test |
# | predictions that change with the batch | the same: a test uses the running statistics |
# | NaN after some steps | a negative variance from one pass in float32, or ε missing |
# | a variance 4/3 times too large for four values | M - 1 in the normalization: only the running variance has it |

# %%
assert round(1 / 2**0.5, 3) == 0.707 and np.var([2, 4, 4, 6], ddof=1) / np.var([2, 4, 4, 6]) == 4 / 3

# %% [markdown]
# ## Where books and libraries get this wrong
#
# * **Momentum has two meanings.** PyTorch's 0.1 is the weight of the new batch; Keras' default of 0.99 is that of the
#   old value, so PyTorch would call it 0.01. (Neither has to do with the momentum of SGD.)
# * **Biased or unbiased?** Ioffe & Szegedy normalize with M and keep the running variance with M - 1. PyTorch does as
#   they do, which has been reported as a bug (pytorch, issue 3122). MLX had M in both places until 2026 (pull request
#   3817). With four values per channel the two differ by a third.
# * **"It reduces internal covariate shift."** So the paper's title; Santurkar et al. 2018 added such shifts *after*
#   batch norm, and training was as fast. What is certain is what we measured: the size of the weights cancels.
# * **A bias before batch norm** does nothing: μ removes it. Our blocks have none, and neither have torchvision's.
# * **"GoogLeNet has batch norm."** That of 2014 has not. torchvision's has: 14,560 of its parameters are γ and β.

# %%
from minigooglenet.models import googlenet

columns = images.reshape(-1, 2)
assert np.allclose(batch_norm(columns + (5, -7), 1.0, 0.0)[0], batch_norm(columns, 1.0, 0.0)[0])  # a bias does nothing
assert sum(w.size for path, w in googlenet("torchvision", heads=False).parameters().items()
           if path.endswith(("gamma", "beta"))) == 14_560

# %% [markdown]
# ## Recap
#
# 1. Batch norm gives every channel mean 0 and variance 1 over batch and pixels; γ and β may undo it.
# 2. dx = (γ/σ) (dy - dβ/M - x̂ dγ/M): directly, through the mean, through the standard deviation.
# 3. The size of the weights cancels, forward and backward: that is why a loss stuck at 2.303 starts to move.
# 4. Inference uses running statistics, with M - 1; they fold into the convolution before.
# 5. E[x²] - E[x]² in float32 may be wrong by more than the variance: take two passes, or sums in float64.

# %% [markdown]
# ## Glossary
#
# * **running statistics**: averages of the batches' means and variances, used at inference.
# * **momentum (of batch norm)**: the weight of the newest batch in the running statistics; 0.1 here.
# * **folding**: including a constant scale and shift in the weights of the layer before.
# * **cancellation**: subtracting nearly equal numbers leaves only their rounding errors.
# * **internal covariate shift**: the change of a layer's inputs while the layers before it learn.

# %% [markdown]
# ## Next
#
# The gradient arrives everywhere. Lesson 14: which recipe of steps did the paper use to bring the loss down?
