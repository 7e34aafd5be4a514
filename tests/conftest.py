"""What all tests share: a generator with a fixed seed, and hypothesis without its clock (the machine may be busy)."""

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
