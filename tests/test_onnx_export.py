"""ONNX models: they pass onnx's checker, ONNX Runtime computes what we do, and they say what they are."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import small

from minigooglenet.cli import main
from minigooglenet.compose import Sequential
from minigooglenet.errors import ShapeError
from minigooglenet.layers import AvgPool, MaxPool, softmax
from minigooglenet.models.catalogue import entry, network
from minigooglenet.training.trainer import Trainer
from minigooglenet.weights.layout import maps

for package in ("onnx", "onnxruntime"):
    pytest.importorskip(package, reason=f"{package} is not installed")

from onnx_table import shuffled, table  # noqa: E402

from minigooglenet.weights.onnx_export import OPSET, TOLERANCE, difference, model_of  # noqa: E402

SMALL = {  # of each network the smallest picture that it takes, so that the test is quick
    "googlenet": 64, "googlenet-torchvision": 64, "mini": 32, "lenet5": 32, "nin-cifar": 32, "nin": 64,
}


@pytest.mark.parametrize("name", SMALL)
def test_onnx_runtime_computes_the_same(name, rng):
    shape = (SMALL[name], SMALL[name] + 3 if "googlenet" in name else SMALL[name], entry(name).input_shape[-1])
    net = shuffled(network(name, input_shape=shape, classes=7, rng=rng), rng)
    model = model_of(net, shape)
    for N in (1, 3):  # any batch
        assert difference(model, net, rng.standard_normal((N, *shape), np.float32)) < TOLERANCE


def test_naive_modules_and_two_towers(rng):
    naive = network("mini", reduced=False, norm="lrn", width=0.1, rng=rng)
    assert difference(model_of(naive, (32, 32, 3)), naive, rng.standard_normal((2, 32, 32, 3), np.float32)) < TOLERANCE
    alexnet, shape = network("alexnet", width=0.1, rng=rng, classes=5), (227, 227, 3)
    model = model_of(shuffled(alexnet, rng), shape)
    assert {a.i for node in model.graph.node for a in node.attribute if a.name == "group"} == {1, 2}
    assert difference(model, alexnet, rng.standard_normal((1, *shape), np.float32)) < TOLERANCE


@pytest.mark.parametrize("pool", [MaxPool, AvgPool])
@pytest.mark.parametrize("kernel, stride, pad", [(2, 2, 0), (3, 2, 0), (3, 2, 1), (3, 1, 1), (5, 3, 0), (5, 3, 2)])
def test_pools_round_as_ours(pool, kernel, stride, pad, rng):
    for ceil_mode in (False, True):
        for H, W in ((14, 14), (13, 9), (8, 10)):
            net = Sequential({"pool": pool(kernel, stride, pad, ceil_mode)})
            try:
                model = model_of(net, (H, W, 3))
            except ShapeError:
                continue
            assert difference(model, net, rng.standard_normal((2, H, W, 3), np.float32)) < 1e-6


def test_heads_and_dropout_are_left_out_and_names_are_our_paths(rng):
    net = network("mini", heads=True, rng=rng)
    model = model_of(net, (32, 32, 3), softmax=True, metadata={"variant": "mini", "mean": [1.0, 2.0]})
    names = {node.name for node in model.graph.node}
    assert "4a/5x5" in names and "4a" in names and not any("aux" in name or "dropout" in name for name in names)
    assert [o.name for o in model.graph.output] == ["logits", "probabilities"]
    weights = {w.name: tuple(w.dims) for w in model.graph.initializer}
    assert weights["4a/5x5/w"] == net.parameters()["4a/5x5/w"].transpose(3, 2, 0, 1).shape
    assert [d.dim_param or d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim] == ["N", 3, 32, 32]
    assert {p.key: p.value for p in model.metadata_props} == {"variant": "mini", "mean": "[1.0, 2.0]"}
    assert model.opset_import[0].version == OPSET


def test_the_table_of_all_networks(tmp_path):
    Trainer(small.NARROW, small.pictures(), tmp_path / "run").save()
    said = []
    worst = table(["mini", "lenet5"], [str(tmp_path / "run")], say=lambda text, **_: said.append(text))
    assert 0 < worst < TOLERANCE and len(said) == 4
    assert said[1].startswith(f"| mini, random weights | {OPSET} | ") and said[3].startswith("| mini, `run` | ")


def test_a_run_from_the_command_line(tmp_path, rng, capsys):
    import onnxruntime
    trainer = Trainer(small.NARROW.but(epochs=1), small.pictures(), tmp_path / "run")
    trainer.run()
    assert main(["export", str(tmp_path / "run"), str(tmp_path / "net.onnx"), "--softmax"]) == 0
    assert "ONNX Runtime's logits are ours to" in capsys.readouterr().out
    session = onnxruntime.InferenceSession(str(tmp_path / "net.onnx"))
    words = session.get_modelmeta().custom_metadata_map
    assert words["variant"] == "mini" and words["channels"] == "RGB"
    assert json.loads(words["labels"]) == trainer.dataset.classes
    pixels = trainer.dataset.x_test
    x = (pixels - np.array(json.loads(words["mean"]))) / np.array(json.loads(words["std"]))
    logits, p = session.run(["logits", "probabilities"], {"pictures": maps(x.astype(np.float32))})
    trainer.average.swap()
    np.testing.assert_allclose(logits, trainer.net.predict(trainer.normaliser(pixels)), atol=1e-4)
    np.testing.assert_allclose(p, softmax(logits), atol=1e-6)


def test_caffes_weights():
    if "MINIGOOGLENET_CAFFE" not in os.environ:
        pytest.skip("MINIGOOGLENET_CAFFE does not name a folder with bvlc_googlenet.caffemodel")
    from minigooglenet.inference.classifier import of_2014
    folder = Path(os.environ["MINIGOOGLENET_CAFFE"])
    found = of_2014(folder / "bvlc_googlenet.caffemodel")
    with np.load(folder / "golden_crops.npz") as golden:
        crops = next(golden[name] for name in golden.files if golden[name].dtype == np.uint8)
    x = found.prepare(crops[:2].reshape(-1, 224, 224, 3))
    assert difference(model_of(found.net, (224, 224, 3)), found.net, x) < TOLERANCE


@pytest.mark.parametrize("arguments, says", [
    (["OUT.onnx"], "name either a file or run"),
    (["runs/x", "--model", "mini", "OUT.onnx"], "name either a file or run"),
    (["--model", "mini", "OUT.pb"], "ends in .onnx"),
    (["--model", "minni", "OUT.onnx"], "did you mean mini"),
])
def test_wrong_arguments_are_one_line(arguments, says, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["export", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and says in error and not list(tmp_path.iterdir())


def test_without_the_package_the_extra_is_named(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert main(["export", "--model", "mini", str(tmp_path / "net.onnx")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "onnx, which is not installed" in error and "'.[onnx]'" in error
