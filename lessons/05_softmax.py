# %% [markdown]
# # 05. Where does the first gradient come from?
#
# * **Paper:** Szegedy et al. 2014, section 5: "a linear layer with softmax loss as the classifier"
# * **Review:** background for section 5, "Auxiliary Classifiers for Training" (Tsang 2018)
# * **You build:** softmax, cross-entropy and its gradient p - t, and a training loop
# * **Figure:** a spiral that one dense layer cannot learn and two can, and the loss of both
# * **Time:** 20 s
#
# Every backward pass so far began with a gradient `dy` that somebody gave us. In training it comes from the **loss**.
# The last layer of a classifier returns one **logit** z_k for each of K classes, any real number. Two steps turn the
# logits into a loss:
#
#     softmax           p_k = exp(z_k) / Σ_j exp(z_j)        K probabilities that add up to 1
#     cross-entropy     L = -Σ_k t_k ln p_k                  t is 1 at the label and 0 elsewhere, so L = -ln p_label
#
# The loss is 0 if the network is certain and right, ln K if it considers all classes equally likely, and without limit
# if it is certain and wrong. The gradient with respect to the logits is as simple as it could be: p - t. With it we
# have all that training needs.

# %% [markdown]
# ## Predict first

# %%
# 1. What does exp(z) / exp(z).sum() return for the logits 1000 and 1000? (a number, or a word)
guess_large = None

# 2. An untrained network gives each of 10 classes the probability 1/10. What is the gradient of the loss with respect
#    to the logit of the right class?
guess_gradient = None

# 3. Three classes lie on the three arms of a spiral. What fraction of the points does the best single dense layer get
#    right? (0 to 1; pure chance is 0.33)
guess_linear = None

# %% [markdown]
# ## Build it small
#
# Both functions take a batch of logits (N, K). The loss is the mean over the batch.

# %%
import numpy as np

from lessons import QUICK, compare, show


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))  # the largest exponent is 0, so exp cannot overflow
    return e / e.sum(axis=1, keepdims=True)


# The loss, and its gradient with respect to z.
def cross_entropy(z, labels):
    N, K = z.shape
    shifted = z - z.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    t = np.eye(K, dtype=z.dtype)[labels]
    return -(t * log_p).sum() / N, (np.exp(log_p) - t) / N


z = np.log([[1.0, 2.0, 5.0]])
loss, dz = cross_entropy(z, np.array([2]))
print("e^z = 1, 2, 5 -> p =", softmax(z)[0], "  loss", loss.round(3), "  gradient", dz[0])
with np.errstate(over="ignore", invalid="ignore"):
    naive = np.exp(1000.0) / (np.exp(1000.0) + np.exp(1000.0))
print("1000, 1000: as written", naive, "  with the maximum subtracted", softmax(np.array([[1000.0, 1000.0]]))[0])

# %% [markdown]
# **By hand.** The exponentials 1, 2, 5 add up to 8, so p = 1/8, 2/8, 5/8. If the label is 2, the loss is
# -ln(5/8) = 0.47, and the gradient p - t = (1/8, 2/8, -3/8): a step against it lowers the first two logits and raises
# the third. The three parts add up to 0, because adding a constant to all logits changes nothing.
#
# **Why p - t.** Write the logarithm of p out. One term is linear in z, the other is the logarithm of a sum:
#
#     L = -Σ_k t_k ln p_k = -Σ_k t_k z_k + ln Σ_j exp(z_j)            because Σ_k t_k = 1
#
#     ∂/∂z_k  ln Σ_j exp(z_j)  =  exp(z_k) / Σ_j exp(z_j)  =  p_k            so  ∂L/∂z_k = p_k - t_k
#
# **Why the maximum is subtracted.** exp(z) overflows beyond 709 in float64 and beyond 88 in float32. For any m,
# exp(z_k - m) / Σ exp(z_j - m) is the same p, and with m = max z every exponent is at most 0. The loss needs more care:
# it must not take ln p, because p may round to 0. `cross_entropy` computes ln p_k = z_k - m - ln Σ exp(z_j - m)
# directly (*log-sum-exp*): the sum is at least 1, so its logarithm is finite.
#
# **A training loop** repeats three steps: forward, backward, update. Here is one for two dense layers with ReLU
# between them. All its gradients are those of lesson 04, and they begin with p - t.

# %%
def train(x, labels, units, steps, lr=1.0):
    rng, losses = np.random.default_rng(5), []
    D, K = x.shape[1], labels.max() + 1
    w1, b1 = rng.standard_normal((D, units)) * np.sqrt(2 / D), np.zeros(units)
    w2, b2 = rng.standard_normal((units, K)) * np.sqrt(2 / units), np.zeros(K)
    for _ in range(steps):
        h = np.maximum(x @ w1 + b1, 0)
        loss, dz = cross_entropy(h @ w2 + b2, labels)
        dh = dz @ w2.T * (h > 0)
        for w, dw in ((w1, x.T @ dh), (b1, dh.sum(axis=0)), (w2, h.T @ dz), (b2, dz.sum(axis=0))):
            w -= lr * dw
        losses.append(loss)
    return (w1, b1, w2, b2), losses


# %% [markdown]
# ## In the library
#
# `minigooglenet/layers/softmax.py` has both functions. They compute the same, for logits of any size. Then the gradient
# check of lesson 04, and the same gradient the long way: through -ln, then through softmax.

# %%
from minigooglenet.layers import Dense, ReLU, Sequential, Softmax
from minigooglenet.layers import cross_entropy as library_cross_entropy, softmax as library_softmax

rng = np.random.default_rng(5)
for size in (1, 100, 10_000):
    z, labels = size * rng.standard_normal((6, 4)), np.array([0, 3, 1, 1, 2, 0])
    assert np.array_equal(softmax(z), library_softmax(z))
    loss, dz = cross_entropy(z, labels)
    library_loss, library_dz = library_cross_entropy(z, labels)
    assert np.isclose(loss, library_loss) and np.allclose(dz, library_dz)
assert np.isclose(5 / 8, softmax(np.log([[1.0, 2, 5]]))[0, 2]) and round(-np.log(5 / 8), 2) == 0.47
assert np.exp(709.0) < np.inf and np.exp(np.float32(88)) < np.inf and np.isclose(np.log(np.finfo("f8").max), 709.78)
compare("softmax of 1000 and 1000, as written", guess_large, str(naive))

z = rng.standard_normal((6, 4))
dz, eps = cross_entropy(z, labels)[1], 1e-6
steps = eps * np.eye(24).reshape(24, 6, 4)
slopes = [(cross_entropy(z + step, labels)[0] - cross_entropy(z - step, labels)[0]) / (2 * eps) for step in steps]
print(f"gradient check: largest error {np.abs(np.reshape(slopes, (6, 4)) - dz).max():.0e}")
assert np.allclose(np.reshape(slopes, (6, 4)), dz, atol=1e-8)

p, cache = Softmax().forward(z)
dp = np.zeros_like(p)
dp[np.arange(6), labels] = -1 / p[np.arange(6), labels] / 6  # the gradient of the mean of -ln p
assert np.allclose(Softmax().backward(dp, cache), dz)

uniform = np.zeros((1, 10))
compare("the gradient of the right logit, untrained, 10 classes", guess_gradient,
        float(cross_entropy(uniform, np.array([3]))[1][0, 3].round(9)))

# %% [markdown]
# Both ways agree here, but the long way divides by p: if p rounds to 0 it computes 0 · ∞, which is NaN. p - t divides
# by nothing. This is why libraries join softmax and cross-entropy into one function of the logits.
#
# Why not a squared error, Σ (p - t)²? Its gradient is 2 (p - t) times the derivative of softmax. If the network is
# certain and wrong, that derivative is nearly 0, and nothing is learned when there is most to learn:

# %%
wrong = np.array([[10.0, -10.0]])
p, cache = Softmax().forward(wrong)
t = np.array([[0.0, 1.0]])
squared = Softmax().backward(2 * (p - t), cache)
print(f"certain and wrong: gradient of cross-entropy {(p - t)[0, 0]:.4f}, of the squared error {squared[0, 0]:.0e}")
assert np.allclose(p - t, [[1, -1]]) and np.abs(squared).max() < 1e-8

# %% [markdown]
# Now train. The points of each class lie on one arm of a spiral. One dense layer divides the plane by straight lines
# only; the second network computes 64 values in between, the *units* of its hidden layer. Test points are new ones:
# they come from another *seed*, the number from which all random numbers of a generator follow.

# %%
def spiral(N, seed):
    """N points (N, 2) on three arms, and the number of the arm (N,)."""
    rng, labels = np.random.default_rng(seed), np.arange(N) % 3
    r = rng.uniform(0.05, 1, N)
    angle = 2 * np.pi * labels / 3 + 4 * r + 0.15 * rng.standard_normal(N)
    return np.stack([r * np.cos(angle), r * np.sin(angle)], axis=1), labels


def two_layers(x, w1, b1, w2, b2):
    return np.maximum(x @ w1 + b1, 0) @ w2 + b2


def accuracy(z, labels):
    return (z.argmax(axis=1) == labels).mean()


(x, labels), (x_test, labels_test) = spiral(300, 1), spiral(300, 2)
steps = 300 if QUICK else 1500
weights, losses = train(x, labels, 64, steps)

line = Dense(2, 3, rng=5, dtype="float64")  # one dense layer, of the library
line_losses = []
for _ in range(steps):
    z, cache = line.forward(x)
    loss, dz = cross_entropy(z, labels)
    line.zero_grads()
    line.backward(dz, cache)
    for name, w in line.params.items():
        w -= 1.0 * line.grads[name]
    line_losses.append(loss)

one, two = accuracy(line.predict(x_test), labels_test), accuracy(two_layers(x_test, *weights), labels_test)
print(f"one dense layer:  loss {line_losses[0]:.3f} -> {line_losses[-1]:.3f}, test accuracy {one:.1%}")
print(f"two dense layers: loss {losses[0]:.3f} -> {losses[-1]:.3f}, test accuracy {two:.1%}")
compare("one dense layer", guess_linear, float(one))
assert 0.3 < one < 0.7 and (QUICK or two > 0.97)

# %% [markdown]
# The same two layers of the library, from the same weights, with the library's SGD: the same losses. This is all that
# `minigooglenet train` does, with a larger network, small batches in place of all points, and momentum (lesson 14).

# %%
from minigooglenet.training.sgd import SGD

net = Sequential({"hidden": Dense(2, 64, dtype="float64"), "relu": ReLU(), "out": Dense(64, 3, dtype="float64")})
for array, start in zip(net.parameters().values(), train(x, labels, 64, 0)[0], strict=True):
    array[...] = start
sgd = SGD(net.parameters(), momentum=0)
for loss in losses[:20]:
    z, cache = net.forward(x, train=True)
    library_loss, dz = library_cross_entropy(z, labels)
    net.zero_grads()
    net.backward(dz, cache)
    sgd.step(net.gradients(), lr=1.0)
    assert np.isclose(library_loss, loss)

# %% [markdown]
# **Estimate, then measure.** What does a step cost? The forward pass multiplies N · (2 · 64 + 64 · 3) times. The
# backward pass needs every product twice, for dw and for dx, except dx of the first layer: a step takes 2.6 times the
# forward pass here, and just under three times in a deep network. The points are few, so a step takes only half a
# million floating-point operations. But how much of the time is arithmetic?

# %%
import timeit

forward = len(x) * (2 * 64 + 64 * 3)
step = 3 * forward - len(x) * 2 * 64
seconds = min(timeit.repeat(lambda: train(x, labels, 64, 50), number=1, repeat=3)) / 50
print(f"{forward:,} MACs forward, {step:,} per step: {2 * step / 1e6:.2f} MFLOP in {1e6 * seconds:.0f} µs, "
      f"or {2 * step / seconds / 1e9:.1f} GFLOP/s")
assert forward == 96_000 and step == 249_600

# %% [markdown]
# Compare this with the peak of your machine in lesson 03. Products this small spend their time in function calls, exp
# and memory; large layers come much closer to the peak.

# %% [markdown]
# ## The figure
#
# Left and middle: the class that each network predicts at every point of the plane; dots are the training points.
# Right: the loss begins near ln 3, the loss of an even guess.

# %% tags=["figure"]
from minigooglenet.figures.style import COLORS, figure, tint

fig, (left, middle, right) = figure(1, 3, width=9, height=3.2, width_ratios=[1, 1, 1.1])
v, u = np.mgrid[-1.2:1.2:240j, -1.2:1.2:240j]
plane = np.stack([u.ravel(), v.ravel()], axis=1)
shades = np.array([tint(color, 0.35) for color in COLORS[:3]])
for ax, z, title in ((left, line.predict(plane), f"one dense layer: {one:.0%} right"),
                     (middle, two_layers(plane, *weights), f"two, with ReLU: {two:.0%} right")):
    ax.imshow(shades[z.argmax(axis=1)].reshape(240, 240, 3), extent=(-1.2, 1.2, -1.2, 1.2), origin="lower")
    for k, marker in enumerate("o^s"):
        ax.scatter(*x[labels == k].T, s=7, color=COLORS[k], marker=marker, edgecolor="white", linewidth=0.2)
    ax.set(title=title, xticks=[], yticks=[])
right.plot(line_losses, color=COLORS[1], lw=2, ls="--", label="one dense layer")
right.plot(losses, color=COLORS[0], lw=2, label="two dense layers")
right.axhline(np.log(3), color="0.6", lw=0.8, ls=":")
right.text(steps, np.log(3) + 0.02, "ln 3", ha="right", color="0.4")
right.set(xlabel="step", ylabel="loss", title="training loss", ylim=(0, 1.3), xticks=np.linspace(0, steps, 4))
right.legend(frameon=False)
show(fig, "05_spiral", "Three arms of a spiral. One dense layer divides the plane into three sectors and gets "
     f"{one:.0%} of the test points right. Two layers with ReLU follow the arms and get {two:.0%}. The loss of the "
     "first stays high, that of the second falls toward 0.")

# %% [markdown]
# ## Exercises
#
# Write them in `lessons/exercises/05_softmax.py`, then run `make check N=5`. Stuck? `make check N=5 HINT=1`.
#
# 1. `softmax(z)`: for logits of any size, in the dtype of z.
# 2. `cross_entropy(z, labels)`: the loss and its gradient, finite for logits of any size.
# 3. `train(x, labels, w, b, lr, steps)`: the whole loop for one dense layer (*softmax regression*).

# %% [markdown]
# ## If you got …
#
# | you got | the usual cause |
# |---|---|
# | probabilities of NaN | exp overflowed: subtract the largest logit of each row first |
# | a loss of infinity | ln p where p rounded to 0: use z - max - ln Σ exp(z - max) |
# | rows that do not add up to 1 | the sum or the maximum runs over the batch: axis=1, with keepdims=True |
# | a loss that rises from step to step | the gradient is added; or the learning rate is too high |
# | steps N times too large | the gradient lacks the 1/N of the mean |
# | a loss that never falls below 1.46 for 10 classes | softmax twice: the loss already contains it |

# %%
twice, _ = cross_entropy(softmax(np.array([[1e4] + [0.0] * 9])), np.array([0]))
print(f"softmax twice, 10 classes: the best possible loss is {twice:.4f} = ln(e + 9) - 1")
assert np.isclose(twice, np.log(np.e + 9) - 1) and round(twice, 2) == 1.46

# %% [markdown]
# ## Where books and libraries get this wrong
#
# * **"Cross-entropy of probabilities."** PyTorch's `CrossEntropyLoss` takes logits; Keras' `CategoricalCrossentropy`
#   takes probabilities unless `from_logits=True`. Mix them up and no error is raised: with probabilities in place of
#   logits, the loss just stops at 1.46, as above.
# * **ln(p + 1e-8)** hides the infinity and is wrong instead. It cannot exceed 18.4, and there its gradient is no longer
#   p - t. Log-sum-exp is exact.
# * **Mean or sum?** With a sum over the batch, the best learning rate depends on the batch size. Here the mean is taken
#   once, in the loss; dividing in the layers as well is the classic mistake.
# * **"Softmax gives the probability that the network is right."** It gives K positive values that add up to 1. Modern
#   networks are right less often than they claim (Guo et al. 2017, "On calibration of modern neural networks").
# * **A softmax layer with parameters.** It has none, and the paper's Table 1 counts it as depth 0. At inference it does
#   not even change which class is the best.

# %%
z = np.array([[1000.0, 0.0]])
patched, exact = -np.log(softmax(z)[0, 1] + 1e-8), cross_entropy(z, np.array([1]))[0]
print(f"-ln(p + 1e-8) = {patched:.1f} instead of {exact:g}")
assert softmax(z)[0, 1] == 0 and round(patched, 1) == 18.4 and exact == 1000

# %% [markdown]
# ## Recap
#
# 1. Softmax turns logits into probabilities; cross-entropy is -ln of the probability of the right class.
# 2. The gradient with respect to the logits is (p - t) / N: this is where every backward pass begins.
# 3. Subtract the largest logit, and compute ln p by log-sum-exp: finite for logits of any size.
# 4. Training is a loop: forward, loss, backward, w ← w - lr · dw. A step costs about three forward passes.
# 5. One dense layer cuts the plane by straight lines; a hidden layer with ReLU bends them.

# %% [markdown]
# ## Glossary
#
# * **logits**: the network's outputs before softmax, one for each class; any size, any sign.
# * **softmax**: exponentials, divided by their sum: positive values that add up to 1.
# * **cross-entropy**: -Σ t_k ln p_k, which is -ln p of the label if t is one-hot.
# * **one-hot**: a vector of zeros with a single 1, at the label.
# * **log-sum-exp**: m + ln Σ exp(z_j - m) with m = max z: the logarithm of a sum of exponentials, without overflow.
# * **learning rate**: `lr`, often written η: the factor between gradient and step.
# * **gradient descent**: repeated steps against the gradient; *stochastic* (SGD) if each uses only a few examples.

# %% [markdown]
# ## Next
#
# We can train dense layers and convolutions. Lesson 06 adds the layer between them that has no weights: pooling.
