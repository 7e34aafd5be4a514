"""What all tests share: a generator with a fixed seed, and hypothesis without its clock (the machine may be busy)."""

from functools import partial

import numpy as np
import pytest
from hypothesis import settings

settings.register_profile("steady", deadline=None, max_examples=60, derandomize=True, database=None)
settings.load_profile("steady")


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
