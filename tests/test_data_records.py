"""The binary format: data are read as they were written; any other file raises an error of one line."""

import os
import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minigooglenet.data import records
from minigooglenet.data.records import RECORD, read_classes, read_folder, read_records, write_folder, write_records
from minigooglenet.errors import UserError


def images(N, seed=0, classes=10):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (N, 32, 32, 3), np.uint8), rng.integers(0, classes, N)


def refuses(path, *words, read=read_records, **options):
    """The call raises UserError in one line that contains the path and the words."""
    with pytest.raises(UserError) as caught:
        read(path, **options)
    line = str(caught.value)
    assert "\n" not in line and str(path) in line
    for word in words:
        assert word in line


def test_a_record_is_a_label_and_three_planes_in_rows(tmp_path):
    record = bytes([7]) + bytes([1] * 1024) + bytes([2] * 1024) + bytes(range(256)) * 4
    (tmp_path / "one.bin").write_bytes(record)
    x, y = read_records(tmp_path / "one.bin")
    assert x.shape == (1, 32, 32, 3) and x.dtype == np.uint8 and y.dtype == np.int64 and y.tolist() == [7]
    assert (x[0, :, :, 0] == 1).all() and (x[0, :, :, 1] == 2).all()
    assert x[0, 1, 5, 2] == 32 + 5          # second row, sixth column of the blue plane


@given(st.integers(1, 9), st.integers(0, 99))
@settings(max_examples=10, deadline=None)
def test_records_are_read_as_they_were_written(tmp_path_factory, N, seed):
    path = tmp_path_factory.mktemp("records") / "batch.bin"
    x, y = images(N, seed)
    write_records(path, x, y)
    assert path.stat().st_size == N * RECORD
    for read, wrote in zip(read_records(path, records=N), (x, y), strict=True):
        np.testing.assert_array_equal(read, wrote)


@given(st.binary(max_size=2 * RECORD))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_read_or_refused_in_one_line(tmp_path, data):
    path = tmp_path / "any.bin"
    path.write_bytes(data)
    whole = len(data) > 0 and len(data) % RECORD == 0
    if whole and max(data[::RECORD]) < 10:
        assert len(read_records(path)[1]) == len(data) // RECORD
    else:
        refuses(path)


@pytest.mark.parametrize("size", [0, 1, RECORD - 1, RECORD + 1, 2 * RECORD - 1])
def test_truncated_files_are_refused_with_both_sizes(tmp_path, size):
    (tmp_path / "short.bin").write_bytes(bytes(size))
    refuses(tmp_path / "short.bin", f"{size:,} bytes", "multiple of 3,073")


def test_whole_records_but_too_few_or_too_many_are_refused(tmp_path):
    write_records(tmp_path / "b.bin", *images(3))
    refuses(tmp_path / "b.bin", "9,219 bytes", "12,292 bytes", records=4)
    refuses(tmp_path / "b.bin", "9,219 bytes", "6,146 bytes", records=2)


def test_a_label_out_of_range_is_named_with_its_record(tmp_path):
    x, y = images(5)
    y[3] = 10
    write_records(tmp_path / "b.bin", x, y)
    refuses(tmp_path / "b.bin", "label 10", "record 3", "0 to 9")
    assert read_records(tmp_path / "b.bin", classes=11)[1][3] == 10


def test_a_folder_a_pipe_or_a_missing_file(tmp_path):
    (tmp_path / "folder.bin").mkdir()
    refuses(tmp_path / "folder.bin", "is a folder")
    refuses(tmp_path / "absent.bin", "missing")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.bin")
        refuses(tmp_path / "pipe.bin", "regular file")


def test_without_permission(tmp_path, monkeypatch):
    path = tmp_path / "b.bin"
    write_records(path, *images(1))
    path.chmod(0)
    if os.access(path, os.R_OK):            # root can read every file: simulate the refusal
        def refuse(self):
            raise PermissionError(13, "Permission denied", str(self))
        monkeypatch.setattr(type(path), "read_bytes", refuse)
    refuses(path, "Permission denied", "permissions")


def test_folder_reads_its_files_in_numerical_order(tmp_path):
    x, y = images(25)
    write_folder(tmp_path, x[:24], y[:24], x[24:], y[24:], list("abcdefghij"), records=2)     # 12 files: 2 before 10
    x_train, y_train, x_test, y_test, classes = read_folder(tmp_path)
    np.testing.assert_array_equal(x_train, x[:24])
    np.testing.assert_array_equal(y_train, y[:24])
    np.testing.assert_array_equal(x_test, x[24:])
    assert y_test.tolist() == y[24:].tolist() and classes == list("abcdefghij")


def test_an_incomplete_folder(tmp_path):
    refuses(tmp_path, "data_batch_*.bin", read=read_folder)
    refuses(tmp_path / "nowhere", "no such folder", read=read_folder)
    (tmp_path / "file").write_bytes(b"")
    refuses(tmp_path / "file", "this is a file", read=read_folder)
    write_records(tmp_path / "data_batch_1.bin", *images(2))
    with pytest.raises(UserError, match=re.escape(f"{tmp_path}/test_batch.bin: this file is missing")):
        read_folder(tmp_path)


def test_class_names(tmp_path):
    meta = tmp_path / "batches.meta.txt"
    assert read_classes(meta) == list("0123456789")
    meta.write_text("cat\ndog \n\n")
    assert read_classes(meta) == ["cat", "dog"]
    meta.write_bytes(b"\xef\xbb\xbfcat\r\ndog")
    assert read_classes(meta) == ["cat", "dog"]                     # without the byte-order mark
    for bad, word in ((b"", "0 names"), (b"cat\ncat\n", "1 of them distinct"), (b"\xff\xfe", "not text"),
                      (b"cat\n\xef\xbb\xbfdog", r"class name 2 is '\ufeffdog', expected printable text"),
                      (b"cat\nd\x1b[2Jog", r"class name 2 is 'd\x1b[2Jog'"),
                      (b"x" * 70_000, "at most 65,536")):
        meta.write_bytes(bad)
        refuses(meta, word, read=read_classes)


# -- one batch under two names -----------------------------------------------------------------------------------------

def test_the_same_batch_is_not_read_twice(tmp_path):
    x, y = images(6)
    write_folder(tmp_path, x[:4], y[:4], x[4:], y[4:], list("abcdefghij"), records=2)
    one, two, third = (tmp_path / f"data_batch_{name}.bin" for name in ("1", "01", "3"))
    two.write_bytes(one.read_bytes())
    refuses(tmp_path, "data_batch_01.bin and data_batch_1.bin are the same batch", read=read_folder)
    two.unlink()
    third.symlink_to(one)
    refuses(tmp_path, "data_batch_1.bin and data_batch_3.bin are the same batch", read=read_folder)
    third.unlink()
    (tmp_path / "data_batch_\u0661.bin").write_bytes(one.read_bytes())         # the digit 1 in Arabic
    assert len(read_folder(tmp_path)[1]) == 4


# -- what is written ---------------------------------------------------------------------------------------------------

def write(folder, x=None, y=None, classes=tuple("abcdefghij"), records=10_000):
    """Two training images with the labels 3 and 9, except for the given arrays, and one test image."""
    plain, _ = images(3)
    write_folder(folder, plain[:2] if x is None else x, [3, 9] if y is None else y, plain[2:], [0], classes, records)
    return read_folder(folder)


@pytest.mark.parametrize("classes, says", [
    ([" cat", "dog"], "class name ' cat', expected one line of text without spaces around it"),
    (["cat", "dog\nbird"], r"class name 'dog\nbird'"), (["cat", "dog\u2028"], "class name"), (["cat", ""], "1 names"),
    (["\ufeffcat", "dog"], r"class name '\ufeffcat'"), (["cat", "\ufeff"], r"class name 2 is '\ufeff'"),
    (["cat", "cat"], "1 of them distinct"), (["cat"], "1 names"), ([], "0 names"), (["cat", 7], "class name 7"),
    (["cat", "\ud800"], "not text"), (["cat", "\x00"], "printable"), (["x" * 40_000, "y" * 40_000], "80,002 bytes"),
    ([str(k) for k in range(257)], "257 names"),
])
def test_class_names_that_cannot_be_read(tmp_path, classes, says):
    refuses(tmp_path / "d", says, read=write, classes=classes, y=[0, 0])
    assert not (tmp_path / "d").exists()


def test_more_images_than_are_read_from_a_file(tmp_path, monkeypatch):
    for number in (0, -1, records.MOST + 1):
        refuses(tmp_path / "d", f"{number:,} records per file, expected 1 to 349,", read=write, records=number)
    monkeypatch.setattr(records, "MOST", 2)
    x, y = images(5)
    refuses(tmp_path / "d", "x_test has 5 images, at most 2 are read from one file", read=lambda folder: write_folder(
        folder, x, y, x, y, list("abcdefghij"), 2))
    assert not (tmp_path / "d").exists()
    write_folder(tmp_path / "d", x, y, x[:2], y[:2], list("abcdefghij"), 2)
    assert len(read_folder(tmp_path / "d")[1]) == 5
