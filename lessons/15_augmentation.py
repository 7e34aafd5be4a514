# %% [markdown]
# # 15. What is augmentation worth?
#
# * **Paper:** Szegedy et al. 2014, section 6, "Training Methodology": patches of 8 to 100 % of the image
# * **Review:** the counterpart in training of its section 6, "Testing Details" (Tsang 2018)
# * **You build:** the crop sampler, mirroring, photometric distortion
# * **Figure:** a grid of crops; the histogram of their areas
# * **Time:** 1 min
#
# Crop a photo of a cat, mirror it, make it a little darker: it is still a cat. To a network, however, each of these is
# a new array of values. **Augmentation** makes such variants at random, a new one each time an image is used. So
# the network cannot memorize the images; it has to learn what a cat looks like. The paper describes its method in one
# sentence: patches whose size is distributed evenly between 8 % and 100 % of the image's area, with an aspect ratio
# between 3/4 and 4/3. It adds the photometric distortions of Andrew Howard. It also warns that the recipe changed over
# months, so that nobody can tell how much each part contributed.

# %% [markdown]
# ## Predict first

# %%
# 1. A crop's area is uniform between 8 % and 100 % of the image. What fraction of the image does it cover on average?
guess_share = None

# 2. The smallest such crop is resized to the size of the whole image. By what factor do the height and width of a cat
#    in it grow, compared with the whole image?
guess_zoom = None

# 3. A small network trains for many epochs on 400 images, with and without augmentation. With augmentation, is its
#    accuracy on the training images "higher", "lower" or the "same"?
guess_training = None

# %% [markdown]
# ## Build it small
#
# First the crop. A box of height h and width w in an image of H × W has
#
#     area fraction  s = h w / (H W)          h = √(s H W / r)
#     aspect ratio   r = w / h                w = √(s H W · r)
#
# So: draw s, draw r, compute h and w, and place the box at random. It fits inside if h <= H and w <= W, that is
#
#     s W / H  <=  r  <=  W / (s H)

# %%
import numpy as np

from lessons import QUICK, compare, portrait, show


def size(s, r, H, W):
    """Height and width of a box that covers the fraction s of the image, with aspect ratio r."""
    return np.sqrt(s * H * W / r), np.sqrt(s * H * W * r)


def boxes(rng, N, H, W):
    """N random boxes (top, left, height, width): the area fraction is uniform, the aspect ratio log-uniform."""
    s = rng.uniform(0.08, 1, N)
    r = np.exp(rng.uniform(np.log(np.maximum(3 / 4, s * W / H)), np.log(np.minimum(4 / 3, W / (s * H)))))
    h, w = size(s, r, H, W)
    return np.stack([rng.random(N) * (H - h), rng.random(N) * (W - w), h, w], axis=1)


def contrast(x, f, luma=(0.299, 0.587, 0.114)):
    """Scale the contrast of an image (H, W, 3) around its mean luminance; f < 1 reduces it, f > 1 increases it."""
    m = (x @ np.array(luma)).mean()
    return np.clip(m + f * (x - m), 0, 255)


print("a quarter of 30 × 40 pixels, aspect ratio 4/3: {:.0f} × {:.0f}".format(*size(1 / 4, 4 / 3, 30, 40)))
some = boxes(np.random.default_rng(11), 100_000, 30, 40)
share = some[:, 2] * some[:, 3] / (30 * 40)
print(f"{len(some):,} boxes: area fraction {share.min():.3f} to {share.max():.3f}, mean {share.mean():.3f}")

row = np.array([[[100.0] * 3, [200.0] * 3]])  # one row of two gray pixels
print("mirrored        ", row[:, ::-1, 0])
print("contrast × 0.5  ", contrast(row, 0.5)[..., 0], "  × 3  ", contrast(row, 3)[..., 0])

# %% [markdown]
# By hand: a quarter of 1200 pixels is 300. The height is √(300 · 3/4) = 15, the width √(300 · 4/3) = 20, and 20/15 is
# 4/3. The two gray pixels have the mean luminance 150. Half the contrast gives 125 and 175; three times the contrast
# gives 0 and 300, which is clipped to 255.
#
# The mean of a uniform distribution from 0.08 to 1 is (0.08 + 1) / 2 = 0.54. The smallest crop has 8 % of the area, so
# √0.08 = 0.28 of each side. Resized to the size of the image, its content appears 1 / 0.28 = 3.5 times as large in each
# direction. The sampler thus shows each object at many scales. It is the counterpart of the inception module, which has
# windows of several sizes.

# %%
assert np.allclose(size(1 / 4, 4 / 3, 30, 40), (15, 20))
assert contrast(row, 0.5)[0, :, 0].tolist() == [125, 175] and contrast(row, 3)[0, :, 0].tolist() == [0, 255]
compare("mean fraction of the image", guess_share, round(float(share.mean()), 2))
compare("enlargement in the smallest crop", guess_zoom, round(1 / 0.08**0.5, 1))
assert round(float(share.mean()), 2) == (0.08 + 1) / 2 == 0.54 and round(1 / 0.08**0.5, 1) == 3.5
aspect = some[:, 3] / some[:, 2]
assert share.min() > 0.0799 and 0.7499 < aspect.min() and aspect.max() < 4 / 3 + 1e-9
assert (some[:, :2] >= 0).all() and (some[:, 0] + some[:, 2] < 30 + 1e-9).all()
assert (some[:, 1] + some[:, 3] < 40 + 1e-9).all()

# %% [markdown]
# ## In the library
#
# All of it is in `minigooglenet/data/augment.py`. A step is a function `(x, rng) -> x` of a batch. A kind of
# augmentation is a tuple of steps in the table `KINDS`. With the same seed, `area_boxes` draws the same boxes as our
# sampler.

# %%
from minigooglenet.data import augment

ours = boxes(np.random.default_rng(3), 5, 30, 40)
theirs = augment.area_boxes(np.random.default_rng(3), 5, 30, 40)
assert np.allclose(ours, theirs, rtol=1e-12)
print("top, left, height, width\n", np.round(theirs, 1), sep="")
for kind, steps in augment.KINDS.items():
    print(f"{kind:<7}", ", ".join(step.__name__ for step in steps) or "(nothing)")

# %% [markdown]
# `photometric` scales brightness, contrast and saturation by factors between 0.5 and 1.5, in random order:
#
#     brightness   f x          contrast   m + f (x - m)          saturation   g + f (x - g)
#
# m is the mean luminance of the image, g the luminance of each pixel (so saturation 0 gives gray). Values are clipped
# to 0 … 255 after each step. To compare a single step, we pass in a "generator" that is not random.

# %%
class Chosen:
    """Replaces a generator: the order brightness, contrast, saturation, and given factors."""

    def __init__(self, *factors):
        self.factors = np.array([factors])

    def permuted(self, order, axis):
        return order

    def uniform(self, low, high, shape):
        return self.factors


image = np.random.default_rng(11).uniform(0, 255, (1, 4, 5, 3))
assert np.allclose(augment.photometric(image, Chosen(1, 0.6, 1))[0], contrast(image[0], 0.6))
gray = augment.photometric(image, Chosen(1, 1, 0))
assert np.allclose(gray[..., 0], gray[..., 1]) and np.allclose(gray[..., 0], image @ augment.LUMA)
flipped = augment.mirror(image.repeat(1000, axis=0), np.random.default_rng(1))
mirrored = np.mean([np.array_equal(one, image[0, :, ::-1]) for one in flipped])
print(f"mirror: {mirrored:.0%} of 1000 copies were mirrored")
assert abs(mirrored - 0.5) < 0.05

# %% [markdown]
# **Rejection changes the distribution.** A common way to get a box that fits is to draw s and r from their full ranges,
# and to draw again if the box does not fit. Large boxes fail more often than small ones, so they become rarer, and the
# area is no longer uniform. Another mistake is to draw the *side* uniformly. Here are all three:

# %%
def rejected(rng, N, H, W):
    """Area fractions when boxes that do not fit are rejected."""
    s, r = rng.uniform(0.08, 1, 2 * N), np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3), 2 * N))
    h, w = size(s, r, H, W)
    return s[(h <= H) & (w <= W)][:N]


rng = np.random.default_rng(12)
shares = {"area uniform": share, "boxes drawn until they fit": rejected(rng, 100_000, 30, 40),
          "side uniform": rng.uniform(0.08**0.5, 1, 100_000) ** 2}
print("area fraction                   mean    above 90 %")
for name, values in shares.items():
    print(f"{name:<29} {values.mean():6.3f} {np.mean(values > 0.9):10.1%}")
large = {name: float(np.mean(values > 0.9)) for name, values in shares.items()}
assert round(large["area uniform"], 2) == round(0.1 / 0.92, 2) == 0.11
assert large["boxes drawn until they fit"] < 0.07 and shares["side uniform"].mean() < 0.48
assert round((4 / 3 - 1) / (4 / 3 - 3 / 4), 2) == 0.57  # the part of the aspect ratios that is above 1

# %% [markdown]
# **What is it worth?** We train one small network (LeNet-5 with batch norm) on 400 drawn images of circles, rings,
# crescents and triangles, in three ways: without augmentation, with "crop" (shifted by up to 4 pixels and mirrored),
# and with "paper". Everything else is equal, seeds included. We measure accuracy on the training images as the network
# gets them, and on new images. Random guessing has an accuracy of 25 %.

# %%
from minigooglenet.data import Augment, Dataset, shapes10
from minigooglenet.training.config import Config
from minigooglenet.training.trainer import Trainer


def four_classes(N, split):
    x, y = shapes10.draw(N, seed=11, split=split)
    return x[y < 4], y[y < 4]


drawn = Dataset("four shapes", *four_classes(1000, 0), *four_classes(1250, 1), shapes10.CLASSES[:4])
print(len(drawn.y_train), "training images,", len(drawn.y_test), "new ones:", ", ".join(drawn.classes))
training, new = {}, {}
for kind in ("none", "crop", "paper"):
    config = Config(model="lenet5", norm="batch", batch=32, epochs=2 if QUICK else 30, lr=0.02,
                    nesterov=False, average=0.95, augment=kind)
    trainer = Trainer(config, drawn, augment=Augment(kind))
    trainer.run()
    training[kind], new[kind] = (trainer.history[-1][key] for key in ("train_accuracy", "test_accuracy"))
    print(f"{kind:<6} training {training[kind]:6.1%}   new images {new[kind]:6.1%}   "
          f"gap {training[kind] - new[kind]:+.1%}")
if not QUICK:
    assert training["none"] > 0.9 and new["crop"] > new["none"] + 0.05
    assert training["paper"] < training["crop"] < training["none"]
    assert training["crop"] - new["crop"] < 0.15 < 0.3 < training["none"] - new["none"]
outcome = "lower" if max(training["crop"], training["paper"]) < training["none"] else "not lower"
compare("accuracy on the training images, with augmentation", guess_training, outcome)

# %% [markdown]
# Look at the gap first. Without augmentation the network memorizes its 400 images, and much of what it learns does not
# generalize. With "crop" each image has 9·9·2 = 162 variants: training accuracy is *lower*, accuracy on new images is
# *higher*: both are now about the same. "paper" is too strong for such a small network and short training. It was
# designed for images of 400 pixels and hundreds of epochs; 8 % of 32 × 32 pixels are 9 × 9. Too much augmentation
# hurts. (All this describes a full run; with `--quick` the three networks have hardly started to learn.)
#
# Others have measured a long run on CIFAR-10 (Zhang et al. 2017, a small Inception with batch norm): test accuracy is
# 85.75 % without augmentation and 89.31 % with random crops. The same images, cropped differently, gain 3.56 points.
#
# **Estimate, then measure.** Could the variants be made once and stored? How many gigabytes would they be for 28 epochs
# of CIFAR-10, 50,000 images of 3,072 bytes? And for 250 epochs of ImageNet, 1.28 million crops of 224×224? So they are
# made anew each time, in a thread of their own, while the network trains. Is that thread fast enough?
#
# **Half-size images** (*progressive resizing*, fast.ai 2018) are another change, and no augmentation: `halve` replaces
# 2×2 pixels by their mean, always in the same way. In its first epochs `make train` halves the images after
# augmentation, for a quarter of the multiply-adds (lesson 16). Large shapes and colors can be learned from them. The
# network takes both sizes, since it ends in an average over all positions (lesson 10). The last epochs see the details.

# %%
import timeit

cifar, imagenet = 28 * 50_000 * 32 * 32 * 3, 250 * 1_281_167 * 224 * 224 * 3
print(f"stored variants: {cifar / 1e9:.1f} GB, {imagenet / 1e9:,.0f} GB")
batch, rng = drawn.x_train[:128], np.random.default_rng(5)
spent = {kind: min(timeit.repeat(lambda kind=kind: Augment(kind)(batch, rng), number=1, repeat=5)) / len(batch)
         for kind in ("mirror", "crop", "paper")}
print("µs per image:", ", ".join(f"{kind} {1e6 * seconds:.0f}" for kind, seconds in spent.items())
      + f"; LeNet-5 trains on it for {1e6 / trainer.images_per_second():.0f}")
tall = np.array([[[[0.0] * 3, [100] * 3], [[100] * 3, [200] * 3], [[7] * 3, [9] * 3]]])  # 3×2 gray pixels
print("halved:", tall[0, :, :, 0].tolist(), "->", augment.halve(tall)[0, :, :, 0].tolist())
assert (round(cifar / 1e9, 1), round(imagenet / 1e12)) == (4.3, 48)
assert round(89.31 - 85.75, 2) == 3.56 and round((0.08 * 32 * 32) ** 0.5) == 9
assert augment.halve(tall).shape == (1, 1, 1, 3) and (augment.halve(tall) == 100).all()  # the odd row is left out

# %% [markdown]
# ## The figure
#
# Left: a photo (Grace Hopper; it comes with matplotlib) of 512 × 600 pixels, and what the network might get to see of
# it. The first two rows are crops alone; those below also have photometric distortion and lighting. Right: the
# distribution of areas for the three samplers.

# %% tags=["figure"]
from matplotlib.patches import Rectangle

from minigooglenet.figures.style import COLORS, figure
from minigooglenet.kernels.crop_resize import crop_resize

if portrait() is not None:
    photo = np.asarray(portrait())
else:
    photo = drawn.x_train[0].repeat(18, axis=0).repeat(16, axis=1)

rng, S = np.random.default_rng(4), 110
crops = augment.area_crop(photo[None].repeat(15, axis=0), rng, (S, S))
distorted = augment.lighting(augment.photometric(crops[7:], rng), rng)
tiles = np.clip(np.concatenate([crops[:7], distorted]), 0, 255).astype(np.uint8)
sheet = np.full((4 * S + 3 * 8, 4 * S + 3 * 8, 3), 255, np.uint8)
box = np.array([[0.0, 0.0, *photo.shape[:2]]])
whole = crop_resize(photo[None], box, np.array([False]), S, 94)[0]
sheet[:S, 8:102] = whole.astype(np.uint8)
for at, tile in enumerate(tiles, 1):
    top, left = (at // 4) * (S + 8), (at % 4) * (S + 8)
    sheet[top:top + S, left:left + S] = tile

fig, (left, right) = figure(1, 2, width=8, height=4.1, width_ratios=[1.12, 1])
left.imshow(sheet)
left.add_patch(Rectangle((7, -1), 95, S + 1, fill=False, edgecolor=COLORS[0], lw=2.5))
left.axis("off")
left.set_title("the whole image (framed), and 15 crops of it")
edges = np.linspace(0, 1, 51)
for (name, values), color in zip(shares.items(), (COLORS[0], COLORS[1], COLORS[2]), strict=True):
    density = np.histogram(values, edges, density=True)[0]
    right.stairs(density, 100 * edges, color=color, lw=2, label=name, baseline=None)
right.legend(frameon=False, loc="upper right")
right.axvline(8, color="0.7", lw=0.8, ls=":")
right.text(10, 0.1, "8 %", color="0.4")
right.set(xlabel="area of the crop, in % of the image", ylabel="density", ylim=(0, 2.9), xlim=(0, 100),
          title="how large are the crops?")
show(fig, "15_crops", "Left: an image and 15 crops of it, some a tiny part enlarged, some nearly all, half of them "
     "mirrored, eight of them with changed brightness, contrast and colors. Right: the paper's sampler has uniform "
     "areas from 8 to 100 %; if boxes are redrawn, large ones are rare; with a uniform side, small ones are frequent.")

# %% [markdown]
# ## Exercises
#
# Write them in `lessons/exercises/15_augmentation.py`, then run `make check N=15`. Stuck? `make check N=15 HINT=1`.
#
# 1. `sample_boxes(seed, N, H, W)`: the crop sampler. Any method is right if the boxes stay inside, areas and aspect
#    ratios have the right distribution, and the seed determines the result. The check tests these properties.
# 2. `mirror(x, flips)`: swap left and right in the images of a batch for which `flips` is true.
# 3. `distort(x, brightness, contrast, color)`: the three distortions in a row, with given factors.

# %% [markdown]
# ## If you got …
#
# | you got | the usual cause |
# |---|---|
# | a mean area fraction of about 0.45 | the side was drawn uniformly: draw the area, then take the root |
# | hardly any box above 90 % | boxes that did not fit were rejected and drawn again |
# | many boxes exactly as wide as the image | boxes that did not fit were clipped |
# | every crop touches the upper left corner | top and left are missing, or drawn before h and w are known |
# | images that are upside down | axis 1 is the height; left and right are axis 2 |
# | the same crops in every epoch | each epoch makes a generator from the same seed: put the epoch into the seed |
# | blue faces | the channels were reversed instead of the columns: `x[..., ::-1]` |

# %% [markdown]
# ## Where books and libraries get this wrong
#
# * **The distribution of the aspect ratio.** The paper gives an interval (arXiv: "chosen randomly between", CVPR:
#   "constrained to") and no distribution. Ours is log-uniform, so that 3/4 and 4/3, one shape upright and on its side,
#   are equally likely. Uniform, 57 % of the boxes would be wider than high.
# * **Rejection.** torchvision's `RandomResizedCrop` tries ten times, then takes a central crop. On images of 4 to 3 it
#   returns fewer large crops than its documentation's uniform scale suggests, as the histogram shows.
# * **Augmenting the test set.** Random distortion belongs in training. In testing the crops are fixed, and the
#   predictions are averaged (lesson 18's 144 crops).
# * **Normalizing before distorting.** Scaling the brightness has another meaning once the mean has been subtracted.
#   Distort pixels from 0 to 255 first, normalize last; `batches` takes the two as separate arguments for this reason.
# * **Mirroring what must not be mirrored.** A mirrored cat is a cat. A mirrored 2 is not a 2, and a mirrored d is a b.
#   Only you can know which distortions preserve the label.
# * **One recipe "of GoogLeNet".** The paper itself says there is none: its seven networks were sampled in different
#   ways, which changed during training. The Caffe team left out aspect ratio and photometric distortion.

# %% [markdown]
# ## Recap
#
# 1. Augmentation makes a new variant of an image each time it is used; the label must stay right.
# 2. The paper's crop: area fraction s uniform in 8 to 100 %, aspect ratio r in 3/4 to 4/3; h = √(sHW/r), w = √(sHW·r).
# 3. Draw r within the bounds that fit; redrawing until a box fits makes large crops rare.
# 4. Mirroring is free; brightness, contrast and saturation are scaled by 0.5 to 1.5, in random order.
# 5. Training accuracy drops, accuracy on new images rises, the gap closes; with too much, the network learns less.

# %% [markdown]
# ## Glossary
#
# * **augmentation**: distorting training images at random, in ways that preserve the label.
# * **aspect ratio**: width divided by height.
# * **photometric distortion**: changing brightness, contrast and color (Howard 2013).
# * **lighting**: adding a random multiple of the principal colors to all pixels (Krizhevsky et al. 2012).
# * **overfitting**: being better on the training images than on new ones, because they were memorized.

# %% [markdown]
# ## Next
#
# Lesson 16 puts everything together, from im2col to the crop: can NumPy learn CIFAR-10?
