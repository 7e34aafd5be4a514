# %% [markdown]
# # 12. Why does the deep net sit at 2.303?
#
# * **Paper:** Szegedy et al. 2014, section 5: the auxiliary classifiers, their losses "weighted by 0.3"
# * **Review:** section 5, "Auxiliary Classifiers for Training" (Tsang 2018)
# * **You build:** a deep chain with an auxiliary head, forward and backward; initialization
# * **Figure:** the gradient norm by depth, with and without heads; the training loss that goes with it
# * **Time:** 2 min
#
# You build a deep network for ten classes, start training, and the loss prints 2.303, 2.303, 2.303. That value is no
# accident. A network that has learned nothing gives each of K classes the probability 1/K, and its loss is
#
#     L = -ln(1 / K) = ln K            ln 10 = 2.303        (1000 classes: ln 1000 = 6.908)
#
# A loss stuck there means two things: the output does not depend on the image, *and* the gradient is too small to
# change that. In 2014, before batch norm, this happened often to networks of 20 layers. The paper's remedy is a pair of
# small extra classifiers in the middle. This lesson measures what makes the gradient vanish, and what helps.

# %% [markdown]
# ## Predict first

# %%
# 1. Values of size 1 pass through 20 layers of 100 units with ReLU. The weights are random, with standard deviation
#    0.01. How large are the values at the end? (an order of magnitude, such as 1e-3)
guess_size = None

# 2. In which of those 20 layers do the weights get the smallest gradient: "first", "last", or "none" (about equal)?
guess_where = None

# 3. A network with two auxiliary heads is untrained: all three classifiers give each of ten classes probability 1/10.
#    The losses have weights 1, 0.3 and 0.3. What is the total loss?
guess_total = None

# %% [markdown]
# ## Build it small
#
# The smallest deep network is a chain of four weights without ReLU: `x_i = w_i · x_(i-1)`. A "head" reads `x_2` and
# adds 0.3 times its value to the loss. With x_0 = 1 the loss is
#
#     L = w_1 w_2 w_3 w_4 + 0.3 · w_1 w_2

# %%
import numpy as np

from lessons import QUICK, compare, show
from lessons.measured import tell


# Loss and gradients of a chain of len(ws) weights, with a head after weight number ``tap``.
def chain(ws, tap, weight):
    xs = [1.0]
    for w in ws:
        xs.append(w * xs[-1])
    dx, grads = 1.0, [0.0] * len(ws)
    for i in reversed(range(len(ws))):
        if i + 1 == tap:
            dx += weight  # the head's gradient is added to the chain's
        grads[i] = dx * xs[i]
        dx *= ws[i]
    return xs[-1] + weight * xs[tap], grads


# The size (root mean square) of the activations and the norms of the weight gradients, by depth, in a random ReLU net.
def deep(std, layers=20, D=100, N=200):
    rng = np.random.default_rng(9)
    ws = [std * rng.standard_normal((D, D)) for _ in range(layers)]
    xs = [rng.standard_normal((N, D))]
    for w in ws:
        xs.append(np.maximum(xs[-1] @ w, 0))
    dx, norms = rng.standard_normal((N, D)), []
    for w, x, y in zip(ws[::-1], xs[-2::-1], xs[:0:-1], strict=True):
        dz = dx * (y > 0)
        norms.append(np.linalg.norm(x.T @ dz))
        dx = dz @ w.T
    return [np.sqrt((x**2).mean()) for x in xs], norms[::-1]


for weight in (0, 0.3):
    print(f"loss and gradients with a head of weight {weight}:", chain([0.5] * 4, tap=2, weight=weight))

print("\nstandard dev.    size at the end   gradient of layer 1     of layer 20")
for name, std in (("0.01", 0.01), ("√(1/100)", 0.1), ("√(2/100)", 0.02**0.5)):
    sizes, norms = deep(std)
    print(f"{name:<12} {sizes[-1]:>15.1e} {norms[0]:>21.1e} {norms[-1]:>15.1e}")

# %% [markdown]
# **By hand.** Without a head, each gradient is the product of the *other* three weights: 0.5³ = 0.125, the same for all
# four. With the head, w_1 and w_2 get 0.3 · 0.5 = 0.15 more: the path through the head is shorter, so it multiplies
# fewer small factors. w_3 and w_4 get nothing from the head, because the head does not depend on them.
#
# **Why activations shrink.** A unit sums `fan_in` products w · x. With independent weights of mean 0 and standard
# deviation σ, the mean square of the sum is fan_in · σ² times that of x. ReLU then removes half of it. After l layers
#
#     mean square of x_l  =  (fan_in · σ² / 2)^l  ·  mean square of x_0
#
# In the backward pass each layer multiplies the gradient by nearly the same factor. Three cases. (They look at fan_in
# only; for the first layer, *whitening* looks at the images, too: lesson 14.)
#
#     σ = 0.01           fan_in 100:    0.005 per layer     vanishes: factor 0.07 in size
#     σ = √(1/fan_in)    "Xavier"       1/2 per layer       vanishes: factor 0.71 in size
#     σ = √(2/fan_in)    "He"           1 per layer         stays
#
# **Where the gradient vanishes.** The gradient of a weight is the activation from the layer below times the gradient
# from the layer above. If all layers shrink by the same factor, the gradient of each layer lacks only that layer's own
# factor, as in the chain of four. One often reads that it fades toward the input. It does not: it is tiny *everywhere*.

# %%
assert np.allclose(chain([0.5] * 4, 2, 0)[1], 0.125)
assert np.allclose(chain([0.5] * 4, 2, 0.3)[1], [0.275, 0.275, 0.125, 0.125])
sizes, norms = deep(0.01)
compare("size after 20 layers with standard deviation 0.01", guess_size, float(sizes[-1]))
compare("the layer with the smallest gradient", guess_where, "none" if max(norms) < 3 * min(norms) else "one")
assert 1e-24 < sizes[-1] < 1e-22 and 1e-24 < (100 * 0.01**2 / 2) ** 10 < 1e-22 and max(norms) / min(norms) < 3
halved, kept = deep(0.1)[0][-1], deep(0.02**0.5)[0][-1]
assert 0.3 < halved / 0.5**10 < 3 and 0.3 < kept < 3 and round(0.005**0.5, 2) == 0.07

# %% [markdown]
# ## In the library
#
# The three initializations are functions in `layers/init.py`. The reduced GoogLeNet (`models/mini.py`) has all nine
# modules and 22 layers. We build it without batch norm. (`truncated_normal`: σ = 0.01, values beyond ±2 σ drawn anew.)

# %%
from minigooglenet.data import Normalizer, shapes10
from minigooglenet.flops import count
from minigooglenet.layers import cross_entropy
from minigooglenet.layers.init import he, truncated_normal, xavier
from minigooglenet.models.googlenet import HEADS, LOSS_WEIGHTS
from minigooglenet.models.inception import Style
from minigooglenet.models.mini import MODULES, STEM
from minigooglenet.models.rows import build, ending
from minigooglenet.training.losses import weighted_loss


def network(init, heads=True, norm="none"):
    """The reduced GoogLeNet at a quarter of its width, as ``mini_googlenet``, with an initialization of our choice."""
    style = Style(norm=norm, width=0.25, init=init, rng=np.random.default_rng(9))
    return build((*STEM, *MODULES, *ending(drop_prob=0.0)), style, (32, 32, 3), 10, HEADS if heads else ())


INITS = {"0.01": truncated_normal, "Xavier": xavier, "He": he}
drawn = he(np.random.default_rng(9), (3, 3, 64, 192), fan_in=3 * 3 * 64)  # a 3×3 window on 64 channels
assert np.isclose(drawn.var(), 2 / (3 * 3 * 64), rtol=0.02)

x, labels = shapes10.draw(32, seed=9)
x = Normalizer.of(x)(x)
net = network(truncated_normal)
logits, cache = net.forward(x, train=True)
total, own, dlogits = weighted_loss(logits, labels, LOSS_WEIGHTS)
print(f"{len(logits)} arrays of logits {logits[0].shape}: main loss {own:.4f}, weighted sum of all three {total:.4f}")
compare("the loss before training", guess_total, round(total, 3))
assert abs(own - np.log(10)) < 1e-4 and abs(total - 1.6 * np.log(10)) < 1e-3
assert round(1.6 * np.log(10), 3) == 3.684 and round(np.log(1000), 3) == 6.908

# %% [markdown]
# **The three losses.** A network with heads is a `Trunk`. In training, `forward` returns a list of logits, those of the
# main classifier first. `weighted_loss` takes the weighted sum of the losses. A derivative is linear, so the gradients
# have the same weights:
#
#     L = L_0 + 0.3 · L_1 + 0.3 · L_2            dL/dz_k = weight_k · (p_k - t) / N
#
# p is the softmax of the logits z_k; t is 1 at the label and 0 elsewhere (lesson 05). Where a head reads the trunk,
# `Trunk.backward` adds the head's gradient, as in the line `dx += weight` above.
#
# `predict` does not use the heads. To prove it, we fill them with NaN, which would spoil every result that uses them.
#
# **Estimate, then count.** What do heads cost in training? Each averages 14×14 maps to 4×4, then has a 1×1 convolution,
# 1024 connected units and a classifier. Guess: how many percent more multiply-adds are that, how many more parameters?

# %%
for logits_k, weight, gradient in zip(logits, LOSS_WEIGHTS, dlogits, strict=True):
    assert np.allclose(gradient, weight * cross_entropy(logits_k, labels)[1])

small = network(he)
before = small.predict(x[:4])
for path, array in small.parameters().items():
    if path.startswith(("aux1/", "aux2/")):
        array[...] = np.nan
assert np.array_equal(small.predict(x[:4]), before)
assert small.macs((32, 32, 3)) == network(he, heads=False).macs((32, 32, 3))
plain, full = count("googlenet"), count("googlenet", heads=True)
print(f"two heads: {full.macs / plain.macs - 1:+.1%} multiply-adds, {full.params / plain.params - 1:+.0%} parameters")
assert (plain.params, full.params, full.macs - plain.macs) == (6_998_552, 13_378_280, 8_372_224)

# %% [markdown]
# Hardly any arithmetic, but nearly twice the weights: a connected layer uses each once (lesson 10). At inference, none.
#
# Now the measurement: one forward and one backward pass for each initialization, with heads and without. Then we take
# the norm (the root of the sum of squares) of the gradient of all convolution weights in a module.

# %%
PLACES = ("conv1", "conv2", "3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b", "linear")


def forward_backward(net, compiled):
    """The main loss on the batch x. Leaves the gradients in net.gradients()."""
    logits, cache = compiled.forward(x, train=True)
    _, loss, dlogits = weighted_loss(logits, labels, LOSS_WEIGHTS)
    net.zero_grads()
    compiled.backward(dlogits, cache)
    return loss


def gradient_norms(net):
    """{place: norm of the gradient of its weights}"""
    forward_backward(net, net)
    return {place: np.sqrt(sum((gradient.astype(np.float64) ** 2).sum() for path, gradient in net.gradients().items()
                               if path.startswith(f"{place}/") and path.endswith("/w"))) for place in PLACES}


norms = {(name, heads): gradient_norms(network(init, heads))
         for name, init in INITS.items() for heads in (False, True)}
factors = {name: norms[name, True]["3a"] / norms[name, False]["3a"] for name in INITS}
print("gradient of 3a's weights     no heads   with heads      factor")
for name, factor in factors.items():
    print(f"{name:<25} {norms[name, False]['3a']:>11.0e} {norms[name, True]['3a']:>12.0e} {factor:>11,.1f}")
assert factors["0.01"] > 10_000 and 3 < factors["Xavier"] < 30 and factors["He"] < 3
assert all(np.isclose(norms[name, True]["5b"], norms[name, False]["5b"], rtol=1e-3) for name in INITS)
assert norms["0.01", False]["3a"] < 1e-14 and norms["He", False]["3a"] > 1

# %% [markdown]
# With weights of 0.01 the heads increase the gradient below them more than ten thousand times, and still it is nearly
# zero; with Xavier's about ten times. With He's nothing had vanished, and they add little.
#
# Does the network learn? The simplest test is to overfit one batch of 32 images. A network that cannot do that will not
# learn from more data either. We use SGD with momentum (lesson 14) and a learning rate that suits each initialization,
# and watch the main loss. The last run has batch norm, which rescales every layer to size 1, whatever the weights are.

# %%
from minigooglenet import engine
from minigooglenet.training.sgd import SGD


def overfit(init, norm, lr, steps):
    """The main loss in each step, trained on the batch x alone."""
    net = network(init, norm=norm)
    compiled = engine.compile(net, input_gradient=False)  # the same network, compiled for speed
    sgd, losses = SGD(net.parameters(), momentum=0.9), []
    for _ in range(steps):
        losses.append(forward_backward(net, compiled))
        sgd.step(net.gradients(), lr)
    return losses


steps = 6 if QUICK else 80
RUNS = {"0.01": (truncated_normal, "none", 0.1), "Xavier": (xavier, "none", 0.05), "He": (he, "none", 0.001),
        "He, batch norm": (he, "batch", 0.05)}
losses = {name: overfit(*how, steps) for name, how in RUNS.items()}
for name, values in losses.items():
    print(f"{name:<15} loss {values[0]:.3f} -> {values[-1]:.3f} after {steps} steps; the lowest was {min(values):.3f}")
shares = np.bincount(labels) / len(labels)
floor = float(-(shares * np.log(shares)).sum())
print(f"A classifier that knows only how often each class occurs gets {floor:.3f}.")
assert min(losses["0.01"]) > floor - 1e-3 and round(floor, 3) == 2.295
assert QUICK or max(losses["Xavier"][:30]) - min(losses["Xavier"][:30]) < 0.1
assert QUICK or losses["He, batch norm"][-1] < losses["He"][-1] < 2.25
tell("two heads", "one head")

# %% [markdown]
# The first loss does move, from 2.303 down to 2.295. Do not trust it: the biases of the last layer have learned that
# two classes have four images here and the others three. The network has learned how often each label occurs, and
# nothing about the images.
#
# In a full run (not with `--quick`) Xavier's loss also stays on a plateau for some fifty steps, and then leaves it.
# Each step makes the weights, and with them the gradient, a little larger. In the end the learning rate that was too
# low for the plateau is too high, and the loss jumps. The size of the gradient tells whether a plateau is the end, not
# the loss. And do heads make the *result* better? The last lines above: with batch norm, within noise.

# %% [markdown]
# ## The figure
#
# Left: every line without heads (dashed) lies below the line with heads, up to the layer that a head reads (gray).
# After the second head, at 4d, both coincide. Each tick of the axis is a factor of 1,000. Right: the training loss.

# %% tags=["figure"]
from minigooglenet.figures.style import COLORS, figure

fig, (left, right) = figure(1, 2, width=8, height=4, width_ratios=[1.35, 1])
color = dict(zip(RUNS, (COLORS[1], COLORS[0], COLORS[2], COLORS[6]), strict=True))
for tap in ("4a", "4d"):
    left.axvline(PLACES.index(tap), color="0.85", lw=6, zorder=0)
for (name, heads), values in norms.items():
    left.semilogy(range(len(PLACES)), list(values.values()), "-o" if heads else "--", color=color[name], lw=1.8, ms=4)
    if heads:
        left.text(11, values["linear"] / 5, name, color=color[name], ha="right", va="top")
left.set_xticks(range(len(PLACES)), PLACES, rotation=90)
left.set(ylim=(1e-18, 1e5), yticks=10.0 ** np.arange(-18, 4, 3), ylabel="norm of the weights' gradient",
         title="by depth; dashed: without heads")
right.axhline(np.log(10), color="0.6", lw=0.8, ls=":")
right.text(1.02, np.log(10), "ln 10", va="center", color="0.4", transform=right.get_yaxis_transform())
for name, values in losses.items():
    right.plot(range(1, steps + 1), values, color=color[name], lw=2, label=name)
right.legend(frameon=False, loc="upper right")
right.set(xlabel="step", ylabel="main loss", title="overfitting one batch", ylim=(0, 4.2))
show(fig, "12_gradient_by_depth", "Left: with weights of 0.01 the gradient is near 1e-16 everywhere; heads raise it to "
     "1e-11 below the first. With Xavier's it goes from 3e-3 to 3e-2; with He's it is near 10 in both cases. Right: on "
     "one batch the first loss stays near 2.303, Xavier's drops late and jumps, He's drops, with batch norm quickly.")

# %% [markdown]
# ## Exercises
#
# Write them in `lessons/exercises/12_depth.py`, then run `make check N=12`. Stuck? `make check N=12 HINT=1`.
#
# 1. `deviation(shape)`: He's standard deviation for the weights of a dense layer or a convolution.
# 2. `combined_loss(logits, labels, weights)`: the weighted sum of several cross-entropies, and all its gradients.
# 3. `backward_with_head(x, ws, head, tap, dy, dy_head)`: the backward pass of a stack of dense layers with one head.

# %% [markdown]
# ## If you got …
#
# | you got | the usual cause |
# |---|---|
# | a loss that stays at 2.303 | the gradient has vanished: print the norms by depth before changing the learning rate |
# | a loss that starts at 3.684 | all is well: 1.6 · ln 10, the sum of three; compare networks by their *main* loss |
# | a loss that starts far above 2.303 | the first logits are far too large; start the last layer with smaller weights |
# | 2.303, or NaN, after a few good steps | the learning rate is too high: ReLUs output only 0, or values overflow |
# | w_1 and w_2 get 0.15 and not 0.275 | the head's gradient overwrites the trunk's: `+=`, not `=` |

# %% [markdown]
# ## Where books and libraries get this wrong
#
# * **"The gradient vanishes toward the input."** It does with units that saturate, such as the sigmoid. With ReLU and
#   weights that are too small, the activations shrink as well, and the last layer learns as little as the first.
# * **Two Xaviers.** Glorot & Bengio (2010) divide by the mean of fan-in and fan-out. Caffe's filler of that name uses
#   fan-in alone. Neither accounts for the half that ReLU removes; He et al. (2015) do.
# * **What are the heads for?** On arXiv they "increase the gradient signal". At CVPR the effect is "relatively minor
#   (around 0.5%)", and one head is enough. Later they are called regularizers (Szegedy et al. 2015, section 4).
# * **The paper does not give its initialization.** The Caffe model's readme says Gaussian; that model uses Xavier.

# %% [markdown]
# ## Recap
#
# 1. ln 10 = 2.303 is the loss of an untrained network for ten classes; it stays there if the gradient vanishes.
# 2. A ReLU layer multiplies the mean square by fan_in · σ² / 2: He's σ² = 2 / fan_in makes that 1, Xavier's 1/2.
# 3. The gradient of a weight lacks only its own layer's factor: weights that are too small slow all layers alike.
# 4. A head is a shorter path: L = L_0 + 0.3 L_1 + 0.3 L_2, and gradients are added where it reads the trunk.
# 5. Heads help most with poor initialization; with He's or batch norm they help little, and predict ignores them.

# %% [markdown]
# ## Glossary
#
# * **initialization**: how the weights are drawn before the first step.
# * **fan-in**: how many products one output sums: KH·KW·C for a convolution, D for a dense layer.
# * **vanishing gradient**: a gradient so small that steps change nothing.
# * **auxiliary head**: an extra classifier in the middle, used in training only (*auxiliary classifier* in the paper).

# %% [markdown]
# ## Next
#
# Batch norm made the loss fall fastest, whatever the weights were. Lesson 13 derives it and shows why.
