# %% [markdown]
# # 11. What is augmentation worth?
#
# * **Paper:** Szegedy et al. 2014, section 6, "Training Methodology": patches of 8 to 100 % of the image
# * **Review:** what its section 6, "Testing Details" (Tsang 2018), has a counterpart for in training
# * **You build:** the crop sampler, mirroring, photometric distortion
# * **Picture:** a grid of crops; the histogram of their areas
# * **Time:** 1 min
#
# Cut a corner off a photo of a cat, mirror it, make it a little darker: it is still a cat. But to a network every one
# of these is a new array of numbers. **Augmentation** makes such variants at random, a fresh one whenever a picture is
# used, so that the network cannot learn pictures by heart and has to learn cats. The paper names its way in a sentence:
# patches whose size is spread evenly between 8 % and 100 % of the image's area, with an aspect ratio between 3/4 and
# 4/3. It adds the photometric distortions of Andrew Howard. And it warns that the recipe changed over months, so that
# nobody can say which part brought what.

# %% [markdown]
# ## Predict first

# %%
# 1. A crop's area is anything between 8 % and 100 % of the picture, all equally likely. What share has it on average?
guess_share = None

# 2. A cat fills the smallest such crop as it filled the whole picture. How many times as long and wide is it then in
#    the resized crop, compared with the resized picture?
guess_zoom = None

# 3. A small network trains on 400 pictures, again and again, with and without augmentation. Its accuracy on these very
#    pictures is "higher", "lower" or the "same" with augmentation?
guess_training = None

# %% [markdown]
# ## Build it small
#
# First the crop. A box of height h and width w in a picture of H × W has
#
#     share   s = h w / (H W)          h = √(s H W / r)
#     aspect  r = w / h                w = √(s H W · r)
#
# So: draw s, draw r, compute h and w, and put the box somewhere inside. It fits inside if h <= H and w <= W, that is
#
#     s W / H  <=  r  <=  W / (s H)

# %%
import numpy as np

from lessons import QUICK, compare, portrait, show


def size(s, r, H, W):
    """Height and width of a box with share s of the picture and aspect r."""
    return np.sqrt(s * H * W / r), np.sqrt(s * H * W * r)


def boxes(rng, N, H, W):
    """N random boxes (top, left, height, width): the share uniform, the aspect uniform in its logarithm."""
    s = rng.uniform(0.08, 1, N)
    r = np.exp(rng.uniform(np.log(np.maximum(3 / 4, s * W / H)), np.log(np.minimum(4 / 3, W / (s * H)))))
    h, w = size(s, r, H, W)
    return np.stack([rng.random(N) * (H - h), rng.random(N) * (W - w), h, w], axis=1)


def contrast(x, f, luma=(0.299, 0.587, 0.114)):
    """Stretch a picture (H, W, 3) around its mean lightness; f < 1 makes it flatter, f > 1 harder."""
    m = (x @ np.array(luma)).mean()
    return np.clip(m + f * (x - m), 0, 255)


print("a quarter of 30 × 40 pixels, aspect 4/3: {:.0f} × {:.0f}".format(*size(1 / 4, 4 / 3, 30, 40)))
some = boxes(np.random.default_rng(11), 100_000, 30, 40)
share = some[:, 2] * some[:, 3] / (30 * 40)
print(f"{len(some):,} boxes: share {share.min():.3f} to {share.max():.3f}, mean {share.mean():.3f}")

row = np.array([[[100.0] * 3, [200.0] * 3]])  # one row of two grey pixels
print("mirrored        ", row[:, ::-1, 0])
print("contrast × 0.5  ", contrast(row, 0.5)[..., 0], "  × 3  ", contrast(row, 3)[..., 0])

# %% [markdown]
# By hand: a quarter of 1200 pixels is 300; the height is √(300 · 3/4) = 15, the width √(300 · 4/3) = 20, and 20/15 is
# 4/3. The two greys have the mean lightness 150; half the contrast brings them to 125 and 175, three times the contrast
# to 0 and 300, which is cut to 255.
#
# The mean of numbers spread evenly from 0.08 to 1 is (0.08 + 1) / 2 = 0.54. The smallest crop has 8 % of the area, so
# √0.08 = 0.28 of each side: enlarged to the size of the picture, what is in it appears 1 / 0.28 = 3.5 times as long and
# wide. This is what the sampler teaches: things come in all sizes. It is the counterpart of the inception module, which
# has windows of several sizes to see them with.

# %%
assert np.allclose(size(1 / 4, 4 / 3, 30, 40), (15, 20))
assert contrast(row, 0.5)[0, :, 0].tolist() == [125, 175] and contrast(row, 3)[0, :, 0].tolist() == [0, 255]
compare("mean share of the picture", guess_share, round(float(share.mean()), 2))
compare("enlargement in the smallest crop", guess_zoom, round(1 / 0.08**0.5, 1))
assert round(float(share.mean()), 2) == (0.08 + 1) / 2 == 0.54 and round(1 / 0.08**0.5, 1) == 3.5
aspect = some[:, 3] / some[:, 2]
assert share.min() > 0.0799 and 0.7499 < aspect.min() and aspect.max() < 4 / 3 + 1e-9
assert (some[:, :2] >= 0).all() and (some[:, 0] + some[:, 2] < 30 + 1e-9).all()
assert (some[:, 1] + some[:, 3] < 40 + 1e-9).all()

# %% [markdown]
# ## The library's own
#
# All of it is in `minigooglenet/data/augment.py`. A step is a function `(x, rng) -> x` of a whole batch, and a kind of
# augmentation is a list of steps, in the table `KINDS`. `area_boxes` is our sampler, number for number, if both begin
# with the same seed.

# %%
from minigooglenet.data import augment

ours = boxes(np.random.default_rng(3), 5, 30, 40)
theirs = augment.area_boxes(np.random.default_rng(3), 5, 30, 40)
assert np.allclose(ours, theirs, rtol=1e-12)
print("top, left, height, width\n", np.round(theirs, 1), sep="")
for kind, list_of_steps in augment.KINDS.items():
    print(f"{kind:<7}", ", ".join(step.__name__ for step in list_of_steps) or "(nothing)")

# %% [markdown]
# `photometric` scales brightness, contrast and colour by factors between 0.5 and 1.5, in random order:
#
#     brightness   f x          contrast   m + f (x - m)          colour   g + f (x - g)
#
# with m the mean lightness of the picture, g the lightness of each pixel (so colour 0 would be grey), cut to 0 … 255
# after each. To compare one step alone we pass in a "generator" that is not random at all.

# %%


class Chosen:
    """In place of a generator: the order brightness, contrast, colour, and given factors."""

    def __init__(self, *factors):
        self.factors = np.array([factors])

    def permuted(self, order, axis):
        return order

    def uniform(self, low, high, shape):
        return self.factors


picture = np.random.default_rng(11).uniform(0, 255, (1, 4, 5, 3))
assert np.allclose(augment.photometric(picture, Chosen(1, 0.6, 1))[0], contrast(picture[0], 0.6))
grey = augment.photometric(picture, Chosen(1, 1, 0))
assert np.allclose(grey[..., 0], grey[..., 1]) and np.allclose(grey[..., 0], picture @ augment.LUMA)
turned = augment.mirror(picture.repeat(1000, axis=0), np.random.default_rng(1))
mirrored = np.mean([np.array_equal(one, picture[0, :, ::-1]) for one in turned])
print(f"mirror: {mirrored:.0%} of 1000 copies were mirrored")
assert abs(mirrored - 0.5) < 0.05

# %% [markdown]
# **Redrawing is not harmless.** A usual way to get a box that fits is to draw s and r from their full ranges, and to
# draw again if the box sticks out. Large boxes stick out more often than small ones, so they get rarer, and the area is
# no longer uniform. Another wrong way draws the *side* evenly. Here are all three:

# %%


def redrawn(rng, N, H, W):
    """Shares when boxes that stick out are thrown away."""
    s, r = rng.uniform(0.08, 1, 2 * N), np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3), 2 * N))
    h, w = size(s, r, H, W)
    return s[(h <= H) & (w <= W)][:N]


rng = np.random.default_rng(12)
shares = {"area even": share, "boxes redrawn until they fit": redrawn(rng, 100_000, 30, 40),
          "side even": rng.uniform(0.08**0.5, 1, 100_000) ** 2}
print("share of the picture            mean    above 90 %")
for name, values in shares.items():
    print(f"{name:<29} {values.mean():6.3f} {np.mean(values > 0.9):10.1%}")
large = {name: float(np.mean(values > 0.9)) for name, values in shares.items()}
assert round(large["area even"], 2) == round(0.1 / 0.92, 2) == 0.11
assert large["boxes redrawn until they fit"] < 0.07 and shares["side even"].mean() < 0.48

# %% [markdown]
# **What is it worth?** One small network (LeNet-5 with batch norm), 400 drawn pictures of circles, rings, crescents and
# triangles, three ways: as they are, with "crop" (shifted by up to 4 pixels and mirrored), with "paper". All else is
# equal, seeds included. Accuracy is measured on the training pictures as the network meets them, and on pictures that
# it has never seen. Guessing would get 25 %.

# %%
from minigooglenet.data import Augment, Dataset, shapes10
from minigooglenet.training.config import Config
from minigooglenet.training.trainer import Trainer


def four_classes(N, split):
    x, y = shapes10.draw(N, seed=11, split=split)
    return x[y < 4], y[y < 4]


drawn = Dataset("four shapes", *four_classes(1000, 0), *four_classes(1250, 1), shapes10.CLASSES[:4])
print(len(drawn.y_train), "pictures to train on,", len(drawn.y_test), "new ones:", ", ".join(drawn.classes))
training, new = {}, {}
for kind in ("none", "crop", "paper"):
    config = Config(model="lenet5", norm="batch", batch=32, epochs=2 if QUICK else 30, lr=0.02,
                    nesterov=False, average=0.95, augment=kind)
    trainer = Trainer(config, drawn, augment=Augment(kind))
    trainer.run()
    training[kind], new[kind] = (trainer.history[-1][key] for key in ("train_accuracy", "test_accuracy"))
    print(f"{kind:<6} training {training[kind]:6.1%}   new pictures {new[kind]:6.1%}   "
          f"gap {training[kind] - new[kind]:+.1%}")
if not QUICK:
    assert training["none"] > 0.9 and new["crop"] > new["none"] + 0.05
    assert training["paper"] < training["crop"] < training["none"]
    assert training["crop"] - new["crop"] < 0.15 < 0.3 < training["none"] - new["none"]
compare("accuracy on the training pictures, with augmentation", guess_training, "lower")

# %% [markdown]
# Read the gap first. Without augmentation the network learns its 400 pictures by heart, and much of what it learns is
# no use elsewhere. With "crop" training looks *worse*, for no picture comes twice, and new pictures do *better*: both
# columns now say about the same. "paper" is too hard for so small a network and so short a time. It was made for photos
# of 400 pixels and hundreds of epochs; 8 % of 32 × 32 pixels are 9 × 9. Augmentation is a dose, and one can take too
# much. (All this is of a full run; with `--quick` the three have hardly begun.)
#
# What it brings in a long run on CIFAR-10, others have measured (Zhang et al. 2017, a small Inception with batch
# norm): test accuracy 85.75 % without, 89.31 % with random crops. That is 3.56 points, for nothing but the same
# pictures cut differently.

# %%
assert round(89.31 - 85.75, 2) == 3.56 and round((0.08 * 32 * 32) ** 0.5) == 9

# %% [markdown]
# ## The picture
#
# One photo (Grace Hopper; it comes with matplotlib), 512 × 600 pixels, and what the network might get to see of it: the
# crops alone in the first two rows, with photometric distortion and lighting below. On the right, the areas of the
# three samplers.

# %% tags=["figure"]
from matplotlib.patches import Rectangle

from minigooglenet.pictures.style import COLOURS, figure

if portrait() is not None:
    photo = np.asarray(portrait())
else:
    photo = drawn.x_train[0].repeat(18, axis=0).repeat(16, axis=1)

rng, S = np.random.default_rng(4), 110
crops = augment.area_crop(photo[None].repeat(15, axis=0), rng, (S, S))
distorted = augment.lighting(augment.photometric(crops[7:], rng), rng)
tiles = np.clip(np.concatenate([crops[:7], distorted]), 0, 255).astype(np.uint8)
sheet = np.full((4 * S + 3 * 8, 4 * S + 3 * 8, 3), 255, np.uint8)
whole = augment.kernels.crop_resize(photo[None], [(0, 0, *photo.shape[:2])], [False], S, 94)[0]
sheet[:S, 8:102] = whole.astype(np.uint8)
for at, tile in enumerate(tiles, 1):
    top, left = (at // 4) * (S + 8), (at % 4) * (S + 8)
    sheet[top:top + S, left:left + S] = tile

fig, (left, right) = figure(1, 2, width=8, height=4.1, width_ratios=[1.12, 1])
left.imshow(sheet)
left.add_patch(Rectangle((7, -1), 95, S + 1, fill=False, edgecolor=COLOURS[0], lw=2.5))
left.axis("off")
left.set_title("the whole picture (framed), and 15 crops of it")
edges = np.linspace(0, 1, 51)
for (name, values), colour in zip(shares.items(), (COLOURS[0], COLOURS[1], COLOURS[2]), strict=True):
    density = np.histogram(values, edges, density=True)[0]
    right.stairs(density, 100 * edges, color=colour, lw=2, label=name, baseline=None)
right.legend(frameon=False, loc="upper right")
right.axvline(8, color="0.7", lw=0.8, ls=":")
right.text(10, 0.1, "8 %", color="0.4")
right.set(xlabel="area of the crop, in % of the picture", ylabel="density", ylim=(0, 2.9), xlim=(0, 100),
          title="how large are the crops?")
show(fig, "11_crops", "Left: a picture and 15 crops of it, some a tiny part enlarged, some nearly all, half of them "
     "mirrored, eight of them with changed brightness, contrast and colours. Right: the areas of the paper's sampler "
     "are even from 8 to 100 %; with boxes redrawn, large ones are rare; with the side even, small ones prevail.")

# %% [markdown]
# ## Exercises
#
# Write them in `lessons/exercises/11_augmentation.py`, then run `make check N=11`. Stuck? `make check N=11 HINT=1`.
#
# 1. `sample_boxes(seed, N, H, W)`: the crop sampler. Any way of drawing is right if the boxes stay inside, areas and
#    aspects are spread as they should be, and the seed decides everything. That is what the check tests.
# 2. `mirror(x, flips)`: left and right swapped, in those pictures of a batch for which `flips` says so.
# 3. `distort(x, brightness, contrast, colour)`: the three distortions one after the other, with given factors.

# %% [markdown]
# ## If you got …
#
# | you got | the usual cause |
# |---|---|
# | a mean share of about 0.45 | the side was drawn evenly: draw the area, then take the root |
# | hardly any box above 90 % | boxes that stuck out were thrown away and drawn again |
# | many boxes exactly as wide as the picture | boxes that stuck out were cut off |
# | every crop touches the upper left corner | top and left are missing, or drawn before h and w are known |
# | people who stand on their heads | axis 1 is the height; left and right are axis 2 |
# | the same crops in every epoch | one generator for each epoch, made from the same seed: put the epoch into the seed |
# | blue faces | the channels were reversed along with the picture: `x[..., ::-1]` |

# %% [markdown]
# ## Where books and libraries get this wrong
#
# * **The aspect's distribution.** The paper gives an interval and no distribution. Ours is even in the logarithm, so
#   that 3/4 and 4/3, one shape standing and lying, are equally likely. Drawn evenly, 57 % of the boxes would lie down.
# * **Redrawing.** torchvision's `RandomResizedCrop` tries ten times, then takes the middle. On photos of 4 to 3 it
#   returns fewer large crops than its documentation's uniform scale suggests, as the histogram shows.
# * **Augmenting the test.** Random distortion belongs in training. What is done in testing (lesson 14's 144 crops) is
#   fixed, and averaged.
# * **The mean before the distortion.** Brightness times f means something else once the mean has been subtracted.
#   Distort pixels from 0 to 255 first, normalise last; `batches` takes the two apart for this reason.
# * **Mirrors that are wrong.** A mirrored cat is a cat. A mirrored 2 is not a 2, and a mirrored d is a b. Which
#   distortions leave the label alone, only you can know.
# * **One recipe "of GoogLeNet".** The paper itself says there is none: its seven networks were sampled in different
#   ways, which changed while they trained. The Caffe team left aspect and photometric distortion out.

# %%
lying = (4 / 3 - 1) / (4 / 3 - 3 / 4)
print(f"aspect drawn evenly from 3/4 to 4/3: {lying:.0%} wider than high")
assert round(lying, 2) == 0.57

# %% [markdown]
# ## Recap
#
# 1. Augmentation makes a new variant of a picture whenever it is used; the label must survive it.
# 2. The paper's crop: share s even in 8 to 100 %, aspect r in 3/4 to 4/3; h = √(sHW/r), w = √(sHW·r).
# 3. Draw r within the bounds that fit; redrawing until it fits makes large crops rare.
# 4. Mirroring is free; brightness, contrast and colour are scaled by 0.5 to 1.5, in random order.
# 5. Training accuracy falls, accuracy on new pictures rises, the gap closes; too much of it, and nothing is learned.

# %% [markdown]
# ## Glossary
#
# * **augmentation**: distorting training pictures at random, in ways that leave the label right.
# * **crop**: a part of a picture, resized to the size that the network reads.
# * **aspect ratio**: width divided by height.
# * **photometric distortion**: changing brightness, contrast and colour (Howard 2013).
# * **lighting**: adding a random multiple of the main colour directions to all pixels (Krizhevsky et al. 2012).
# * **overfitting**: being better on the training pictures than on new ones, because they were learned by heart.

# %% [markdown]
# ## Next
#
# Lesson 12 puts everything together, from im2col to the crop: can NumPy learn CIFAR-10?
