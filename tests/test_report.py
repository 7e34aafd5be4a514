"""evaluate --report: the page, report.json and predictions.npz, for every kind of run."""

import contextlib
import dataclasses
import io
import json
import re

import numpy as np
import pytest
import small
from PIL import Image

from minigooglenet.cli import main
from minigooglenet.data import Dataset, Normalizer, shapes10
from minigooglenet.errors import UserError
from minigooglenet.figures import evaluation
from minigooglenet.inference import metrics
from minigooglenet.report import evidence
from minigooglenet.report.facts import confusions, facts, mistakes
from minigooglenet.report.write import check_folder, write_report
from minigooglenet.training import checkpoint
from minigooglenet.training.config import Config
from minigooglenet.training.evaluate import probabilities
from minigooglenet.training.finetune import Base, FineTuner
from minigooglenet.training.network import build, restore
from minigooglenet.training.trainer import Trainer

ODD = '<b> & "$x^2$"\x1b', "猫", "empty"


def folder(place, size=32):
    """PNG files of three classes with odd names, some gray; one has no test images."""
    x, y = shapes10.draw(120, 1, split=0)
    for k, name in enumerate(ODD):
        for i, image in enumerate(x[y == k][:9]):
            part = place / ("train" if i < 5 or k == 2 else "test") / name
            part.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).convert("L" if i % 2 else "RGB").resize((size, size)).save(part / f"<i>{i}.png")
    return place


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of a narrow network on images of three classes, its images, and its report."""
    place = tmp_path_factory.mktemp("report")
    folder(place / "images")
    settings = ["--size", 32, "--width", 0.05, "--epochs", 1, "--batch", 5, "--out", place / "run", "--json"]
    assert main(list(map(str, ["train", "--data", place / "images", "--datasets", place / "datasets", *settings]))) == 0
    evaluate = ["evaluate", "--run", place / "run", "--datasets", place / "datasets", "--report", place / "page"]
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        assert main(list(map(str, evaluate))) == 0
    (place / "printed").write_text(output.getvalue())
    return place


def values(place):
    return json.loads((place / "page" / "report.json").read_text())


def test_the_values_are_those_of_the_saved_probabilities(run, capsys):
    found, saved = values(run), np.load(run / "page" / "predictions.npz")
    p, y, table = saved["p"], saved["y"], (run / "printed").read_text()
    assert found["accuracy"] == pytest.approx((p.argmax(axis=1) == y).mean()) and len(y) == 8 == found["test_images"]
    assert found["nll"] == pytest.approx(metrics.negative_log_likelihood(p, y))
    assert found["by_class"][1]["recall"] is None and found["by_class"][1]["images"] == 0  # empty
    assert found["classes"] == sorted(ODD)
    assert "\x1b" not in table and "\\x1b" in table
    assert sum(map(sum, found["confusion_matrix"])) == sum(row["images"] for row in found["reliability"]) == 8
    for case in found["mistakes"]:
        assert case["predicted"] == p[case["image"]].argmax() != case["label"] == y[case["image"]]
        assert case["file"].startswith("test/") and all(row["file"].startswith("train/") for row in case["nearest"])
        assert len(case["nearest"]) == 4
    assert len(found["mistakes"]) == 8 - found["correct"] > 0
    assert "trained on these labels" in found["suspects"]["training"]
    assert main(["evaluate", "--weights", str(run / "run"), "--datasets", str(run / "datasets"), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert {name: printed[name] for name in ("interval", "nll", "ece")} == {
        name: found[name] for name in ("interval", "nll", "ece")}


def test_the_page_is_one_safe_file(run):
    text = (run / "page" / "index.html").read_text()
    assert "<script" not in text and not re.search(r'(?:src|srcset|href)="(?!data:|#)', text)
    assert "default-src 'none'" in text
    assert "<b> &" not in text and "&lt;b&gt; &amp; &quot;$" in text        # names are escaped
    assert "\x1b" not in text and "<i>" not in text
    images = re.findall(r"<img [^>]*>", text)
    assert len(images) > 2 and all(re.search(r'alt="[^"]+"', image) for image in images)
    assert all(f'href="#{name}"' in text for name in re.findall(r'<section id="(\w+)"', text))
    assert text.count('<table><thead>') == 2 and 'scope="col"' in text


def test_a_report_replaces_a_report_and_nothing_else(run, tmp_path, capsys):
    check_folder(run / "page")
    check_folder(tmp_path / "new" / "folder")
    assert not (tmp_path / "new").exists()
    (tmp_path / "index.html").write_text("my home page")
    with pytest.raises(UserError, match=r"index.html: a page that is not a report; choose another folder"):
        check_folder(tmp_path)
    assert main(["evaluate", "--run", str(run / "run"), "--report", str(tmp_path / "index.html")]) == 2
    assert "index.html: a file, needs a folder for the report" in capsys.readouterr().err
    assert (tmp_path / "index.html").read_text() == "my home page"


def written(tmp_path, config, data, progress=None, base=None):
    """report.json of an untrained network of ``config``."""
    shape = data.x_test.shape[1:]
    net = build(config, len(data.classes), shape, np.random.default_rng(3))
    normalizer = Normalizer.of(data.x_train)
    checkpoint.save(tmp_path / "run", config=config, classes=data.classes, dataset=data.name, normalizer=normalizer,
                    input_shape=shape, generator=dict(np.random.default_rng().bit_generator.state),
                    progress={"source": "here", "step": 0, "seconds": 0, "sums": {}, "history": []},
                    groups={"weights": net.parameters(), "state": net.state()})
    loaded = checkpoint.load(tmp_path / "run")
    p = probabilities(restore(loaded), data.x_test, normalizer)
    return write_report(tmp_path / "page", loaded, restore(loaded), data, p, 1, tmp_path / "cache")


@pytest.mark.parametrize("model", ["lenet5", "nin-cifar"])
def test_networks_without_class_activation_maps(tmp_path, model):
    data = small.dataset(12, 6)
    found = written(tmp_path, Config(model=model, width=0.1, norm="batch", heads=False), data)
    assert found["model"] == model and (tmp_path / "page" / "index.html").stat().st_size > 50_000


@pytest.mark.parametrize("size, K", [(16, 2), (40, 30)])
def test_tiny_images_and_many_classes(tmp_path, rng, size, K):
    x = rng.integers(0, 256, (2 * K, size, size, 3), dtype=np.uint8)
    y = np.arange(2 * K) % K
    data = Dataset("random", x, y, x[:K], y[:K][::-1], [f"class {k}" for k in range(K)])
    found = written(tmp_path, Config(width=0.05, size=size, heads=False), data)
    assert found["test_images"] == K and len(found["by_class"]) == K
    text = (tmp_path / "page" / "index.html").read_text()
    assert ("small" in re.findall(r'<ul class="cards([^"]*)"', text)[0]) == (size <= 64)


def test_all_right_and_all_wrong():
    p = np.array([[0.9, 0.1], [0.2, 0.8]])
    right, wrong = (facts(p, np.array(y), ["a", "b"]) for y in ([0, 1], [1, 0]))
    assert right["accuracy"] == 1 and right["confusions"] == [] and wrong["macro"]["f1"] == 0
    assert wrong["confusions"] == [{"label": 0, "predicted": 1, "images": 1}, {"label": 1, "predicted": 0, "images": 1}]
    assert mistakes(p, np.array([1, 0])).tolist() == [0, 1] and mistakes(p, np.array([0, 1])).tolist() == []
    assert confusions(np.array([[5, 2, 0], [7, 1, 0], [0, 2, 2]]), 2) == [
        {"label": 1, "predicted": 0, "images": 7}, {"label": 0, "predicted": 1, "images": 2}]
    json.dumps(facts(p[:1], np.array([0]), ["a", "b"]), allow_nan=False)


def test_nearest_images_are_those_of_the_features(rng):
    data, config = small.dataset(30, 8), Config(width=0.05, heads=False, norm="lrn")
    net, normalizer = build(config, 10, (32, 32, 3), rng), Normalizer.of(data.x_train)
    searched = evidence.Searched(net, normalizer, data)
    layers = dict(list(net.children.items())[:-1])
    f = [evidence.Sequential(layers).predict(normalizer(x)) for x in (data.x_test, data.x_train)]
    expected = np.array([[a @ b / np.sqrt((a @ a) * (b @ b)) for b in f[1]] for a in f[0]])
    for row, best in zip(expected, searched.nearest(data.x_test, 3), strict=True):
        assert [i for i, _ in best] == np.argsort(-row)[:3].tolist()
        np.testing.assert_allclose([s for _, s in best], np.sort(row)[::-1][:3], atol=1e-4)
    itself = searched.nearest(data.x_train[[4, 9]], 2, but=np.array([4, 9]))
    assert [best[0][0] for best in searched.nearest(data.x_train[[4, 9]])] == [4, 9]
    assert all(i not in (4, 9)[n:n + 1] for n, best in enumerate(itself) for i, _ in best)


def test_a_wrong_training_label_of_a_finetuned_run_is_found(tmp_path, rng):
    """The features come from fine-tuning's cache, and the classifiers of the folds have not seen the label."""
    level = np.array([40, 120, 200])
    y = np.arange(36) % 3
    x = np.clip(level[y][:, None, None, None] + rng.normal(0, 12, (36, 32, 32, 3)), 0, 255).astype(np.uint8)
    labels = y.copy()
    labels[5] = 0                                                   # a 2 is labeled 0
    data = Dataset("levels", x[:30], labels[:30], x[30:], labels[30:], ["dark", "middle", "bright"])
    config = Config(width=0.05, norm="lrn", heads=False, average=0, augment="none", size=32)
    net, normalizer = build(config, 10, (32, 32, 3), rng), Normalizer.of(data.x_train)
    tuner = FineTuner(config, data, normalizer, None, tmp_path / "cache", tmp_path / "run")
    tuner.start_from(Base("base", config, 32, net.parameters() | net.state(), normalizer))
    tuner.fit_classifier()
    loaded = checkpoint.load(tmp_path / "run")
    loaded.progress["finetune"]["C"] = 100.0
    caches = {path: path.stat().st_size for path in (tmp_path / "cache").glob("*/rows")}
    p = probabilities(restore(loaded), data.x_test, normalizer)
    found = write_report(tmp_path / "page", loaded, restore(loaded), data, p, 1, tmp_path / "cache")
    first = found["suspects"]["training"]["shown"][0]
    assert (first["image"], first["label"], first["predicted"]) == (5, 0, 2)
    assert 5 not in [row["image"] for row in first["nearest"]]
    assert list(caches) == list((tmp_path / "cache").glob("*/rows"))         # no other cache was made
    other = dataclasses.replace(data, x_train=x[:3], y_train=labels[:3])
    found = write_report(tmp_path / "page", loaded, restore(loaded), other, p, 1, tmp_path / "cache")
    assert found["suspects"]["training"] == "Not computed, because a class has a single training image."


def test_the_figures_fit(rng):
    for K in (2, 10, 30, 300):
        counts = rng.integers(0, 40, (K, K))
        counts[-1] = 0
        figure = evaluation.confusion_matrix(counts, [f"class {k}" for k in range(K)], dark=K == 10)
        assert 2 < figure.get_figwidth() < 14
        numbers = [text.get_text() for text in figure.axes[0].texts]
        assert numbers == ([f"{n:,}" for n in counts.ravel() if n] if K <= 20 else [])
    names = [label.get_text() for label in evaluation.confusion_matrix(
        np.eye(3, dtype=int), ODD).axes[0].get_yticklabels()]
    assert names == [ODD[0].replace("\x1b", "\\x1b"), "class 1", "empty"]      # the font has no 猫


def test_a_run_of_train_has_a_report(tmp_path, capsys):
    data = small.folder(tmp_path / "data", 24, 10)
    Trainer(small.NARROW, small.dataset(24, 10), tmp_path / "run", source=str(data)).save()
    assert main(["evaluate", "--run", str(tmp_path / "run"), "--report", str(tmp_path / "page")]) == 0
    printed = capsys.readouterr().out
    assert "95 % interval: " in printed and f"{tmp_path / 'page' / 'index.html'}: the report" in printed
    found = json.loads((tmp_path / "page" / "report.json").read_text())
    assert found["test_images"] == 10 and all(case["file"] is None for case in found["mistakes"])
