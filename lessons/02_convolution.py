# %% [markdown]
# # 02. What is a convolution, and is it a matrix product?
#
# * **Paper:** Szegedy et al. 2014, sections 3 and 4: "dense connections to the patches in the earlier layer"
# * **Review:** background for section 1, "The 1×1 Convolution" (Tsang 2018)
# * **You build:** a convolution in plain loops, then im2col and one matrix product
# * **Figure:** how a patch of the image becomes a row of a matrix
# * **Time:** 15 s
#
# GoogLeNet consists of 57 convolutions and little else, so we start with convolution. A convolution slides a small
# window over an image. At each position it multiplies the pixels in the window by a fixed set of **weights** and adds
# up the products. The sums form a new image. For images `x` with channels `c`, and filters `f`:
#
#     y[n, i, j, f] = b[f] + Σ_u Σ_v Σ_c  x[n, i·S + u - P, j·S + v - P, c] · w[u, v, c, f]
#
# `n` is the index of the image in the **batch** (images that are computed together), `(i, j)` is a position in the
# output, and `(u, v)` is a position in the window. The **stride** `S` is how far the window moves at each step. The
# **padding** `P` is the number of rows and columns of zeros added on each side of the image. The **bias** `b` is one
# value per filter. Our arrays are NHWC: batch, height, width, channels.
#
# Computers are fastest at one operation: multiplying two large matrices. If a convolution can be written as a matrix
# product, it can run at that speed.

# %% [markdown]
# ## Predict first
#
# Write down your guesses before you run anything: replace each `None`. A wrong guess teaches more than no guess.

# %%
# 1. The image has the rows 1 2 3 4 / 5 6 7 8 / 9 10 11 12, the weights are 1 2 / 0 3.
#    What is the top-left value of the output?
guess_first = None

# 2. Copy all 3×3 patches of an image (padding 1, stride 1) into one matrix.
#    How many times as many elements as the image does it have?
guess_growth = None

# 3. Mathematicians flip the weights first. Do deep-learning libraries? "yes" or "no"
guess_mirror = None

# %% [markdown]
# ## Build it small
#
# One image with one channel, stride 1, no padding. The loops follow the formula directly. A window of KH rows fits into
# H rows at H - KH + 1 positions.

# %%
import numpy as np

from lessons import compare, show


def convolve(x, w):
    """One image x (H, W) and weights w (KH, KW) -> y (H - KH + 1, W - KW + 1)."""
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


x = np.arange(1.0, 13.0).reshape(3, 4)  # not square, so that swapping H and W shows
w = np.array([[1.0, 2.0], [0.0, 3.0]])
y = convolve(x, w)
X = im2col(x, 2, 2)
product = X @ w.reshape(-1)

print(x, "*", w, "=", y, sep="\n")
print("\nX", X.shape, "times w as one column", w.reshape(-1).shape, "gives", product.shape)
print(product)

# %% [markdown]
# The first value is 1·1 + 2·2 + 5·0 + 6·3 = 23, which is easy to check by hand. A matrix product multiplies each row of
# X with each column of w, element by element, and adds up. It gives the same six values in the same order, so only a
# reshape remains:
#
#     Y = X w            X (N·OH·OW, KH·KW·C)      w (KH·KW·C, F)      Y (N·OH·OW, F)
#
# So the answer is yes: **a convolution is a matrix product**, once each window is laid out as a row. With F filters,
# `w` has F columns; with C channels, each row is C times as long. Nothing else changes.

# %%
assert np.array_equal(product.reshape(y.shape), y)
compare("the top-left value", guess_first, int(y[0, 0]))
assert y[0, 0] == 23

# %% [markdown]
# ## In the library
#
# `minigooglenet.layers.Conv` does the same with a batch, channels, filters, stride and padding. Its `columns` method is
# im2col, and the core of its `forward` is one line, `matmul(self.columns(x), w)`; then it adds the bias. The reference
# implementation is `minigooglenet/kernels/naive_conv.py`: seven loops, one for each index n, i, j, u, v, c, f of the
# formula.

# %%
from minigooglenet.kernels.geometry import output_hw
from minigooglenet.kernels.naive_conv import convolve as seven_loops
from minigooglenet.layers import Conv
from minigooglenet.models import googlenet

rng = np.random.default_rng(1)
conv = Conv(C=3, F=4, kernel=3, stride=2, pad=1, rng=rng, dtype="float64")
conv.params["b"][:] = rng.standard_normal(4)
images = rng.standard_normal((2, 7, 5, 3))  # two images, 7 high and 5 wide

ours = conv.predict(images)
loops = seven_loops(images, **conv.params, stride=conv.stride, pad=conv.pad)
print(f"images {images.shape} -> columns {conv.columns(images).shape} -> output {ours.shape}")
print(f"largest difference from seven loops: {np.abs(ours - loops).max():.0e}")
assert np.allclose(ours, loops, rtol=1e-12, atol=1e-12)
assert output_hw(7, 5, (3, 3), (2, 2), (1, 1)) == ours.shape[1:3] == (4, 3)

net = googlenet(heads=False)
convolutions = [layer for _, layer in net.walk() if isinstance(layer, Conv)]
print("GoogLeNet has", len(convolutions), "convolutions")
assert len(convolutions) == 57

# %% [markdown]
# The number of windows along one dimension is, in `minigooglenet/kernels/geometry.py`:
#
#     O = floor((size + 2·P - K) / S) + 1
#
# What does im2col cost? Here is the input of the first inception module, 28×28 with 192 channels, and its 3×3 windows
# with padding 1:

# %%
module_input = np.zeros((1, 28, 28, 192))
columns = Conv(C=192, F=128, kernel=3, pad=1).columns(module_input)
growth = columns.size / module_input.size
print("image", module_input.shape, "-> columns", columns.shape)
compare("times the size of the image", guess_growth, growth)
assert columns.shape == (784, 1728) and growth == 9

# %% [markdown]
# A pixel in the interior lies in nine windows, so it is copied nine times. A pixel on the border lies in fewer, and
# zeros from the padding make up the difference. The price of the matrix product is memory, and the time to fill it.
# Lesson 03 measures whether it pays off, and lesson 07 shows the one kind of convolution that needs no copy at all.
#
# **Estimate, then measure.** How many megabytes do the columns of 32 such images take in float32, 4 bytes each? And is
# the copy worth it: how many multiply-adds does each of its bytes serve, with 128 filters?

# %%
four = Conv(C=192, F=128, kernel=3, pad=1).columns(np.zeros((4, 28, 28, 192), np.float32))  # 4 images; times 8
print(f"32 images: {32 * module_input.size * 4 / 1e6:.1f} MB, their columns {8 * four.nbytes / 1e6:.1f} MB;",
      f"{128 * four.size / four.nbytes:g} multiply-adds for each byte")
assert 8 * four.nbytes == 4 * 32 * 784 * 1728 == 173_408_256 and 128 / 4 == 32

# %% [markdown]
# Each element of the columns meets every filter once. So the copy costs little where there are many filters, and much
# where there are few.

# %% [markdown]
# ## The figure
#
# The same values as above. The window at row 0, column 1 is the second row of X.

# %% tags=["figure"]
from matplotlib.patches import Rectangle

from minigooglenet.figures.style import COLORS, figure


fig, ax = figure(width=8, height=3.8)


def boxes(values, left, name, marked=(), color="white"):
    """Draw a matrix as boxes, centered at height 3; those in ``marked`` are filled with ``color``."""
    rows, columns = values.shape
    top = 3 - rows / 2
    for i in range(rows):
        for j in range(columns):
            fill = color if (i, j) in marked else "white"
            ax.add_patch(Rectangle((left + j, top + i), 1, 1, facecolor=fill, edgecolor="0.4"))
            ax.text(left + j + 0.5, top + i + 0.5, f"{values[i, j]:g}",
                    ha="center", va="center")
    ax.text(left + columns / 2, top - 0.25, f"{name}, {rows}×{columns}", ha="center", va="bottom")


boxes(x, 0, "x", {(0, 1), (0, 2), (1, 1), (1, 2)}, COLORS[5])
boxes(X, 6, "X", {(1, j) for j in range(4)}, COLORS[5])
boxes(w.reshape(-1, 1), 11.5, "w")
boxes(product.reshape(-1, 1), 14, "X w", {(1, 0)}, COLORS[4])
ax.annotate("", (5.8, 1.7), (4.2, 2.2), arrowprops={"arrowstyle": "->", "lw": 1.5})
ax.text(5, 2.6, "im2col", ha="center")
ax.text(10.75, 3, "·", ha="center", va="center", fontsize=18)
ax.text(13.25, 3, "=", ha="center", va="center", fontsize=14)
ax.set(xlim=(-0.1, 15.1), ylim=(6.1, -0.8), aspect="equal")
ax.axis("off")
show(fig, "02_patch_to_row", "The 2×2 window of x that holds 2, 3, 6 and 7 is the second row of the matrix X; "
     "its product with the weights 1, 2, 0, 3 is the second value of the output, 29.")
assert list(X[1]) == [2, 3, 6, 7] and product[1] == 29

# %% [markdown]
# ## Exercises
#
# Write them in `lessons/exercises/02_convolution.py`, then run `make check N=2`. Stuck? `make check N=2 HINT=1`.
#
# 1. `output_size(size, K, S, P)`: how many windows fit along one dimension. For example, GoogLeNet's first layer has
#    7×7 windows with stride 2 and padding 3 on 224 pixels, which gives 112.
# 2. `convolve(x, w, b, S, P)`: the whole formula, with a batch, channels, filters, stride and padding. It may be as
#    slow as you like. The check compares it with the reference implementation on non-square images.
# 3. `col2im(columns, shape, K, S, P)`: the adjoint of im2col. It takes a matrix with one row per window and puts each
#    row back where it came from in the image, **adding** where windows overlap. Lesson 04 needs it to propagate
#    gradients from the windows to the pixels.

# %%
from minigooglenet.kernels.im2col import col2im as library_col2im, im2col as library_im2col

ones = np.ones((1, 3, 4, 1))
window = {"kernel": (2, 2), "stride": (1, 1), "pad": (0, 0)}
counts = library_col2im(library_im2col(ones, **window), ones.shape, **window)[0, :, :, 0]
print("col2im(im2col(ones)): how many 2×2 windows contain each pixel", counts, sep="\n")
assert counts.tolist() == [[1, 2, 2, 1], [2, 4, 4, 2], [1, 2, 2, 1]]

# %% [markdown]
# ## If you got …
#
# | you got | the usual cause |
# |---|---|
# | 19 instead of 23 for the first value | the weights are flipped (3 0 / 2 1): the mathematical convolution |
# | an output of shape (3, 4) instead of (4, 3) | height and width are swapped |
# | wrong values only along the border | padding is missing, or added on one side only |
# | from `col2im`, the image itself | `=` instead of `+=`: overlapping windows overwrite each other |
# | `IndexError` at the last row | one window too many: the formula rounds down, then adds 1 |
# | an error that is constant within each channel | the bias is missing |

# %%
mirrored = convolve(x, w[::-1, ::-1])
print(f"with flipped weights, the first value would be {mirrored[0, 0]:g}")
compare("flipped weights in deep-learning libraries", guess_mirror, "no")
assert mirrored[0, 0] == 19

# %% [markdown]
# ## Where books and libraries get this wrong
#
# * **It is not a convolution.** In mathematics, a convolution flips the weights; without the flip, it is a
#   *cross-correlation*. PyTorch's documentation of `Conv2d` says so; TensorFlow, Caffe and this library do the same.
#   Since the weights are learned, this makes no difference until you load weights from elsewhere.
# * **Square images hide mistakes.** With H = W, code that swaps the two passes every test (PyDeepFlow, issue 84). The
#   exercises of this course are checked on non-square images.
# * **Untested padding.** Exercise checkers have passed code that ignored padding altogether (mlab, issue 11). Ours
#   tries several values of K, S and P.
# * **Rows or columns?** The name im2col comes from MATLAB, where windows become columns. In NHWC it is natural to make
#   them rows. In NCHW (PyTorch, Caffe) each row runs over c, u, v instead of u, v, c, so weights must be transposed
#   when they are copied from one layout to the other.
# * **col2im is not the inverse of im2col.** It adds, so a round trip multiplies each pixel by the number of windows
#   that contain it: the 1, 2 and 4 above. It is the *adjoint* (the transpose of the same linear map), which is exactly
#   what the gradient needs.

# %% [markdown]
# ## Recap
#
# 1. A convolution is a weighted sum over a window, with the same weights at every position of the image.
# 2. With each window laid out as a row (im2col), it is one matrix product: Y = X w + b.
# 3. Along one dimension there are floor((size + 2P - K) / S) + 1 windows.
# 4. The price is memory: a 3×3 convolution with stride 1 copies every value nine times.
# 5. col2im puts the rows back and adds where windows overlap; it is the adjoint of im2col, not its inverse.

# %% [markdown]
# ## Glossary
#
# * **convolution**: a layer that computes the same weighted sum over a window at every position of an image.
# * **filter**: the weights that produce one output channel; F filters produce F channels.
# * **channel**: one of several values stored per pixel: red, green and blue, or the response of a filter.
# * **stride**: how many pixels the window moves between two sums.
# * **padding**: rows and columns of zeros around an image, so that windows may extend beyond its border.
# * **im2col**: laying out each window as a row of a matrix (Chellapilla et al. 2006).
# * **col2im**: the adjoint of im2col: adding each row back to the pixels that it came from.
# * **NHWC**: the order of axes: batch, height, width, channels.

# %% [markdown]
# ## Next
#
# Lesson 03 times the seven loops, NumPy and compiled code: where did the time go?
