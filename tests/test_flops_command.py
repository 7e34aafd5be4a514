"""What ``minigooglenet flops`` prints."""

import csv
import json

import pytest
import small
from golden_counts import TOTALS

import minigooglenet as mg
from minigooglenet.cli import main
from minigooglenet.flops.timing import summed
from minigooglenet.models.catalog import CATALOG
from minigooglenet.models.descendants import DESCENDANTS
from minigooglenet.models.mini import mini_googlenet
from minigooglenet.training.trainer import Trainer


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
    assert [c["model"] for c in json.loads(run(capsys, "--compare", "--json"))] == [*CATALOG, *DESCENDANTS]
    assert run(capsys, "--compare", "--csv").count("\n") == 1 + len(CATALOG) + len(DESCENDANTS)


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
