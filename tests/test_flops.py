"""Counts against values that were computed independently of this code, and their tables."""

import subprocess
import sys

import pytest
from golden_counts import LAYERS, TOTALS, golden

from minigooglenet.errors import UserError
from minigooglenet.flops import count, report
from minigooglenet.flops.counting import convolution
from minigooglenet.flops.report import MODULES, naive
from minigooglenet.flops.tables import Table
from minigooglenet.layers import Conv, Dense, ReLU, Sequential
from minigooglenet.models.catalog import CATALOG, network

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


def test_only_heads_are_called_auxiliary_heads():
    inner = {"conv": Conv(3, 4, 3), "relu": ReLU()}
    counted = count(Sequential({"first": Sequential(inner), "second": Conv(4, 2, 1)}), (6, 5, 3))
    assert [row.kind for row in counted.modules] == ["sequential", "conv"]
    assert counted.modules[0].text == "sequential" and "auxiliary head" not in str(counted.table("module"))


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


def test_counting_is_cheap():
    """No matplotlib, and little memory (VGG-19's weights and gradients would take over 1 GB)."""
    # On Linux ru_maxrss starts at the parent's value; only what exceeds it belongs to this process.
    code = ("import resource, sys; before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
            "from minigooglenet.cli import main; main(['flops']); main(['flops', '--compare']);"
            "print('matplotlib' in sys.modules,"
            "resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < max(500_000, before + 1))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False True"
