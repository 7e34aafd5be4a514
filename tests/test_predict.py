"""Classification of photos: from the command line, with Caffe's weights, converted weights and training runs."""

import dataclasses
import json
import os
from pathlib import Path

import caffe_writer as caffe
import numpy as np
import pytest
import small
from PIL import Image

from minigooglenet.cli import main
from minigooglenet.commands.predict import bar, judged
from minigooglenet.data.photos import open_photo
from minigooglenet.errors import UserError
from minigooglenet.inference import classifier
from minigooglenet.layers import softmax
from minigooglenet.models import googlenet
from minigooglenet.training.evaluate import probabilities
from minigooglenet.training.trainer import Trainer
from minigooglenet.weights import safetensors_io
from minigooglenet.weights.caffemodel import TRUNK, our_path
from minigooglenet.weights.convert import convert, read_converted
from minigooglenet.weights.fetch import FILE

CAFFE, PHOTOS = os.environ.get("MINIGOOGLENET_CAFFE"), os.environ.get("MINIGOOGLENET_PHOTOS")
CLASSES = 7


@pytest.fixture(scope="module")
def net():
    return googlenet("bvlc", classes=CLASSES, heads=False, rng=np.random.default_rng(7))


@pytest.fixture(scope="module")
def weights(net, tmp_path_factory):
    """``net`` in Caffe's format."""
    layers, arrays = {}, net.parameters()
    for name in TRUNK:
        w, b = (arrays[f"{our_path(name)}/{key}"] for key in "wb")
        layers[name] = [w.transpose(3, 2, 0, 1) if w.ndim == 4 else w.T, b]
    path = tmp_path_factory.mktemp("weights") / FILE
    path.write_bytes(caffe.net(layers))
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A training run of a few steps."""
    folder = tmp_path_factory.mktemp("run") / "model"
    trainer = Trainer(small.NARROW.but(epochs=1), small.dataset(), folder)
    trainer.run()
    trainer.average.swap()          # inference uses the averaged weights
    return folder, trainer


@pytest.fixture
def photo(tmp_path, rng):
    path = tmp_path / "photo.png"
    Image.fromarray(rng.integers(0, 256, (280, 300, 3), np.uint8)).save(path)
    return path


def test_caffe_weights_expect_bgr_minus_the_mean(net, weights, rng):
    x = rng.integers(0, 256, (2, 224, 224, 3), np.uint8)
    blue_first = x[..., [2, 1, 0]].astype(np.float32) - np.array([104, 117, 123], np.float32)
    found = classifier.load_caffe(weights)
    assert found.size == 224 and found.labels == [f"class {k}" for k in range(CLASSES)]
    np.testing.assert_allclose(found.probabilities(x), softmax(net.predict(blue_first)), rtol=1e-5)


def test_photo_uses_the_center_crop(weights, photo):
    found = classifier.load_caffe(weights)
    image = open_photo(photo)
    center = np.asarray(image.resize((274, 256), Image.Resampling.BICUBIC))[16:240, 25:249]
    np.testing.assert_allclose(found.photo(image), found.probabilities(center[None])[0], rtol=1e-5)
    assert np.abs(found.photo(image, 10) - found.photo(image)).max() > 1e-6


def test_converted_weights_are_the_same(weights, photo, tmp_path, capsys):
    target = tmp_path / "new" / "net.safetensors"
    assert main(["convert", str(weights), str(target), "--no-heads"]) == 0
    said = capsys.readouterr().out
    assert f"{sum(a.size for a in read_converted(target).values()):,} parameters, without auxiliary classifiers" in said
    assert "BGR minus [104.0, 117.0, 123.0]" in said
    image = open_photo(photo)
    np.testing.assert_array_equal(classifier.open_weights(target).photo(image),
                                  classifier.open_weights(weights).photo(image))


def test_weights_with_other_preprocessing_are_refused(weights, tmp_path):
    target = tmp_path / "net.safetensors"
    convert(weights, target)
    arrays, metadata = safetensors_io.load(target)
    safetensors_io.save(target, arrays, metadata | {"channels": "RGB"})
    with pytest.raises(UserError, match="channels is 'RGB', expected 'BGR'"):
        classifier.open_weights(target)
    safetensors_io.save(target, arrays)
    with pytest.raises(UserError, match="not the weights of a known network"):
        classifier.open_weights(target)


def test_convert_writes_safetensors_only(weights, tmp_path):
    with pytest.raises(UserError, match=r"ends in \.safetensors"):
        convert(weights, tmp_path / "net.npz")


def test_json_and_a_file_that_is_not_an_image(weights, photo, tmp_path, capsys):
    text, missing = tmp_path / "words.txt", tmp_path / "missing.jpg"
    text.write_text("not an image")
    code = main(["predict", str(text), str(photo), str(missing), str(photo), "--weights", str(weights), "--json"])
    out, err = capsys.readouterr()
    assert code == 2
    first, second = small.without_engine(err)
    assert "words.txt" in first and "missing.jpg" in second
    answers = json.loads(out)
    assert [set(answer) for answer in answers] == [{"photo", "top5"}] * 2
    assert answers[0] == answers[1] and answers[0]["photo"] == str(photo)
    top = answers[0]["top5"]
    p = classifier.load_caffe(weights).photo(open_photo(photo))
    assert [row["class"] for row in top] == list(np.argsort(-p)[:5])
    for row in top:
        assert set(row) == {"class", "label", "probability"} and row["label"] == f"class {row['class']}"
        assert row["probability"] == pytest.approx(p[row["class"]])


def test_a_folder(weights, tmp_path, rng, capsys):
    (folder := tmp_path / "photos").mkdir()
    for name, size in (("b.png", (240, 300)), ("a.JPG", (300, 230)), ("c", (64, 64))):
        Image.fromarray(rng.integers(0, 256, (*size, 3), np.uint8)).save(folder / name, "PNG")
    for name in (".hidden.png", "notes.txt", "Thumbs.db"):
        (folder / name).write_text("text")
    (folder / "sub").mkdir()
    options = ["--weights", str(weights), "--json"]
    assert main(["predict", str(folder), *options]) == 0
    together = json.loads(capsys.readouterr().out)
    assert [Path(answer["photo"]).name for answer in together] == ["a.JPG", "b.png", "c"]
    for answer in together:                                         # a batch gives what each photo alone gives
        assert main(["predict", answer["photo"], *options]) == 0
        alone, = json.loads(capsys.readouterr().out)
        assert [row["class"] for row in alone["top5"]] == [row["class"] for row in answer["top5"]]
        np.testing.assert_allclose([row["probability"] for row in alone["top5"]],
                                   [row["probability"] for row in answer["top5"]], rtol=1e-4)
    (folder / "a.JPG").write_text("damaged")
    assert main(["predict", str(folder), *options[:2]]) == 2
    out, err = capsys.readouterr()
    assert "b.png" in out and "a.JPG" not in out
    line, = small.without_engine(err)
    assert line.startswith(f"minigooglenet predict: {folder / 'a.JPG'}: expected an image, but this is ")
    assert main(["predict", str(folder / "sub"), *options]) == 2
    assert "sub: no image is directly in this folder" in capsys.readouterr().err


def test_the_frame_is_the_crop_that_was_judged(weights, run, rng):
    for found in (classifier.load_caffe(weights), classifier.load_run(run[0])):
        for width, height in ((400, 300), (301, 500), (224, 224)):
            image = Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8))
            left, top, right, bottom = judged(found, image, 1)
            box = [round(left * width), round(top * height), round(right * width), round(bottom * height)]
            cut = np.asarray(image.crop(box).resize((found.size, found.size), Image.Resampling.BICUBIC), float)
            assert np.corrcoef(cut.ravel(), found.center_crop(image).astype(float).ravel())[0, 1] > 0.5
            assert left + right == top + bottom == 1
            assert (right - left) * width == pytest.approx((bottom - top) * height)
        assert (judged(found, image, 144) is None) == (found.size == 224)
    left, top, right, bottom = judged(classifier.load_caffe(weights), Image.new("RGB", (512, 256)), 1)
    assert (left, top, right, bottom) == (0.5 - 112 / 512, 1 / 16, 0.5 + 112 / 512, 15 / 16)
    assert judged(classifier.load_caffe(weights), Image.new("RGB", (512, 256)), 10) == (0.25, 0, 0.75, 1)


def test_terminal(weights, photo, capsys):
    assert main(["predict", str(photo), "--weights", str(weights), "--top", "2"]) == 0
    head, empty, name, *lines = capsys.readouterr().out.splitlines()
    assert head.endswith("7 classes, 1 crop") and name == str(photo) and len(lines) == 2
    assert all("%  class " in line for line in lines)


def test_bars():
    assert bar(1, 4, "utf-8") == "████" and bar(0, 4, "utf-8") == "    "
    assert bar(0.5, 4, "utf-8") == "██  " and bar(0.28125, 4, "utf-8") == "█▏  "
    assert bar(1, 4, "ascii") == "####" and bar(0.5, 4, "ascii") == "##  "


def test_labels(weights, photo, tmp_path, capsys):
    words = tmp_path / "words.txt"
    words.write_text("\n".join(f"n{k:08} word {k}, other" for k in range(CLASSES)))
    assert main(["predict", str(photo), "--weights", str(weights), "--labels", str(words), "--json"]) == 0
    top = json.loads(capsys.readouterr().out)[0]["top5"]
    assert top[0]["label"] == f"word {top[0]['class']}, other"
    words.write_text("one\ntwo\n")
    assert main(["predict", str(photo), "--weights", str(weights), "--labels", str(words)]) == 2
    assert "2 labels, expected 7" in capsys.readouterr().err


def test_figure(weights, photo, tmp_path, capsys):
    out = tmp_path / "figure.png"
    assert main(["predict", str(photo), str(photo), "--weights", str(weights), "--figure", str(out), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 2
    with Image.open(out) as image:
        assert image.format == "PNG" and image.height > 300
    assert main(["predict", str(photo), "--figure", "figure.xyz"]) == 2     # before the computation, not after it
    assert "ends in .png" in capsys.readouterr().err


def test_a_run_predicts_as_evaluate_does(run):
    folder, trainer = run
    x = trainer.dataset.x_test
    found = classifier.open_weights(folder)
    assert found.size == 32 and found.labels == trainer.dataset.classes
    for number in (1, 2, 10):
        expected = probabilities(trainer.net, x, trainer.normalizer, views=number)
        np.testing.assert_allclose(found.images(x, number, batch=5), expected, atol=1e-5)
        if number != 2:
            np.testing.assert_allclose(found.photo(Image.fromarray(x[3]), number), expected[3], atol=1e-5)


def test_a_run_has_the_labels_of_its_data_set(run, photo, tmp_path, monkeypatch, capsys):
    folder, _ = run
    monkeypatch.chdir(tmp_path)
    assert main(["predict", str(photo), "--weights", str(folder / "checkpoint.safetensors"), "--json"]) == 0
    assert all(row["label"] in small.dataset().classes for row in json.loads(capsys.readouterr().out)[0]["top5"])


def test_usual_weights(run, weights, photo, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def says(*arguments):
        code = main([*arguments])
        out, err = capsys.readouterr()
        lines = err.splitlines()
        return code, out, lines[1:] if lines[0].startswith("engine: ") else lines

    code, out, lines = says("predict", str(photo))
    assert code == 2 and not out and len(lines) == 1 and "no weights in datasets/ and no trained network" in lines[0]
    for command in ("predict", "cam", "explain", "occlusion", "activations", "dream"):
        assert says(command, "nope.jpg") == (
            2, "", [f"minigooglenet {command}: nope.jpg: no such file; give the path of an image"])
    Path("runs").mkdir()
    Path("runs/mine").symlink_to(run[0])
    code, out, lines = says("predict", str(photo))
    assert code == 0 and out.startswith("runs/mine: 10 classes") and len(lines) == 1
    assert lines[0].startswith("weights: runs/mine, the latest run (for 1000 classes, fetch those of 2014: ")
    Path("datasets").mkdir()
    Path("datasets", FILE).symlink_to(weights)
    default = [f"weights: datasets/{FILE} (latest run: runs/mine, use --weights runs/mine)"]
    assert says("predict", str(photo))[1:] == (says("predict", str(photo), "--weights", f"datasets/{FILE}")[1], default)
    code, out, lines = says("cam", str(photo))
    assert code == 0 and lines == default and "class " in out
    assert says("predict", str(photo), "--weights", "runs/mine")[2] == []
    Path("runs/mine").unlink()
    assert says("predict", str(photo))[2] == [f"weights: datasets/{FILE}"]


def test_an_ensemble_is_the_mean_of_matching_models(run, weights, rng):
    one = classifier.load_run(run[0])
    other = classifier.Classifier("other", 32, one.labels, lambda x: np.full((len(x), 10), 0.1))
    x = rng.integers(0, 256, (3, 32, 32, 3), np.uint8)
    np.testing.assert_allclose(classifier.ensemble([one, other]).probabilities(x), (one.probabilities(x) + 0.1) / 2)
    with pytest.raises(UserError, match="reads 224×224 of 256×256 pixels and has 7 classes"):
        classifier.ensemble([one, classifier.load_caffe(weights)])
    with pytest.raises(UserError, match="other: reads 32×32 of 36×36 pixels and .* reads 32×32 and has 10 classes"):
        classifier.ensemble([one, dataclasses.replace(other, shorter=36)])
    with pytest.raises(UserError, match=r"other: reads 32×32 pixels and has 10 classes \(ten, "):
        classifier.ensemble([one, dataclasses.replace(other, labels=["ten", *one.labels[1:]])])


def test_the_members_of_an_ensemble_are_in_numerical_order(tmp_path):
    for name in ("model-10", "model-2", "model-1", "model-x", "other-3"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "checkpoint.safetensors").touch()
    (tmp_path / "model-4").mkdir()                                      # without a checkpoint
    assert [folder.name for folder in classifier.members(tmp_path)] == ["model-1", "model-2", "model-10"]


@pytest.mark.skipif(not (CAFFE and PHOTOS), reason="MINIGOOGLENET_CAFFE or MINIGOOGLENET_PHOTOS is not a folder")
def test_forty_photos(capsys):
    expected = json.loads((Path(PHOTOS) / "expected.json").read_text())
    files = [str(Path(PHOTOS) / photo["photo"]) for photo in expected]
    assert main(["predict", *files, "--weights", str(Path(CAFFE) / FILE), "--json"]) == 0
    answers = json.loads(capsys.readouterr().out)
    assert [Path(answer["photo"]).name for answer in answers] == [photo["photo"] for photo in expected]
    for answer, photo in zip(answers, expected, strict=True):
        found = {row["class"]: row["probability"] for row in answer["top5"]}
        assert answer["top5"][0]["class"] == photo["top5"][0][0]
        for k, p in photo["top5"]:
            assert found.get(k, 0) == pytest.approx(p, abs=1e-3)
        assert not answer["top5"][0]["label"].startswith("class ")     # synset_words.txt next to the weights
