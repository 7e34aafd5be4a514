"""Every layer keeps the contract, at every line of the table. (What each computes: test_layers_by_hand.py.)"""

import numpy as np
import pytest

from minigooglenet import engine
from minigooglenet.errors import ShapeError
from minigooglenet.gradcheck.check import gradcheck
from minigooglenet.gradcheck.table import LAYERS, make
from minigooglenet.layers import (
    LRN,
    AdaptiveAvgPool,
    AvgPool,
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool,
    GroupedConv,
    MaxPool,
    Softmax,
)

every_layer = pytest.mark.parametrize("name", LAYERS)


def gradient_like(rng, y):
    """A random dy, or one for each output of a Trunk."""
    if isinstance(y, list):
        return [gradient_like(rng, part) for part in y]
    return rng.standard_normal(y.shape).astype(y.dtype)


def arrays_in(thing):
    """All arrays inside nested lists and tuples."""
    if isinstance(thing, np.ndarray):
        yield thing
    elif isinstance(thing, dict):
        yield from arrays_in(list(thing.values()))
    elif isinstance(thing, list | tuple):
        for part in thing:
            yield from arrays_in(part)


def run(layer, x, train, rng):
    """(y, dy, dx) of one forward and one backward that starts from zero gradients."""
    layer.zero_grads()
    y, cache = layer.forward(x, train)
    dy = gradient_like(rng, y)
    return y, dy, layer.backward(dy, cache)


# -- the contract, for every layer -----------------------------------------------------------------------------------


@every_layer
def test_gradients_match_central_differences(name, rng):
    report = gradcheck(*make(name, rng), rng, train=LAYERS[name].train, tolerance=1e-7)
    assert report.ok and not report.kinks, f"\n{report}"


@every_layer
def test_output_shape_is_what_forward_gives(name, rng):
    layer, x = make(name, rng)
    y = layer.predict(x)
    assert y.shape == (len(x), *layer.output_shape(x.shape[1:]))


@every_layer
def test_trace_walks_the_shapes_and_counts_what_macs_says(name, rng):
    layer, x = make(name, rng)
    lines = list(layer.trace(x.shape[1:], "net"))
    assert len({path for path, *_ in lines}) == len(lines)
    assert all(path.startswith("net") and inner.output_shape(before) == after for path, inner, before, after in lines)
    counted = [line for line in lines if not line[0].startswith("net/aux")]  # inference leaves the heads alone
    assert layer.macs(x.shape[1:]) == sum(inner.macs(before) for _, inner, before, _ in counted)
    assert layer.other_ops(x.shape[1:]) == sum(inner.other_ops(before) for _, inner, before, _ in counted)


@every_layer
def test_a_batch_is_its_images_one_by_one(name, rng):
    layer, x = make(name, rng)
    y = layer.predict(x)
    np.testing.assert_allclose(y, np.concatenate([layer.predict(x[n:n + 1]) for n in range(len(x))]), rtol=1e-12)
    if LAYERS[name].mixes or LAYERS[name].draws:
        return
    train = LAYERS[name].train
    y, cache = layer.forward(x, train)
    dy = gradient_like(rng, y)
    dx = layer.backward(dy, cache)
    total = {path: g.copy() for path, g in layer.gradients().items()}
    layer.zero_grads()
    for n in range(len(x)):
        one = [d[n:n + 1] for d in dy] if isinstance(dy, list) else dy[n:n + 1]
        part = layer.backward(one, layer.forward(x[n:n + 1], train)[1])
        np.testing.assert_allclose(part, dx[n:n + 1], rtol=1e-10, atol=1e-12)
    for path, g in layer.gradients().items():
        np.testing.assert_allclose(g, total[path], rtol=1e-10, atol=1e-12, err_msg=path)


@every_layer
def test_an_empty_batch_gives_an_empty_result(name, rng):
    layer, x = make(name, rng)
    shape = (0, *layer.output_shape(x.shape[1:]))
    y, cache = layer.forward(x[:0])
    assert y.shape == layer.predict(x[:0]).shape == shape and y.dtype == x.dtype
    assert layer.backward(np.zeros(shape), cache).shape == x[:0].shape
    assert not any(gradient.any() for gradient in layer.gradients().values())
    assert engine.predictor(layer).predict(x[:0]).shape == shape
    compiled = engine.compile(layer)
    y, cache = compiled.forward(x[:0])
    assert y.shape == shape and compiled.backward(np.zeros(shape), cache).shape == x[:0].shape


@every_layer
@pytest.mark.parametrize("dtype", ["float16", "longdouble", ">f8", "int64", "bool", "complex128"])
def test_only_native_float32_and_float64(name, dtype, rng):
    layer, x = make(name, rng)
    odd = np.abs(x).astype(dtype)
    for function in (layer.forward, layer.predict):
        with pytest.raises(ShapeError, match=rf"got {np.dtype(dtype)} \(3, .*\), expected float"):
            function(odd)


@every_layer
def test_predict_is_forward(name, rng):
    layer, x = make(name, rng)
    assert np.array_equal(layer.predict(x), layer.forward(x)[0])
    if not (LAYERS[name].mixes or LAYERS[name].draws or "trunk" in name or name == "batch norm: running statistics"
            or name == "dropout: inference"):
        assert np.array_equal(layer.predict(x), layer.forward(x, train=True)[0])


@every_layer
def test_gradients_add_up(name, rng):
    layer, x = make(name, rng)
    y, cache = layer.forward(x, LAYERS[name].train)
    dy = gradient_like(rng, y)
    dx = layer.backward(dy, cache)
    once = {path: g.copy() for path, g in layer.gradients().items()}
    assert all(np.any(g) for g in once.values())
    assert np.array_equal(layer.backward(dy, cache), dx)  # the cache is not used up
    for path, g in layer.gradients().items():
        np.testing.assert_allclose(g, 2 * once[path], rtol=1e-12, atol=1e-13, err_msg=path)
    layer.zero_grads()
    assert not any(np.any(g) for g in layer.gradients().values())
    assert set(layer.gradients()) == set(layer.parameters())


@every_layer
def test_every_dtype_stays_itself(name, rng):
    layer, x = make(name, rng)
    exact = layer.predict(x)
    for dtype in ("float32", "float64"):
        layer.astype(dtype)
        np.testing.assert_allclose(layer.predict(x.astype(dtype)), exact, rtol=1e-4, atol=1e-4)
    for dtype in ("float32", "float64"):
        layer.astype(dtype)
        y, _, dx = run(layer, x.astype(dtype), LAYERS[name].train, rng)
        found = [*arrays_in([y, dx]), *arrays_in([layer.parameters(), layer.gradients(), layer.state()])]
        assert {array.dtype for array in found} == {np.dtype(dtype)}
        y, cache = layer.forward(x.astype(dtype))
        assert y.dtype == dtype and layer.predict(x.astype(dtype)).dtype == dtype
        assert layer.backward(gradient_like(rng, y), cache).dtype == dtype


@every_layer
def test_nothing_handed_in_is_written_to(name, rng):
    layer, x = make(name, rng)
    x.flags.writeable = False
    kept = {path: array.copy() for path, array in layer.parameters().items()}
    y, cache = layer.forward(x, LAYERS[name].train)
    dy = gradient_like(rng, y)
    for array in arrays_in([dy, y, cache]):
        array.flags.writeable = False
    dx = layer.backward(dy, cache)
    layer.predict(x)
    assert all(np.array_equal(kept[path], array) for path, array in layer.parameters().items())
    assert np.array_equal(layer.backward(dy, cache), dx)


@every_layer
def test_any_memory_layout_will_do(name, rng):
    layer, x = make(name, rng)
    y, dy, dx = run(layer, x, False, rng)
    strange = np.asfortranarray(x)[::-1][::-1]
    y2, cache = layer.forward(strange)
    np.testing.assert_allclose(y2, y, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(layer.backward(np.asfortranarray(dy), cache), dx, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(layer.predict(strange), y, rtol=1e-12, atol=1e-13)


@every_layer
def test_the_number_of_threads_changes_no_bit(name, threads):
    results = []
    for count in (1, 2):
        threads(count)
        rng = np.random.default_rng(5)
        layer, x = make(name, rng, N=19)  # three slices, the last one ragged
        layer.astype("float32")
        y, _, dx = run(layer, x.astype("float32"), LAYERS[name].train, rng)
        results.append(b"".join(a.tobytes() for a in arrays_in([y, dx, layer.gradients(), layer.state()])))
    assert results[0] == results[1]


# -- errors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layer, x, message", [
    (Conv(4, 2, 3), np.zeros((2, 5, 6, 3), "float32"),
     "conv 3x3/1 got float32 (2, 5, 6, 3), expected float32 (N, H, W, 4)"),
    (Conv(4, 2, (1, 3), stride=(2, 1)), np.zeros((2, 5, 6, 4)),
     "conv 1x3/(2, 1) got float64 (2, 5, 6, 4), expected float32 (N, H, W, 4)"),
    (Conv(4, 2, 3), np.zeros((5, 6, 4), "float32"),
     "conv 3x3/1 got float32 (5, 6, 4), expected float32 (N, H, W, 4); for a batch of one image pass x[None]"),
    (GroupedConv(4, 2, 3, groups=2), np.zeros((2, 5, 6, 3), "float32"),
     "conv 3x3/1 in 2 groups got float32 (2, 5, 6, 3), expected float32 (N, H, W, 4)"),
    (MaxPool(3, 2), np.zeros((2, 5, 6, 3), "uint8"),
     "max pool 3x3/2 got uint8 (2, 5, 6, 3), expected float32 or float64 (N, H, W, C)"),
    (AvgPool(2), np.zeros((2, 5)), "average pool 2x2/2 got float64 (2, 5), expected float64 (N, H, W, C)"),
    (AdaptiveAvgPool(2), np.zeros((2, 5)),
     "adaptive average pool to 2x2 got float64 (2, 5), expected float64 (N, H, W, C)"),
    (GlobalAvgPool(), np.zeros((2, 5)), "global average pool got float64 (2, 5), expected float64 (N, H, W, C)"),
    (BatchNorm(3), np.zeros((2, 1, 1, 4), "float32"),
     "batch norm got float32 (2, 1, 1, 4), expected float32 (N, H, W, 3)"),
    (LRN(), np.zeros((2, 4)), "LRN got float64 (2, 4), expected float64 (N, H, W, C)"),
    (Flatten(), np.zeros((2, 4)), "flatten got float64 (2, 4), expected float64 (N, H, W, C)"),
    (Dense(3, 2), np.zeros((2, 4), "float32"), "dense 3->2 got float32 (2, 4), expected float32 (N, 3)"),
    (Softmax(), np.zeros((2, 4, 1)), "softmax got float64 (2, 4, 1), expected float64 (N, K)"),
])
def test_input_that_does_not_fit(layer, x, message):
    for function in (layer.forward, layer.predict):
        with pytest.raises(ShapeError) as error:
            function(x)
        assert str(error.value) == message


@pytest.mark.parametrize("name", [name for name in LAYERS if name != "dropout: inference" and "trunk" not in name])
def test_a_gradient_that_does_not_fit(name, rng):
    layer, x = make(name, rng)
    y, cache = layer.forward(x, LAYERS[name].train)
    for wrong in (y[:-1], np.concatenate([y, y], axis=-1), y[None]):
        with pytest.raises(ShapeError, match=r"got dy \(.*\), expected \("):
            layer.backward(wrong, cache)


def test_shapes_without_running():
    with pytest.raises(ShapeError, match=r"conv 3x3/1 got \(5, 5, 3\), expected \(H, W, 4\)"):
        list(Conv(4, 2, 3).trace((5, 5, 3)))
    with pytest.raises(ShapeError, match="a window of 5 does not fit 3"):
        Conv(1, 1, 5).forward(np.zeros((1, 3, 3, 1), "float32"))


@pytest.mark.parametrize("make_layer, message", [
    (lambda: MaxPool(3, 2, pad=3), r"pad \(3, 3\): must be smaller than the window \(3, 3\)"),
    (lambda: AvgPool((1, 3), pad=1), r"pad \(1, 1\): must be smaller"),
    (lambda: Dropout(1.0), "drop_prob: got 1.0"),
    (lambda: Dropout(-0.1), "drop_prob: got -0.1"),
    (lambda: LRN(4), "size: got 4, needs an odd number"),
    (lambda: Conv(3, 4, 0), "kernel: got 0, needs a whole number of at least 1"),
    (lambda: Conv(3, 4, 3, stride=0), "stride: got 0, needs"),
    (lambda: Conv(3, 4, 3, pad=(1, -1)), "pad: got -1, needs a whole number of at least 0"),
    (lambda: Conv(0, 4, 3), "C: got 0, needs"),
    (lambda: Conv(3, 2.5, 3), "F: got 2.5, needs"),
    (lambda: Conv(3, 4, (1, 2, 3)), r"kernel: got \(1, 2, 3\), needs a whole number or a pair"),
    (lambda: Conv(3, 4, 2.5), "kernel: got 2.5, needs a whole number or a pair"),
    (lambda: MaxPool(0), "kernel: got 0, needs"),
    (lambda: MaxPool(2, 0), "stride: got 0, needs"),
    (lambda: AvgPool(2, pad=-1), "pad: got -1, needs"),
    (lambda: AdaptiveAvgPool(0), "size: got 0, needs"),
    (lambda: AdaptiveAvgPool((2, True)), "size: got True, needs"),
    (lambda: Dense(0, 3), "D: got 0, needs"),
    (lambda: Dense(3, -1), "F: got -1, needs"),
    (lambda: BatchNorm(0), "C: got 0, needs"),
    (lambda: BatchNorm(3, eps=-1e-5), "eps: got -1e-05, needs 0 or more"),
    (lambda: BatchNorm(3, momentum=1.5), "momentum: got 1.5, needs 0 to 1"),
    (lambda: GroupedConv(6, 4, 3, groups=4), "6 -> 4 channels cannot be split into 4"),
    (lambda: GroupedConv(6, 4, 3, groups=0), "groups: got 0, needs a whole number of at least 1"),
    (lambda: GroupedConv(6, 4, 3, groups=3), "6 -> 4 channels cannot be split into 3"),
])
def test_constants_that_make_no_sense(make_layer, message):
    with pytest.raises(ValueError, match=message):
        make_layer()
