"""Checks of lesson 02: the stopwatch on a clock that we turn ourselves, strides by NumPy's, speed by processor time."""

import sys
import time

import numpy as np

from lessons.check import Case, Exercise, Mistake, Property, Wrong
from minigooglenet.geometry import output_size
from minigooglenet.reference.convolution import convolve as seven_loops
from minigooglenet.threads import threads

# -- the stopwatch -----------------------------------------------------------------------------------------------------

TAKES = (100, 5, 9, 4, 3)  # seconds of each call: the first compiles, the last is the fastest


class _Workshop:
    """A clock that stands still until the function is called, and a function that takes as long as TAKES says."""

    def __init__(self):
        self.now, self.calls = 1000.0, 0

    def clock(self):
        return self.now

    def work(self):
        self.now += TAKES[min(self.calls, len(TAKES) - 1)]
        self.calls += 1


WARM_UP = "call the function once before you begin to time it: the first call compiles"
SMALLEST = "take the smallest time, not the mean: whatever disturbs a run makes it longer"
TOTAL = "time every call by itself; yours is the time of all calls together"
LARGEST = "the largest time tells how busy the machine was; take the smallest"
OWN_CLOCK = "time with the clock that is passed in, and let the first time be the smallest so far, not 0"
ONCE = "begin the clock anew before each call; yours keeps running from the first"
_CAUSES = {21 / 4: SMALLEST, 121 / 5: SMALLEST, 118 / 4: SMALLEST, 21: TOTAL, 118: TOTAL, 121: TOTAL, 9: LARGEST,
           100: LARGEST, 4: WARM_UP, 5: ONCE}


def timed_calls(attempt):
    shop = _Workshop()
    got = attempt(shop.work, len(TAKES) - 1, shop.clock)
    if got != min(TAKES):
        raise Wrong(f"the calls took {', '.join(map(str, TAKES))} s, and repeats is {len(TAKES) - 1}\n"
                    f"your answer: {got}, right: {min(TAKES)}", _CAUSES.get(got, OWN_CLOCK if 0 <= got < 1 else ""))
    if shop.calls != len(TAKES):
        raise Wrong(f"the function was called {shop.calls} times, expected 1 + {len(TAKES) - 1}")


def mean(function, repeats, clock):
    function()
    began = clock()
    for _ in range(repeats):
        function()
    return (clock() - began) / repeats


def total(function, repeats, clock):
    return repeats * mean(function, repeats, clock)


def _times(function, repeats, clock):
    times = []
    for _ in range(repeats):
        began = clock()
        function()
        times.append(clock() - began)
    return times


def no_warm_up(function, repeats, clock):
    return min(_times(function, repeats, clock))


def own_clock(function, repeats, clock):
    return min(_times(function, repeats, time.perf_counter))


def largest(function, repeats, clock):
    function()
    return max(_times(function, repeats, clock))


def one_beginning(function, repeats, clock):
    function()
    began, times = clock(), []
    for _ in range(repeats):
        function()
        times.append(clock() - began)
    return min(times)


# -- steps in memory ---------------------------------------------------------------------------------------------------

#: (x's shape, w's shape, S): no square pictures, no square windows.
LAYERS = (((2, 7, 9, 3), (3, 2, 3, 5), 1), ((3, 11, 8, 4), (2, 3, 4, 6), 2), ((1, 30, 31, 96), (3, 3, 96, 128), 1))


def _right_steps(index, x_shape, w_shape, S):
    """By the difference of two addresses."""
    (N, H, W, _), (KH, KW, _, F) = x_shape, w_shape
    y_shape = N, output_size(H, KH, S, 0), output_size(W, KW, S, 0), F
    at = dict.fromkeys("nijuvcf", 0) | {index: 1}
    places = {"x": (at["n"], at["i"] * S + at["u"], at["j"] * S + at["v"], at["c"]),
              "w": tuple(at[k] for k in "uvcf"), "y": tuple(at[k] for k in "nijf")}
    shapes = {"x": x_shape, "w": w_shape, "y": y_shape}
    return {name: sum(place * int(np.prod(shapes[name][axis + 1:], dtype=int))
                      for axis, place in enumerate(places[name])) for name in shapes}


def step_cases():
    for x_shape, w_shape, S in LAYERS:
        for index in "nijuvcf":
            yield Case(f"index {index}, stride {S}", (index, x_shape, w_shape, S),
                       _right_steps(index, x_shape, w_shape, S))


def in_bytes(index, x_shape, w_shape, S):
    return {name: 4 * step for name, step in _right_steps(index, x_shape, w_shape, S).items()}


def stride_ignored(index, x_shape, w_shape, S):
    right = _right_steps(index, x_shape, w_shape, S)
    return right | {"x": _right_steps({"i": "u", "j": "v"}.get(index, index), x_shape, w_shape, S)["x"]}


def height_for_width(index, x_shape, w_shape, S):
    (N, H, W, C), (KH, KW, _, F) = x_shape, w_shape
    return _right_steps(index, (N, W, H, C), (KW, KH, C, F), S)


def y_as_wide_as_x(index, x_shape, w_shape, S):
    (_, H, W, _), F = x_shape, w_shape[-1]
    return _right_steps(index, x_shape, w_shape, S) | {
        "y": {"n": H * W * F, "i": W * F, "j": F, "f": 1}.get(index, 0)}


def channels_first(index, x_shape, w_shape, S):
    (_, H, W, C), (KH, KW, _, F) = x_shape, w_shape
    OH, OW = output_size(H, KH, S, 0), output_size(W, KW, S, 0)
    x = {"n": C * H * W, "c": H * W, "i": S * W, "j": S, "u": W, "v": 1}
    w = {"f": C * KH * KW, "c": KH * KW, "u": KW, "v": 1}
    y = {"n": F * OH * OW, "f": OH * OW, "i": OW, "j": 1}
    return {"x": x.get(index, 0), "w": w.get(index, 0), "y": y.get(index, 0)}


def filters_first(index, x_shape, w_shape, S):
    KH, KW, C, _ = w_shape
    return _right_steps(index, x_shape, w_shape, S) | {
        "w": {"f": KH * KW * C, "u": KW * C, "v": C, "c": 1}.get(index, 0)}


# -- the loop order ----------------------------------------------------------------------------------------------------

TIMES = 5
STILL_PYTHON = "Python still takes N·OH·OW·K·K steps, whatever their order: let only u and v be Python loops"

# One thread's processor time: other programs do not count. On Windows it comes in steps of 16 ms, too coarse.
_clock = time.perf_counter if sys.platform == "win32" else time.thread_time


def convolve_cases():
    rng = np.random.default_rng(2)
    for N, H, W, K, C, F in ((2, 5, 4, 3, 3, 4), (1, 6, 9, 2, 5, 1), (3, 4, 7, 1, 2, 3)):
        x, w = rng.standard_normal((N, H, W, C)), rng.standard_normal((K, K, C, F))
        yield Case(f"{K}×{K} windows, pictures of {H}×{W}, batch {N}", (x, w), _conv(x, w))
    x, w = (rng.standard_normal(shape).astype(np.float32) for shape in ((2, 5, 6, 3), (3, 3, 3, 2)))
    yield Case("float32 in, float32 out", (x, w), _conv(x, w))
    yield Property(f"at least {TIMES} times faster than _slow", _is_fast)


def _conv(x, w):
    return seven_loops(x, w, np.zeros(w.shape[-1], x.dtype), (1, 1), (0, 0))


def _is_fast(attempt):
    threads()  # holds NumPy's product to one thread, for both
    rng = np.random.default_rng(22)
    x, w = rng.standard_normal((2, 26, 18, 8), dtype=np.float32), rng.standard_normal((3, 3, 8, 12), dtype=np.float32)
    x.flags.writeable = False
    slow, fast = [], []
    attempt(x, w)
    for _ in range(3):  # in turn, so that a busy moment meets both
        slow.append(_seconds(_pixel_by_pixel, x, w))
        fast.append(_seconds(attempt, x, w))
    times = min(slow) / max(min(fast), 1e-9)
    if times < TIMES:
        raise Wrong(f"_slow takes {1000 * min(slow):.1f} ms, yours {1000 * min(fast):.1f} ms: {times:.1f} times faster",
                    STILL_PYTHON if times < 2 else "fewer steps in Python, each with more work in it: only u and v")


def _seconds(function, x, w):
    began = _clock()
    function(x, w)
    return _clock() - began


def _zeros(x, w):
    (N, H, W, _), (K, _, _, F) = x.shape, w.shape
    return np.zeros((N, H - K + 1, W - K + 1, F), x.dtype)


def _pixel_by_pixel(x, w):
    y, K = _zeros(x, w), len(w)
    for n, i, j in np.ndindex(y.shape[:3]):
        for u in range(K):
            for v in range(K):
                y[n, i, j] += x[n, i + u, j + v] @ w[u, v]
    return y


def only_exchanged(x, w):
    y, K = _zeros(x, w), len(w)
    for u in range(K):
        for v in range(K):
            for n, i, j in np.ndindex(y.shape[:3]):
                y[n, i, j] += x[n, i + u, j + v] @ w[u, v]
    return y


def last_place_only(x, w):
    y, K = _zeros(x, w), len(w)
    for u in range(K):
        for v in range(K):
            y[:] = x[:, u:u + y.shape[1], v:v + y.shape[2]] @ w[u, v]
    return y


def window_transposed(x, w):
    return _conv(x, np.ascontiguousarray(w.transpose(1, 0, 2, 3)))


def mirrored(x, w):
    return _conv(x, w[::-1, ::-1])


def every_place_unshifted(x, w):
    y, K = _zeros(x, w), len(w)
    for u in range(K):
        for v in range(K):
            y += x[:, :y.shape[1], :y.shape[2]] @ w[u, v]
    return y


EXERCISES = [
    Exercise(
        "fastest",
        hints=("Read the clock before a call and after it; the difference is the time of that call.",
               "Call the function once before all that. Collect the differences of the other calls in a list.",
               "function(); then, repeats times: began = clock(); function(); times.append(clock() - began). "
               "Return min(times)."),
        cases=lambda: [Property("a function that is slow at its first call", timed_calls)],
        mistakes=[
            Mistake(mean, SMALLEST),
            Mistake(no_warm_up, WARM_UP),
            Mistake(total, TOTAL),
            Mistake(largest, LARGEST),
            Mistake(own_clock, OWN_CLOCK),
            Mistake(one_beginning, ONCE),
        ]),
    Exercise(
        "steps",
        hints=("In an array of shape (A, B, C), index a moves by B·C numbers, b by C, c by 1. What is y's shape?",
               "When i advances by 1, the row of x advances by S, and one row of x holds W·C numbers.",
               'Make a table for each array, such as w = {"u": KW*C*F, "v": C*F, "c": F, "f": 1}, and look up with '
               ".get(index, 0)."),
        cases=step_cases,
        mistakes=[
            Mistake(in_bytes, "count numbers, not bytes: a float32 is four bytes, and one number"),
            Mistake(stride_ignored, "with stride S, i and j move x by S rows and S pixels"),
            Mistake(height_for_width, "height and width are swapped: a row of x holds W pixels"),
            Mistake(y_as_wide_as_x, "y is smaller than x: its rows hold OW = (W - KW) // S + 1 pixels"),
            Mistake(channels_first, "that is NCHW; here the channel is the last axis, and neighbours are channels"),
            Mistake(filters_first, "f is the last axis of w: neighbours are weights of the same u, v, c"),
        ]),
    Exercise(
        "convolve",
        hints=("How many steps does Python take in _slow? N·OH·OW·K·K. Which of these loops is the shortest?",
               "Let only u and v be Python loops. For one (u, v), which part of x meets w[u, v], over all i and j?",
               "y += x[:, u:u+OH, v:v+OW] @ w[u, v] does the batch, all pixels, channels and filters at once."),
        cases=convolve_cases,
        mistakes=[
            Mistake(only_exchanged, STILL_PYTHON),
            Mistake(last_place_only, "each (u, v) adds to y: += where you assign"),
            Mistake(window_transposed, "u goes down and v to the right: u shifts the rows of x, v the columns"),
            Mistake(mirrored, "the weights are mirrored: x[i + u] meets w[u]"),
            Mistake(every_place_unshifted, "every place (u, v) needs its own part of x: from row u, column v on"),
        ]),
]
