"""Settings of a training run: their values, the network they build, and the weighted loss."""

import dataclasses
import json
import math
from fractions import Fraction

import numpy as np
import pytest
import small

from minigooglenet.errors import UserError
from minigooglenet.layers import cross_entropy
from minigooglenet.training import trainer as trainers
from minigooglenet.training.config import PRESETS, Config
from minigooglenet.training.losses import weighted_loss
from minigooglenet.training.network import build, loss_weights
from minigooglenet.training.trainer import Trainer

OPTIONAL = "sampling_seed", "size", "stored"  # settings that may be None

# -- the loss ---------------------------------------------------------------------------------------------------------

def test_three_losses_are_summed_with_their_weights(rng):
    logits, labels = [rng.standard_normal((5, 4)) for _ in range(3)], rng.integers(0, 4, 5)
    main, first, second = (cross_entropy(z, labels)[0] for z in logits)
    total, loss, _ = weighted_loss(logits, labels, (1.0, 0.3, 0.3))
    assert total == pytest.approx(main + 0.3 * first + 0.3 * second, rel=1e-12)
    assert loss == pytest.approx(main, rel=1e-12)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_gradients_of_the_three_losses_by_finite_differences(rng, smoothing):
    logits, labels = [rng.standard_normal((3, 5)) for _ in range(3)], rng.integers(0, 5, 3)
    weights = (1.0, 0.3, 0.7)
    _, _, gradients = weighted_loss(logits, labels, weights, smoothing)
    h = 1e-5
    for z, dz in zip(logits, gradients, strict=True):
        numeric = np.empty_like(z)
        for index in np.ndindex(z.shape):
            value = z[index]
            z[index] = value + h
            above = weighted_loss(logits, labels, weights, smoothing)[0]
            z[index] = value - h
            numeric[index] = (above - weighted_loss(logits, labels, weights, smoothing)[0]) / (2 * h)
            z[index] = value
        np.testing.assert_allclose(dz, numeric, atol=1e-9)


def test_a_network_without_auxiliary_classifiers_has_one_loss(rng):
    z, labels = rng.standard_normal((4, 3)).astype(np.float32), rng.integers(0, 3, 4)
    total, loss, dz = weighted_loss(z, labels, (1.0, 0.3, 0.3))
    assert total == loss == cross_entropy(z, labels)[0] and dz.dtype == np.float32 and dz.shape == z.shape


def test_there_are_as_many_weights_as_losses(rng):
    assert loss_weights(Config(head_weight=0.2)) == (1.0, 0.2, 0.2)
    with pytest.raises(ValueError):
        weighted_loss([rng.standard_normal((2, 3))] * 2, np.array([0, 1]), (1.0, 0.3, 0.3))


# -- the settings -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("field, value, needs", [
    ("epochs", 0, "1 or more"), ("batch", 0, "1 or more"), ("seed", -3, "0 or more"),
    ("width", 0.0, "a number above 0"), ("width", -1.0, "a number above 0"), ("width", math.nan, "a number above 0"),
    ("width", math.inf, "up to 4"), ("lr", 0.0, "a positive number"), ("lr", math.nan, "a positive number"),
    ("lr", math.inf, "a positive number"), ("norm", "layer", "one of batch, lrn, none"),
    ("schedule", "linear", "one of steps, polynomial, cosine, one-cycle, constant"), ("model", "vgg16", "one of mini"),
    ("augment", "nonsense", "one of none, mirror, crop, cutout, paper"), ("drop_prob", 1.0, "less than 1"),
    ("momentum", 1.0, "less than 1"), ("weight_decay", -1e-4, "0 or more"), ("head_weight", math.nan, "0 or more"),
    ("average", 1.0, "less than 1"), ("label_smoothing", -0.1, "0 or more"),
])
def test_invalid_settings(field, value, needs):
    with pytest.raises(UserError) as error:
        Config(**{field: value})
    assert str(error.value).startswith(f"{field}: got {value!r}, needs ") and needs in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("value", [None, "3", "x", [1], {}, b"1", 1j, math.nan, 10**400, object(), np.zeros(2),
                                   np.zeros((40, 40)), np.datetime64("2020"), 2.5, 3, -1, True, np.bool_(True),
                                   np.int64(3), np.float32(0.25), np.float64(3), np.array(2), np.str_("mini"),
                                   Fraction(1, 4)])
@pytest.mark.parametrize("field", dataclasses.fields(Config), ids=lambda field: field.name)
def test_any_value_is_refused_by_name_or_becomes_a_plain_one(field, value):
    try:
        made = Config(**{field.name: value})
    except UserError as error:
        assert str(error).startswith(f"{field.name}: got ") and "needs" in str(error)
        assert "\n" not in str(error) and len(str(error)) < 200
    else:
        kept = getattr(made, field.name)
        assert type(kept) in (bool, int, float, str) or kept is None and field.name in OPTIONAL
        assert kept == value and Config(**json.loads(json.dumps(dataclasses.asdict(made)))) == made


@pytest.mark.parametrize("field, value, needs", [
    ("epochs", 2.5, "got 2.5, needs a whole number"), ("epochs", "3", "got '3', needs a whole number"),
    ("epochs", None, "got None, needs a whole number"), ("seed", True, "got True, needs a whole number"),
    ("width", None, "got None, needs a number"), ("heads", 1, "got 1, needs True or False"),
    ("norm", None, "got None, needs one of batch, lrn, none"), ("schedule", [], r"got \[\], needs one of steps"),
])
def test_values_of_another_type(field, value, needs):
    with pytest.raises(UserError, match=f"^{field}: {needs}"):
        Config(**{field: value})


def test_numpy_scalars_are_converted():
    given = Config(epochs=np.int64(2), width=np.float32(0.25), heads=np.bool_(False), norm=np.str_("lrn"), lr=1)
    assert given == Config(epochs=2, width=0.25, heads=False, norm="lrn", lr=1.0)
    assert [type(value) for value in (given.epochs, given.width, given.heads, given.norm, given.lr)] == [
        int, float, bool, str, float]


def test_presets_and_changes():
    assert set(PRESETS) == {"quick", "full"} and PRESETS["quick"].half_epochs == 4
    assert Config().but(width=0.5, lr=None) == dataclasses.replace(Config(), width=0.5)
    assert Config().differences(Config()) == ""
    assert Config(epochs=6).differences(Config(epochs=3, heads=False)) == "heads True, not False; epochs 6, not 3"


# -- the network of a config ------------------------------------------------------------------------------------------

def dropout(net):
    """{path: drop_prob} of all dropout layers."""
    return {path: layer.drop_prob for path, layer in net.walk() if layer.kind == "dropout"}


def test_the_settings_of_the_network_take_effect():
    shape, usual = (32, 32, 3), Config(drop_prob=0.2)
    arrays = {name: {path: w.shape for path, w in build(config, 10, shape).parameters().items()} for name, config in {
        "usual": usual, "width": usual.but(width=0.5), "norm": usual.but(norm="none"), "heads": usual.but(heads=False),
        "reduced": usual.but(reduced=False), "classifier": usual.but(classifier="fc"),
        "model": usual.but(model="lenet5")}.items()}
    names = list(arrays)
    assert all(arrays[a] != arrays[b] for i, a in enumerate(names) for b in names[:i])
    assert build(usual, 7, shape).output_shape(shape) == (7,)


def test_drop_prob_is_the_dropout_before_the_classifier():
    """The auxiliary classifiers keep 0.7, the paper's."""
    for drop_prob in (0.0, 0.3):
        found = dropout(build(Config(drop_prob=drop_prob), 10, (32, 32, 3)))
        assert found == {"dropout": drop_prob, "aux1/dropout": 0.7, "aux2/dropout": 0.7}


def test_batch_norm_sums_over_processes(monkeypatch):
    """The trainer hands the sum over processes to every batch norm; here two processes with equal images."""
    calls = []

    def double(array):
        calls.append(array.shape)
        return 2 * array

    monkeypatch.setattr(trainers.processes, "sum_over_processes", double)
    net = Trainer(small.NARROW, small.dataset()).net
    norms = [layer for _, layer in net.walk() if layer.kind == "batch norm"]
    x = np.random.default_rng(0).standard_normal((4, 3, 2, norms[0].C), np.float32)
    once, _ = norms[0].forward(x, train=True)
    assert calls and all(layer.all_reduce is double for layer in norms) and len(norms) > 50
    np.testing.assert_allclose(once, (x - x.mean((0, 1, 2))) / np.sqrt(x.var((0, 1, 2)) + 1e-5), atol=1e-5)
