import contextlib
import json
import os
import time
import tracemalloc
from pathlib import Path

import caffe_writer as caffe
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minigooglenet.errors import UserError
from minigooglenet.weights.caffemodel import HEADS, TRUNK, caffe_parameters, our_path, read_caffemodel, to_nhwc

CAFFE = os.environ.get("MINIGOOGLENET_CAFFE")


def some_layers(rng):
    return {
        "conv1/7x7_s2": [rng.standard_normal((4, 3, 5, 2)), rng.standard_normal(4)],
        "loss3/classifier": [rng.standard_normal((7, 40)), rng.standard_normal(7)],
        "no bias": [rng.standard_normal((1, 1))],
    }


def googlenet(rng, heads=False):
    """Every layer of GoogLeNet by name, with tiny weights."""
    layers = {}
    for name in [*TRUNK, *(HEADS if heads else [])]:
        if name.endswith("fc"):
            w = rng.standard_normal((3, 2048))
        elif name.endswith("classifier"):
            w = rng.standard_normal((5, 6))
        else:
            w = rng.standard_normal((2, 3, 1, 1))
        layers[name] = [w, rng.standard_normal(len(w))]
    return layers


@pytest.fixture
def written(tmp_path):
    def write(octets):
        path = tmp_path / "net.caffemodel"
        path.write_bytes(octets)
        return path
    return write


@pytest.mark.parametrize("noise", [True, False])
@pytest.mark.parametrize("layout, numbers", caffe.VARIANTS)
def test_every_layout(written, layout, numbers, noise):
    layers = some_layers(np.random.default_rng(0))
    found = read_caffemodel(written(caffe.net(layers, layout, numbers, noise)))
    assert list(found) == list(layers)                   # the layer without weights is left out
    for name, blobs in layers.items():
        assert len(found[name]) == len(blobs)
        for came, sent in zip(found[name], blobs, strict=True):
            ones = (1,) * (4 - sent.ndim) if layout == "legacy" else ()
            assert came.shape == ones + sent.shape and came.dtype == np.float32
            np.testing.assert_array_equal(came.ravel(), sent.astype(np.float32).ravel())


def test_numbers_in_several_pieces(written):
    """Protocol Buffers allow a repeated field to come in pieces, packed and unpacked mixed, shape dimensions too."""
    x = np.arange(12, dtype=np.float32)
    body = (caffe.length(5, x[:3].tobytes()) + b"".join(caffe.float32(5, v) for v in x[3:8]) + caffe.number(99, 1)
            + caffe.float32(5, x[8]) + caffe.length(5, x[9:].tobytes())
            + caffe.length(7, caffe.number(1, 3)) + caffe.length(7, caffe.length(1, caffe.varint(4))))
    layer = caffe.length(7, body) + caffe.text(1, "late name")
    found = read_caffemodel(written(caffe.length(100, layer)))
    np.testing.assert_array_equal(found["late name"][0], x.reshape(3, 4))


def test_old_sizes_win_over_a_shape_as_in_caffe(written):
    body = (caffe.length(7, caffe.length(1, caffe.varint(6))) + b"".join(caffe.number(i, n) for i, n in
            [(1, 1), (2, 1), (3, 2), (4, 3)]) + caffe.length(5, np.ones(6, "<f4").tobytes()))
    found = read_caffemodel(written(caffe.length(2, caffe.text(4, "x") + caffe.length(6, body))))
    assert found["x"][0].shape == (1, 1, 2, 3)


# -- what is refused ---------------------------------------------------------------------------------------------------

def one_blob(body):
    return caffe.length(100, caffe.text(1, "conv") + caffe.length(7, body))


FOUR = caffe.length(5, np.ones(4, "<f4").tobytes())


@pytest.mark.parametrize("octets, says", [
    (b"", "empty"),
    (b"\xff\xd8\xff\xe0\0\x10JFIF\0", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"  <!DOCTYPE html><html>404</html>", "web page"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 53533754\n", "git-lfs pointer"),
    (b'name: "GoogleNet"\nlayer {\n}\n', "prototxt"),
    (b"the weights are in the other folder\n", "this is text"),
    (b"\x89HDF\r\n\x1a\n", "HDF5"),
    (b"PK\x03\x04", "zip"),
    (b"\0" * 1000, "field number 0"),
    (caffe.text(1, "GoogleNet"), "no layer with weights"),
    (b"\x80" * 11 + b"\0", "longer than 10 bytes"),
    (b"\x12\x80", "middle of a number"),
    (b"\x12" + caffe.varint(2**64 - 1) + b"xx", "announces 18,446,744,073,709,551,615 bytes where 2 are left"),
    (b"\x0a\x01x\x12\x04ab", "field 2 announces 4 bytes where 2 are left"),
    (b"\x0d\0\0", "middle of field 1"),
    (b"\x13\x14", "wire type 3"),
    (caffe.number(100, 3), "a layer with wire type 0"),
    (caffe.length(100, caffe.number(1, 3)), "layer's name with wire type 0"),
    (caffe.length(100, caffe.length(1, b"\xff\xfe") + caffe.length(7, b"")), "no text"),
    (caffe.net({"a": [np.ones(2)]}) * 2, "two layers are called 'a'"),
    (one_blob(b""), "layer 'conv', blob 0: 0 numbers for shape 0×0×0×0"),
    (one_blob(FOUR), "4 numbers for shape 0×0×0×0"),
    (one_blob(FOUR + caffe.length(7, caffe.length(1, b"\x03"))), "4 numbers for shape 3"),
    (one_blob(FOUR + caffe.number(1, -1)), "impossible shape"),
    (one_blob(FOUR + caffe.length(7, caffe.length(1, b"\x01" * 10**6))), "impossible shape"),
    (one_blob(FOUR + caffe.length(7, caffe.length(1, (b"\xff" * 8 + b"\x7f") * 30))), "4 numbers for shape huge×huge"),
    (one_blob(caffe.length(5, b"abcde")), "middle of a weight"),
    (one_blob(caffe.float64(5, 1.0)), "weights with wire type 1"),
    (b"\x08\0" * 300_000, "more than 250,000 fields"),
])
def test_refused_in_one_line(written, octets, says):
    path = written(octets)
    with pytest.raises(UserError) as error:
        read_caffemodel(path)
    message = str(error.value)
    assert says in message and message.startswith(str(path)) and "\n" not in message and len(message) < 500


def test_refused_by_kind_of_file(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        read_caffemodel(tmp_path / "missing.caffemodel")
    with pytest.raises(UserError, match="folder"):
        read_caffemodel(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="pipe"):
        read_caffemodel(tmp_path / "pipe")
    with open(tmp_path / "huge", "wb") as file:
        file.truncate(2**31)                             # a hole: takes no room on the disk
    with pytest.raises(UserError, match="2,147,483,648 bytes, expected at most"):
        read_caffemodel(tmp_path / "huge")


FULL = caffe.length(7, caffe.length(7, caffe.length(1, b"\x04")) + FOUR)


@pytest.mark.parametrize("octets, most", [
    (one_blob(caffe.length(7, b"") * 1000 + FOUR + caffe.length(7, caffe.length(1, b"\x04"))), 200_000),
    (caffe.length(100, caffe.text(1, "x") + FULL * 8_000), 10_000_000),       # the field budget is what bounds this
    (caffe.net({"w": [np.ones((200, 500))]}, "newer", "unpacked", noise=False), 4 * 500_000),
    (caffe.net({"w": [np.ones((1000, 1000))]}, "newer", "packed", noise=False), 2.5 * 4_000_000),
    (one_blob(FOUR + caffe.length(7, caffe.length(1, b"\x01" * 1_000_000))), 200_000),
], ids=["empty shapes", "tiny blobs", "unpacked", "packed", "many axes"])
def test_memory_stays_near_the_files_size(written, octets, most):
    path = written(octets)
    tracemalloc.start()
    with contextlib.suppress(UserError):
        read_caffemodel(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < most


@pytest.mark.parametrize("octets", [
    one_blob((caffe.float32(5, 1) + caffe.float32(6, 1)) * 120_000),        # runs of one: nothing to gain from looking
    one_blob((caffe.float32(5, 1) * 33 + caffe.float32(6, 1)) * 50_000),    # just past the first window
    one_blob(caffe.length(5, b"1234") * 249_000),
], ids=["alternating", "short runs", "pieces"])
def test_hostile_files_take_no_time(written, octets):
    path = written(octets)
    start = time.process_time()
    with pytest.raises(UserError):
        read_caffemodel(path)
    assert time.process_time() - start < 5


SMALL = [caffe.net({"conv": [np.arange(6.).reshape(1, 1, 2, 3), np.ones(1)], "fc": [np.ones((2, 2))]}, *variant)
         for variant in caffe.VARIANTS]


@settings(max_examples=300, deadline=1000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damaged_files_parse_or_raise_user_error(written, data):
    octets = bytearray(data.draw(st.sampled_from(SMALL)))
    for _ in range(data.draw(st.integers(0, 4))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    octets = octets[:data.draw(st.integers(0, len(octets)))]
    try:
        found = read_caffemodel(written(octets))
    except UserError:
        return
    assert all(blob.dtype == np.float32 and blob.size for blobs in found.values() for blob in blobs)


@settings(max_examples=200, deadline=1000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(min_size=1, max_size=200))
def test_any_bytes_parse_or_raise_user_error(written, octets):
    for wrapped in (octets, one_blob(octets)):
        try:
            read_caffemodel(written(wrapped))
        except UserError:
            pass


def test_every_truncation_of_a_googlenet_is_noticed(written):
    """A cut between two layers leaves a well-formed message; then the missing layers tell."""
    octets = caffe.net(googlenet(np.random.default_rng(0)))
    assert len(caffe_parameters(written(octets))) == 116
    for end in np.random.default_rng(1).integers(1, len(octets), 100):
        with pytest.raises(UserError):
            caffe_parameters(written(octets[:end]))


# -- layout and names --------------------------------------------------------------------------------------------------

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
    weights, picture = rng.standard_normal((f, c * h * w)), rng.standard_normal((c, h, w))
    shaped = weights.reshape(1, 1, f, -1) if legacy else weights
    ours = to_nhwc([shaped], "dense", flattened=(c, h, w))["w"]
    np.testing.assert_allclose(picture.transpose(1, 2, 0).ravel() @ ours, weights @ picture.ravel())
    np.testing.assert_array_equal(to_nhwc([shaped], "dense")["w"], weights.T)


@pytest.mark.parametrize("blobs, kind, flattened, says", [
    ([np.ones((2, 3))], "conv", None, "no convolution"),
    ([np.ones((2, 3, 1, 1))], "dense", None, "no dense layer"),
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
    with pytest.raises(UserError, match="layer 'conv2/3x3': weights of shape 1×1×2×2 are no dense|no convolution"):
        caffe_parameters(written(caffe.net({**layers, "conv2/3x3": [np.ones((2, 2))]}, "newer")))
    layers["conv2/3x3"][1][1] = np.nan
    with pytest.raises(UserError, match="'conv2/3x3' holds numbers that are not finite"):
        caffe_parameters(written(caffe.net(layers)))


@pytest.mark.skipif(not CAFFE, reason="MINIGOOGLENET_CAFFE names no folder with bvlc_googlenet.caffemodel")
def test_the_weights_of_2014():
    path = Path(CAFFE) / "bvlc_googlenet.caffemodel"
    parameters = caffe_parameters(path)
    assert sum(array.size for array in parameters.values()) == 6_998_552
    assert sum(array.size for name, array in parameters.items() if name.endswith("/b")) == 8_280
    assert parameters["conv1/w"].shape == (7, 7, 3, 64) and parameters["linear/w"].shape == (1024, 1000)
    # the first convolution at sampled places of the first golden crop: right numbers in the right order
    golden = json.loads((path.parent / "golden_activations.json").read_text())["0/conv1/7x7_s2"]
    crop = np.load(path.parent / "golden_crops.npz")["crops"][0][..., ::-1] - np.float32([104, 117, 123])
    crop = np.pad(crop, ((3, 3), (3, 3), (0, 0)))
    for index, value in zip(golden["index"], golden["value"], strict=True):
        i, j, f = np.unravel_index(index, golden["shape"])
        window = crop[2 * i:2 * i + 7, 2 * j:2 * j + 7]
        y = np.sum(window * parameters["conv1/w"][..., f], dtype=np.float64) + parameters["conv1/b"][f]
        assert max(y, 0) == pytest.approx(value, rel=1e-4, abs=1e-3)
