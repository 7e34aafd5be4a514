"""The benchmarks' command, and the processes that it starts. No test here depends on how long anything takes."""

import json
import os

import pytest
from small import folder

from benchmarks import __main__ as command
from benchmarks import startup, worker
from minigooglenet.errors import UserError


@pytest.fixture(autouse=True)
def restore(threads, monkeypatch):
    """The sides set the number of threads and the engine; both are restored."""
    monkeypatch.setenv("MINIGOOGLENET_ENGINE", os.environ.get("MINIGOOGLENET_ENGINE", "fast"))


class Target:
    """The object in another process, in the next test."""

    def environment(self, name):
        return os.environ.get(name)

    def refuse(self):
        raise UserError("too hot")

    def die(self):
        os._exit(3)


def test_a_worker_answers_refuses_and_dies(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    with worker.Worker(Target, (), 3) as other:
        assert [other.call("environment", name) for name in worker.THREAD_VARIABLES] == ["3"] * 5
        assert os.environ["OMP_NUM_THREADS"] == "7"
        with pytest.raises(UserError, match="too hot"):
            other.call("refuse")
    with worker.Worker(Target, (), 1) as other, pytest.raises(UserError, match="died with code 3"):
        other.call("die")
    with pytest.raises(UserError, match="no_such_side"):
        worker.Worker(worker.Bench, ("no_such_side", None, 1), 1)


def test_the_time_to_the_first_step_of_train(tmp_path):
    data = folder(tmp_path / "data", train=200)
    assert startup.seconds_to_first_step(str(data)) > 0
    with pytest.raises(UserError, match="did not reach its first step: .*nowhere"):
        startup.seconds_to_first_step(str(tmp_path / "nowhere"))


def test_the_command(tmp_path, capsys):
    found, image = tmp_path / "bench.json", tmp_path / "bench.png"
    code = command.main(["--tiny", "--only", "e:4e/1x1", "--sides", "ours,plain", "--threads", "1",
                         "--json", str(found), "--figure", str(image)])
    output = capsys.readouterr()
    assert code == 0, output.err
    rows = json.loads(found.read_text())["works"]
    assert list(rows) == ["e:4e/1x1", "e:4e/1x1:backward"]
    for made in rows.values():
        assert list(made) == ["ours", "plain"]
        assert all(row["seconds"] > 0 and row["peak_mb"] > 20 and row["threads"] == 1 for row in made.values())
    assert "conv 1x1/1 on 14×14×528, inference, batch 16" in output.out
    assert image.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("arguments, complaint", [
    (["--only", "z"], "nothing is called 'z'"),
    (["--threads", "0"], "--threads: got 0"),
    (["--weights", "no.caffemodel"], "there is no file no.caffemodel"),
    (["--figure", "a.txt"], "needs a name that ends in"),
])
def test_wrong_options_give_one_line(arguments, complaint, capsys):
    assert command.main(["--tiny", *arguments]) == 2
    error = capsys.readouterr().err
    assert complaint in error and error.count("\n") == 1


def test_help(capsys):
    with pytest.raises(SystemExit) as end:
        command.main(["--help"])
    assert end.value.code == 0 and "training step" in capsys.readouterr().out
