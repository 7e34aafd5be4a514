"""Classes of different sizes: weights of the loss against finite differences and PyTorch, balanced sampling."""

import dataclasses

import numpy as np
import pytest
from small import NARROW, dataset, differences, learned, same

from minigooglenet.data.batches import balanced_order, batches
from minigooglenet.layers import cross_entropy
from minigooglenet.training import checkpoint
from minigooglenet.training.losses import balanced_cross_entropy, class_weights, weighted_loss
from minigooglenet.training.trainer import Trainer

UNEVEN = np.repeat([0, 1, 3], [60, 30, 6])          # no image of class 2


def test_class_weights_by_hand():
    np.testing.assert_allclose(class_weights(UNEVEN, 5), [96 / (3 * 60), 96 / (3 * 30), 0, 96 / (3 * 6), 0])
    w = class_weights(UNEVEN, 5)
    assert w[UNEVEN].mean() == pytest.approx(1)
    np.testing.assert_array_equal(class_weights(np.arange(12) % 4, 4), 1)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_weighted_loss_is_the_mean_of_the_weighted_losses(rng, smoothing):
    z, labels, w = rng.standard_normal((7, 5)), rng.integers(0, 5, 7), rng.uniform(0.2, 3, 5)
    single = [w[k] * cross_entropy(z[n:n + 1], labels[n:n + 1], smoothing)[0] for n, k in enumerate(labels)]
    assert balanced_cross_entropy(z, labels, smoothing, w)[0] == pytest.approx(np.mean(single), rel=1e-13)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_its_gradient_by_finite_differences(rng, smoothing):
    logits, labels, w = [rng.standard_normal((5, 4)) for _ in range(3)], rng.integers(0, 4, 5), rng.uniform(0.2, 3, 4)

    def loss():
        return weighted_loss(logits, labels, (1.0, 0.3, 0.7), smoothing, w)[0]

    gradients = weighted_loss(logits, labels, (1.0, 0.3, 0.7), smoothing, w)[2]
    h = 1e-5
    for z, dz in zip(logits, gradients, strict=True):
        numeric = np.empty_like(z)
        for index in np.ndindex(z.shape):
            value = z[index]
            z[index] = value + h
            above = loss()
            z[index] = value - h
            numeric[index] = (above - loss()) / (2 * h)
            z[index] = value
        np.testing.assert_allclose(dz, numeric, atol=1e-9)


def test_pytorch_divides_by_the_weights_instead_of_n(rng):
    torch = pytest.importorskip("torch")
    z, labels, w = rng.standard_normal((9, 5)), rng.integers(0, 5, 9), rng.uniform(0.2, 3, 5)
    tz = torch.tensor(z, requires_grad=True)
    expected = torch.nn.functional.cross_entropy(tz, torch.tensor(labels), weight=torch.tensor(w))
    expected.backward()
    loss, dz = balanced_cross_entropy(z, labels, 0.0, w)
    share = w[labels].sum() / len(z)
    assert loss / share == pytest.approx(expected.item(), rel=1e-12)
    np.testing.assert_allclose(dz / share, tz.grad.numpy(), atol=1e-14)


def test_float32_stays_float32_and_parts_of_a_batch_add_up(rng):
    z, labels, w = rng.standard_normal((8, 3)).astype(np.float32), rng.integers(0, 3, 8), rng.uniform(0.2, 3, 3)
    whole, dz = balanced_cross_entropy(z, labels, 0.1, w)
    parts = [balanced_cross_entropy(z[part], labels[part], 0.1, w) for part in (slice(3), slice(3, 8))]
    assert dz.dtype == np.float32 and whole == pytest.approx(3 / 8 * parts[0][0] + 5 / 8 * parts[1][0], rel=1e-6)
    np.testing.assert_allclose(dz, np.concatenate([3 / 8 * parts[0][1], 5 / 8 * parts[1][1]]), rtol=1e-5)


def test_every_class_is_drawn_as_often_and_every_image_of_it():
    y = np.random.default_rng(3).permutation(UNEVEN)
    drawn = np.concatenate([balanced_order(y, np.random.default_rng([5, epoch])) for epoch in range(300)])
    assert len(drawn) == 300 * 96
    share = np.bincount(y[drawn], minlength=5) / len(drawn)
    np.testing.assert_allclose(share, [1 / 3, 1 / 3, 0, 1 / 3, 0], atol=0.012)
    times = np.bincount(drawn, minlength=96) * 3 / len(drawn)           # 1 / n_c each
    for label, n in ((0, 60), (1, 30), (3, 6)):
        np.testing.assert_allclose(times[y == label] * n, 1, atol=0.35)


def test_balanced_batches_start_anywhere():
    x = np.random.default_rng(0).integers(0, 256, (96, 4, 4, 3), np.uint8)
    whole = list(batches(x, UNEVEN, 16, 2, 7, balanced=True))
    late = list(batches(x, UNEVEN, 16, 2, 7, start=4, balanced=True))
    plain = list(batches(x, UNEVEN, 16, 2, 7))
    assert len(whole) == 6 and len(late) == 2
    for (a, b), (c, d) in zip(whole[4:], late, strict=True):
        assert a.tobytes() == c.tobytes() and np.array_equal(b, d)
    assert not np.array_equal(whole[0][1], plain[0][1])


def uneven():
    data = dataset(48)
    keep = np.sort(np.concatenate([np.flatnonzero(data.y_train == k)[:1 if k < 5 else 9] for k in range(10)]))
    return dataclasses.replace(data, x_train=data.x_train[keep], y_train=data.y_train[keep])


def test_the_setting_changes_the_weights_in_two_ways():
    results = []
    for balance in ("none", "loss", "sampling"):
        trainer = Trainer(NARROW.but(balance=balance, epochs=1), uneven())
        trainer.run()
        results.append(learned(trainer))
    assert not same(results[0], results[1]) and not same(results[0], results[2]) and not same(results[1], results[2])


@pytest.mark.parametrize("balance", ["loss", "sampling"])
def test_a_resumed_run_is_the_same_bit_for_bit(tmp_path, balance):
    config, data = NARROW.but(balance=balance, epochs=2), uneven()
    Trainer(config, data, tmp_path / "whole").run()
    stopped = Trainer(config, data, tmp_path / "parts")
    assert not stopped.run(stop=lambda: stopped.step == 2)
    resumed = Trainer(config, data, tmp_path / "parts")
    resumed.restore(checkpoint.load(tmp_path / "parts"))
    assert resumed.step == 2 and resumed.run()
    assert differences(tmp_path / "whole", tmp_path / "parts") == []
