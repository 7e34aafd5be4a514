"""Pixels and labels that are stored as bytes: exactly, or refused in one line that names the value."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_data_records import images, refuses, write

from minigooglenet.data.records import write_records
from minigooglenet.errors import UserError


@pytest.mark.parametrize("dtype", ["int8", "int16", ">i2", "int32", "int64", "uint8", "uint16", "uint64", "float16",
                                   "float32", ">f4", "float64", "longdouble"])
def test_whole_numbers_of_any_type_are_stored_exactly(tmp_path, dtype):
    x, _ = images(2)
    x = x >> 1 if dtype == "int8" else x
    np.testing.assert_array_equal(write(tmp_path, x.astype(dtype))[0], x)
    assert write(tmp_path, y=np.array([7, 2]).astype(dtype))[1].tolist() == [7, 2]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "longdouble"])
def test_floats_up_to_1_are_stored_exactly(tmp_path, dtype):
    x = np.resize(np.arange(256, dtype=np.uint8), (2, 32, 32, 3))
    for scaled in (x.astype(dtype) / np.dtype(dtype).type(255), x.astype(dtype) * np.dtype(dtype).type(1 / 255)):
        assert scaled.dtype == dtype
        np.testing.assert_array_equal(write(tmp_path, scaled)[0], x)


def with_value(value, dtype):
    x = np.full((2, 32, 32, 3), 50, dtype)
    x[1, 2, 3, 0] = value
    return x


@pytest.mark.parametrize("x, says", [
    (with_value(-1, "int16"), r"x_train has the value -1 at [1, 2, 3, 0], expected whole numbers 0 … 255"),
    (with_value(256, "int16"), "the value 256 at [1, 2, 3, 0]"),
    (with_value(np.nan, "float32"), "the value nan at [1, 2, 3, 0]"),
    (with_value(np.inf, "float32"), "the value inf at [1, 2, 3, 0]"),
    (with_value(0.5, "float32"), "the value 0.5 at [1, 2, 3, 0]"),
    (with_value(50, "float32") / 100, "the value 0.5 at [0, 0, 0, 0]"),
    (with_value(-50, "float64") / 255, "the value -0.19"),
    (np.eye(32, dtype="float32")[None, :, :, None] * np.ones((2, 1, 1, 3), "float32"), "only the values 0.0 and 1.0"),
    (np.zeros((2, 32, 32, 3), bool), "dtype bool, expected uint8"),
    (np.zeros((2, 32, 32, 3), complex), "dtype complex128"),
    (np.full((2, 32, 32, 3), None), "dtype object"), (np.full((2, 32, 32, 3), "7"), "dtype <U1"),
    (np.zeros((2, 3, 32, 32), np.uint8), "expected (N, 32, 32, 3) with N at least 1; use x.transpose(0, 2, 3, 1)"),
    (np.zeros((2, 32, 32), np.uint8), "shape (2, 32, 32)"), (np.zeros((2, 3072), np.uint8), "shape (2, 3072)"),
    (np.zeros((32, 32, 3), np.uint8), "shape (32, 32, 3)"), (np.zeros((2, 28, 28, 3), np.uint8), "shape (2, 28"),
    (np.zeros((0, 32, 32, 3), np.uint8), "shape (0, 32, 32, 3)"), (np.uint8(3), "shape ()"),
])
def test_pixels_that_cannot_be_stored(tmp_path, x, says):
    refuses(tmp_path / "d", "x_train has", says, read=write, x=x)
    assert not (tmp_path / "d").exists()
    refuses(tmp_path / "a.bin", f"{tmp_path / 'a.bin'}: x has", read=lambda path: write_records(path, x, [0, 0]))


@pytest.mark.parametrize("y, says", [
    ([0, 10], "label 10 at [1], expected 0 to 9"), ([-1, 0], "label -1 at [0]"), ([0, 256], "label 256 at [1]"),
    ([0, 0.5], "label 0.5 at [1]"), ([0, np.nan], "label nan at [1]"), ([0, np.inf], "label inf at [1]"),
    ([True, False], "dtype bool, expected integers"), (["a", "b"], "dtype <U1"), ([0], "shape (1,), expected (2,)"),
    ([0, 1, 2], "shape (3,)"), ([[0], [1]], "shape (2, 1), expected (2,): a label per image"), (7, "shape ()"),
])
def test_labels_that_cannot_be_stored(tmp_path, y, says):
    refuses(tmp_path / "d", "y_train has", says, read=write, y=y)
    assert not (tmp_path / "d").exists()


@given(st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_is_read_as_it_was(tmp_path, data):
    x, y = images(2)
    dtype = data.draw(st.sampled_from(["uint8", "int16", "float16", "float32", "float64"]))
    factor = data.draw(st.sampled_from([1, 1, 1 / 255, 0.5, 200, -1]))
    changed = x.astype(float) * factor
    if np.dtype(dtype).kind in "iu":
        changed = np.clip(changed, np.iinfo(dtype).min, np.iinfo(dtype).max)
    changed = changed.astype(dtype)
    classes = data.draw(st.lists(st.text(max_size=3), min_size=8, max_size=12))
    labels = data.draw(st.lists(st.integers(-1, 12), min_size=2, max_size=2))
    try:
        x_read, y_read, *_, names = write(tmp_path / "d", changed, labels, classes)
    except UserError as error:
        assert "\n" not in str(error)
        return
    assert names == classes and y_read.tolist() == labels
    np.testing.assert_allclose(x_read * (1 / 255 if factor == 1 / 255 else 1), changed, rtol=1e-3)
