# %% [markdown]
# # 16. Can NumPy learn CIFAR-10?
#
# * **Paper:** Szegedy et al. 2014, section 6, "Training Methodology": "we used CPU based implementation only"
# * **Review:** section 4, "Overall Architecture" (Tsang 2018), on a budget
# * **You build:** a training loop that can be stopped and resumed; the reduced network is the library's
# * **Figure:** the learning curve; accuracy per GFLOP
# * **Time:** 5 min
#
# Now everything comes together: convolutions and their gradients, inception modules, heads, the recipe, augmentation.
# CIFAR-10 has 50,000 training images of 32 × 32 pixels in ten classes, so you do not need a graphics card. How good can
# a network become in five minutes on two cores? This question has two parts. How do you train so that a run may be
# interrupted at any moment and loses nothing? And which network is the best for a given budget? A training step takes
# about
#
#     3 · MACs · images           multiply-adds, twice as many FLOPs
#
# because the forward pass of a layer, `Y = X w`, is one matrix product, and the backward pass is two of the same size:
# `dw = Xᵀ dY` and `dX = dY wᵀ`.

# %% [markdown]
# ## Predict first

# %%
# 1. GoogLeNet takes 1583 million multiply-adds for an image of 224 × 224. How many million does the reduced network
#    take, a quarter as wide, on 32 × 32 pixels?
guess_macs = None

# 2. Double the width of every layer. By about what factor do the multiply-adds grow?
guess_double = None

# 3. The reduced network trains for about two minutes: three epochs of 12,800 images. What is its accuracy on new
#    images, in percent? (Guessing gets 10.)
guess_accuracy = None

# %% [markdown]
# ## Build it small
#
# A training loop in which *everything that determines the next step* is in one dictionary: the weights, the velocity,
# the step number. Even the order of the images is not hidden state: it is computed from a seed and the epoch number. So
# saving the dictionary saves the run.

# %%
import io

import numpy as np

from lessons import QUICK, compare, show


# The indices of the images that step number ``step`` trains on.
def batch_of(step, N, B, seed):
    epoch, place = divmod(step, N // B)
    order = np.random.default_rng([seed, epoch]).permutation(N)
    return order[place * B:(place + 1) * B]


# Softmax regression up to step number ``stop``; returns the new state.
def train(state, x, y, stop, B=8, seed=12):
    w, v, step = state["w"], state["v"], int(state["step"])
    while step < stop:
        chosen = batch_of(step, len(y), B, seed)
        p = np.exp(x[chosen] @ w)
        p /= p.sum(axis=1, keepdims=True)
        p[np.arange(B), y[chosen]] -= 1
        v = 0.9 * v + x[chosen].T @ p / B
        w = w - 0.1 * v
        step += 1
    return {"w": w, "v": v, "step": step}


rng = np.random.default_rng(12)
y = rng.integers(0, 3, 50)
x = rng.standard_normal((3, 6))[y] + 0.5 * rng.standard_normal((50, 6))  # three clouds of points
start = {"w": np.zeros((6, 3)), "v": np.zeros((6, 3)), "step": 0}

uninterrupted = train(start, x, y, stop=40)
file = io.BytesIO()
np.savez(file, **train(start, x, y, stop=23))  # stopped in the middle of an epoch, saved …
file.seek(0)
resumed = train(dict(np.load(file)), x, y, stop=40)  # … loaded, resumed
print("images of steps 5 and 6:", batch_of(5, 50, 8, 12), batch_of(6, 50, 8, 12))
print("weights are bit-identical:", np.array_equal(uninterrupted["w"], resumed["w"]))

# %% [markdown]
# "The same" here means bit-identical, not nearly equal. If the state lacks anything, the run still continues and still
# learns, but it is another run:

# %%
half = train(start, x, y, stop=23)
without_velocity = train({**half, "v": np.zeros((6, 3))}, x, y, stop=40)
without_step = train({**half, "step": 0}, x, y, stop=17)
for name, other in (("the velocity", without_velocity), ("the step", without_step)):
    difference = float(np.abs(other["w"] - uninterrupted["w"]).max())
    print(f"without {name}: weights differ by up to {difference:.3f}")
    assert difference > 1e-3
assert np.array_equal(uninterrupted["w"], resumed["w"]) and np.array_equal(uninterrupted["v"], resumed["v"])
assert np.mean((x @ uninterrupted["w"]).argmax(axis=1) == y) > 0.9
assert len(set(np.concatenate([batch_of(step, 50, 8, 12) for step in range(6)]))) == 48  # no image twice

# %% [markdown]
# ## In the library
#
# `training/config.py` has the settings that determine a run, `training/trainer.py` the loop, `training/checkpoint.py`
# what is saved: weights, running statistics, velocity, averaged weights, the state of dropout's random generator, and
# the step number. We stop a small run in the middle of its second epoch, let a new `Trainer` load the file, and compare
# every array with that of an uninterrupted run.

# %%
import tempfile

from minigooglenet.data import Augment, Dataset, cifar10, load, shapes10
from minigooglenet.training import checkpoint as checkpoints
from minigooglenet.training.config import Config
from minigooglenet.training.trainer import Trainer

few = Dataset("shapes10", *shapes10.draw(96, seed=12), *shapes10.draw(20, seed=12, split=1), shapes10.CLASSES)
short = Config(width=0.125, batch=16, epochs=2, lr=0.2, seed=12)
never_stopped = Trainer(short, few, augment=Augment("crop"))
never_stopped.run()
with tempfile.TemporaryDirectory() as folder:
    first = Trainer(short, few, folder, Augment("crop"))
    done = first.run(stop=lambda: first.step == 9)  # of 12 steps
    second = Trainer(short, few, folder, Augment("crop"))
    second.restore(checkpoints.load(folder))
    print(f"stopped: finished {done}, at step {first.step} of {first.steps}; resumed at step {second.step}")
    second.run()

arrays = {"weights": lambda t: t.net.parameters(), "statistics": lambda t: t.net.state(),
          "velocity": lambda t: t.sgd.velocity, "averages": lambda t: t.average.arrays}
for name, of in arrays.items():
    ours, theirs = of(never_stopped), of(second)
    assert all(np.array_equal(ours[path], theirs[path]) for path in ours)
    print(f"{name:<11} {len(ours):>4} arrays, bit-identical")

# %% [markdown]
# **What does it cost?** The reduced network has all nine modules. Doubling the width doubles both the input and the
# output channels of each convolution, so the multiply-adds grow about four times. The factor is not exact: the first
# layer always reads three channels, and widths are rounded to multiples of 8, at least 8. Halve the *images*, and the
# same weights are used at a quarter of the positions: that is why `make train` begins with halved images (lesson 15).
#
# **Estimate, then count.** And the memory? Each weight has a gradient, a velocity and an average. But a step also keeps
# all outputs of its 128 images for the backward pass. Which is more, and how many times?

# %%
from minigooglenet.flops import count
from minigooglenet.models import mini_googlenet

print("width      MACs   parameters")
macs = {}
for width in (0.125, 0.25, 0.5, 1.0):
    net = mini_googlenet(width, heads=False)
    macs[width] = net.macs((32, 32, 3))
    print(f"{width:5} {macs[width] / 1e6:7.1f} M {sum(a.size for a in net.parameters().values()):>10,}")
compare("million multiply-adds of the reduced network", guess_macs, round(macs[0.25] / 1e6, 1))
compare("factor for twice the width", guess_double, round(macs[0.5] / macs[0.25], 1))
assert macs[0.25] == 25_399_808 and 3 < macs[0.25] / macs[0.125] < 4 and 3.8 < macs[0.5] / macs[0.25] < 4

net = mini_googlenet(0.25, heads=False)
halved = net.macs((16, 16, 3))
state = 4 * sum(4 * a.size for a in net.parameters().values())
outputs = 128 * sum(4 * int(np.prod(after)) for _, _, _, after in net.trace((32, 32, 3)))
print(f"halved images: {halved / 1e6:.1f} M multiply-adds, 1/{macs[0.25] / halved:.2f}; width 1/4 holds "
      f"{state / 1e6:.1f} MB for its weights and {outputs / 1e6:.0f} MB for the outputs of 128 images")
assert round(macs[0.25] / halved, 2) == 4 and (state, outputs) == (6_212_000, 303_436_800)

# %% [markdown]
# **Training.** Three networks train on the same images in the same order: LeNet-5 (with batch norm, for a fair
# comparison), and the reduced GoogLeNet at 1/8 and 1/4 of the paper's widths. During training, a line is printed from
# time to time: that is the learning curve, live. Without CIFAR-10, drawn shapes replace it.

# %%
from lessons.helpers import ROOT

if cifar10.present(ROOT / "datasets"):
    dataset = load("cifar10", ROOT / "datasets")
else:
    dataset = Dataset("shapes10", *shapes10.draw(1024 if QUICK else 12_800),
                      *shapes10.draw(256 if QUICK else 2000, split=1), shapes10.CLASSES)
    print(f"CIFAR-10 is not in datasets/ (download it with {cifar10.COMMAND}); drawn shapes replace it.")
images = 1024 if QUICK else 12_800
dataset = Dataset(dataset.name, dataset.x_train[:images], dataset.y_train[:images], dataset.x_test[:2000],
                  dataset.y_test[:2000], dataset.classes)
print(f"{dataset.name}: {len(dataset.y_train):,} training images, {len(dataset.y_test):,} test images\n")

RUNS = {"LeNet-5": Config(model="lenet5", lr=0.05),
        "reduced, width 1/8": Config(width=0.125, lr=0.2),
        "reduced, width 1/4": Config(width=0.25, lr=0.2)}


def watch(curve):
    """A callback for the Trainer, called after every step: tests from time to time, prints and stores the result."""
    def live(trainer, loss):
        every = trainer.steps // (4 if QUICK else 12)
        if loss is not None and trainer.step % every == 0:
            accuracy = trainer.test(250 if QUICK else 1000)
            curve.append((trainer.step * trainer.config.batch, accuracy))
            print(f"  {curve[-1][0]:>6,} images   loss {loss:.3f}   {accuracy:6.1%} {'▇' * int(40 * accuracy)}",
                  flush=True)
    return live


curves, results = {}, {}
for name, config in RUNS.items():
    config = config.but(batch=64 if QUICK else 128, epochs=1 if QUICK else 3, seed=12, drop_prob=0.1)
    trainer = Trainer(config, dataset, augment=Augment("crop"))
    cost = 3 * 2 * count(trainer.net, (32, 32, 3)).macs / 1e9  # GFLOP per training image
    print(f"{name}: {1000 * cost:.1f} MFLOP per image")
    curve = [(0, 0.1)]
    trainer.run(watch(curve))
    spent = cost * trainer.steps * config.batch
    results[name] = {"accuracy": trainer.test(), "GFLOP": spent, "per second": trainer.images_per_second()}
    curves[name] = np.array(curve)
    print(f"  test accuracy {results[name]['accuracy']:.1%} for {spent:,.0f} GFLOP; "
          f"{results[name]['per second']:,.0f} images/s are {cost * results[name]['per second']:.1f} GFLOP/s\n")
RECORDED = dict(zip(RUNS, (0.47, 0.52, 0.58), strict=True))  # CIFAR-10, a copy stored as JPEG; one full run, seed 12
if dataset.name != "cifar10":
    print("recorded on CIFAR-10:", ", ".join(f"{name} {accuracy:.0%}" for name, accuracy in RECORDED.items()))
quarter = results["reduced, width 1/4"]
compare("accuracy on new images, in percent", guess_accuracy, round(100 * quarter["accuracy"], 1))
if not QUICK:
    assert quarter["accuracy"] > 0.3
    if dataset.name == "shapes10":
        assert results["LeNet-5"]["accuracy"] < 0.6 and quarter["accuracy"] > 0.9

# %% [markdown]
# Yes, it can: in minutes, with nothing but NumPy (and numba). On drawn shapes a full run leaves LeNet-5 below 60 % and
# brings width 1/4 above 90 %. Photos are harder: `RECORDED` has what one full run reached on CIFAR-10. (With `--quick`
# training stops after 1024 images, far too early.) For comparison, long runs on graphics cards: the small Inception of
# Zhang et al. (2017), with 204 M multiply-adds, reaches 89.3 % on CIFAR-10; NIN, with 222 M, 89.6 % without and 91.2 %
# with augmentation (Lin et al. 2013); a GoogLeNet in full width with 1520 M, 95 % (HRankPlus's readme). The remaining
# points take a larger budget: `python -m minigooglenet train` trains longer, and resumes. It also spends it better,
# with the three additions of lesson 14. On 5,000 images held out of training, after the work of one epoch (one seed):
# 64.1 % with none of them, 66.3 % with whitening, 68.5 % with whitening and faster β, 68.4 % with whitening and halved
# images, 68.4 % with all three. Whitening and one more pay off; differences below 0.7 points are noise.

# %% [markdown]
# ## The figure
#
# The same tests of three networks, plotted twice: on the left against the images seen, on the right against the
# arithmetic spent, on a logarithmic axis. On the right, go up from your budget: which curve is the highest there?

# %% tags=["figure"]
from minigooglenet.figures.style import COLORS, figure

fig, (left, right) = figure(1, 2, width=8, height=3.7, sharey=True)
for (name, curve), color, mark in zip(curves.items(), (COLORS[1], COLORS[5], COLORS[0]), "s^o", strict=True):
    seen, accuracy = curve.T
    left.plot(seen / 1000, 100 * accuracy, color=color, marker=mark, ms=4, lw=1.8, label=name)
    right.semilogx(results[name]["GFLOP"] * seen[1:] / seen[-1], 100 * accuracy[1:],
                   color=color, marker=mark, ms=4, lw=1.8)
for ax in (left, right):
    ax.axhline(10, color="0.6", lw=0.8, ls=":")
left.legend(frameon=False, loc="upper left")
left.set(xlabel="thousand images seen", ylabel="test accuracy in %", title="per image",
         ylim=(0, min(103, 140 * max(curve[:, 1].max() for curve in curves.values()))))
right.set(xlabel="GFLOP spent in training", title="per GFLOP")
right.text(right.get_xlim()[1], 10.5, "guessing", ha="right", va="bottom", color="0.4")
show(fig, "16_accuracy_per_gflop", "Test accuracy of LeNet-5 and of the reduced GoogLeNet at widths 1/8 and 1/4. Left: "
     "against the number of images seen. Right: against GFLOP spent in training, where the reduced networks start "
     "further to the right, because they cost 12 and 39 times as much per image.")
macs_of = {width: count(mini_googlenet(width), (32, 32, 3)).macs for width in (0.125, 0.25)}
lenet = count("lenet5", (32, 32, 3)).macs
assert round(macs_of[0.125] / lenet) == 12 and round(macs_of[0.25] / lenet) == 39

# %% [markdown]
# ## Exercises
#
# Write them in `lessons/exercises/16_cifar.py`, then run `make check N=16`. Stuck? `make check N=16 HINT=1`.
#
# 1. `choose_width(budget, widths)`: the widest reduced network within a budget of multiply-adds, without running any.
# 2. `batch_of(step, N, B, seed)`: which images a step trains on, as in `minigooglenet.data.batches`.
# 3. `train(w, v, start, stop, x, y, seed)`: the loop. It must beat a minimum accuracy, and a resumed run must be
#    bit-identical.

# %%
speed = quarter["per second"] * 6 * macs_of[0.25] / 1e9
epoch = 50_000 * 6 * macs_of[0.25] / 1e9
print(f"At {speed:.0f} GFLOP/s, width 1/4 takes {epoch / speed:,.0f} s for an epoch of CIFAR-10's 50,000 images.")

# %% [markdown]
# ## If you got …
#
# | you got | the usual cause |
# |---|---|
# | a resumed run that differs a little | the velocity, or a running statistic, is not in the state |
# | one that differs with dropout only | the generator's state is not in the checkpoint |
# | another order after resuming | one generator is used for all batches; derive it from (seed, epoch) |
# | a loss that stays at 2.303 | lesson 12 |
# | test accuracy below training accuracy from the start | weights are averaged, batch norm's statistics are not |
# | accuracy that drops after resuming | the learning rate restarted its schedule: it must depend on the step |
# | twice the budget spent | FLOPs and MACs were mixed up: a budget in MACs is half the number |

# %% [markdown]
# ## Where books and libraries get this wrong
#
# * **"GoogLeNet, 95 % on CIFAR-10."** That network (pytorch-cifar and its derivatives) has the modules but not the
#   stem. It keeps 32 × 32 pixels through many layers, and takes about 1520 M multiply-adds, nearly as many as GoogLeNet
#   for an image of 224 × 224. The 95 % come from a copy's readme; the original's gives no accuracy for it.
# * **Which epoch was it?** The best test accuracy of all epochs is chosen by looking at the test set. Ours is that of
#   the last step.
# * **A checkpoint of weights only.** Then "resume" starts a new run from good weights: the velocity is zero, the
#   schedule restarts, the order is another. PyTorch's tutorials save the optimizer, too; random generators are up to
#   you.
# * **"The backward pass costs as much as the forward pass."** It costs twice as much. Estimates of training that
#   multiply inference by two are too low by a third.
# * **"Fewer FLOPs, less time."** Only if the matrix products have shapes that are as efficient: narrow layers do not
#   use the full processor. Compare the GFLOP/s of the three networks above, all on the same machine.
# * **Inception v1 can train badly on CIFAR-10.** A CNTK user reports 67.7 % after 80 epochs and 81.0 % after 160, and
#   does not say whether with batch norm. The reduced network has it; the paper's has not.

# %%
assert round(1 - 2 / 3, 2) == 0.33 and round(1520 / 1583, 2) == 0.96

# %% [markdown]
# ## Recap
#
# 1. The state of a run is weights, velocity, statistics, averages, generator and step; with all of them a resumed run
#    is bit-identical.
# 2. The image order needs no state if it is computed from (seed, epoch), and a batch's augmentation from the step.
# 3. Training takes 3 · MACs per image: one product forward, two backward; 6 FLOPs for each MAC.
# 4. Twice the width is about four times the multiply-adds: 8.0 M, 25.4 M and 98.9 M for 1/8, 1/4 and 1/2.
# 5. The best network depends on the budget: compare accuracy per GFLOP, not per epoch.

# %%
assert [round(macs[width] / 1e6, 1) for width in (0.125, 0.25, 0.5)] == [8.0, 25.4, 98.9]

# %% [markdown]
# ## Glossary
#
# * **step**: one update of the weights, from one batch.
# * **checkpoint**: a file with everything that is needed to continue a run.
# * **resume**: continuing from a checkpoint as if the run had not been interrupted.
# * **bit-identical**: equal to the last bit, so that `np.array_equal` is true; not just close.
# * **learning curve**: loss or accuracy against how long the network has trained.
# * **width**: a factor on the number of filters in all layers.

# %% [markdown]
# ## Next
#
# Lesson 17 uses the real weights of 2014, and a photo of your own.
