"""Several processes train what one trains. With real processes, under mpiexec; skipped where there is none."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import small

from minigooglenet import processes
from minigooglenet.errors import UserError
from minigooglenet.layers import Dropout
from minigooglenet.models import mini_googlenet
from minigooglenet.training import checkpoint, parallel

ROOT_TOO = {  # Open MPI's words for: as root, on fewer cores than processes, without a network
    "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe", "OMPI_MCA_btl_vader_single_copy_mechanism": "none",
}
WORKER = small.ROOT / "tests" / "parallel_run.py"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return small.folder(tmp_path_factory.mktemp("data"))


def mpiexec(number, *arguments, **environment):
    """(exit code, standard output, standard error) of a Python command line in so many processes."""
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
    """What one process gets."""
    file = tmp_path_factory.mktemp("alone") / "one.npz"
    code, _, errors = python(WORKER, file)
    assert code == 0, errors
    return np.load(file)


@pytest.mark.parametrize("number, fast", [(2, "1"), (2, "0"), (3, "1")])  # 3: parts of 3, 3 and 4 pictures
def test_several_processes_train_what_one_does(alone, tmp_path, number, fast):
    code, _, errors = mpiexec(number, WORKER, tmp_path / "many.npz", MINIGOOGLENET_FAST=fast)
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
                                                                           "log.csv"]


CUT = """
import os, signal, sys
from minigooglenet import cli, processes
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


FALLS = """
import os, sys
import numpy as np
from minigooglenet import processes
processes.join()
with processes.all_or_none():
    if processes.rank() == 1:
        exec(sys.argv[1])
    processes.sum_over_processes(np.zeros(1))
"""


@pytest.mark.parametrize("how, says", [
    ("raise ValueError('odd')", "minigooglenet, process 1: odd"), ("os.kill(os.getpid(), 9)", "signal 9"),
])
def test_one_that_falls_ends_the_others(how, says):
    code, _, errors = mpiexec(3, "-c", FALLS, how)
    assert code != 0 and says in errors


def test_wrong_input_is_one_line_and_ends_all(data, tmp_path):
    code, output, errors = mpiexec(2, "-m", "minigooglenet", "train", "--data", data, "--batch", 1,
                                   "--out", tmp_path / "run")
    lines = [line for line in errors.splitlines() if line.startswith("minigooglenet")]
    assert code == 2 and output == "" and lines == [
        "minigooglenet train: batch: 1 pictures cannot be shared among 2 processes; start fewer, or raise --batch"]
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
    """A communicator of which this process is one, and whose others hold the same numbers."""

    def __init__(self, rank, size):
        self.rank, self.size = rank, size

    def Allreduce(self, _, total):
        total *= self.size


def test_the_model_of_sums_is_found_again_and_projects():
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


def test_alone_everything_is_the_identity(rng):
    x = rng.standard_normal((3, 2))
    assert processes.sum_over_processes(x) is x and processes.drawn(rng, 5) is rng
    assert (processes.count(), processes.rank(), processes.part(7)) == (1, 0, slice(0, 7))
    assert processes.from_first(lambda: "made") == "made"


def test_parts_cover_the_batch_and_gradients_are_summed(monkeypatch, rng):
    pytest.importorskip("mpi4py", reason="mpi4py is not installed")
    covered = []
    for rank in range(3):
        monkeypatch.setattr(processes, "_world", World(rank, 3))
        covered += list(range(8))[processes.part(8)]
    assert covered == list(range(8))
    with pytest.raises(UserError, match="2 pictures cannot be shared among 3"):
        processes.part(2)
    gradients = {"a": rng.standard_normal((2, 3)), "b": np.ones(4, np.float32), "c": rng.standard_normal(5)}
    before = {path: g.copy() for path, g in gradients.items()}
    processes.sum_gradients(gradients)
    for path, g in gradients.items():
        np.testing.assert_allclose(g, 3 * before[path])


def test_dropout_forgets_the_same_units_in_every_process(monkeypatch):
    x = np.ones((8, 50), np.float32)
    whole, _ = Dropout(0.5, np.random.default_rng(1)).forward(x, train=True)
    for rank in range(3):
        monkeypatch.setattr(processes, "_world", World(rank, 3))
        mine = processes.part(8)
        y, _ = Dropout(0.5, processes.drawn(np.random.default_rng(1), 8)).forward(x[mine], train=True)
        np.testing.assert_array_equal(y, whole[mine])
