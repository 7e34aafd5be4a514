# %% [markdown]
# # 18. What do 144 crops and 7 models buy?
#
# * **Paper:** Szegedy et al. 2014, section 7, "ILSVRC 2014 classification challenge", and Table 3
# * **Review:** section 6, "Testing Details" (Tsang 2018)
# * **You build:** the crops, averaging softmaxes
# * **Figure:** models × crops, next to the paper's 10.07 → 6.67
# * **Time:** 2 min
#
# GoogLeNet won its competition with a top-5 error of 6.67 %. A single network with one central crop of each photo has
# 10.07 %. The difference comes neither from better layers nor from more training, but from more evaluations: 7
# networks, each with 144 crops of the photo, 1008 predictions in all, averaged:
#
#     p̄[k] = 1/(M·C) · Σ_m Σ_i  p_m(crop_i)[k]        M models, C crops
#
# The crops are made like this (section 7):
#
#     4 sizes       the photo resized so that its shorter side has 256, 288, 320 or 352 pixels
#     3 squares     left, middle, right of a landscape; top, middle, bottom of a portrait
#     6 crops       224×224 at the four corners and in the middle, and the whole square resized to 224×224
#     2 versions    each as it is, and mirrored
#
# 4 · 3 · 6 · 2 = 144. This lesson makes the crops, measures what they gain, and asks why averaging helps at all.

# %% [markdown]
# ## Predict first

# %%
# 1. A photo is square. How many of its 144 crops are different?
guess_different = None

# 2. In the paper's Table 3, one model with one crop has an error of 10.07 %. Which helps more: "144 crops" with 1
#    model, or "7 models" with 10 crops each, at half the cost?
guess_better = None

# 3. A traffic light stands at the left of a wide image; of the three squares only the left one contains it. What
#    probability does the average over 144 crops give to "traffic light"?
guess_average = None

# %% [markdown]
# ## Build it small
#
# A crop is five values: shorter side of the resized image, left, top, side, mirrored or not. The order is that of the
# list above, with the last one varying fastest. To see them all, take a network for 4×4 pixels and an image of 12×6.

# %%
import numpy as np

from lessons import QUICK, compare, show, traffic_light, weights_of_2014
from lessons.measured import tell


def boxes(width, height, size, scales):
    """[(shorter, left, top, side, mirrored), …] of all crops."""
    found = []
    for shorter in scales:
        scale = shorter / min(width, height)
        w, h = round(width * scale), round(height * scale)
        spare = max(w, h) - shorter  # how far a square can move along the longer side
        for step in (0, spare // 2, spare):
            left, top = (step, 0) if w >= h else (0, step)
            far, middle = shorter - size, (shorter - size) // 2
            for dx, dy, side in ((0, 0, size), (far, 0, size), (0, far, size), (far, far, size),
                                 (middle, middle, size), (0, 0, shorter)):
                found += [(shorter, left + dx, top + dy, side, mirrored) for mirrored in (0, 1)]
    return found


small = boxes(12, 6, size=4, scales=[6])
print(len(small), "crops of one size; those of the right square, not mirrored:")
for crop in small[24::2]:
    print("  left, top, side:", crop[1:4])

two = np.array([[0.9, 0.1], [0.3, 0.7]])  # two models, two classes; the first class is the label
average = two.mean(axis=0)
losses, of_average = -np.log(two[:, 0]), -np.log(average[0])
print("average", average.round(3).tolist(), " losses", losses.round(3).tolist(),
      f" their mean {losses.mean():.3f}, the average's loss {of_average:.3f}")

# %% [markdown]
# The image is 12 wide and 6 high, so a square has side 6, and the third one starts at column 12 - 6 = 6. Its corner
# crops are at (6, 0), (8, 0), (6, 2), (8, 2), its middle crop at (7, 1), and the whole square is (6, 0) with side 6.
#
# Why may averaging help? Consider the loss of the right class, L = -log p. The function -log is convex (no chord lies
# below its graph), and that is enough for a proof (Jensen's inequality):
#
#     -log( 1/M · Σ_m p_m )  ≤  1/M · Σ_m ( -log p_m )
#
# **The loss of the average is never above the average of the losses**, whatever the models are. How much lower it is
# depends on how different their errors are. Let the errors have variance σ², and each pair correlation ρ (0: they have
# nothing in common, 1: they are the same). The variance of their mean is
#
#     σ² · ( ρ + (1 - ρ)/M )
#
# With ρ = 0 it goes to 0 like 1/M; with ρ = 1 nothing is gained. The errors of one network on two crops of a photo are
# strongly correlated, those of two networks less. (Averaging does not remove errors that all models share.)

# %%
assert [crop[1:4] for crop in small[24::2]] == [(6, 0, 4), (8, 0, 4), (6, 2, 4), (8, 2, 4), (7, 1, 4), (6, 0, 6)]
assert len(small) == 36 and np.allclose(average, [0.6, 0.4]) and of_average < losses.mean()

rng, rho, M = np.random.default_rng(14), 0.6, 7
shared, own = rng.standard_normal((1, 100_000)), rng.standard_normal((M, 100_000))
errors = np.sqrt(rho) * shared + np.sqrt(1 - rho) * own  # variance 1, correlation ρ
print(f"variance of the mean of {M}: {errors.mean(axis=0).var():.3f}, by the formula {rho + (1 - rho) / M:.3f}")
assert np.isclose(errors.mean(axis=0).var(), rho + (1 - rho) / M, rtol=0.05)

# %% [markdown]
# ## In the library
#
# `crops_144` gives the same boxes, as named tuples; `crops` cuts them out of an image, 16 at a time.

# %%
from PIL import Image

from minigooglenet.data.crops import SCALES, crops, crops_144

for width, height in ((500, 375), (333, 500), (640, 426), (256, 256)):
    theirs = [tuple(crop) for crop in crops_144(width, height)]
    assert theirs == boxes(width, height, 224, SCALES) and len(theirs) == 144
different = len(set(crops_144(256, 256)))
compare("different crops of a square photo", guess_different, different)
assert different == 48  # its three squares coincide: 4 · 1 · 6 · 2

# %% [markdown]
# Now an example where it matters: a wide image with the object at the left, of which the central crop contains nothing.

# %%
from minigooglenet import engine
from minigooglenet.data.labels import short_label
from minigooglenet.data.photos import caffe_input
from minigooglenet.flops import count
from minigooglenet.inference.classifier import load_caffe
from minigooglenet.layers import softmax

pixels = traffic_light(W=512, column=88)
image = Image.fromarray(pixels)
wide = crops_144(*image.size)
seeing = [at for at, crop in enumerate(wide) if crop.left < (88 + 38) * crop.shorter / 256]  # left of the box's edge
print(f"{len(seeing)} of the 144 crops contain a part of the traffic light")
assert len(seeing) == 48 and all(at % 36 < 12 for at in seeing)  # all of the left square, no other

weights, LIGHT = weights_of_2014(), 920  # the class "traffic light"
if weights:
    classifier = load_caffe(weights)
    net = engine.predictor(classifier.net)  # the same network, compiled for speed
    for number in (1, 10) if QUICK else (1, 10, 144):
        p = np.concatenate([softmax(net.predict(caffe_input(batch))) for batch in crops(image, number)])
        average = p.mean(axis=0)
        best = ", ".join(f"{short_label(classifier.labels[k])} {average[k]:.1%}" for k in np.argsort(-average)[:3])
        print(f"{number:>3} crops:  {best}")
        assert (average.argmax() == LIGHT) == (number == 144)
RECORDED = 0.30  # 144 crops, with the weights of 2014
share = float(average[LIGHT]) if weights and not QUICK else RECORDED
compare("the average over 144 crops", guess_average, round(share, 2))
if weights and not QUICK:
    by_square = p[:, LIGHT].reshape(4, 3, 6, 2).mean(axis=(2, 3))
    print("by size (rows) and square (columns):", by_square.round(2), sep="\n")
    assert round(share, 2) == RECORDED and by_square[:, 0].min() > 0.6 and by_square[:, 1:].max() < 0.05

# %% [markdown]
# With the weights of 2014, neither 1 crop nor 10 (all from the middle square) find the traffic light. The 144 do, with
# 30 %: the crops of the left square are confident. The others contain only sky, and spread their probability thinly
# over a thousand classes. That is what makes the average of *probabilities* robust.
#
# The Caffe team published one model, not seven, and measuring an error takes many photos. So for models × crops we
# train seven small networks on drawings: the shapes of Shapes-10, upright, with strong noise. The paper's seven had the
# same initial weights ("mainly because of an oversight") and differed in "sampling methodologies" (lesson 15) and in
# the order of the images; one was wider. Ours differ in the order only.

# %%
from lessons.helpers import noisy_shapes
from minigooglenet.data import Normalizer
from minigooglenet.data.shapes10 import SHAPES
from minigooglenet.inference.ablation import evaluate_images, table
from minigooglenet.inference.classifier import Classifier
from minigooglenet.layers import Conv, Dense, Flatten, MaxPool, ReLU, cross_entropy
from minigooglenet.layers.containers import Sequential
from minigooglenet.training.sgd import SGD

(x_train, y_train), (x_test, y_test) = noisy_shapes(1000, seed=0), noisy_shapes(100 if QUICK else 400, seed=1)
normalize = Normalizer(np.full(3, 128.0), np.full(3, 64.0))  # from 0 … 255 to -2 … 2
MODELS, STEPS = (3, 60) if QUICK else (7, 300)


def train(seed):
    """A small network: two convolutions and a linear layer. The seed determines the order of the images."""
    init, order = np.random.default_rng(14), np.random.default_rng(seed)
    net = Sequential({
        "conv1": Conv(3, 16, 5, stride=2, pad=2, rng=init), "relu1": ReLU(), "pool1": MaxPool(3, 2),
        "conv2": Conv(16, 32, 3, pad=1, rng=init), "relu2": ReLU(), "pool2": MaxPool(3, 2),
        "flatten": Flatten(), "linear": Dense(3 * 3 * 32, len(SHAPES), rng=init)})
    sgd = SGD(net.parameters(), momentum=0.9, weight_decay=1e-3)
    for step in range(STEPS):
        some = order.integers(0, len(x_train), 50)
        z, cache = net.forward(normalize(x_train[some]), train=True)
        net.zero_grads()
        net.backward(cross_entropy(z, y_train[some])[1], cache)
        sgd.step(net.gradients(), lr=0.005 * (1 - step / STEPS))
    return Classifier(f"model {seed}", 32, list(SHAPES), lambda x: softmax(net.predict(normalize(x))), net)


models = [train(seed) for seed in range(MODELS)]
found = evaluate_images(models, x_test)  # {crops: p (models, images, classes)}
rows = table(found, y_test)
print("models  crops   cost  top-1 error")
for row in rows:
    print(f"{row['models']:>6}  {row['crops']:>5}  {row['cost']:>5}  {row['top1']:>11.1%}")

# %% [markdown]
# `evaluate_images` uses the same 144 boxes for 32 pixels (sizes 32, 36, 40, 44). For a square image 38 are different,
# because at the first size all six crops coincide. For "1 model", `table` takes the mean over the models; the paper
# takes the one with the lowest validation error. Jensen's inequality holds for each image and in every row:

# %%
from minigooglenet.data.crops import small_crops

assert len(list(small_crops(x_test[:1], 144))) == 38
for number, p in found.items():  # p (M, N, K)
    right = p[:, np.arange(len(y_test)), y_test]
    loss_of_average, average_loss = -np.log(right.mean(axis=0)), -np.log(right).mean(axis=0)
    assert (loss_of_average <= average_loss + 1e-9).all()
    print(f"{number:>3} crops: mean loss of one model {average_loss.mean():.3f},",
          f"of all {MODELS} averaged {loss_of_average.mean():.3f}")
error = {(row["models"], row["crops"]): row["top1"] for row in rows}
assert QUICK or (error[7, 1] < error[1, 1] and error[1, 10] < error[1, 1] and error[7, 10] < error[7, 144])
tell("10 crops", "144 crops", "scaled", "10 max", "144 max", "scaled max")

# %% [markdown]
# One result differs from the paper. In a full run, seven models do *better* with 10 crops than with 144. In 90 of the
# 144 the image is enlarged, up to 44/32 times, and our networks were not trained on enlarged drawings. The paper's were
# trained on 8 % to 100 % of a photo (lesson 15). On photos such training makes no difference: with or without it 144
# crops gain about half a point, too little for 500 images to be sure. But their *maximum* is worse than their mean, as
# the paper says in section 7: one crop that is wrong and certain decides.

# %% [markdown]
# ## The figure
#
# First the squares of the wide image. Then the gain from more models and crops: the paper's Table 3 on the left, our
# small networks on the right.

# %% tags=["figure"]
from matplotlib.patches import Rectangle

from minigooglenet.figures.style import COLORS, figure
from minigooglenet.inference.ablation import PAPER

fig, ax = figure(width=7, height=4.1)
ax.imshow(pixels)
for at, (name, color, y) in enumerate((("left square", 1, -12), ("middle square", 6, -46), ("right square", 2, -12))):
    left = wide[12 * at].left
    ax.plot([left + 3, left + 3, left + 253, left + 253], [y + 8, y, y, y + 8], color=COLORS[color], lw=2.5)
    ax.text(left + 128, y - 4, name, ha="center", va="bottom", color=COLORS[color], fontsize=10)
middle = wide[12 + 8]  # 6 crops, 2 versions: the middle one is the fifth
ax.add_patch(Rectangle((middle.left, middle.top), 224, 224, fill=False, edgecolor="white", lw=1.8, linestyle="--"))
ax.text(256, 128, "the single crop\ncontains only this", ha="center", va="center", color="white")
ax.set(xlim=(0, 512), ylim=(256, -68))
ax.axis("off")
show(fig, "18_squares", "A wide image with a traffic light at its left. The left square contains it. The middle and "
     "the right square do not, nor does the single crop in the middle.")

# %% tags=["figure"]
from minigooglenet.figures.ablation import TABLE_3, Series, ablation

ours = Series("our small networks", tuple((*key, round(100 * e, 1)) for key, e in error.items()), "top-1 error",
              f"Ours: {len(y_test)} drawings of shapes.")
fig = ablation(TABLE_3, ours)
show(fig, "18_models_crops", "Error against the number of crops, for one model and for several. "
     "In the paper it drops from 10.07 % (1 model, 1 crop) to 6.67 % (7 models, 144 crops). "
     f"Our small networks go from {100 * error[1, 1]:.0f} % to {100 * error[MODELS, 144]:.0f} %.")

# %% [markdown]
# In the paper, 144 crops alone gain 2.18 points at 144 times the cost, and 7 models alone 1.98 points at 7 times. Both
# together gain 3.40 (printed 3.45): less than 2.18 + 1.98, because both reduce the same variance. And 7 models with 10
# crops, 70 evaluations, beat 1 model with 144.
#
# **Estimate, then count.** How many multiply-adds are 1008 evaluations, and how many photos would VGG-16 see for that?
# And how often is each pixel of the four resized photos read?

# %%
spent, vgg16 = 1008 * count("googlenet").macs, count("vgg16").macs
times = sum(c.side**2 for c in crops_144(500, 375)) / sum(s * round(s * 500 / 375) for s in SCALES)  # 500×375 pixels
print(f"{spent / 1e12:.1f} T multiply-adds, or {spent / vgg16:.0f} photos with VGG-16; each pixel {times:.0f} times")
assert (round(spent / 1e12, 1), round(spent / vgg16), round(times)) == (1.6, 103, 17)
gained = {key: round(100 * (PAPER[1, 1] - e), 2) for key, e in PAPER.items()}
assert (gained[1, 144], gained[7, 1], gained[7, 144]) == (2.18, 1.98, 3.40)
compare("better", guess_better, "7 models" if PAPER[7, 10] < PAPER[1, 144] else "144 crops")

# %% [markdown]
# ## Exercises
#
# Write them in `lessons/exercises/18_crops.py`, then run `make check N=18`. Stuck? `make check N=18 HINT=1`.
#
# 1. `boxes(width, height, size, scales)`: all crops as an array of five columns. For the paper's four sizes there are
#    exactly 144, for landscapes and for portraits.
# 2. `average(logits)`: from the logits of M models for C crops of N images to N averaged softmaxes.
# 3. `top_error(p, y, top)`: the top-1 or top-5 error of these.

# %% [markdown]
# ## If you got …
#
# | you got | the usual cause |
# |---|---|
# | 120, 72 or 48 boxes | the whole square is missing among the six; not mirrored; only one square |
# | boxes beyond the right edge of a portrait | its squares lie one below the other: the step is in top |
# | an average decided by one model with large logits | logits were averaged; average after the softmax |

# %%
assert (4 * 3 * 5 * 2, 4 * 3 * 6, 4 * 1 * 6 * 2) == (120, 72, 48)
three = np.array([[20.0, 0, 0], [0, 5, 0], [0, 5, 0]])  # logits of three models, the first with a large one
print("average of softmaxes:", softmax(three).mean(axis=0).round(2),
      " softmax of average:", softmax(three.mean(axis=0)).round(2))
assert softmax(three).mean(axis=0).argmax() == 1 and softmax(three.mean(axis=0)).argmax() == 0

# %% [markdown]
# ## Where books and libraries get this wrong
#
# * **3.45.** The paper prints that 7 × 144 gains 3.45 points over the base. 10.07 - 6.67 = 3.40.
# * **"GoogLeNet has 6.67 %".** Seven networks with 1008 crops of each photo do; one with one crop has 10.07 %. Whoever
#   compares 6.67 % with the single-crop error of another network compares test procedures.
# * **Which 10 crops?** The paper does not say. The usual ones are AlexNet's: a square's corners and middle, mirrored.
# * **Logits or probabilities?** The paper averages the softmax. Averaging logits gives the geometric mean of the
#   probabilities, rescaled: one model that gives a class almost no probability has a veto.
# * **Only for competitions.** The authors say so: "such aggressive cropping may not be necessary in real applications".

# %%
geometric = np.exp(np.log(softmax(three)).mean(axis=0))
assert np.allclose(geometric / geometric.sum(), softmax(three.mean(axis=0)))

# %% [markdown]
# ## Recap
#
# 1. 4 sizes × 3 squares × 6 crops × 2 versions = 144 evaluations; 7 models make it 1008.
# 2. Average softmaxes, not logits; then a crop without the object does little harm.
# 3. The loss of the average is never above the average loss (Jensen); different errors cancel, shared ones remain.
# 4. Paper: 10.07 % → 7.89 % with crops alone, 8.09 % with models alone, 6.67 % with both.
# 5. Models differ more than crops do: 7 × 10 (7.62 %) beats 1 × 144 (7.89 %).

# %% [markdown]
# ## Glossary
#
# * **crop**: a part of an image, resized to the size that the network reads.
# * **ensemble**: several models whose probabilities are averaged.
# * **Jensen's inequality**: for a convex function, f(mean of x) ≤ mean of f(x).
# * **top-1 error**: how often the most probable class is wrong; top-5: the right one is not among five.

# %% [markdown]
# ## Next
#
# We know what the network predicts. Lesson 19 asks what it has learned.
