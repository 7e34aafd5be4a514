"""Ensembles: what the networks differ in, how training resumes after a kill, and how predictions are averaged."""

import json
import time

import numpy as np
import pytest
import small

from minigooglenet.cli import main
from minigooglenet.commands.ensemble import configs
from minigooglenet.data.batches import batches
from minigooglenet.errors import UserError
from minigooglenet.inference.classifier import load_run, members
from minigooglenet.training import checkpoint
from minigooglenet.training.series import Series
from minigooglenet.training.trainer import Trainer

BASE = small.NARROW.but(epochs=1)
OPTIONS = ["--model", "lenet5", "--width", "0.5", "--epochs", "1", "--batch", "8", "--lr", "0.05"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return small.folder(tmp_path_factory.mktemp("data") / "shapes")


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """The folder of an ensemble of two."""
    out = tmp_path_factory.mktemp("ensemble") / "two"
    assert main(["ensemble", "--models", "2", "--out", str(out), "--data", str(data), *OPTIONS, "--json"]) == 0
    return out


def first_batch(config):
    dataset = small.dataset()
    return next(iter(batches(dataset.x_train, dataset.y_train, 8, 0, config.sampling)))


def test_sampling_only_means_the_same_initialization_in_another_order():
    one, two = configs(BASE, 2, "sampling")
    a, b = (Trainer(config, small.dataset()) for config in (one, two))
    assert small.same(a.net.parameters(), b.net.parameters())
    assert a.rng.bit_generator.state == b.rng.bit_generator.state           # and the same dropout
    assert not np.array_equal(first_batch(one)[1], first_batch(two)[1])
    a.run()
    b.run()
    assert not small.same(a.net.parameters(), b.net.parameters())


def test_the_first_model_is_the_one_that_train_trains():
    one, = configs(BASE, 1, "sampling")
    a, b = (Trainer(config, small.dataset()) for config in (one, BASE))
    a.run()
    b.run()
    assert small.same(a.net.parameters(), b.net.parameters())


def test_differ_in_seed():
    one, two, three = configs(BASE.but(seed=5), 3, "seed")
    assert [config.seed for config in (one, two, three)] == [5, 6, 7]
    assert [config.sampling for config in (one, two, three)] == [5, 6, 7]
    a, b = (Trainer(config, small.dataset()) for config in (one, two))
    assert not small.same(a.net.parameters(), b.net.parameters())


def test_stopped_and_resumed(tmp_path):
    dataset, base = small.dataset(), BASE.but(model="lenet5", width=0.5)

    def runs(place):
        return {tmp_path / place / f"model-{i}": c for i, c in enumerate(configs(base, 2, "sampling"), 1)}

    whole = Series(runs("whole"), dataset, quiet=True).run()
    for steps, model, reached in ((1, 1, 1), (2, 1, 3), (4, 2, 2)):     # a model takes five
        left = iter(range(steps))
        next(left)
        assert Series(runs("parts"), dataset, quiet=True).run(stop=lambda left=left: next(left, None) is None) is None
        assert checkpoint.load(tmp_path / "parts" / f"model-{model}").progress["step"] == reached
    results = Series(runs("parts"), dataset, quiet=True).run()
    assert [row["test_accuracy"] for row in results.values()] == [row["test_accuracy"] for row in whole.values()]
    for model in ("model-1", "model-2"):
        assert small.differences(tmp_path / "whole" / model, tmp_path / "parts" / model) == []


def test_finished_models_are_not_trained_again(trained, data, capsys):
    before = {folder: (folder / checkpoint.NAME).stat().st_mtime_ns for folder in members(trained)}
    assert main(["ensemble", "--models", "3", "--out", str(trained), "--json"]) == 0  # settings of the first two
    result = json.loads(capsys.readouterr().out)
    assert [row["sampling_seed"] for row in result["single"]] == [0, 1, 2]
    assert [folder.name for folder in members(trained)] == ["model-1", "model-2", "model-3"]
    assert {folder: (folder / checkpoint.NAME).stat().st_mtime_ns for folder in before} == before
    assert checkpoint.load(trained / "model-3").config.epochs == 1


def test_other_settings_are_refused(trained, data, capsys):
    assert main(["ensemble", "--models", "2", "--out", str(trained), "--epochs", "3", "--json"]) == 2
    assert "epochs 1, not 3" in capsys.readouterr().err


def test_the_prediction_is_the_mean_of_the_softmax(trained, data, capsys):
    runs = [str(trained / "model-1"), str(trained / "model-2")]
    assert main(["ensemble", "--runs", *runs, "--views", "1", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    dataset = small.dataset()
    x, y = dataset.x_test, dataset.y_test
    p = [load_run(trained / name).probabilities(x) for name in ("model-1", "model-2")]
    assert [row["test_accuracy"] for row in result["single"]] == [pytest.approx((q.argmax(1) == y).mean(), abs=1e-6)
                                                                   for q in p]
    assert result["test_accuracy"] == pytest.approx(((p[0] + p[1]).argmax(1) == y).mean(), abs=1e-6)
    assert result["mean"] == pytest.approx(np.mean([row["test_accuracy"] for row in result["single"]]), abs=1e-6)
    assert (result["models"], result["views"], result["images"]) == (2, 1, len(y))


def test_the_table(trained, capsys):
    assert main(["ensemble", "--runs", str(trained / "model-1")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("shapes: accuracy on 12 test images, 2 views of each")
    assert lines[-1].split()[0] == "ensemble" and lines[-1].split()[1] == lines[-2].split()[1]


def test_each_network_has_the_views_it_was_trained_on(trained, tmp_path, capsys):
    """A network that has never seen a mirror image is not averaged over one."""
    plain = Trainer(BASE.but(model="lenet5", width=0.5, augment="none"), small.dataset(), tmp_path / "plain")
    plain.save()
    runs = ["ensemble", "--data", checkpoint.load(trained / "model-1").progress["source"], "--runs",
            str(trained / "model-1"), str(tmp_path / "plain")]
    assert main([*runs, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert [row["views"] for row in result["single"]] == [2, 1] and result["views"] is None
    assert result["single"][1]["test_accuracy"] == pytest.approx(plain.test(), abs=1e-6)
    assert main(runs) == 0
    assert "12 test images, 1 or 2 views of each" in capsys.readouterr().out


def test_weights_that_are_no_run_are_refused(trained, tmp_path, capsys):
    pytest.importorskip("onnx", reason="the package onnx is not installed")
    file = tmp_path / "a.onnx"
    assert main(["export", str(trained / "model-1"), str(file)]) == 0
    capsys.readouterr()
    for command, fix in ((["ensemble", "--runs", str(trained)], "--runs combines folders of runs"),
                         (["ablation", "--ensemble", str(trained)], "measure it on photos, with --photos DIR")):
        assert main([*command, str(file)]) == 2
        assert capsys.readouterr() == ("", f"minigooglenet {command[0]}: {file}: not a run, so its test images are not "
                                           f"known; {fix}\n")


def test_evaluate_names_the_command_for_an_ensemble(trained, capsys):
    assert main(["evaluate", "--run", str(trained)]) == 2
    assert capsys.readouterr().err.endswith(f"{trained}: an ensemble; use: python -m minigooglenet ensemble --runs "
                                            f"{trained}\n")


def test_other_classes_are_refused(trained, tmp_path, capsys):
    other = small.folder(tmp_path / "other")
    (other / "batches.meta.txt").write_text("\n".join("abcdefghij") + "\n")
    assert main(["ensemble", "--runs", str(trained / "model-1"), "--data", str(other)]) == 2
    assert "choose the run's own data" in capsys.readouterr().err


def test_a_negative_sampling_seed_is_refused():
    with pytest.raises(UserError, match="sampling_seed: got -1"):
        BASE.but(sampling_seed=-1)


def test_killed_as_a_process(data, trained, tmp_path):
    def start():
        return small.command("ensemble", "--models", "2", "--out", "killed", "--data", data, *OPTIONS,
                             "--checkpoint-every", "1", "--json", cwd=tmp_path)

    process = start()
    second = tmp_path / "killed" / "model-2" / checkpoint.NAME
    limit = time.monotonic() + 240
    try:
        while not second.exists() and process.poll() is None and time.monotonic() < limit:
            time.sleep(0.02)
    finally:
        process.kill()
        process.communicate()
    assert second.exists()
    output, errors = start().communicate(timeout=300)
    assert json.loads(output)["models"] == 2, errors
    for model in ("model-1", "model-2"):
        assert small.differences(trained / model, tmp_path / "killed" / model) == []
