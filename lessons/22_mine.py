# %% [markdown]
# # 22. Does your own code learn?
#
# * **Paper:** Szegedy et al. 2014, sections 4 to 6: the inception module, and how it is trained
# * **Review:** sections 2 to 5, "Inception Module" to "Auxiliary Classifiers for Training" (Tsang 2018)
# * **You build:** an inception module out of steps, forward and backward; then a network of all your answers
# * **Figure:** three learning curves; two of them have a wrong gradient
# * **Time:** 1 min
#
# In twenty-one lessons you wrote a convolution, its gradient, a pool, batch norm, a loss, an update. Each passed its
# check, alone. Now they become one network:
#
#     make mine
#
# takes those of your answers that pass, and for the others the library's; compares the gradient of the whole network
# with finite differences; trains it on Shapes-10; and runs the first layers of the network of 2014 with your
# convolution. One answer is enough to begin. This lesson builds what is still missing, the wiring of the module, and
# asks why the gradient check comes before the training: would the loss not tell?

# %% [markdown]
# ## Predict first

# %%
# 1. Two branches read x = 3: one returns 2 x, the other 10 x². Their outputs get the gradients 1 and 1. What is dx?
guess_dx = None

# 2. A training step keeps all outputs for the backward pass. In our small network with a batch of 32, how many times
#    more memory do they take than the weights?
guess_memory = None

# 3. In the same network, the backward pass of every inception module is wrong: the last branch overwrites the gradient
#    of the others. Will it be better than chance (10 %) after some hundred steps? "yes" or "no"
guess_learns = None

# %% [markdown]
# ## Build it small
#
# A *step* is a pair of functions: `forward(x)` returns y and what the backward pass needs, `backward(dy, cache)`
# returns dx. A branch is a list of steps, a module a list of branches.

# %%
import numpy as np

from lessons import QUICK, compare, show


def times(a):
    return (lambda x: (a * x, None)), (lambda dy, _: a * dy)


def square():
    return (lambda x: (x * x, x)), (lambda dy, x: 2 * x * dy)


def inception(x, branches):
    outputs, caches = [], []
    for steps in branches:
        y, kept = x, []
        for forward, _ in steps:
            y, cache = forward(y)
            kept.append(cache)
        outputs.append(y)
        caches.append(kept)
    return np.concatenate(outputs, axis=-1), caches


def inception_backward(dys, branches, caches):
    dx = 0
    for dy, steps, kept in zip(dys, branches, caches, strict=True):
        for (_, backward), cache in zip(reversed(steps), reversed(kept), strict=True):
            dy = backward(dy, cache)
        dx = dx + dy
    return dx


x, branches = np.array([3.0]), [[times(2)], [square(), times(10)]]
y, caches = inception(x, branches)
dx = inception_backward((np.ones(1), np.ones(1)), branches, caches)
print("y", y, "  caches", caches, "  dx", dx)

# %% [markdown]
# By hand: y = (2 · 3, 10 · 3²) = (6, 90). Backward through the second branch, last step first: 1 · 10 = 10, then
# 2 · 3 · 10 = 60. The first branch gives 2, and the sum is 62. Only `square` needed a cache: the derivative of a
# product with a constant does not depend on x.
#
# That is all a module is, and all a network is: two loops and a sum. What the steps compute is of no concern here, so
# they may be the library's layers, or yours.

# %%
assert y.tolist() == [6, 90] and dx.tolist() == [62] and caches[0] == [None]
compare("dx of both branches", guess_dx, float(dx[0]))

# %% [markdown]
# ## In the library
#
# `Concat` does the same. In the small network, GoogLeNet with two modules instead of nine, every layer can be made to
# ask for an answer first: `wire` changes the class of a layer, and leaves its weights and its place as they are. Here
# the answers are the two functions above; in `make mine` they are all of yours.

# %%
from pathlib import Path

from lessons.mine_answers import Answers
from lessons.mine_parts import PARTS, SIZES, loss_of, network
from minigooglenet.gradcheck import directional
from minigooglenet.layers import Concat, Conv, MaxPool

size = SIZES[0]
net = network(size, Answers({}, {}))
shape = (size.side, size.side, 3)
print(net.summary(shape).splitlines()[-1])


def answering(**functions):
    return Answers(functions, dict.fromkeys(functions, Path("22_mine.py")))


rng = np.random.default_rng(22)
module = Concat({"1x1": Conv(3, 2, 1, rng=rng)}, {"pool": MaxPool(3, 1, 1), "pool_proj": Conv(3, 4, 1, rng=rng)})
image, dy = rng.standard_normal((2, 5, 4, 3), np.float32), rng.standard_normal((2, 5, 4, 6), np.float32)
right, cache = module.forward(image, train=True)
steps = [[(layer.forward, layer.backward) for layer in branch.children.values()] for branch in module.branches]
ours, kept = inception(image, steps)
assert np.array_equal(right, ours)
assert np.allclose(module.backward(dy, cache), inception_backward((dy[..., :2], dy[..., 2:]), steps, kept))


def gradient_error(**functions):
    """The largest error of the whole network's gradient, in float64, relative to the size of the gradient."""
    answers, labels = answering(**functions), np.array([1, 4, 9])
    x = np.random.default_rng(0).standard_normal((3, SIZES[-1].side, SIZES[-1].side, 3))
    return directional(network(SIZES[-1], answers, dtype="float64"), x,
                       loss=lambda z: loss_of(answers, z, labels)).worst


error = gradient_error(inception=inception, inception_backward=inception_backward)
print(f"{len(PARTS)} parts, two of them from above. Gradient check: {error:.0e}")
assert error < 1e-4 and sum(w.size for w in net.parameters().values()) == 3_910 and net.macs(shape) == 134_288

# %% [markdown]
# **Estimate, then measure.** 3,910 weights, and 134,288 multiply-adds for each image: GoogLeNet has 1,790 times the
# weights, and 11,800 times the work. A training step costs about three times the forward pass (the forward pass, and
# two products of the same size for dx and dw), and keeps every output until the backward pass has read it.

# %%
import timeit

outputs = sum(int(np.prod(after)) for _, _, _, after in net.trace(shape))
weights = sum(w.nbytes for w in net.parameters().values())
memory = 4 * outputs * size.batch
print(f"outputs: {outputs:,} values of one image; {memory / 1e6:.1f} MB of {size.batch} images; weights: "
      f"{weights / 1e3:.1f} kB")
compare("memory of the outputs, relative to the weights", guess_memory, round(memory / weights))
a = np.ones((512, 512), np.float32)
seconds = min(timeit.repeat(lambda: a @ a, number=1, repeat=5))
batch, labels = rng.standard_normal((size.batch, *shape), np.float32), np.arange(size.batch) % 10


def forward_and_backward():
    z, cache = net.forward(batch, train=True)
    net.backward(loss_of(answering(), z, labels)[1], cache)


measured = min(timeit.repeat(forward_and_backward, number=1, repeat=5))
estimate = 3 * net.macs(shape) * size.batch / (512**3 / seconds)
print(f"a step at the speed of a matrix product: {1000 * estimate:.1f} ms; measured: {1000 * measured:.0f} ms")
assert outputs == 15_386 and round(memory / weights) == 126 and round(6_998_552 / 3_910, -1) == 1790
assert round(1_582_671_872 / 134_288, -2) == 11_800

# %% [markdown]
# The estimate is far too low. The arrays are so small that the time goes into everything else: calls from Python,
# windows copied for im2col, batch norm's passes over memory (lesson 13). A loop over windows in NumPy, as in most
# answers, is a few times slower again, and that is fast enough: a minute is about a thousand steps. Seven nested loops
# over single numbers are far slower; `make mine` measures your answers first, and takes smaller images if need be.
#
# **Would the loss not tell?** Two wrong answers. The first forgets that μ and σ depend on x (lesson 13). The second
# assigns dx where it should add, so that the last branch overwrites the others (lesson 08). The gradient check finds
# both at once: an error of 1 means that in at least one array of gradients nothing is right. But do they learn?

# %%
from lessons.mine_run import accuracy, at_rest, images, step
from lessons.mine_run import batch as batch_of


def constant_statistics(dy, x, gamma, eps):
    std = np.sqrt(x.var(axis=(0, 1, 2)) + eps)
    return gamma / std * dy, (dy * (x - x.mean(axis=(0, 1, 2))) / std).sum(axis=(0, 1, 2)), dy.sum(axis=(0, 1, 2))


def last_branch(dys, branches, caches):
    return inception_backward(dys[-1:], branches[-1:], caches[-1:])


STEPS = 60 if QUICK else 400
data = images(size, 0)


def trained(**functions):
    answers = answering(**functions)
    net = network(size, answers)
    velocity, losses = at_rest(net), []
    for n in range(STEPS):
        losses.append(step(net, velocity, answers, *batch_of(answers, n, *data[:2], size, 0), 0.1 * (1 - n / STEPS)))
    return losses, accuracy(net, *data[2:])


CHOICES = {"right": {}, "batch norm: μ and σ constant": {"batch_norm_backward": constant_statistics},
           "module: the last branch only": {"inception_backward": last_branch}}
curves = {}
for name, functions in CHOICES.items():
    losses, found = curves[name] = trained(**functions)
    print(f"{name:<29} gradient check {gradient_error(**functions):7.0e}   loss {np.mean(losses[:20]):.2f} -> "
          f"{np.mean(losses[-20:]):.2f}   accuracy {found:.0%}")
assert gradient_error() < 1e-4 < 0.5 < min(gradient_error(**functions) for functions in list(CHOICES.values())[1:])
compare("does the overwritten gradient learn?", guess_learns, "yes" if curves["module: the last branch only"][1] > 0.13
        else "no")

# %% [markdown]
# Both learn: their loss falls, and they end above chance. If you look only at the loss, you conclude that the code
# works and the data is difficult. A gradient that points roughly downhill is enough for the loss to fall, and the last
# layer, whose gradient is right, does the rest. So a falling loss proves little: check the gradient first. `make mine`
# does.

# %%
losses = {name: (np.mean(losses[:20]), np.mean(losses[-20:])) for name, (losses, _) in curves.items()}
assert QUICK or all(last < first - 0.2 for first, last in losses.values())
assert QUICK or curves["right"][1] > 0.5 > max(curves[name][1] for name in list(CHOICES)[1:]) > 0.15

# %% [markdown]
# ## The figure
#
# The same network, the same images in the same order. Only the backward pass differs.

# %% tags=["figure"]
from minigooglenet.figures.style import COLORS, GRAY, figure

fig, ax = figure(width=7, height=3.6)
for (name, (losses, found)), color in zip(curves.items(), (COLORS[2], COLORS[0], COLORS[1]), strict=True):
    width = len(losses) // 12
    smooth = np.convolve(losses, np.ones(width) / width, "valid")
    ax.plot(np.arange(width, len(losses) + 1), smooth, color=color, lw=2)
    ax.text(len(losses) * 1.02, smooth[-1], f"{name}: {found:.0%}", color=color, va="center")
ax.axhline(np.log(10), color=GRAY, lw=0.8, ls=":")
ax.text(len(losses) * 1.02, np.log(10) + 0.06, "ln 10: chance", color=GRAY, va="bottom")
ax.set(xlim=(0, len(losses) * 1.75), xticks=np.linspace(0, STEPS, 5).round(), xlabel="step",
       ylabel=f"loss, mean of {width} steps", title="All three learn. Two have a wrong gradient.")
show(fig, "22_wrong_gradients", "Three falling learning curves: the right network learns fastest; one with a wrong "
     "gradient of batch norm, and one with a wrong gradient of the inception module, learn slowly, but they learn.")

# %% [markdown]
# ## Exercises
#
# Write them in `lessons/exercises/22_mine.py`, then run `make check N=22`. Stuck? `make check N=22 HINT=1`.
#
# 1. `max_pool(x, K, S, P, OH, OW)`: the pool's forward pass, the last layer without an answer of yours.
# 2. `inception(x, branches)`: the module out of steps, forward.
# 3. `inception_backward(dys, branches, caches)`: the same backward.
#
# Then `make mine`. Its table says for each part whether it is yours, and which command checks what is missing.

# %% [markdown]
# ## If you got …
#
# | you got | cause |
# |---|---|
# | dx = 60 instead of 62 | the last branch overwrote the first: `=` where `+=` belongs |
# | a shape error in the second branch | it read the output of the first branch; every branch begins with x |
# | an error about None, or a wrong dx | the caches are not reversed with the steps, so a step gets another one's |
# | a max pool with zeros at the border | padding counts as 0 in it, and should as -∞ |
# | "too slow" from `make mine` | a loop over all indices: loop over windows, and use `@` and slices inside |
# | a gradient check that fails though all checks pass | an answer that keeps something between calls |

# %%
assert inception_backward((np.ones(1),), branches[1:], caches[1:]).tolist() == [60]

# %% [markdown]
# ## Where books and libraries get this wrong
#
# * **"The loss goes down, so the code is right."** See the figure. Karpathy's recipe for training networks (2019) calls
#   it failing silently: the network works around its bugs.
# * **Checking layers one by one, and not the network.** The mistakes that are left are in the wiring: a cache of
#   another step, a branch forgotten. They appear only in the check of the whole.
# * **Gradient checks in float32.** The difference quotient keeps three or four digits there, so errors below 0.1 %
#   drown. The check runs in float64; the training does not need to.
# * **An autograd engine as the first project.** It differentiates whatever you write. That is practical, but you have
#   not seen the gradient of a max pool until you have routed it yourself.

# %%
assert gradient_error() < 1e-4 and net.parameters()["conv1/w"].dtype == np.float32

# %% [markdown]
# ## Recap
#
# 1. A network is steps in sequence and in parallel; the backward pass reverses the one and adds up the other.
# 2. A step keeps what its own derivative needs, and nothing else knows what that is.
# 3. A training step keeps all outputs: here 126 times the memory of the weights.
# 4. A network with a wrong gradient often learns, only worse. Check the gradient of the whole network first.
# 5. `make mine` builds the network of your answers; where one is missing, the library's code takes its place.

# %% [markdown]
# ## Glossary
#
# * **step**: a pair of functions, forward and backward; what this lesson calls a layer without its weights.
# * **cache**: what the forward pass of a step keeps for its backward pass.
# * **wiring**: which output is whose input; the part of a network that no single layer knows.
# * **capstone**: the last stone of an arch, which holds all others in place; here the network of your own answers.

# %% [markdown]
# ## Next
#
# Run `make mine`. After that, the library is no longer a black box: each of its layers is a function that you have
# written yourself. `make train` trains all nine modules; the engine that makes them fast is in `minigooglenet/engine/`.
