"""Counts against values that were computed independently of this code, and their tables."""

import csv
import json
import subprocess
import sys

import pytest
import small
from golden_counts import LAYERS, golden

import minigooglenet as mg
from minigooglenet.cli import main
from minigooglenet.errors import UserError
from minigooglenet.flops import count, report
from minigooglenet.flops.counting import convolution
from minigooglenet.flops.report import MODULES, naive
from minigooglenet.flops.tables import Table
from minigooglenet.flops.timing import summed
from minigooglenet.layers import Conv, Dense, ReLU
from minigooglenet.models.catalog import CATALOG, network
from minigooglenet.models.mini import mini_googlenet
from minigooglenet.training.trainer import Trainer

#: Parameters and MACs. Published elsewhere: AlexNet's and VGG's parameters, torchvision's models, Caffe's GoogLeNet.
TOTALS = {
    "googlenet": (6_998_552, 1_582_671_872),
    "googlenet-torchvision": (6_624_904, 1_498_376_192),
    "lenet5": (61_706, 416_520),
    "alexnet": (60_965_224, 724_406_816),
    "alexnet-onetower": (62_378_344, 1_135_256_096),
    "alexnet-torchvision": (61_100_840, 714_188_480),
    "zfnet": (62_357_608, 1_168_032_896),
    "nin": (7_595_176, 1_100_188_800),
    "nin-cifar": (966_986, 222_486_528),
    "vgg16": (138_357_544, 15_470_264_320),
    "vgg19": (143_667_240, 19_632_062_464),
}

#: Module: 5×5 naive; its 1×1 and 5×5 reduced; 3×3 naive and reduced; module naive and reduced; maps of both.
NAIVE_AND_REDUCED = {
    "3a": (120422400, 2408448, 10035200, 173408256, 101154816, 303464448, 128049152, 416, 256),
    "3b": (481689600, 6422528, 60211200, 346816512, 199098368, 854196224, 304267264, 672, 480),
    "4a": (112896000, 1505280, 3763200, 176117760, 44255232, 307077120, 73608192, 928, 512),
    "4b": (160563200, 2408448, 7526400, 202309632, 55494656, 378929152, 87908352, 960, 512),
    "4c": (160563200, 2408448, 7526400, 231211008, 70647808, 404619264, 99850240, 960, 512),
    "4d": (160563200, 3211264, 10035200, 260112384, 87607296, 431915008, 118515712, 976, 528),
    "4e": (331161600, 3311616, 20070400, 298045440, 106874880, 655699968, 169996288, 1232, 832),
    "5a": (130457600, 1304576, 5017600, 117411840, 29102080, 258306048, 51079168, 1536, 832),
    "5b": (130457600, 1956864, 7526400, 140894208, 40341504, 287006720, 70697984, 1728, 1024),
}


@pytest.fixture(scope="module")
def googlenet():
    return count("googlenet")


@pytest.mark.parametrize("model", TOTALS)
def test_totals(model):
    counted = count(model)
    assert (counted.params, counted.macs) == TOTALS[model]
    assert counted.flops == 2 * counted.macs


@pytest.mark.parametrize("model", LAYERS)
def test_every_layer_with_weights(model):
    wanted = golden(model)
    assert tuple(map(sum, zip(*wanted.values(), strict=True))) == TOTALS[model]
    assert {row.name: (row.params, row.macs) for row in count(model).layers if row.params} == wanted


@pytest.mark.parametrize("model, params, macs", [
    ("googlenet", 13_378_280, 1_582_671_872 + 4_169_728 + 4_202_496), ("googlenet-torchvision", 13_004_888, None)])
def test_with_auxiliary_heads(model, params, macs):
    counted = count(model, heads=True)
    assert counted.params == params
    assert macs in (None, counted.macs)
    assert counted["aux1"].params + counted["aux2"].params + count(model).params == params


@pytest.mark.parametrize("model, heads", [
    (model, heads) for model in CATALOG for heads in (False, True) if CATALOG[model].has_heads or not heads])
def test_leaves_and_modules_sum_to_the_totals(model, heads):
    counted, net = count(model, heads=heads), network(model, heads=heads)
    for rows in map(counted.rows, ("layer", "block", "module")):
        assert sum(row.params for row in rows) == counted.params == sum(w.size for w in net.parameters().values())
        assert sum(row.macs for row in rows) == counted.macs
        assert sum(row.other for row in rows) == counted.other
        assert len({row.name for row in rows}) == len(rows)
    without_heads = count(model)
    assert (without_heads.macs, without_heads.other) == (net.macs(counted.input), net.other_ops(counted.input))


def test_modules_know_their_outputs(googlenet):
    outputs = {row.name: row.output for row in googlenet.modules}
    assert outputs["3a"] == (28, 28, 256) and outputs["5b"] == (7, 7, 1024) and outputs["linear"] == (1000,)
    assert outputs["conv1"] == (112, 112, 64) and "conv1/relu" not in outputs
    assert count("googlenet", heads=True)["aux1"].kind == "auxiliary head"


def test_rows_have_the_layers_attributes():
    counted = count("googlenet-torchvision", heads=True)
    layers, blocks, modules = ({row.name: row for row in counted.rows(by)} for by in ("layer", "block", "module"))
    kinds = [layers[path].kind for path in ("conv1", "conv1/bn", "conv1/relu", "4a/pool", "aux1/conv", "linear")]
    assert kinds == ["conv", "batch norm", "relu", "max pool", "conv", "dense"]
    assert (layers["conv1"].kernel, layers["conv1"].stride) == ((7, 7), (2, 2))
    assert layers["conv1/relu"].kernel is layers["linear"].stride is None
    assert [path for path in layers if path not in blocks] == [
        path for path in layers if path.endswith(("/bn", "/relu"))]
    for path in ("conv1", "4a/3x3", "aux1/conv"):
        assert (blocks[path].kind, blocks[path].kernel) == (layers[path].kind, layers[path].kernel)
        parts = [layers[name] for name in (path, f"{path}/bn", f"{path}/relu")]
        assert blocks[path].params == sum(part.params for part in parts)
        assert blocks[path].other == sum(part.other for part in parts)
        assert blocks[path].output == parts[-1].output
    assert blocks["conv1"] == modules["conv1"] and blocks["conv1"].text == "conv 7x7/2, batch norm, ReLU"
    assert modules["4a"].kind == "inception" and modules["aux1"].kind == "auxiliary head"
    grouped = count("alexnet")["conv2"]
    assert (grouped.kind, grouped.kernel, grouped.groups, grouped.is_conv) == ("grouped conv", (5, 5), 2, True)


def test_other_operations(googlenet):
    assert googlenet["conv1/relu"].other == 112 * 112 * 64
    assert googlenet["pool1"].other == 56 * 56 * 64 * 9
    assert googlenet["pool5"].other == 7 * 7 * 1024
    assert googlenet["conv1"].other == googlenet["dropout"].other == 0
    with pytest.raises(KeyError):
        googlenet["conv7"]


def test_a_layer_by_itself():
    counted = count(Conv(3, 5, (3, 2), stride=2), (9, 8, 3))
    assert (counted.params, counted.macs) == (3 * 2 * 3 * 5 + 5, 4 * 4 * 5 * 3 * 2 * 3)
    assert count(Dense(7, 5), (7,)).macs == 35
    with pytest.raises(UserError, match="do not fit Conv"):
        count(Conv(3, 5, 3), (9, 8, 4))
    with pytest.raises(TypeError, match="input_shape"):
        count(Conv(3, 5, 3))
    with pytest.raises(TypeError, match="ReLU: not a convolution"):
        convolution(ReLU())


def test_macs_follow_the_input():
    assert count("nin", (227, 227, 3)).params == count("nin").params
    assert count("vgg16", (448, 448, 3))["conv1_1"].macs == 4 * golden("vgg16")["conv1_1"][1]


@pytest.mark.parametrize("row", MODULES, ids=lambda row: row.name)
def test_naive_against_reduced(row, googlenet):
    five, reduce5, conv5, three, reduced3, whole, reduced, maps, reduced_maps = NAIVE_AND_REDUCED[row.name]
    size, C = {"3": 28, "4": 14, "5": 7}[row.name[0]], None
    C = {"3a": 192, "3b": 256, "4a": 480, "4e": 528, "5a": 832, "5b": 832}.get(row.name, 512)
    plain = count(naive(row, C), (size, size, C))
    assert (plain["5x5"].macs, plain["3x3"].macs, plain.macs) == (five, three, whole)
    assert naive(row, C).output_shape((size, size, C)) == (size, size, maps)
    name = row.name
    assert (googlenet[f"{name}/5x5_reduce"].macs, googlenet[f"{name}/5x5"].macs) == (reduce5, conv5)
    assert googlenet[f"{name}/3x3_reduce"].macs + googlenet[f"{name}/3x3"].macs == reduced3
    assert (googlenet[name].macs, googlenet[name].output[-1]) == (reduced, reduced_maps)


def test_naive_chain():
    counted = count("googlenet-naive")
    assert sum(counted[row.name].macs for row in MODULES) == 12_085_441_536
    assert [counted[row.name].output[-1] for row in MODULES] == [416, 832, 1280, 1728, 2176, 2640, 3344, 4048, 4944]
    assert sum(cells[5] for cells in NAIVE_AND_REDUCED.values()) == 3_881_213_952


# -- printed output ------------------------------------------------------------------------------------------------

def test_report():
    text = report()
    opening = text[:900]
    for words in ("14·14·48·5·5·480 = 112,896,000", "112.9M", "1,505,280 + 3,763,200 = 5,268,480",
                  "1.5M + 3.8M = 5.3M", "21.4× fewer"):
        assert words in opening
    for words in ("6,998,552", "1,582,671,872", "3,165,343,744", "13,378,280", "57 convolutions", "51,380,224",
                  "3,881,213,952", "12,085,441,536", "2,712 weights, 34,019,328", "8.71×", "18 of 18", "6797.7K"):
        assert words in text
    assert max(map(len, text.splitlines())) <= 110
    assert not any(line != line.rstrip() for line in text.splitlines())


def test_table_forms():
    table = Table(("layer", "n", "words"), [["3a", 1234, "x"], ["3b", None, ""]], [["total", 1234, ""]])
    assert table.text().splitlines() == [
        "  layer      n  words", "  -----  -----  -----", "  3a     1,234  x", "  3b", "  -----  -----  -----",
        "  total  1,234"]
    assert table.markdown().splitlines()[1:] == [
        "| --- | ---: | --- |", "| 3a | 1,234 | x |", "| 3b |  |  |", "| **total** | **1,234** |  |"]
    assert table.csv() == "layer,n,words\n3a,1234,x\n3b,,"


def run(capsys, *words):
    assert main(["flops", *words]) == 0
    return capsys.readouterr().out


def test_json(capsys):
    data = json.loads(run(capsys, "--model", "googlenet", "--input", "224", "--by", "layer", "--json"))
    assert list(data) == ["model", "input", "rows", "total", "not_counted"]
    assert (data["model"], data["input"]) == ("googlenet", [224, 224, 3])
    assert all(list(row) == ["name", "kind", "output", "params", "macs", "flops", "other"] for row in data["rows"])
    assert data["total"] == {"params": 6_998_552, "macs": 1_582_671_872, "flops": 3_165_343_744, "other": 22_418_480}
    assert sum(row["macs"] for row in data["rows"]) == data["total"]["macs"]
    assert data["rows"][0] == {"name": "conv1", "kind": "conv 7x7/2", "output": [112, 112, 64], "params": 9472,
                               "macs": 118013952, "flops": 236027904, "other": 0}
    assert len(json.loads(run(capsys, "--json", "--by", "module", "--with-heads"))["rows"]) == 23


@pytest.mark.parametrize("words", [["--by", "layer"], [], ["--by", "module", "--with-heads"], ["--time"]])
def test_table_json_and_csv_have_equal_fields(capsys, words, monkeypatch):
    monkeypatch.setattr("minigooglenet.flops.timing._once", lambda layer, x: 0.25)
    words = ["--model", "mini" if "--with-heads" in words else "lenet5", *words]
    data = json.loads(run(capsys, *words, "--json"))
    rows = list(csv.DictReader(run(capsys, *words, "--csv").splitlines()))
    heading, _, *lines = run(capsys, *words).split("\n\n")[1].splitlines()
    fields = list(data["rows"][0])
    assert fields[:7] == ["name", "kind", "output", "params", "macs", "flops", "other"]
    assert fields == list(rows[0]) == heading.lower().split() and len(fields) == 7 + 2 * ("--time" in words)
    assert len(data["rows"]) == len(rows) == len(lines) - 2
    for record, row, line in zip(data["rows"], rows, lines, strict=False):
        record["output"] = "x".join(map(str, record["output"]))
        assert row == {key: "" if value is None else str(value) for key, value in record.items()}
        assert line.split() == " ".join(f"{v:,}" if isinstance(v, int) else "" if v is None else str(v)
                                        for v in record.values()).split()
    assert lines[-1].split() == ["total", *(f"{v:,}" if isinstance(v, int) else str(v) for v in data["total"].values())]


def test_a_named_network_has_options(capsys):
    half = json.loads(run(capsys, "--model", "mini", "--width", "0.5", "--input", "64", "--json"))
    net = mini_googlenet(0.5, input_shape=(64, 64, 3), size=64, heads=False)
    assert half["total"]["macs"] == net.macs((64, 64, 3)) and half["input"] == [64, 64, 3]
    assert half["total"]["params"] == sum(w.size for w in net.parameters().values())
    assert mg.count("mini", (64, 64, 3), width=0.5).macs == net.macs((64, 64, 3))


def test_a_run_and_what_mg_load_returns(capsys, tmp_path):
    trained = Trainer(small.NARROW, small.dataset(), folder=tmp_path / "run")
    trained.save()
    heads = mg.count(trained.net, (32, 32, 3))
    for given in (tmp_path / "run", tmp_path / "run" / "checkpoint.safetensors"):
        text = run(capsys, str(given))
        assert f"{given}, input 32x32x3" in text
        counted = mg.count(given)
        assert (counted.params, counted.macs) == (mg.count(trained.net.trunk, (32, 32, 3)).params,
                                                  trained.net.macs((32, 32, 3)))
        assert mg.count(str(given), heads=True).params == heads.params
    loaded = mg.load(tmp_path / "run")
    assert mg.count(loaded).layers == counted.layers
    assert mg.count(loaded, (64, 64, 3)).macs > counted.macs
    assert json.loads(run(capsys, str(tmp_path / "run"), "--input", "48x64", "--json"))["input"] == [48, 64, 3]


def test_csv_and_markdown(capsys):
    lines = list(csv.DictReader(run(capsys, "--model", "alexnet", "--csv").splitlines()))
    assert sum(int(line["params"]) for line in lines) == 60_965_224
    assert sum(int(line["flops"]) for line in lines) == 2 * 724_406_816
    assert lines[0]["output"] == "55x55x96"
    markdown = run(capsys, "--model", "vgg16", "--markdown")
    assert "2 FLOPs" in markdown and "| **138,357,544** |" in markdown


def test_terminal(capsys):
    text = run(capsys, "--model", "mini", "--input", "40x24")
    assert "40x24x3" in text and "2 FLOPs" in text and "conv 3x3/1, batch norm, ReLU" in text
    assert run(capsys).startswith("One 5x5 convolution")


def test_compare(capsys):
    text = run(capsys, "--compare")
    assert all(f"{params:,}" in text and f"{macs:,}" in text for params, macs in TOTALS.values())
    assert max(map(len, text.splitlines())) <= 110
    assert [c["model"] for c in json.loads(run(capsys, "--compare", "--json"))] == list(CATALOG)
    assert run(capsys, "--compare", "--csv").count("\n") == 1 + len(CATALOG)


def test_time(capsys):
    rows = json.loads(run(capsys, "--model", "lenet5", "--time", "--json"))["rows"]
    assert len(rows) == 8 and all(row["ms"] >= 0 for row in rows)
    assert "GFLOP/s" in run(capsys, "--model", "lenet5", "--time", "--by", "module")
    layers = {"conv": 1, "conv/bn": 2, "conv/relu": 3, "conv2": 7, "3a/1x1": 4, "3a/1x1/relu": 5}
    assert summed(layers, ["conv", "conv2", "3a"]) == {"conv": 6, "conv2": 7, "3a": 9}


@pytest.mark.parametrize("words, message", [
    (["--model", "gogglenet"], "did you mean googlenet?"),
    (["--model", "resnet50"], "vgg19"),
    (["--model", "lenet5", "--with-heads"], "no auxiliary heads"),
    (["--model", "vgg16", "--input", "16"], "pool5"),
    (["--model", "googlenet", "--with-heads", "--input", "64"], "aux1"),
    (["--input", "0"], "'0'"),
    (["--input", "24x"], "'24x'"),
    (["--input", "1x2x3"], "240x320"),
    (["--input", "-5"], "'-5'"),
    (["--input", "9" * 5000], "give a size"),
    (["--compare", "--by", "module"], "--compare"),
    (["--model", "mini", "--width", "-1"], "--width"),
    (["--model", "mini", "--width", "nan"], "--width"),
    (["--model", "mini", "--input", "1"], "too small for mini"),
    (["nothing-here"], "no such file or run"),
    (["nothing-here.onnx"], "no such file"),
    (["nothing-here", "--model", "mini"], "--model is for networks of the catalog"),
    (["nothing-here", "--time"], "--time is for networks of the catalog"),
])
def test_wrong_input_gives_one_line(capsys, words, message):
    words = [f"{words[-2]}={words[-1]}"] if words[0] == "--input" else words
    assert main(["flops", *words]) == 2
    out, err = capsys.readouterr()
    assert not out and err.count("\n") == 1 and message in err


def test_counting_is_cheap():
    """No matplotlib, and little memory (VGG-19's weights and gradients would take over 1 GB)."""
    # On Linux ru_maxrss starts at the parent's value; only what exceeds it belongs to this process.
    code = ("import resource, sys; before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
            "from minigooglenet.cli import main; main(['flops']); main(['flops', '--compare']);"
            "print('matplotlib' in sys.modules,"
            "resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < max(500_000, before + 1))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False True"
