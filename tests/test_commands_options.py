"""Options that several commands share: the engine, views, and names of version 0.1."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
import small
from PIL import Image
from small import TINY, call

from minigooglenet.cli import main
from minigooglenet.commands.options import free_run
from minigooglenet.errors import UserError
from minigooglenet.kernels.jit import JIT
from minigooglenet.layers import ReLU
from minigooglenet.training import checkpoint, evaluate
from minigooglenet.training.trainer import Trainer


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return small.folder(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def run(tmp_path_factory, data):
    """The folder of a finished run."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    assert main(["train", "--data", str(data), "--out", str(folder), *TINY]) == 0
    return folder


def first_lines(capsys, run, *options):
    """The lines on standard error of train, evaluate and predict that say which engine runs."""
    photo = run.parent / "photo.png"
    Image.fromarray(small.dataset().x_test[0]).save(photo)
    lines = []
    for command in (["train", "--resume", "--out", run], ["evaluate", "--run", run],
                    ["predict", photo, "--weights", run]):
        code, output, errors = call(capsys, *command, *options)
        assert code == 0 and "engine" not in output
        lines.append(errors.splitlines()[0])
    return lines


@pytest.mark.skipif(not JIT, reason="without compiled kernels there is only the plain engine")
def test_the_first_line_says_which_engine_runs(capsys, run, monkeypatch):
    plain, fast = "engine: plain (layers as written)", "engine: fast (compiled kernels, 2 threads)"
    assert first_lines(capsys, run, "--threads", 2) == [fast] * 3
    assert first_lines(capsys, run, "--threads", 1, "--json") == ["engine: fast (compiled kernels, 1 thread)"] * 3
    assert first_lines(capsys, run, "--engine", "plain") == [plain] * 3
    monkeypatch.setenv("MINIGOOGLENET_ENGINE", "plain")
    assert first_lines(capsys, run) == [plain] * 3
    assert first_lines(capsys, run, "--engine", "fast", "--threads", 2) == [fast] * 3
    monkeypatch.setenv("MINIGOOGLENET_ENGINE", "turbo")
    code, _, errors = call(capsys, "evaluate", "--run", run)
    assert code == 2 and errors == "minigooglenet evaluate: MINIGOOGLENET_ENGINE: got 'turbo', choose fast or plain\n"


@pytest.mark.skipif(not JIT, reason="without compiled kernels there is only the plain engine")
def test_a_layer_that_runs_as_written_is_named(capsys, run, monkeypatch):
    monkeypatch.setattr(ReLU, "forward", lambda self, x, train=False, forward=ReLU.forward: forward(self, x, train))
    code, output, errors = call(capsys, "evaluate", "--run", run, "--json")
    lines = small.without_engine(errors)
    assert code == 0 and json.loads(output) and any(line.startswith("ReLU runs as written") for line in lines)


@pytest.mark.skipif(not JIT, reason="without compiled kernels there is only the plain engine")
@pytest.mark.parametrize("kind", ["plain", "fast"])
def test_the_engine_option_decides_what_trains(capsys, monkeypatch, tmp_path, data, kind):
    plain = []

    def step(trainer, x, y):
        plain.append(trainer.compiled is trainer.net)
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "train_step", step)
    code, *_ = call(capsys, "train", "--data", data, "--out", tmp_path / "run", *TINY, "--engine", kind)
    assert code == 130 and plain == [kind == "plain"]


def test_the_views_of_evaluate_are_used(capsys, data, run, tmp_path, monkeypatch):
    """By default the image and its mirror image, or the image alone if no image was mirrored in training."""
    Trainer(small.NARROW.but(augment="none"), small.dataset(), tmp_path / "plain", source=str(data)).save()
    plain = ["evaluate", "--run", tmp_path / "plain", "--json"]
    views, probabilities = [], evaluate.probabilities
    monkeypatch.setattr(evaluate, "probabilities", lambda *args, **options: views.append(options["views"])
                        or probabilities(*args, **options))
    for options in ([], ["--views", 1], ["--views", 10]):
        assert call(capsys, "evaluate", "--run", run, *options)[0] == 0
    assert json.loads(call(capsys, *plain, "--report", tmp_path / "report")[1])["views"] == 1
    assert json.loads((tmp_path / "report" / "report.json").read_text())["views"] == 1
    assert json.loads(call(capsys, *plain, "--views", 2)[1])["views"] == 2
    assert views == [2, 1, 10, 1, 2]


def test_old_names_of_options_still_work(capsys, run, tmp_path):
    command = ["ablation", "--ensemble", run, "--crops", 1, "--json"]
    code, output, errors = call(capsys, *command, "--pictures", 4)
    assert code == 0 and json.loads(output)["images"] == 4
    note = "note: --pictures is now called --images; the old name will be removed in the next version"
    assert errors.splitlines()[0] == note
    assert json.loads(call(capsys, *command, "--images", 4)[1]) == json.loads(output)
    code, _, errors = call(capsys, *command, "--photos", tmp_path, "--truth", tmp_path / "none.json")
    assert code == 2 and "--truth is now called --ground-truth" in errors and "none.json" in errors
    assert "--pictures" not in call(capsys, "ablation", "--help")[1]


@pytest.mark.parametrize("name", ["shapes-quick", "pics[1]-quick", "*-quick", "a?-quick"])
def test_new_folders_are_never_shared(tmp_path, name):
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda _: free_run(name, tmp_path / "runs"), range(40)))
    assert sorted(int(folder.name.removeprefix(f"{name}-")) for folder in folders) == list(range(1, 41))
    assert all(folder.is_dir() for folder in folders)


def test_a_new_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "runs").touch()
    with pytest.raises(UserError, match="runs/x-1: cannot be made .*choose a folder with --out"):
        free_run("x", tmp_path / "runs")


def test_two_trainings_in_one_folder(capsys, monkeypatch, tmp_path, data):
    """The second does not start, be it a new run or a resumed one, and the first is not disturbed."""
    out = tmp_path / "run"
    with checkpoint.claimed(out):
        for options in ([], ["--resume"]):
            assert main(["train", "--data", str(data), "--out", str(out), *options]) == 2
            assert capsys.readouterr().err == (f"minigooglenet train: {out}: another process trains in this folder; "
                                               "wait for it, or choose another --out\n")
