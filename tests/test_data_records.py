"""The binary layout: what is written is read back, and whatever else lies there gives one clear line."""

import os
import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minigooglenet.data.records import RECORD, read_classes, read_folder, read_records, write_folder, write_records
from minigooglenet.errors import UserError


def pictures(N, seed=0, classes=10):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (N, 32, 32, 3), np.uint8), rng.integers(0, classes, N)


def refuses(path, *words, read=read_records, **options):
    """The call raises UserError in one line that names the path and holds the words."""
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
def test_what_is_written_is_read_back(tmp_path_factory, N, seed):
    path = tmp_path_factory.mktemp("records") / "batch.bin"
    x, y = pictures(N, seed)
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
    write_records(tmp_path / "b.bin", *pictures(3))
    refuses(tmp_path / "b.bin", "9,219 bytes", "12,292 bytes", records=4)
    refuses(tmp_path / "b.bin", "9,219 bytes", "6,146 bytes", records=2)


def test_a_label_out_of_range_is_named_with_its_record(tmp_path):
    x, y = pictures(5)
    y[3] = 10
    write_records(tmp_path / "b.bin", x, y)
    refuses(tmp_path / "b.bin", "label 10", "record 3", "0 to 9")
    assert read_records(tmp_path / "b.bin", classes=11)[1][3] == 10


def test_a_folder_a_pipe_or_nothing_in_place_of_a_file(tmp_path):
    (tmp_path / "folder.bin").mkdir()
    refuses(tmp_path / "folder.bin", "is a folder")
    refuses(tmp_path / "absent.bin", "missing")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.bin")
        refuses(tmp_path / "pipe.bin", "ordinary file")


def test_without_permission(tmp_path, monkeypatch):
    path = tmp_path / "b.bin"
    write_records(path, *pictures(1))
    path.chmod(0)
    if os.access(path, os.R_OK):            # root may read everything: let the system's refusal be played
        def refuse(self):
            raise PermissionError(13, "Permission denied", str(self))
        monkeypatch.setattr(type(path), "read_bytes", refuse)
    refuses(path, "Permission denied", "permissions")


def test_folder_reads_its_files_in_the_order_of_their_numbers(tmp_path):
    x, y = pictures(25)
    write_folder(tmp_path, x[:24], y[:24], x[24:], y[24:], list("abcdefghij"), records=2)     # 12 files: 2 before 10
    x_train, y_train, x_test, y_test, classes = read_folder(tmp_path)
    np.testing.assert_array_equal(x_train, x[:24])
    np.testing.assert_array_equal(y_train, y[:24])
    np.testing.assert_array_equal(x_test, x[24:])
    assert y_test.tolist() == y[24:].tolist() and classes == list("abcdefghij")


def test_folder_that_lacks_something(tmp_path):
    refuses(tmp_path, "data_batch_*.bin", read=read_folder)
    refuses(tmp_path / "nowhere", "no such folder", read=read_folder)
    (tmp_path / "file").write_bytes(b"")
    refuses(tmp_path / "file", "this is a file", read=read_folder)
    write_records(tmp_path / "data_batch_1.bin", *pictures(2))
    with pytest.raises(UserError, match=re.escape(f"{tmp_path}/test_batch.bin: this file is missing")):
        read_folder(tmp_path)


def test_class_names(tmp_path):
    meta = tmp_path / "batches.meta.txt"
    assert read_classes(meta) == list("0123456789")
    meta.write_text("cat\ndog \n\n")
    assert read_classes(meta) == ["cat", "dog"]
    for bad, word in ((b"", "0 names"), (b"cat\ncat\n", "1 of them different"), (b"\xff\xfe", "not text"),
                      (b"x" * 70_000, "at most 65,536")):
        meta.write_bytes(bad)
        refuses(meta, word, read=read_classes)
