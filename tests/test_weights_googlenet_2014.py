"""Caffe's weights in this package's GoogLeNet, compared with activations and predictions of another implementation."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from minigooglenet.data.crops import average_softmax, crops
from minigooglenet.data.photos import caffe_input, open_photo
from minigooglenet.models.googlenet import googlenet
from minigooglenet.weights.caffemodel import HEADS, TRUNK, caffe_parameters, our_path
from minigooglenet.weights.loading import load_into

CAFFE, PHOTOS = os.environ.get("MINIGOOGLENET_CAFFE"), os.environ.get("MINIGOOGLENET_PHOTOS")
needs_caffe = pytest.mark.skipif(not CAFFE, reason="MINIGOOGLENET_CAFFE is not a folder with bvlc_googlenet.caffemodel")
needs_photos = pytest.mark.skipif(not PHOTOS, reason="MINIGOOGLENET_PHOTOS is not a folder with expected.json")


def test_the_names_are_those_of_the_network():
    for heads, names in ((True, {**TRUNK, **HEADS}), (False, TRUNK)):
        network = googlenet("bvlc", heads=heads).parameters()
        assert set(network) == {f"{our_path(name)}/{key}" for name in names for key in "wb"}


@pytest.fixture(scope="module")
def network():
    network, path = googlenet("bvlc", heads=False), Path(CAFFE) / "bvlc_googlenet.caffemodel"
    load_into(network.parameters(), caffe_parameters(path), path)
    return network


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True), dtype=np.float64)
    return e / e.sum(axis=1, keepdims=True)


@needs_caffe
def test_golden_activations_and_probabilities(network):
    golden = json.loads((Path(CAFFE) / "golden_activations.json").read_text())
    with np.load(Path(CAFFE) / "golden_crops.npz") as file:
        x, probabilities = caffe_input(file["crops"]), file["probabilities"]
    ours = {our_path(name) or name.removeprefix("inception_").split("/")[0]: name for name in TRUNK}
    ours |= {"pool1": "pool1/3x3_s2", "norm1": "pool1/norm1", "norm2": "conv2/norm2", "pool2": "pool2/3x3_s2",
             "pool3": "pool3/3x3_s2", "pool4": "pool4/3x3_s2", "pool5": "pool5/7x7_s1"}
    ours |= {module: f"inception_{module}/output" for module in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")}
    seen = 0
    for name, layer in network.children.items():
        x = layer.predict(x)
        caffe = ours.get(name)
        if caffe is None:
            continue
        for i, maps in enumerate(x):                                  # of a block: after the ReLU, in place in Caffe
            expected = golden[f"{i}/{caffe}"]
            assert maps.size == np.prod(expected["shape"])
            scale = expected["max"]                                   # a value close to 0 is a difference of large ones
            np.testing.assert_allclose(maps.ravel()[expected["index"]], expected["value"], rtol=1e-4,
                                       atol=1e-6 * scale, err_msg=caffe)
            for statistic in ("mean", "std", "max"):
                assert getattr(maps, statistic)() == pytest.approx(expected[statistic], rel=1e-4, abs=1e-6 * scale)
            seen += 1
    assert seen == len(golden)
    np.testing.assert_allclose(softmax(x), probabilities, atol=1e-5)


@needs_caffe
@needs_photos
def test_the_photos(network):
    def model(images):
        return softmax(network.predict(caffe_input(images)))

    for photo in json.loads((Path(PHOTOS) / "expected.json").read_text()):
        mean = average_softmax([model], crops(open_photo(Path(PHOTOS) / photo["photo"]), 1))
        classes, expected = zip(*photo["top5"], strict=True)
        assert mean.argmax() == classes[0], photo["photo"]
        np.testing.assert_allclose(mean[list(classes)], expected, atol=1e-3, err_msg=photo["photo"])
