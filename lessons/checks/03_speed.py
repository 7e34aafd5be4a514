"""Checks of lesson 03: the stopwatch with a simulated clock, strides from flat indices, speed by processor time."""

import sys
import time

import numpy as np

from lessons.check import Case, Exercise, Mistake, Property, Wrong
from minigooglenet.kernels.geometry import output_size
from minigooglenet.kernels.naive_conv import convolve as seven_loops
from minigooglenet.kernels.threads import blas_on_one_thread

# -- the stopwatch -----------------------------------------------------------------------------------------------------

TAKES = (100, 5, 9, 3, 4)  # seconds per call: the first one compiles, and the fastest is neither first nor last


class _Simulation:
    """A clock that advances only when ``work`` is called, by the next entry of TAKES."""

    def __init__(self):
        self.now, self.calls = 1000.0, 0

    def clock(self):
        return self.now

    def work(self):
        self.now += TAKES[min(self.calls, len(TAKES) - 1)]
        self.calls += 1


WARM_UP = "call the function once before timing it: the first call compiles"
SMALLEST = "return the smallest time, not the mean: any disturbance makes a run longer"
TOTAL = "time each call separately; yours is the total time of all calls"
LARGEST = "the largest time shows how busy the machine was; return the smallest"
OWN_CLOCK = "use the clock that is passed in, and do not start the minimum at 0"
ONCE = "read the clock again before each call; yours always measures from the first call"
LAST = "yours is the time of the last call: keep the times of all calls, and return the smallest"
_CAUSES = {21 / 4: SMALLEST, 121 / 5: SMALLEST, 117 / 4: SMALLEST, 21: TOTAL, 117: TOTAL, 121: TOTAL, 9: LARGEST,
           100: LARGEST, 4: LAST, 5: ONCE}


def timed_calls(attempt):
    simulation = _Simulation()
    got = attempt(simulation.work, len(TAKES) - 1, simulation.clock)
    if got != min(TAKES):
        raise Wrong(f"the calls took {', '.join(map(str, TAKES))} s, and repeats is {len(TAKES) - 1}\n"
                    f"your answer: {got}, right: {min(TAKES)}", _CAUSES.get(got, OWN_CLOCK if 0 <= got < 1 else ""))
    if simulation.calls != len(TAKES):
        raise Wrong(f"the function was called {simulation.calls} times, expected 1 + {len(TAKES) - 1}",
                    WARM_UP if simulation.calls < len(TAKES) else "")


def mean(function, repeats, clock):
    function()
    start = clock()
    for _ in range(repeats):
        function()
    return (clock() - start) / repeats


def total(function, repeats, clock):
    return repeats * mean(function, repeats, clock)


def _times(function, repeats, clock):
    times = []
    for _ in range(repeats):
        start = clock()
        function()
        times.append(clock() - start)
    return times


def no_warm_up(function, repeats, clock):
    return min(_times(function, repeats, clock))


def own_clock(function, repeats, clock):
    return min(_times(function, repeats, time.perf_counter))


def largest(function, repeats, clock):
    function()
    return max(_times(function, repeats, clock))


def last(function, repeats, clock):
    function()
    return _times(function, repeats, clock)[-1]


def one_start(function, repeats, clock):
    function()
    start, times = clock(), []
    for _ in range(repeats):
        function()
        times.append(clock() - start)
    return min(times)


# -- strides in memory -------------------------------------------------------------------------------------------------

#: (x's shape, w's shape, S): no square images, no square windows; strides that divide evenly, and that do not.
LAYERS = (((2, 7, 10, 3), (3, 2, 3, 5), 2), ((3, 11, 8, 4), (2, 3, 4, 6), 2), ((1, 30, 31, 96), (3, 3, 96, 128), 1))


def _right_steps(index, x_shape, w_shape, S):
    """From the difference of two flat indices."""
    (N, H, W, _), (KH, KW, _, F) = x_shape, w_shape
    y_shape = N, output_size(H, KH, S, 0), output_size(W, KW, S, 0), F
    at = dict.fromkeys("nijuvcf", 0) | {index: 1}
    positions = {"x": (at["n"], at["i"] * S + at["u"], at["j"] * S + at["v"], at["c"]),
                 "w": tuple(at[k] for k in "uvcf"), "y": tuple(at[k] for k in "nijf")}
    shapes = {"x": x_shape, "w": w_shape, "y": y_shape}
    return {name: sum(position * int(np.prod(shapes[name][axis + 1:], dtype=int))
                      for axis, position in enumerate(positions[name])) for name in shapes}


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


def one_added_early(index, x_shape, w_shape, S):
    (_, H, W, _), (KH, KW, _, F) = x_shape, w_shape
    OH, OW = (H - KH + 1) // S, (W - KW + 1) // S
    return _right_steps(index, x_shape, w_shape, S) | {
        "y": {"n": OH * OW * F, "i": OW * F, "j": F, "f": 1}.get(index, 0)}


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
STILL_PYTHON = "Python still takes N·OH·OW·K·K steps, in any order: keep only u and v as Python loops"

# The processor time of one thread, which excludes other programs. On Windows its steps of 16 ms are too coarse.
_clock = time.perf_counter if sys.platform == "win32" else time.thread_time


def convolve_cases():
    rng = np.random.default_rng(2)
    for N, H, W, K, C, F in ((2, 5, 4, 3, 3, 4), (1, 6, 9, 2, 5, 1), (3, 4, 7, 1, 2, 3)):
        x, w = rng.standard_normal((N, H, W, C)), rng.standard_normal((K, K, C, F))
        yield Case(f"{K}×{K} windows, images of {H}×{W}, batch {N}", (x, w), _conv(x, w))
    x, w = (rng.standard_normal(shape).astype(np.float32) for shape in ((2, 5, 6, 3), (3, 3, 3, 2)))
    yield Case("float32 in, float32 out", (x, w), _conv(x, w))
    yield Property(f"at least {TIMES} times faster than _slow", _is_fast)


def _conv(x, w):
    return seven_loops(x, w, np.zeros(w.shape[-1], x.dtype), (1, 1), (0, 0))


def _is_fast(attempt):
    rng = np.random.default_rng(22)
    x, w = rng.standard_normal((2, 26, 18, 8), dtype=np.float32), rng.standard_normal((3, 3, 8, 12), dtype=np.float32)
    x.flags.writeable = False
    slow, fast = [], []
    with blas_on_one_thread():
        attempt(x, w)
        for _ in range(3):  # alternate, so that other load affects both
            slow.append(_seconds(_pixel_by_pixel, x, w))
            fast.append(_seconds(attempt, x, w))
    times = min(slow) / max(min(fast), 1e-9)
    if times < TIMES:
        raise Wrong(f"_slow takes {1000 * min(slow):.1f} ms, yours {1000 * min(fast):.1f} ms: {times:.1f} times faster",
                    STILL_PYTHON if times < 2 else "take fewer Python steps with more work in each: loop over u and v")


def _seconds(function, x, w):
    start = _clock()
    function(x, w)
    return _clock() - start


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


def last_position_only(x, w):
    y, K = _zeros(x, w), len(w)
    for u in range(K):
        for v in range(K):
            y[:] = x[:, u:u + y.shape[1], v:v + y.shape[2]] @ w[u, v]
    return y


def window_transposed(x, w):
    return _conv(x, np.ascontiguousarray(w.transpose(1, 0, 2, 3)))


def mirrored(x, w):
    return _conv(x, w[::-1, ::-1])


def all_positions_unshifted(x, w):
    y, K = _zeros(x, w), len(w)
    for u in range(K):
        for v in range(K):
            y += x[:, :y.shape[1], :y.shape[2]] @ w[u, v]
    return y


EXERCISES = [
    Exercise(
        "fastest",
        hints=("Read the clock before and after a call; the difference is the time of that call.",
               "Call the function once first, without timing it. Collect the times of the other calls in a list.",
               "function(); then, repeats times: start = clock(); function(); times.append(clock() - start). "
               "Return min(times)."),
        cases=lambda: [Property("a function whose first call is slow", timed_calls)],
        mistakes=[
            Mistake(mean, SMALLEST),
            Mistake(no_warm_up, WARM_UP),
            Mistake(total, TOTAL),
            Mistake(largest, LARGEST),
            Mistake(own_clock, OWN_CLOCK),
            Mistake(last, LAST),
            Mistake(one_start, ONCE),
        ]),
    Exercise(
        "steps",
        hints=("In an array of shape (A, B, C), the first index has stride B·C, the second C, the third 1. "
               "What is y's shape?",
               "When i advances by 1, the row of x advances by S, and one row of x has W·C elements.",
               'Make a table for each array, such as w = {"u": KW*C*F, "v": C*F, "c": F, "f": 1}, and look up the '
               "index with .get(index, 0)."),
        cases=step_cases,
        mistakes=[
            Mistake(in_bytes, "count elements, not bytes: a float32 has four bytes but is one element"),
            Mistake(stride_ignored, "with stride S, i moves x by S rows and j by S pixels"),
            Mistake(height_for_width, "height and width are swapped: a row of x has W pixels"),
            Mistake(y_as_wide_as_x, "y is smaller than x: its rows have OW = (W - KW) // S + 1 pixels"),
            Mistake(one_added_early, "add 1 after the division, not before it: (H - KH) // S + 1"),
            Mistake(channels_first, "that is NCHW; here the channel is the last axis, and its elements are adjacent"),
            Mistake(filters_first, "f is the last axis of w: weights with the same u, v, c are adjacent"),
        ]),
    Exercise(
        "convolve",
        hints=("Python takes N·OH·OW·K·K steps in _slow. Which of these loops are the shortest?",
               "Keep only u and v as Python loops. For one (u, v), which part of x is multiplied by w[u, v], over all "
               "i and j?",
               "y += x[:, u:u+OH, v:v+OW] @ w[u, v] handles the batch and all pixels, channels and filters in one "
               "call."),
        cases=convolve_cases,
        mistakes=[
            Mistake(only_exchanged, STILL_PYTHON),
            Mistake(last_position_only, "each (u, v) adds to y: use += instead of ="),
            Mistake(window_transposed, "u and v are swapped: u shifts the rows of x, v the columns"),
            Mistake(mirrored, "the weights are flipped: x[i + u] meets w[u]"),
            Mistake(all_positions_unshifted, "each (u, v) needs its own part of x, starting at row u and column v"),
        ]),
]
