"""The benchmarks: all sides compute the same values, operations are counted correctly, sides alternate.
No test here depends on how long anything takes."""

import importlib.util
import json
import os
import re

import numpy as np
import pytest
from text_boxes import complaints

from benchmarks import agree, compare, machine, peak, report, scaling, side, work, worker
from minigooglenet.errors import UserError
from minigooglenet.figures.bars import bars
from minigooglenet.flops import count
from minigooglenet.kernels.jit import JIT
from minigooglenet.models import googlenet, mini_googlenet
from minigooglenet.training.config import PRESETS
from minigooglenet.weights import layout

NARROW = work.mini_options(PRESETS["quick"].but(width=0.05))
LRN = work.mini_options(PRESETS["quick"].but(width=0.05, norm="lrn"))
SMALL = {
    "training step": work.Work("a:small", work.TRAIN, 5, NARROW, smoothing=0.1, dtype="float64"),
    "training step, LRN": work.Work("a:lrn", work.TRAIN, 3, LRN, dtype="float64"),
    "inference": work.Work("b:small", work.INFER, 3, NARROW),
    "inference, LRN": work.Work("b:lrn", work.INFER, 2, LRN),
    "1x1 layer": work.Work("e:1x1", work.LAYER, 2, layer="4e/1x1", dtype="float64"),
    "pool": work.Work("e:pool", work.LAYER, 2, layer="3b/pool", dtype="float64"),
    "ceil pool": work.Work("e:ceil", work.INFER, 2, layer="pool1"),
}


@pytest.fixture(autouse=True)
def restore(threads, monkeypatch):
    """The sides set the number of threads and the engine; both are restored."""
    monkeypatch.setenv("MINIGOOGLENET_ENGINE", os.environ.get("MINIGOOGLENET_ENGINE", "fast"))


@pytest.fixture(scope="module")
def plain_values():
    values = {}

    def of(name):
        if name not in values:
            values[name] = side.load("plain")(SMALL[name], 1).check()
        return values[name]
    return of


@pytest.mark.parametrize("name", [name for name in side.DEFAULT if name != "plain"])
@pytest.mark.parametrize("what", SMALL)
def test_all_sides_compute_the_same(name, what, plain_values):
    small = SMALL[what]
    if side.missing(name):
        pytest.skip(f"{side.missing(name)} is not installed")
    if small.kind != work.INFER and not side.SIDES[name].trains:
        pytest.skip("only predicts")
    made = side.load(name)(small, 1)
    agree.check(name, made.check(), plain_values(what), what, small.dtype)
    made.step()
    facts = made.facts()
    assert re.search(r" \d+\.\d+", facts["version"])


def test_dropout_is_restored_after_the_check():
    made = side.load("ours")(SMALL["training step"], 1)
    made.check()
    assert {layer.drop_prob for layer in work.dropouts(made.net)} == {PRESETS["quick"].drop_prob, 0.7}


@pytest.mark.parametrize("damage, complaint", [
    (lambda n: n.update({"logits": n["logits"] * 1.01}), "outputs differ by 0.01"),
    (lambda n: n.update({"logits": n["logits"] * np.nan}), "outputs differ by nan"),
    (lambda n: n.update({"conv/w": -n["conv/w"]}), "gradients differ by 2"),
    (lambda n: n.pop("conv/w"), "differ in conv/w"),
    (lambda n: n.update({"conv/w": n["conv/w"][:1]}), "differ in conv/w"),
])
def test_a_side_that_computes_other_values_is_refused(damage, complaint, rng):
    reference = {"logits": rng.standard_normal((3, 10)), "conv/w": rng.standard_normal((4, 5))}
    values = {name: value.copy() for name, value in reference.items()}
    agree.check("ours", values, reference, "work")
    damage(values)
    with pytest.raises(UserError, match=complaint):
        agree.check("ours", values, reference, "work")


def test_layouts_are_converted_both_ways(rng):
    w, x, dense = (rng.standard_normal(shape) for shape in ((3, 2, 5, 7), (2, 3, 4, 5), (3 * 4 * 5, 6)))
    assert np.array_equal(layout.filters_to_hwio(layout.filters_to_oihw(w)), w)
    assert np.array_equal(layout.maps_to_nhwc(layout.maps_to_nchw(x)), x)
    for flattened in (None, (3, 4, 5)):
        assert np.array_equal(layout.dense_to_io(layout.dense_to_oi(dense, flattened), flattened), dense)
    flat, flat_theirs = x.reshape(2, -1), layout.maps_to_nchw(x).reshape(2, -1)
    np.testing.assert_allclose(flat_theirs @ layout.dense_to_oi(dense, (3, 4, 5)).T, flat @ dense)


def test_operations_are_counted_directly():
    everything = work.works()
    assert everything["c:8"].flops() == 2 * 8 * 1_582_671_872            # of Caffe's deploy.prototxt
    rows = count(googlenet("bvlc"), (224, 224, 3)).layers                # with both heads
    macs = sum(row.macs for row in rows)
    assert macs > 1_582_671_872
    assert everything["d"].flops() == 2 * 16 * (3 * macs - 118_013_952)  # less conv1's dx
    assert everything["b:full"].flops() == 2 * 128 * count(mini_googlenet(0.75, heads=False), (32, 32, 3)).macs
    assert everything["e:pool1"].flops() == 0
    assert everything["e:conv2"].flops() == 2 * 16 * 346_816_512
    assert everything["e:conv2:backward"].flops() == 3 * everything["e:conv2"].flops()


def names(only):
    return [item.name for item in work.chosen(only)]


def test_works_are_chosen_by_their_beginnings():
    assert names("b,a:full") == ["a:full", "b:quick", "b:full"]          # in their own order
    assert names("a:quick") == ["a:quick"]
    assert names("a:quick:4,a:full") == ["a:full", "a:quick:4"]
    assert names("c:8,d") == ["c:8", "d"]
    assert names("e:3b") == ["e:3b/3x3", "e:3b/5x5", "e:3b/pool",
                             "e:3b/3x3:backward", "e:3b/5x5:backward", "e:3b/pool:backward"]
    assert names("") == []
    assert len(names("a,b,c,d,e")) == len(work.works())
    with pytest.raises(UserError, match="nothing is called 'f'"):
        work.chosen("a,f")


def test_the_old_spelling_still_works(capsys):
    assert names("e:conv1:back") == ["e:conv1:backward"]
    assert capsys.readouterr().err == "benchmarks: --only e:conv1:back is now e:conv1:backward\n"


class Recorder:
    """Replaces a process: records every call; every step takes ``seconds``."""

    def __init__(self, name, seconds, log):
        self.name, self.seconds, self.log = name, seconds, log

    def call(self, method, *arguments):
        self.log.append((self.name, *arguments))
        return [self.seconds] * arguments[0] if arguments else None


def test_sides_alternate_and_slow_ones_skip_rounds():
    log = []
    seconds = {"a": 0.1, "b": 0.025, "slow": 6.0}
    workers = {name: Recorder(name, s, log) for name, s in seconds.items()}
    results = {name: compare.Result(name, {}) for name in seconds}
    effort = compare.Effort(rounds=4, turn=0.1, budget=5.0, least=2, warm_up=2, pause=0)
    for name in seconds:
        compare._warm_up(workers[name], results[name], effort)
    assert [entry for entry in log if len(entry) > 1] == [("a", 1), ("a", 1), ("b", 1), ("b", 1), ("slow", 1)]
    log.clear()
    compare._alternate(workers, results, list(seconds), effort)
    assert log == [("a", 1), ("b", 4), ("slow", 1)] * 2 + [("a", 1), ("b", 4)] * 2
    assert [len(result.seconds) for result in results.values()] == [4, 16, 2]


def made_up():
    """Rows of three sides that ran (a)."""
    facts = {"version": "X 1.0", "threads": 2, "build_seconds": 1.0, "check_seconds": 2.0, "loaded_mb": 50.0}
    results = {name: compare.Result(name, facts, 3.0, mb, seconds, (1e-6, None)) for name, mb, seconds in (
        ("ours", 300.0, [0.5, 0.4, 0.6]), ("torch", 400.0, [1.0, 1.0, 9.0]), ("torch-cl", 500.0, [0.8]))}
    return report.rows(results, work.works()["a:quick"], peak=100.0)


def test_the_table():
    item, rows = work.works()["a:quick"], made_up()
    assert rows["ours"]["images_per_second"] == 128 / 0.5                # medians
    assert rows["ours"]["gflops_per_second"] == pytest.approx(item.flops() / 0.5e9)
    assert rows["ours"]["share_of_peak"] == pytest.approx(item.flops() / 0.5e11)
    assert rows["ours"]["start_seconds"] == 6.0
    assert [row["time_over_ours"] for row in rows.values()] == [1.0, 2.0, 1.6]
    title, *lines, last = report.table(item, rows)
    assert "training step, batch 128" in title and len({len(line) for line in lines}) == 1
    assert last == "  best other engine, PyTorch channels_last, over ours: 1.60; peak memory, ours over PyTorch: 0.75"
    assert report.sides_used({"a:quick": rows})[0].split() == ["minigooglenet", "X", "1.0,", "2", "threads"]
    json.dumps(rows)


def test_the_figure_is_readable():
    everything = work.works()
    rows = made_up()
    for names in (["a:quick"], list(everything)):
        panels = report.panels([everything[name] for name in names], dict.fromkeys(names, rows))
        assert complaints(bars("Images per second", panels, "Medians of one run.", "minigooglenet")) == []


def test_absent_engines_are_left_out_with_one_line(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    said = []
    assert compare.available(list(side.SIDES), said.append) == ["ours", "plain", "textbook"]
    assert len(said) == 6 and said[0].startswith("PyTorch NCHW left out: torch is not installed")
    with pytest.raises(UserError, match="--sides: got 'tensorflow'"):
        compare.available(["tensorflow"], said.append)


def test_peak_memory_is_measured():
    block = np.ones(20 << 20, np.uint8)
    peak = worker.peak_memory()
    assert 20 < peak < 20_000
    del block
    assert worker.peak_memory() >= 0.9 * peak


@pytest.mark.parametrize("way", ["blas", "chunks"])
def test_the_peak_counts_its_products(way):
    gemm = peak.Gemm(way, 2)
    product, products = getattr(gemm, way)(8)
    product()
    assert products == (2 if way == "chunks" else 1) and gemm.gflops(8, 0.001) > 0


def test_the_machine_is_described():
    about = machine.describe(2)
    assert about["cpu"] and about["cores"] >= 1 and about["versions"]["numpy"] == np.__version__
    lines = report.opening(about | {"load": 3.0}, {1: {"blas": 50.0, "chunks": 60.0}})
    assert "the machine is busy (load 3.0)" in lines[2] and "peak on 1 thread: 60 GFLOP/s" in lines[3]


def test_scaling_plans():
    plans = scaling.plan()
    assert [work_.batch for _, work_, _ in plans[2][1]] == [1, 4, 8, 16, 64, 256]
    flops = [work_.flops() for _, work_, _ in plans[4][1]]
    assert flops == sorted(flops) and flops[-1] > 10 * flops[0]          # width squared


@pytest.mark.skipif(not JIT, reason="MINIGOOGLENET_JIT=0: nothing is compiled")
@pytest.mark.parametrize("what", ["inference", "training step"])
def test_ours_is_compiled_and_plain_is_not(what):
    ours, plain = (side.load(name)(SMALL[what], 1) for name in ("ours", "plain"))
    assert plain.compiled is plain.net and ours.compiled is not ours.net
