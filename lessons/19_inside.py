# %% [markdown]
# # 19. What did it learn?
#
# * **Paper:** Szegedy et al. 2014, section 4, on what layers detect; the methods came later (sources below)
# * **Review:** section 2, "Inception Module", and section 3, "Global Average Pooling" (Tsang 2018)
# * **You build:** filters, activations, Grad-CAM, DeepDream
# * **Figure:** a dream from 4c
# * **Time:** 1 min
#
# Seven million parameters, and none of them has a name. Still there are methods that show what a network has learned,
# and nearly all of them need only the backward pass of lesson 04. Training computes the gradient with respect to the
# *weights*. Continue to the *pixels*, and the gradient is an image:
#
#     training       w ← w - η · ∂L/∂w        the image is fixed, the weights change
#     dreaming       x ← x + η · ∂L/∂x        the weights are fixed, the image changes
#
# If L is the score of a class, ∂L/∂x shows which pixels matter. If L = Σ y²/2 for a layer's output y, gradient ascent
# makes the image show more of what the layer detects: DeepDream. And if you stop the backward pass at the feature maps
# A of a layer, you get a heat map of where a class is detected:
#
#     Grad-CAM       α_c = mean over h, w of ∂s_k/∂A_c        M(h, w) = ReLU( Σ_c α_c · A_c(h, w) )
#
# where s_k is the score (the logit) of class k.

# %% [markdown]
# ## Predict first

# %%
# 1. GoogLeNet's first layer has 64 filters of 7×7 pixels. What do they look like after training: "noise", "edges and
#    colors", or "objects"?
guess_filters = None

# 2. In an image with a traffic light, the box covers 29 % of the pixels. What fraction of the heat map for "traffic
#    light" lies on the box? (0 to 1)
guess_share = None

# 3. What fraction of module 4c's outputs is exactly 0? (0 to 1)
guess_zeros = None

# %% [markdown]
# ## Build it small
#
# An "image" of two pixels, one layer with ReLU, and L = Σ y²/2. We compute the gradient with respect to the pixels,
# check it by finite differences, and take one step up. Then: a class activation map of a 2×2 image with two channels.

# %%
import numpy as np

from lessons import QUICK, compare, show, traffic_light, weights_of_2014

w = np.array([[1.0, 0.0], [2.0, -1.0]])  # (pixels, outputs)


def forward(x):
    """y = ReLU(x w), and L = Σ y²/2."""
    y = np.maximum(x @ w, 0)
    return y, np.sum(y ** 2) / 2


def input_gradient(x):
    """dL/dy = y. The ReLU passes it where y > 0; elsewhere y is 0 already."""
    y, _ = forward(x)
    return y @ w.T


def step_up(x, g, step):
    return x + step * g / np.abs(g).mean()  # only the direction of g matters, not its size


x = np.array([1.0, 1.0])
g, tiny = input_gradient(x), 1e-5
numeric = [(forward(x + e)[1] - forward(x - e)[1]) / (2 * tiny) for e in tiny * np.eye(2)]
after = step_up(x, g, 0.1)
print("y", forward(x)[0], " L", forward(x)[1], " g", g, " finite differences", np.round(numeric, 6))
print("after one step x", after.round(3), " L", round(forward(after)[1], 3))

A = np.array([[[1.0, 0.0], [0.0, 0.0]], [[3.0, 0.0], [0.0, 4.0]]])  # (h, w, c)
weights, bias = np.array([2.0, -1.0]), 0.5  # of one class
score = bias + A.mean(axis=(0, 1)) @ weights  # global average pooling, then linear
M = A @ weights
print("score", score, "= bias + mean of the map", M, sep="\n")

# %% [markdown]
# By hand: x w = (1 + 2, -1) = (3, -1), so y = (3, 0) and L = 4.5. The gradient is y wᵀ = (3·1, 3·2) = (3, 6). A step of
# 0.1 · g / 4.5 increases L to 5.556.
#
# The lower part is the class activation map of lesson 10. Averaging, then weighting is the same as weighting, then
# averaging. So M_k = Σ_c w_ck · A_c shows how much each position contributes to the score s_k = b_k + mean M_k: 6 at
# the lower left, -4 at the lower right. GoogLeNet ends in these layers, so its heat map costs only one matrix product.

# %%
assert g.tolist() == [3, 6] and np.allclose(numeric, g) and round(forward(after)[1], 3) == 5.556
assert M.tolist() == [[2, 0], [6, -4]] and score == bias + M.mean() == 1.5

# %% [markdown]
# ## In the library
#
# The lesson uses the weights of 2014 (lesson 17). Without them it uses random ones: the mathematics is the same, and
# the figures show what an untrained network looks like.

# %%
from minigooglenet.data.photos import caffe_input, caffe_pixels
from minigooglenet.inference.classifier import load_caffe
from minigooglenet.models import googlenet

trained = weights_of_2014()
untrained = googlenet("bvlc", heads=False, rng=np.random.default_rng(15))
net = load_caffe(trained).net if trained else untrained
LIGHT = 920  # the class "traffic light"
light = traffic_light()  # as in lesson 17
crop = light[16:240, 48:272]  # the central 224×224
x = caffe_input(crop[None])
print("the network reads", x.shape)

# %% [markdown]
# **Filters.** The filters that read the image are small images themselves, 7×7 pixels of blue, green and red. How
# smooth is each? We take the mean squared difference of neighboring pixels and divide it by twice the variance. The
# result is about 1 for noise, and near 0 for a filter that changes slowly from pixel to pixel.

# %%
from minigooglenet.interpret.features import first_filters


def roughness(filters):
    """For each of 64 filters (7, 7, 3, 64): mean squared difference of neighbors / twice the variance."""
    across, down = np.diff(filters, axis=1), np.diff(filters, axis=0)
    step = ((across ** 2).mean(axis=(0, 1, 2)) + (down ** 2).mean(axis=(0, 1, 2))) / 2
    return step / (2 * filters.var(axis=(0, 1)).mean(axis=0))


path, filters = first_filters(net)
_, noise = first_filters(untrained)
print(path, filters.shape, f"median roughness {np.median(roughness(filters)):.2f},",
      f"of random weights {np.median(roughness(noise)):.2f}")
smooth = np.median(roughness(filters)) < 0.5  # untrained, we go by what Caffe's first layer is known to show
compare("the first filters", guess_filters, "edges and colors" if smooth or not trained else "noise")
assert filters.shape == (7, 7, 3, 64) and abs(np.median(roughness(noise)) - 1) < 0.1
assert not trained or np.median(roughness(filters)) < 0.5 < 1 < roughness(filters).max()

# %% [markdown]
# After training most of them are smooth: edges at some angle, and blobs of one color against another. A few are rougher
# than noise, which is not by chance: they detect the finest stripes.
#
# **Activations.** The filters of deeper layers do not read pixels, but you can look at their outputs. ReLU makes most
# of these 0: a channel detects nothing at most positions. `until` cuts a network after a layer.

# %%
from minigooglenet.interpret.structure import until

for layer in ("conv1", "3b", "4c", "5b"):
    y = until(net, layer).predict(x)  # each of these layers ends with a ReLU
    zeros = np.mean(y == 0)
    print(f"{layer:<6} {y.shape}  {zeros:.0%} zeros")
    if layer == "4c":
        compare("zeros in 4c", guess_zeros, float(zeros))

# %% [markdown]
# **The gradient with respect to the pixels.** `input_gradient(net, x, dy, layer)` runs the forward pass up to a layer,
# starts the backward pass there with dy, and returns the gradient with respect to the pixels. With dy = y that is the
# gradient of L = Σ y²/2. To check it, change the image along a direction u: L must change by ε · Σ g·u. (We first add a
# little noise to the drawing. In its constant sky every max pool has ties, lesson 06, and with ties there is no unique
# gradient to check. Photos have none.)

# %%
from minigooglenet.interpret import input_gradient as gradient_of

trunk = until(net, "4c")


def objective(x):
    """L = Σ y²/2 at module 4c."""
    return float(np.square(trunk.predict(x), dtype=np.float64).sum() / 2)


noisy = x + np.random.default_rng(15).normal(0, 3, x.shape).astype(np.float32)
g = gradient_of(net, noisy, dy=lambda y: y, layer="4c")
u = g / np.abs(g).max()  # the steepest direction: the clearest difference
difference = (objective(noisy + 0.02 * u) - objective(noisy - 0.02 * u)) / 0.04
print(f"backward pass {np.sum(g * u, dtype=np.float64):.5g}, finite difference {difference:.5g}")
assert g.shape == x.shape and np.isclose(difference, np.sum(g * u, dtype=np.float64), rtol=0.05)

ascending, values = x, []
for _ in range(4):
    values.append(objective(ascending))
    g = gradient_of(net, ascending, dy=lambda y: y, layer="4c")
    ascending = ascending + 1.0 * g / np.abs(g).mean()  # one gray level of 255, on average
print("L:", " → ".join(f"{value:.4g}" for value in values))
assert values == sorted(values)

# %% [markdown]
# A few steps of one gray level are invisible, but they increase L a good deal. That L grows so easily is the reason for
# adversarial examples: images with invisible changes that make the network predict another class.
#
# **Where is a class detected?** The class activation map shows it, and so does Grad-CAM, which works with any network
# and at any layer. At the last module both are equal, except for two things: Grad-CAM has a ReLU, and it is smaller by
# the factor H·W = 49, because there ∂s_k/∂A_c = w_ck / 49 at every position.

# %%
from minigooglenet.interpret.cam import class_activation_map, grad_cam, upsample

cam = class_activation_map(net, x, [LIGHT])
logit, bias = net.predict(x)[0, LIGHT], net.parameters()["linear/b"][LIGHT]
heat = grad_cam(net, x, [LIGHT], "5b")
print(f"map {cam.shape}; its mean plus the bias {cam.mean() + bias:.4f}, the logit {logit:.4f}")
assert np.isclose(cam.mean() + bias, logit, rtol=1e-3, atol=1e-4)
assert np.allclose(49 * heat, np.maximum(cam, 0), rtol=1e-3, atol=1e-4)

maps = {layer: upsample(grad_cam(net, x, [LIGHT], layer), 224, 224)[0] for layer in ("4c", "5b")}
on_box = np.zeros((224, 224), bool)
on_box[14:206, 74:150] = True
share = float(maps["5b"][on_box].sum() / max(maps["5b"].sum(), 1e-30))
print(f"the box: {on_box.mean():.0%} of the pixels, {share:.0%} of the heat")
compare("share of the heat on the box", guess_share, share)
assert round(on_box.mean(), 2) == 0.29

# %% [markdown]
# **DeepDream** (Mordvintsev, Olah & Tyka 2015) is the loop above with three tricks. Start with a small copy of the
# image and enlarge it from time to time (*octaves*), so that large shapes come before details. Shift the image at
# random before each step (*jitter*), so that the strides leave no pattern. And divide the gradient by its mean size, as
# above. Module 4c is the layer of the original code.
#
# **Estimate, then measure.** A gradient is a forward and a backward pass up to 4c, which has 74 % of the multiply-adds,
# and the work grows with the number of pixels. From the time of one at 224×224: how long will the dream take?

# %%
import time
import timeit

from minigooglenet.data.photos import open_photo, resize_shorter
from minigooglenet.interpret.dream import Dream, dream, octave_sizes

black, white = (caffe_input(np.full((1, 1, 1, 3), gray, np.uint8))[0, 0, 0] for gray in (0, 255))
how = Dream("4c", octaves=2, steps=3) if QUICK else Dream("4c", octaves=4, steps=12)
photo = None  # the path of a photo of your own, to replace the drawing

shown = light if photo is None else np.asarray(resize_shorter(open_photo(photo), 256))
start, strength, sizes = caffe_input(shown[None])[0], [], octave_sizes(*shown.shape[:2], how.octaves, how.scale)
once = min(timeit.repeat(lambda: gradient_of(net, x, dy=lambda y: y, layer="4c"), number=1, repeat=3))
began = time.perf_counter()
dreamt = dream(net, start, how, (black, white), np.random.default_rng(15),
               on_step=strength.append)
print(f"{how.steps} steps for each of {sizes}: expected {once * how.steps * sum(map(np.prod, sizes)) / 224**2:.1f} s, "
      f"measured {time.perf_counter() - began:.1f} s")
assert round(net.until("4c").macs(crop.shape) / net.macs(crop.shape), 2) == 0.74
last = strength[-how.steps:]
print(f"in the last octave, mean y²/2 from {last[0]:.4g} to {last[-1]:.4g}")
assert last[-1] > last[0] and (dreamt >= black - 1e-3).all() and (dreamt <= white + 1e-3).all()

# %% [markdown]
# ## The figure
#
# First the filters, random and those of our network, and where the class is detected. Then the dream.

# %% tags=["figure"]
from lessons.helpers import mosaic, show_images
from minigooglenet.figures.heatmaps import blended
from minigooglenet.figures.style import figure

source = "the weights of 2014" if trained else "random weights, another seed"
other = first_filters(net if trained else googlenet("bvlc", heads=False, rng=np.random.default_rng(16)))[1]
fig, axes = figure(2, 2, width=7, height=7.4)
show_images(axes[0], {f"conv1, {whose}": mosaic(of.transpose(3, 0, 1, 2)[..., ::-1])  # blue first -> red first
                      for whose, of in (("random weights", noise), (source, other))})
show_images(axes[1], {f"traffic light, by Grad-CAM at {layer}": blended(crop, heat) for layer, heat in maps.items()})
seen = ("Trained, they are smooth edges and colors, and the heat is strongest on the box and its lamps." if trained
        else "Here both are random, and so is the heat.")
show(fig, "19_filters_and_heat", "The 64 filters of the first layer, random ones and those of the network, "
     f"and two heat maps of the class traffic light over the drawing. {seen}")

# %% tags=["figure"]
fig, axes = figure(2, 1, width=6, height=9.4)
show_images(axes, {"the input image": shown, f"after DeepDream at module 4c ({source})":
                   np.clip(caffe_pixels(dreamt), 0, 255).astype(np.uint8)})
show(fig, "19_dream", "The drawing of a traffic light, and below it the same after dreaming at module 4c. "
     + ("The red lamp has become a face, the other two a pot, and the sky is full of lines like roofs and roads."
        if trained and not QUICK and photo is None else "Fine patterns have grown on it."))

# %% [markdown]
# With the weights of 2014, the drawing's red lamp turns into what looks like a face, and the other two into a pot. Why
# faces? Of the 1000 classes, 151 to 268 are dog breeds, 118 of them, and many others are birds and other animals.
# Middle layers respond to round shapes with dark spots as if they were faces, and the dream increases the response.
# Random weights have nothing to dream of: their patterns are as fine as noise everywhere.

# %% [markdown]
# ## Exercises
#
# Write them in `lessons/exercises/19_inside.py`, then run `make check N=19`. Stuck? `make check N=19 HINT=1`.
#
# 1. `input_gradient(x, w)`: of L = Σ y²/2 after a 1×1 convolution and a ReLU. The check compares it with the library's
#    backward pass and with finite differences, and tests that a step along it increases L.
# 2. `step_up(x, g, step, low, high)`: one step of DeepDream, clipped to black and white.
# 3. `grad_cam(A, dA)`: the heat map, from a layer's feature maps and the gradient with respect to them.

# %% [markdown]
# ## If you got …
#
# | you got | the usual cause |
# |---|---|
# | an image that turns gray and flat | gradient descent; dreaming is gradient ascent: plus, not minus |
# | L that hardly changes, or explodes | g was not divided by its mean size |
# | white and black speckles all over | the step is too large, or x is not clipped to black and white |
# | a gradient of exactly 0 | a dead channel: where a ReLU outputs 0 everywhere, no gradient passes |
# | (3, 7) for the gradient of the small example | the ReLU's mask is missing: use y, not x w |
# | a heat map with negative values | the last ReLU of Grad-CAM is missing |
# | blue skin on dreamt dogs | the channels are blue first; reverse them before showing the image |

# %%
assert (np.array([1.0, 1.0]) @ w @ w.T).tolist() == [3, 7] and len(range(151, 269)) == 118

# %% [markdown]
# ## Where books and libraries get this wrong
#
# * **A heat map has 7×7 values.** Resized to 224×224 and smoothed, it seems to follow outlines. It does not: one cell
#   covers 32×32 pixels, and depends on many more.
# * **Some maps hardly depend on the network.** Adebayo et al. 2018 ("Sanity checks for saliency maps") randomized the
#   weights, layer by layer: guided backpropagation gave nearly the same image as before. Gradients and Grad-CAM passed.
#   Our random network is the same check: if its heat map convinces you, the method is at fault.
# * **"The channel detects dogs."** It responds to dogs, among other things. The images that a channel responds to most
#   tell little about what it does on ordinary photos.
# * **Which Inception?** Of the networks called InceptionV1, Caffe's, Google's released graph (with other widths in 4a
#   and 5a) and torchvision's have different channels. Channel 97 of 4c in one is not channel 97 in another (lucent,
#   issue 17).
# * **The step.** The published DeepDream has a step of 1.5, of 255 gray levels; 1.5 / 255 = 0.0059, our `step`. In code
#   where pixels run from 0 to 1, a step of 1.5 immediately gives noise.

# %%
assert 224 // 7 == 32 and round(1.5 / 255, 4) == 0.0059 and Dream().step == 0.006

# %% [markdown]
# ## Recap
#
# 1. The backward pass can continue to the pixels: ∂L/∂x shows how each of them changes L.
# 2. The first filters are small images: edges and colors after training, noise before.
# 3. Class activation map: weighting and then averaging; its mean is the score without the bias.
# 4. Grad-CAM replaces the weights by averaged gradients, and works at any layer.
# 5. DeepDream is gradient ascent on Σ y²/2 with normalized steps, octaves, jitter and clipping.

# %% [markdown]
# ## Glossary
#
# * **input gradient**: the gradient of some value with respect to the image; also called saliency.
# * **Grad-CAM**: a class activation map (lesson 10) for any layer, with mean gradients in place of the last weights.
# * **activation**: the output of a layer for an image.
# * **octave**: one size of the image in DeepDream; each is 1.4 times the previous one.
# * **jitter**: a random shift before each step.

# %% [markdown]
# ## Next
#
# We have seen all of GoogLeNet. Lesson 20 compares it with its ancestors: who spends what?
