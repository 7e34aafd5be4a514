"""The checker finds what is wrong, blames nothing that is right, and leaves no trace."""

import numpy as np
import pytest

from minigooglenet.compose import Sequential
from minigooglenet.errors import UserError
from minigooglenet.gradcheck import directional, gradcheck
from minigooglenet.layer_table import LAYERS, OTHERS, Outcome, make, make_network, print_table, run, table
from minigooglenet.layers import BatchNorm, Conv, Dense, Dropout, MaxPool, ReLU
from minigooglenet.layers.base import Layer


class Cube(Layer):
    """y = a x³, with a backward that may be spoilt."""

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


def test_only_float64_will_do(rng):
    with pytest.raises(ValueError, match="b: got float32, needs float64|w: got float32, needs float64"):
        gradcheck(Dense(4, 2, rng=rng), rng.standard_normal((3, 4)), rng)
    with pytest.raises(ValueError, match="dx: got float32, needs float64"):
        gradcheck(ReLU(), np.ones((3, 4), "float32"), rng)


def test_kinks_are_counted_and_not_blamed(rng):
    x = 1 + rng.random((10, 10))
    x[0, 0], x[3, 4], x[7, 7] = 3e-7, -6e-7, 0.99998e-6  # nearer to the bend than eps, the last one hardly
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


def test_nothing_but_kinks_proves_nothing(rng):
    assert not gradcheck(ReLU(), np.zeros((5, 5)), rng).ok


def test_a_wrong_backward_does_not_pass_for_a_kink(rng):
    class Bent(ReLU):
        def backward(self, dy, y):
            return super().backward(dy, y) * 1.01

    report = gradcheck(Bent(), rng.standard_normal((5, 5)), rng)
    assert not report.ok and report.kinks == 0


def test_everything_is_left_as_it_was(rng):
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


def test_everything_is_left_as_it_was_after_an_error(rng):
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


def test_entries_limits_the_work(rng):
    report = gradcheck(Dense(30, 20, rng=rng, dtype="float64"), rng.standard_normal((5, 30)), rng, entries=7)
    assert report.ok and {checked.entries for checked in report.arrays.values()} == {7}


def test_a_loss_may_take_the_place_of_the_projection(rng):
    def square(y):
        return float((y**2).sum() / 2), y

    assert gradcheck(Cube(), rng.standard_normal((3, 4)), rng, loss=square).ok
    assert not gradcheck(Cube(), rng.standard_normal((3, 4)), rng, loss=lambda y: (square(y)[0], 1.01 * y)).ok


def test_a_trunk_and_its_list_of_outputs(rng):
    layer, x = make("trunk: two heads", rng)
    assert gradcheck(layer, x, rng).ok
    layer.heads["aux1"][1].children["linear"].backward = lambda dy, x: 2 * dy @ np.ones((5, 3))
    assert not gradcheck(layer, x, rng).ok


# -- the table ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OTHERS)
def test_the_loss_and_the_whole_network(name):
    """Both heads, three losses, batch norm and LRN, dropout: every array within 1e-5 of its largest gradient."""
    (outcome,) = run([name])
    assert outcome.ok and outcome.error < 1e-5 and outcome.kinks <= 0.02 * outcome.entries


def test_one_wrong_layer_in_the_whole_network_is_found(rng):
    network, x, loss = make_network(rng)
    layer = network.children["4a"].children["3x3_bn"]
    right = layer.backward
    layer.backward = lambda dy, cache: 1.01 * right(dy, cache)
    report = directional(network, x, rng, loss=loss)
    assert not report.ok
    wrong = [name for name, checked in report.arrays.items() if checked.error > 1e-5]
    assert "dx" in wrong and "4a/3x3/w" in wrong and "3b/1x1/w" in wrong
    assert "5b/3x3/w" not in wrong and "linear/w" not in wrong  # what lies above is right


def test_names_choose_lines_of_the_table():
    assert [outcome.name for outcome in run(["dense", "softmax"])] == ["dense: 7->5", "softmax: 6"]
    assert all(outcome.name.startswith("grouped conv") and outcome.ok for outcome in run(["grouped"]))
    with pytest.raises(UserError, match="transformer: no such layer; choose from: conv, grouped conv, max pool"):
        list(run(["dense", "transformer"]))


def test_the_table_says_what_is_wrong(capsys):
    good, bad = Outcome("conv: a", 1e-10, "dx", True, 50, 0), Outcome("conv: b", 0.5, "w", False, 60, 3)
    lines = list(table([good, bad]))
    assert lines[1].split() == ["conv", "2", "110", "3", "5.0e-01", "w"]
    assert lines[2] == "  WRONG: conv: b, error 5.0e-01 in w, 3 kinks" and lines[-1].startswith("1 of 2 checks WRONG")
    assert list(table([good]))[-1].startswith("all 1 checks right")
    assert print_table(["flatten"]) is True
    assert "flatten" in capsys.readouterr().out


def test_the_verdict_is_returned(monkeypatch):
    monkeypatch.setattr(Dense, "backward", lambda self, dy, x: 1.5 * dy @ self.params["w"].T)
    assert print_table(["dense"]) is False


def test_every_layer_is_in_the_table():
    """A new layer that nobody adds to the table would go unchecked."""
    from minigooglenet import layers

    built = set()
    for case in LAYERS.values():
        layer = case.build(np.random.default_rng(0))
        built |= {type(inner).__name__ for _, inner in layer.walk()} | {type(layer).__name__}
    offered = {name for name in layers.__all__ if isinstance(getattr(layers, name), type)} - {"Layer"}
    assert offered <= built
