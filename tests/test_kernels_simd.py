"""SIMD registers: compiled form against NumPy form; the products with Winograd's matrices written out for them."""

import numpy as np
import pytest

from minigooglenet.kernels import simd, winograd
from minigooglenet.kernels.jit import JIT, njit
from minigooglenet.kernels.memory import LINE, empty
from minigooglenet.kernels.simd import LANES, both, equal, full_like, greater, load, prefetch, store, where, without


@pytest.mark.skipif(not JIT, reason="MINIGOOGLENET_JIT=0: the compiled forms are not compiled")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_registers_equal_their_numpy_form(dtype, monkeypatch):
    """Every operation, on all lanes and on some; nothing beyond the first n values is written."""
    def combine(a, b, y, n):
        x, z = load(a, 1, n), load(b, 2, n)
        larger, same = greater(x, z), equal(x, z)
        free = without(larger, same)
        prefetch(a, 1, n)
        prefetch(y, -10**12, n)  # outside: nothing happens
        store(y, 1, n, where(both(free, larger), 2 * x - z, z * x + full_like(x, 3) - x * 4))

    rng, compiled = np.random.default_rng(0), njit(combine)
    a, b = (rng.integers(-3, 4, LANES + 2).astype(dtype) for _ in range(2))
    a[3] = np.nan
    for n in (0, 1, 5, LANES):
        fast, plain = np.full(LANES + 2, 7, dtype), np.full(LANES + 2, 7, dtype)
        compiled(a, b, fast, n)
        with monkeypatch.context() as patch:
            for name in ("load", "store", "prefetch", "full_like", "equal", "greater", "both", "without", "where"):
                patch.setitem(combine.__globals__, name, getattr(simd, f"{name}_numpy"))
            combine(a, b, plain, n)
        assert np.array_equal(fast, plain, equal_nan=True) and (fast[n + 1:] == 7).all() and fast[0] == 7


@pytest.mark.parametrize("m", [4, 2])
def test_winograds_products_written_out_equal_the_matrices(m):
    rng, A, B = np.random.default_rng(0), winograd.output_matrix(m), winograd.B
    six, y = rng.standard_normal((6, 5)), rng.standard_normal((m, 5))
    assert np.allclose(winograd.input_values(*six), B.T @ six, atol=1e-12)
    assert np.allclose(winograd.input_gradients(*six), B @ six, atol=1e-12)
    *values, last = winograd.output_values(*six)
    values[m - 1] = values[m - 1] + last
    assert np.allclose(values[:m], A.T @ six, atol=1e-12)
    padded = [*y, *np.zeros((4 - m, 5))]
    assert np.allclose(winograd.output_gradients(*padded, y[m - 1]), A @ y, atol=1e-12)


def test_arrays_begin_at_cache_lines():
    for shape, dtype in (((3, 5, 7, 9), np.float32), ((0, 4), np.float32), ((1001,), np.float64)):
        a = empty(shape, dtype)
        assert a.shape == shape and a.dtype == dtype and a.flags.c_contiguous and a.flags.writeable
        assert not a.size or a.ctypes.data % LINE == 0
