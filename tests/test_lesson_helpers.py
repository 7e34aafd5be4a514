"""The helpers of the lessons: test images, the path of the weights of 2014, guesses, cells."""

import matplotlib.cbook
import numpy as np
import pytest

from lessons import helpers
from lessons.catalog import cells
from lessons.helpers import mosaic, noisy_shapes, portrait, traffic_light, weights_of_2014


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """(the folder MINIGOOGLENET_CAFFE, the project's datasets/), both empty."""
    (named := tmp_path / "named").mkdir()
    (datasets := tmp_path / "datasets").mkdir()
    monkeypatch.setattr(helpers, "ROOT", tmp_path)
    monkeypatch.setenv("MINIGOOGLENET_CAFFE", str(named))
    return named, datasets


def test_weights_are_found_in_the_named_folder_or_in_datasets(folders, monkeypatch, capsys):
    named, datasets = folders
    for folder in folders:
        (folder / "bvlc_googlenet.caffemodel").touch()
    assert weights_of_2014().parent == named
    monkeypatch.setenv("MINIGOOGLENET_CAFFE", "")
    assert weights_of_2014().parent == datasets
    monkeypatch.delenv("MINIGOOGLENET_CAFFE")
    assert weights_of_2014().parent == datasets
    assert not capsys.readouterr().out


def test_without_weights_one_line_says_how_to_get_them(folders, capsys):
    assert weights_of_2014() is None
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1 and "python -m minigooglenet weights" in printed
    (folders[0] / "googlenet-9.onnx").touch()   # from the last of the sources: the same command would do nothing
    assert weights_of_2014() is None
    assert "weights --from-file bvlc_googlenet.caffemodel\n" in capsys.readouterr().out


def test_the_traffic_light_is_at_the_given_column():
    x = traffic_light(W=512, column=88)
    dark = (x == (35, 38, 40)).all(axis=2)
    assert x.shape == (256, 512, 3) and x.dtype == np.uint8
    assert np.flatnonzero(dark.any(axis=0))[[0, -1]].tolist() == [50, 125]
    assert np.flatnonzero(dark.any(axis=1))[[0, -1]].tolist() == [30, 221]
    assert x[64, 88].tolist() == [235, 40, 30]
    assert np.array_equal(traffic_light()[:, 110:210], traffic_light(W=400, column=180)[:, 130:230])


def test_the_portrait_may_be_missing(monkeypatch):
    def gone(*_, **__):
        raise FileNotFoundError
    monkeypatch.setattr(matplotlib.cbook, "get_sample_data", gone)
    assert portrait() is None


def test_shapes_depend_only_on_the_seed():
    x, y = noisy_shapes(12, seed=1)
    assert x.shape == (12, 32, 32, 3) and x.dtype == np.uint8 and y.tolist() == [*range(10), 0, 1]
    assert np.array_equal(x, noisy_shapes(12, seed=1)[0]) and not np.array_equal(x, noisy_shapes(12, seed=2)[0])


def test_a_mosaic_scales_every_tile():
    tiles = np.random.default_rng(0).normal(size=(5, 2, 3, 3))
    sheet = mosaic(tiles, columns=3)
    assert sheet.shape == (5, 11, 3) and (sheet[2] == 1).all() and (sheet[:, 3] == 1).all()
    np.testing.assert_allclose(sheet[3:, 4:7], (tiles[4] - tiles[4].min()) / np.ptp(tiles[4]))


@pytest.mark.parametrize("guess, outcome, said", [
    (None, 9, "No guess"), (9, 9, "exactly right"), (9.0, 9, "exactly right"), (18, 9, "2.0 times too high"),
    (3, 9, "3.0 times too low"), (8, 9, "11 % too low"), (8.9, 9, "very close"), (-1, 9, "10 too low"),
    ("Yes ", "yes", "right"), ("no", "yes", "Worth finding out why"), ([1], 9, "Worth finding out why")])
def test_compare_accepts_any_guess(guess, outcome, said, capsys):
    helpers.compare("something", guess, outcome)
    assert said in capsys.readouterr().out


def test_cells_know_kind_line_and_tags():
    found = cells('# %% [markdown]\n# # Title\n#\n# text\n\n# %% tags=["figure"]\nx = 1\n\n\n# %%\ny = 2\n')
    assert [(c.kind, c.text, c.line, c.tags) for c in found] == [
        ("markdown", "# Title\n\ntext", 2, ()), ("code", "x = 1", 7, ("figure",)), ("code", "y = 2", 11, ())]
