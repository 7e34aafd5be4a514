# %% [markdown]
# # 02. Where did the time go?
#
# * **Paper:** Szegedy et al. 2014, section 3: "the overhead of lookups and cache misses is so dominant"
# * **Review:** what its section 4, "Overall Architecture", leaves out: how long all those layers take (Tsang 2018)
# * **You build:** the same convolution in loops, in NumPy and compiled by numba
# * **Picture:** bars against this machine's matrix product
# * **Time:** 30 s
#
# Lesson 01 ended with a claim: a convolution is a matrix product, and a computer is at its best there. Now we measure.
# One layer of GoogLeNet, the 3×3 convolution of module 3a, is computed in several ways. All give the same numbers.
# The slowest and the fastest are thousands of times apart.
#
# The measure is the **rate**, in GFLOP/s: billions of multiplications and additions in a second. Each of the
# OH·OW·F results is a sum of K·K·C products, and one product with its addition counts as two:
#
#     rate = 2 · N · OH · OW · F · K · K · C / seconds / 10⁹
#
# As the **roof** we take the rate of one large matrix product on this very machine. What fraction of the roof a
# convolution reaches does not depend much on whose machine it is.

# %% [markdown]
# ## Predict first
#
# Three guesses about your own machine.

# %%
# 1. GoogLeNet takes 1.58 billion multiply-adds for one picture. In plain Python loops, how many minutes is that?
guess_minutes = None

# 2. numba compiles these loops to machine code. If you then only change the order of the `for` lines, how many times
#    faster do they get?
guess_order = None

# 3. What percentage of the roof does this library's convolution reach, on one thread?
guess_percent = None

# %% [markdown]
# ## Build it small
#
# Three convolutions of one picture, without padding. The first two are one and the same line in six loops; only the
# order of the loops differs. The third leaves all loops but two to NumPy: for each place (u, v) in the window, one
# matrix product serves all pixels at once.

# %%
import numpy as np

from lessons import QUICK, compare, show


def as_written(x, w, y):
    """x (H, W, C), w (K, K, C, F), adds into y (OH, OW, F). The loops in the order f, i, j, c, u, v."""
    (OH, OW, F), (K, _, C, _) = y.shape, w.shape
    for f in range(F):
        for i in range(OH):
            for j in range(OW):
                for c in range(C):
                    for u in range(K):
                        for v in range(K):
                            y[i, j, f] += x[i + u, j + v, c] * w[u, v, c, f]


def reordered(x, w, y):
    """The same in the order i, j, u, v, c, f."""
    (OH, OW, F), (K, _, C, _) = y.shape, w.shape
    for i in range(OH):
        for j in range(OW):
            for u in range(K):
                for v in range(K):
                    for c in range(C):
                        for f in range(F):
                            y[i, j, f] += x[i + u, j + v, c] * w[u, v, c, f]


def by_place(x, w, y):
    """The loops over i, j, c and f are inside NumPy's product."""
    (OH, OW, _), K = y.shape, len(w)
    for u in range(K):
        for v in range(K):
            y += x[u:u + OH, v:v + OW] @ w[u, v]  # (OH, OW, C) times (C, F)


x = np.arange(1.0, 13.0).reshape(3, 4, 1)  # the picture of lesson 01, with one channel
w = np.array([[1.0, 2.0], [0.0, 3.0]]).reshape(2, 2, 1, 1)
for convolve in (as_written, reordered, by_place):
    y = np.zeros((2, 3, 1))
    convolve(x, w, y)
    print(f"{convolve.__name__:<10}", y.ravel())
    assert y[0, 0, 0] == 1 * 1 + 2 * 2 + 5 * 0 + 6 * 3 == 23

# %% [markdown]
# Why should the order matter, if the same products are added up? Because of where the numbers lie. Memory is one long
# row; the last index runs fastest along it. When one index advances by 1, each array moves by a number of places, its
# *stride* in memory. NumPy tells (in bytes; a float32 has 4):

# %%
big_x, big_w, big_y = (np.empty(shape, np.float32) for shape in ((30, 30, 96), (3, 3, 96, 128), (28, 28, 128)))
print("innermost v moves  x by", big_x.strides[1] // 4, " w by", big_w.strides[1] // 4, " y by 0")
print("innermost f moves  x by 0  w by", big_w.strides[3] // 4, " y by", big_y.strides[2] // 4)
assert (big_x.strides[1] // 4, big_w.strides[1] // 4) == (96, 12_288)
assert (big_w.strides[3] // 4, big_y.strides[2] // 4) == (1, 1)

# %% [markdown]
# With v innermost, every weight lies 12,288 numbers from the last one. The processor fetches memory in lines of 64
# bytes, 16 numbers, uses one of them and throws away the others. With f innermost it uses all 16, and better: it can
# load several weights with one instruction (eight, with AVX2), multiply them by the same x, and add them to as many
# neighbours in y. The paper's section 3 is about just this cost, of finding numbers rather than of multiplying them.

# %% [markdown]
# ## The library's own
#
# First a stopwatch. It calls a function once without looking, because a first call may compile and has to fetch
# everything into the caches; then several times; and keeps the **smallest** time. Other programs can only make a run
# slower, so the smallest is the nearest to the truth. The clock counts the processor time of this thread alone.

# %%
import sys
import time
import timeit

from minigooglenet import kernels
from minigooglenet.flops import count
from minigooglenet.layers import Conv
from minigooglenet.threads import threads

# Windows counts a thread's processor time in steps of 16 ms: too coarse.
thread_clock = time.perf_counter if sys.platform == "win32" else time.thread_time


def fastest(function, clock=thread_clock):
    """The smallest of some times, in seconds."""
    function()
    return min(timeit.repeat(function, timer=clock, number=1, repeat=3 if QUICK else 7))


def gflops(OH, OW, F, K, C, seconds, N=1):
    return 2 * N * OH * OW * F * K * K * C / seconds / 1e9


print(f"{threads()} threads to be had; NumPy's matrix product is held to one")
rng = np.random.default_rng(2)
a, b = rng.standard_normal((2, 1024, 1024), dtype=np.float32)
roof = 2 * 1024**3 / fastest(lambda: a @ b) / 1e9
print(f"the roof: a product of two 1024×1024 matrices runs at {roof:.0f} GFLOP/s")

# %% [markdown]
# Now the layer: 28×28 pixels, from 96 channels to 128, eight pictures. `Conv` is the library's; its result is the one
# that all others have to match. Our small functions take one picture that is already padded, and the slow ones only
# part of the work: a rate does not mind.

# %%
conv = Conv(C=96, F=128, kernel=3, pad=1, rng=rng)
pictures = rng.standard_normal((16, 28, 28, 96), dtype=np.float32)
eight, weights = pictures[:8], conv.params["w"]
padded = np.pad(pictures[0], ((1, 1), (1, 1), (0, 0)))
wanted = conv.predict(pictures[:1])[0]  # the biases are zero


def rate_of(convolve, rows=28, C=96, F=128):
    """The rate of one of our functions on the top ``rows`` rows, with the first C channels and F filters."""
    x, w = padded[:rows + 2, :, :C].copy(), weights[:, :, :C, :F].copy()
    y = np.zeros((rows, 28, F), np.float32)
    convolve(x, w, y)
    right = Conv(C, F, 3)
    right.params["w"][:] = w
    assert np.allclose(y, right.predict(x[None])[0], atol=1e-4)
    return gflops(rows, 28, F, 3, C, fastest(lambda: convolve(x, w, y)))


rates = {"Python: six loops": rate_of(as_written, rows=1, C=8, F=8)}
rates["NumPy: one product per (u, v)"] = rate_of(by_place)
if kernels.JIT:
    from minigooglenet.kernels.jit import njit

    began = time.perf_counter()
    compiled = njit(as_written), njit(reordered)
    for function in compiled:
        function(padded[:3], weights, np.zeros((1, 28, 128), np.float32))
    print(f"first calls of the compiled loops: {time.perf_counter() - began:.1f} s (later runs find them on the disk)")
    rates["numba: the six loops as written"] = rate_of(compiled[0], rows=4)
    rates["numba: the loops reordered"] = rate_of(compiled[1])
    by_order = rates["numba: the loops reordered"] / rates["numba: the six loops as written"]
    compare("times faster by the order of the loops alone", guess_order, round(by_order))
    assert by_order > 5
else:
    print("MINIGOOGLENET_JIT=0: no compiled loops. (Question 2 stays open: unset it and run again.)")

# %% [markdown]
# The library's way: im2col, then one product. Where does its time go? Mostly into the product, which is what we wanted:
# the time is spent on arithmetic.

# %%
whole = fastest(lambda: conv.predict(eight))
X, W = conv.columns(eight), weights.reshape(-1, 128)
Y = np.empty((len(X), 128), np.float32)
parts = {"im2col": fastest(lambda: conv.columns(eight)), "the product": fastest(lambda: np.matmul(X, W, out=Y))}
parts["bias and the rest"] = max(0, whole - sum(parts.values()))
for name, part in parts.items():
    print(f"{name:<18} {1000 * part:5.1f} ms  {part / whole:4.0%}")
rates["Conv: im2col, one product"] = gflops(28, 28, 128, 3, 96, whole, N=8)
compare("percent of the roof", guess_percent, round(100 * rates["Conv: im2col, one product"] / roof))
assert np.allclose(Y.reshape(8, 28, 28, 128)[0], wanted, atol=1e-4)

# %% [markdown]
# Two ways go further. `minigooglenet.threads.over_slices` cuts a batch into slices of eight pictures and gives each
# to a thread; here the clock on the wall counts. And `minigooglenet.fast` does less work: Winograd's filtering finds
# 4×4 results of a 3×3 convolution with 36 multiplications where the definition takes 144. Its rate below counts the
# multiplications of the definition, so it may pass through the roof. It stands in
# `minigooglenet/reference/winograd.py`; its products, too small for BLAS to be at its best, in
# `minigooglenet/kernels/product.py`.

# %%
from minigooglenet.fast.algorithms import choose

wall = fastest(lambda: conv.predict(pictures), clock=time.perf_counter)
rates[f"Conv, {threads()} threads"] = gflops(28, 28, 128, 3, 96, wall, N=16)

winograd = choose(conv)
u, z = kernels.pack(winograd.matrix(weights)), np.empty((8, 28, 28, 128), np.float32)
rates["fast: Winograd"] = gflops(28, 28, 128, 3, 96, fastest(lambda: winograd.forward(eight, u, 128, z)), N=8)
assert np.allclose(z[0], wanted, atol=1e-3) and 4 * 4 * 9 == 144 and (4 + 3 - 1) ** 2 == 36

macs = count("googlenet").macs
print(f"{'':32}  GFLOP/s   of the roof   all of GoogLeNet, one picture")
for name, rate in rates.items():
    seconds = 2 * macs / rate / 1e9
    print(f"{name:32} {rate:8.3f} {rate / roof:13.2%} {seconds:15.2f} s")
compare("minutes for one picture in Python loops", guess_minutes, 2 * macs / rates["Python: six loops"] / 6e10)
assert macs == 1_582_671_872
assert max(rates.values()) > 1000 * rates["Python: six loops"]
if kernels.JIT:
    assert rates["numba: the six loops as written"] < rates["NumPy: one product per (u, v)"]

# %% [markdown]
# Did you expect the two loops of `by_place` to keep up with im2col, or even to beat it? With 96 channels, each of its
# nine products is large enough, and nothing has to be copied into columns. In GoogLeNet's first layer there are three
# channels, and 49 products of only three columns each. im2col makes one product with 147 columns of it:

# %%
first = Conv(C=3, F=64, kernel=7, rng=rng)
photo = rng.standard_normal((64, 64, 3), dtype=np.float32)  # stride 1 here, to keep by_place as it is
y = np.zeros((58, 58, 64), np.float32)
thin, one = fastest(lambda: by_place(photo, first.params["w"], y)), fastest(lambda: first.predict(photo[None]))
print(f"7×7 on 3 channels: 49 products {gflops(58, 58, 64, 7, 3, thin):.1f} GFLOP/s, "
      f"im2col {gflops(58, 58, 64, 7, 3, one):.1f} GFLOP/s")
assert one < thin and first.columns(photo[None]).shape == (58 * 58, 147)

# %% [markdown]
# ## The picture
#
# The axis is logarithmic: each line across is ten times the one before. The dashed line is the roof.

# %% tags=["figure"]
from minigooglenet.pictures.style import COLOURS, figure

shades = {"Python": COLOURS[1], "NumPy": COLOURS[4], "numba": COLOURS[2], "Conv": COLOURS[0], "fast": COLOURS[3]}
fig, ax = figure(width=8, height=3.9)
for at, (name, rate) in enumerate(rates.items()):
    shade = shades[name.split(":")[0].split(",")[0]]
    ax.barh(at, rate, height=0.62, color=shade)
    inside = 1 < rate < roof  # there is room at the end of a long bar
    ink = "white" if inside and shade in (COLOURS[0], COLOURS[2]) else "black"
    ax.text(rate / 1.2 if inside else rate * 1.2, at, f"{rate:.0f}" if rate > 1 else f"{rate:.3f}", va="center",
            ha="right" if inside else "left", color=ink, fontweight="bold")
ax.axvline(roof, color="black", linestyle="--", linewidth=1.2, zorder=3)
ax.text(roof, -0.75, f"the roof: {roof:.0f} ", ha="right", va="bottom")
ax.set_xscale("log")
ax.minorticks_off()
ax.set(xlim=(1e-3, 1.5e3), xlabel="GFLOP/s (higher is better)", ylim=(len(rates) - 0.5, -0.6))
ax.set_yticks(range(len(rates)), list(rates))
ax.set_xticks([10.0**power for power in range(-3, 4)], ["0.001", "0.01", "0.1", "1", "10", "100", "1000"])
ax.grid(axis="x", color="0.9", zorder=-1)
ax.set_axisbelow(True)
ax.tick_params(axis="y", length=0)
show(fig, "02_roof", "The rate of the same convolution, done in several ways, on a logarithmic axis: from loops in "
     f"Python, {rates['Python: six loops']:.3f} GFLOP/s, to Winograd's filtering, {rates['fast: Winograd']:.0f}; a "
     f"large matrix product reaches {roof:.0f}.")

# %% [markdown]
# Compiling alone is not the answer: loops in an unlucky order stay far below NumPy. With the right order they come
# much nearer to the roof. What is still missing is that `reordered` reads and writes y for every single product,
# where a good matrix product keeps a block of results in registers until it is done.
#
# If the bar of all threads is *shorter* than that of one, other programs have the cores: wall clock counts them too.

# %% [markdown]
# ## Exercises
#
# Write them in `lessons/exercises/02_speed.py`, then run `make check N=2`. Stuck? `make check N=2 HINT=1`.
#
# 1. `fastest(function, repeats, clock)`: the stopwatch. It is checked with a clock that is not a clock.
# 2. `steps(index, x_shape, w_shape, S)`: how far x, w and y move in memory when one of the seven indices advances by 1.
#    It tells which loop should be the innermost.
# 3. `convolve(x, w)`: repair a bad loop order. `_slow` in the exercises file is right, but gives the loops over
#    pixels to Python and only crumbs to NumPy. Yours must give the same result at least five times faster.

# %% [markdown]
# ## If you got …
#
# | you got | the usual cause |
# |---|---|
# | a first run of seconds, later ones of milliseconds | the first call compiled; do not count it |
# | another time with each run | the mean of all runs: it measures what else the machine did |
# | half the rate that others print | a multiply-add was counted as one operation |
# | a bar beyond the roof, Winograd's apart | something else slowed the roof down when it was measured: run it again |
# | the right sums, but no faster | the loops changed places, but Python still takes as many steps |
# | numba slower than NumPy | an inner loop that strides through memory, or a copy with every call |

# %% [markdown]
# ## Where books and libraries get this wrong
#
# * **The compiler is timed.** The first call of a numba function compiles it. numba's own "5 minute guide" has a
#   section on this mistake, and benchmarks still make it.
# * **The mean is reported.** The documentation of Python's `timeit` says it well: differences between runs come from
#   other processes, not from Python, so the minimum is probably the only number of interest.
# * **Zeros are measured.** `np.zeros` gets its memory only when it is first written to. Until then every page is the
#   same page of zeros, which sits comfortably in the cache. Use random numbers.
# * **Two kinds of threads.** NumPy's matrix product has threads of its own. Started from threads of yours, they fight
#   for the same cores. This library holds BLAS, the code behind the product, to one thread
#   (`minigooglenet/threads.py`).
# * **FLOPs or multiply-adds?** There is a factor of two between them, and tools differ in what they print (fvcore,
#   issue 69). Lesson 05 comes back to it.
# * **Fewer operations are not less time.** The paper says so itself (section 3): sparse arithmetic with a hundredth of
#   the operations would not pay off, since lookups and cache misses dominate. That is why GoogLeNet is built from
#   dense products.

# %% [markdown]
# ## Recap
#
# 1. The same sums can differ by a factor of thousands in time: what counts is how the processor gets at its numbers.
# 2. The innermost loop should move through memory by 1; with NHWC that is the loop over the filters f.
# 3. Python is slow by the step, so it should take few: one large product instead of many small ones.
# 4. A convolution as a matrix product comes near the roof; Winograd's filtering can pass it, by multiplying less.
# 5. Time fairly: warm up, take the smallest of several runs, and compare with what the same machine can do.

# %% [markdown]
# ## Glossary
#
# * **GFLOP/s**: billions of floating-point operations (additions and multiplications) in a second.
# * **roof**: the rate that a computation could reach; here that of a large matrix product (after the roofline model,
#   Williams et al. 2009).
# * **GEMM**: general matrix multiply, the routine of a BLAS library that everything else is measured by.
# * **numba**: a compiler that turns Python functions into machine code when they are first called.
# * **cache line**: the 64 bytes that most processors fetch from memory at a time.
# * **stride in memory**: how far apart two neighbours along an axis lie.

# %% [markdown]
# ## Next
#
# Lesson 03 turns round: how do gradients flow back through a convolution, and how do we know that they are right?
