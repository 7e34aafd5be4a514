"""Batches: the order depends only on seed and epoch, the start does not matter, and the background thread ends."""

import threading
import time

import numpy as np
import pytest

from minigooglenet.data import Augment, Normalizer, batches, channel_statistics, normalize, steps_per_epoch

x_all = np.random.default_rng(0).integers(0, 256, (53, 8, 8, 3), np.uint8)
y_all = np.arange(53)
x_all.flags.writeable = False


def epoch(start=0, number=2, seed=1, batch=8, kind="crop", **options):
    return list(batches(x_all, y_all, batch, number, seed, Augment(kind), Normalizer.of(x_all), start, **options))


def workers():
    return [thread for thread in threading.enumerate() if thread.name.startswith("batches")]


def test_an_epoch_contains_every_image_once_except_for_the_incomplete_batch():
    steps = epoch()
    assert len(steps) == steps_per_epoch(53, 8) == 6
    for x, y in steps:
        assert x.shape == (8, 8, 8, 3) and x.dtype == np.float32 and y.dtype == np.int64 and y.shape == (8,)
    assert len(set(np.concatenate([y for _, y in steps]))) == 48


def test_a_set_smaller_than_a_batch_is_one_batch():
    (x, y), = epoch(batch=100)
    assert len(x) == 53 and sorted(y) == list(range(53)) and steps_per_epoch(53, 100) == 1


def test_images_keep_their_labels():
    normalizer = Normalizer.of(x_all)
    for x, y in epoch(kind="none"):
        np.testing.assert_array_equal(x, normalizer(x_all[y]))


@pytest.mark.parametrize("kind", ["crop", "paper"])
def test_starting_late_gives_the_same_batches_bit_for_bit(kind):
    whole = epoch(kind=kind)
    for start in range(7):
        rest = epoch(start, kind=kind, ahead=1 + start % 3)
        assert len(rest) == 6 - start
        for (x, y), (x_whole, y_whole) in zip(rest, whole[start:], strict=True):
            assert x.tobytes() == x_whole.tobytes() and y.tobytes() == y_whole.tobytes()


def test_seed_and_epoch_change_the_order_and_the_augmentation():
    first = epoch()
    for other in (epoch(seed=2), epoch(number=3)):
        assert not np.array_equal(first[0][1], other[0][1])
    same = np.broadcast_to(x_all[:1], x_all.shape)          # one image repeated: only the augmentation differs
    views = {x.tobytes() for number in range(3) for x, _ in batches(same, y_all, 8, number, 1, Augment("crop"))}
    assert len(views) == 3 * 6


def test_an_exception_in_the_background_thread_is_raised():
    def fail(x, rng):
        raise ZeroDivisionError("in the background")

    with pytest.raises(ZeroDivisionError, match="in the background"):
        list(batches(x_all, y_all, 8, 0, 0, fail))
    assert not workers()


def test_at_most_two_wait_and_closing_ends_the_thread():
    prepared = []

    def note(x, rng):
        prepared.append(threading.current_thread())
        return x

    stream = batches(x_all, y_all, 4, 0, 0, note)
    assert not prepared                                     # nothing is prepared before the first request
    next(stream)
    deadline = time.monotonic() + 5
    while len(prepared) < 3 and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(0.02)
    assert len(prepared) == 3                               # one taken, two ready, no more
    assert set(prepared) == set(workers()) and threading.current_thread() not in prepared
    stream.close()
    assert not workers() and len(prepared) == 3


def test_channel_statistics_and_normalize():
    mean, std = channel_statistics(x_all)
    np.testing.assert_allclose(mean, x_all.mean(axis=(0, 1, 2)), rtol=1e-13)
    np.testing.assert_allclose(std, x_all.std(axis=(0, 1, 2)), rtol=1e-13)
    for dtype in (np.float32, np.float64):
        x = normalize(x_all, mean, std, dtype)
        assert x.dtype == dtype
        np.testing.assert_allclose(x, (x_all - mean) / std, atol=1e-6 if dtype == np.float32 else 1e-14)
    assert normalize(x_all.astype(np.float64), mean, std).dtype == np.float32
    flat = np.full((2, 4, 4, 3), 7, np.uint8)
    assert (Normalizer.of(flat)(flat) == 0).all()           # a constant channel does not divide by zero
