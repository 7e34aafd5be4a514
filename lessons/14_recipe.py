# %% [markdown]
# # 14. What recipe did they use?
#
# * **Paper:** Szegedy et al. 2014, section 6, "Training Methodology": momentum, the schedule, Polyak averaging
# * **Review:** what follows its section 5, "Auxiliary Classifiers for Training" (Tsang 2018): how to minimize the loss
# * **You build:** momentum, the step schedule, Polyak averaging
# * **Figure:** the step schedule of the learning rate; averaged against raw weights
# * **Time:** 1 min
#
# A gradient tells you which direction reduces the loss from where you are. The rest is a recipe: how large the steps
# are, when to make them smaller, and which of the many weights along the way to keep. The paper gives its recipe in two
# sentences, with three parts:
#
#     momentum 0.9                v ← 0.9 v + g            w ← w - η v
#     a decaying learning rate    η = η₀ · 0.96^⌊epoch / 8⌋     (4 % less every 8 epochs)
#     Polyak averaging            a ← d a + (1 - d) w      and the network uses a, not w
#
# `w` is any weight, `g` its gradient, `v` its **velocity**, `η` (eta) the **learning rate**, `a` a running average of
# the weight. ⌊…⌋ rounds down. Each of the three lines is one exercise.

# %% [markdown]
# ## Predict first

# %%
# 1. The gradient is the same at every step. How many times larger does a step become with momentum 0.9, in the long
#    run, than without?
guess_push = None

# 2. The learning rate decays by 4 % every 8 epochs. After how many epochs has it halved?
guess_half = None

# 3. Near the end of training a weight fluctuates around its best value, with standard deviation 1 and independently at
#    each step. What is the standard deviation of its average, with d = 0.99?
guess_jitter = None

# %% [markdown]
# ## Build it small
#
# One weight and the simplest loss: L = w²/2, so the gradient is w itself. Start at w = 10 with η = 0.1. To make the
# average easy to follow, d is 0.5 here.

# %%
import numpy as np

from lessons import QUICK, compare, show
from lessons.measured import tell


def momentum(w, v, g, lr, mu=0.9):
    """One step: the new weight, and the new velocity."""
    v = mu * v + g
    return w - lr * v, v


def staircase(lr, epoch):
    """4 % less every 8 epochs."""
    return lr * 0.96 ** (epoch // 8)


def average(a, w, d):
    """Move the average a little toward the weight."""
    return d * a + (1 - d) * w


w, v, a = 10.0, 0.0, 10.0
trace = [(w, v, a)]
print("step   gradient   velocity   weight   average")
for step in range(1, 6):
    g = w
    w, v = momentum(w, v, g, lr=0.1)
    a = average(a, w, d=0.5)
    trace.append((w, v, a))
    print(f"{step:4} {g:10.4f} {v:10.4f} {w:8.4f} {a:9.4f}")

# %% [markdown]
# By hand: in step 1 the velocity is 10, and w = 10 - 0.1 · 10 = 9. In step 2 it is 0.9 · 10 + 9 = 18, and
# w = 9 - 1.8 = 7.2. Without momentum the second step would have reached only 8.1. In step 5 the weight overshoots the
# minimum at 0: with momentum it behaves like a rolling ball.
#
# **How much momentum speeds up.** If the gradient stays g, the velocity is a geometric series:
#
#     v = g · (1 + μ + μ² + …) → g / (1 - μ) = 10 g        for μ = 0.9
#
# So on a steady slope, η = 0.1 with momentum 0.9 goes as far as η = 1 without. If the gradient changes its sign at each
# step, the terms cancel: g · (1 - μ + μ² - …) = g / (1 + μ), about half of g. That is the purpose of momentum: fast
# along a valley, slow across it.
#
# **How long an average remembers.** Substitute the formula for `a` into itself, again and again:
#
#     a_t = (1 - d) · (w_t + d w_(t-1) + d² w_(t-2) + …)
#
# These factors add up to 1, so `a` is a weighted mean of all weights so far. After 1 / (1 - d) steps a factor has
# decayed to about a third. If the w are independent with variance σ², the variance of `a` is
#
#     σ² · (1 - d)² · (1 + d² + d⁴ + …) = σ² · (1 - d)² / (1 - d²) = σ² · (1 - d) / (1 + d)
#
# For d = 0.99 that is σ² / 199.

# %%
assert trace[1] == (9, 10, 9.5) and np.allclose(trace[2], (7.2, 18, 8.35)) and trace[5][0] < 0 < trace[4][0]

steady = zigzag = 0.0
for step in range(200):
    _, steady = momentum(0.0, steady, 1.0, lr=0.1)
    _, zigzag = momentum(0.0, zigzag, (-1.0) ** step, lr=0.1)
compare("velocity after 200 gradients of 1", guess_push, round(steady, 3))
print(f"velocity after 200 gradients of 1, -1, 1, -1 …: {abs(zigzag):.3f}")
assert round(steady, 3) == 10 and round(abs(zigzag), 3) == round(1 / 1.9, 3) == 0.526

a, averages = 0.0, []
for w in np.random.default_rng(10).standard_normal(100_000):
    a = average(a, w, 0.99)
    averages.append(a)
compare("standard deviation of the average", guess_jitter, round(float(np.std(averages[1000:])), 3))
assert abs(np.std(averages[1000:]) * 199**0.5 - 1) < 0.15 and round(0.99**100, 2) == 0.37 and round(199**0.5) == 14

# %% [markdown]
# ## In the library
#
# `training/sgd.py` has `SGD`, `training/schedule.py` has `steps` (and four schedules that the paper did not use), and
# `training/average.py` has `Average`. They work on dictionaries {path: array}, because a network has hundreds of
# arrays, and change the arrays in place. On one weight they must reproduce our trace.

# %%
from minigooglenet.training.average import Average
from minigooglenet.training.schedule import steps
from minigooglenet.training.sgd import SGD

weight = np.array([10.0])
sgd = SGD({"w": weight}, momentum=0.9)
mean = Average({"w": weight}, decay=0.5)
mean.steps = 10**6  # as after a long run; see below
for wanted in trace[1:]:
    sgd.step({"w": weight.copy()}, lr=0.1)  # the gradient of w²/2 is w
    mean.update()
    assert np.allclose((weight[0], sgd.velocity["w"][0], mean.arrays["w"][0]), wanted, rtol=1e-14)

for epoch in (0, 7, 8, 136, 249):  # a schedule takes the progress, from 0 to 1, and the total number of epochs
    assert np.isclose(steps((epoch + 0.5) / 250, 250), staircase(1, epoch))
half = next(epoch for epoch in range(1000) if staircase(1, epoch) <= 0.5)
compare("epochs until the learning rate has halved", guess_half, half)
assert half == 17 * 8 == 136 and round(0.96**17, 4) == 0.4996 and round(1 - 0.04 * 200 / 8, 9) == 0

# %% [markdown]
# **A long memory starts badly.** The first weights are random, and with d = 0.99 they would stay in the average for
# hundreds of steps. So `Average` starts with a short memory and lengthens it. After t updates
#
#     d_t = min(d, (1 + t) / (10 + t))        0.1, 0.18, 0.25, … up to d
#
# so 0.99 is reached after 890 updates. (The line with `mean.steps` above skipped this. The formula is TensorFlow's. In
# Polyak's own form all weights count equally, a = (w_1 + … + w_t) / t, so the random start is never forgotten.)
#
# **Estimate, then measure.** What does the recipe cost? A step reads w, g and v and writes w and v; then it reads w and
# a and writes a. Eight passes over memory are four copies. And 32 images, forward and backward, take 3 · 32 · 1.58 G
# multiply-adds.

# %%
import timeit

from minigooglenet.flops import count

size, work = count("googlenet").params, 3 * 32 * count("googlenet").macs
many, slopes = {"w": np.ones(size, np.float32)}, {"w": np.ones(size, np.float32)}
sgd, mean = SGD(many, momentum=0.9), Average(many, decay=0.99)
copy, update = (min(timeit.repeat(run, number=1, repeat=5)) for run in (
    lambda: np.copyto(slopes["w"], many["w"]), lambda: (sgd.step(slopes, lr=0.1), mean.update())))
print(f"four arrays: {16 * size / 1e6:.0f} MB; an update: {1000 * update:.0f} ms, or {update / copy:.1f} copies")
assert next(t for t in range(10_000) if (1 + t) / (10 + t) >= 0.99) == 890
assert (round(16 * size / 1e6), round(work / 1e9)) == (112, 152)

# %% [markdown]
# 152 G multiply-adds take seconds on two cores, the update milliseconds: for convolutions the recipe is cheap.
# Does averaging matter? We train LeNet-5 with batch norm on drawn images (Shapes-10), with a learning rate that stays
# high, and test it every few steps: with the average, and with the raw weights, after `swap` has exchanged the two.
# Decay 0.95 remembers about 20 steps.

# %%
from minigooglenet.data import Dataset, shapes10
from minigooglenet.training.config import Config
from minigooglenet.training.trainer import Trainer

images, tests = (640, 200) if QUICK else (4000, 500)
drawn = Dataset("shapes10", *shapes10.draw(images, seed=10),
                *shapes10.draw(tests, seed=10, split=1), shapes10.CLASSES)
config = Config(model="lenet5", norm="batch", batch=32, epochs=2 if QUICK else 6, lr=0.02,
                schedule="constant", momentum=0.9, nesterov=False, average=0.95, seed=3)
trainer = Trainer(config, drawn)
results = []  # (step, accuracy of the raw weights, of the averaged ones)


def test_both(trainer, loss):
    if loss is not None and trainer.step % (10 if QUICK else 25) == 0:
        averaged = trainer.test()  # the Trainer always tests the average …
        trainer.average.swap()     # … so to test the raw weights, exchange them first
        results.append((trainer.step, trainer.test(), averaged))
        trainer.average.swap()


trainer.run(test_both)
at, raw, averaged = np.array(results).T
late = len(results) // 2
jump = [float(np.abs(np.diff(row)).mean()) for row in (raw, averaged)]
print(f"accuracy, mean of the second half   {raw[late:].mean():6.1%} raw {averaged[late:].mean():6.1%} averaged")
print(f"mean change from test to test       {jump[0]:6.1%} raw {jump[1]:6.1%} averaged")
tell("averaged")
if not QUICK:
    assert averaged[late:].mean() > raw[late:].mean() and jump[1] < jump[0]

# %% [markdown]
# Only the weights that are tested differ. The raw ones bounce across the valley of the loss, because the learning rate
# is high and each batch of 32 has another gradient; their mean lies closer to the minimum. If the learning rate falls
# to 0 at the end, nothing is left to average: on CIFAR-10 the last weights are then as good, within noise.
#
# **What was added since.** `make train` has three more parts, from the fastest trainings since then (fast.ai 2018, Page
# 2019, Jordan 2024):
#
# * *Half-size images* in the first epochs (*progressive resizing*): lessons 15 and 16.
# * *A faster β*, here 32 times. Batch norm's β is added before ReLU. At 0 a unit is active for half of its inputs, at 1
#   for 84 %, and a short training at the learning rate of the weights does not get there.
# * *Whitening*, for the first convolution. Neighboring pixels are nearly equal. So patches p of 3×3 pixels vary much
#   along a few directions, which dominate the gradient, and little along others. Along the eigenvectors v_k of their
#   covariance they vary without correlation. Dividing by √λ_k, the standard deviation along v_k, makes all count alike:
#
#     Σ = mean of p pᵀ = V diag(λ) Vᵀ        w_k = v_k / √(λ_k + ε)        w_jᵀ Σ w_k ≈ 1 if j = k, else 0

# %%
from minigooglenet.layers import Conv
from minigooglenet.training.whitening import covariance, whitening

first, x = Conv(3, 16, 3, bias=False, rng=0), trainer.normalizer(drawn.x_train[:100])
variances = np.linalg.eigvalsh(covariance(x, 3, 3))[::-1]
first.params["w"][...] = whitening(first.params["w"], x)
y = first.predict(x).reshape(-1, 16)[:, :8]  # the other 8 are the negatives of these, so that ReLU loses nothing
away = np.abs(y.T @ y / len(y) - np.eye(8)).max()
beta = np.concatenate([a for path, a in trainer.net.parameters().items() if path.endswith("/beta")])
print(f"variances along the first and the eighth direction: {variances[0]:.1f} and {variances[7]:.2f}\n"
      f"covariance of the eight outputs: the identity, up to {away:.3f}\n"
      f"|β| in the network that we trained: {np.abs(beta).mean():.2f} on average")
assert away < 0.02 and variances[0] > 50 * variances[7] and np.abs(beta).mean() < 0.5

# %% [markdown]
# ## The figure
#
# Left: the paper's step schedule over 250 epochs, and the curve of Caffe's "quick" recipe for the same network, which
# is 60 epochs long. Right: the training run above.

# %% tags=["figure"]
from minigooglenet.figures.style import COLORS, figure
from minigooglenet.training.schedule import polynomial

fig, (left, right) = figure(1, 2, width=8, height=3.5)
epochs = np.arange(0, 250.01, 0.1)
left.plot(epochs, [0.96 ** (epoch // 8) for epoch in epochs], color=COLORS[0], lw=1.5)
quick = np.linspace(0, 60, 300)
left.plot(quick, [polynomial(epoch / 60, 60) for epoch in quick], color=COLORS[1], lw=1.5)
left.plot([0, 136, 136], [0.5, 0.5, 0], color="0.6", lw=0.8, ls=":")
left.text(141, 0.52, "half: epoch 136", va="bottom")
left.text(95, 0.75, "paper: ×0.96 every 8 epochs", color=COLORS[0], va="bottom")
left.text(63, 0.06, "Caffe's quick\nrecipe", color=COLORS[1], va="bottom")
left.set(xlabel="epoch", ylabel="learning rate / initial learning rate", ylim=(0, 1.05), xlim=(0, 250),
         title="step schedule")
right.plot(at, 100 * raw, color=COLORS[5], lw=1.2, marker=".", ms=5, label="raw weights")
right.plot(at, 100 * averaged, color=COLORS[0], lw=2, label="averaged weights")
right.legend(frameon=False, loc="upper left")
right.set(xticks=np.linspace(0, trainer.steps, 6), xlabel="step", ylabel="test accuracy in %",
          title="the same run, tested twice",
          ylim=(0, 5 + 100 * max(raw.max(), averaged.max(), 0.3)))
show(fig, "14_recipe", "Left: the learning rate decays in 31 small steps over 250 epochs, to 28 %; it has halved after "
     "136. Caffe's quick recipe decays to 0 in 60 epochs. Right: over one training run, the test accuracy of the raw "
     "weights jumps up and down; that of the averaged weights is mostly above it, and smoother.")
assert round(staircase(1, 249), 2) == 0.28 and 249 // 8 == 31

# %% [markdown]
# ## Exercises
#
# Write them in `lessons/exercises/14_recipe.py`, then run `make check N=14`. Stuck? `make check N=14 HINT=1`.
#
# 1. `momentum_step(w, v, g, lr, momentum)`: one step for an array of weights. Returns the new (w, v).
# 2. `learning_rate(first, epoch)`: the paper's step schedule, for an epoch that need not be an integer.
# 3. `polyak(weights, decay)`: all averages along a sequence of weights, with the short memory at the start. The first
#    case is small enough to do on paper.

# %% [markdown]
# ## If you got …
#
# | you got | the usual cause |
# |---|---|
# | 8.1 in place of 7.2 after two steps | the velocity is not kept between steps |
# | weights that grow and grow | `+` for `-` in the update |
# | steps ten times too small | the gradient was multiplied by 1 - μ, so v is an average, not a sum |
# | a smooth curve in place of a staircase | `epoch / 8` in place of `epoch // 8` |
# | a learning rate of 0 after 200 epochs | it lost 4 % of the *first* value each time; it loses 4 % of what is left |
# | an average that fluctuates as much as the weights | d and 1 - d are exchanged |
# | an average that starts near zero | it was initialized with 0 and not with the first weights |

# %% [markdown]
# ## Where books and libraries get this wrong
#
# * **The paper's recipe is not complete.** Initial learning rate, batch size and weight decay are missing. The 0.01 and
#   0.0002 that are often called "GoogLeNet's" are from the Caffe solver, written by others. The authors' closest values
#   are in the batch norm paper (Ioffe & Szegedy 2015): learning rate 0.0015, batch 32, for a modified network.
# * **Two momentums.** Here and in PyTorch: `v ← μ v + g, w ← w - η v`. In Sutskever et al. 2013 and in Caffe the
#   learning rate is inside: `v ← μ v - η g, w ← w + v`. With constant η both give the same weights. When η decreases,
#   the first slows down at once, the second only after the old velocity has decayed.
# * **"Polyak" means three things.** Momentum is also Polyak's (1964). Polyak averaging (Polyak & Juditsky 1992) is the
#   plain mean of all iterates. Most programs, including this library, use the exponential moving average (*EMA*).
# * **Averaging the weights but not the statistics.** Batch norm's running mean and variance belong to the weights. Test
#   averaged weights with the raw weights' statistics, and accuracy drops for no visible reason. `Average` covers both.
# * **An epoch is not a number of steps.** Caffe's `stepsize: 320000` is 7.993 epochs, the paper's 8, with batches of 32
#   of 1,281,167 images. With batches of 128 the same line would mean 32 epochs.

# %%
epochs_per_drop = 320_000 * 32 / 1_281_167
assert round(epochs_per_drop, 3) == 7.993 and round(4 * epochs_per_drop) == 32

ours = caffes = (1.0, 0.0)
for step in range(20):
    lr = 0.1 if step < 10 else 0.01
    (w, v), (u, s) = ours, caffes
    ours = momentum(w, v, w, lr)
    s = 0.9 * s - lr * u
    caffes = u + s, s
    assert np.isclose(ours[0], caffes[0]) == (step < 10)
assert {"C1/bn/mean", "C1/bn/variance"} <= trainer.average.arrays.keys()

# %% [markdown]
# ## Recap
#
# 1. Momentum sums gradients: steps are 1 / (1 - 0.9) = 10 times as large on a steady slope, about half on a zigzag.
# 2. The learning rate decays by 4 % every 8 epochs: to a half after 136, to 28 % after 250.
# 3. The average a ← d a + (1 - d) w is what is tested. It reduces fluctuations √((1 + d) / (1 - d)) times: 14 for 0.99.
# 4. It starts with a short memory, min(d, (1 + t) / (10 + t)), to forget the random initialization.
# 5. Initial learning rate, batch size and weight decay are not in the paper: the recipe is incomplete, like most.

# %% [markdown]
# ## Glossary
#
# * **momentum**: keeping part of the last step's velocity; μ is the part.
# * **velocity**: the running sum of gradients that momentum keeps, one value for each weight.
# * **schedule**: how the learning rate η changes during training.
# * **epoch**: one pass over all training images.
# * **Polyak averaging**: using the average of the weights along the way in place of the last ones; here an exponential
#   moving average (**EMA**), in which old weights count less by a constant factor each step.
# * **weight decay**: pulling every weight a little toward zero at each step, by adding λ w to its gradient.
# * **whitening**: a linear map after which values are uncorrelated, with variance 1.

# %% [markdown]
# ## Next
#
# Lesson 15 turns to the other half of section 6: the images themselves, and what distorting them is worth.
