# %% [markdown]
# # 03. Where did the time go?
#
# * **Paper:** Szegedy et al. 2014, section 3: "the overhead of lookups and cache misses is so dominant"
# * **Review:** what section 4, "Overall Architecture", leaves out: how long all those layers take (Tsang 2018)
# * **You build:** the same convolution in loops, in NumPy and compiled by numba
# * **Figure:** bars against this machine's matrix product
# * **Time:** 30 s
#
# Lesson 02 ended with a claim: a convolution is a matrix product, and matrix products are what computers do fastest.
# Now we measure. We compute one layer of GoogLeNet, the 3×3 convolution of module 3a, in several ways. All of them give
# the same values, but the fastest is thousands of times faster than the slowest.
#
# The measure is **throughput** in GFLOP/s: billions of multiplications and additions per second. Each of the OH·OW·F
# output values is a sum of K·K·C products, and one product with its addition counts as two operations:
#
#     throughput = 2 · N · OH · OW · F · K · K · C / seconds / 10⁹
#
# As the **peak** we take the throughput of one large matrix product on the same machine. The fraction of the peak that
# a convolution reaches does not depend much on the machine.

# %% [markdown]
# ## Predict first
#
# Three guesses about your own machine.

# %%
# 1. GoogLeNet takes 1.58 billion multiply-adds per image. How many minutes is that in plain Python loops?
guess_minutes = None

# 2. numba compiles these loops to machine code. If you then change only the order of the `for` lines, how many times
#    faster do they get?
guess_order = None

# 3. What percentage of the peak does this library's convolution reach, on one thread?
guess_percent = None

# %% [markdown]
# ## Build it small
#
# Three convolutions of one image, without padding. The first two have the same line inside six loops; only the order of
# the loops differs. The third leaves all loops but two to NumPy: for each position (u, v) in the window, one matrix
# product handles all pixels.

# %%
import numpy as np

from lessons import QUICK, compare, show


def as_written(x, w, y):
    """x (H, W, C), w (K, K, C, F); adds into y (OH, OW, F). The loops are in the order f, i, j, c, u, v."""
    (OH, OW, F), (K, _, C, _) = y.shape, w.shape
    for f in range(F):
        for i in range(OH):
            for j in range(OW):
                for c in range(C):
                    for u in range(K):
                        for v in range(K):
                            y[i, j, f] += x[i + u, j + v, c] * w[u, v, c, f]


def reordered(x, w, y):
    """The same with the loops in the order i, j, u, v, c, f."""
    (OH, OW, F), (K, _, C, _) = y.shape, w.shape
    for i in range(OH):
        for j in range(OW):
            for u in range(K):
                for v in range(K):
                    for c in range(C):
                        for f in range(F):
                            y[i, j, f] += x[i + u, j + v, c] * w[u, v, c, f]


def by_position(x, w, y):
    """The loops over i, j, c and f run inside NumPy's product."""
    (OH, OW, _), K = y.shape, len(w)
    for u in range(K):
        for v in range(K):
            y += x[u:u + OH, v:v + OW] @ w[u, v]  # (OH, OW, C) times (C, F)


x = np.arange(1.0, 13.0).reshape(3, 4, 1)  # the image of lesson 02, with one channel
w = np.array([[1.0, 2.0], [0.0, 3.0]]).reshape(2, 2, 1, 1)
for convolve in (as_written, reordered, by_position):
    y = np.zeros((2, 3, 1))
    convolve(x, w, y)
    print(f"{convolve.__name__:<11}", y.ravel())
    assert y[0, 0, 0] == 1 * 1 + 2 * 2 + 5 * 0 + 6 * 3 == 23

# %% [markdown]
# Why should the order matter if the same products are added up? Because of memory layout. Memory is one long sequence,
# and the last index of an array varies fastest along it. When one index advances by 1, the position in each array moves
# by a fixed number of elements, its *stride* in memory. NumPy reports strides in bytes; a float32 has 4:

# %%
big_x, big_w, big_y = (np.empty(shape, np.float32) for shape in ((30, 30, 96), (3, 3, 96, 128), (28, 28, 128)))
print("strides with v innermost:  x", big_x.strides[1] // 4, " w", big_w.strides[1] // 4, " y 0")
print("strides with f innermost:  x 0  w", big_w.strides[3] // 4, " y", big_y.strides[2] // 4)
assert (big_x.strides[1] // 4, big_w.strides[1] // 4) == (96, 12_288)
assert (big_w.strides[3] // 4, big_y.strides[2] // 4) == (1, 1)

# %% [markdown]
# With v innermost, consecutive weights are 12,288 elements apart. The processor fetches memory in lines of 64 bytes, or
# 16 elements; it uses one of them and discards the other 15. With f innermost it uses all 16. Better still, it can load
# several weights with one instruction (eight, with AVX2), multiply them by the same x, and add the products to as many
# neighboring elements of y. The paper's section 3 is about this cost: looking up values, not multiplying them.

# %% [markdown]
# ## In the library
#
# First a stopwatch. It calls a function once without timing it, because a first call may compile and has to bring
# everything into the caches. Then it times several calls and keeps the **smallest** time. Other programs can only make
# a run slower, so the smallest time is the best estimate. Everything runs on one thread, whose processor time we count.

# %%
import sys
import time
import timeit

from minigooglenet.flops import count
from minigooglenet.kernels.jit import JIT, njit
from minigooglenet.kernels.threads import blas_on_one_thread, one_thread, threads
from minigooglenet.layers import Conv

# Windows counts a thread's processor time in steps of 16 ms, which is too coarse.
thread_clock = time.perf_counter if sys.platform == "win32" else time.thread_time
REPEATS = 3 if QUICK else 7


def fastest(function):
    """The smallest of several times on one thread, in seconds."""
    with one_thread(), blas_on_one_thread():
        function()
        return min(timeit.repeat(function, timer=thread_clock, number=1, repeat=REPEATS))


def gflops(OH, OW, F, K, C, seconds, N=1):
    return 2 * N * OH * OW * F * K * K * C / seconds / 1e9


print(f"{threads()} threads available; `fastest` uses one")
rng = np.random.default_rng(2)
a, b = rng.standard_normal((2, 1024, 1024), dtype=np.float32)
peak = 2 * 1024**3 / fastest(lambda: a @ b) / 1e9
print(f"peak: the product of two 1024×1024 matrices runs at {peak:.0f} GFLOP/s")

# %% [markdown]
# Now the layer: 28×28 pixels, 96 input channels, 128 output channels, eight images. The other functions must match the
# library's `Conv`. They take one padded image, and the slow ones do only part of the work, at the same throughput.

# %%
conv = Conv(C=96, F=128, kernel=3, pad=1, rng=rng)
images = rng.standard_normal((16, 28, 28, 96), dtype=np.float32)
eight, weights = images[:8], conv.params["w"]
padded = np.pad(images[0], ((1, 1), (1, 1), (0, 0)))
expected = conv.predict(images[:1])[0]  # the biases are zero


def throughput(convolve, rows=28, C=96, F=128):
    """The throughput of one of our functions on the top ``rows`` rows, with the first C channels and F filters."""
    x, w = padded[:rows + 2, :, :C].copy(), weights[:, :, :C, :F].copy()
    y = np.zeros((rows, 28, F), np.float32)
    convolve(x, w, y)
    right = Conv(C, F, 3)
    right.params["w"][:] = w
    assert np.allclose(y, right.predict(x[None])[0], atol=1e-4)
    return gflops(rows, 28, F, 3, C, fastest(lambda: convolve(x, w, y)))


results = {"Python: six loops": throughput(as_written, rows=1, C=8, F=8)}
results["NumPy: one product per (u, v)"] = throughput(by_position)
if JIT:
    start = time.perf_counter()
    compiled = njit(as_written), njit(reordered)
    for function in compiled:
        function(padded[:3], weights, np.zeros((1, 28, 128), np.float32))
    print(f"first calls of the compiled loops: {time.perf_counter() - start:.1f} s (later runs load them from disk)")
    results["numba: the six loops as written"] = throughput(compiled[0], rows=4)
    results["numba: the loops reordered"] = throughput(compiled[1])
    by_order = results["numba: the loops reordered"] / results["numba: the six loops as written"]
    compare("times faster by the order of the loops alone", guess_order, round(by_order))
    assert by_order > 5
else:
    print("MINIGOOGLENET_JIT=0: no compiled loops. (To answer question 2, unset it and run again.)")

# %% [markdown]
# The library's way is im2col, then one matrix product. Where does its time go? Mostly into the product, which is what
# we wanted: the time is spent on arithmetic.

# %%
whole = fastest(lambda: conv.predict(eight))
X, W = conv.columns(eight), weights.reshape(-1, 128)
Y = np.empty((len(X), 128), np.float32)
parts = {"im2col": fastest(lambda: conv.columns(eight)), "matrix product": fastest(lambda: np.matmul(X, W, out=Y))}
parts["bias and the rest"] = max(0, whole - sum(parts.values()))
for name, part in parts.items():
    print(f"{name:<18} {1000 * part:5.1f} ms  {part / whole:4.0%}")
results["Conv: im2col, one product"] = gflops(28, 28, 128, 3, 96, whole, N=8)
compare("percent of the peak", guess_percent, round(100 * results["Conv: im2col, one product"] / peak))
assert np.allclose(Y.reshape(8, 28, 28, 128)[0], expected, atol=1e-4)

# %% [markdown]
# Two methods go further. `Conv` splits the rows of its product into up to eight tasks, which run in parallel on all
# threads (`kernels/threads.py`); here we measure wall-clock time. And `minigooglenet.engine` does less work: Winograd's
# minimal filtering (`kernels/winograd.py`) computes 4×4 outputs of a 3×3 convolution with 36 multiplications, where the
# definition takes 144. We count the multiplications of the definition, so its throughput may exceed the peak. Its
# matrix products are too small for BLAS, NumPy's library for them, so they have their own kernel, `kernels/gemm.py`.

# %%
from minigooglenet.kernels.conv_forward import convolve_winograd
from minigooglenet.kernels.gemm import pack
from minigooglenet.kernels.winograd import winograd_filter

wall = min(timeit.repeat(lambda: conv.predict(images), number=1, repeat=REPEATS))
results[f"Conv, {threads()} threads"] = gflops(28, 28, 128, 3, 96, wall, N=16)

u, z = pack(winograd_filter(weights)), np.empty((8, 28, 28, 128), np.float32)
seconds = fastest(lambda: convolve_winograd(eight, u, 128, z, pad=1, m=4))
results["engine: Winograd"] = gflops(28, 28, 128, 3, 96, seconds, N=8)
assert np.allclose(z[0], expected, atol=1e-3) and 4 * 4 * 9 == 144 and (4 + 3 - 1) ** 2 == 36

macs = count("googlenet").macs
print(f"{'':32}  GFLOP/s   of the peak   all of GoogLeNet, one image")
for name, speed in results.items():
    seconds = 2 * macs / speed / 1e9
    print(f"{name:32} {speed:8.3f} {speed / peak:13.2%} {seconds:15.2f} s")
compare("minutes for one image in Python loops", guess_minutes, 2 * macs / results["Python: six loops"] / 6e10)
assert macs == 1_582_671_872
assert max(results.values()) > 1000 * results["Python: six loops"]
if JIT:
    assert results["numba: the six loops as written"] < results["NumPy: one product per (u, v)"]

# %% [markdown]
# Did you expect the two loops of `by_position` to keep up with im2col, or even to beat it? With 96 channels, each of
# its nine products is large enough, and nothing has to be copied into columns. But GoogLeNet's first layer has three
# input channels, which gives 49 products of only three columns each. im2col turns them into one product with 147
# columns:

# %%
first = Conv(C=3, F=64, kernel=7, rng=rng)
image = rng.standard_normal((64, 64, 3), dtype=np.float32)  # with stride 1, which by_position supports
y = np.zeros((58, 58, 64), np.float32)
thin, one = fastest(lambda: by_position(image, first.params["w"], y)), fastest(lambda: first.predict(image[None]))
print(f"7×7 on 3 channels: 49 products {gflops(58, 58, 64, 7, 3, thin):.1f} GFLOP/s, "
      f"im2col {gflops(58, 58, 64, 7, 3, one):.1f} GFLOP/s")
assert one < thin and first.columns(image[None]).shape == (58 * 58, 147)

# %% [markdown]
# ## The figure
#
# The axis is logarithmic: each vertical line is ten times the previous one. The dashed line is the peak.

# %% tags=["figure"]
from minigooglenet.figures.style import COLORS, figure

shades = {"Python": COLORS[1], "NumPy": COLORS[4], "numba": COLORS[2], "Conv": COLORS[0], "engine": COLORS[3]}
fig, ax = figure(width=8, height=3.9)
for at, (name, speed) in enumerate(results.items()):
    shade = shades[name.split(":")[0].split(",")[0]]
    ax.barh(at, speed, height=0.62, color=shade)
    inside = 1 < speed < peak  # the label fits inside a long bar
    ink = "white" if inside and shade in (COLORS[0], COLORS[2]) else "black"
    ax.text(speed / 1.2 if inside else speed * 1.2, at, f"{speed:.0f}" if speed > 1 else f"{speed:.3f}", va="center",
            ha="right" if inside else "left", color=ink, fontweight="bold")
ax.axvline(peak, color="black", linestyle="--", linewidth=1.2, zorder=3)
ax.text(peak, -0.75, f"peak: {peak:.0f} ", ha="right", va="bottom")
ax.set_xscale("log")
ax.minorticks_off()
ax.set(xlim=(1e-3, 1.5e3), xlabel="GFLOP/s (higher is better)", ylim=(len(results) - 0.5, -0.6))
ax.set_yticks(range(len(results)), list(results))
ax.set_xticks([10.0**power for power in range(-3, 4)], ["0.001", "0.01", "0.1", "1", "10", "100", "1000"])
ax.grid(axis="x", color="0.9", zorder=-1)
ax.set_axisbelow(True)
ax.tick_params(axis="y", length=0)
show(fig, "03_throughput", "The throughput of several implementations of the same convolution on a logarithmic axis: "
     f"from loops in Python, {results['Python: six loops']:.3f} GFLOP/s, to Winograd filtering, "
     f"{results['engine: Winograd']:.0f}; a large matrix product reaches {peak:.0f}.")

# %% [markdown]
# Compiling alone is not the answer: loops in a bad order stay far below NumPy. In the right order they come much closer
# to the peak. What is still missing is register blocking: `reordered` reads and writes y for every single product,
# while a good matrix product keeps a block of results in registers until the block is complete.
#
# If the bar for all threads is *shorter* than the one for one thread, other programs are using the cores: wall-clock
# time includes them.

# %% [markdown]
# ## Exercises
#
# Write them in `lessons/exercises/03_speed.py`, then run `make check N=3`. Stuck? `make check N=3 HINT=1`.
#
# 1. `fastest(function, repeats, clock)`: the stopwatch. The check passes in a simulated clock.
# 2. `steps(index, x_shape, w_shape, S)`: how far the positions in x, w and y move in memory when one of the seven
#    indices advances by 1. It tells you which loop should be innermost.
# 3. `convolve(x, w)`: fix a bad loop order. `_slow` in the exercises file is correct, but its loops over the pixels run
#    in Python and leave only tiny products to NumPy. Yours must give the same result at least five times faster.

# %% [markdown]
# ## If you got …
#
# | you got | the usual cause |
# |---|---|
# | seconds for the first run, milliseconds for later ones | the first call compiled; do not count it |
# | a different time at each run | the mean of all runs: it includes whatever else the machine was doing |
# | half the throughput that others print | a multiply-add was counted as one operation |
# | a bar above the peak, other than Winograd's | something slowed down the measurement of the peak: run it again |
# | correct sums, but no speedup | the loops are in a new order, but Python still executes as many steps |
# | numba slower than NumPy | an inner loop with a large stride in memory, or a copy at every call |

# %% [markdown]
# ## Where books and libraries get this wrong
#
# * **Timing the compiler.** The first call of a numba function compiles it. numba's own "5 minute guide" has a section
#   on this mistake, and benchmarks still make it.
# * **Reporting the mean.** The documentation of Python's `timeit` puts it well: differences between runs come from
#   other processes, not from Python, so the minimum is probably the only number of interest.
# * **Measuring zeros.** `np.zeros` gets its memory only when it is first written to. Until then every page maps to the
#   same page of zeros, which stays in the cache. Use random values.
# * **Two kinds of threads.** NumPy's matrix product has threads of its own. If yours start them, they compete for the
#   same cores. So `minigooglenet/kernels/threads.py` limits BLAS, the library behind the product, to one thread.
# * **FLOPs or multiply-adds?** They differ by a factor of two, and tools disagree on which they print (fvcore, issue
#   69). Lesson 07 comes back to it.
# * **Fewer operations do not mean less time.** The paper says so (section 3): sparse arithmetic with a hundredth of the
#   operations would not pay off, since lookups and cache misses dominate. So GoogLeNet is built from dense products.

# %% [markdown]
# ## Recap
#
# 1. The same sums can differ by a factor of thousands in time: by Python's cost per step, and by the order of access.
# 2. The innermost loop should move through memory with stride 1; in NHWC that is the loop over the filters f.
# 3. Python has a high cost per step, so it should take few: one large product instead of many small ones.
# 4. A convolution as a matrix product comes near the peak; Winograd filtering can exceed it by multiplying less.
# 5. Measure fairly: warm up, take the smallest of several runs, and compare with what the same machine can do.

# %% [markdown]
# ## Glossary
#
# * **throughput**: work per second, here in GFLOP/s: billions of floating-point operations per second.
# * **peak**: the highest throughput that one could reach; here that of a large matrix product (see the roofline model,
#   Williams et al. 2009).
# * **GEMM**: general matrix multiply, the central routine of every BLAS library.
# * **numba**: a compiler that turns Python functions into machine code when they are first called.
# * **cache line**: the unit in which processors fetch memory: 64 bytes on most.
# * **stride in memory**: the distance between two neighboring elements along an axis.

# %% [markdown]
# ## Next
#
# Lesson 04: how do gradients flow back through a convolution, and how do we know that they are right?
