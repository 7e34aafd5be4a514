"""The interpretability commands: on a small training run, and on Caffe's weights if they are available."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
import small
from PIL import Image
from text_boxes import complaints, shown

from minigooglenet.cli import main
from minigooglenet.commands import interpreting
from minigooglenet.commands.filters import channel_list
from minigooglenet.data.photos import caffe_input, caffe_pixels, center_crop, open_photo
from minigooglenet.errors import UserError
from minigooglenet.figures import activations, explanation, filters, heatmaps
from minigooglenet.inference.classifier import open_weights
from minigooglenet.interpret import cam
from minigooglenet.training.trainer import Trainer

CAFFE, PHOTOS = os.environ.get("MINIGOOGLENET_CAFFE"), os.environ.get("MINIGOOGLENET_PHOTOS")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A training run of a few steps."""
    folder = tmp_path_factory.mktemp("run") / "model"
    Trainer(small.NARROW.but(epochs=1), small.dataset(), folder).run()
    return folder


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    path = tmp_path_factory.mktemp("photos") / "a $photo.png"
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (50, 70, 3), np.uint8)).save(path)
    return path


COMMANDS = {
    "explain": [], "explain --class ring": [], "cam": [], "cam --class 3 --layer 3b 4c/3x3 5b": [],
    "occlusion --patch 12 --stride 8": [], "activations": [], "activations --layer conv1 --top 5": [],
    "dream --size 40 --octaves 2 --steps 2 --layer 3b": [], "dream --size 40x32 --tile 24 --octaves 1 --steps 1": None,
    "dream --channel 2 --size 32 --steps 1 --octaves 1 --layer 3a": None, "filters": None,
    "filters --layer 3b --channels 1,4-5 --steps 1 --size 32": None,
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_writes_an_image(command, run, photo, tmp_path, capsys):
    name, *options = command.split()
    out = tmp_path / "new" / "out.png"
    given = [str(photo)] if COMMANDS[command] is not None else []
    assert main([name, *given, *options, "--weights", str(run), "--out", str(out)]) == 0
    assert str(out) in capsys.readouterr().out
    with Image.open(out) as image:
        assert image.format == "PNG"
        if name == "dream":
            sizes = {"40": (40, 29), "40x32": (40, 32), "32": (32, 32)}
            assert image.size == sizes[options[options.index("--size") + 1]]
        else:
            assert image.width > 300


def test_one_seed_gives_one_dream(run, tmp_path, capsys):
    files = [tmp_path / f"{number}.png" for number in range(3)]
    for file, seed in zip(files, "112", strict=True):
        assert main(["dream", "--size", "32", "--octaves", "1", "--steps", "2", "--layer", "3a", "--seed", seed,
                     "--weights", str(run), "--out", str(file)]) == 0
    one, same, other = (file.read_bytes() for file in files)
    assert one == same != other


@pytest.mark.parametrize("command,message", [
    ("cam {photo} --layer 4c/3x4", r"no layer is called '4c/3x4'; did you mean 4c/3x3\?"),
    ("cam {photo} --layer pool5", "the output of pool5 is a vector, .*; the last layer with maps is 5b"),
    ("cam {photo} --class rnig", r"no class is called 'rnig'; did you mean ring"),
    ("cam {photo} --class 10", "numbers go from 0 to 9; got 10"),
    ("explain {photo} --class 'no such'", "the classes are circle, ring"),
    ("activations {photo} --layer linear", "linear is a vector"),
    ("dream --layer 4x", r"did you mean 4\w\?"),
    ("dream --layer 4c --channel 999", "4c has .* got 999"),
    ("dream --size 3", "needs 16 to 4096 pixels"),
    ("dream --scale 1", "--scale: got 1.0, needs more than 1"),
    ("dream --strength nan", "--strength: got nan"),
    ("dream --out dream.gif", r"ends in \.png or \.jpg"),
    ("dream missing.jpg", "missing.jpg"),
    ("dream --size 32 --tile 2 --layer 4c", "tile: tiles of 2x2 pixels are too small for 4c; choose more than 2"),
    ("dream --out {photo}/dream.png", "photo.png is not a folder; choose another"),
    ("explorer --out /", "it is a folder; choose another name"),
    ("filters --layer 3a --channels a-b", "needs numbers and ranges such as 0-7,12"),
    ("filters --layer 3a --channels 999", "3a has"),
    ("occlusion {photo} --patch 99", "choose 1 to 32 pixels"),
    ("occlusion {photo} --patch 8 --stride 9", "gaps"),
])
def test_wrong_input_is_one_line(command, message, run, photo, capsys):
    words = [word.replace("{photo}", str(photo)).strip("'") for word in command.replace("no such", "no-such").split()]
    assert main([*words, "--weights", str(run)]) == 2
    out, err = capsys.readouterr()
    assert re.search(message, err) and err.count("\n") == 1 and not out


@pytest.mark.parametrize("old,new", [("conv2_relu", "conv2"), ("4c/3x3_relu", "4c/3x3"), ("4c/3x3_bn", "4c/3x3/bn")])
def test_layer_names_of_version_0_1_still_work(old, new, run, photo, tmp_path, capsys):
    files = [tmp_path / "old.png", tmp_path / "new.png"]
    for name, file in zip((old, new), files, strict=True):
        assert main(["activations", str(photo), "--layer", name, "--weights", str(run), "--out", str(file)]) == 0
    err = capsys.readouterr().err
    assert err.count(f"layer {old} is now called {new}") == err.count("\n") == 1
    with Image.open(files[0]) as one, Image.open(files[1]) as other:
        assert np.array_equal(np.asarray(one), np.asarray(other))


def test_an_ensemble_is_not_a_single_network(run, tmp_path, capsys):
    for number in (1, 2):
        (tmp_path / f"model-{number}").symlink_to(run)
    assert main(["filters", "--weights", str(tmp_path)]) == 2
    assert "name one of its runs" in capsys.readouterr().err


def test_classes_by_name(run):
    class Named:
        labels = ["tabby, tabby cat", "tiger cat", "crane", "crane", "Crane fly"]

    p = np.array([0.1, 0.4, 0.2, 0.2, 0.1])
    found = [interpreting.find_class(Named, wanted, p) for wanted in (None, "tabby cat", "TABBY", "3", "crane FLY")]
    assert found == [1, 0, 0, 3, 4]
    with pytest.raises(UserError, match=r"2 classes are called 'crane'; choose by number: 2 \(crane\), 3"):
        interpreting.find_class(Named, "crane", p)
    for wanted, says in (("cat", r"part of the names of 2 classes; choose by number: 0 \(tabby\), 1 \(tiger cat\)"),
                         ("fly", r"part of the names of 1 class; choose by number: 4 \(Crane fly\)"),
                         ("tab", r"1 class; choose by number: 0 \(tabby\)"), ("tigre cat", "did you mean tiger cat"),
                         ("cr.ne", "did you mean crane"), ("", "the classes are")):
        with pytest.raises(UserError, match=says):
            interpreting.find_class(Named, wanted, p)


def test_a_long_list_of_classes_is_cut(run):
    class Named:
        labels = ["dough"] + [f"kind {k} dog, hound" for k in range(20)] + ["hotdog"]

    with pytest.raises(UserError) as error:
        interpreting.find_class(Named, "dog", np.ones(22))
    assert "names of 20 classes; choose by number: 1 (kind 0 dog), 2 (kind 1 dog), " in str(error.value)
    assert str(error.value).endswith("12 (kind 11 dog) and 8 more")


def test_lists_of_channels():
    assert channel_list("0-3,12, 5") == [0, 1, 2, 3, 12, 5]
    for wrong in ("", "a", "1-", "-3", "3-1", "0-64", "1,,2"):
        with pytest.raises(UserError, match="channels"):
            channel_list(wrong)


def test_preprocessing_is_invertible(run, rng):
    x = rng.integers(0, 256, (2, 5, 4, 3), np.uint8)
    np.testing.assert_allclose(caffe_pixels(caffe_input(x)), x, atol=1e-4)
    classifier = open_weights(run)
    np.testing.assert_allclose(classifier.restore(classifier.prepare(x)), x, atol=1e-3)
    assert np.array_equal(interpreting.as_image(classifier, classifier.prepare(x)), x)
    low, high = interpreting.pixel_bounds(classifier)
    np.testing.assert_allclose(classifier.restore(np.stack([low, high])), [[0] * 3, [255] * 3], atol=1e-3)


def test_texts_of_the_figures_are_readable(rng):
    image = rng.integers(0, 256, (32, 32, 3), np.uint8)
    best = [{"label": f"a rather long name for class {k}, other", "probability": 0.3 - 0.05 * k} for k in range(5)]
    shares = {f"{n}{letter}": {"1x1": 0.2, "3x3": -0.3, "5x5": 0.45, "pool_proj": -0.05}
              for n in (3, 4, 5) for letter in "abc"}
    heat = rng.random((32, 32))
    drawings = [
        explanation.explanation(image, best, heat, "evidence for a long name", shares, "Source. " * 30),
        explanation.explanation(image, best, 0 * heat, "where", {}),
        heatmaps.heatmaps(image, [(f"Grad-CAM at {n}c/3x3/conv, 14×14", heat) for n in range(5)], "Where", "Source."),
        heatmaps.heatmaps(image, [("class activation map, 7×7", heat)], "Where: a cat (12.3%)", "Source. " * 9),
        activations.activations(image, rng.random((7, 7, 300)), list(range(236, 300)), "4e", "Source."),
        activations.activations(image, rng.standard_normal((7, 5, 3)), [0, 1, 2], "conv1", "Source."),
        filters.first_filters(rng.standard_normal((7, 7, 3, 64)), "Source."),
        filters.first_filters(rng.standard_normal((3, 3, 3, 5)), "Source."),
        filters.features(rng.integers(0, 256, (7, 32, 32, 3), np.uint8), range(100, 107), "4c", "Source."),
    ]
    for drawing in drawings:
        assert complaints(drawing) == []
        assert min(text.get_fontsize() for text, _ in shown(drawing)) >= 6


def test_the_strongest_channels_in_order():
    y = np.zeros((2, 2, 5))
    y[0, 0] = [1, -9, 3, 0, 2]
    assert activations.strongest(y, 3) == [1, 2, 4] and activations.strongest(y, 9) == [0, 1, 2, 3, 4]


def test_a_heat_map_leaves_the_image_gray_where_it_is_zero():
    image = np.full((4, 4, 3), 200, np.uint8)
    heat = np.zeros((4, 4))
    heat[1, 2] = 3.0
    rgb = heatmaps.blended(image, heat)
    assert rgb.shape == (4, 4, 3) and 0 <= rgb.min() and rgb.max() <= 1
    assert np.ptp(rgb[0, 0]) < 1e-9 and np.ptp(rgb[1, 2]) > 0.3      # gray, and inferno
    assert np.array_equal(heatmaps.blended(image, 0 * heat)[0], heatmaps.blended(image, 0 * heat)[1])


@pytest.mark.skipif(not (CAFFE and PHOTOS), reason="MINIGOOGLENET_CAFFE or MINIGOOGLENET_PHOTOS names no folder")
def test_the_map_covers_the_dog():
    """A golden retriever in the left half of the photo, grass around it."""
    classifier = open_weights(Path(CAFFE) / "bvlc_googlenet.caffemodel")
    x = classifier.prepare(center_crop(open_photo(Path(PHOTOS) / "n02099601_golden_retriever.JPEG"))[None])
    k = interpreting.find_class(classifier, "golden retriever", None)
    for heat in (cam.class_activation_map(classifier.net, x, [k]), cam.grad_cam(classifier.net, x, [k], "5b")):
        heat = np.maximum(heat[0], 0)
        assert heat[:4, 1:4].sum() > 0.4 * heat.sum() and heat[:, 5:].sum() < 0.2 * heat.sum()
