"""Shapes-10: reproducible images, correct shapes, and classes that a linear classifier cannot separate."""

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest

from minigooglenet.data import shapes10
from minigooglenet.data.records import read_folder
from minigooglenet.data.shapes10 import CLASSES, FOLDER, SHAPES, draw, load


@pytest.fixture(scope="module")
def drawn():
    return draw(2000, split=0), draw(1000, split=1)


def test_form(drawn):
    for (x, y), N in zip(drawn, (2000, 1000), strict=True):
        assert x.shape == (N, 32, 32, 3) and x.dtype == np.uint8 and y.dtype == np.int64
        assert np.bincount(y).tolist() == [N // 10] * 10
    assert len(CLASSES) == len(set(CLASSES)) == 10


def test_the_seed_determines_the_images_in_every_process():
    x, y = draw(60, seed=3)
    digest = hashlib.sha256(x.tobytes() + y.tobytes()).hexdigest()
    code = ("import hashlib; from minigooglenet.data.shapes10 import draw; x, y = draw(60, seed=3);"
            "print(hashlib.sha256(x.tobytes() + y.tobytes()).hexdigest())")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == digest
    for other in (draw(60, seed=4), draw(60, seed=3, split=1)):
        assert not np.array_equal(x, other[0])


def test_training_and_test_images_differ(drawn):
    assert not {x.tobytes() for x in drawn[0][0]} & {x.tobytes() for x in drawn[1][0]}


@pytest.mark.parametrize("name", CLASSES)
def test_distances_are_distances(name):
    """Positive inside, negative in the corners, with a slope of at most 1."""
    v, u = np.mgrid[-1.2:1.2:97j, -1.2:1.2:97j]
    d = SHAPES[name](u, v)
    assert 0.1 < d.max() < 1 and d[0].max() < 0 and d[:, -1].max() < 0
    assert max(np.abs(np.diff(d, axis=axis)).max() for axis in (0, 1)) <= 2.4 / 96 + 1e-12
    assert 0.3 < (d > 0).mean() * 2.4 ** 2 < 2.3            # area, in squares of the radius


@pytest.mark.parametrize("name, spread", [("circle", 1 / (2 * np.pi)), ("square", 1 / 6), ("triangle", 3 ** -1.5)])
def test_shapes_match_their_names(name, spread):
    """The mean squared distance from the center of mass, over the area: an invariant of the shape under rotation."""
    v, u = np.mgrid[-1:1:257j, -1:1:257j]
    inside = SHAPES[name](u, v) > 0
    assert (np.var(u[inside]) + np.var(v[inside])) / (4 * inside.mean()) == pytest.approx(spread, rel=0.01)


def test_a_linear_classifier_stays_far_below_half(drawn):
    (x, y), (x_test, y_test) = drawn
    A, B = (np.append(a.reshape(len(a), -1) / 255 - 0.5, np.ones((len(a), 1)), axis=1) for a in (x, x_test))
    target = np.eye(10)[y]
    for ridge in (3.0, 300.0):          # (A A^T + ridge) alpha = target, the form for fewer images than pixels
        w = A.T @ np.linalg.solve(A @ A.T + ridge * np.eye(len(A)), target)
        assert ((B @ w).argmax(axis=1) == y_test).mean() < 0.3


def test_neither_brightness_nor_color_reveals_the_class(drawn):
    (x, y), _ = drawn
    means = np.array([x[y == label].mean(axis=(0, 1, 2)) for label in range(10)])
    assert np.ptp(means, axis=0).max() < 12


def test_cached_in_the_binary_format(tmp_path, monkeypatch):
    data, note = load(tmp_path, train=70, test=20)
    assert note is None and data[4] == CLASSES
    for first, second in zip(data, read_folder(tmp_path / FOLDER), strict=True):
        np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(data[0], draw(70)[0])
    np.testing.assert_array_equal(data[2], draw(20, split=1)[0])
    monkeypatch.setattr(shapes10, "draw", lambda *_, **__: pytest.fail("drawn again"))
    np.testing.assert_array_equal(load(tmp_path, train=70, test=20)[0][0], data[0])


@pytest.mark.parametrize("damage", [
    lambda folder: (folder / "test_batch.bin").unlink(),
    lambda folder: (folder / "data_batch_1.bin").write_bytes(b"\x0a" * 3073),
    lambda folder: (folder / "drawn.json").write_text("{"),
    lambda folder: (folder / "drawn.json").write_text("[" * 60_000),
    lambda folder: (folder / "drawn.json").write_text("[" * 70_000),
    lambda folder: (folder / "drawn.json").write_bytes(b"\xff"),
    lambda folder: (folder / "drawn.json").write_text(json.dumps({"recipe": 0})),
    lambda folder: (folder / "data_batch_2.bin").write_bytes((folder / "data_batch_1.bin").read_bytes()),
], ids=["missing", "label 10", "half json", "deep", "long", "not text", "old recipe", "one file too many"])
def test_a_damaged_or_outdated_cache_is_regenerated(tmp_path, damage):
    data, _ = load(tmp_path, train=30, test=20)
    damage(tmp_path / FOLDER)
    again, note = load(tmp_path, train=30, test=20)
    assert note is None
    for first, second in zip(data, again, strict=True):
        np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(read_folder(tmp_path / FOLDER)[0], data[0])


def test_an_unwritable_cache_is_not_an_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    data, note = load(tmp_path / "file", train=20, test=10)
    assert len(data[0]) == 20 and "not cached" in note and "\n" not in note
