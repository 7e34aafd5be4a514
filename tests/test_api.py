"""What ``import minigooglenet as mg`` offers: short, typed, unsurprising."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small import distance

import minigooglenet as mg
from minigooglenet import engine
from minigooglenet.errors import ShapeError, UserError
from minigooglenet.inference.classifier import Classifier, ensemble

CAFFE, PHOTOS = (os.environ.get(name) for name in ("MINIGOOGLENET_CAFFE", "MINIGOOGLENET_PHOTOS"))


@pytest.fixture(scope="module")
def net():
    return mg.mini_googlenet(0.125, rng=0)


def test_every_name_is_there_and_typed():
    assert set(mg.__all__) == set(mg._MODULES) and all(getattr(mg, name) is not None for name in mg.__all__)
    assert set(dir(mg)) >= set(mg.__all__)
    with pytest.raises(AttributeError, match="minigooglenet has no 'transformer'"):
        mg.transformer  # noqa: B018
    source = Path(mg.__file__).read_text()
    typed = source[source.index("if TYPE_CHECKING"):source.index("__version__")]
    assert all(f"{name}" in typed for name in mg.__all__)


def test_importing_costs_nothing():
    code = "import sys, minigooglenet; print([name for name in ('numpy', 'numba') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_layer_and_its_gradient_check(rng):
    layer, x = mg.Conv(3, 8, 3, pad=1, rng=0), rng.standard_normal((2, 5, 6, 3)).astype("float32")
    y, cache = layer.forward(x)
    assert y.shape == (2, 5, 6, 8) and layer.backward(np.ones_like(y), cache).shape == x.shape
    for check in (mg.gradcheck, mg.gradcheck.gradcheck):  # the package and its function
        assert check(layer, x).ok
    assert np.array_equal(mg.Conv(3, 8, 3, rng=0).params["w"], layer.params["w"])
    assert not np.array_equal(mg.Conv(3, 8, 3, rng=1).params["w"], layer.params["w"])


def test_a_network_can_be_called_printed_and_summed_up(net, rng):
    x = rng.standard_normal((2, 32, 32, 3)).astype("float32")
    assert np.array_equal(net(x), net.predict(x))
    tree = repr(net).splitlines()
    assert tree[:2] == ["trunk", "  conv1: conv 3x3/1, batch norm, ReLU"] and "    pool: max pool 3x3/1" in tree
    assert repr(mg.Conv(3, 8, 3)) == "<conv 3x3/1>" and repr(net.children["conv1"].layer) == "<conv 3x3/1>"
    table, counted = net.summary((32, 32, 3)).splitlines(), mg.count(net, (32, 32, 3))
    assert len(table) == len(counted.layers) + 2
    assert table[-1].split() == ["total", f"{counted.params:,}", f"{counted.macs:,}"]
    assert mg.ReLU().summary((4, 5, 6)).splitlines()[1].split() == ["-", "ReLU", "4x5x6", "0", "0"]


@pytest.mark.parametrize("net, shape", [
    (mg.ancestor("alexnet"), (227, 227, 3)),   # with grouped convolutions
    (mg.mini_googlenet(0.125), (32, 32, 3)),   # with heads
])
def test_the_columns_of_a_summary_add_up(net, shape):
    *rows, total = ([int(cell.replace(",", "")) for cell in line.split()[-2:]]
                    for line in net.summary(shape).splitlines()[1:])
    assert [sum(column) for column in zip(*rows, strict=True)] == total
    assert total[0] == sum(w.size for w in net.parameters().values())


def test_usual_mistakes_are_named(net):
    with pytest.raises(ShapeError, match=r"conv1: conv 3x3/1 .*come last: pass x.transpose\(0, 2, 3, 1\)"):
        net(np.zeros((2, 3, 32, 32), "float32"))
    with pytest.raises(ShapeError, match=r"conv1: .*for a batch of one image pass x\[None\]"):
        net(np.zeros((32, 32, 3), "float32"))
    with pytest.raises(ShapeError, match="all weights are 0: pass a random generator"):
        mg.googlenet()(np.zeros((1, 224, 224, 3), "float32"))


def test_names_of_other_libraries():
    net = mg.googlenet(num_classes=10, aux_logits=False)
    assert isinstance(net, mg.Sequential) and net.output_shape((224, 224, 3)) == (10,)
    assert mg.mini_googlenet(num_classes=7).output_shape((32, 32, 3)) == (7,)
    with pytest.raises(TypeError, match="googlenet: got both classes and num_classes"):
        mg.googlenet(classes=10, num_classes=10)


def test_counts_as_table_dict_and_csv():
    counted = mg.count("googlenet")
    assert str(counted.table()).splitlines()[-1].split()[:2] == ["total", "6,998,552"]
    assert counted.to_dict()["total"]["params"] == 6_998_552 and counted.to_csv("module").startswith("name,kind,output")


@pytest.mark.parametrize("paths", [["3b", "4c", "5b/3x3"], ["conv1", "conv2/bn", "3a/5x5/conv", "linear"],
                                   ["pool1"], []])
def test_features_are_the_activations(net, paths, rng):
    x = rng.standard_normal((5, 32, 32, 3)).astype("float32")
    maps = mg.features(net, x, paths, batch=2)
    assert list(maps) == paths
    layers, y = {}, x
    for name, layer in net.trunk.children.items():
        if isinstance(layer, mg.Concat):
            for branch in layer.branches:
                z = y
                for inner, child in branch.children.items():
                    layers[f"{name}/{inner}/conv"] = child.layer.predict(z) if isinstance(child, mg.Block) else None
                    z = layers[f"{name}/{inner}"] = child.predict(z)
        elif isinstance(layer, mg.Block):
            layers[f"{name}/bn"] = layer.norm.predict(layer.layer.predict(y))
        y = layers[name] = layer.predict(y)
    for path in paths:
        assert distance(maps[path], layers[path]) < 1e-4, path
    with pytest.raises(UserError, match="no layer is called '9z'"):
        mg.features(net, x, ["9z"])


def classifier(net, size=32):
    def probabilities(x):
        return mg.softmax(net.predict(x.astype("float32") / 255))
    return Classifier("tiny", size, [f"class {k}" for k in range(10)], probabilities, net,
                      lambda x: x.astype("float32") / 255)


def test_classify_takes_files_images_and_arrays(net, tmp_path, rng):
    pixels, tiny = rng.integers(0, 256, (40, 50, 3)).astype("uint8"), classifier(net)
    image = Image.fromarray(pixels)
    image.save(tmp_path / "noise.png")
    best = tiny.classify(tmp_path / "noise.png", top=3)
    assert best == tiny.classify(image, top=3) == tiny.classify(pixels, top=3) and len(best) == 3
    assert best[0][1] >= best[1][1] >= best[2][1] > 0 and best[0][0].startswith("class ")
    with pytest.raises(UserError, match=r"image: got float64 \(40, 50, 3\), needs uint8 \(H, W, 3\)"):
        tiny.classify(pixels / 255)
    crop = tiny.center_crop(image)
    maps = mg.features(tiny, [tmp_path / "noise.png", pixels], ["4a"])
    assert distance(maps["4a"], mg.features(tiny, np.stack([crop, crop]), ["4a"])["4a"]) < 1e-6


def test_features_of_one_path_and_of_no_image(net, rng):
    x = rng.standard_normal((2, 32, 32, 3)).astype("float32")
    maps = mg.features(net, x, "3b")
    assert list(maps) == ["3b"] and np.array_equal(maps["3b"], mg.features(net, x, ["3b"])["3b"])
    for given, images in ((net, x[:0]), (classifier(net), [])):
        with pytest.raises(UserError, match="images: got none"):
            mg.features(given, images, ["3b"])
    for file in ("cat.jpg", Path("cat.jpg")):
        with pytest.raises(UserError, match=r"images: got 'cat.jpg', needs a list: \['cat.jpg'\]"):
            mg.features(classifier(net), file, ["3b"])


def test_changed_weights_reach_a_refreshed_classifier(rng):
    net, pixels = mg.mini_googlenet(0.125, heads=False, rng=0), rng.integers(0, 256, (32, 32, 3)).astype("uint8")
    given = classifier(net).refreshed()         # compiled, as what mg.load returns
    before = given.classify(pixels)
    assert before[0][1] > 0.11
    net.parameters()["linear/w"][...] = 0
    assert [p for _, p in given.refreshed().classify(pixels)] == pytest.approx([0.1] * 5)
    assert given.refreshed().name == given.name
    if engine.kind() == "fast":
        assert given.classify(pixels) == before
    with pytest.raises(TypeError, match="an ensemble has several networks"):
        ensemble([given, given]).refreshed()


def test_features_of_a_classifier_need_uint8(net, rng):
    crops = rng.integers(0, 256, (2, 32, 32, 3)).astype("uint8")
    for wrong in (crops / 255, crops.astype("float32")):
        with pytest.raises(UserError, match=r"image: got float\d\d \(32, 32, 3\), needs uint8"):
            mg.features(classifier(net), wrong, ["3b"])


def test_load_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="the weights of 2014 are not there; fetch them with"):
        mg.load("2014")
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "googlenet-9.onnx").write_bytes(b"no model")     # what the last of the sources gives
    with pytest.raises(UserError, match="googlenet-9.onnx: "):
        mg.load("2014")
    with pytest.raises(UserError, match="nowhere"):
        mg.load("nowhere.safetensors")


@pytest.mark.skipif(not (CAFFE and PHOTOS), reason="MINIGOOGLENET_CAFFE and MINIGOOGLENET_PHOTOS are not set")
def test_the_weights_of_2014(tmp_path, monkeypatch):
    (tmp_path / "datasets").mkdir()
    for file in Path(CAFFE).iterdir():
        (tmp_path / "datasets" / file.name).symlink_to(file)
    monkeypatch.chdir(tmp_path)
    net, photo = mg.load("2014"), sorted(Path(PHOTOS).glob("*.JPEG"))[0]
    (label, p), *_ = net.classify(photo)
    assert p > 0.1 and label in net.labels
    maps = mg.features(net, [photo], ["4c", "5b/3x3", "pool5"])
    assert [maps[path].shape for path in maps] == [(1, 14, 14, 512), (1, 7, 7, 384), (1, 1024)]
    assert distance(maps["pool5"], net.net.until("pool5").predict(net.prepare(net.center_crop(Image.open(photo).convert(
        "RGB"))[None]))) < 1e-4
