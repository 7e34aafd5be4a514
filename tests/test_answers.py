"""benchmarks/answers.py: variants of equal cost, intervals, and one small run from end to end."""

import json
import math

import numpy as np
import pytest

from benchmarks import answers
from minigooglenet.data import Dataset, shapes10


def test_variants_that_are_compared_differ_in_one_thing():
    base = answers.VARIANTS["base"]
    for name in ("fc", "no heads", "one head"):
        changed = [field for field, value in answers.VARIANTS[name]._asdict().items()
                   if value != getattr(base, field) and field != "crops"]
        assert len(changed) == 1
    assert abs(answers.macs("naive") / answers.macs("reduced") - 1) < 0.03


def test_heads_are_counted():
    for name, heads in (("base", ["aux1", "aux2"]), ("one head", ["aux1"]), ("no heads", [])):
        paths = answers.network(answers.VARIANTS[name]).parameters()
        assert sorted({path.split("/")[0] for path in paths if path.startswith("aux")}) == heads


def test_interval_is_students():
    assert answers.interval([1.0, 2.0, 3.0]) == (2.0, pytest.approx(4.303 / math.sqrt(3)))
    assert answers.interval([5.0]) == (5.0, math.inf)
    assert answers.verdict(1.0, 1.1) == "within noise" and answers.verdict(1.2, 1.1) == "better"
    assert answers.verdict(-1.2, 1.1) == "worse"


def test_answers_are_paired_by_seed(monkeypatch):
    monkeypatch.setattr(answers, "QUESTIONS", answers.QUESTIONS[:2])  # the second one's variants are missing
    results = {(name, seed): {"accuracy": {"raw": accuracy + seed / 10}, "p": []}
               for name, accuracy in (("base", 0.5), ("fc", 0.49)) for seed in range(3)}
    table = answers.answers(results, range(3)).text()
    assert table.count("\n") == 2 and "+1.00" in table and "± 0.00" in table and "better" in table


def test_a_run_is_stored_and_not_repeated(tmp_path, monkeypatch, capsys):
    x, y = shapes10.draw(64, seed=3)
    dataset = Dataset("few", x, y, x[:20], y[:20], shapes10.CLASSES)
    monkeypatch.setattr(answers, "load", lambda name: dataset)
    monkeypatch.setattr(answers, "CROPPED", 4)
    arguments = ["--variants", "base", "no heads", "--seeds", "2", "--epochs", "1", "--out", str(tmp_path)]
    assert answers.main(arguments) == 0
    first = capsys.readouterr()
    assert first.err.count("\n") == 4 and "144 crops: maximum" in first.out and "2 networks averaged" in first.out
    assert "average pooling" not in first.out  # its other variant was not trained
    stored = json.loads((tmp_path / "few-5000-1-base-0.json").read_text())
    keys = {f"{number} {how}" for number in (1, 10, 144) for how in ("mean", "max")}
    assert set(stored["accuracy"]) == keys | {"raw", "averaged"}
    assert stored["accuracy"]["1 mean"] == stored["accuracy"]["1 max"]
    assert np.allclose(np.sum(stored["p"], axis=1), 1, atol=0.01) and len(stored["p"]) == 20
    assert answers.main(arguments) == 0
    again = capsys.readouterr()
    assert again.err == "" and again.out == first.out
