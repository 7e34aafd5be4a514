"""Counts of ``.onnx`` files: against PyTorch's counter, against our own networks, by hand, and of wrong files."""

import json

import numpy as np
import onnx_writer as writer
import pytest

import minigooglenet as mg
from minigooglenet.cli import main
from minigooglenet.errors import UserError
from minigooglenet.flops import onnx_graph
from minigooglenet.flops.onnx_graph import count_onnx
from minigooglenet.weights.onnx_file import read_model

IMAGE = writer.value("x", ("N", 3, 8, 6))


def run(capsys, *words):
    assert main(["flops", *map(str, words)]) == 0
    return capsys.readouterr().out


def write(path, *args, **options):
    path.write_bytes(writer.model(*args, **options))
    return path


def weights(name, *dims):
    return writer.tensor(name, dims, raw=bytes(4 * int(np.prod(dims))))


# -- other libraries -----------------------------------------------------------------------------------------------

@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name, macs", [("resnet50", 4_089_184_256), ("mobilenet_v2", 300_774_272),
                                        ("vgg16", 15_470_264_320)])
def test_equal_to_torch_to_the_digit(name, macs, tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    pytest.importorskip("onnx", reason="PyTorch exports with the package onnx, which is not installed")
    import torch_models
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"):
        net = getattr(torch_models, name)().eval()
        with FlopCounterMode(display=False) as counter:
            net(torch.empty(1, 3, 224, 224))
    stored = name != "vgg16"            # its 553 MB would take most of the time, and its pool needs fixed sizes
    sizes = {0: "N", 2: "H", 3: "W"} if stored else {0: "N"}
    file, net, mode = tmp_path / "net.onnx", net.to_empty(device="cpu"), torch.onnx.TrainingMode
    for array in net.parameters() if stored else ():
        torch.nn.init.normal_(array)    # equal arrays would be stored once
    torch.onnx.export(net, torch.zeros(1, 3, 224, 224), file, dynamo=False, input_names=["x"], export_params=stored,
                      training=mode.PRESERVE, do_constant_folding=False, dynamic_axes={"x": sizes})
    counted = count_onnx(file, (224, 224))
    assert counted.flops == counter.get_total_flops() and counted.macs == macs and not counted.not_counted()
    assert counted.params == stored * sum(array.numel() for array in net.parameters())
    if stored:
        with pytest.raises(UserError, match="its input 'x' has open sizes, Nx3xHxW; give its height and width"):
            count_onnx(file)


@pytest.mark.parametrize("model", ["googlenet", "googlenet-torchvision", "nin-cifar", "lenet5"])
def test_an_export_of_ours_counts_as_the_network(model, tmp_path, capsys):
    pytest.importorskip("onnx", reason="the package onnx is not installed")
    from minigooglenet.models.catalog import entry, network
    from minigooglenet.weights.onnx_export import export_model, save

    shape = entry(model).input_shape
    save(tmp_path / "net.onnx", export_model(network(model, heads=False), shape))
    ours, theirs = mg.count(model), mg.count(tmp_path / "net.onnx")
    assert (theirs.params, theirs.macs, theirs.other) == (ours.params, ours.macs, ours.other)
    names = {row.name: row for row in theirs.layers}
    for row in ours.layers:
        found = names.get(row.name)
        assert found is not None or row.kind in ("dropout", "relu"), row.name
        if found and row.kind != "flatten":
            assert (found.params, found.macs, found.kernel) == (row.params, row.macs, row.kernel), row.name
    blocks = {row.name: row for row in theirs.blocks}
    for row in ours.blocks:
        if row.params:
            assert (blocks[row.name].params, blocks[row.name].text, blocks[row.name].other) == (
                row.params, row.text, row.other)
            assert blocks[row.name].output == (*row.output[-1:], *row.output[:-1])
    assert f"{ours.macs:,}" in run(capsys, tmp_path / "net.onnx", "--by", "module")


@pytest.mark.parametrize("name", ["bvlc_alexnet", "densenet121", "inception_v1", "inception_v2", "resnet50",
                                  "shufflenet", "squeezenet", "vgg19", "zfnet512"])
def test_shapes_agree_with_the_package_onnx(name):
    onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")
    from pathlib import Path
    file = Path(onnx.__file__).parent / f"backend/test/data/light/light_{name}.onnx"
    if not file.exists():
        pytest.skip("this version of the package onnx has no light models")
    graph = onnx.shape_inference.infer_shapes(onnx.load(file), data_prop=True).graph
    model = read_model(file)
    model.values = {}                   # the shapes that the file states
    walk = onnx_graph._Walk(model, onnx_graph._entering(model, None, file), file)
    for node in model.nodes:
        walk.visit(node)
    compared = 0
    for found in (*graph.value_info, *graph.output):
        for ours, dim in zip(walk.values[found.name].shape, found.type.tensor_type.shape.dim, strict=True):
            assert dim.dim_value in (0, ours), found.name
            compared += 1
    assert compared > 50 and not mg.count(file).not_counted()


# -- by hand ---------------------------------------------------------------------------------------------------------

def test_depthwise_grouped_and_transposed_by_hand(tmp_path):
    file = write(tmp_path / "net.onnx", [
        writer.node("Conv", ["x", "a"], ["1"], [writer.ints("strides", [2, 1]), writer.ints("pads", [1, 0, 1, 1])]),
        writer.node("Conv", ["1", "b"], ["2"], [writer.text(1, "group") + writer.number(3, 4)]),
        writer.node("ConvTranspose", ["2", "c"], ["3"], [writer.ints("strides", [2, 3])]),
        writer.node("Resize", ["3", "", "s"], ["4"], [writer.text(1, "mode") + writer.text(4, "linear")]),
    ], [weights("a", 4, 3, 3, 2), weights("b", 4, 1, 3, 3), weights("c", 4, 5, 2, 3),
        writer.tensor("s", (4,), raw=np.array([1, 1, 2, 2], "<f4").tobytes())], [IMAGE])
    first, second, third, fourth = count_onnx(file).layers
    assert (first.output, first.macs, first.text) == ((4, 4, 6), 4 * 6 * 4 * 3 * 3 * 2, "conv 3x2/2x1")
    assert (second.output, second.macs, second.text) == ((4, 2, 4), 2 * 4 * 4 * 9, "depthwise conv 3x3/1")
    assert (third.output, third.macs) == ((5, 4, 12), 2 * 4 * 4 * 5 * 2 * 3)
    assert (fourth.output, fourth.other, fourth.params) == ((5, 8, 24), 5 * 8 * 24 * 4, 0)
    assert [row.params for row in (first, second, third)] == [72, 36, 120]


def test_attention_by_hand(tmp_path):
    file = write(tmp_path / "net.onnx", [
        writer.node("MatMul", ["x", "w"], ["q"]),
        writer.node("Transpose", ["q"], ["k"], [writer.ints("perm", [0, 2, 1])]),
        writer.node("MatMul", ["q", "k"], ["s"]), writer.node("Softmax", ["s"], ["p"]),
        writer.node("MatMul", ["p", "q"], ["y"]), writer.node("MatMul", ["y", "w"], ["z"]),
    ], [weights("w", 6, 6)], [writer.value("x", ("N", "T", 6))])
    counted = count_onnx(file, (5, 5))
    assert [row.macs for row in counted.layers] == [180, 0, 150, 0, 150, 180]
    assert counted.params == 36 and counted.layers[3].other == 3 * 25 and counted.layers[2].output == (5, 5)


def test_a_fixed_batch_counts_for_one_image(tmp_path):
    nodes = [writer.node("Conv", ["x", "a"], ["1"], name="c"), writer.node("Relu", ["1"], ["2"], name="r")]
    one, eight = (count_onnx(write(tmp_path / f"{N}.onnx", nodes, [weights("a", 4, 3, 3, 3)],
                                   [writer.value("x", (N, 3, 8, 6))])) for N in (1, 8))
    assert one.layers == eight.layers and one.macs == 4 * 6 * 4 * 27
    assert [row.text for row in one.blocks] == ["conv 3x3/1, ReLU"]
    shared = [*nodes, writer.node("MatMul", ["m", "m"], ["3"], name="shared")]
    with pytest.raises(UserError, match="fixes a batch of 8, and 1 nodes, first 'shared'"):
        count_onnx(write(tmp_path / "s.onnx", shared, [weights("a", 4, 3, 3, 3), weights("m", 3, 3)],
                         [writer.value("x", (8, 3, 8, 6))]))


def test_what_is_unknown_is_listed(tmp_path, capsys):
    file = write(tmp_path / "net.onnx", [
        writer.node("Conv", ["x", "a"], ["1"], name="c"), writer.node("Magic", ["1"], ["2"], domain="my.ops", name="m"),
        writer.node("Relu", ["2"], ["3"], name="r"), writer.node("Magic", ["1"], ["4"], domain="my.ops", name="n"),
        writer.node("NonZero", ["4"], ["5"], name="z"), writer.node("Conv", ["4", "b"], ["6"], name="d"),
    ], [weights("a", 4, 3, 3, 3), weights("b", 2, 4, 1, 1)], [IMAGE], [writer.value("4", ("N", 4, 6, 4))])
    counted = mg.count(file)
    relu = "not counted: Relu (the shape of its input is unknown)"
    assert counted.not_counted() == {"not counted: my.ops.Magic": 2, relu: 1, "not counted: NonZero": 1}
    assert counted.macs == 6 * 4 * 4 * 27 + 6 * 4 * 4 * 2
    text = run(capsys, file)
    assert "2 × not counted: my.ops.Magic, 1 × not counted: Relu" in text and "The totals are without these." in text
    data = json.loads(run(capsys, file, "--json"))
    assert data["not_counted"] == counted.not_counted()
    assert [row["macs"] for row in data["rows"] if row["name"] == "m"] == [None]
    assert "m,not counted: my.ops.Magic,,0,,,\n" in run(capsys, file, "--csv")


def test_another_size(tmp_path, capsys):
    file = write(tmp_path / "net.onnx", [writer.node("Conv", ["x", "a"], ["1"], name="c")], [weights("a", 4, 3, 3, 3)],
                 [IMAGE])
    assert json.loads(run(capsys, file, "--input", "10x12", "--json"))["total"]["macs"] == 8 * 10 * 4 * 27
    assert "input 3x8x6, channels first" in run(capsys, file)
    assert main(["flops", str(file), "--input", "2"]) == 2
    assert "its node 'c' (Conv) does not fit: maps of 2x2 are too small for its window 3x3" in capsys.readouterr().err


CONV = writer.node("Conv", ["x", "a"], ["1"], name="c")
STILL = writer.node("Conv", ["x", "a"], ["1"], [writer.ints("strides", [0, 1])])
WEIGHTS = [weights("a", 4, 3, 3, 3)]


@pytest.mark.parametrize("parts, message", [
    (dict(nodes=[writer.node("Add", ["1", "x"], ["2"]), writer.node("Relu", ["2"], ["1"])]), "cyclic or out of order"),
    (dict(nodes=[writer.node("Relu", ["nowhere"], ["1"])]), "reads 'nowhere', which no node computes"),
    (dict(nodes=[CONV, CONV], tensors=WEIGHTS), "two nodes compute '1'"),
    (dict(nodes=[CONV], tensors=WEIGHTS, inputs=[writer.value("x", (1, 3, -8, 6))]), "impossible shape 1x3x-8x6"),
    (dict(nodes=[CONV], tensors=WEIGHTS, inputs=[writer.value("x", (1, 3, 2**62, 6))]), "impossible shape"),
    (dict(nodes=[CONV], tensors=WEIGHTS, inputs=[writer.value("x", (1, "C", "H", "W"))]), "fixed channels"),
    (dict(nodes=[CONV], tensors=WEIGHTS, inputs=[writer.text(1, "x")]), "has no shape"),
    (dict(nodes=[CONV], tensors=[writer.tensor("a", (4, 3, -3, 3), raw=b"")]), "'a' has a negative size"),
    (dict(nodes=[CONV], tensors=[writer.tensor("a", (4, 3, 3, 3), raw=bytes(7))]), "7 bytes of values, expected 432"),
    (dict(nodes=[CONV], tensors=[weights("a", 4, 2, 3, 3)]), "do not fit 3 channels"),
    (dict(nodes=[CONV], tensors=WEIGHTS * 2), "two initializers are named 'a'"),
    (dict(nodes=[STILL], tensors=WEIGHTS), "strides"),
    (dict(nodes=[writer.node("Conv", ["x"], ["1"])]), "has no input 1"),
    (dict(nodes=[writer.node("Reshape", ["x", "s"], ["1"])],
          tensors=[writer.tensor("s", (2,), 7, np.array([0, 7]).tobytes())]), "does not have the"),
    (dict(nodes=[writer.node("Transpose", ["x"], ["1"], [writer.ints("perm", [0, 0, 1, 2])])]), "order"),
    (dict(nodes=[]), "contains no graph"),
])
def test_wrong_graphs_give_one_line(tmp_path, capsys, parts, message):
    file = write(tmp_path / "net.onnx", **{"inputs": [IMAGE], **parts})
    assert main(["flops", str(file)]) == 2
    out, err = capsys.readouterr()
    assert not out and err.count("\n") == 1 and err.startswith(f"minigooglenet flops: {file}: ") and message in err


def test_external_weights_are_counted(tmp_path):
    outside = writer.tensor("a", (4, 3, 3, 3), fields=writer.number(14, 1))
    assert count_onnx(write(tmp_path / "net.onnx", [CONV], [outside], [IMAGE])).params == 108
