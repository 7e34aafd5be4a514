"""ONNX models: onnx's checker accepts them, ONNX Runtime computes the same logits, and their metadata are complete."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import small

from minigooglenet.cli import main
from minigooglenet.errors import ShapeError
from minigooglenet.layers import LRN, AvgPool, BatchNorm, Conv, Dense, Flatten, MaxPool, Softmax, softmax
from minigooglenet.layers.containers import Sequential
from minigooglenet.models.catalog import entry, network
from minigooglenet.training.trainer import Trainer
from minigooglenet.weights.layout import maps_to_nchw

for package in ("onnx", "onnxruntime"):
    pytest.importorskip(package, reason=f"{package} is not installed")

from onnx_table import shuffled, table  # noqa: E402

from minigooglenet.weights.onnx_export import OPSET, TOLERANCE, difference, export_model  # noqa: E402

SMALL = {  # the smallest input size of each network, for a fast test
    "googlenet": 64, "googlenet-torchvision": 64, "mini": 32, "lenet5": 32, "nin-cifar": 32, "nin": 64,
}


@pytest.mark.parametrize("name", SMALL)
def test_onnx_runtime_computes_the_same(name, rng):
    shape = (SMALL[name], SMALL[name] + 3 if "googlenet" in name else SMALL[name], entry(name).input_shape[-1])
    net = shuffled(network(name, input_shape=shape, classes=7, rng=rng), rng)
    model = export_model(net, shape)
    for N in (1, 3):  # any batch
        assert difference(model, net, rng.standard_normal((N, *shape), np.float32)) < TOLERANCE


def test_naive_modules_and_grouped_convolution(rng):
    naive = network("mini", reduced=False, norm="lrn", width=0.1, rng=rng)
    model = export_model(naive, (32, 32, 3))
    assert difference(model, naive, rng.standard_normal((2, 32, 32, 3), np.float32)) < TOLERANCE
    alexnet, shape = network("alexnet", width=0.1, rng=rng, classes=5), (227, 227, 3)
    model = export_model(shuffled(alexnet, rng), shape)
    assert {a.i for node in model.graph.node for a in node.attribute if a.name == "group"} == {1, 2}
    assert difference(model, alexnet, rng.standard_normal((1, *shape), np.float32)) < TOLERANCE


def newest_opset():
    import onnx
    return onnx.defs.onnx_opset_version()


@pytest.mark.parametrize("opset", range(9, newest_opset() + 1))
def test_every_opset(opset, rng):
    """Networks with every operator. tests/onnx_opsets.py compares all networks, also with an older ONNX Runtime."""
    for name in ("mini", "lenet5"):
        shape = (SMALL[name], SMALL[name], entry(name).input_shape[-1])
        net = shuffled(network(name, input_shape=shape, classes=7, rng=rng, width=0.1), rng)
        model = export_model(net, shape, softmax=True, opset=opset)
        assert model.opset_import[0].version == opset
        assert difference(model, net, rng.standard_normal((3, *shape), np.float32)) < TOLERANCE
    net = Sequential({"norm": LRN(), "average": AvgPool(5, 3, 2, True), "max": MaxPool(3, 2, 1, True),
                      "last": AvgPool(2, 2, 0, True)})
    model = export_model(net, (20, 31, 4), opset=opset)
    assert difference(model, net, rng.standard_normal((2, 20, 31, 4), np.float32)) < 1e-6


def test_opset_from_the_command_line(tmp_path, capsys):
    for opset in (9, 20):
        assert main(["export", "--model", "lenet5", str(tmp_path / "net.onnx"), "--opset", str(opset)]) == 0
        assert f"opset {opset}" in capsys.readouterr().out
    for opset in (8, newest_opset() + 1):
        assert main(["export", "--model", "lenet5", str(tmp_path / "no.onnx"), "--opset", str(opset)]) == 2
        error = capsys.readouterr().err
        assert f"opset: got {opset}, needs 9 to {newest_opset()}" in error and error.count("\n") == 1
    assert main(["export", "--model", "lenet5", str(tmp_path / "net.onnx")]) == 0
    assert f"opset {OPSET}" in capsys.readouterr().out and [path.name for path in tmp_path.iterdir()] == ["net.onnx"]


def test_an_onnx_runtime_that_is_too_old_for_the_opset(tmp_path, capsys, monkeypatch):
    import onnxruntime

    class Session:
        def __init__(self, *_, **__):
            raise Exception("[ONNXRuntimeError] : 1 : FAIL")
    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    assert main(["export", "--model", "lenet5", str(tmp_path / "net.onnx")]) == 0
    assert "not compared with ONNX Runtime (ONNX Runtime " in capsys.readouterr().out


@pytest.mark.parametrize("opset", [OPSET, 9])
@pytest.mark.parametrize("pool", [MaxPool, AvgPool])
@pytest.mark.parametrize("kernel, stride, pad", [(2, 2, 0), (3, 2, 0), (3, 2, 1), (3, 1, 1), (5, 3, 0), (5, 3, 2)])
def test_pools_round_as_in_onnx(pool, kernel, stride, pad, opset, rng):
    for ceil_mode in (False, True):
        for H, W in ((14, 14), (13, 9), (8, 10)):
            net = Sequential({"pool": pool(kernel, stride, pad, ceil_mode)})
            try:
                model = export_model(net, (H, W, 3), opset=opset)
            except ShapeError:
                continue
            assert difference(model, net, rng.standard_normal((2, H, W, 3), np.float32)) < 1e-6


@pytest.mark.parametrize("opset", [9, 10, 11, 17, 21, 22])
@pytest.mark.parametrize("window, shape", [((2, 2, 1), (7, 7, 3)), ((2, 2, 1), (7, 6, 3)), ((3, (4, 2), 1), (7, 8, 2))])
def test_a_window_that_would_start_beyond_the_image(window, shape, opset, rng):
    """The layer drops it, as ONNX does from opset 22 on. What follows has to fit."""
    pool = MaxPool(*window, ceil_mode=True)
    net = Sequential({"pool": pool, "flatten": Flatten(), "linear": Dense(np.prod(pool.output_shape(shape)), 5, rng=0)})
    model = export_model(net, shape, opset=opset)
    assert difference(model, net, rng.standard_normal((2, *shape), np.float32)) < TOLERANCE


def test_lrn_with_other_constants(rng):
    net = Sequential({"norm": LRN(size=3, alpha=0.7, beta=0.6, k=2.5)})
    assert difference(export_model(net, (5, 4, 7)), net, rng.standard_normal((2, 5, 4, 7), np.float32)) < 1e-6


def test_softmax_and_a_network_in_float64(rng):
    net = Sequential({"conv": Conv(3, 4, 3, rng=0), "bn": BatchNorm(4), "flatten": Flatten(),
                      "linear": Dense(4 * 3 * 4, 5, rng=0), "softmax": Softmax()}).astype("float64")
    model = export_model(net, (5, 6, 3))
    assert {w.data_type for w in model.graph.initializer} == {1}    # FLOAT
    assert difference(model, net, rng.standard_normal((2, 5, 6, 3))) < 1e-6


def test_heads_and_dropout_are_omitted_and_names_are_paths(rng):
    net = network("mini", heads=True, rng=rng)
    model = export_model(net, (32, 32, 3), softmax=True, metadata={"variant": "mini", "mean": [1.0, 2.0]})
    names = {node.name for node in model.graph.node}
    assert names >= {"4a/5x5", "4a/5x5/bn", "4a/5x5/relu", "4a"}
    assert not any("aux" in name or "dropout" in name for name in names)
    assert [o.name for o in model.graph.output] == ["logits", "probabilities"]
    weights = {w.name: tuple(w.dims) for w in model.graph.initializer}
    assert weights["4a/5x5/w"] == net.parameters()["4a/5x5/w"].transpose(3, 2, 0, 1).shape
    assert [d.dim_param or d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim] == ["N", 3, 32, 32]
    assert {p.key: p.value for p in model.metadata_props} == {"variant": "mini", "mean": "[1.0, 2.0]"}
    assert model.opset_import[0].version == OPSET


def test_the_table_of_all_networks(tmp_path):
    Trainer(small.NARROW, small.dataset(), tmp_path / "run").save()
    lines = []
    worst = table(["mini", "lenet5"], [str(tmp_path / "run")], write=lambda text, **_: lines.append(text))
    assert 0 < worst < TOLERANCE and len(lines) == 4
    assert lines[1].startswith(f"| mini, random weights | {OPSET} | ") and lines[3].startswith("| mini, `run` | ")


def test_a_run_from_the_command_line(tmp_path, rng, capsys):
    import onnxruntime
    trainer = Trainer(small.NARROW.but(epochs=1), small.dataset(), tmp_path / "run")
    trainer.run()
    assert main(["export", str(tmp_path / "run"), str(tmp_path / "net.onnx"), "--softmax"]) == 0
    assert "ONNX Runtime's logits agree within" in capsys.readouterr().out
    session = onnxruntime.InferenceSession(str(tmp_path / "net.onnx"))
    metadata = session.get_modelmeta().custom_metadata_map
    assert metadata["variant"] == "mini" and metadata["channels"] == "RGB"
    assert json.loads(metadata["labels"]) == trainer.dataset.classes
    pixels = trainer.dataset.x_test
    x = (pixels - np.array(json.loads(metadata["mean"]))) / np.array(json.loads(metadata["std"]))
    logits, p = session.run(["logits", "probabilities"], {"images": maps_to_nchw(x.astype(np.float32))})
    trainer.average.swap()
    np.testing.assert_allclose(logits, trainer.net.predict(trainer.normalizer(pixels)), atol=1e-4)
    np.testing.assert_allclose(p, softmax(logits), atol=1e-6)


def test_caffes_weights():
    if "MINIGOOGLENET_CAFFE" not in os.environ:
        pytest.skip("MINIGOOGLENET_CAFFE is not a folder with bvlc_googlenet.caffemodel")
    from minigooglenet.inference.classifier import load_caffe
    folder = Path(os.environ["MINIGOOGLENET_CAFFE"])
    found = load_caffe(folder / "bvlc_googlenet.caffemodel")
    with np.load(folder / "golden_crops.npz") as golden:
        crops = next(golden[name] for name in golden.files if golden[name].dtype == np.uint8)
    x = found.prepare(crops[:2].reshape(-1, 224, 224, 3))
    assert difference(export_model(found.net, (224, 224, 3)), found.net, x) < TOLERANCE


@pytest.mark.parametrize("arguments, says", [
    (["OUT.onnx"], "give either WEIGHTS or --model NAME"),
    (["runs/x", "--model", "mini", "OUT.onnx"], "give either WEIGHTS or --model NAME"),
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
