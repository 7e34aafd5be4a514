"""A plan computes what its layers do, however its tasks are shared out, and it never leaves a thread waiting."""

import gc
import threading
import time
import weakref

import numpy as np
import pytest
from small import distance

from minigooglenet import engine
from minigooglenet.errors import ShapeError
from minigooglenet.kernels.threads import in_parallel, set_threads, threads
from minigooglenet.layers import (
    LRN,
    AvgPool,
    BatchNorm,
    Block,
    Concat,
    Conv,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool,
    MaxPool,
    ReLU,
    Sequential,
)

pytestmark = pytest.mark.skipif(engine.kind() == "plain", reason="MINIGOOGLENET_JIT=0 or MINIGOOGLENET_ENGINE=plain")


@pytest.fixture
def two_threads():
    before = threads()
    set_threads(2)
    yield
    set_threads(before)


def stack():
    """Every kind of layer that a plan has, and one in the middle that it has not."""
    rng = np.random.default_rng(0)
    module = Concat({"1x1": Block(Conv(10, 7, 1, rng=rng))},
                    {"reduce": Block(Conv(10, 5, 1, rng=rng)), "3x3": Block(Conv(5, 33, 3, 1, 1, rng=rng))},
                    {"pool": MaxPool(3, 1, 1)}, {"pool5": MaxPool(5, 1, 2), "proj": Block(Conv(10, 3, 1, rng=rng))})
    return Sequential({
        "conv": Block(Conv(3, 10, (3, 5), (2, 1), 1, rng=rng)), "lrn": LRN(3, 0.2, 0.6, 2.0), "module": module,
        "max": MaxPool(3, 2, ceil_mode=True), "lrn2": LRN(), "avg": AvgPool((2, 3), 2, (1, 0), ceil_mode=True),
        "stem": Sequential({"3x3": Block(Conv(53, 6, 3, 1, 1, rng=rng))}), "flatten": Flatten(),
        "dense": Dense(4 * 3 * 6, 70, rng=rng), "dropout": Dropout(0.4), "last": Dense(70, 3, rng=rng)})


@pytest.mark.parametrize("N", [1, 2, 7])
def test_a_plan_predicts_what_its_layers_do(N, two_threads):
    net = stack().astype(np.float64)
    for name, array in net.parameters().items():
        if name.endswith("/b"):
            array += np.linspace(-1, 1, len(array))
    x = np.random.default_rng(1).standard_normal((N, 23, 15, 3))
    predictor, expected = engine.predictor(net), net.predict(x)
    assert [name for name, _ in predictor.stages] == ["", "flatten", ""]
    assert distance(predictor.predict(x), expected) < 1e-9
    inside = in_parallel([(predictor.predict, x), (predictor.predict, x)])
    assert all(np.array_equal(y, predictor.predict(x)) for y in inside)
    maps = Sequential({"conv": net.children["conv"], "gap": GlobalAvgPool()})
    assert distance(engine.predictor(maps).predict(x), maps.predict(x)) < 1e-9


def test_an_error_names_the_layer():
    predictor = engine.predictor(stack())
    with pytest.raises(ShapeError, match="^conv: conv 3x5"):
        predictor.predict(np.ones((1, 23, 15, 4), np.float32))
    with pytest.raises(ShapeError, match="^dense: dense 72->70"):
        predictor.predict(np.ones((1, 31, 15, 3), np.float32))
    mixed = Sequential({"one": Block(Conv(3, 4, 1, rng=0)), "two": Block(Conv(4, 4, 1, rng=0, dtype=np.float64))})
    with pytest.raises(ShapeError, match="^two: "):
        engine.predictor(mixed).predict(np.ones((1, 2, 2, 3), np.float32))


def test_a_thread_gives_up_waiting_and_goes_on_later():
    """It returns with the task that it has taken, so that Python can let other programs run."""
    from minigooglenet.engine.plan import Plan
    from minigooglenet.kernels import plan
    from minigooglenet.kernels.fused import UNIT
    made = Plan({"max": MaxPool(2)}, (1, 4, 4, 1), np.float32, True)
    ops, tasks, counters, mine = made.ops, made.tasks, np.zeros(len(made.totals), np.int64), np.full(1, -1)
    tasks["target"] = 1
    x, y = np.arange(16, dtype=np.float32), np.zeros(4, np.float32)
    ops["x"], ops["y"] = x.ctypes.data, y.ctypes.data
    arguments = ops, np.empty(0, UNIT), tasks, made.kernels, counters, mine, np.empty(0, np.float32)
    plan.execute(*arguments)
    assert mine[0] == 0 and counters[0] == 1 and not y.any()
    counters[tasks["waits"][0]] = 1
    plan.execute(*arguments)
    assert mine[0] == -1 and y.tolist() == [5, 7, 13, 15]


def test_an_interrupted_thread_stops_the_others(monkeypatch, two_threads):
    from minigooglenet.kernels import plan
    predictor, x = engine.predictor(stack()), np.ones((1, 23, 15, 3), np.float32)
    expected = predictor.predict(x)
    execute, calls = plan.execute, []

    def interrupted(ops, units, tasks, kernels, counters, mine, like):
        calls.append(mine)
        if len(calls) == 1:  # has taken a task, which will never be done
            counters[0] += 1
            while len(calls) < 2:
                time.sleep(0.001)
            raise KeyboardInterrupt
        execute(ops, units, tasks, kernels, counters, mine, like)

    monkeypatch.setattr(plan, "execute", interrupted)
    with pytest.raises(KeyboardInterrupt):
        predictor.predict(x)
    monkeypatch.undo()
    assert np.array_equal(predictor.predict(x), expected)


@pytest.mark.parametrize("form, N", [(engine.compile, 4), (engine.predictor, 1)])
def test_memory_lives_as_long_as_a_thread_that_writes_into_it(form, N, monkeypatch, two_threads):
    """Ctrl-C may arrive while the caller waits for the other thread: that goes on without it."""
    from minigooglenet.engine import plan as prediction
    from minigooglenet.engine import program
    from minigooglenet.kernels import memory, plan
    from minigooglenet.kernels import threads as module
    layer, x = form(Sequential({"conv": Block(Conv(3, 4, 3, rng=0))})), np.ones((N, 60, 50, 3), np.float32)
    caller, begun, may_end, arrays = threading.current_thread(), threading.Event(), threading.Event(), []

    def remembered(shape, dtype):
        array = memory.empty(shape, dtype)
        arrays.append(weakref.ref(array))
        return array

    def slow(*arguments):
        if threading.current_thread() is not caller:
            begun.set()
            may_end.wait(10)
        assert begun.wait(10)

    def interrupted(job):
        raise KeyboardInterrupt

    layer.predict(x)
    for place, name, value in ((prediction, "empty", remembered), (program, "empty", remembered),
                               (plan, "execute", slow), (module._Job, "wait", interrupted)):
        monkeypatch.setattr(place, name, value)
    with pytest.raises(KeyboardInterrupt):
        layer.predict(x)
    gc.collect()
    assert arrays and all(array() is not None for array in arrays)
    may_end.set()
    deadline = time.monotonic() + 60
    while any(array() is not None for array in arrays) and time.monotonic() < deadline:
        time.sleep(0.001)
    assert all(array() is None for array in arrays)


def test_a_predictor_keeps_the_precision_that_it_was_made_in():
    rng = np.random.default_rng(0)
    net = Sequential({"1x1": Block(Conv(4, 6, 1, rng=rng)), "gap": GlobalAvgPool(), "last": Dense(6, 5, rng=rng)})
    for path in ("1x1", "last"):
        layer = net.children[path].layer if path == "1x1" else net.children[path]
        layer.params["b"] = rng.standard_normal(len(layer.params["b"]))  # float64
    x = rng.standard_normal((3, 6, 5, 4), np.float32)
    maps, both = engine.predictor(Sequential({"1x1": net.children["1x1"]})), engine.predictor(net)
    last, expected = engine.predictor(net.children["last"]), net.predict(x)
    assert distance(both.predict(x), expected) < 1e-4
    net.astype(np.float64)
    assert distance(both.predict(x), expected) < 1e-4
    for predictor, shape in ((maps, (1, 6, 5, 4)), (both, (1, 6, 5, 4)), (last, (1, 6))):
        with pytest.raises(ShapeError, match="got float64 .* expected float32"):
            predictor.predict(np.ones(shape))


@pytest.mark.parametrize("path, kind, name", [
    ("conv", "params", "w"), ("conv", "params", "b"), ("bn", "params", "gamma"), ("bn", "buffers", "mean"),
    ("dense", "params", "w"), ("dense", "params", "b")])
def test_an_array_of_another_shape_is_an_error(path, kind, name):
    layers = {"conv": Conv(3, 4, 1, bias=name == "b", rng=0), "bn": BatchNorm(4), "relu": ReLU(),
              "gap": GlobalAvgPool(), "dense": Dense(4, 5, rng=0)}
    if name == "b":
        del layers["bn"]
    getattr(layers[path], kind)[name] = np.ones(1, np.float32)
    with pytest.raises(ShapeError, match=fr'{kind}\["{name}"\] is \(1,\), expected \('):
        engine.predictor(Sequential(layers))


def test_few_pixels_do_without_winograd():
    net = Sequential({"3x3": Block(Conv(40, 70, 3, 1, 1, rng=np.random.default_rng(0)))}).astype(np.float64)
    x = np.random.default_rng(1).standard_normal((9, 7, 7, 40))
    predictor = engine.predictor(net)
    assert distance(predictor.predict(x[:1]), net.predict(x[:1])) < 1e-12  # exact, but for the order of sums
    assert distance(predictor.predict(x), net.predict(x)) < 1e-9
