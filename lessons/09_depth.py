# %% [markdown]
# # 09. Why does the deep net sit at 2.303?
#
# * **Paper:** Szegedy et al. 2014, section 5: the auxiliary classifiers, their losses "weighted by 0.3"
# * **Review:** section 5, "Auxiliary Classifiers for Training" (Tsang 2018)
# * **You build:** a deep chain with a head half-way up, forward and backward; initialisation
# * **Picture:** the gradient's size by depth, heads on and off; the loss that goes with it
# * **Time:** 2 min
#
# You build a deep network for ten classes, press the button, and the loss prints 2.303, 2.303, 2.303. It is no accident
# which number that is. A network that knows nothing gives each of K classes the probability 1/K, and its loss is
#
#     L = -ln(1 / K) = ln K            ln 10 = 2.303        (1000 classes: ln 1000 = 6.908)
#
# Sitting there means: the output says nothing about the picture, *and* the gradient is too small to change it. In 2014,
# before batch norm, networks of 20 layers often did. The paper's remedy is a pair of small extra classifiers half-way
# up. This lesson measures what makes the gradient vanish, and what helps.

# %% [markdown]
# ## Predict first

# %%
# 1. Numbers of size 1 go through 20 layers of 100 units with ReLU. The weights are random, with deviation 0.01.
#    How large are the numbers at the end? (an order of magnitude, such as 1e-3)
guess_size = None

# 2. Of those 20 layers, whose weights get the smallest gradient: the "first", the "last", or "none" (all alike)?
guess_where = None

# 3. A network with two heads begins with all three classifiers guessing. With weights 1, 0.3 and 0.3, its loss is?
guess_total = None

# %% [markdown]
# ## Build it small
#
# The smallest deep network: four weights in a row, `x_i = w_i · x_(i-1)`, without ReLU. A "head" looks at `x_2` and
# adds 0.3 times what it sees to the loss. So with x_0 = 1
#
#     L = w_1 w_2 w_3 w_4 + 0.3 · w_1 w_2

# %%
import numpy as np

from lessons import QUICK, compare, show


# Loss and gradients of len(ws) weights in a row, with a head after weight number ``tap``.
def chain(ws, tap, weight):
    xs = [1.0]
    for w in ws:
        xs.append(w * xs[-1])
    dx, grads = 1.0, [0.0] * len(ws)
    for i in reversed(range(len(ws))):
        if i + 1 == tap:
            dx += weight  # here two gradients meet
        grads[i] = dx * xs[i]
        dx *= ws[i]
    return xs[-1] + weight * xs[tap], grads


# Sizes of activations, and norms of the weights' gradients, by depth in a random ReLU network.
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

print("\ndeviation        size at the end   gradient of layer 1     of layer 20")
for name, std in (("0.01", 0.01), ("√(1/100)", 0.1), ("√(2/100)", 0.02**0.5)):
    sizes, norms = deep(std)
    print(f"{name:<12} {sizes[-1]:>15.1e} {norms[0]:>21.1e} {norms[-1]:>15.1e}")

# %% [markdown]
# **By hand.** Without a head each gradient is the product of the *other* three weights: 0.5³ = 0.125, the same for all
# four. With the head, w_1 and w_2 get 0.3 · 0.5 = 0.15 more: the head's path is shorter, so fewer small numbers are
# multiplied. w_3 and w_4 get nothing: the head cannot see them.
#
# **Why sizes shrink.** A unit sums `fan_in` products w · x. With independent weights of mean 0 and deviation σ, the
# mean square of the sum is fan_in · σ² times that of x; ReLU then cuts one half of it away. After l layers
#
#     mean square of x_l  =  (fan_in · σ² / 2)^l  ·  mean square of x_0
#
# On the way back each layer multiplies the gradient by much the same factor. There are three cases:
#
#     σ = 0.01           fan_in 100:    0.005 per layer     vanishes, by 0.07 in size
#     σ = √(1/fan_in)    "Xavier"       1/2 per layer       vanishes, by 0.71 in size
#     σ = √(2/fan_in)    "He"           1 per layer         stays
#
# **Where the gradient vanishes.** The gradient of a weight is (what comes from below) times (what comes from above). If
# all layers shrink by the same factor, each layer's gradient lacks just its own, as in the chain of four. It does not
# fade towards the bottom, as one often reads, but is equally tiny *everywhere*.

# %%
assert np.allclose(chain([0.5] * 4, 2, 0)[1], 0.125)
assert np.allclose(chain([0.5] * 4, 2, 0.3)[1], [0.275, 0.275, 0.125, 0.125])
sizes, norms = deep(0.01)
compare("size after 20 layers with deviation 0.01", guess_size, float(sizes[-1]))
compare("the layer with the smallest gradient", guess_where, "none")
assert 1e-24 < sizes[-1] < 1e-22 and 1e-24 < (100 * 0.01**2 / 2) ** 10 < 1e-22 and max(norms) / min(norms) < 3
halved, kept = deep(0.1)[0][-1], deep(0.02**0.5)[0][-1]
assert 0.3 < halved / 0.5**10 < 3 and 0.3 < kept < 3 and round(0.005**0.5, 2) == 0.07

# %% [markdown]
# ## The library's own
#
# The three beginnings are functions in `minigooglenet/layers/init.py`. The reduced GoogLeNet (`models/mini.py`) has all
# nine modules and 22 layers, as the large one; we build it from its rows without batch norm, to see what initialisation
# does alone. (`truncated_normal` has deviation 0.01 before its tails are cut off.)

# %%
from minigooglenet.data import Normaliser, shapes10
from minigooglenet.layers import cross_entropy
from minigooglenet.layers.init import he, truncated_normal, xavier
from minigooglenet.models.googlenet import HEADS, LOSS_WEIGHTS, googlenet
from minigooglenet.models.inception import Style
from minigooglenet.models.mini import MODULES, STEM
from minigooglenet.models.rows import build, ending
from minigooglenet.training.losses import weighted_loss


def network(init, heads=True, norm="none"):
    """The reduced GoogLeNet at a quarter of its width, as ``mini_googlenet``, with a beginning of our choice."""
    style = Style(norm=norm, width=0.25, init=init, rng=np.random.default_rng(9))
    return build((*STEM, *MODULES, *ending(drop_prob=0.0)), style, (32, 32, 3), 10, HEADS if heads else ())


BEGINNINGS = {"0.01": truncated_normal, "Xavier": xavier, "He": he}
drawn = he(np.random.default_rng(9), (3, 3, 64, 192), fan_in=3 * 3 * 64)  # a 3×3 window on 64 channels
print(f"He's deviation {drawn.std():.4f}")
assert np.isclose(drawn.var(), 2 / (3 * 3 * 64), rtol=0.02)

x, labels = shapes10.draw(32, seed=9)
x = Normaliser.of(x)(x)
net = network(truncated_normal)
logits, cache = net.forward(x, train=True)
total, own, dlogits = weighted_loss(logits, labels, LOSS_WEIGHTS)
print(f"{len(logits)} arrays of logits {logits[0].shape}: own loss {own:.4f}, all three together {total:.4f}")
compare("the loss in the beginning", guess_total, round(total, 3))
assert abs(own - np.log(10)) < 1e-4 and abs(total - 1.6 * np.log(10)) < 1e-3
assert round(1.6 * np.log(10), 3) == 3.684 and round(np.log(1000), 3) == 6.908

# %% [markdown]
# **The three losses.** In training a network with heads is a `Trunk`: `forward` returns a list, its own logits first.
# `weighted_loss` adds up, and since a derivative is linear, the gradients are simply weighted, too:
#
#     L = L_0 + 0.3 · L_1 + 0.3 · L_2            dL/dz_k = weight_k · (p_k - t) / N
#
# with p the softmax of the logits z_k, t one at the label and zero elsewhere (lesson 03). Where a head sits, two
# gradients meet and are added, the line `dx += weight` above. In `Trunk.backward`:
#
#     dx = dx + head.backward(dy_head)        then        dx = layer.backward(dx)
#
# In use the heads are not there. To prove it, we fill them with NaN, which would spoil any result it came near.

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
assert [sum(w.size for w in googlenet(heads=heads).parameters().values()) for heads in (False, True)] == [
    6_998_552, 13_378_280]

# %% [markdown]
# Now the measurement. One forward and one backward pass for each beginning, with heads and without; then the norm of
# the gradient of all convolution weights in a module.

# %%
PLACES = ("conv1", "conv2", "3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b", "linear")


def go_back(net, engine):
    """The network's own loss on the batch x; its gradients are in net.gradients() then."""
    logits, cache = engine.forward(x, train=True)
    _, loss, dlogits = weighted_loss(logits, labels, LOSS_WEIGHTS)
    net.zero_grads()
    engine.backward(dlogits, cache)
    return loss


def gradient_norms(net):
    """{place: norm of the gradient of its weights}"""
    go_back(net, net)
    return {place: np.sqrt(sum((gradient.astype(np.float64) ** 2).sum() for path, gradient in net.gradients().items()
                               if path.startswith(f"{place}/") and path.endswith("/w"))) for place in PLACES}


norms = {(name, heads): gradient_norms(network(init, heads))
         for name, init in BEGINNINGS.items() for heads in (False, True)}
factors = {name: norms[name, True]["3a"] / norms[name, False]["3a"] for name in BEGINNINGS}
print("gradient of 3a's weights     no heads   with heads      factor")
for name, factor in factors.items():
    print(f"{name:<25} {norms[name, False]['3a']:>11.0e} {norms[name, True]['3a']:>12.0e} {factor:>11,.1f}")
assert factors["0.01"] > 10_000 and 3 < factors["Xavier"] < 30 and factors["He"] < 3
assert all(np.isclose(norms[name, True]["5b"], norms[name, False]["5b"], rtol=1e-3) for name in BEGINNINGS)
assert norms["0.01", False]["3a"] < 1e-14 and norms["He", False]["3a"] > 1

# %% [markdown]
# With weights of 0.01 the heads make the gradient below them larger by a factor of more than ten thousand, and it is
# still next to nothing. With Xavier's beginning they bring about ten times as much. With He's, where nothing had
# vanished, they add little.
#
# Does it learn? The easiest of tests: one batch of 32 pictures, again and again, until the network knows it by heart.
# If it cannot even do that, more data are of no use. We take SGD with momentum (lesson 10), a rate that suits each
# beginning, and look at the network's own loss. The last run has batch norm, which rescales every layer to size 1,
# whatever the weights are.

# %%
from minigooglenet import fast
from minigooglenet.training.sgd import SGD


def by_heart(init, norm, lr, steps):
    """The network's own loss in each step, on the batch x alone."""
    net = network(init, norm=norm)
    engine = fast.speed_up(net, input_gradient=False)  # the same network, rewritten for speed
    sgd, losses = SGD(net.parameters(), momentum=0.9), []
    for _ in range(steps):
        losses.append(go_back(net, engine))
        sgd.step(net.gradients(), lr)
    return losses


steps = 6 if QUICK else 80
RUNS = {"0.01": (truncated_normal, "none", 0.1), "Xavier": (xavier, "none", 0.05), "He": (he, "none", 0.001),
        "He, batch norm": (he, "batch", 0.05)}
losses = {name: by_heart(*how, steps) for name, how in RUNS.items()}
for name, values in losses.items():
    print(f"{name:<15} loss {values[0]:.3f} -> {values[-1]:.3f} after {steps} steps")
shares = np.bincount(labels) / len(labels)
floor = float(-(shares * np.log(shares)).sum())
print(f"Whoever knows only how often each class occurs among the {len(labels)} gets {floor:.3f}.")
assert min(losses["0.01"]) > floor - 1e-3 and round(floor, 3) == 2.295
assert QUICK or max(losses["Xavier"][:30]) - min(losses["Xavier"][:30]) < 0.1
assert QUICK or losses["He, batch norm"][-1] < losses["He"][-1] < 2.25

# %% [markdown]
# The first run does move, from 2.303 down to 2.295, and that is a trap: the last biases have learned that two classes
# have four pictures here and the others three. It has learned the labels, and nothing about the pictures.
#
# In a full run (not with `--quick`) Xavier's loss sits as well, for some fifty steps, and then leaves. Each step makes
# the weights, and so the gradient, a little larger, until the rate that was too low for the plateau is too high, and
# the loss jumps. A plateau is not always the end. The loss alone cannot tell; the size of the gradient can.

# %% [markdown]
# ## The picture
#
# On the left, every line without heads (dashed) lies below its twin with heads, up to the place where a head reads
# (grey); beyond the second, at 4d, they are one. Mind the axis: each mark is a factor of 1,000. On the right, the loss
# that goes with it.

# %% tags=["figure"]
from minigooglenet.pictures.style import COLOURS, figure

fig, (left, right) = figure(1, 2, width=8, height=4, width_ratios=[1.35, 1])
colour = dict(zip(RUNS, (COLOURS[1], COLOURS[0], COLOURS[2], COLOURS[6]), strict=True))
for tap in ("4a", "4d"):
    left.axvline(PLACES.index(tap), color="0.85", lw=6, zorder=0)
for (name, heads), values in norms.items():
    left.semilogy(range(len(PLACES)), list(values.values()), "-o" if heads else "--", color=colour[name], lw=1.8, ms=4)
    if heads:
        left.text(11, values["linear"] / 5, name, color=colour[name], ha="right", va="top")
left.set_xticks(range(len(PLACES)), PLACES, rotation=90)
left.set(ylim=(1e-18, 1e5), yticks=10.0 ** np.arange(-18, 4, 3), ylabel="norm of the weights' gradient",
         title="by depth; dashed: without heads")
right.axhline(np.log(10), color="0.6", lw=0.8, ls=":")
right.text(1.02, np.log(10), "ln 10", va="center", color="0.4", transform=right.get_yaxis_transform())
for name, values in losses.items():
    right.plot(range(1, steps + 1), values, color=colour[name], lw=2, label=name)
right.legend(frameon=False, loc="upper right")
right.set(xlabel="step", ylabel="the network's own loss", title="learning one batch by heart", ylim=(0, 4.2))
show(fig, "09_gradient_by_depth", "Left: with weights of 0.01 the gradient is near 1e-16 everywhere; heads lift it to "
     "1e-11 below the first. With Xavier's it goes from 3e-3 to 3e-2; with He's it is near 10 in both cases. Right: on "
     "one batch the first loss stays near 2.303, Xavier's falls late and jumps, He's falls, with batch norm fast.")

# %% [markdown]
# ## Exercises
#
# Write them in `lessons/exercises/09_depth.py`, then run `make check N=9`. Stuck? `make check N=9 HINT=1`.
#
# 1. `deviation(shape)`: He's deviation for the weights of a dense layer (D, F) or a convolution (KH, KW, C, F).
# 2. `combined_loss(logits, labels, weights)`: the weighted sum of several cross-entropies, and all its gradients.
# 3. `backward_with_head(x, ws, head, tap, dy, dy_head)`: back through a row of dense layers with a head on one of them.

# %% [markdown]
# ## If you got …
#
# | you got | the usual cause |
# |---|---|
# | a loss of 2.303 that stays | the gradient has vanished: print the norms by depth, before you change the rate |
# | a loss that begins at 3.684 | all is well: 1.6 · ln 10, the sum of three; compare networks by their *own* loss |
# | a loss that begins far above 2.303 | logits far too large for a beginning; the last layer wants smaller weights |
# | 2.303, or NaN, after a few good steps | the rate is too high: a large step has killed the ReLUs (all outputs 0) |
# | w_1 and w_2 get 0.15 and not 0.275 | the head's gradient overwrites the trunk's: `+=`, not `=` |
# | heads that change `predict` | they were left in the path; they read from it and give nothing back |

# %% [markdown]
# ## Where books and libraries get this wrong
#
# * **"The gradient vanishes towards the bottom."** It does with units that saturate, such as the sigmoid. With ReLU
#   and weights that are too small activations shrink, too, and the last layer is as stuck as the first.
# * **Two Xaviers.** Glorot & Bengio (2010) divide by the mean of fan-in and fan-out; Caffe's filler of that name
#   takes fan-in alone. Neither allows for ReLU's missing half; He et al. (2015) do.
# * **What are the heads for?** To "combat the vanishing gradient problem while providing regularization", says the
#   paper (in its CVPR version). A year later, with batch norm, its first author found no help early in training and a
#   small gain at its end, and called them regularisers (Szegedy et al. 2015, section 4).
# * **Heads in the count.** GoogLeNet has 6,998,552 parameters, and 13,378,280 with both heads. Tables mix the two.
# * **torchvision's pretrained heads are not trained.** A warning says so; they come out of the random generator.
# * **The paper does not give its initialisation.** Gaussian, says the readme of the Caffe model, which took Xavier.

# %% [markdown]
# ## Recap
#
# 1. ln 10 = 2.303 is the loss of a network for ten classes that knows nothing; it stays there if the gradient vanishes.
# 2. A ReLU layer multiplies the mean square by fan_in · σ² / 2: He's σ² = 2 / fan_in makes that 1, Xavier's 1/2.
# 3. A weight's gradient lacks only its own layer's factor: too small weights starve all layers alike.
# 4. A head is a shorter path: L = L_0 + 0.3 L_1 + 0.3 L_2, and gradients are added where it reads.
# 5. Heads help most where the beginning is worst; with He or batch norm little is left to do, and predict ignores them.

# %% [markdown]
# ## Glossary
#
# * **initialisation**: how the weights are drawn before the first step.
# * **fan-in**: how many products one output sums: KH·KW·C for a convolution, D for a dense layer.
# * **vanishing gradient**: a gradient so small that steps change nothing.
# * **auxiliary head**: an extra classifier half-way up, used in training only (*auxiliary classifier* in the paper).
# * **batch norm**: bringing every channel to mean 0 and variance 1 over the batch (Ioffe & Szegedy 2015).

# %% [markdown]
# ## Next
#
# Lesson 10: the gradient is there. With what recipe do its steps lead down?
