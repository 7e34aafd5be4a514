# %% [markdown]
# # 17. What does GoogLeNet predict for your photo?
#
# * **Paper:** Szegedy et al. 2014, sections 5 and 7: 224×224, "RGB color channels with mean subtraction", top-5
# * **Review:** section 4, "Overall Architecture", and section 6, "Testing Details" (Tsang 2018)
# * **You build:** preprocessing, the 2014 weights, top 5
# * **Figure:** the photo and its top-5 probabilities as bars
# * **Time:** 20 s
#
# In 2014 the Caffe team in Berkeley trained this network for 60 epochs on 1.3 million images of 1000 classes, and
# published the weights. Loading them takes a second. After that, everything depends on one simple step: turning a photo
# into the values that these weights were trained on. For a photo with pixels 0 … 255, red first:
#
#     resize     (h, w)  ->  (round(h · s / min(h, w)), round(w · s / min(h, w)))        s = 256
#     crop       the central 224 × 224 pixels
#     prepare    x[i, j, c] = pixel[i, j, 2 - c] - mean[c]        mean = (104, 117, 123): blue, green, red
#     network    z = googlenet(x), 1000 values, the logits
#     softmax    p[k] = exp(z[k]) / Σ_j exp(z[j])
#
# If one of these lines is wrong, there is no error message. The prediction just gets worse, or, which is more
# dangerous, only a little worse. This lesson makes the mistakes on purpose.

# %% [markdown]
# ## Predict first
#
# We will draw a traffic light from five flat shapes. The network has only been trained on photos.

# %%
# 1. Which of the 1000 classes will be the most probable? (a word or two)
guess_class = None

# 2. Many networks expect pixels from 0 to 1, so someone divides by 255. What is the probability of the right class?
guess_divided = None

# 3. Someone else leaves the channels red first. What is the probability of the right class?
guess_red_first = None

# %% [markdown]
# ## Build it small
#
# Two pixels are enough to follow the arithmetic: pure red, and a blue sky.

# %%
import numpy as np

from lessons import compare, portrait, show, traffic_light, weights_of_2014

MEAN = np.array([104, 117, 123], np.float32)  # blue, green, red


def prepare(photos):
    """uint8 (N, H, W, 3), red first -> float32, blue first, minus the mean."""
    return photos.astype(np.float32)[..., ::-1] - MEAN


def softmax(z):
    e = np.exp(z - z.max())  # minus the largest: the same p, and exp cannot overflow
    return e / e.sum()


def center(H, W, size=224):
    """(top, left) of the central square."""
    return (H - size) // 2, (W - size) // 2


two = np.array([[[[255, 0, 0], [120, 160, 215]]]], np.uint8)
print("red, sky", two.shape, "->", prepare(two)[0, 0].tolist())
p = softmax(np.log([1.0, 2.0, 5.0]))
print("logits log 1, log 2, log 5 -> probabilities", p.round(3).tolist())
print("the central crop of 256×320 starts at row, column", center(256, 320))

# %% [markdown]
# Pure red is (255, 0, 0). Blue comes first, so 0 - 104, 0 - 117, 255 - 123 = (-104, -117, 132). For the sky,
# 215 - 104, 160 - 117, 120 - 123 = (111, 43, -3). Nothing is divided: these weights expect values in the hundreds.
#
# Softmax turns logits, which may have any value, into positive values that add up to 1. Logits are unnormalized log
# probabilities: with e^z = 1, 2, 5 the probabilities are 1/8, 2/8, 5/8. Adding a constant to all logits multiplies
# numerator and denominator by the same factor, so the largest logit may be subtracted first.

# %%
assert prepare(two)[0, 0].tolist() == [[-104, -117, 132], [111, 43, -3]]
assert np.allclose(p, [1 / 8, 2 / 8, 5 / 8]) and np.allclose(softmax(np.array([1001.0, 1001.0])), 0.5)
assert center(256, 320) == (16, 48)

# %% [markdown]
# ## In the library
#
# The lesson looks for the weights in the folder that `MINIGOOGLENET_CAFFE` names, else in `datasets/`. Without them it
# uses a GoogLeNet with random weights: the same code, but its predictions mean nothing.

# %%
from minigooglenet.data.labels import read_labels, short_label
from minigooglenet.flops import count
from minigooglenet.inference.classifier import Classifier, load_caffe
from minigooglenet.models import googlenet

weights = weights_of_2014()
if weights:
    classifier = load_caffe(weights)
else:
    untrained = googlenet("bvlc", heads=False, rng=np.random.default_rng(13))
    classifier = Classifier("random weights", 224, read_labels(),
                            lambda x: np.stack([softmax(z) for z in untrained.predict(prepare(x))]), untrained)
net = classifier.net
print(f"{sum(w.size for w in net.parameters().values()):,} parameters,",
      "trained in 2014" if weights else "random")
assert sum(w.size for w in net.parameters().values()) == count("googlenet").params == 6_998_552

# %% [markdown]
# The arrays have Caffe's layout, filters first, (F, C, KH, KW); ours is (KH, KW, C, F). `to_nhwc` converts one into the
# other. Loading is just that, for 58 layers. (The file also has the auxiliary heads, which are skipped.)
#
# Our own preprocessing against the library's, `center_crop` and `caffe_input`:

# %%
from PIL import Image

from minigooglenet.data.photos import caffe_input, caffe_pixels, center_crop
from minigooglenet.weights.caffemodel import TRUNK, to_nhwc

light = traffic_light()
top, left = center(*light.shape[:2])
crop = light[top:top + 224, left:left + 224]
assert np.array_equal(center_crop(Image.fromarray(light)), crop)  # its shorter side already has 256 pixels
assert np.array_equal(caffe_input(crop[None]), prepare(crop[None]))
assert np.array_equal(caffe_pixels(prepare(crop[None])), crop[None])  # the inverse

assert len(TRUNK) == 58
assert to_nhwc([np.zeros((64, 3, 7, 7)), np.zeros(64)], "conv")["w"].shape == (7, 7, 3, 64)

logits = net.predict(prepare(crop[None]))[0]
p = softmax(logits)
best = np.argsort(-p)[:5]
for k in best:
    print(f"logit {logits[k]:6.2f}   {p[k]:7.2%}   {k:>4}  {short_label(classifier.labels[k])}")
assert np.allclose(classifier.photo(Image.fromarray(light)), p, atol=1e-6)

# %% [markdown]
# With the weights of 2014 the prediction is clear: a traffic light, at 99.85 %. ("class 920" means that the class names
# are missing: Caffe has them in a separate file, `synset_words.txt`, which belongs next to the weights.)
#
# How do we know that the network is really the one of 2014, and not one much like it? By **golden values**: the logits
# for this drawing as another implementation computes them, PyTorch's convolutions with the same weights. They agree to
# four digits. With a single pooling window in another place, or another constant in LRN, they would not.

# %%
GOLDEN = {920: 17.377, 919: 10.074, 844: 8.545, 733: 7.971, 632: 7.812}  # class: logit
predicted = short_label(classifier.labels[best[0]]) if weights and classifier.labels[920] != "class 920" else None
compare("the most probable class", guess_class, predicted or "traffic light")  # recorded, if there are no class names
if weights:
    difference = max(abs(logits[k] - z) for k, z in GOLDEN.items())
    print(f"largest difference from the golden logits: {difference:.4f}")
    assert difference < 0.002, "a GoogLeNet, but with other weights than those of 2014?"
    assert best.tolist() == list(GOLDEN) and round(p[920], 4) == 0.9985

# %% [markdown]
# Now the mistakes. All of them are common. `RECORDED` holds the results with the weights of 2014.

# %%
right = prepare(crop[None])
mistakes = {
    "correct": right,
    "mirrored": right[:, :, ::-1],
    "upside down": right[:, ::-1],
    "red first": right[..., ::-1],
    "mean not subtracted": right + MEAN,
    "height and width swapped": right.transpose(0, 2, 1, 3),
    "divided by 255": right / 255,
}
RECORDED = {"correct": 0.9985, "mirrored": 0.9989, "upside down": 0.986, "red first": 0.911,
            "mean not subtracted": 0.799, "height and width swapped": 0.226, "divided by 255": 0.00006}
shown = RECORDED
if weights:
    shown = {what: softmax(net.predict(np.ascontiguousarray(x))[0])[920]
             for what, x in mistakes.items()}
    assert all(abs(shown[what] - p) < 0.002 for what, p in RECORDED.items())
for what, probability in shown.items():
    print(f"{what:<26} traffic light {probability:8.2%}{'' if weights else '   (recorded)'}")
compare("divided by 255", guess_divided, round(float(shown["divided by 255"]), 5))
compare("red first", guess_red_first, round(float(shown["red first"]), 3))

# %% [markdown]
# Three kinds of outcome:
#
# * **Harmless**: a mirrored traffic light is a traffic light. The network was trained with mirrored images.
# * **Hidden**: with red first, or without mean subtraction, the prediction is still right. You do not find such a
#   mistake by looking at one photo; over many photos it costs accuracy. The red light turned blue, but the shape was
#   enough.
# * **Obvious**: divided by 255, all values are within ±1. The first layer's biases, trained for values in the hundreds,
#   dominate the image, and every photo looks like the same dark cloth (our drawing becomes "velvet").

# %%
if weights:
    dark = net.predict(prepare(crop[None]) / 255)[0]
    print("divided by 255, the best class is", short_label(classifier.labels[dark.argmax()]))
    assert dark.argmax() == 885  # velvet
assert np.abs(prepare(crop[None]) / 255).max() < 1 < 100 < np.abs(prepare(crop[None])).max()

# %% [markdown]
# **Estimate, then measure.** A phone's photo has 12 million pixels. The network reads 50,176 and does 1.58 billion
# multiply-adds. What takes longer: to open and resize the file, or to run the network? And what does it need in memory,
# besides 28 MB of weights? Nothing is kept for a backward pass, so an output can go as soon as the next layer has it.

# %%
import io
import timeit

large, file = Image.fromarray(light).resize((4000, 3000)), io.BytesIO()
large.save(file, "JPEG")
for what, run in (("open", lambda: Image.open(file).convert("RGB")), ("resize, crop", lambda: center_crop(large)),
                  ("prepare", lambda: caffe_input(crop[None])), ("network", lambda: net.predict(right))):
    print(f"{what:<13} {1000 * min(timeit.repeat(run, number=1, repeat=3)):6.1f} ms")
sizes = [(4 * int(np.prod(before)), 4 * int(np.prod(after))) for _, _, before, after in net.trace((224, 224, 3))]
print(f"all outputs {sum(after for _, after in sizes) / 1e6:.1f} MB; largest input and output of one layer "
      f"{max(map(sum, sizes)) / 1e6:.1f} MB")
assert sum(after for _, after in sizes) == 34_702_624 and max(map(sum, sizes)) == 6_422_528 and 224 * 224 == 50_176

# %% [markdown]
# A large file costs as much as the network, or more. That is why `data/photos.py` can decode a JPEG at 1/2, 1/4 or 1/8
# of its size. And for its outputs a prediction needs less than a fifth of the memory of training; more layers of the
# same sizes would not change what it needs.
#
# And a photo: put the path of your own here. By default it is the portrait of Grace Hopper that comes with matplotlib.

# %%
from minigooglenet.data.photos import open_photo

photo = None  # such as "cat.jpg"
image = open_photo(photo) if photo else portrait()
inputs = [("a drawing, prepared correctly", crop, prepare(crop[None])),
          ("the same, divided by 255", crop, prepare(crop[None]) / 255)]
if image is not None:
    square = center_crop(image)
    inputs.append(("a photo", square, caffe_input(square[None])))

answers = []
for title, seen, x in inputs:
    p = softmax(net.predict(x)[0])
    five = [{"label": classifier.labels[k], "probability": p[k]} for k in np.argsort(-p)[:5]]
    answers.append((title, seen, five))
    print(f"{title}: {five[0]['probability']:.1%} {short_label(five[0]['label'])}")
if image is not None:
    assert np.allclose(classifier.photo(image), p, atol=1e-5)
    if weights and photo is None:
        assert np.argsort(-p)[:3].tolist() == [834, 400, 652]  # suit, academic gown, military uniform

# %% [markdown]
# For the portrait the weights of 2014 predict "suit", at 43 %; "military uniform", the right one, comes third. Several
# labels may fit one photo: one reason to count the five best.

# %% [markdown]
# ## The figure
#
# Left: the 224×224 pixels that the network reads. Right: its five most probable classes.

# %% tags=["figure"]
from minigooglenet.figures.prediction import prediction

result = ("Prepared correctly it is a traffic light, at 99.9 %; divided by 255 it is velvet, at 38 %."
          if weights else "The network has random weights, and no class gets more than 1 %.")
fig = prediction([(*answer, None) for answer in answers])  # no frame: the network sees all
show(fig, "17_photo", "A drawn traffic light with its five most probable classes as bars, prepared "
     f"correctly and divided by 255; below it a photo, if there is one. {result}")
assert not weights or round(softmax(dark).max(), 2) == 0.38

# %% [markdown]
# ## Exercises
#
# Write them in `lessons/exercises/17_photo.py`, then run `make check N=17`. Stuck? `make check N=17 HINT=1`.
#
# 1. `prepare(photos)`: from a batch of photos to the input that Caffe's weights expect.
# 2. `top_5(logits)`: the five most probable classes of each image and their probabilities, without overflow.
# 3. `diagnose(photos, fed)`: someone's predictions are bad, and you have the photos and the network's input. Find the
#    mistake in the preprocessing: colors, mean, scale or axes.

# %% [markdown]
# ## If you got …
#
# | you got | the usual cause |
# |---|---|
# | pure red as (151, -117, -123) | red first, and minus the means of the wrong colors |
# | pure red as (132, -117, -104) | red first: reverse the last axis |
# | pure red as (152, 139, 132) | subtracted in uint8, which wraps around below 0 |
# | the same prediction (velvet, shower curtain) for every photo | divided by 255, or by a standard deviation |
# | accuracy a little lower than published | channels in the wrong order, or the mean not subtracted |
# | probabilities of NaN | exp overflowed: subtract the largest logit first |
# | no class above 1 % | the weights are random: nothing was loaded |
# | labels that are wrong for every image | another order of the classes, or counting from 1 |

# %%
wrapped = two[..., ::-1] - np.array([104, 117, 123], np.uint8)
print("in uint8:", wrapped[0, 0].tolist(), " correct:", prepare(two)[0, 0].tolist())
assert wrapped[0, 0, 0].tolist() == [152, 139, 132]
assert (two - MEAN)[0, 0, 0].tolist() == [151, -117, -123]
assert prepare(two)[..., ::-1][0, 0, 0].tolist() == [132, -117, -104]
assert weights or p.max() < 0.01

# %% [markdown]
# ## Where books and libraries get this wrong
#
# * **Each set of weights has its own preprocessing.** torchvision's GoogLeNet takes red first, 0 … 1, minus a mean,
#   divided by a standard deviation. With pretrained weights it then rescales once more, silently (`transform_input`),
#   to (x - 0.5) / 0.5, because its weights came from TensorFlow, which preprocesses differently.
# * **A high probability proves nothing.** Subtract the mean twice, and our drawing becomes a traffic light at 99.998 %,
#   higher than with the right input. Test with golden values, not by looking at one photo.
# * **These weights are not those of the 6.67 %.** Caffe's model has 88.9 % top-5 with one center crop, that is an error
#   of 11.1 % (readme of bvlc_googlenet). The paper's own, one network and one crop, has 10.07 %; 6.67 % took 7 networks
#   and 144 crops (lesson 18).
# * **The same file, several accuracies.** Intel measured 68.928 % top-1 where the readme has 68.7 %, and convnet-burden
#   has 34.2 % error, that is 65.8 %, for a converted copy. Preprocessing and conversion make the difference.
# * **1000, 1001 or 1008 classes.** TensorFlow's release of Inception v1 has a "background" class in front, and
#   Google's inception5h has 1008 outputs. With the wrong list every label is wrong.

# %%
if weights:
    twice = softmax(net.predict(prepare(crop[None]) - MEAN)[0])[920]
    print(f"the mean subtracted twice: {twice:.3%}")
    assert round(twice, 5) == 0.99998
assert round(2_400_000 * 32 / 1_281_167) == 60  # Caffe's steps, batch, images (quick_solver): epochs
assert round(100 - 88.9, 1) == 11.1 and round(100 - 34.2, 1) == 65.8

# %% [markdown]
# ## Recap
#
# 1. Shorter side to 256, the central 224×224, blue first, minus (104, 117, 123), not divided.
# 2. Logits are unnormalized log probabilities; softmax normalizes them, and may subtract the largest first.
# 3. Weights load by name and layout: (F, C, KH, KW) in Caffe, (KH, KW, C, F) here, 6,998,552 parameters.
# 4. Wrong preprocessing raises no error: red first gives 91 % in place of 99.85 %, divided by 255 nearly 0.
# 5. Golden values from another implementation prove that ours is right. A plausible prediction does not.

# %% [markdown]
# ## Glossary
#
# * **logits**: the network's outputs before softmax, one for each class; any size, any sign.
# * **top-5**: a prediction counts as right if the true class is among the five most probable.
# * **mean subtraction**: subtracting the average color of the training images, so that inputs are centered on 0.
# * **BGR**: blue, green, red: OpenCV's order of channels, and therefore Caffe's.
# * **golden values**: results of another implementation, stored for comparison.
# * **center crop**: the square in the middle of a resized image.

# %% [markdown]
# ## Next
#
# One crop from the middle is the least you can do. Lesson 18 averages over 144 crops and 7 networks.
