"""What all tests share: a generator with a fixed seed, hypothesis without its clock (the machine may be busy), and how
several workers divide the files among them."""

import gc
from functools import partial

import numpy as np
import pytest
from hypothesis import settings

settings.register_profile("steady", deadline=None, max_examples=60, derandomize=True, database=None)
settings.load_profile("steady")

#: The files that take longest come first, so that no worker still has one of them when the others are done.
LONGEST = ("resume", "examples", "gradcheck_suite", "benchmarks", "streams", "cli_runs", "layers",
           "weights_onnx_import", "finetune_command", "kernels_jit", "lessons", "kernels_conv", "ensemble", "predict",
           "data_exif", "check", "estimator", "known", "threads", "report", "interpret_commands", "training", "fuzz",
           "training_images")


def pytest_collection_modifyitems(items):
    place = {f"test_{name}": k for k, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(LONGEST)))


def pytest_collection_finish():
    gc.collect()
    gc.freeze()     # thousands of tests live until the end: the collector need not look at them again and again


@pytest.fixture(autouse=True, scope="module")
def no_garbage():
    """Frees what a module leaves, such as networks in reference cycles, before the next one needs memory."""
    yield
    gc.collect()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session):
    """Before several workers run all tests, compile what most of them need. Otherwise each compiles it for itself, and
    so do the first processes that the tests start."""
    config = session.config
    if getattr(config.option, "numprocesses", None) and config.args_source is pytest.Config.ArgsSource.TESTPATHS:
        from minigooglenet.kernels.ahead import compile_for
        compile_for(steps, "tests", quiet=True)


def steps():
    """Steps of a reduced GoogLeNet, with either norm, in float32 and float64, compiled and as written; predictions."""
    from minigooglenet import engine
    from minigooglenet.models.mini import mini_googlenet
    from minigooglenet.training.sgd import SGD
    rng = np.random.default_rng(0)
    for dtype in ("float32", "float64"):
        for norm in ("batch", "lrn"):
            net, x = mini_googlenet(1 / 16, norm=norm, rng=rng, dtype=dtype), np.zeros((2, 32, 32, 3), dtype)
            for form in (net, engine.compile(net)):
                logits, cache = form.forward(x, train=True)
                form.backward(logits, cache)
            SGD(net.parameters(), 0.9, 5e-4, nesterov=True).step(net.gradients(), 0.0)
            engine.predictor(net).predict(x)


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
def empty_folder(tmp_path_factory, monkeypatch):
    """The test runs in an empty folder, offline, with a small Shapes-10 and lines of 100 characters."""
    from minigooglenet.data import shapes10
    monkeypatch.chdir(tmp_path_factory.mktemp("here"))
    monkeypatch.setenv("MINIGOOGLENET_OFFLINE", "1")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(shapes10, "load", partial(shapes10.load, train=24, test=8))
