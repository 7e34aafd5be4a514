"""Layers of one's own that have both: layers inside, and parameters of their own."""

import numpy as np
import pytest

from minigooglenet import engine
from minigooglenet.flops.counting import count
from minigooglenet.gradcheck import gradcheck
from minigooglenet.layers import Block, Concat, Conv, Dense, GlobalAvgPool, Layer, ReLU, Sequential, Trunk
from minigooglenet.training.sgd import SGD


class Residual(Layer):
    """y = x + alpha · inner(x)"""

    factor = 1

    def __init__(self, inner):
        super().__init__()
        self.children = {"inner": inner}
        self.add_param("alpha", np.full(inner.F, 0.5, "float32"))

    def forward(self, x, train=False):
        z, cache = self.children["inner"].forward(x, train)
        return x + self.params["alpha"] * z, (z, cache)

    def backward(self, dy, cache):
        z, inner_cache = cache
        self.grads["alpha"] += self.factor * (dy * z).sum((0, 1, 2))
        return dy + self.children["inner"].backward(dy * self.params["alpha"], inner_cache)


class Wrong(Residual):
    factor = 2


class Scaled(Sequential):
    """y = gamma · f(x), with the mean output of each channel as a buffer."""

    def __init__(self, layers, C):
        super().__init__(layers)
        self.add_param("gamma", np.full(C, 2, "float32"))
        self.buffers["mean"] = np.zeros(C, "float32")

    def forward(self, x, train=False):
        y, caches = super().forward(x, train)
        return self.params["gamma"] * y, (y, caches)

    def backward(self, dy, cache):
        y, caches = cache
        self.grads["gamma"] += (dy * y).sum((0, 1, 2))
        return super().backward(dy * self.params["gamma"], caches)

    def predict(self, x):
        return self.forward(x)[0]


def network(residual=Residual):
    rng = np.random.default_rng(0)
    return Sequential({
        "stem": Block(Conv(3, 4, 3, pad=1, rng=rng)), "residual": residual(Conv(4, 4, 3, pad=1, rng=rng)),
        "scaled": Scaled({"conv": Conv(4, 5, 1, rng=rng), "relu": ReLU()}, 5), "gap": GlobalAvgPool(),
        "linear": Dense(5, 2, rng=rng)})


def test_their_parameters_are_the_networks():
    net = network()
    assert list(net.parameters()) == [
        "stem/w", "stem/b", "residual/alpha", "residual/inner/w", "residual/inner/b", "scaled/gamma",
        "scaled/conv/w", "scaled/conv/b", "linear/w", "linear/b"]
    assert list(net.gradients()) == list(net.parameters()) and list(net.state()) == ["scaled/mean"]
    net.astype("float64")
    assert {a.dtype for a in (*net.parameters().values(), *net.gradients().values(), *net.state().values())} == {
        np.dtype("float64")}
    net.children["residual"].grads["alpha"][...] = 1
    net.zero_grads()
    assert not net.gradients()["residual/alpha"].any()


def test_their_gradients_are_checked(rng):
    x = rng.standard_normal((2, 4, 5, 3))
    assert gradcheck(network(), x).ok
    report = gradcheck(network(Wrong), x)
    assert report.where == "residual/alpha" and "WRONG" in str(report)


def test_a_compiled_network_trains_them(rng):
    x, dy = rng.standard_normal((3, 6, 5, 3)).astype("float32"), rng.standard_normal((3, 2)).astype("float32")
    results = []
    for form in (lambda net: net, engine.compile):
        net = form(network())
        net.backward(dy, net.forward(x, True)[1])
        before = net.parameters()["residual/alpha"].copy()
        SGD(net.parameters()).step(net.gradients(), 0.1)
        assert not np.array_equal(net.parameters()["residual/alpha"], before)
        results.append(net.parameters())
    for path, array in results[0].items():
        np.testing.assert_allclose(results[1][path], array, rtol=1e-4, atol=1e-5, err_msg=path)


def test_they_are_counted_as_one_layer():
    counted, net = count(network(), (6, 5, 3)), network()
    total = sum(array.size for array in net.parameters().values())
    for by in ("layer", "block", "module"):
        assert sum(row.params for row in counted.rows(by)) == total, by
        assert sum(row.macs for row in counted.rows(by)) == net.macs((6, 5, 3)) == 30 * 9 * 3 * 4 + 30 * 4 * 5 + 10
    assert [row.name for row in counted.layers] == ["stem", "stem/relu", "residual", "scaled", "gap", "linear"]
    assert len(net.summary((6, 5, 3)).splitlines()) == 1 + 6 + 1


def test_a_trunk_has_no_parameters_of_its_own():
    trunk = Scaled({"conv": Conv(3, 4, 1)}, 4)
    with pytest.raises(ValueError, match="a trunk with parameters of its own: put it into one"):
        Trunk(trunk, {})
    assert "scaled/gamma" in Trunk(Sequential({"scaled": trunk}), {}).parameters()


def test_a_branch_with_parameters_of_its_own_needs_a_name():
    branch = Scaled({"conv": Conv(3, 4, 1)}, 4)
    with pytest.raises(ValueError, match="a branch with parameters of its own needs a name"):
        Concat({"1x1": Conv(3, 2, 1)}, branch)
    assert "scaled/gamma" in Concat({"1x1": Conv(3, 2, 1)}, {"scaled": branch}).parameters()
