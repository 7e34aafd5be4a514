import contextlib
import os
import time
import tracemalloc

import caffe_writer as caffe
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minigooglenet.errors import UserError
from minigooglenet.weights.caffemodel import HEADS, TRUNK, caffe_parameters, read_caffemodel


def some_layers(rng):
    return {
        "conv1/7x7_s2": [rng.standard_normal((4, 3, 5, 2)), rng.standard_normal(4)],
        "loss3/classifier": [rng.standard_normal((7, 40)), rng.standard_normal(7)],
        "no bias": [rng.standard_normal((1, 1))],
    }


def googlenet(rng, heads=False):
    """Every layer of GoogLeNet by name, with small arrays of weights."""
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
    def write(contents):
        path = tmp_path / "net.caffemodel"
        path.write_bytes(contents)
        return path
    return write


@pytest.mark.parametrize("noise", [True, False])
@pytest.mark.parametrize("layout, encoding", caffe.VARIANTS)
def test_every_layout(written, layout, encoding, noise):
    layers = some_layers(np.random.default_rng(0))
    found = read_caffemodel(written(caffe.net(layers, layout, encoding, noise)))
    assert list(found) == list(layers)                   # the layer without weights is left out
    for name, blobs in layers.items():
        assert len(found[name]) == len(blobs)
        for came, sent in zip(found[name], blobs, strict=True):
            ones = (1,) * (4 - sent.ndim) if layout == "legacy" else ()
            assert came.shape == ones + sent.shape and came.dtype == np.float32 and came.flags.writeable
            stored = sent.astype(np.float16 if encoding == "raw half" else np.float32)
            np.testing.assert_array_equal(came.ravel(), stored.astype(np.float32).ravel())


def test_values_in_several_fields(written):
    """Protocol Buffers allow a mix of packed and unpacked fields for repeated values, and for shape dimensions."""
    x = np.arange(12, dtype=np.float32)
    body = (caffe.length(5, x[:3].tobytes()) + b"".join(caffe.float32(5, v) for v in x[3:8]) + caffe.number(99, 1)
            + caffe.float32(5, x[8]) + caffe.length(5, x[9:].tobytes())
            + caffe.length(7, caffe.number(1, 3)) + caffe.length(7, caffe.length(1, caffe.varint(4))))
    layer = caffe.length(7, body) + caffe.text(1, "late name")
    found = read_caffemodel(written(caffe.length(100, layer)))
    np.testing.assert_array_equal(found["late name"][0], x.reshape(3, 4))


def test_legacy_sizes_override_a_shape_as_in_caffe(written):
    body = (caffe.length(7, caffe.length(1, caffe.varint(6))) + b"".join(caffe.number(i, n) for i, n in
            [(1, 1), (2, 1), (3, 2), (4, 3)]) + caffe.length(5, np.ones(6, "<f4").tobytes()))
    found = read_caffemodel(written(caffe.length(2, caffe.text(4, "x") + caffe.length(6, body))))
    assert found["x"][0].shape == (1, 1, 2, 3)


def test_raw_data_without_a_type_are_doubles_as_in_nvidias_caffe(written):
    body = caffe.length(7, caffe.length(1, b"\x02")) + caffe.length(12, np.array([3.5, -1], "<f8").tobytes())
    np.testing.assert_array_equal(read_caffemodel(written(one_blob(body)))["conv"][0], [3.5, -1])


# -- what is refused ---------------------------------------------------------------------------------------------------

def one_blob(body):
    return caffe.length(100, caffe.text(1, "conv") + caffe.length(7, body))


FOUR = caffe.length(5, np.ones(4, "<f4").tobytes())


@pytest.mark.parametrize("contents, says", [
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
    (caffe.text(1, "GoogleNet"), "contains no layer with weights"),
    (b"\x80" * 11 + b"\0", "longer than 10 bytes"),
    (b"\x12\x80", "middle of a varint"),
    (b"\x12" + caffe.varint(2**64 - 1) + b"xx", "length 18,446,744,073,709,551,615, but only 2 bytes are left"),
    (b"\x0a\x01x\x12\x04ab", "field 2 has length 4, but only 2 bytes are left"),
    (b"\x0d\0\0", "middle of field 1"),
    (b"\x13\x14", "wire type 3"),
    (caffe.number(100, 3), "a layer has wire type 0"),
    (caffe.length(100, caffe.number(1, 3)), "layer's name has wire type 0"),
    (caffe.length(100, caffe.length(1, b"\xff\xfe") + caffe.length(7, b"")), "not text"),
    (caffe.net({"a": [np.ones(2)]}) * 2, "two layers are named 'a'"),
    (one_blob(b""), "layer 'conv', blob 0: 0 values for shape 0×0×0×0"),
    (one_blob(FOUR), "4 values for shape 0×0×0×0"),
    (one_blob(FOUR + caffe.length(7, caffe.length(1, b"\x03"))), "4 values for shape 3"),
    (one_blob(FOUR + caffe.number(1, -1)), "impossible shape"),
    (one_blob(FOUR + caffe.length(7, caffe.length(1, b"\x01" * 10**6))), "impossible shape"),
    (one_blob(FOUR + caffe.length(7, caffe.length(1, (b"\xff" * 8 + b"\x7f") * 30))), "4 values for shape huge×huge"),
    (one_blob(caffe.length(7, caffe.length(1, b"\x01")) * 33 + FOUR), "impossible shape of more than 32 axes"),
    (one_blob(caffe.length(7, caffe.number(1, 1) * 33) + FOUR), "impossible shape of more than 32 axes"),
    (one_blob(caffe.length(5, b"abcde")), "middle of a weight"),
    (one_blob(caffe.number(10, 2) + caffe.length(12, b"abc") + caffe.number(4, 1)), "middle of a weight"),
    (one_blob(caffe.number(10, 3) + caffe.length(12, bytes(16))), "its raw data are INT, expected DOUBLE, FLOAT"),
    (one_blob(caffe.number(10, 4) + caffe.length(12, bytes(16))), "its raw data are UINT"),
    (one_blob(caffe.number(10, 77) + caffe.length(12, bytes(16))), "its raw data are of type 77"),
    (one_blob(caffe.number(10, 2) + caffe.length(12, bytes(16))), "8 values for shape 0×0×0×0"),
    (one_blob(caffe.number(10, 2) + caffe.number(12, 5)), "raw data has wire type 0"),
    (caffe.length(100, caffe.text(1, "a\n\x1b[2J") + caffe.length(7, b"")), r"layer 'a\n\x1b[2J', blob 0"),
    (one_blob(caffe.float64(5, 1.0)), "a weight array has wire type 1"),
    (b"\x08\0" * 300_000, "more than 250,000 fields"),
])
def test_refused_in_one_line(written, contents, says):
    path = written(contents)
    with pytest.raises(UserError) as error:
        read_caffemodel(path)
    message = str(error.value)
    assert says in message and message.startswith(str(path)) and "\n" not in message and len(message) < 500


def blob(*body):
    return caffe.blob(np.ones((3, 4, 5)), *body)


@pytest.mark.parametrize("contents, says", [
    *((blob(layout, encoding), "a .binaryproto: a single array") for layout in caffe.LAYOUTS
      for encoding in ("packed", "unpacked")),
    (caffe.number(1, 10_000) + caffe.text(2, "snapshot/net_iter_10000.caffemodel") + caffe.length(3, blob()) * 3
     + caffe.number(4, 2), "a .solverstate, which only resumes training"),
    (caffe.number(1, 10_000) + caffe.text(2, "net_iter_10000.caffemodel") + caffe.length(3, blob())[:-9],
     "a .solverstate, which only resumes training"),
    (caffe.number(1, 7) + caffe.text(2, "pytorch") + caffe.text(3, "2.4") + caffe.length(7, caffe.text(2, "graph"))
     + caffe.length(8, caffe.number(2, 17)), "an ONNX model"),
    (caffe.number(1, 3) + caffe.length(7, b"") + caffe.length(8, b""), "an ONNX model"),
])
def test_other_protocol_buffers_are_named(written, contents, says):
    path = written(contents)
    for read in (read_caffemodel, caffe_parameters):
        with pytest.raises(UserError) as error:
            read(path)
        assert str(error.value).startswith(f"{path}: expected a .caffemodel, but this is {says}")


def test_an_exported_model_is_named(written):
    pytest.importorskip("onnx", reason="onnx is not installed")
    from minigooglenet.models import mini_googlenet
    from minigooglenet.weights.onnx_export import export_model
    for opset in (9, 22):
        model = export_model(mini_googlenet(0.05, heads=False), (32, 32, 3), opset=opset)
        with pytest.raises(UserError, match="this is an ONNX model"):
            caffe_parameters(written(model.SerializeToString()))


def test_refused_by_kind_of_file(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        read_caffemodel(tmp_path / "missing.caffemodel")
    with pytest.raises(UserError, match="folder"):
        read_caffemodel(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="pipe"):
        read_caffemodel(tmp_path / "pipe")
    with open(tmp_path / "huge", "wb") as file:
        file.truncate(2**31)                             # a sparse file: uses no disk space
    with pytest.raises(UserError, match="2,147,483,648 bytes, expected at most"):
        read_caffemodel(tmp_path / "huge")


FULL = caffe.length(7, caffe.length(7, caffe.length(1, b"\x04")) + FOUR)


@pytest.mark.parametrize("contents, most", [
    (one_blob(caffe.length(7, b"") * 1000 + FOUR + caffe.length(7, caffe.length(1, b"\x04"))), 200_000),
    (caffe.length(100, caffe.text(1, "x") + FULL * 8_000), 10_000_000),       # limited by the field budget
    (caffe.net({"w": [np.ones((200, 500))]}, "newer", "unpacked", noise=False), 4 * 500_000),
    (caffe.net({"w": [np.ones((1000, 1000))]}, "newer", "packed", noise=False), 2.5 * 4_000_000),
    (one_blob(FOUR + caffe.length(7, caffe.length(1, b"\x01" * 1_000_000))), 200_000),
    (one_blob(caffe.length(7, caffe.length(1, b"\x01")) * 200_000 + FOUR), 200_000),
    (one_blob(caffe.length(7, caffe.length(1, caffe.varint(10**6))) + caffe.number(10, 2)
              + caffe.length(12, bytes(2 * 10**6))), 2.5 * 4_000_000),
], ids=["empty shapes", "tiny blobs", "unpacked", "packed", "many axes", "many shapes", "half precision"])
def test_memory_stays_near_the_files_size(written, contents, most):
    path = written(contents)
    tracemalloc.start()
    with contextlib.suppress(UserError):
        read_caffemodel(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < most


@pytest.mark.parametrize("contents", [
    one_blob((caffe.float32(5, 1) + caffe.float32(6, 1)) * 120_000),        # runs of length 1
    one_blob((caffe.float32(5, 1) * 33 + caffe.float32(6, 1)) * 50_000),    # slightly longer than the first window
    one_blob(caffe.length(5, b"1234") * 249_000),
    one_blob(caffe.length(7, caffe.length(1, b"\x01")) * 123_000 + FOUR),     # took 49 s
    one_blob(caffe.length(7, caffe.number(1, 1) * 249_000) + FOUR),
], ids=["alternating", "short runs", "fields", "shapes", "axes"])
def test_malicious_files_are_read_in_linear_time(written, contents):
    path = written(contents)
    start = time.process_time()
    with pytest.raises(UserError):
        read_caffemodel(path)
    assert time.process_time() - start < 5


SMALL = [caffe.net({"conv": [np.arange(6.).reshape(1, 1, 2, 3), np.ones(1)], "fc": [np.ones((2, 2))]}, *variant)
         for variant in caffe.VARIANTS]


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damaged_files_parse_or_raise_user_error(written, data):
    contents = bytearray(data.draw(st.sampled_from(SMALL)))
    for _ in range(data.draw(st.integers(0, 4))):
        contents[data.draw(st.integers(0, len(contents) - 1))] = data.draw(st.integers(0, 255))
    contents = contents[:data.draw(st.integers(0, len(contents)))]
    try:
        found = read_caffemodel(written(contents))
    except UserError:
        return
    assert all(blob.dtype == np.float32 and blob.size for blobs in found.values() for blob in blobs)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(min_size=1, max_size=200))
def test_any_bytes_parse_or_raise_user_error(written, contents):
    for wrapped in (contents, one_blob(contents)):
        try:
            read_caffemodel(written(wrapped))
        except UserError:
            pass


def test_every_truncation_of_a_googlenet_is_detected(written):
    """Truncation between two layers leaves a well-formed message; the missing layers are detected."""
    contents = caffe.net(googlenet(np.random.default_rng(0)))
    assert len(caffe_parameters(written(contents))) == 116
    for end in np.random.default_rng(1).integers(1, len(contents), 100):
        with pytest.raises(UserError):
            caffe_parameters(written(contents[:end]))
