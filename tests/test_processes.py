"""Several processes compute what one computes. With real processes, under mpiexec; skipped without it."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import small

from minigooglenet.errors import UserError
from minigooglenet.layers import Dropout
from minigooglenet.models import mini_googlenet
from minigooglenet.training import checkpoint, parallel, processes
from minigooglenet.training.trainer import Trainer

ROOT_TOO = {  # for Open MPI: allow root, fewer cores than processes, no network
    "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe", "OMPI_MCA_btl_vader_single_copy_mechanism": "none",
}
WORKER = small.ROOT / "tests" / "parallel_run.py"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return small.folder(tmp_path_factory.mktemp("data"))


def mpiexec(number, *arguments, **environment):
    """(exit code, standard output, standard error) of a Python command line in ``number`` processes."""
    if importlib.util.find_spec("mpi4py") is None:
        pytest.skip("mpi4py is not installed")
    if shutil.which("mpiexec") is None:
        pytest.skip("there is no mpiexec")
    return python(*arguments, before=("mpiexec", "-n", str(number)), **ROOT_TOO, **environment)


def python(*arguments, before=(), **environment):
    path = os.pathsep.join([str(small.ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run([*before, sys.executable, *map(str, arguments)], text=True, capture_output=True, timeout=300,
                          env=os.environ | {"PYTHONPATH": path, "MINIGOOGLENET_THREADS": "1"} | environment)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The result of one process."""
    file = tmp_path_factory.mktemp("alone") / "one.npz"
    code, _, errors = python(WORKER, file)
    assert code == 0, errors
    return np.load(file)


@pytest.mark.parametrize("number, kind", [(2, "fast"), (2, "plain"), (3, "fast")])  # 3: parts of 3, 3 and 4 images
def test_several_processes_compute_what_one_does(alone, tmp_path, number, kind):
    code, _, errors = mpiexec(number, WORKER, tmp_path / "many.npz", MINIGOOGLENET_ENGINE=kind)
    assert code == 0, errors
    many = np.load(tmp_path / "many.npz")
    assert alone.files == many.files and len(alone["losses"]) == 4
    for name in alone.files:
        np.testing.assert_allclose(many[name], alone[name], rtol=1e-8, atol=1e-9, err_msg=name)


def test_from_the_command_line(data, tmp_path):
    settings = ("-m", "minigooglenet", "train", "--data", data, "--epochs", 2, "--batch", 20, "--model", "lenet5",
                "--norm", "none", "--lr", 0.01, "--json", "--out")
    code, output, errors = mpiexec(2, *settings, tmp_path / "many")
    assert code == 0, errors
    result = json.loads(output)  # only one of them prints
    code, _, errors = python(*settings, tmp_path / "one")
    assert code == 0, errors
    one, many = checkpoint.load(tmp_path / "one"), checkpoint.load(tmp_path / "many")
    assert one.arrays.keys() == many.arrays.keys() and one.config == many.config and one.generator == many.generator
    for name, array in one.arrays.items():
        np.testing.assert_allclose(many.arrays[name], array, rtol=1e-4, atol=1e-4 * np.abs(array).max(), err_msg=name)
    assert result["epochs"] == 2 and many.progress["step"] == one.progress["step"] == 4
    assert sorted(path.name for path in (tmp_path / "many").iterdir()) == ["checkpoint.safetensors", "curve.png",
                                                                           "log.csv", "steps.csv"]


CUT = """
import os, signal, sys
from minigooglenet import cli
from minigooglenet.training import processes
from minigooglenet.training.trainer import Trainer
step = Trainer.train_step
def cut(trainer, x, y):
    if processes.rank() == 1 and trainer.step == 6:
        os.kill(os.getpid(), signal.SIGINT)
    return step(trainer, x, y)
Trainer.train_step = cut
sys.exit(cli.main(sys.argv[1:]))
"""


def test_ctrl_c_in_one_stops_and_saves_all_and_a_resumed_run_ends_with_the_same_bits(data, tmp_path):
    settings = ("train", "--data", data, "--epochs", 2, "--batch", 8, "--width", 0.05, "--out")
    code, _, errors = mpiexec(2, "-m", "minigooglenet", *settings, tmp_path / "whole")
    assert code == 0, errors
    code, output, errors = mpiexec(2, "-c", CUT, *settings, tmp_path / "cut")
    assert code == 130 and output == "" and "Traceback" not in errors
    assert f"  mpiexec -n 2 python -m minigooglenet train --resume --out {tmp_path / 'cut'}" in errors.splitlines()
    assert checkpoint.load(tmp_path / "cut").progress["step"] == 7
    code, _, errors = mpiexec(2, "-m", "minigooglenet", *settings, tmp_path / "cut", "--resume")
    assert code == 0, errors
    assert checkpoint.load(tmp_path / "cut").progress["step"] == 10
    assert small.differences(tmp_path / "whole", tmp_path / "cut") == []


FAILS = """
import os, sys
import numpy as np
from minigooglenet.training import processes
processes.initialize()
with processes.abort_all_on_error():
    if processes.rank() == 1:
        exec(sys.argv[1])
    processes.sum_over_processes(np.zeros(1))
"""


@pytest.mark.parametrize("how, message", [
    ("raise ValueError('odd')", "minigooglenet, process 1: odd"), ("os.kill(os.getpid(), 9)", "signal 9"),
])
def test_if_one_process_fails_all_are_terminated(how, message):
    code, _, errors = mpiexec(3, "-c", FAILS, how)
    assert code != 0 and message in errors


def test_invalid_input_is_one_line_and_terminates_all(data, tmp_path):
    code, output, errors = mpiexec(2, "-m", "minigooglenet", "train", "--data", data, "--batch", 1,
                                   "--out", tmp_path / "run")
    lines = [line for line in errors.splitlines() if line.startswith("minigooglenet")]
    assert code == 2 and output == "" and lines == [
        "minigooglenet train: batch: 1 images cannot be divided among 2 processes; start fewer, or raise --batch"]
    assert "Traceback" not in errors and not (tmp_path / "run").exists()


def test_started_by_mpiexec_but_without_mpi4py(data, tmp_path, monkeypatch, capsys):
    from minigooglenet.cli import main
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "4")
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    assert processes.started() == 4
    assert main(["train", "--data", str(data), "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "mpi4py" in error and "'.[mpi]'" in error


class World:
    """A communicator in which the other processes hold the same values as this one. It counts the bytes of messages."""

    def __init__(self, rank, size):
        self.rank, self.size, self.messages = rank, size, []

    def Allreduce(self, _, total):
        self.messages.append(total.nbytes)
        total *= self.size


def test_the_cost_model_is_recovered_and_projects():
    sizes, alpha, beta = [8, 4096, 2**20, 2**23], 5e-6, 2e9
    for n in (2, 4, 8):
        seconds = [parallel.sum_seconds(size, n, alpha, beta) for size in sizes]
        assert parallel.fit(sizes, seconds, n) == pytest.approx((alpha, beta), rel=1e-6)
    assert parallel.sum_seconds(4e9, 2, alpha, beta) == pytest.approx(2 + 1e-5)  # two processes: s / β, and 2 α
    assert parallel.project(0.5, sizes, 1, alpha, beta) == 0.5
    assert parallel.project(0.5, [], 4, alpha, beta) == 0.125
    net = mini_googlenet(0.25, heads=False)
    assert max(parallel.messages(net)) == 4 * sum(w.size for w in net.parameters().values())


def test_measured_under_mpiexec():
    code, output, errors = mpiexec(2, "-m", "minigooglenet", "parallel", "--json")
    assert code == 0, errors
    found = json.loads(output)
    assert found["beta"] > 0 and found["alpha"] >= 0 and len(found["seconds"]) == len(found["sizes"])
    assert found["steps"]["1"] == 0.5


def test_googlenet_on_imagenet_is_projected_without_mpiexec(capsys):
    from minigooglenet.cli import main
    assert main(["parallel", "--model", "googlenet", "--step", "2", "--up-to", "16", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    for network, per_byte in (("1 Gbit/s", 8e-9), ("10 Gbit/s", 8e-10), ("100 Gbit/s", 8e-11)):
        assert found[network].keys() == {"1", "4", "16"} and found[network]["1"][0] == 1
        efficiency, hours = found[network]["16"]
        seconds = 2 + 2 * 15 / 16 * 4 * 13_378_280 * per_byte  # a step of 512 images
        assert efficiency == pytest.approx(2 / seconds, rel=2e-3)
        assert hours == pytest.approx(60 * 1_281_167 / 512 * seconds / 3600, rel=2e-3)
    assert main(["parallel", "--model", "googlenet"]) == 0
    assert "13,378,280 parameters, 53.5 MB" in capsys.readouterr().out
    assert main(["parallel", "--step", "inf"]) == 2 and "mpiexec -n 2" in capsys.readouterr().err


def test_in_one_process_everything_is_the_identity(rng):
    x = rng.standard_normal((3, 2))
    assert processes.sum_over_processes(x) is x and processes.batch_generator(rng, 5) is rng
    assert (processes.count(), processes.rank(), processes.part(7)) == (1, 0, slice(0, 7))
    assert processes.broadcast_from_first(lambda: "made") == "made"


def processes_like_this_one(monkeypatch, rank, size):
    monkeypatch.setattr(processes, "_world", World(rank, size))
    monkeypatch.setattr(processes, "_in_place", lambda: None)


def test_parts_cover_the_batch_and_gradients_are_summed(monkeypatch, rng):
    covered = []
    for rank in range(3):
        processes_like_this_one(monkeypatch, rank, 3)
        covered += list(range(8))[processes.part(8)]
    assert covered == list(range(8))
    with pytest.raises(UserError, match="2 images cannot be divided among 3"):
        processes.part(2)
    gradients = {"a": rng.standard_normal((2, 3)), "b": np.ones(4, np.float32), "c": rng.standard_normal(5)}
    before = {path: g.copy() for path, g in gradients.items()}
    processes.sum_gradients(gradients)
    for path, g in gradients.items():
        np.testing.assert_allclose(g, 3 * before[path])


@pytest.mark.parametrize("kind", ["fast", "plain"])
def test_a_step_of_two_processes_with_equal_images_is_the_step_of_one(monkeypatch, kind):
    """Their sums are twice those of one process, whose batch is half as large."""
    monkeypatch.setenv("MINIGOOGLENET_ENGINE", kind)
    images, found = small.dataset(), []
    for world, batch in ((None, 4), (World(0, 2), 8)):
        processes_like_this_one(monkeypatch, 0, 2)
        monkeypatch.setattr(processes, "_world", world)
        trainer = Trainer(small.NARROW.but(batch=batch, lr=1e-3, heads=False), images)
        assert trainer.part == slice(0, 4)
        loss, correct = trainer.train_step(trainer.normalizer(images.x_train[:4]), images.y_train[:4])
        means = {path: array for path, array in trainer.net.state().items() if path.endswith("mean")}
        found.append((loss, correct * 4 / batch, trainer.net.gradients(), means))
    one, two = found
    assert two[0] == pytest.approx(one[0], rel=1e-5) and two[1] == one[1]
    for a, b in zip(one[2:], two[2:], strict=True):
        for path, array in a.items():
            np.testing.assert_allclose(b[path], array, atol=1e-3 * max(np.abs(array).max(), 1e-3), err_msg=path)


@pytest.mark.parametrize("kind", ["fast", "plain"])
@pytest.mark.parametrize("norm, heads", [("batch", True), ("lrn", False)])
def test_the_messages_of_a_step_are_those_that_the_model_counts(monkeypatch, kind, norm, heads):
    monkeypatch.setenv("MINIGOOGLENET_ENGINE", kind)
    world = World(0, 2)
    processes_like_this_one(monkeypatch, 0, 2)
    monkeypatch.setattr(processes, "_world", world)
    images = small.dataset()
    trainer = Trainer(small.NARROW.but(norm=norm, heads=heads), images)
    world.messages.clear()
    trainer.train_step(trainer.normalizer(images.x_train[:4]), images.y_train[:4])
    assert sorted([*world.messages, 8]) == sorted(parallel.messages(trainer.net))  # 8: whether to stop, in the loop


def test_dropout_drops_the_same_activations_in_every_process(monkeypatch):
    x = np.ones((8, 50), np.float32)
    whole, _ = Dropout(0.5, np.random.default_rng(1)).forward(x, train=True)
    for rank in range(3):
        processes_like_this_one(monkeypatch, rank, 3)
        mine = processes.part(8)
        y, _ = Dropout(0.5, processes.batch_generator(np.random.default_rng(1), 8)).forward(x[mine], train=True)
        np.testing.assert_array_equal(y, whole[mine])
