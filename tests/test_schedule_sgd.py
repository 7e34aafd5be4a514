"""The optimizer, the schedules and the averaged weights, against values computed by hand."""

import math

import numpy as np
import pytest

from minigooglenet.training.average import Average
from minigooglenet.training.schedule import SCHEDULES, constant, cosine, one_cycle, polynomial, steps
from minigooglenet.training.sgd import SGD


def trace(gradients, lr, **options):
    """The values of a single weight, a 1 × 1 matrix initialized to 1, after each of these gradients."""
    w = np.array([[1.0]])
    sgd, values = SGD({"w": w}, **options), []
    for gradient in gradients:
        sgd.step({"w": np.array([[gradient]])}, lr)
        values.append(w.item())
    return values


def test_plain_descent_is_w_minus_lr_times_g():
    assert trace([0.5, -1.0], lr=0.1, momentum=0.0) == pytest.approx([0.95, 1.05])


def test_momentum_by_hand():
    # v: 1, 0.5·1 + 2 = 2.5, 0.5·2.5 + 0 = 1.25       w: 1 - 0.1, - 0.25, - 0.125
    assert trace([1.0, 2.0, 0.0], lr=0.1, momentum=0.5) == pytest.approx([0.9, 0.65, 0.525])


def test_nesterov_by_hand():
    # v as above; the step is g + 0.5 v: 1 + 0.5 = 1.5, 2 + 1.25 = 3.25, 0 + 0.625
    assert trace([1.0, 2.0, 0.0], lr=0.1, momentum=0.5, nesterov=True) == pytest.approx([0.85, 0.525, 0.4625])


def test_weight_decay_is_added_to_the_gradient_before_momentum():
    # g = 0 + 0.2·1 = 0.2, v = 0.2, w = 0.98;   g = 0.2·0.98 = 0.196, v = 0.1 + 0.196 = 0.296, w = 0.9504
    assert trace([0.0, 0.0], lr=0.1, momentum=0.5, weight_decay=0.2) == pytest.approx([0.98, 0.9504])


def test_weight_decay_does_not_apply_to_arrays_with_one_axis(rng):
    parameters = {"conv/w": np.ones((3, 3, 2, 4)), "dense/w": np.ones((2, 3)), "conv/b": np.ones(4),
                  "bn/gamma": np.ones(4), "bn/beta": np.ones(4)}
    SGD(parameters, weight_decay=0.5).step({path: np.zeros_like(w) for path, w in parameters.items()}, 0.1)
    for path, w in parameters.items():
        np.testing.assert_allclose(w, 0.95 if path.endswith("/w") else 1.0, err_msg=path)


def test_the_learning_rate_of_beta_has_a_factor():
    parameters = {path: np.ones(2) for path in ("a/bn/beta", "a/bn/gamma", "dense/b", "4a/3x3/bn/beta")}
    SGD(parameters, momentum=0.5, beta_lr=8).step({path: np.ones(2) for path in parameters}, 0.1)
    for path, w in parameters.items():
        np.testing.assert_allclose(w, 0.2 if path.endswith("beta") else 0.9, err_msg=path)


@pytest.mark.parametrize("nesterov", [False, True])
def test_a_step_keeps_the_arrays_their_dtype_and_the_gradients(rng, nesterov):
    w = rng.standard_normal((4, 3)).astype(np.float32)
    gradient = rng.standard_normal((4, 3)).astype(np.float32)
    before, parameters = gradient.copy(), {"w": w}
    gradient.flags.writeable = False
    sgd = SGD(parameters, weight_decay=1e-3, nesterov=nesterov)
    sgd.step({"w": gradient}, 0.1)
    assert parameters["w"] is w and w.dtype == sgd.velocity["w"].dtype == np.float32
    np.testing.assert_array_equal(gradient, before)


def test_the_schedule_of_the_paper():
    """× 0.96 every 8 epochs."""
    assert [steps(epoch / 40, 40) for epoch in (0, 7.99, 8, 15.99, 16, 39.9)] == pytest.approx(
        [1, 1, 0.96, 0.96, 0.96**2, 0.96**4])


def test_the_other_schedules_at_known_points():
    assert [polynomial(p, 9) for p in (0, 0.75, 1)] == pytest.approx([1, 0.5, 0])
    assert [cosine(p, 9) for p in (0, 1 / 3, 0.5, 1)] == pytest.approx([1, 0.75, 0.5, 0])
    assert [one_cycle(p, 9) for p in (0, 0.125, 0.25, 0.625, 1)] == pytest.approx([0, 0.5, 1, 0.5, 0])
    assert [constant(p, 9) for p in (0, 0.5, 1)] == [1, 1, 1]


def test_every_schedule_stays_between_0_and_1():
    assert set(SCHEDULES) == {"steps", "polynomial", "cosine", "one-cycle", "constant"}
    for schedule in SCHEDULES.values():
        factors = [schedule(p, 30) for p in np.linspace(0, 1, 101)]
        assert 0 <= min(factors) and max(factors) == pytest.approx(1)


def test_the_average_by_hand():
    # d = min(0.15, (1 + t) / (10 + t)): 0.1 at first, then 0.15
    w = np.array([2.0, 4.0])
    average = Average({"w": w}, decay=0.15)
    w[:] = 1, 0
    average.update()
    np.testing.assert_allclose(average.arrays["w"], [0.1 * 2 + 0.9 * 1, 0.1 * 4])
    w[:] = 0, 0
    average.update()
    np.testing.assert_allclose(average.arrays["w"], [0.15 * 1.1, 0.15 * 0.4])
    np.testing.assert_array_equal(w, 0)
    assert average.steps == 2


def test_the_average_is_initialized_to_the_weights_and_soon_forgets_them():
    w = np.array([1.0])
    average = Average({"w": w}, decay=0.999)
    assert average.arrays["w"] is not w and average.arrays["w"] == 1
    w[:] = 0
    for _ in range(50):
        average.update()
    assert average.arrays["w"].item() == pytest.approx(math.prod((1 + t) / (10 + t) for t in range(50)), rel=1e-9)
    assert average.arrays["w"].item() < 1e-5  # 0.999^50 would be 0.95


def test_swapping_twice_changes_nothing(rng):
    w = rng.standard_normal(5).astype(np.float32)
    average = Average({"w": w}, decay=0.9)
    w += 1
    live, averaged = w.copy(), average.arrays["w"].copy()
    average.swap()
    np.testing.assert_array_equal(w, averaged)
    np.testing.assert_array_equal(average.arrays["w"], live)
    average.swap()
    np.testing.assert_array_equal(w, live)
    np.testing.assert_array_equal(average.arrays["w"], averaged)
    assert average.arrays["w"].dtype == np.float32
