"""Caffe's names and layout, and ours: GoogLeNet in Caffe's format becomes the parameters of this package's."""

import json
import os
from pathlib import Path

import caffe_writer as caffe
import numpy as np
import pytest
from test_weights_caffemodel import googlenet

from minigooglenet.errors import UserError
from minigooglenet.weights.caffemodel import HEADS, TRUNK, caffe_parameters, our_path, to_nhwc

CAFFE = os.environ.get("MINIGOOGLENET_CAFFE")


@pytest.fixture
def written(tmp_path):
    def write(contents):
        path = tmp_path / "net.caffemodel"
        path.write_bytes(contents)
        return path
    return write


def test_convolution_to_nhwc():
    f, c, kh, kw = 5, 3, 2, 4
    rng = np.random.default_rng(0)
    w, b = rng.standard_normal((f, c, kh, kw)), rng.standard_normal((1, 1, 1, f))
    ours = to_nhwc([w, b], "conv")
    assert ours["w"].shape == (kh, kw, c, f) and ours["w"].flags.c_contiguous and ours["b"].shape == (f,)
    patch = rng.standard_normal((c, kh, kw))             # one window, as Caffe sees it
    np.testing.assert_allclose(np.einsum("hwc,hwcf->f", patch.transpose(1, 2, 0), ours["w"]),
                               np.einsum("chw,fchw->f", patch, w))
    assert set(to_nhwc([w], "conv")) == {"w"}


@pytest.mark.parametrize("legacy", [True, False])
def test_dense_after_flatten_to_nhwc(legacy):
    f, c, h, w = 6, 5, 2, 3
    rng = np.random.default_rng(0)
    weights, maps = rng.standard_normal((f, c * h * w)), rng.standard_normal((c, h, w))
    shaped = weights.reshape(1, 1, f, -1) if legacy else weights
    ours = to_nhwc([shaped], "dense", flattened=(c, h, w))["w"]
    np.testing.assert_allclose(maps.transpose(1, 2, 0).ravel() @ ours, weights @ maps.ravel())
    np.testing.assert_array_equal(to_nhwc([shaped], "dense")["w"], weights.T)


@pytest.mark.parametrize("blobs, kind, flattened, says", [
    ([np.ones((2, 3))], "conv", None, "not a convolution"),
    ([np.ones((2, 3, 1, 1))], "dense", None, "not a dense layer"),
    ([np.ones((2, 12))], "dense", (3, 2, 3), "over 3×2×3 inputs"),
    ([np.ones((2, 3)), np.ones(3)], "dense", None, "3 biases for 2 filters"),
    ([], "conv", None, "0 blobs"),
    ([np.ones(1)] * 3, "conv", None, "3 blobs"),
])
def test_blobs_that_do_not_fit(blobs, kind, flattened, says):
    with pytest.raises(UserError, match=says):
        to_nhwc(blobs, kind, flattened)


def test_names():
    assert len(TRUNK) == 58 and len(HEADS) == 6
    assert our_path("inception_4a/5x5_reduce") == "4a/5x5_reduce"
    assert our_path("loss3/classifier") == "linear"
    assert our_path("loss2/classifier") == "aux2/linear"
    assert our_path("loss1/fc") == "aux1/fc"
    assert our_path("conv2/3x3_reduce") == "conv2_reduce"
    assert our_path("fc6") is None


@pytest.mark.parametrize("layout", caffe.LAYOUTS)
def test_parameters_by_our_names(written, layout):
    layers = googlenet(np.random.default_rng(0), heads=True)
    path = written(caffe.net(layers, layout))
    parameters = caffe_parameters(path)
    assert len(parameters) == 2 * 64
    w = layers["inception_3b/5x5"][0].astype(np.float32)
    np.testing.assert_array_equal(parameters["3b/5x5/w"], w.transpose(2, 3, 1, 0))
    fc = layers["loss2/fc"][0].astype(np.float32)        # row (h, w, c) of ours is column (c, h, w) of Caffe's
    assert parameters["aux2/fc/w"].shape == (2048, 3)
    np.testing.assert_array_equal(parameters["aux2/fc/w"].reshape(4, 4, 128, 3)[1, 2, 77], fc[:, 77 * 16 + 1 * 4 + 2])
    assert len(caffe_parameters(path, heads=False)) == 2 * 58


def test_another_network_or_broken_weights(written):
    layers = googlenet(np.random.default_rng(0))
    with pytest.raises(UserError, match="has a layer 'fc6'"):
        caffe_parameters(written(caffe.net({**layers, "fc6": [np.ones((2, 2))]})))
    with pytest.raises(UserError, match="lacks 57 layers, first 'conv1/7x7_s2'"):
        caffe_parameters(written(caffe.net({"conv2/3x3": layers["conv2/3x3"]})))
    with pytest.raises(UserError, match="layer 'conv2/3x3': weights of shape 2×2 are not a convolution"):
        caffe_parameters(written(caffe.net({**layers, "conv2/3x3": [np.ones((2, 2))]}, "newer")))
    layers["conv2/3x3"][1][1] = np.nan
    with pytest.raises(UserError, match=r"conv2/b\[1\] is nan, expected finite values up to 1e\+18; damaged"):
        caffe_parameters(written(caffe.net(layers)))


# -- a classifier of another name --------------------------------------------------------------------------------------

def renamed(layers, name):
    """Layers of GoogLeNet whose three classifiers were renamed, as for fine-tuning."""
    return {layer.replace("/classifier", f"/{name}"): blobs for layer, blobs in layers.items()}


@pytest.mark.parametrize("heads", [True, False])
def test_a_renamed_classifier(written, heads):
    layers = googlenet(np.random.default_rng(0), heads)
    layers["loss3/classifier"] = [np.ones((5, 1024)), np.ones(5)]
    path = written(caffe.net(renamed(layers, "flowers")))
    for with_heads in (True, False):
        with pytest.raises(UserError, match="has no layer 'loss3/classifier'; if its last fully connected layer is "
                                            "'loss3/flowers', give .* --classifier loss3/flowers$"):
            caffe_parameters(path, with_heads)
    found, wanted = caffe_parameters(path, classifier="loss3/flowers"), caffe_parameters(written(caffe.net(layers)))
    assert found.keys() == wanted.keys() and ("aux1/linear/w" in found) == heads
    assert all(np.array_equal(found[name], array) for name, array in wanted.items())


def test_any_name_of_a_classifier(written):
    layers = googlenet(np.random.default_rng(0), heads=True)
    layers["fc_102"] = layers.pop("loss3/classifier")
    layers["loss1/other"] = layers.pop("loss1/classifier")
    path = written(caffe.net(layers))
    assert len(caffe_parameters(path, heads=False, classifier="fc_102")) == 2 * 58      # the heads' names do not matter
    with pytest.raises(UserError, match="has a layer 'loss1/other'; convert it without .* --no-heads"):
        caffe_parameters(path, classifier="fc_102")
    with pytest.raises(UserError, match="lacks 1 layer, first 'loss3/fc'|has a layer 'fc_102'"):
        caffe_parameters(path, heads=False, classifier="loss3/fc")


@pytest.mark.skipif(not CAFFE, reason="MINIGOOGLENET_CAFFE is not a folder with bvlc_googlenet.caffemodel")
def test_the_weights_of_2014():
    path = Path(CAFFE) / "bvlc_googlenet.caffemodel"
    parameters = caffe_parameters(path)
    assert sum(array.size for array in parameters.values()) == 6_998_552
    assert sum(array.size for name, array in parameters.items() if name.endswith("/b")) == 8_280
    assert parameters["conv1/w"].shape == (7, 7, 3, 64) and parameters["linear/w"].shape == (1024, 1000)
    # the first convolution at sampled positions of the first golden crop: correct values in the correct order
    golden = json.loads((path.parent / "golden_activations.json").read_text())["0/conv1/7x7_s2"]
    crop = np.load(path.parent / "golden_crops.npz")["crops"][0][..., ::-1] - np.float32([104, 117, 123])
    crop = np.pad(crop, ((3, 3), (3, 3), (0, 0)))
    for index, value in zip(golden["index"], golden["value"], strict=True):
        i, j, f = np.unravel_index(index, golden["shape"])
        window = crop[2 * i:2 * i + 7, 2 * j:2 * j + 7]
        y = np.sum(window * parameters["conv1/w"][..., f], dtype=np.float64) + parameters["conv1/b"][f]
        assert max(y, 0) == pytest.approx(value, rel=1e-4, abs=1e-3)
