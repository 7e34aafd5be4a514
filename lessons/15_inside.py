# %% [markdown]
# # 15. What did it learn?
#
# * **Paper:** Szegedy et al. 2014, section 4, on what layers find; the ways of looking came later (sources below)
# * **Review:** section 2, "Inception Module", and section 3, "Global Average Pooling" (Tsang 2018)
# * **You build:** filters, activations, Grad-CAM, DeepDream
# * **Picture:** a dream from 4c
# * **Time:** 1 min
#
# Seven million numbers, and none of them has a name. Still there are ways to ask a network what it has learned, and
# nearly all of them need just one thing that we have since lesson 03, the backward pass. Training goes backward to
# the *weights*. Go on to the *pixels*, and the answer is a picture:
#
#     training       w ← w - η · ∂L/∂w        the picture is fixed, the weights change
#     dreaming       x ← x + η · ∂L/∂x        the weights are fixed, the picture changes
#
# With L the score of a class, ∂L/∂x says which pixels matter. With L = Σ y²/2 of a layer's output y, one climbs until
# the picture shows more of whatever the layer saw in it: DeepDream. And stopping the gradient half-way, at the maps A
# of a layer, gives a heat map of where a class was seen:
#
#     Grad-CAM       α_c = mean over h, w of ∂s_k/∂A_c        M(h, w) = ReLU( Σ_c α_c · A_c(h, w) )
#
# where s_k is the score (the logit) of class k.

# %% [markdown]
# ## Predict first

# %%
# 1. GoogLeNet's first layer has 64 filters of 7×7 pixels. What do they look like after training: "noise", "edges and
#    colours", or "things"?
guess_filters = None

# 2. For "traffic light", the heat map of a picture whose box covers 29 % of the pixels: what share of the heat lies on
#    the box? (0 to 1)
guess_share = None

# 3. What share of module 4c's outputs is exactly 0? (0 to 1)
guess_zeros = None

# %% [markdown]
# ## Build it small
#
# A "picture" of two pixels, one layer with ReLU, and L = Σ y²/2. The gradient with respect to the pixels, checked by
# wiggling each pixel; then one step up. Below, a class activation map of a 2×2 picture with two channels.

# %%
import numpy as np

from lessons import QUICK, compare, show, traffic_light, weights_of_2014

w = np.array([[1.0, 0.0], [2.0, -1.0]])  # (pixels, outputs)


def forward(x):
    """y = ReLU(x w), and L = Σ y²/2."""
    y = np.maximum(x @ w, 0)
    return y, np.sum(y ** 2) / 2


def input_gradient(x):
    """dL/dy = y. The ReLU passes it where y > 0, which y itself says: it is 0 elsewhere."""
    y, _ = forward(x)
    return y @ w.T


def step_up(x, g, step):
    return x + step * g / np.abs(g).mean()  # the size of g does not matter, only its direction


x = np.array([1.0, 1.0])
g, tiny = input_gradient(x), 1e-5
wiggled = [(forward(x + e)[1] - forward(x - e)[1]) / (2 * tiny) for e in tiny * np.eye(2)]
after = step_up(x, g, 0.1)
print("y", forward(x)[0], " L", forward(x)[1], " g", g, " wiggled", np.round(wiggled, 6))
print("after one step x", after.round(3), " L", round(forward(after)[1], 3))

A = np.array([[[1.0, 0.0], [0.0, 0.0]], [[3.0, 0.0], [0.0, 4.0]]])  # (h, w, c)
weights, bias = np.array([2.0, -1.0]), 0.5  # of one class
score = bias + A.mean(axis=(0, 1)) @ weights  # global average pooling, then linear
M = A @ weights
print("score", score, "= bias + mean of the map", M, sep="\n")

# %% [markdown]
# By hand: x w = (1 + 2, -1) = (3, -1), so y = (3, 0) and L = 4.5. The gradient is y wᵀ = (3·1, 3·2) = (3, 6). A step of
# 0.1 · g / 4.5 brings L to 5.556: up.
#
# The lower part is the trick of the class activation map (Zhou et al. 2016). Averaging and then weighting is the same
# as weighting and then averaging:
#
#     s_k = b_k + Σ_c w_ck · mean_hw A_c  =  b_k + mean_hw M_k        with M_k = Σ_c w_ck · A_c
#
# So M_k says how much each place adds to the score: 6 at the lower left, -4 at the lower right. GoogLeNet ends just so
# (lesson 07), and gets its heat map for the price of a product.

# %%
assert g.tolist() == [3, 6] and np.allclose(wiggled, g) and round(forward(after)[1], 3) == 5.556
assert M.tolist() == [[2, 0], [6, -4]] and score == bias + M.mean() == 1.5

# %% [markdown]
# ## The library's own
#
# The weights of 2014 (lesson 13) are looked for in the folder `MINIGOOGLENET_CAFFE`, else in `datasets/`. Without them,
# the same network with random weights: all of the mathematics works, and its pictures show what *not* having learned
# looks like.

# %%
from minigooglenet.inference.classifier import of_2014
from minigooglenet.inference.photos import caffe_input, caffe_pixels
from minigooglenet.models import googlenet

trained = weights_of_2014()
untrained = googlenet("bvlc", heads=False, rng=np.random.default_rng(15))
net = of_2014(trained).net if trained else untrained
LIGHT = 920  # the class "traffic light"
light = traffic_light()  # as in lesson 13
crop = light[16:240, 48:272]  # the middle 224×224
x = caffe_input(crop[None])
print("the network reads", x.shape)

# %% [markdown]
# **Filters.** Where filters meet the picture itself they are small pictures, 7×7 pixels of blue, green and red. How
# smooth is each? Compare the mean squared step from a pixel to its neighbour with that of random numbers, where it is
# twice the variance: 1 is as rough as noise, 0 is flat.

# %%
from minigooglenet.inside.features import first_filters


def roughness(filters):
    """For each of 64 filters (7, 7, 3, 64): mean squared step between neighbours / twice the variance."""
    across, down = np.diff(filters, axis=1), np.diff(filters, axis=0)
    step = ((across ** 2).mean(axis=(0, 1, 2)) + (down ** 2).mean(axis=(0, 1, 2))) / 2
    return step / (2 * filters.var(axis=(0, 1)).mean(axis=0))


path, filters = first_filters(net)
_, noise = first_filters(untrained)
print(path, filters.shape, f"median roughness {np.median(roughness(filters)):.2f},",
      f"of random weights {np.median(roughness(noise)):.2f}")
compare("the first filters", guess_filters, "edges and colours")
assert filters.shape == (7, 7, 3, 64) and abs(np.median(roughness(noise)) - 1) < 0.1
assert not trained or np.median(roughness(filters)) < 0.5 < 1 < roughness(filters).max()

# %% [markdown]
# After training most of them are smooth: edges at some angle, and blobs of one colour against another. A few are
# rougher than noise, which no accident would make so: they look for the finest stripes.
#
# **Activations.** Deeper layers have no pixels to show their filters in, but they have answers. ReLU makes most of
# them 0: a channel says "not here" nearly everywhere. `until` cuts a network behind a layer.

# %%
from minigooglenet.inside.structure import until

for layer in ("conv1", "3b", "4c", "5b"):
    y = np.maximum(until(net, layer).predict(x), 0)  # "conv1" is the convolution alone, without its ReLU
    zeros = np.mean(y == 0)
    print(f"{layer:<6} {y.shape}  {zeros:.0%} zeros")
    if layer == "4c":
        compare("zeros in 4c", guess_zeros, float(zeros))

# %% [markdown]
# **The gradient of the pixels.** `input_gradient(net, x, dy, layer)` goes forward to a layer, enters with dy there,
# and comes back to the pixels. With dy = y it is the gradient of L = Σ y²/2. Does it hold? Wiggle the picture along
# some direction u; L must change by ε · Σ g·u. (A little grain is laid over the drawing first. Its perfectly flat sky
# has ties in every max pool, lesson 04, and where there are ties, there is no single gradient to check. Photos have
# none.)

# %%
from minigooglenet.inside import input_gradient as gradient_of

piece = until(net, "4c")


def climbed(x):
    """L = Σ y²/2 at module 4c."""
    return float(np.square(piece.predict(x), dtype=np.float64).sum() / 2)


grainy = x + np.random.default_rng(15).normal(0, 3, x.shape).astype(np.float32)
g = gradient_of(net, grainy, dy=lambda y: y, layer="4c")
u = g / np.abs(g).max()  # the steepest direction: the clearest difference
difference = (climbed(grainy + 0.02 * u) - climbed(grainy - 0.02 * u)) / 0.04
print(f"by backward {np.sum(g * u, dtype=np.float64):.5g}, by wiggling {difference:.5g}")
assert g.shape == x.shape and np.isclose(difference, np.sum(g * u, dtype=np.float64), rtol=0.05)

climbing, values = x, []
for _ in range(4):
    values.append(climbed(climbing))
    g = gradient_of(net, climbing, dy=lambda y: y, layer="4c")
    climbing = climbing + 1.0 * g / np.abs(g).mean()  # one grey level of 255, on average
print("L:", " → ".join(f"{value:.4g}" for value in values))
assert values == sorted(values)

# %% [markdown]
# Four steps of one grey level, which nobody would see, and L has grown a good deal. That it grows so easily is the
# reason for adversarial examples: pictures changed invisibly until the answer is another.
#
# **Where was it seen?** The class activation map, and Grad-CAM, which needs no special ending and works at any layer.
# At the last module both are the same but for the factor H·W = 49, since there ∂s_k/∂A_c = w_ck / 49 at every place,
# and for the ReLU.

# %%
from minigooglenet.inside.cam import class_activation_map, grad_cam, to_picture

cam = class_activation_map(net, x, [LIGHT])
logit = net.predict(x)[0, LIGHT]
bias = net.parameters()["linear/b"][LIGHT]
heat = grad_cam(net, x, [LIGHT], "5b")
print(f"map {cam.shape}; its mean plus the bias {cam.mean() + bias:.4f}, the logit {logit:.4f}")
assert np.isclose(cam.mean() + bias, logit, rtol=1e-3, atol=1e-4)
assert np.allclose(49 * heat, np.maximum(cam, 0), rtol=1e-3, atol=1e-4)

maps = {layer: to_picture(grad_cam(net, x, [LIGHT], layer), 224, 224)[0] for layer in ("4c", "5b")}
on_box = np.zeros((224, 224), bool)
on_box[14:206, 74:150] = True
share = float(maps["5b"][on_box].sum() / max(maps["5b"].sum(), 1e-30))
print(f"the box: {on_box.mean():.0%} of the pixels, {share:.0%} of the heat")
compare("share of the heat on the box", guess_share, share)
assert round(on_box.mean(), 2) == 0.29

# %% [markdown]
# **DeepDream** (Mordvintsev, Olah & Tyka 2015) is the loop above with three tricks. Begin with a small copy of the
# picture and enlarge it now and then (*octaves*), so that large shapes come before details. Shift the picture at
# random before each step (*jitter*), so that the strides leave no pattern. And divide the gradient by its mean size,
# as above. Module 4c is the layer of the original code.

# %%
from minigooglenet.inference.photos import open_photo, resize_shorter
from minigooglenet.inside.dream import Dream, dream, octave_sizes

black, white = (caffe_input(np.full((1, 1, 1, 3), grey, np.uint8))[0, 0, 0] for grey in (0, 255))
how = Dream("4c", octaves=2, steps=3) if QUICK else Dream("4c", octaves=4, steps=12)
photo = None  # the path of a photo of yours, to dream on that in place of the drawing

shown = light if photo is None else np.asarray(resize_shorter(open_photo(photo), 256))
first_look, strength = caffe_input(shown[None])[0], []
dreamt = dream(net, first_look, how, (black, white), np.random.default_rng(15),
               on_step=strength.append)
print("sizes", octave_sizes(*shown.shape[:2], how.octaves, how.scale))
last = strength[-how.steps:]
print(f"in the last octave, mean y²/2 from {last[0]:.4g} to {last[-1]:.4g}")
assert dreamt.shape == first_look.shape and last[-1] > last[0]
assert (dreamt >= black - 1e-3).all() and (dreamt <= white + 1e-3).all()

# %% [markdown]
# ## The picture
#
# First the filters, random and as they are in our network, and where the class was seen. Then the dream.

# %% tags=["figure"]
from lessons.helpers import hang, mosaic
from minigooglenet.pictures.heatmaps import blended
from minigooglenet.pictures.style import figure

known = "the weights of 2014" if trained else "random weights, another seed"
other = first_filters(net if trained else googlenet("bvlc", heads=False, rng=np.random.default_rng(16)))[1]
fig, axes = figure(2, 2, width=7, height=7.4)
hang(axes[0], {f"conv1, {whose}": mosaic(of.transpose(3, 0, 1, 2)[..., ::-1])  # blue first -> red first
               for whose, of in (("random weights", noise), (known, other))})
hang(axes[1], {f"traffic light, by Grad-CAM at {layer}": blended(crop, heat) for layer, heat in maps.items()})
seen = ("Trained, they are smooth edges and colours, and the heat is strongest on the box and its lamps." if trained
        else "Here both are random, and so is the heat.")
show(fig, "15_filters_and_heat", "The 64 filters of the first layer, random ones beside those of the network, "
     f"and two heat maps of the class traffic light over the drawing. {seen}")

# %% tags=["figure"]
fig, axes = figure(2, 1, width=6, height=9.4)
hang(axes, {"what it was shown": shown, f"what module 4c made of it ({known})":
            np.clip(caffe_pixels(dreamt), 0, 255).astype(np.uint8)})
show(fig, "15_dream", "The drawing of a traffic light, and below it the same after dreaming at module 4c. "
     + ("The red lamp has become a face, the other two a pot, and the sky is full of lines like roofs and roads."
        if trained and not QUICK and photo is None else "Fine patterns have grown on it."))

# %% [markdown]
# Dreamt over with the weights of 2014, the drawing's red lamp looks like a face to us, and the other two like a pot.
# Why faces? Of the 1000 classes, numbers 151 to 268 are breeds of dogs, 118 of them, and many others are birds and
# other animals. Whatever is round and has dark spots looks a little like a face to layers in the middle, and the dream
# makes it more so. Random weights have nothing to dream of: their patterns are as fine as noise, everywhere alike.

# %% [markdown]
# ## Exercises
#
# Write them in `lessons/exercises/15_inside.py`, then run `make check N=15`. Stuck? `make check N=15 HINT=1`.
#
# 1. `input_gradient(x, w)`: of L = Σ y²/2 behind a 1×1 convolution and a ReLU. It is compared with the library's
#    backward pass and with wiggled pixels, and a step along it must raise L.
# 2. `step_up(x, g, step, low, high)`: one step of DeepDream, kept between black and white.
# 3. `grad_cam(A, dA)`: the heat map, from a layer's maps and the gradient that arrives there.

# %% [markdown]
# ## If you got …
#
# | you got | the usual cause |
# |---|---|
# | a picture that turns grey and flat | down the gradient; dreaming goes up: plus, not minus |
# | L that hardly moves, or explodes | g was not divided by its mean size |
# | white and black speckles all over | the step is too large, or nothing keeps x between black and white |
# | a gradient of exactly 0 | the channel is silent: behind a ReLU, what is 0 everywhere cannot be woken |
# | (3, 7) for the gradient of the small example | the ReLU's mask is missing: y, not x w, goes back |
# | a heat map with negative places | the last ReLU of Grad-CAM is missing |
# | blue skin on dreamt dogs | the picture is blue first; turn it round before showing it |

# %%
no_mask = (np.array([1.0, 1.0]) @ w) @ w.T
print("without the mask:", no_mask)
assert no_mask.tolist() == [3, 7] and len(range(151, 269)) == 118

# %% [markdown]
# ## Where books and libraries get this wrong
#
# * **A heat map has 7×7 numbers.** Stretched to 224×224 and smoothed, it looks as if it knew outlines. It does not: one
#   cell stands for 32×32 pixels, and has seen far more.
# * **Some maps hardly depend on the network.** Adebayo et al. 2018 ("Sanity checks for saliency maps") put random
#   weights in, layer by layer: guided backpropagation gave nearly the same picture as before. Gradients and Grad-CAM
#   passed. Our random network is the same check: if its picture convinces you, the method is at fault.
# * **"The channel detects dogs."** It answers to dogs, among other things. What a channel answers to most says little
#   about what it does on ordinary photos.
# * **Which Inception?** Of the networks called InceptionV1, Caffe's, Google's released graph (with other widths in 4a
#   and 5a) and torchvision's have different channels. Channel 97 of 4c in one is not channel 97 in another (lucent,
#   issue 17).
# * **The step.** The published DeepDream has a step of 1.5, of 255 grey levels; 1.5 / 255 = 0.0059, our `step`. In code
#   where pixels run from 0 to 1, a step of 1.5 gives noise at once.

# %%
assert 224 // 7 == 32 and round(1.5 / 255, 4) == 0.0059 and Dream().step == 0.006

# %% [markdown]
# ## Recap
#
# 1. The backward pass may go on to the pixels: ∂L/∂x says how each of them moves L.
# 2. The first filters are small pictures: edges and colours after training, noise before.
# 3. Class activation map: weighting and then averaging; its mean is the score without the bias.
# 4. Grad-CAM replaces the weights by averaged gradients, and works at any layer.
# 5. DeepDream climbs Σ y²/2 with normalised steps, octaves and jitter, between black and white.

# %% [markdown]
# ## Glossary
#
# * **input gradient**: the gradient of some number with respect to the picture; also called saliency.
# * **class activation map**: what each place adds to the score of a class, in a network that ends in an average.
# * **Grad-CAM**: the same for any layer, with gradients in place of the last weights.
# * **activation**: what a layer puts out for a picture.
# * **octave**: one size of the picture in DeepDream; each is 1.4 times the one before.
# * **jitter**: a random shift before each step.

# %% [markdown]
# ## Next
#
# One lesson is left. Lesson 16 puts GoogLeNet beside its ancestors and asks of each: who spends what?
