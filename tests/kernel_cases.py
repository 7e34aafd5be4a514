"""What tests of kernels share: images with awkward values, and comparisons."""

import numpy as np
import pytest

both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])
N = 11  # two chunks, the second one ragged


def images(rng, shape, dtype, kind="random"):
    """Read-only images: random ones, small whole numbers (many ties), or all equal and negative."""
    x = {"random": rng.standard_normal, "ties": lambda shape: rng.integers(-2, 1, shape),
         "equal": lambda shape: np.full(shape, -3.0)}[kind](shape).astype(dtype)
    x.flags.writeable = False
    return x


def close(a, b):
    assert a.dtype == b.dtype and a.shape == b.shape
    tolerance = {"float32": 1e-5, "float64": 1e-12}[str(a.dtype)]
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def same(a, b):
    assert a.dtype == b.dtype and np.array_equal(a, b)
