# %% [markdown]
# # 01. What is a convolution, and is it a matrix product?
#
# * **Paper:** Szegedy et al. 2014, sections 3 and 4: "dense connections to the patches in the earlier layer"
# * **Review:** what its section 1, "The 1×1 Convolution", takes as known (Tsang 2018)
# * **You build:** a convolution in plain loops, then im2col and one matrix product
# * **Picture:** how a patch of the picture becomes a row of a matrix
# * **Time:** 15 s
#
# GoogLeNet is 57 convolutions and little else, so this is the place to begin. A convolution slides a small
# window over a picture. At each place it multiplies what it sees by a fixed set of numbers, the **weights**, and adds
# everything up. The sums form a new picture. In formulas, for pictures `x` with channels `c` and filters `f`:
#
#     y[n, i, j, f] = b[f] + Σ_u Σ_v Σ_c  x[n, i·S + u - P, j·S + v - P, c] · w[u, v, c, f]
#
# `n` counts pictures, `(i, j)` is a place in the result, `(u, v)` a place in the window. `S` is the **stride**, how
# far the window moves each time; `P` is the **padding**, how many rows and columns of zeros are put around the picture.
# `b` is the **bias**, one number for each filter. Our arrays are NHWC: batch, height, width, channels.
#
# A computer is at its best in one operation: multiplying two large matrices. So the question is worth money.

# %% [markdown]
# ## Predict first
#
# Write your guesses down before you run anything; replace each `None`. A wrong guess teaches more than none.

# %%
# 1. The picture has the rows 1 2 3 4 / 5 6 7 8 / 9 10 11 12, the weights are 1 2 / 0 3.
#    What is the sum at the top left?
guess_first = None

# 2. Copy all 3×3 patches of a picture (padding 1, stride 1) into one matrix.
#    How many times the numbers of the picture does it hold?
guess_growth = None

# 3. Mathematicians mirror the weights first. Do deep-learning libraries? "yes" or "no"
guess_mirror = None

# %% [markdown]
# ## Build it small
#
# One picture with one channel, stride 1, no padding. The loops say what the formula says. A window of KH rows fits
# into H rows at H - KH + 1 places.

# %%
import numpy as np

from lessons import compare, show


def convolve(x, w):
    """One picture x (H, W) and weights w (KH, KW) -> y (H - KH + 1, W - KW + 1)."""
    (H, W), (KH, KW) = x.shape, w.shape
    y = np.zeros((H - KH + 1, W - KW + 1), x.dtype)
    for i in range(H - KH + 1):
        for j in range(W - KW + 1):
            for u in range(KH):
                for v in range(KW):
                    y[i, j] += x[i + u, j + v] * w[u, v]
    return y


def im2col(x, KH, KW):
    """Each window of x as one row: (number of windows, KH·KW)."""
    H, W = x.shape
    return np.array([x[i:i + KH, j:j + KW].reshape(-1)
                     for i in range(H - KH + 1) for j in range(W - KW + 1)])


x = np.arange(1.0, 13.0).reshape(3, 4)  # not square: mixing up H and W cannot hide
w = np.array([[1.0, 2.0], [0.0, 3.0]])
y = convolve(x, w)
X = im2col(x, 2, 2)
product = X @ w.reshape(-1)

print(x, "*", w, "=", y, sep="\n")
print("\nX", X.shape, "times w as one column", w.reshape(-1).shape, "gives", product.shape)
print(product)

# %% [markdown]
# The first number is 1·1 + 2·2 + 5·0 + 6·3 = 23: small enough to check by hand. The product gives the same six numbers,
# in the same order, so a reshape is all that is left:
#
#     Y = X w            X (N·OH·OW, KH·KW·C)      w (KH·KW·C, F)      Y (N·OH·OW, F)
#
# So yes: **a convolution is a matrix product**, once each window has been laid out as a row. With F filters, `w` has F
# columns; with C channels, each row is C times as long. Nothing else changes.

# %%
assert np.array_equal(product.reshape(y.shape), y)
compare("the sum at the top left", guess_first, int(y[0, 0]))
assert y[0, 0] == 23

# %% [markdown]
# ## The library's own
#
# `minigooglenet.layers.Conv` does the same with a batch, channels, filters, stride and padding. Its `columns` method is
# im2col, and its `forward` is one line: `np.matmul(self.columns(x), w)` plus the bias. The slow truth stands in
# `minigooglenet/reference/convolution.py`: seven loops, one for each letter n, i, j, u, v, c, f of the formula.

# %%
from minigooglenet.geometry import output_hw
from minigooglenet.layers import Conv
from minigooglenet.models import googlenet
from minigooglenet.reference.convolution import convolve as seven_loops

rng = np.random.default_rng(1)
conv = Conv(C=3, F=4, kernel=3, stride=2, pad=1, rng=rng, dtype="float64")
conv.params["b"][:] = rng.standard_normal(4)
pictures = rng.standard_normal((2, 7, 5, 3))  # two pictures, 7 high and 5 wide

ours = conv.predict(pictures)
loops = seven_loops(pictures, **conv.params, stride=conv.stride, pad=conv.pad)
print(f"pictures {pictures.shape} -> columns {conv.columns(pictures).shape} -> result {ours.shape}")
print(f"largest difference from seven loops: {np.abs(ours - loops).max():.0e}")
assert np.allclose(ours, loops, rtol=1e-12, atol=1e-12)
assert output_hw(7, 5, (3, 3), (2, 2), (1, 1)) == ours.shape[1:3] == (4, 3)

net = googlenet(heads=False)
convolutions = [layer for _, layer in net.walk() if isinstance(layer, Conv)]
print("GoogLeNet has", len(convolutions), "of them")
assert len(convolutions) == 57

# %% [markdown]
# The number of windows along one side is, in `minigooglenet/geometry.py`:
#
#     O = floor((size + 2·P - K) / S) + 1
#
# Now to what it costs. This is the real input of the first inception module, 28×28 with 192 channels, and its 3×3
# windows with padding 1:

# %%
module_input = np.zeros((1, 28, 28, 192))
columns = Conv(C=192, F=128, kernel=3, pad=1).columns(module_input)
growth = columns.size / module_input.size
print("picture", module_input.shape, "-> columns", columns.shape)
compare("times the size of the picture", guess_growth, growth)
assert columns.shape == (784, 1728) and growth == 9

# %% [markdown]
# A pixel in the middle is seen by nine windows, so it is copied nine times; at the border, zeros make up the number.
# That is the price of the matrix product: memory, and time to fill it. Lesson 02 measures whether it is worth paying,
# and lesson 05 meets the one kind of convolution that gets the product for nothing.

# %% [markdown]
# ## The picture
#
# The same numbers as above. The window at row 0, column 1 is the second row of X.

# %% tags=["figure"]
from matplotlib.patches import Rectangle

from minigooglenet.pictures.style import COLOURS, figure


fig, ax = figure(width=8, height=3.8)


def boxes(numbers, left, name, marked=(), colour="white"):
    """Draw a matrix of boxes, centred on height 3; the marked ones are filled."""
    rows, columns = numbers.shape
    top = 3 - rows / 2
    for i in range(rows):
        for j in range(columns):
            fill = colour if (i, j) in marked else "white"
            ax.add_patch(Rectangle((left + j, top + i), 1, 1, facecolor=fill, edgecolor="0.4"))
            ax.text(left + j + 0.5, top + i + 0.5, f"{numbers[i, j]:g}",
                    ha="center", va="center")
    ax.text(left + columns / 2, top - 0.25, f"{name}, {rows}×{columns}", ha="center", va="bottom")


boxes(x, 0, "x", {(0, 1), (0, 2), (1, 1), (1, 2)}, COLOURS[5])
boxes(X, 6, "X", {(1, j) for j in range(4)}, COLOURS[5])
boxes(w.reshape(-1, 1), 11.5, "w")
boxes(product.reshape(-1, 1), 14, "X w", {(1, 0)}, COLOURS[4])
ax.annotate("", (5.8, 1.7), (4.2, 2.2), arrowprops={"arrowstyle": "->", "lw": 1.5})
ax.text(5, 2.6, "im2col", ha="center")
ax.text(10.75, 3, "·", ha="center", va="center", fontsize=18)
ax.text(13.25, 3, "=", ha="center", va="center", fontsize=14)
ax.set(xlim=(-0.1, 15.1), ylim=(6.1, -0.8), aspect="equal")
ax.axis("off")
show(fig, "01_patch_to_row", "The 2×2 window of x that holds 2, 3, 6 and 7 is the second row of the matrix X; "
     "its product with the weights 1, 2, 0, 3 is the second number of the result, 29.")
assert list(X[1]) == [2, 3, 6, 7] and product[1] == 29

# %% [markdown]
# ## Exercises
#
# Write them in `lessons/exercises/01_convolution.py`, then run `make check N=1`. Stuck? `make check N=1 HINT=1`.
#
# 1. `output_size(size, K, S, P)`: how many windows fit along one side. Think of GoogLeNet's first layer: 7×7
#    windows with stride 2 and padding 3 on 224 pixels give 112.
# 2. `convolve(x, w, b, S, P)`: the whole formula, with a batch, channels, filters, stride and padding. As slow as you
#    like. It is compared with the library on pictures that are not square.
# 3. `col2im(columns, shape, K, S, P)`: the way back. It takes a matrix of rows, one for each window, and puts every
#    row back to where it came from in the picture, **adding** where windows overlap. Lesson 03 needs it: it carries
#    gradients from the windows back to the pixels.

# %%
from minigooglenet import kernels

ones = np.ones((1, 3, 4, 1))
window = {"kernel": (2, 2), "stride": (1, 1), "pad": (0, 0)}
back = kernels.col2im(kernels.im2col(ones, **window), ones.shape, **window)[0, :, :, 0]
print("col2im(im2col(ones)): how many 2×2 windows see each pixel", back, sep="\n")
assert back.tolist() == [[1, 2, 2, 1], [2, 4, 4, 2], [1, 2, 2, 1]]

# %% [markdown]
# ## If you got …
#
# | you got | the usual cause |
# |---|---|
# | 19 instead of 23 for the first number | the weights are mirrored (3 0 / 2 1): the mathematician's convolution |
# | results of the shape (3, 4) where (4, 3) is right | height and width swapped |
# | right inside, wrong along the border | padding forgotten, or added on one side only |
# | from `col2im`, the picture itself | `=` in place of `+=`: overlapping windows overwrite each other |
# | `IndexError` at the last row | one window too many: the formula rounds down, then adds 1 |
# | everything right but for a constant in each channel | the bias is missing |

# %%
mirrored = convolve(x, w[::-1, ::-1])
print(f"with mirrored weights, the first number would be {mirrored[0, 0]:g}")
compare("mirrored weights in deep-learning libraries", guess_mirror, "no")
assert mirrored[0, 0] == 19

# %% [markdown]
# ## Where books and libraries get this wrong
#
# * **It is not a convolution.** In mathematics, a convolution mirrors the weights; without that it is a
#   *cross-correlation*. PyTorch's documentation of `Conv2d` says so; TensorFlow, Caffe and this library do the same.
#   Since the weights are learned, it makes no difference, until you load someone else's.
# * **Square pictures hide mistakes.** With H = W, code that swaps the two passes every test (PyDeepFlow, issue 84).
#   The exercises of this course are checked on pictures that are not square.
# * **Untested padding.** Exercise checkers have passed code that ignored padding altogether (mlab, issue 11). Ours
#   tries several values of K, S and P.
# * **Rows or columns?** The name im2col comes from MATLAB, where windows become columns. In NHWC it is natural to make
#   them rows. In NCHW (PyTorch, Caffe) each row would run over c, u, v in place of u, v, c, so weights cannot be copied
#   from one to the other without a transpose.
# * **col2im is not the inverse of im2col.** It adds, so a round trip multiplies each pixel by the number of windows
#   that saw it: the 1, 2 and 4 above. It is the *adjoint* (the transpose of the same linear map), which is just what a
#   gradient needs.

# %% [markdown]
# ## Recap
#
# 1. A convolution is a weighted sum over a window, at every place of the picture, with the same weights everywhere.
# 2. With each window laid out as a row (im2col), it is one matrix product: Y = X w + b.
# 3. Along one side there are floor((size + 2P - K) / S) + 1 windows.
# 4. The price is memory: a 3×3 convolution with stride 1 copies every number nine times.
# 5. col2im goes back and adds where windows overlap; it is the adjoint of im2col, not its inverse.

# %% [markdown]
# ## Glossary
#
# * **convolution**: a layer that takes the same weighted sum over a window at every place of a picture.
# * **filter**: the weights that make one output channel; F filters give F channels.
# * **channel**: one number of the several kept at each pixel: red, green and blue, or what a filter found there.
# * **stride**: how many pixels the window moves between two sums.
# * **padding**: rows and columns of zeros around a picture, so that windows may reach over its edge.
# * **im2col**: laying out each window as a row of a matrix (Chellapilla et al. 2006).
# * **col2im**: the adjoint of im2col: putting rows back, adding where they overlap.
# * **NHWC**: the order of axes: batch, height, width, channels.

# %% [markdown]
# ## Next
#
# Lesson 02 takes the seven loops, NumPy and compiled code to the race track: where did the time go?
