"""What all tests share: a generator with a fixed seed, hypothesis without its clock (the machine may be busy), and how
several workers divide the files among them."""

import gc
import os
import subprocess
import sys
import tempfile
from functools import partial

import numpy as np
import pytest
from hypothesis import settings

settings.register_profile("steady", deadline=None, max_examples=60, derandomize=True, database=None)
settings.load_profile("steady")

gc.disable()    # until all tests are collected: nothing is garbage before

#: Names the file that is locked while kernels are compiled.
COMPILING = "MINIGOOGLENET_TESTS_COMPILING"

#: The files that take longest come first, so that no worker still has one of them when the others are done.
LONGEST = ("examples", "resume", "kernels_conv", "streams", "gradcheck_suite", "estimator", "weights_onnx_import",
           "weights_limits", "benchmarks_command", "kernels_jit", "threads", "kernels_ahead", "fuzz", "benchmarks",
           "layers", "known", "finetune", "finetune_command", "report", "data_exif", "check", "lessons", "figures",
           "wheel", "predict", "interpret_commands", "weights_torchvision", "training", "flops_onnx", "cli_runs")


def pytest_collection_modifyitems(items):
    place = {f"test_{name}": k for k, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(LONGEST)))


def pytest_collection_finish(session):
    gc.collect()
    gc.freeze()     # thousands of tests live until the end: the collector need not look at them again and again
    gc.enable()
    if hasattr(session.config, "workerinput") and COMPILING in os.environ:
        import fcntl
        with open(os.environ[COMPILING]) as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)    # waits


def pytest_sessionfinish(session):
    if COMPILING in os.environ and not hasattr(session.config, "workerinput"):
        os.unlink(os.environ.pop(COMPILING))


@pytest.fixture(autouse=True, scope="module")
def no_garbage():
    """Frees what a module leaves, such as networks in reference cycles, before the next one needs memory."""
    yield
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session):
    """Before several workers run all tests, let a process compile what most of them need, while they collect the tests.
    Otherwise each compiles it for itself, and so do the first processes that the tests start."""
    config = session.config
    if (getattr(config.option, "numprocesses", None) and config.args_source is pytest.Config.ArgsSource.TESTPATHS
            and os.name == "posix"):
        import fcntl
        with tempfile.NamedTemporaryFile(delete=False) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)    # until the process that inherits the file has ended, however it ends
            subprocess.Popen([sys.executable, "-m", "tests.compiled"], cwd=config.rootpath, pass_fds=[lock.fileno()])
        os.environ[COMPILING] = lock.name


@pytest.fixture
def rng():
    return np.random.default_rng(2014)


@pytest.fixture
def threads():
    """``set_threads``, put back to the default afterwards."""
    from minigooglenet.kernels.threads import set_threads
    yield set_threads
    set_threads()


@pytest.fixture
def own_places(tmp_path, monkeypatch):
    """The course keeps a learner's progress and figures in the folder of the test."""
    from lessons import helpers
    monkeypatch.setenv("MINIGOOGLENET_PROGRESS", str(tmp_path / "progress.json"))
    monkeypatch.setattr(helpers, "FIGURES", tmp_path)


@pytest.fixture
def empty_folder(tmp_path_factory, monkeypatch):
    """The test runs in an empty folder, offline, with a small Shapes-10 and lines of 100 characters."""
    from minigooglenet.data import shapes10
    monkeypatch.chdir(tmp_path_factory.mktemp("here"))
    monkeypatch.setenv("MINIGOOGLENET_OFFLINE", "1")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(shapes10, "load", partial(shapes10.load, train=24, test=8))
