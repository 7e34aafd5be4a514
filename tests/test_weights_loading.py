"""Arrays into networks: names, shapes and values are checked before anything is copied."""

import dataclasses
import json

import caffe_writer as caffe
import numpy as np
import pytest
import small
from PIL import Image

from minigooglenet.cli import main
from minigooglenet.errors import UserError
from minigooglenet.layers import Dense
from minigooglenet.models import googlenet
from minigooglenet.training import checkpoint
from minigooglenet.training.trainer import Trainer
from minigooglenet.weights import safetensors_io
from minigooglenet.weights.caffemodel import TRUNK, our_path
from minigooglenet.weights.convert import convert
from minigooglenet.weights.loading import build_and_load, check_values, load_into
from minigooglenet.weights.torchvision import to_torchvision

CLASSES = 7


def test_load_into_copies_in_place():
    parameters = {"a/w": np.zeros((2, 3), np.float32), "a/b": np.zeros(3, np.float32)}
    kept = parameters["a/w"]
    assert load_into(parameters, {"a/b": np.arange(3.), "a/w": np.ones((2, 3))}, "here") == ["a/w", "a/b"]
    assert parameters["a/w"] is kept and kept.dtype == np.float32
    np.testing.assert_array_equal(kept, 1)
    np.testing.assert_array_equal(parameters["a/b"], [0, 1, 2])


@pytest.mark.parametrize("change, says", [
    ({"a/w": np.ones((3, 2))}, "a/w is 3×2, expected 2×3"),
    ({"a/b": None}, "a/b is missing, expected 3"),
    ({"z": np.ones(())}, "z is a scalar, expected nothing"),
    ({"a/b": np.ones(3, complex)}, "a/b is complex128, expected float32"),
])
def test_load_into_all_or_nothing(change, says):
    parameters = {"a/w": np.zeros((2, 3), np.float32), "a/b": np.zeros(3, np.float32)}
    arrays = {"a/w": np.ones((2, 3)), "a/b": np.ones(3)} | change
    arrays = {name: array for name, array in arrays.items() if array is not None}
    with pytest.raises(UserError) as error:
        load_into(parameters, arrays, "w.safetensors")
    assert str(error.value) == f"w.safetensors: not the weights of this network: {says}"
    assert not any(array.any() for array in parameters.values())


def test_load_into_names_the_first_few_differences():
    with pytest.raises(UserError, match=r"w0 is missing.*w1.*w2 is missing, expected 1; and 5 more$"):
        load_into({f"w{i}": np.zeros(1) for i in range(8)}, {}, "x")


def test_load_into_without_heads():
    trunk, head = {"conv/w": np.zeros(2)}, {"aux1/fc/w": np.zeros(3)}
    heads = ("aux1/", "aux2/")
    assert load_into(trunk | head, {"conv/w": np.ones(2)}, "x", optional=heads) == ["conv/w"]
    assert load_into(trunk, {"conv/w": np.ones(2), "aux1/fc/w": np.ones(3)}, "x", optional=heads) == ["conv/w"]
    with pytest.raises(UserError, match="aux1/fc/w is 4, expected 3"):
        load_into(trunk | head, {"conv/w": np.ones(2), "aux1/fc/w": np.ones(4)}, "x", optional=heads)
    with pytest.raises(UserError):
        load_into(trunk | head, {"conv/w": np.ones(2)}, "x")


def test_load_into_takes_names_of_version_0_1():
    parameters, beta = {"conv1/bn/beta": np.zeros(3)}, np.ones(3)
    assert load_into(parameters, {"conv1_bn/beta": beta}, "here") == ["conv1/bn/beta"]
    np.testing.assert_array_equal(parameters["conv1/bn/beta"], beta)


def test_quantized_weights_are_not_taken_for_weights():
    parameters = {"a/w": np.zeros(3, np.float32)}
    for dtype in (np.int8, np.uint8, np.int64, bool):
        with pytest.raises(UserError, match=f"a/w is {np.dtype(dtype)}, expected float32"):
            load_into(parameters, {"a/w": np.ones(3, dtype)}, "here")
    assert load_into(parameters, {"a/w": np.ones(3, np.float16)}, "here") == ["a/w"]


# -- values ------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name, value, says", [
    ("a/w", np.nan, "a/w[1, 2] is nan, expected finite values"), ("a/w", -np.inf, "a/w[1, 2] is -inf, expected finite"),
    ("a/w", 1e300, "a/w[1, 2] is 1e+300, expected finite values"), ("a/w", 4e36, "a/w[1, 2] is 4e+36, expected"),
    ("a/bn/variance", -0.25, "a/bn/variance[1, 2] is -0.25, expected variances of 0 or more"),
    ("a/bn/variance", np.nan, "a/bn/variance[1, 2] is nan, expected finite values"),
])
def test_values_that_no_network_has(name, value, says):
    array, parameters = np.ones((2, 3)), {name: np.zeros((2, 3), np.float32), "b": np.zeros(2, np.float32)}
    array[1, 2] = value
    with pytest.raises(UserError) as error:
        load_into(parameters, {"b": np.ones(2), name: array}, "net.safetensors")
    assert str(error.value).startswith(f"net.safetensors: {says}") and "\n" not in str(error.value)
    assert not any(parameter.any() for parameter in parameters.values())          # all or none


def test_values_that_a_network_may_have():
    for array in (np.zeros((0, 3)), np.array(-3.0), np.full(2, -1e18), np.float16([1e-7, -65504])):
        check_values("a/bn/mean", array, "x")
    check_values("a/bn/variance", np.array([0.0, -0.0, 1e-45]), "x")
    with pytest.raises(UserError, match="is inf"):
        check_values("half", np.array([1, np.inf], np.float16), "x")
    with pytest.raises(UserError, match=r"x: s is inf, .*run that diverged"):
        check_values("s", np.array(np.inf), "x")
    with pytest.raises(UserError, match=r"w\[0\] is nan, expected .* \(2 of its 3 values are wrong\)"):
        check_values("w", np.array([np.nan, 1, np.nan]), "x")


# -- the same in every format, in every command ------------------------------------------------------------------------

@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run, a GoogLeNet in Caffe's format, in ours and in torchvision's, and a photo."""
    folder, rng = tmp_path_factory.mktemp("weights"), np.random.default_rng(7)
    Trainer(small.NARROW.but(epochs=1), small.dataset(), folder / "run").save()
    arrays, layers = googlenet("bvlc", classes=CLASSES, heads=False, rng=rng).parameters(), {}
    for name in TRUNK:
        w, b = (arrays[f"{our_path(name)}/{key}"] for key in "wb")
        layers[name] = [w.transpose(3, 2, 0, 1) if w.ndim == 4 else w.T, b]
    (folder / "net.caffemodel").write_bytes(caffe.net(layers))
    convert(folder / "net.caffemodel", folder / "ours.safetensors")
    net = googlenet("torchvision", classes=CLASSES, heads=False, rng=rng)
    safetensors_io.save(folder / "theirs.safetensors", to_torchvision(net))
    convert(folder / "theirs.safetensors", folder / "converted.safetensors")
    Image.fromarray(rng.integers(0, 256, (60, 70, 3), np.uint8)).save(folder / "photo.png")
    return folder


def spoiled(path, name, value, target):
    """A copy of a safetensors file in which the array ``name`` has one other value."""
    arrays, metadata = safetensors_io.load(path)
    arrays[name].flat[1] = value
    safetensors_io.save(target, arrays, metadata)
    return target


SPOILED = [
    ("ours", "3a/3x3/w", np.nan, "3a/3x3/w[0, 0, 0, 1] is nan"),
    ("theirs", "inception4a.branch2.1.bn.running_var", -1, "4a/3x3/bn/variance[1] is -1,"),
    ("theirs", "fc.bias", np.inf, "linear/b[1] is inf"),
    ("converted", "conv1/bn/variance", -1e-9, "conv1/bn/variance[1] is -1e-09"),
    ("run/checkpoint", "average/linear/w", -np.inf, "linear/w[0, 1] is -inf"),
    ("run/checkpoint", "average/5b/1x1/bn/variance", -2, "5b/1x1/bn/variance[1] is -2,"),
]


def refused(capsys, *command):
    """The one line on standard error of a command that exits 2 and prints nothing else."""
    assert main(list(map(str, command))) == 2
    out, err = capsys.readouterr()
    assert not out and err.count("\n") == 1, (out, err)
    return err


@pytest.mark.parametrize("file, name, value, says", SPOILED)
def test_predict_refuses_weights_of_every_format(file, name, value, says, folder, tmp_path, capsys):
    path = spoiled(folder / f"{file}.safetensors", name, value, tmp_path / "checkpoint.safetensors")
    assert f"{path}: {says}" in refused(capsys, "predict", folder / "photo.png", "--weights", path, "--json")


def test_a_caffemodel_is_refused(folder, tmp_path, capsys):
    path = tmp_path / "net.caffemodel"
    contents = bytearray((folder / "net.caffemodel").read_bytes())
    weights = contents.rindex(b"\x2a\x1c", 0, len(contents))       # data = 5 of the classifier's bias: 7 × 4 bytes
    contents[weights + 2:weights + 6] = np.float32(np.nan).tobytes()
    path.write_bytes(contents)
    for command in (["predict", folder / "photo.png", "--weights", path], ["convert", path, tmp_path / "o.safetensors"],
                    ["weights", "--from-file", path, "--datasets", tmp_path / "d"]):
        assert f"{path}: linear/b[0] is nan, expected finite values" in refused(capsys, *command)
    assert [file.name for file in tmp_path.iterdir()] == ["net.caffemodel"]


@pytest.mark.parametrize("command", [
    "evaluate --run RUN", "cam PHOTO --weights RUN --out OUT.png", "dream --weights RUN --out OUT.png",
    "explorer --weights RUN --out OUT.html", "explain PHOTO --weights RUN --out OUT.png",
    "activations PHOTO --weights RUN --out OUT.png", "filters --weights RUN --out OUT.png",
    "occlusion PHOTO --weights RUN --out OUT.png", "predict PHOTO --weights RUN", "export RUN OUT.onnx",
])
@pytest.mark.parametrize("name, value", [("average/4a/3x3/w", np.nan), ("average/4a/3x3/bn/variance", -1)])
def test_every_command_refuses_such_a_run(command, name, value, folder, tmp_path, capsys):
    run = tmp_path / "run"
    run.mkdir()
    spoiled(folder / "run" / checkpoint.NAME, name, value, run / checkpoint.NAME)
    words = {"RUN": run, "PHOTO": folder / "photo.png", "OUT.png": tmp_path / "o.png", "OUT.html": tmp_path / "o.html",
             "OUT.onnx": tmp_path / "o.onnx"}
    if "onnx" in command:
        pytest.importorskip("onnx", reason="onnx is not installed")
    says = refused(capsys, *(words.get(word, word) for word in command.split()))
    assert f"{run / checkpoint.NAME}: {name[8:]}[" in says and f"is {value}, expected" in says
    assert [file.name for file in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("name", ["weights/conv1/w", "velocity/linear/b", "state/conv1/bn/variance", "average/conv1/w"])
def test_a_run_is_not_resumed_from_such_arrays(name, folder, tmp_path):
    spoiled(folder / "run" / checkpoint.NAME, name, -np.inf, tmp_path / checkpoint.NAME)
    again = Trainer(small.NARROW.but(epochs=1), small.dataset(), tmp_path)
    with pytest.raises(UserError, match=f"{name.partition('/')[2]}.* is -inf, expected finite values"):
        again.restore(checkpoint.load(tmp_path))


def test_a_run_does_not_save_such_arrays(tmp_path):
    trainer = Trainer(small.NARROW, small.dataset(), tmp_path)
    trainer.sgd.velocity["conv1/w"].flat[0] = np.inf
    with pytest.raises(UserError, match="conv1/w is NaN or infinite"):
        trainer.save()
    assert not list(tmp_path.iterdir())


def test_finite_weights_whose_activations_are_not(folder, tmp_path, capsys):
    arrays, metadata = safetensors_io.load(folder / "ours.safetensors")
    for name in ("3a/3x3/w", "3b/3x3/w", "linear/w"):
        arrays[name][...] = 1e17
    safetensors_io.save(tmp_path / "w.safetensors", arrays, metadata)
    assert main(["predict", str(folder / "photo.png"), "--weights", str(tmp_path / "w.safetensors"), "--json"]) == 2
    out, err = capsys.readouterr()
    assert not out and "exceed float32" in err and len(small.without_engine(err)) == 1


# -- shapes before memory ----------------------------------------------------------------------------------------------

def test_the_network_gets_no_memory_before_its_shapes_are_compared():
    built = []

    def build(dtype):
        built.append(np.dtype(dtype))
        return Dense(2, 3, dtype=dtype)

    net = build_and_load(build, {"w": np.ones((2, 3)), "b": np.ones(3)}, "x")
    assert net.params["w"].dtype == np.float32 and net.params["w"].all() and built[0].itemsize == 0
    built.clear()
    with pytest.raises(UserError, match="w is 3×2, expected 2×3"):
        build_and_load(build, {"w": np.ones((3, 2)), "b": np.ones(3)}, "x")
    assert len(built) == 1 and built[0].itemsize == 0
    with pytest.raises(UserError, match="w is 1×1, expected 10000000×10000000"):
        build_and_load(lambda dtype: Dense(10**7, 10**7, dtype=dtype), {"w": np.ones((1, 1))}, "x", optional="b")


CONFIG = {"classifier": "fc", "width": 4, "reduced": False}
METADATA = {
    "49 GB of weights": ({"input_shape": [110_000, 110_000, 3]}, "images of shape [110000, 110000, 3], expected"),
    "weights of another size": ({"input_shape": [64, 64, 3]}, "aux1/fc/w is 32×48, expected"),
    "a wide network": ({"config": CONFIG}, "conv1/w is 3×3×3×8, expected 3×3×3×256"),
    "many channels": ({"input_shape": [32, 32, 10**12]}, "images of shape"),
    "no pixels": ({"input_shape": [0, 0, 3]}, "images of shape"),
    "one pixel": ({"input_shape": [1, 1, 3]}, "describes an impossible network (pool1"),
    "half a pixel": ({"input_shape": [32.5, 32, 3]}, "images of shape"),
    "a text for a shape": ({"input_shape": "32×32"}, "images of shape 32×32, expected"),
    "control characters": ({"input_shape": "\n\x1b[2J"}, r"images of shape \n\x1b[2J, expected"),
    "a number of classes": ({"classes": 5}, "its classes or its data set are not named"),
    "half a million classes": ({"classes": ["c"] * 500_000}, "linear/w is 48×10, expected 48×500000"),
    "an infinite mean": ({"normalizer": [[1, 1, np.inf], [1, 1, 1]]}, "its normalizer is not a finite mean"),
    "a standard deviation of 0": ({"normalizer": [[1, 1, 1], [1, 1, 0]]}, "and a positive std per channel"),
    "a huge integer": ({"normalizer": [[1, 1, 10**400], [1, 1, 1]]}, "int too large"),
    "no generator": ({"generator": {}}, "state must be for a PCG64"),
    "a list for the progress": ({"progress": []}, "list indices"),
    "a width of 5": ({"config": {"width": 5}}, "width: "),
}


@pytest.mark.parametrize("changes, says", METADATA.values(), ids=METADATA)
def test_metadata_that_no_run_writes(changes, says, folder, tmp_path, capsys):
    arrays, metadata = safetensors_io.load(folder / "run" / checkpoint.NAME)
    values = {key: json.loads(text) for key, text in metadata.items()}
    for key, value in changes.items():
        values[key] = values[key] | value if key == "config" else value
    safetensors_io.save(tmp_path / checkpoint.NAME, arrays, {key: json.dumps(value) for key, value in values.items()})
    for command in (["predict", folder / "photo.png", "--weights", tmp_path], ["evaluate", "--run", tmp_path]):
        line = refused(capsys, *command)
        assert f"{tmp_path / checkpoint.NAME}: " in line and says in line, line


@pytest.mark.parametrize("key", ["config", "classes", "input_shape", "normalizer", "progress", "generator"])
def test_metadata_nested_too_deep(key, folder, tmp_path, capsys):
    arrays, metadata = safetensors_io.load(folder / "run" / checkpoint.NAME)
    safetensors_io.save(tmp_path / checkpoint.NAME, arrays, metadata | {key: "[" * 10**5 + "]" * 10**5})
    assert "nested too deep" in refused(capsys, "predict", folder / "photo.png", "--weights", tmp_path)


def test_images_that_no_checkpoint_may_have_are_not_trained_on():
    x = np.zeros((40, 1000, 32, 3), np.uint8)
    dataset = dataclasses.replace(small.dataset(), x_train=x, x_test=x)
    with pytest.raises(UserError, match=r"images of shape \(1000, 32, 3\), expected"):
        Trainer(small.NARROW, dataset)
