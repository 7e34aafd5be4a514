"""gradcheck finds wrong gradients, accepts right ones, and restores everything."""

import numpy as np
import pytest
import small

from minigooglenet.gradcheck.check import directional, gradcheck
from minigooglenet.gradcheck.table import make, make_network
from minigooglenet.layers import BatchNorm, Conv, Dense, Dropout, Layer, MaxPool, ReLU, Sequential


class Cube(Layer):
    """y = a x³, with a backward that may be damaged."""

    expects = ("D",)

    def __init__(self, spoil=lambda dx, da: (dx, da)):
        super().__init__()
        self.add_param("a", np.array([2.0]))
        self.spoil = spoil

    def forward(self, x, train=False):
        return self.params["a"] * x**3, x

    def backward(self, dy, x):
        dx, da = self.spoil(3 * self.params["a"] * x**2 * dy, (dy * x**3).sum())
        self.grads["a"] += da
        return dx


def one_wrong_entry(dx, da):
    dx = dx.copy()
    dx[1, 2] *= 1.001
    return dx, da


@pytest.mark.parametrize("check", [gradcheck, directional])
def test_a_right_gradient_passes(check, rng):
    report = check(Cube(), rng.standard_normal((3, 4)), rng)
    assert report.ok and report.worst < 1e-7 and set(report.arrays) == {"dx", "a"}
    assert "ok: worst" in str(report)


@pytest.mark.parametrize("check", [gradcheck, directional])
@pytest.mark.parametrize("spoil, where", [
    (lambda dx, da: (1.0001 * dx, da), "dx"),
    (lambda dx, da: (-dx, da), "dx"),
    (lambda dx, da: (0 * dx, da), "dx"),
    (lambda dx, da: (np.roll(dx, 1, axis=0), da), "dx"),
    (one_wrong_entry, "dx"),
    (lambda dx, da: (dx, da * 0.999), "a"),
    (lambda dx, da: (dx, 0.0), "a"),
    (lambda dx, da: (dx * np.nan, da), "dx"),
    (lambda dx, da: (dx, np.inf), "a"),
])
def test_a_wrong_gradient_is_found_and_named(check, spoil, where, rng):
    report = check(Cube(spoil), 1 + rng.random((3, 4)), rng)
    assert not report.ok and report.where == where and report.kinks == 0
    assert "WRONG" in str(report)


def test_a_forward_that_gives_nan_does_not_pass(rng):
    class Broken(Cube):
        def forward(self, x, train=False):
            return np.full_like(x, np.nan), x

    assert not gradcheck(Broken(), rng.standard_normal((3, 4)), rng).ok


def test_the_entry_is_named(rng):
    report = gradcheck(Cube(one_wrong_entry), 1 + rng.random((3, 4)), rng)
    assert report.arrays["dx"].where == (1, 2)
    assert report.arrays["dx"].backward == pytest.approx(1.001 * report.arrays["dx"].numeric, rel=1e-6)


def test_dx_of_the_wrong_shape(rng):
    with pytest.raises(ValueError, match=r"dx: backward returned \(12,\), expected the shape of x, \(3, 4\)"):
        gradcheck(Cube(lambda dx, da: (dx.ravel(), da)), rng.standard_normal((3, 4)), rng)


def test_single_precision_is_checked_in_double(rng):
    layer, x = Dense(4, 2, rng=rng), rng.standard_normal((3, 4)).astype("float32")
    weights = layer.params["w"].copy()
    report = gradcheck(layer, x)
    assert report.ok and report.worst < 1e-8 and x.dtype == np.float32
    assert layer.params["w"].dtype == np.float32 and np.array_equal(layer.params["w"], weights)
    assert not layer.grads["w"].any()
    assert gradcheck(ReLU(), np.ones((3, 4), "float32"), rng).ok


def test_a_seed_gives_the_same_report_again(rng):
    layer, x = Dense(4, 2, rng=0), rng.standard_normal((3, 4))
    assert str(gradcheck(layer, x, 5)) == str(gradcheck(layer, x, 5)) != str(gradcheck(layer, x, 6))


def test_assigned_gradients_are_found(rng):
    class Assigning(Cube):
        def backward(self, dy, x):
            self.grads["a"][...] = (dy * x**3).sum()
            return 3 * self.params["a"] * x**2 * dy

    for check in (gradcheck, directional):
        report = check(Assigning(), 1 + rng.random((3, 4)), rng)
        assert not report.ok and report.where == "a" and report.arrays["a"].backward == 0


def test_kinks_are_counted_separately(rng):
    x = 1 + rng.random((10, 10))
    x[0, 0], x[3, 4], x[7, 7] = 3e-7, -6e-7, 0.99998e-6  # closer to the kink than eps, the last one only just
    report = gradcheck(ReLU(), x, rng)
    assert report.ok and report.kinks == 3
    assert "3 on a kink" in str(report)


def test_exactly_on_the_kink(rng):
    x = 1 + rng.random((10, 10))
    x[5, 5] = 0.0
    report = gradcheck(ReLU(), x, rng)
    assert report.ok and report.kinks == 1


def test_a_tie_in_a_max_pool_is_a_kink(rng):
    x = rng.permutation(200.0 + np.arange(200)).reshape(2, 10, 10, 1)
    x[0, 0, 0] = x[0, 0, 1] = 1000.0
    report = gradcheck(MaxPool(2, 2), x, rng)
    assert report.ok and report.kinks == 2


def test_a_report_of_kinks_only_is_not_ok(rng):
    assert not gradcheck(ReLU(), np.zeros((5, 5)), rng).ok


def test_a_wrong_backward_does_not_pass_for_a_kink(rng):
    class Bent(ReLU):
        def backward(self, dy, y):
            return super().backward(dy, y) * 1.01

    report = gradcheck(Bent(), rng.standard_normal((5, 5)), rng)
    assert not report.ok and report.kinks == 0


def test_everything_is_restored(rng):
    layer = Sequential({"conv": Conv(2, 3, 2, rng=rng, dtype="float64"), "bn": BatchNorm(3, dtype="float64"),
                        "drop": Dropout(0.4, np.random.default_rng(7))})
    for gradient in layer.gradients().values():
        gradient += 5
    x = rng.standard_normal((2, 4, 3, 2))
    x.flags.writeable = False

    def snapshot():
        arrays = {**layer.parameters(), **{f"grad {p}": g for p, g in layer.gradients().items()}, **layer.state()}
        return {path: array.copy() for path, array in arrays.items()}

    for check in (gradcheck, directional):
        before, generator = snapshot(), layer.children["drop"].rng.bit_generator.state
        assert check(layer, x, rng).ok
        after = snapshot()
        assert all(np.array_equal(before[path], after[path]) for path in before)
        assert layer.children["drop"].rng.bit_generator.state == generator


def test_everything_is_restored_after_an_error(rng):
    class Failing(Cube):
        calls = 0

        def forward(self, x, train=False):
            self.calls += 1
            if self.calls == 5:
                raise RuntimeError("out of memory")
            return super().forward(x)

    layer = Failing()
    with pytest.raises(RuntimeError):
        gradcheck(layer, rng.standard_normal((1, 1)), rng)
    assert layer.params["a"].tolist() == [2.0] and layer.grads["a"].tolist() == [0.0]
    layer = Cube(lambda dx, da: (dx.ravel(), da))  # an error before anything is compared
    layer.grads["a"] += 5
    with pytest.raises(ValueError):
        gradcheck(layer, rng.standard_normal((3, 4)), rng)
    assert layer.grads["a"].tolist() == [5.0]


def test_entries_limits_how_many_are_checked(rng):
    report = gradcheck(Dense(30, 20, rng=rng, dtype="float64"), rng.standard_normal((5, 30)), rng, entries=7)
    assert report.ok and {checked.entries for checked in report.arrays.values()} == {7}


def test_a_loss_replaces_the_projection(rng):
    def square(y):
        return float((y**2).sum() / 2), y

    assert gradcheck(Cube(), rng.standard_normal((3, 4)), rng, loss=square).ok
    assert not gradcheck(Cube(), rng.standard_normal((3, 4)), rng, loss=lambda y: (square(y)[0], 1.01 * y)).ok


def test_a_trunk_and_its_list_of_outputs(rng):
    layer, x = make("trunk: two heads", rng)
    assert gradcheck(layer, x, rng).ok
    layer.heads["aux1"][1].children["linear"].backward = lambda dy, x: 2 * dy @ np.ones((5, 3))
    assert not gradcheck(layer, x, rng).ok


def test_one_wrong_layer_in_the_whole_network_is_found(rng, monkeypatch):
    small.some_arrays(monkeypatch, lambda k, name: name in ("dx", "linear/w") or name.startswith(("3b", "4a", "5b")))
    network, x, loss = make_network(rng)
    layer = network.children["4a"].children["3x3"].norm
    right = layer.backward
    layer.backward = lambda dy, cache: 1.01 * right(dy, cache)
    report = directional(network, x, rng, loss=loss)
    assert not report.ok
    wrong = [name for name, checked in report.arrays.items() if checked.error > 1e-5]
    assert "dx" in wrong and "4a/3x3/w" in wrong and "3b/1x1/w" in wrong
    assert "5b/3x3/w" not in wrong and "linear/w" not in wrong  # the layers above are right
