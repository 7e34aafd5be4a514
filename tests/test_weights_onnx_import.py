"""GoogLeNet's weights from ``.onnx`` files: the model zoo's names, our own export, and files that are refused."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx_writer as writer
import pytest
import small
from caffe_writer import length, number, text
from test_weights_limits import SCRIPT

import minigooglenet as mg
from minigooglenet.cli import main
from minigooglenet.errors import UserError
from minigooglenet.models.googlenet import googlenet
from minigooglenet.training.trainer import Trainer
from minigooglenet.weights import safetensors_io
from minigooglenet.weights.caffemodel import caffe_parameters
from minigooglenet.weights.layout import dense_to_oi, filters_to_oihw
from minigooglenet.weights.onnx_file import read_model
from minigooglenet.weights.onnx_import import ZOO, read_onnx
from minigooglenet.weights.torchvision import to_torchvision

CAFFE = os.environ.get("MINIGOOGLENET_CAFFE")
needs_caffe = pytest.mark.skipif(not CAFFE, reason="MINIGOOGLENET_CAFFE is not a folder with bvlc_googlenet.caffemodel")


def theirs(array):
    return filters_to_oihw(array) if array.ndim == 4 else dense_to_oi(array) if array.ndim == 2 else array


def zoo(path, arrays, listed=False):
    """A file with the zoo's names; ``listed`` stores the values as float_data."""
    tensors = [writer.tensor("OC2_DUMMY_1", (2,), 7, np.array([1, 1024]).tobytes())]   # a shape, as in the zoo's file
    for name, ours in ZOO.items():
        contents = theirs(arrays[ours]).astype("<f4").tobytes()
        tensors.append(writer.tensor(name, theirs(arrays[ours]).shape, raw=None if listed else contents,
                                     fields=length(4, contents) if listed else b""))
    path.write_bytes(writer.model([writer.node("Relu", ["data_0"], ["prob_1"])], tensors,
                                  [writer.value("data_0", (1, 3, 224, 224))], opset=9))
    return path


@pytest.fixture(scope="module")
def arrays():
    return {name: array for name, array in googlenet("bvlc", heads=False, rng=np.random.default_rng(0),
                                                     classes=20).parameters().items()}


@pytest.mark.parametrize("listed", [False, True])
def test_the_zoos_names(arrays, tmp_path, listed):
    variant, found, properties = read_onnx(zoo(tmp_path / "zoo.onnx", arrays, listed))
    assert variant == "bvlc" and not properties and list(found) == list(arrays)
    assert all(np.array_equal(found[name], array) for name, array in arrays.items())
    net = mg.load(tmp_path / "zoo.onnx")
    assert (net.size, net.resized, len(net.labels), net.metadata["channels"]) == (224, 256, 20, "BGR")
    assert main(["convert", str(tmp_path / "zoo.onnx"), str(tmp_path / "w.safetensors")]) == 0
    image = np.random.default_rng(1).integers(0, 256, (250, 300, 3)).astype("uint8")
    assert mg.load(tmp_path / "w.safetensors").classify(image) == net.classify(image)


@needs_caffe
def test_the_weights_of_2014_predict_the_same(tmp_path):
    caffe, image = Path(CAFFE) / "bvlc_googlenet.caffemodel", np.load(Path(CAFFE) / "golden_crops.npz")["crops"][0]
    file = zoo(tmp_path / "googlenet-9.onnx", caffe_parameters(caffe, heads=False), listed=True)
    p = mg.load(caffe).probabilities(image[None])
    assert np.array_equal(mg.load(file).probabilities(image[None]), p)


def test_names_of_torchvision(tmp_path, rng):
    state = to_torchvision(googlenet("torchvision", heads=False, classes=20, rng=rng))
    file = tmp_path / "net.onnx"
    file.write_bytes(writer.model([writer.node("Relu", ["x"], ["y"])], [
        writer.tensor(name, array.shape, raw=array.astype("<f4").tobytes()) for name, array in state.items()
        if array.dtype.kind == "f"], [writer.value("x", (1, 3, 224, 224))]))
    safetensors_io.save(tmp_path / "net.safetensors", state)
    image = rng.integers(0, 256, (256, 256, 3)).astype("uint8")
    assert mg.load(file).classify(image) == mg.load(tmp_path / "net.safetensors").classify(image)


@pytest.mark.parametrize("changes", [{}, {"classifier": "fc", "norm": "lrn"}, {"model": "lenet5"}])
def test_an_exported_run_is_read_again(tmp_path, rng, changes):
    pytest.importorskip("onnx", reason="the package onnx is not installed")
    Trainer(small.NARROW.but(**changes), small.dataset(), folder=tmp_path / "run").save()
    assert main(["export", str(tmp_path / "run"), str(tmp_path / "net.onnx")]) == 0
    run, net = mg.load(tmp_path / "run"), mg.load(tmp_path / "net.onnx")
    image = rng.integers(0, 256, (40, 50, 3)).astype("uint8")
    assert net.classify(image) == run.classify(image)
    assert (net.labels, net.size, net.resized) == (run.labels, run.size, run.resized)
    assert net.config.model == run.config.model
    with pytest.raises(UserError, match="only GoogLeNet itself can be converted"):
        from minigooglenet.weights.convert import convert
        convert(tmp_path / "net.onnx", tmp_path / "w.safetensors")


# -- refused -----------------------------------------------------------------------------------------------------------

def changed(arrays, tmp_path, change):
    """The message for a zoo file after ``change(tensors)``, where tensors is {name: arguments of writer.tensor}."""
    tensors = {name: {"dims": theirs(arrays[ours]).shape, "raw": theirs(arrays[ours]).tobytes()}
               for name, ours in ZOO.items()}
    image = [writer.value("x", (1, 3, 224, 224))]
    change(tensors)
    file = tmp_path / "net.onnx"
    file.write_bytes(writer.model([writer.node("Relu", ["x"], ["y"])], [
        writer.tensor(name, **arguments) for name, arguments in tensors.items()], image))
    with pytest.raises(UserError) as caught:
        mg.load(file)
    message = str(caught.value)
    assert message.startswith(f"{file}: ") and "\n" not in message
    return message.removeprefix(f"{file}: ")


@pytest.mark.parametrize("change, message", [
    (lambda t: t.pop("inception_4a/1x1_w_0"), "lacks 1 arrays, first 'inception_4a/1x1_w_0'; expected GoogLeNet"),
    (lambda t: t.update(layer1_0_conv={"dims": (1,), "raw": bytes(4)}), "has an array 'layer1_0_conv'"),
    (lambda t: t["conv1/7x7_s2_w_0"].update(dims=(64, 7, 7, 3)), "conv1/w is 7×3×7×64, expected 7×7×3×64"),
    (lambda t: t["conv1/7x7_s2_b_0"].update(raw=np.full(64, np.nan, "<f4").tobytes()), r"conv1/b\[0\] is nan"),
    (lambda t: t["conv1/7x7_s2_b_0"].update(raw=None, fields=number(14, 1)), "in another file (external data)"),
    (lambda t: t["conv1/7x7_s2_b_0"].update(raw=bytes(8)), "8 bytes of values, expected 256"),
    (lambda t: t["conv1/7x7_s2_b_0"].update(dims=(2**62, 2**62)), "expected a huge number of"),
    (lambda t: t["conv1/7x7_s2_b_0"].update(dims=(-64,)), "negative size"),
    (lambda t: t["loss3/classifier_w_0"].update(dims=(1024, 20)), "linear/w is 20×1024, expected"),
])
def test_another_network_is_refused_in_one_line(arrays, tmp_path, change, message):
    assert message.replace("\\", "") in changed(arrays, tmp_path, change)


def test_wrong_metadata_of_an_export(arrays, tmp_path):
    for metadata, message in (({"mean": "[1,2"}, "its mean is not valid JSON"), ({"std": "[1, 0, 1]"}, "its channels"),
                              ({"mean": '["a", {}, []]'}, "its channels"), ({"channels": "HSV"}, "its channels"),
                              ({"config": '{"model": 3}', "size": "32"}, "its config is not"),
                              ({"config": '{"colour": 3}', "size": "32"}, "its config is not"),
                              ({"config": "{}", "size": "99999"}, "images of shape")):
        metadata = {"variant": "bvlc", **metadata}
        tensors = [writer.tensor(name, theirs(a).shape, raw=theirs(a).tobytes()) for name, a in arrays.items()]
        (tmp_path / "net.onnx").write_bytes(writer.model([writer.node("Relu", ["x"], ["y"])], tensors,
                                                         metadata=metadata.items()))
        with pytest.raises(UserError, match=message):
            mg.load(tmp_path / "net.onnx")


ANY = writer.node("Relu", ["x"], ["y"])
HOSTILE = {  # each below 10 MB
    "random": lambda rng: rng.bytes(1_000_000),
    "many nodes": lambda _: writer.model([text(1, "")] * 900_000),
    "many initializers": lambda _: writer.model([ANY], [number(1, 4)] * 900_000),
    "many attributes": lambda _: writer.model([ANY + length(5, b"") * 3_000_000]),
    "many dims": lambda _: writer.model([ANY], [length(1, b"\x01" * 9_000_000)]),
    "many integers": lambda _: writer.model([writer.node("R", ["x"], ["y"], [length(8, b"\x01" * 9_000_000)])]),
    "many values": lambda _: writer.model([ANY], [
        writer.tensor("a", (9_000_000,), 7, fields=length(7, b"\1" * 9_000_000))], [writer.value("x", (1, 3))]),
    "deep types": lambda _: writer.model([ANY], inputs=[length(2, length(1, length(2, length(1, b"") * 900_000)))]),
    "a long name": lambda _: writer.model([text(4, "a" * 9_000_000)]),
    "2 GB of sizes": lambda _: writer.model([writer.node("ConstantOfShape", ["s"], ["y"])], [
        writer.tensor("s", (2,), 7, np.array([2**40, 2**40]).tobytes())], [writer.value("x", (1, 2**31))]),
    "a huge range": lambda _: writer.model([writer.node("Range", ["a", "b", "c"], ["y"])], [
        writer.tensor(name, (), 7, np.array(n).tobytes()) for name, n in (("a", 0), ("b", 2**62), ("c", 1))]),
    "a long chain": lambda _: writer.model([writer.node("Relu", [f"{i + 1}"], [f"{i}"]) for i in range(50_000)]),
}


COUNT = """from minigooglenet.inference.counting import count
def count_it(file):
    try:
        count(file)
    except UserError as error:
        assert str(error).startswith(file) and str(error).count("\\n") == 0 and len(str(error)) < 400 + len(file), error
def peak"""


def test_hostile_files_are_refused_within_limits(tmp_path):
    rng = np.random.default_rng(0)
    script = SCRIPT.replace("def peak", COUNT).replace("open_weights(file)", "count_it(file); open_weights(file)")
    for name, contents in HOSTILE.items():
        (tmp_path / f"{name}.onnx").write_bytes(contents(rng))
    valid = writer.model([writer.node("Conv", ["x", "a"], ["y"])], [writer.tensor("a", (4, 3, 3, 3), raw=bytes(432))],
                         [writer.value("x", (1, 3, 8, 8))])
    for size in range(1, len(valid), 7):
        (tmp_path / f"cut at {size}.onnx").write_bytes(valid[:size])
    for i in range(100):
        flipped = bytearray(valid)
        for at in rng.integers(0, len(valid), 3):
            flipped[at] = rng.integers(256)
        (tmp_path / f"flipped {i}.onnx").write_bytes(flipped)
    files = sorted(tmp_path.glob("*.onnx"))
    process = subprocess.run([sys.executable, "-c", script, *map(str, files)], capture_output=True, text=True,
                             cwd=small.ROOT)
    assert process.returncode == 0, process.stderr[-2000:]
    for file, line in zip(files, process.stdout.splitlines(), strict=True):
        result = json.loads(line)
        assert file.stat().st_size < 10**7 and result["megabytes"] < 1000 and result["seconds"] < 10, result
        assert result["says"].startswith(f"{file}: ") and "\n" not in result["says"], result
        assert len(result["says"]) < 400 + len(str(file)), result


def test_the_reader_takes_what_the_package_onnx_writes(tmp_path, rng):
    onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")
    wanted = {f"{kind} {raw}": rng.uniform(-9, 9, (2, 3)).astype(kind) for raw in (0, 1)
              for kind in ("f4", "f8", "f2", "i8", "i4", "i1")}
    tensors = []
    for name, array in wanted.items():
        kind = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
        tensors.append(onnx.numpy_helper.from_array(array, name) if name[-1] == "1" else
                       onnx.helper.make_tensor(name, kind, array.shape, array.ravel()))
    x = onnx.helper.make_tensor_value_info("x", 1, ("N", 3, None, 5))
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"], name="r", a=[1, -2], b=0.5, c="d")],
                                   "g", [x], [onnx.helper.make_tensor_value_info("y", 1, None)], tensors)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)]), tmp_path / "n.onnx")
    model = read_model(tmp_path / "n.onnx")
    assert model.opset == 13 and model.inputs == {"x": ("N", 3, "?", 5)} and model.values == {"y": None}
    assert model.nodes[0].attributes == {"a": [1, -2], "b": 0.5, "c": b"d"} and model.nodes[0].name == "r"
    for name, array in wanted.items():
        assert np.array_equal(model.tensors[name].array(), array) and model.tensors[name].array().dtype == array.dtype
