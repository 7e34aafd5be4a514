"""A program is recorded once, and computes what its layers do with whatever parameters they have by then."""

import numpy as np
import pytest

from minigooglenet import engine
from minigooglenet.errors import ShapeError
from minigooglenet.layers import BatchNorm, Block, Conv, GlobalAvgPool, MaxPool, Sequential, Trunk
from minigooglenet.models.inception import Style, inception

pytestmark = pytest.mark.skipif(engine.kind() == "plain", reason="MINIGOOGLENET_JIT=0 or MINIGOOGLENET_ENGINE=plain")


@pytest.fixture
def net():
    """Two chains: a head reads the output of the first."""
    rng = np.random.default_rng(0)
    trunk = Sequential({"conv": Block(Conv(3, 6, 3, 1, 1, bias=False, rng=rng), BatchNorm(6)), "pool": MaxPool(3, 2),
                        "4a": inception(Style(norm="batch", rng=rng), 6, 4, 3, 5, 2, 3, 4),
                        "4b": inception(Style(norm="none", rng=rng), 16, 4, 3, 5, 2, 3, 4), "gap": GlobalAvgPool()})
    return Trunk(trunk, {"head": ("4a", GlobalAvgPool())}).astype(np.float64)


def results(layer, net, x, *dys):
    net.zero_grads()
    ys, cache = layer.forward(x, True)
    dx = layer.backward(list(dys), cache)
    return [*ys, dx, *(gradient.copy() for gradient in net.gradients().values())]


def agree(compiled, net, rng, N=5):
    x, dys = rng.standard_normal((N, 9, 8, 3)), [rng.standard_normal((N, 16)) for _ in range(2)]
    for a, b in zip(results(compiled, net, x, *dys), results(net, net, x, *dys), strict=True):
        assert np.abs(a - b).max() < 1e-9 * max(1, np.abs(b).max())  # some gradients are 0, up to rounding


def test_a_chain_ends_where_a_head_reads(net, rng):
    compiled = engine.compile(net)
    assert list(compiled.children) == ["4a", "4b", "gap", "head"]
    assert list(compiled.children["4a"].layers) == ["conv", "pool", "4a"]
    agree(compiled, net, rng)


def test_parameters_may_be_other_arrays_or_have_other_values(net, rng):
    compiled, (conv, bn) = engine.compile(net), (net.trunk.children["conv"].layer, net.trunk.children["conv"].norm)
    agree(compiled, net, rng)
    conv.params["w"] = rng.standard_normal((6, 3, 3, 3)).transpose(3, 2, 1, 0)  # not contiguous
    conv.grads["w"] = np.zeros((6, 3, 3, 3)).transpose(3, 2, 1, 0)
    bn.params["gamma"] = np.linspace(1, 2, 6)
    agree(compiled, net, rng)
    records = len(compiled.children["4a"].records)
    conv.params["w"] *= 2
    agree(compiled, net, rng)
    assert records == len(compiled.children["4a"].records) == 1
    bn.eps, bn.momentum = 0.1, 0.5
    agree(compiled, net, rng)
    agree(compiled, net, rng, N=2)


@pytest.mark.parametrize("kind, name, found", [
    ("params", "gamma", "(1,)"), ("grads", "beta", "(1,)"), ("buffers", "variance", "(1,)"),
    ("grads", "gamma", "read-only"), ("buffers", "mean", "read-only")])
@pytest.mark.parametrize("recorded", [False, True])
def test_an_array_that_kernels_would_read_or_write_past_is_an_error(kind, name, found, recorded, net, rng):
    compiled, x = engine.compile(net), np.ones((5, 9, 8, 3))
    arrays = getattr(net.trunk.children["conv"].norm, kind)
    before = arrays[name]
    if recorded:
        agree(compiled, net, rng)
    arrays[name] = np.ones(1) if found == "(1,)" else np.frombuffer(before.tobytes())
    for _ in range(2):
        with pytest.raises(ShapeError) as error:
            results(compiled, net, x, *np.ones((2, 5, 16))) if kind != "grads" else compiled.backward(
                [*np.ones((2, 5, 16))], compiled.forward(x, True)[1])
        assert str(error.value) == f'conv: batch norm: {kind}["{name}"] is {found}, expected ' + (
            "(6,)" if found == "(1,)" else "an array to write into")
    arrays[name] = before
    agree(compiled, net, rng)


def test_running_statistics_may_be_read_only_where_they_are_only_read(net, rng):
    bn, x = net.trunk.children["conv"].norm, rng.standard_normal((3, 9, 8, 3))
    for name, array in bn.buffers.items():
        bn.buffers[name] = np.frombuffer((array + 1).tobytes())
    assert np.abs(engine.compile(net).predict(x) - net.predict(x)).max() < 1e-9


@pytest.mark.parametrize("form", [{"order": "F"}, {"dtype": np.float32}])
def test_a_gradient_may_get_another_form_at_any_time(form, rng):
    """Of a layer that is there twice, so that two operations add to the gradient."""
    conv, x = Conv(4, 4, 1, rng=rng, dtype=np.float64), rng.standard_normal((3, 6, 5, 4))
    net = Sequential({"a": Block(conv), "b": Block(conv)})
    compiled, found = engine.compile(net), []
    for layer in (net, compiled, compiled):
        y, cache = layer.forward(x, True)
        conv.grads["w"] = np.zeros((1, 1, 4, 4), **form)
        layer.backward(np.ones_like(y), cache)
        found.append(conv.grads["w"].copy())
        conv.grads["w"] = np.zeros((1, 1, 4, 4))
        layer.backward(np.ones_like(y), cache)
        found.append(conv.grads["w"].copy())
    assert all(np.abs(gradient - found[0]).max() < 1e-4 for gradient in found)


def test_a_parameter_of_another_dtype_is_an_error(net, rng):
    compiled = engine.compile(net)
    agree(compiled, net, rng)
    net.trunk.children["conv"].layer.params["w"] = net.trunk.children["conv"].layer.params["w"].astype(np.float32)
    with pytest.raises(ShapeError, match="^conv: conv 3x3/1 got float64"):
        compiled.forward(np.ones((5, 9, 8, 3)), True)


def test_several_passes_may_be_under_way(net, rng):
    compiled, dys = engine.compile(net), [rng.standard_normal((3, 16)) for _ in range(2)]
    first, second = rng.standard_normal((2, 3, 9, 8, 3))
    expected = results(compiled, net, first, *dys)
    net.zero_grads()
    y, cache = compiled.forward(first, True)
    compiled.backward(dys, compiled.forward(second, True)[1])
    net.zero_grads()
    again = [*y, compiled.backward(dys, cache), *net.gradients().values()]
    assert all(np.array_equal(a, b) for a, b in zip(again, expected, strict=True))


def test_a_gradient_of_the_wrong_shape_is_an_error(net):
    compiled = engine.compile(net.trunk)
    _, cache = compiled.children["4b"].forward(np.ones((2, 9, 8, 3)))
    with pytest.raises(ShapeError, match="got dy"):
        compiled.children["4b"].backward(np.ones((2, 4, 4, 16)), cache)


def test_the_records_used_last_are_kept(rng):
    chain = engine.compile(Sequential({"conv": Block(Conv(2, 3, 1, rng=rng))})).children["conv"]
    for N in (*range(1, 9), 1, 9):
        chain.predict(np.ones((N, 1, 1, 2), np.float32))
    assert [shape[0] for shape, *_ in chain.records] == [3, 4, 5, 6, 7, 8, 1, 9]
    before = dict(chain.records)
    chain.layers["conv"].conv.params["w"] = np.ones((1, 1, 2, 3), np.float32)[::-1]
    chain.layers["conv"].conv.params["b"] = np.ones(3)  # recorded again, which drops no other
    chain.predict(np.ones((4, 1, 1, 2), np.float32))
    assert [shape[0] for shape, *_ in chain.records] == [3, 5, 6, 7, 8, 1, 9, 4]
    assert sum(before[key] is not record for key, record in chain.records.items()) == 1


def test_memory_is_used_again_when_a_stage_is_over():
    from minigooglenet.engine.program import Program, op
    from minigooglenet.kernels.plan_ops import COPY
    to, shape = Program(np.float32), (4, 8, 8)
    first = to.temporary((100,))
    to.each(shape, op(COPY))
    to.free(first)
    second = to.temporary((100,))  # while other threads may still read the first
    to.each(shape, op(COPY))
    assert second.at != first.at
    to.then()
    assert to.temporary((100,)).at == first.at
    to.each(shape, op(COPY))
    to.meanwhile(op(COPY), 1, 1, second)  # runs with the next stage
    to.then()
    assert to.temporary((100,)).at != second.at
    to.each(shape, op(COPY))
    to.then()
    assert to.temporary((100,)).at == second.at


def test_chunks_do_not_become_small_or_uneven():
    from minigooglenet.engine.program import Program
    sizes = {large: [[chunk.stop - chunk.start for chunk in Program(np.float32, large).chunks(N, 8, 8)]
                     for N in (0, 1, 5, 10, 130)] for large in (False, True)}
    assert sizes == {False: [[], [1], [2, 2, 1], [3, 3, 3, 1], [15] * 8 + [10]],
                     True: [[], [1], [5], [5, 5], [33, 33, 33, 31]]}
