"""The positions of windows, against counting them one by one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigooglenet.errors import ShapeError
from minigooglenet.kernels.geometry import output_hw, output_size, pair

size, K, S, P = st.integers(1, 60), st.integers(1, 11), st.integers(1, 12), st.integers(0, 8)


@given(size, K, S, P)
def test_rounding_down_counts_the_windows_that_fit(size, K, S, P):
    if size + 2 * P < K:
        with pytest.raises(ShapeError, match=f"a window of {K} does not fit {size} "):
            output_size(size, K, S, P)
        return
    fitting = [start for start in range(-P, size + P) if (start + P) % S == 0 and start + K <= size + P]
    assert output_size(size, K, S, P) == len(fitting)


@given(size, K, S, st.data())
def test_rounding_up_adds_one_window_if_it_starts_inside(size, K, S, data):
    P = data.draw(st.integers(0, K - 1))
    if size + 2 * P < K:
        return
    down, up = (output_size(size, K, S, P, ceil_mode=mode) for mode in (False, True))
    left_over = (size + 2 * P - K) % S > 0  # pixels of the padded image that no window reaches
    assert up == down + (left_over and down * S - P < size)


@given(size, K, S, st.data())
def test_every_pool_window_overlaps_the_image(size, K, S, data):
    P = data.draw(st.integers(0, K - 1))
    if size + 2 * P < K:
        return
    for ceil_mode in (False, True):
        for i in range(output_size(size, K, S, P, ceil_mode)):
            assert i * S - P < size and i * S - P + K > 0


def test_the_sizes_of_the_paper():
    assert output_hw(224, 224, (7, 7), (2, 2), (3, 3)) == (112, 112)
    assert [output_size(n, 3, 2, 0, ceil_mode=True) for n in (112, 56, 28, 14)] == [56, 28, 14, 7]
    assert output_size(14, 5, 3, 0) == 4
    assert output_hw(9, 7, (3, 5), (2, 1), (0, 2)) == (4, 7)  # height first


def test_pair():
    assert pair(3) == (3, 3) and pair((1, 2)) == (1, 2) and pair([4, 5]) == (4, 5)
    assert pair(np.int64(3)) == (3, 3)
    with pytest.raises((TypeError, ValueError)):
        pair((1, 2, 3))
