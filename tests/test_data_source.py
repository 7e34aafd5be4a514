"""Which data set is loaded for which name, and its note."""

from functools import partial

import numpy as np
import pytest

from minigooglenet import data
from minigooglenet.data import cifar, cifar10, shapes10, source
from minigooglenet.data.records import write_folder
from minigooglenet.errors import UserError


@pytest.fixture(autouse=True)
def small_and_offline(monkeypatch):
    monkeypatch.setenv("MINIGOOGLENET_OFFLINE", "1")
    monkeypatch.setattr(shapes10, "load", partial(shapes10.load, train=40, test=20))
    small = cifar.CIFAR10._replace(records=dict.fromkeys(cifar10.FILES, 4))
    monkeypatch.setattr(cifar10, "read", partial(cifar.read, small))


def folder(path, files=5, classes=10):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (4 * files + 4, 32, 32, 3), np.uint8), rng.integers(0, classes, 4 * files + 4)
    write_folder(path, x[4:], y[4:], x[:4], y[:4], [f"class {label}" for label in range(classes)], records=4)
    return path


def test_shapes10_by_name(tmp_path):
    dataset = data.load("shapes10", tmp_path)
    assert dataset.name == "shapes10" and dataset.note is None and dataset.classes == shapes10.CLASSES
    assert dataset.x_train.shape == (40, 32, 32, 3) and dataset.y_test.shape == (20,)
    assert data.load(tmp_path).name == data.load(tmp_path / shapes10.FOLDER).name == "shapes10"


def test_cifar10_by_name_by_folder_and_by_default(tmp_path, monkeypatch):
    inner = folder(tmp_path / cifar10.FOLDER)
    for name in ("cifar10", inner, tmp_path, None):
        dataset = data.load(name, tmp_path)
        assert dataset.name == "cifar10" and len(dataset.y_train) == 20
        assert "not the official checksums" in dataset.note and "\n" not in dataset.note
    monkeypatch.chdir(inner)
    assert data.load(".").name == "cifar10"


def test_an_unreachable_cifar10_is_an_error_by_name_and_shapes10_by_default(tmp_path):
    with pytest.raises(UserError, match="python -m minigooglenet data cifar10 --from-file ARCHIVE"):
        data.load("cifar10", tmp_path)
    dataset = data.load(root=tmp_path)
    assert dataset.name == "shapes10" and "Shapes-10 replaces CIFAR-10" in dataset.note
    assert str(tmp_path) in dataset.note and "\n" not in dataset.note


def test_cifar10_is_fetched_by_default_if_possible(tmp_path, monkeypatch):
    monkeypatch.setattr(source.cifar10, "fetch", lambda root, progress: folder(tmp_path / cifar10.FOLDER))
    assert data.load(root=tmp_path).name == "cifar10"


def test_a_damaged_cifar10_is_not_silently_replaced(tmp_path):
    (folder(tmp_path / cifar10.FOLDER) / "test_batch.bin").write_bytes(b"")
    for name in (None, "cifar10", tmp_path):
        with pytest.raises(UserError, match="test_batch.bin: 0 bytes, expected 12,292"):
            data.load(name, tmp_path)


def test_a_folder_of_your_own(tmp_path):
    dataset = data.load(str(folder(tmp_path / "mushrooms", files=2, classes=12)))
    assert dataset.name == "mushrooms" and dataset.note is None and len(dataset.classes) == 12
    assert len(dataset.y_train) == 8
    for name in (tmp_path / "absent", "cifar-10"):
        with pytest.raises(UserError, match="there is no such folder.*cifar10.*shapes10"):
            data.load(name)


def test_a_folder_that_cannot_be_reached_is_one_line(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UserError, match=r"loop: cannot be read \(Too many levels of symbolic links\)"):
        data.load(tmp_path / "loop")


def test_describe_contains_counts_and_the_note(tmp_path):
    dataset = data.load(root=tmp_path)
    lines = data.describe(dataset).splitlines()
    assert lines[0] == "shapes10: 40 training and 20 test images, 32x32x3, 10 classes"
    assert lines[1].split() == ["0", "circle", "4", "training", "2", "test"]
    assert lines[-1] == f"note: {dataset.note}"
    assert f"{dataset.x_train[..., 1].mean():.2f}" in lines[11]
