"""What a benchmark run concludes: the goals, AVX2 for all sides, and the file of each processor."""

import os

from test_benchmarks import made_up
from test_benchmarks_command import Target

from benchmarks import goals, isa, machine, results, side, work, worker


def measured(**scaling_of):
    """What a run returns that measured (a), and ``scaling_of``."""
    about = machine.describe(2) | {"cpu": "A-Chip(R) 7 CPU @ 2.5GHz (avx2)"}
    return {"machine": about, "peak": {2: {"blas": 100.0}}, "works": {"a:quick": made_up()}, **scaling_of}


def test_a_line_for_each_goal_says_whether_it_is_reached():
    found = measured(startup={"cold": 15.01, "cached": 2.0}, scaling={
        "threads, training step": {"1": {"ours": 1.8}, "2": {"ours": 1.0}}})
    found["works"]["a:quick:4"] = {"ours": {"seconds": 1.0}, "torch": {"seconds": 2.5}, "torch-cl": {"seconds": 1.9}}
    head, *lines = goals.verdicts(found)
    assert [line.split()[0] for line in lines] == ["a:quick", "threads", "a:quick:4", "startup"]
    assert ["reached" in line for line in lines] == [False, True, False, False]
    assert "1.60   goal >= 1.8   MISSED    PyTorch channels_last" in lines[0] and "goal <= 15" in lines[3]
    assert "1.90" in lines[2]
    head, *lines = goals.verdicts(found, "avx2")
    assert "with AVX2" in head and "1.60   goal >= 1.5   reached" in lines[0] and len(lines) == 2
    assert goals.verdicts({"works": {}}) == []


def test_with_avx2_goals_leave_out_who_cannot_be_held_to_it():
    rows = {"ours": {"seconds": 1.0}, "onnxruntime": {"seconds": 1.1}, "openvino": {"seconds": 1.3}}
    assert "1.10" in goals.verdicts({"works": {"c:1": rows}})[1]
    assert "1.30" in goals.verdicts({"works": {"c:1": rows}}, "avx2")[1]
    assert [line.split(" has ")[0] for line in isa.remarks("avx2", list(side.SIDES))] == ["ONNX Runtime"]
    assert isa.remarks(None, list(side.SIDES)) == []


def test_processes_are_held_to_avx2(monkeypatch):
    monkeypatch.delenv("NUMBA_CPU_NAME", raising=False)
    with isa.held_to("avx2"), worker.Worker(Target, (), 1) as other:
        assert other.call("environment", "NUMBA_CPU_NAME") == "haswell"
    assert "NUMBA_CPU_NAME" not in os.environ
    with isa.held_to(None):
        assert "NUMBA_CPU_NAME" not in os.environ


def test_results_of_a_processor_are_kept_and_replaced_by_section(tmp_path):
    works = [work.works()["a:quick"]]
    path = results.write(measured(), works, None, tmp_path)
    assert path.name == "a-chip-7-2-5ghz-avx2.md"
    first = path.read_text()
    assert results.write(measured(), works, None, tmp_path) == path and path.read_text() == first
    results.write(measured(startup={"cold": 9.0, "cached": 2.0}), works, "avx2", tmp_path)
    both = path.read_text()
    assert [line for line in both.splitlines() if line.startswith("## ")] == [
        "## goals", "## goals, held to AVX2", "## a:quick", "## a:quick, held to AVX2", "## start of train"]
    assert both.count("PyTorch NCHW") == 2 and both.count("MISSED") == 1 and both.count("reached") == 1
