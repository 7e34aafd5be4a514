"""The ablation tables: crops, models, and parts of the network."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import small
from PIL import Image

from minigooglenet.cli import main
from minigooglenet.data.crops import small_crops
from minigooglenet.errors import UserError
from minigooglenet.inference.ablation import PAPER, error, evaluate_images, evaluate_photos, table
from minigooglenet.inference.classifier import Classifier
from minigooglenet.training.trainer import Trainer
from minigooglenet.training.variants import ABLATIONS, runs, size

CAFFE, PHOTOS = os.environ.get("MINIGOOGLENET_CAFFE"), os.environ.get("MINIGOOGLENET_PHOTOS")
OPTIONS = ["--width", "0.05", "--epochs", "1", "--batch", "8", "--lr", "0.05"]


def brightness(scale):
    """A Classifier of two classes by the mean of the upper half, which mirroring preserves and shifting changes."""
    def probabilities(x):
        p = 1 / (1 + np.exp(-scale * (x[:, :16].mean(axis=(1, 2, 3)) - 128)))
        return np.stack([p, 1 - p], axis=1)
    return Classifier(f"brightness {scale}", 32, ["bright", "dark"], probabilities)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """The folder of two networks, trained for a few steps."""
    folder = tmp_path_factory.mktemp("models")
    data = small.folder(folder / "shapes", test=30)
    for i in (1, 2):
        Trainer(small.NARROW.but(epochs=1, sampling_seed=i), small.dataset(test=30), folder / f"model-{i}",
                source=str(data)).run()
    return folder


# -- the table ---------------------------------------------------------------------------------------------------------


def test_error():
    p = np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7], [0.4, 0.4, 0.2]])
    assert error(p, np.array([0, 2, 0])) == 0
    assert error(p, np.array([1, 0, 1])) == 1                       # of equal probabilities, the first is predicted
    assert error(p, np.array([1, 0, 1]), top=2) == pytest.approx(1 / 3)
    assert error(p, np.array([2, 0, 2]), top=3) == 0


def test_table_by_hand():
    y = np.array([0, 0, 1])
    one = np.array([[0.9, 0.1], [0.4, 0.6], [0.4, 0.6]])            # wrong on the second
    two = np.array([[0.2, 0.8], [0.9, 0.1], [0.1, 0.9]])            # wrong on the first
    rows = table({1: np.stack([one, two]), 10: np.stack([one, one])}, y)
    shown = [(row["models"], row["crops"], row["cost"]) for row in rows]
    assert shown == [(1, 1, 1), (1, 10, 10), (2, 1, 2), (2, 10, 20)]
    assert [row["top1"] for row in rows] == pytest.approx([1 / 3, 1 / 3, 0, 1 / 3])
    assert rows[0]["singles"] == pytest.approx([1 / 3, 1 / 3]) and rows[2]["singles"] is None
    assert rows[0]["paper"] == 0.1007 and rows[2]["paper"] is None
    assert rows[0]["top5"] is None                                  # of two classes


def test_one_model_has_no_rows_for_an_ensemble():
    rows = table({144: np.full((1, 4, 30), 1 / 30)}, np.arange(4))
    assert [(row["models"], row["crops"]) for row in rows] == [(1, 144)] and rows[0]["top5"] == 0


def test_paper():
    errors = [100 * PAPER[models, crops] for models in (1, 7) for crops in (1, 10, 144)]
    assert errors == pytest.approx([10.07, 9.15, 7.89, 8.09, 7.62, 6.67])


def test_each_distinct_crop_is_evaluated_once(rng):
    x, seen = rng.integers(0, 256, (5, 32, 32, 3), np.uint8), []
    inner = brightness(0.1)
    spy = Classifier("spy", 32, inner.labels, lambda x: seen.append(len(x)) or inner.probabilities(x))
    done = []
    found = evaluate_images([spy, brightness(0.3)], x, on_images=done.append)
    assert sum(seen) == 5 * (1 + 10 + 38) and sum(done) == 2 * 3 * 5
    assert {number: p.shape for number, p in found.items()} == {number: (2, 5, 2) for number in (1, 10, 144)}
    for number, p in found.items():
        by_hand = sum(count * inner.probabilities(crop) for crop, count in small_crops(x, number)) / number
        np.testing.assert_allclose(p[0], by_hand, rtol=1e-9)
    assert np.abs(found[10] - found[1]).max() > 1e-4


def test_photos_are_evaluated_by_every_model(tmp_path, rng):
    for name in "ab":
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(tmp_path / f"{name}.png")
    files = [tmp_path / "a.png", tmp_path / "b.png"]
    found = evaluate_photos([brightness(0.1), brightness(0.3)], files, (1, 10))
    assert found[1].shape == (2, 2, 2)
    x = np.stack([np.asarray(Image.open(file)) for file in files])
    np.testing.assert_allclose(found[10], evaluate_images([brightness(0.1), brightness(0.3)], x, [10])[10])


def test_command_on_an_ensemble(models, tmp_path, capsys):
    figure = tmp_path / "out" / "crops.png"
    assert main(["ablation", "--ensemble", str(models), "--images", "20", "--crops", "10", "1", "--json", "--figure",
                 str(figure)]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["images"] == 20 and answer["on"] == "shapes"
    assert [(model["seed"], model["sampling_seed"]) for model in answer["models"]] == [(0, 1), (0, 2)]
    assert [(row["models"], row["crops"]) for row in answer["rows"]] == [(1, 1), (1, 10), (2, 1), (2, 10)]
    assert len(answer["rows"][0]["singles"]) == 2
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert main(["ablation", "--ensemble", str(models), "--images", "20", "--crops", "1"]) == 0
    said = capsys.readouterr().out
    assert "error on 20 images" in said and f"{answer['rows'][0]['top1']:.2%}" in said and "10.07%" in said
    assert "the mean of 2" in said


def test_command_on_photos(models, tmp_path, capsys):
    dataset = small.dataset(test=30)
    for i in range(4):
        Image.fromarray(dataset.x_test[i]).save(tmp_path / f"{i}.png")
    (tmp_path / "labels.csv").write_text("file,label\n" + "".join(f"{i}.png,{dataset.y_test[i]}\n" for i in range(4)))
    command = ["ablation", "--weights", str(models), "--crops", "1", "--json"]
    assert main([*command, "--photos", str(tmp_path)]) == 0
    photos = json.loads(capsys.readouterr().out)
    assert main([*command, "--images", "4"]) == 0
    images = json.loads(capsys.readouterr().out)
    assert photos["rows"] == images["rows"] and photos["images"] == 4


def test_command_without_anything(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["ablation"]) == 2
    assert "train one with: python -m minigooglenet ensemble" in capsys.readouterr().err
    assert main(["ablation", "--kind", "heads", "--photos", "x"]) == 2


@pytest.mark.skipif(not (CAFFE and PHOTOS), reason="MINIGOOGLENET_CAFFE or MINIGOOGLENET_PHOTOS names no folder")
def test_real_photos(capsys):
    weights = Path(CAFFE) / "bvlc_googlenet.caffemodel"
    assert main(["ablation", "--weights", str(weights), "--photos", PHOTOS, "--crops", "1", "--json"]) == 0
    row, = json.loads(capsys.readouterr().out)["rows"]
    expected = json.loads((Path(PHOTOS) / "expected.json").read_text())
    for key, top in (("top1", 1), ("top5", 5)):
        wrong = [photo["label"] not in [k for k, _ in photo["top5"][:top]] for photo in expected]
        assert row[key] == pytest.approx(np.mean(wrong))


# -- with and without --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ABLATIONS)
def test_variants_differ_in_one_thing(kind):
    planned = runs(kind, small.NARROW, 2)
    assert len(planned) == 4
    for seed in (0, 1):
        one, two = (config for _, config in planned.values() if config.seed == seed)
        assert len(one.differences(two).split(";")) == 1


def test_variants_of_another_model_are_refused():
    with pytest.raises(UserError, match="not of lenet5"):
        runs("gap", small.NARROW.but(model="lenet5"), 1)


def test_sizes_of_the_variants():
    """At width 1/4 the maps before the end are 4 × 4 × 256, and the fully connected layer has 256 units."""
    base = small.NARROW.but(width=0.25)

    def sizes(kind):
        return [size(base.but(**changes), 10, (32, 32, 3)) for changes in ABLATIONS[kind].variants.values()]

    (gap, gap_macs), (fc, fc_macs) = sizes("gap")
    assert fc_macs - gap_macs == 4 * 4 * 256 * 256 and fc - gap == 4 * 4 * 256 * 256 + 256
    with_heads, without = sizes("heads")
    assert with_heads == without                                   # of the network in use
    (_, reduced), (_, naive) = sizes("reductions")
    assert naive > 5 * reduced


def test_command_on_variants(tmp_path, capsys):
    data, out = small.folder(tmp_path / "shapes"), tmp_path / "runs"
    command = ["ablation", "--kind", "gap", "--data", str(data), "--out", str(out), *OPTIONS]
    assert main([*command, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["kind"], answer["epochs"], answer["dataset"]) == ("gap", 1, "shapes")
    assert [(row["variant"], row["seed"]) for row in answer["rows"]] == [("average pool", 0), ("fully connected", 0)]
    assert answer["rows"][0]["parameters"] < answer["rows"][1]["parameters"]
    assert {path.name for path in out.iterdir()} == {"average-pool-seed-0", "fully-connected-seed-0"}
    before = (out / "average-pool-seed-0" / "checkpoint.safetensors").stat().st_mtime_ns
    assert main(["ablation", "--kind", "gap", "--out", str(out), "--seeds", "2"]) == 0     # settings of the first run
    lines = capsys.readouterr().out.splitlines()
    assert (out / "average-pool-seed-0" / "checkpoint.safetensors").stat().st_mtime_ns == before
    assert len(list(out.iterdir())) == 4 and sum("mean" in line for line in lines) == 2
    first = next(line for line in lines if line.startswith("  average pool"))
    assert f"{answer['rows'][0]['test_accuracy']:.2%}" in first
