# %% [markdown]
# # 01. What does GoogLeNet see, and why does it convolve?
#
# * **Paper:** Szegedy et al. 2014, sections 1 and 2: from LeNet-5 on, networks were "stacked convolutional layers"
# * **Review:** its opening: the winner of ILSVRC 2014 (Tsang 2018)
# * **You build:** one filter that slides over an image, and the dense layer that does the same
# * **Figure:** an image, its edges, and how much of the image each layer sees
# * **Time:** 20 s
#
# In 2014 GoogLeNet won a competition in naming what is in a photo, with 1000 classes to choose from. Let us use it
# before we take it apart. The image is a drawing of a few lines of NumPy. (The network has only seen photos.)

# %%
import numpy as np

from lessons import compare, show, weights_of_2014
from minigooglenet.inference.classifier import load_caffe


def clock(H=256, W=320):
    """A drawing of a clock: uint8 (H, W, 3)."""
    v, u = np.mgrid[0:H, 0:W] - np.array([H / 2, W / 2])[:, None, None]
    r, hour = np.hypot(u, v), np.arctan2(u, -v) / (np.pi / 6)
    x = np.full((H, W, 3), (200, 190, 170))  # the wall
    x[r < 105], x[r < 95] = (60, 40, 30), (250, 248, 240)
    x[(np.abs(hour - hour.round()) * np.pi / 6 * r < 3) & (76 < r) & (r < 90)] = 20  # twelve marks
    for angle, length, width in ((-1.0, 50, 5), (1.05, 72, 3)):  # two hands
        along, across = u * np.sin(angle) - v * np.cos(angle), u * np.cos(angle) + v * np.sin(angle)
        x[(-8 < along) & (along < length) & (np.abs(across) < width)] = 20
    return x.astype(np.uint8)


image = clock()
weights = weights_of_2014()
if weights:
    for label, p in load_caffe(weights).classify(image):
        print(f"{p:6.1%}  {label}")
else:
    print("With them it predicts for this drawing: wall clock 64 %, analog clock 27 %, then sundial with 2 %.")

# %% [markdown]
# It predicts a clock, although nobody ever told it what a clock is. It has seen 1.2 million photos with their labels,
# and adjusted seven million weights until its predictions fitted. (`predict` does this for your own photos:
# `python -m minigooglenet predict photo.jpg`.)
#
# The photos come from ImageNet, which has 15 million in 22,000 categories (Krizhevsky et al. 2012). The competition of
# 2014 chose 1000 of these, with 1.2 million photos to train on, 50,000 for validation and 100,000 for the test (section
# 7). The team called itself GoogLeNet: "an homage to Yann LeCuns pioneering LeNet 5 network" (section 5, arXiv). The
# architecture is called Inception, after the film with a line that had become a meme: "we need to go deeper". The meme
# is reference 1 of the paper.
#
# How can 224 · 224 · 3 numbers be a clock? The network does not look at all of them at once. Its first layer looks
# through windows of 7×7 pixels and reports edges and colors. The next layers combine edges into corners and arcs, and
# those into parts; after 22 layers a single value stands for "wall clock". Nearly all of these layers are
# **convolutions**: the same small window of weights, moved over the whole image. This lesson shows why. The rest of the
# course:
#
# | lessons | build |
# |---|---|
# | 02 to 06 | the layers, forward and backward: convolution, loss, pooling, first slowly, then fast |
# | 07 to 13 | the inception module, the whole network, and what makes it trainable |
# | 14 to 16 | the training recipe, and a network that learns |
# | 17 to 19 | the weights of 2014: your photos, 144 crops, and what the network has learned |
# | 20 to 22 | what came before and after, and a network made of your own answers |

# %% [markdown]
# ## Predict first
#
# Write down your guesses before you run the rest: replace each `None`. A wrong guess teaches more than no guess.

# %%
# 1. GoogLeNet's first layer turns 224×224×3 values into 112×112×64. If each output had a weight of its own for every
#    input, how many weights would that be? (an order of magnitude, such as 1e6)
guess_dense = None

# 2. And as a convolution? It has 64 filters: windows of 7×7×3 weights, each with one constant that is added, its bias.
guess_convolution = None

# 3. Three convolutions of 3×3 in a row, stride 1. How many pixels wide is the part of the image that one value of the
#    third one depends on?
guess_field = None

# %% [markdown]
# ## Build it small
#
# A filter is a small array of weights. At each position it multiplies the pixels below it by its weights and adds up.
# This one has two weights, -1 and 1: the pixel on the right minus the one on the left.

# %%
def slide(x, w):
    """Image x (H, W) and filter w (KH, KW) -> y (H - KH + 1, W - KW + 1)."""
    (H, W), (KH, KW) = x.shape, w.shape
    y = np.zeros((H - KH + 1, W - KW + 1))
    for i in range(H - KH + 1):
        for j in range(W - KW + 1):
            y[i, j] = (x[i:i + KH, j:j + KW] * w).sum()
    return y


x = np.array([[0, 0, 0, 9, 9, 9], [0, 0, 9, 9, 9, 9], [0, 0, 9, 9, 9, 5], [0, 0, 0, 9, 9, 9]])
edge = np.array([[-1, 1]])
y = slide(x, edge)
print("x", x.shape, x, "y", y.shape, y.astype(int), sep="\n")

# The dense layer that computes the same: column k is the answer to an image that is 1 at pixel k and 0 elsewhere.
pixels = np.eye(x.size).reshape(x.size, *x.shape)
dense = np.array([slide(pixel, edge).ravel() for pixel in pixels]).T
print(f"\nas a dense layer: {dense.shape[0]} × {dense.shape[1]} = {dense.size} weights, of which "
      f"{np.count_nonzero(dense)} are not 0, with the values {sorted(set(dense[dense != 0].tolist()))}")
print(dense[:3, :9].astype(int), "...")

moved = np.roll(x, 1, axis=0)  # the image, one row down
print("\nthe image moves one row down, so does the answer:", np.array_equal(slide(moved, edge), np.roll(y, 1, axis=0)))

# %% [markdown]
# **By hand.** The first row, 0 0 0 9 9 9, gives 0 0 9 0 0: the 9 marks where dark becomes bright. Where nothing
# changes there is 0, however bright it is. In the third row 9 becomes 5: -4.
#
# **Locality and sharing.** A dense layer connects each of the 24 pixels to each of the 20 outputs: 480 weights. The
# convolution is the same kind of layer with two restrictions. Each output sees only the pixels in its window, so all
# but 40 weights are 0 (*locality*). And the filter is the same everywhere, so these 40 have only two values (*weight
# sharing*). For an image H×W with C channels and F filters K×K, in number of weights:
#
#     dense          (H·W·C) · (OH·OW·F) + OH·OW·F
#     convolution    K·K·C·F + F                         the size of the image is not in it
#
# **Translation.** A filter that finds an edge on the left finds it on the right, too; nobody has to learn that twice.
# If the image moves, the output moves with it: convolution is *equivariant* to translation. A dense layer has to see
# the clock in every place.

# %%
assert y[0].tolist() == [0, 0, 9, 0, 0] and y[2, 4] == -4
assert np.array_equal((dense @ x.ravel()).reshape(y.shape), y)
assert dense.size == 24 * 20 == 480 and np.count_nonzero(dense) == 40 and len(set(dense[dense != 0].tolist())) == 2

# %% [markdown]
# ## In the library
#
# The first layer of GoogLeNet, `conv1`, has 64 filters of 7×7 for three colors, and moves by two pixels (stride 2).

# %%
from minigooglenet.flops import count
from minigooglenet.layers import Conv

conv = Conv(3, 64, kernel=7, stride=2, pad=3, rng=1)
inputs, outputs = 224 * 224 * 3, 112 * 112 * 64
dense_weights = inputs * outputs + outputs
compare("weights as a dense layer", guess_dense, dense_weights)
compare("weights as a convolution", guess_convolution, sum(w.size for w in conv.params.values()))
print(f"{dense_weights / 9472:,.0f} times fewer weights; multiplications: {inputs * outputs:,} and "
      f"{conv.macs((224, 224, 3)):,}, {inputs * outputs / conv.macs((224, 224, 3)):,.0f} times fewer")
assert sum(w.size for w in conv.params.values()) == 7 * 7 * 3 * 64 + 64 == 9472
assert conv.output_shape((224, 224, 3)) == (112, 112, 64) and conv.macs((224, 224, 3)) == 118_013_952
assert inputs * outputs == 1024 * 118_013_952 and round(4 * dense_weights / 1e9) == 483
assert count("googlenet").params == 6_998_552

# %% [markdown]
# 121 billion weights are 483 GB in float32, 4 bytes each: more than the memory of any computer nearby, for one of 22
# layers. The convolution has 9,472. Locality saves a factor of 1024 in weights and in multiplications; sharing saves
# weights only, because every output still has to be computed.
#
# **Estimate, then measure.** What takes the memory, then? 9,472 weights are 38 kB. The output has 112·112·64 values.
# Guess its size first. And does the layer move with the image? With stride 2 only if the image moves by an even number
# of pixels:

# %%
canvas = np.zeros((1, 96, 128, 3), np.float32)
canvas[0, 24:72, 20:84] = image[104:152, 128:192]  # part of the clock on black
here = conv.predict(canvas)
for step in (8, 1):
    there = conv.predict(np.roll(canvas, step, axis=2))
    change = np.abs(there - np.roll(here, step // 2, axis=2)).max() / np.abs(here).max()
    print(f"the image moves by {step}: the output should move by {step / 2:g}; it differs by {change:.0%} from the "
          f"first output moved by {step // 2}")
    assert change < 1e-5 if step == 8 else change > 0.1
output = conv.predict(np.zeros((1, 224, 224, 3), np.float32))
print(f"weights {sum(w.nbytes for w in conv.params.values()) / 1e3:.0f} kB, output {output.nbytes / 1e6:.1f} MB")
assert output.nbytes == 4 * 112 * 112 * 64 == 3_211_264

# %% [markdown]
# **Receptive field.** One value of conv1 sees 7×7 pixels. How do 7 pixels become a clock? Each further layer sees a
# window of values that see windows themselves. Keep two numbers: the size r of what one value sees, and the distance d
# in pixels between two neighbors. A layer with window K and stride S changes them to
#
#     r ← r + (K - 1) · d        d ← d · S            beginning with r = d = 1, a pixel
#
# In a module the widest branch counts, 5×5. Here is the whole network:

# %%
LAYERS = [("conv1", 7, 2), ("pool1", 3, 2), ("conv2", 3, 1), ("pool2", 3, 2), ("3a", 5, 1), ("3b", 5, 1),
          ("pool3", 3, 2), *((name, 5, 1) for name in ("4a", "4b", "4c", "4d", "4e")),
          ("pool4", 3, 2), ("5a", 5, 1), ("5b", 5, 1)]
r, d, fields = 1, 1, {}
for name, K, S in LAYERS:
    r, d = r + (K - 1) * d, d * S
    fields[name] = r
print("  ".join(f"{name} {r}" for name, r in fields.items()))
compare("three convolutions of 3×3", guess_field, 1 + 3 * 2)
assert [fields[name] for name in ("conv1", "conv2", "3a", "4a", "5b")] == [7, 19, 59, 171, 715]

# %% [markdown]
# From module 4b on one value can see the whole image of 224×224, and the last ones could see far more. That is the
# theory; we test it on the network. The *gradient* of one value with respect to the image tells for each pixel how much
# the value changes if that pixel changes a little (lesson 04). It is 0 for all pixels that the value does not see. (All
# weights are made positive here, so that nothing cancels.)

# %%
from minigooglenet.interpret.gradients import input_gradient
from minigooglenet.models import googlenet

net = googlenet("bvlc", heads=False, rng=1)
for array in net.parameters().values():
    np.abs(array, out=array)
noise = np.random.default_rng(1).uniform(0.5, 1, (1, 224, 224, 3)).astype(np.float32)


def one_value(y):
    """A gradient that is 1 for the value in the middle of y, and 0 for all others."""
    dy = np.zeros_like(y)
    dy[0, y.shape[1] // 2, y.shape[2] // 2] = 1
    return dy


gradient = input_gradient(net, noise, one_value, "conv2")[0].sum(axis=2)
rows = np.flatnonzero((gradient > 1e-6 * gradient.max()).any(axis=1))  # not rounding errors
print(f"one value of conv2 sees rows {rows[0]} to {rows[-1]}: {len(rows)}")
assert rows[-1] - rows[0] + 1 == fields["conv2"] == 19

# %% [markdown]
# ## The figure
#
# Left: what one value of each layer sees. Middle and right: the clock in gray, after a filter for vertical edges and
# one for horizontal ones (Sobel's). Gray is 0, white and black are the two directions.

# %% tags=["figure"]
from matplotlib.patches import Rectangle

from minigooglenet.figures.style import COLORS, figure

gray = image.mean(axis=2)
sobel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
fig, axes = figure(1, 3, width=9, height=2.8)
axes[0].imshow(image)
for at, (name, color) in enumerate(zip(("4a", "3b", "3a", "conv2", "conv1"), COLORS, strict=False)):
    r = fields[name]
    axes[0].add_patch(Rectangle((160 - r / 2, 128 - r / 2), r, r, fill=False, edgecolor=color, lw=1.8))
    axes[0].text(5, 16 + 16 * at, f"{name}: {r}", color=color, fontsize=7, fontweight="bold")
axes[1].imshow(slide(gray, sobel), cmap="gray", vmin=-500, vmax=500)
axes[2].imshow(slide(gray, sobel.T), cmap="gray", vmin=-500, vmax=500)
for ax, title in zip(axes, ("what one value sees", "vertical edges", "horizontal edges"), strict=True):
    ax.set_title(title)
    ax.axis("off")
show(fig, "01_first_look", "A drawn clock with nested squares: one value of conv1 sees 7 pixels, of conv2 19, of 3a "
     "59, of 3b 91, of 4a 171. Beside it the same clock after two edge filters: one shows the left and right sides of "
     "the rim and of the hands, the other the upper and lower ones.")

# %% [markdown]
# ## Exercises
#
# Write them in `lessons/exercises/01_first_look.py`, then run `make check N=1`. Stuck? `make check N=1 HINT=1`.
#
# 1. `edge_strength(x)`: how strong the edge is at each position, in any direction, from the two filters of the figure.
# 2. `weights(H, W, C, K, F)`: the number of weights of a convolution and of the dense layer of the same size.
# 3. `receptive_field(layers)`: how many pixels wide the part of the image is that one value sees after the layers.

# %% [markdown]
# ## If you got …
#
# | you got | the usual cause |
# |---|---|
# | an output as large as the image | the window leaves the image: there are H - KH + 1 positions, not H |
# | edges in one direction only | the second filter is the first one transposed: `w.T` |
# | 9 pixels for three layers of 3×3 | the windows were added, but they overlap: each adds only K - 1 = 2 |
# | 640 weights in a layer of 3×3, 3 → 64 channels | a filter has weights for every channel: 3·3·3·64 + 64 = 1,792 |

# %%
assert 3 + 3 + 3 == 9 and 3 * 3 * 64 + 64 == 640 and 3 * 3 * 3 * 64 + 64 == 1792

# %% [markdown]
# ## Where books and libraries get this wrong
#
# * **"Convolutional networks are invariant to translation."** One convolution with stride 1 is *equivariant*. Strides
#   and pools break even that, as the measurement above shows, and a small shift may change a prediction (Zhang 2019,
#   "Making convolutional networks shift-invariant again").
# * **"The size of the receptive field in our network is 224×224"**, says the paper in section 5, and means the size of
#   the input. The field of its last module, by the formula, is 715.
# * **The formula gives an upper limit.** Pixels in the middle have many paths to the value, those at the border few. So
#   the *effective* field is much smaller (Luo et al. 2016).
# * **"Convolutions save computation because weights are shared."** Sharing saves memory; locality saves computation.
# * **"We tell the network to look for edges."** Nobody does. Sobel's filter is ours; conv1 has learned its own (lesson
#   19 shows them).

# %% [markdown]
# ## Recap
#
# 1. GoogLeNet is 22 layers of weights, nearly all of them convolutions: small windows that move over the image.
# 2. A convolution is a dense layer with most weights 0 (locality), the others the same everywhere (weight sharing).
# 3. conv1 has 9,472 weights where a dense layer would have 121 billion, and does 1024 times fewer multiplications.
# 4. If the image moves, the output of a convolution moves with it: what is learned in one place is known in all.
# 5. Each layer widens the receptive field by (K - 1) · d: 7 pixels in conv1, all of the image from 4b on.

# %% [markdown]
# ## Glossary
#
# * **filter**: the weights that produce one output channel; F filters produce F channels.
# * **weight sharing**: the same weights at every position.
# * **locality**: an output depends only on the inputs near it.
# * **equivariant**: if the input moves, the output moves with it. *Invariant*: the output stays the same.
# * **receptive field**: the pixels that can influence one value of a layer.

# %% [markdown]
# ## Next
#
# Lesson 02 builds the whole convolution, with colors, many filters, strides and padding, and finds a matrix product.
