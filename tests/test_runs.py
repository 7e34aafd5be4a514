"""The list of runs, and their comparison."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import small
from PIL import Image

from minigooglenet.cli import main
from minigooglenet.commands.options import latest_run
from minigooglenet.errors import UserError
from minigooglenet.training import runs


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with two runs, one of them interrupted, and a model of an ensemble."""
    place = tmp_path_factory.mktemp("place")
    data = small.folder(place / "shapes")
    tiny = ["train", "--data", str(data), "--width", "0.05", "--batch", "8", "--json"]
    assert main([*tiny, "--epochs", "2", "--out", str(place / "runs" / "one")]) == 0
    assert main([*tiny, "--epochs", "1", "--lr", "0.02", "--out", str(place / "runs" / "two [x]")]) == 0
    (place / "runs" / "ensemble").mkdir()
    (place / "runs" / "ensemble" / "model-1").symlink_to(place / "runs" / "one")
    for k, name in enumerate(("one", "two [x]")):
        os.utime(place / "runs" / name / "checkpoint.safetensors", (10 ** 9 + k, 10 ** 9 + k))
    return place


def call(capsys, *arguments):
    capsys.readouterr()
    code = main(["runs", *map(str, arguments)])
    return code, *capsys.readouterr()


def test_the_table(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    code, out, err = call(capsys)
    head, *lines = out.splitlines()
    assert code == 0 and not err and head.split()[:6] == ["run", "data", "model", "width", "epochs", "steps"]
    assert [line.split("  ")[0] for line in lines] == ["runs/ensemble/model-1", "runs/one", "runs/two [x]"]
    assert "2/2" in lines[1] and "10" in lines[1].split() and "2001-09-09" in lines[1]
    row, = [row for row in json.loads(call(capsys, "--json")[1])["runs"] if row["run"] == "runs/one"]
    history = runs.read("runs/one").history
    assert row["best"] == max(line["test_accuracy"] for line in history) and row["last"] == history[-1]["test_accuracy"]
    assert (row["data"], row["epochs"], row["of"], row["steps"], row["width"]) == ("shapes", 2, 2, 10, 0.05)


def test_comparison(place, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(place)
    code, out, err = call(capsys, "runs/one", "runs/two [x]", "--figure", tmp_path / "c.png")
    assert code == 0 and err == f"figure: {tmp_path / 'c.png'}\n"
    table = out.split("\n\n")[1].splitlines()
    assert [line.split() for line in table[1:]] == [["epochs", "2", "1"], ["lr", "0.1", "0.02"]]
    with Image.open(tmp_path / "c.png") as image:
        assert image.format == "PNG" and image.width > 1000
    found = json.loads(call(capsys, "runs/one", "runs/two [x]", "--json")[1])
    assert found["differences"] == {"epochs": [2, 1], "lr": [0.1, 0.02]} and len(found["runs"]) == 2
    assert json.loads(call(capsys, "runs/one", "runs/one", "--json")[1])["differences"] == {}


def test_a_run_that_was_just_deleted(place, monkeypatch, capsys):
    """From Python 3.13 on, glob lists dangling links too."""
    monkeypatch.chdir(place)
    glob = Path.glob
    monkeypatch.setattr(Path, "glob", lambda folder, pattern: [*glob(folder, pattern), folder / "gone" / runs.NAME])
    code, out, err = call(capsys)
    assert code == 0 and not err and len(out.splitlines()) == 4
    assert latest_run() == Path("runs/two [x]")


def test_nothing_and_damaged(place, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert call(capsys) == (0, "no runs under runs/ yet\n", "")
    assert json.loads(call(capsys, "--json")[1]) == {"runs": [], "differences": {}}
    assert call(capsys, "--figure", "c.png")[0] == 2 and not (tmp_path / "c.png").exists()
    (tmp_path / "runs" / "bad").mkdir(parents=True)
    (tmp_path / "runs" / "bad" / "checkpoint.safetensors").write_bytes(b"12345")
    (tmp_path / "runs" / "good").symlink_to(place / "runs" / "one")
    code, out, err = call(capsys)
    assert code == 2 and "runs/good" in out and "runs/bad" in err and err.count("\n") == 1
    with pytest.raises(UserError, match="not the folder of a run"):
        runs.read(tmp_path)
    assert call(capsys, "nowhere")[2] == ("minigooglenet runs: nowhere: not the folder of a run; it has no "
                                          "checkpoint.safetensors\n")


def test_tensorboard_is_an_extra(monkeypatch, capsys, tmp_path):
    from minigooglenet.training.tensorboard import STEP, Board
    try:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    except ImportError:
        assert main(["train", "--tensorboard", "--out", str(tmp_path / "run")]) == 2
        err = capsys.readouterr().err
        assert err.count("\n") == 1 and "the package tensorboard, which is not installed; install the extra" in err
        assert not (tmp_path / "run").exists()
        pytest.skip("the package tensorboard is not installed")
    board = Board(tmp_path)
    board.add({"step": 7, "loss": 2.5, "seconds": 2}, STEP)
    board.add({"step": 8, "loss": 9.0, "seconds": 3}, STEP)     # ahead of the checkpoint that is resumed
    board.close()
    (tmp_path / "steps.csv").write_text("5,0.5,0.1,3.5,0.1,100,1\n7,0.7,0.1,2.5,0.1,100,2\n")
    board = Board(tmp_path, [{"step": 7, "test_accuracy": 0.25, "seconds": 2.5}])   # of which a kill left only steps
    board.add({"step": 9, "loss": 1.5, "seconds": 4}, STEP)
    board.close()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    for tag, expected in (("training/loss", [(5, 3.5), (7, 2.5), (9, 1.5)]), ("test/accuracy", [(7, 0.25)])):
        assert [(event.step, event.value) for event in events.Scalars(tag)] == expected
    times = [event.wall_time for event in events.Scalars("training/loss")]
    assert np.diff(times) == pytest.approx([1, 2], abs=1e-3)
