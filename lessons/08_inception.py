# %% [markdown]
# # 08. Naive or reduced inception?
#
# * **Paper:** Szegedy et al. 2014, section 4, figure 2: the module "naïve" and "with dimension reductions"
# * **Review:** section 2, "Inception Module" (Tsang 2018)
# * **You build:** the module in both forms, and the backward pass through a concatenation
# * **Figure:** both modules, and how the number of channels grows when they are stacked
# * **Time:** 20 s
#
# Which window size is right for an image: 1×1, 3×3 or 5×5? It depends on the size of the object to be found, which
# varies from place to place. The inception module does not choose. It applies all three to the same input in parallel,
# and a max pool as a fourth branch, and concatenates the results along the channels:
#
#     y = [f_1(x), f_2(x), f_3(x), f_4(x)]
#
# In its simple form, which the paper calls *naïve*, the module has a problem that appears only when modules are
# stacked. This lesson shows the problem and its solution, and derives the backward pass through four branches.

# %% [markdown]
# ## Predict first
#
# Module 3a reads 28×28 pixels with 192 channels. Its 1×1, 3×3 and 5×5 branches have 64, 128 and 32 filters.

# %%
# 1. In the naive form, the pool branch passes all its input channels on. How many channels does the module output?
guess_out = None

# 2. GoogLeNet stacks nine modules. If all are naive, how many channels does the last one output? (The real one: 1024.)
guess_last = None

# 3. Four branches read x. Is its gradient the "sum", the "mean" or the "largest" of the four branches' gradients?
guess_gradient = None

# %% [markdown]
# ## Build it small
#
# One pixel with two channels, x = (3, 5), and two branches: branch a outputs one channel, branch b two. Each is a 1×1
# convolution, so a product with a weight matrix. The forward pass concatenates; the backward pass splits dy and adds
# up.

# %%
import numpy as np

from lessons import compare, show
from lessons.measured import tell


def forward(x, weights):
    """x (C,) -> the outputs of all branches, concatenated."""
    return np.concatenate([x @ w for w in weights])


def backward(dy, weights):
    """dx, and the contribution of each branch to it."""
    parts, start = [], 0
    for w in weights:
        F = w.shape[1]
        parts.append(dy[start:start + F] @ w.T)  # this branch's part of dy, backward through this branch
        start += F
    return sum(parts), parts


def naive(C, n1x1, n3x3, n5x5):
    """(output channels, weights) of a naive module that reads C channels: the pool passes them all on."""
    return n1x1 + n3x3 + n5x5 + C, C * (n1x1 + 9 * n3x3 + 25 * n5x5)


def reduced(C, n1x1, r3, n3x3, r5, n5x5, proj):
    """The same with 1×1 convolutions to r3 and r5 channels before 3×3 and 5×5, and to proj after the pool."""
    return n1x1 + n3x3 + n5x5 + proj, C * (n1x1 + r3 + r5 + proj) + 9 * r3 * n3x3 + 25 * r5 * n5x5


x = np.array([3., 5])
a, b = np.array([[1.], [-1]]), np.array([[2., 0], [0, 2]])
dy = np.array([1., 10, 100])
dx, (from_a, from_b) = backward(dy, [a, b])
print("y =", forward(x, [a, b]), "  widths", a.shape[1], "and", b.shape[1])
print("dx =", from_a, "+", from_b, "=", dx)

plain, small = naive(192, 64, 128, 32), reduced(192, 64, 96, 128, 16, 32, 32)
for name, (out, weights) in (("naive 3a", plain), ("reduced 3a", small)):
    print(f"{name:<11} 192 -> {out} channels, {weights:>7,} weights, {28 * 28 * weights:>11,} multiply-adds")

# %% [markdown]
# By hand: branch a gives 3 - 5 = -2; branch b doubles x, which gives 6 and 10. Branch a wrote the first element of y,
# so it gets the first element of dy: 1 · (1, -1) = (1, -1). Branch b gets the other two: 2 · (10, 100) = (20, 200).
#
# Why a **sum**? Change x by a small h. Every branch depends on x, so the loss changes by the sum of all their changes:
#
#     dL = Σ_b  dy_b · df_b  =  Σ_b  dx_b · h  =  (Σ_b dx_b) · h        so        dx = Σ_b dx_b
#
# where `dx_b` is the gradient that branch b alone would give. This is the chain rule for a value used several times.
# Concatenation itself computes nothing, so its backward pass is a split: `dy_b` is the part of `dy` at the channels
# that branch b wrote.

# %%
assert forward(x, [a, b]).tolist() == [-2, 6, 10] and dx.tolist() == [21, 199]
assert from_a.tolist() == [1, -1] and from_b.tolist() == [20, 200]
assert plain == (416, 387_072) and small == (256, 163_328)
assert 28 * 28 * plain[1] == 303_464_448 and 28 * 28 * small[1] == 128_049_152
compare("output channels of a naive 3a", guess_out, plain[0])
compare("the gradient of an input that four branches read", guess_gradient, "sum")

# %% [markdown]
# ## In the library
#
# `minigooglenet.layers.containers.Concat` holds the branches; `models/inception.py` builds either form from the six
# widths in a row of the paper's Table 1. `Style` selects the form: `reduced=True` is figure 2(b), `reduced=False` is
# figure 2(a), which ignores the widths of the two reductions and the pool projection. We count both, then stack nine.

# %%
from minigooglenet.flops import count
from minigooglenet.models.googlenet import TABLE_1
from minigooglenet.models.inception import Style, inception
from minigooglenet.models.rows import Inception

WIDTHS_3A = 64, 96, 128, 16, 32, 32  # 1×1, 3×3 reduce, 3×3, 5×5 reduce, 5×5, pool projection
size = (28, 28, 192)
forms = {"naive": inception(Style(reduced=False), 192, *WIDTHS_3A), "reduced": inception(Style(), 192, *WIDTHS_3A)}
for name, module in forms.items():
    print(f"{name:<8} {size} -> {module.output_shape(size)}  {module.macs(size):>11,} MACs;  layers:")
    print("        ", ", ".join(module.children))
assert (forms["naive"].output_shape(size)[-1], forms["naive"].macs(size)) == (plain[0], 784 * plain[1])
assert (forms["reduced"].output_shape(size)[-1], forms["reduced"].macs(size)) == (small[0], 784 * small[1])

rows = [row for row in TABLE_1 if isinstance(row, Inception)]
table = {"naive": [192], "reduced": [192]}  # channels before the first module, after it, after the second, …
for row in rows:
    name, *w = row
    table["naive"].append(naive(table["naive"][-1], w[0], w[2], w[4])[0])
    table["reduced"].append(reduced(table["reduced"][-1], *w)[0])
print("naive, stacked:  ", *table["naive"])
print("reduced, stacked:", *table["reduced"])

whole = {"naive": count("googlenet-naive"), "reduced": count("googlenet")}
cost = {name: [counted[row.name].macs for row in rows] for name, counted in whole.items()}
for name, counted in whole.items():
    assert [counted[row.name].output[-1] for row in rows] == table[name][1:]
    print(f"nine {name:<7} modules: {sum(cost[name]):>14,} MACs")
print(f"naive costs {sum(cost['naive']) / sum(cost['reduced']):.2f} times as much")
assert round(sum(cost["naive"]) / sum(cost["reduced"]), 2) == 10.95
compare("channels after nine naive modules", guess_last, table["naive"][-1])
assert table["naive"] == [192, 416, 832, 1280, 1728, 2176, 2640, 3344, 4048, 4944] and table["reduced"][-1] == 1024
assert sum(cost["naive"]) == 12_085_441_536 and sum(cost["reduced"]) == 1_103_972_352

# %% [markdown]
# So this is the problem: a naive module can never output fewer channels than it reads, since its pool branch keeps them
# all. The number of channels only grows, and the cost of each module grows with the channels it reads: "a computational
# blow up within a few stages" (section 4). The solution is 1×1 convolutions in each module: two **reductions**, so that
# the expensive windows read fewer channels (lesson 07), and a **projection** after the pool, which limits the number of
# output channels. Which of them matters more? Remove one kind at a time:

# %%
def stacked(reductions, projection):
    """(output channels, MACs) of nine modules, each reading the output of the previous one."""
    C, total = 192, 0
    for (_, n1, r3, n3, r5, n5, proj), side in zip(rows, (28, 28, 14, 14, 14, 14, 14, 7, 7), strict=True):
        windows = C * (r3 + r5) + 9 * r3 * n3 + 25 * r5 * n5 if reductions else C * (9 * n3 + 25 * n5)
        total += side * side * (C * n1 + windows + (C * proj if projection else 0))
        C = n1 + n3 + n5 + (proj if projection else C)
    return C, total


for label, choice in (("neither", (False, False)), ("only the projection", (False, True)),
                      ("only the reductions", (True, False)), ("both", (True, True))):
    channels, total = stacked(*choice)
    print(f"{label:<20} {channels:>5,} output channels, {total / 1e9:5.2f} billion MACs")
assert stacked(False, False) == (4944, sum(cost["naive"])) and stacked(True, True) == (1024, sum(cost["reduced"]))
assert [round(stacked(*choice)[1] / 1e9, 2) for choice in ((False, True), (True, False))] == [3.95, 1.64]

# %% [markdown]
# The reductions save most, but with them alone the modules still end with 4,944 channels, which later layers must store
# and read. The projection prevents that. GoogLeNet has both.
#
# Does a network with reductions also *learn* better? At equal widths the comparison is unfair: the naive one has ten
# times the multiply-adds. At equal multiply-adds it has a quarter of the width:

# %%
tell("reductions")

# %% [markdown]
# Another seed means other initial weights and another order of the images. All three seeds favor the reductions, and
# still the interval contains 0: it may be chance. Three seeds prove little. The number after ± is half its width: the
# standard error (the standard deviation of a mean) times 4.3 for three seeds, and times 2 for many.
#
# **Estimate, then count.** Naive modules multiply 11 times as much. How many times the memory do their outputs take?

# %%
SIDES = np.array((28, 28, 14, 14, 14, 14, 14, 7, 7))
stored = {name: int((SIDES**2 * channels[1:]).sum()) for name, channels in table.items()}
for name, values in stored.items():
    print(f"outputs of nine {name:<7} modules, one image, float32: {4 * values / 1e6:4.1f} MB")
assert stored == {"naive": 3_607_968, "reduced": 1_235_584} and round(stored["naive"] / stored["reduced"], 1) == 2.9

# %% [markdown]
# Only 2.9 times: memory grows with the number of channels, multiplications with its square, since every output channel
# reads every input channel.
#
# Now the backward pass through a real module, small enough to check against finite differences (lesson 04). Each branch
# gets its part of dy, and the gradients that they return are added.

# %%
from minigooglenet.gradcheck import gradcheck

rng = np.random.default_rng(6)
module = inception(Style(rng=rng, dtype="float64", bias_value=0.1), 6, 4, 3, 5, 2, 3, 2)
images = rng.standard_normal((2, 5, 4, 6))
y, cache = module.forward(images, train=True)
dy = rng.standard_normal(y.shape)
dx = module.backward(dy, cache)

caches, widths = cache
starts = np.cumsum([0, *widths])
parts = [branch.backward(np.ascontiguousarray(dy[..., start:end]), branch_cache)
         for branch, branch_cache, start, end in zip(module.branches, caches, starts, starts[1:], strict=False)]
print("y", y.shape, "has", " + ".join(map(str, widths)), "channels")
for branch, start, end, part in zip(module.branches, starts, starts[1:], parts, strict=False):
    print(f"  dy[..., {start:>2}:{end:>2}] goes to {' -> '.join(branch.children):<17} "
          f"and returns a dx of norm {np.linalg.norm(part):5.2f}")
assert widths == [4, 5, 3, 2] and np.allclose(sum(parts), dx)

checked = gradcheck(module, images, rng, entries=40)
print(f"gradient check: largest error {checked.worst:.0e}, relative to the largest gradient")
assert checked.ok

# %% [markdown]
# ## The figure
#
# First both forms of 3a, drawn from the library's modules. The bar at the bottom is split where `dy` is split.

# %% tags=["figure"]
from minigooglenet.figures.inception import inception as draw_inception

show(draw_inception("3a"), "08_modules", "Module 3a in both forms. Naive: 416 output channels, 192 of them only "
     "pooled, for 303.5 million multiply-adds. With reductions: 256 channels for 128.0 million.")
assert round(784 * plain[1] / 1e6, 1) == 303.5 and round(784 * small[1] / 1e6, 1) == 128.0

# %% [markdown]
# Then nine of them, stacked: the naive form accumulates channels, the reduced form does not.

# %% tags=["figure"]
from minigooglenet.figures.style import COLORS, figure

names = [row.name for row in rows]
fig, (left, right) = figure(1, 2, width=8, height=3.5)
for name, color, marker in (("naive", COLORS[1], "o"), ("reduced", COLORS[0], "s")):
    left.plot(["in", *names], table[name], marker + "-", color=color, markersize=5)
left.annotate(f"naive: {table['naive'][-1]:,}", (9, table["naive"][-1]), (-8, 0), textcoords="offset points",
              ha="right", va="center", color=COLORS[1])
left.annotate(f"reduced: {table['reduced'][-1]:,}", (9, table["reduced"][-1]), (0, 9), textcoords="offset points",
              ha="right", color=COLORS[0])
left.set(ylabel="channels", ylim=(0, 5400), title="channels after each module")
at = np.arange(9)
right.bar(at - 0.2, [macs / 1e9 for macs in cost["naive"]], 0.4, color=COLORS[1])
right.bar(at + 0.2, [macs / 1e9 for macs in cost["reduced"]], 0.4, color=COLORS[0])
right.set_xticks(at, names)
right.set(ylabel="billion multiply-adds", title="cost of each module")
right.text(0.03, 0.97, f"naive: {sum(cost['naive']) / 1e9:.2f} billion in total", transform=right.transAxes, va="top",
           color=COLORS[1])
right.text(0.03, 0.89, f"reduced: {sum(cost['reduced']) / 1e9:.2f} billion in total", transform=right.transAxes,
           va="top", color=COLORS[0])
show(fig, "08_growth", "Left: channels after each of nine stacked modules. Naive ones grow from 192 to 4,944, reduced "
     "ones to 1,024. Right: the naive modules cost 12.09 billion multiply-adds, the reduced ones 1.10 billion.")
assert round(sum(cost["naive"]) / 1e9, 2) == 12.09 and round(sum(cost["reduced"]) / 1e9, 2) == 1.10

# %% [markdown]
# The dips at 4a and 5a come from the max pools before them: a quarter of the pixels, a quarter of the cost.

# %% [markdown]
# ## Exercises
#
# Write them in `lessons/exercises/08_inception.py`, then run `make check N=8`. Stuck? `make check N=8 HINT=1`.
#
# 1. `naive_chain(C, rows)`: the number of channels after each of several stacked naive modules. For GoogLeNet's own
#    rows it ends at 4944.
# 2. `concat_backward(dy, widths)`: split dy into the parts of the branches.
# 3. `module_backward(dy, x, weights)`: dx and every branch's dw, for a module whose branches are 1×1 convolutions with
#    ReLU. Here the gradients of the branches are added.

# %% [markdown]
# ## If you got …
#
# | you got | the usual cause |
# |---|---|
# | 224 output channels of a naive 3a | the pool branch is missing: it passes its 192 channels on |
# | 1088 after nine naive modules | each module was given 192 channels, not the output of the previous one |
# | a dx of (20, 200) in the small example | `=` instead of `+=`: only the last branch's gradient is left |
# | a dx of (10.5, 99.5) | the mean over the branches; the chain rule takes the sum |
# | a shape error when dy is split | split along height or width; the channels are the last axis |
# | branch b has branch a's gradient | `start` is not advanced after each branch |
# | "branches end in different sizes" | a 3×3 or 5×5 without padding, or a pool with stride 2 |

# %%
from minigooglenet.errors import ShapeError
from minigooglenet.layers import Conv
from minigooglenet.layers.containers import Concat

assert plain[0] - 192 == 224 and from_b.tolist() == [20, 200] and ((from_a + from_b) / 2).tolist() == [10.5, 99.5]
assert naive(192, rows[-1].n1x1, rows[-1].n3x3, rows[-1].n5x5)[0] == 1088
try:
    Concat({"1x1": Conv(6, 4, 1)}, {"3x3": Conv(6, 5, 3)}).output_shape((5, 4, 6))
except ShapeError as error:
    print("without padding:", error)
    assert "branches end in different sizes" in str(error)

# %% [markdown]
# ## Where books and libraries get this wrong
#
# * **GoogLeNet does not use the naive module.** Many drawings of "the inception module" show figure 2(a). GoogLeNet
#   uses figure 2(b) throughout, with the six widths of each row of Table 1.
# * **A pool that shrinks the image.** Inside a module, the pool has stride 1 and padding 1, so that all branches end
#   with the same size. The pools between modules have stride 2. Both are called "3×3 max pool".
# * **"The 5×5 branch is 3×3."** It is in TensorFlow's slim and in torchvision, by a mistake that was kept for the sake
#   of the weights (vision, issue 906). Here `Style(big=3)` reproduces it.
# * **The order of the branches matters** as soon as you load weights: 1×1, 3×3, 5×5, pool projection, in the paper's
#   table, in Caffe, and here. Another order runs without an error and predicts nonsense.
# * **Padding with zeros before a max pool.** After a ReLU no value is below zero, so nobody notices. On other inputs it
#   creates false maxima of 0 along the border; a max pool must pad with -∞, and `MaxPool` does.

# %%
from minigooglenet.layers import MaxPool

negative = -np.ones((1, 3, 4, 1))
assert MaxPool(3, stride=1, pad=1).predict(negative).max() == -1
assert list(forms["reduced"].children) == ["1x1", "3x3_reduce", "3x3", "5x5_reduce", "5x5", "pool", "pool_proj"]

# %% [markdown]
# ## Recap
#
# 1. An inception module applies 1×1, 3×3, 5×5 and a max pool to the same x, and concatenates along the channels.
# 2. In the naive form all C channels of the pool accumulate: 192 become 416, and 4944 after nine modules.
# 3. Stacked, nine naive modules cost 12.09 billion multiply-adds, nine reduced ones 1.10 billion: 10.95 times fewer.
# 4. Reductions make large windows cheap; the projection after the pool limits the channels. Both are needed.
# 5. Backward through a concatenation: split dy by branch, and **add** the gradients that the branches return.

# %% [markdown]
# ## Glossary
#
# * **concatenation**: joining arrays along one axis; here the outputs of branches along the channels.
# * **branch**: layers that read the same input as other branches and are independent of them.
# * **inception module**: branches with windows of 1×1, 3×3, 5×5 and a max pool, concatenated (Szegedy et al. 2014).
# * **naive form**: the module without reductions, figure 2(a) of the paper.
# * **projection**: a 1×1 convolution that only changes the number of channels; in a module, the one after the pool.

# %% [markdown]
# ## Next
#
# We have built the module. Lesson 09 asks whether the paper's reason for it holds.
