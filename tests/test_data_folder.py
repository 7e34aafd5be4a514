"""Files of a folder are replaced together: a failure half-way leaves the old ones, a kill never a mixture."""

import os

import pytest
from test_data_records import images

from minigooglenet.data.records import read_folder, write_folder
from minigooglenet.errors import UserError


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def old_and_new(folder):
    """Write an old data set to the folder. Returns a function that replaces it with a smaller one."""
    x, y = images(9)
    write_folder(folder, x[:6], y[:6], x[6:], y[6:], list("abcdefghij"), records=2)
    (folder / "notes.txt").write_text("mine")
    return lambda: write_folder(folder, 255 - x[:3], y[:3], x[3:5], y[3:5], list("klmnopqrst"), records=2)


@pytest.mark.parametrize("failure", [OSError(28, "No space left"), KeyboardInterrupt()], ids=["disk", "Ctrl-C"])
def test_a_failure_leaves_the_old_data_set(tmp_path, monkeypatch, failure):
    """Each write and each move fails in turn, until none is left to fail."""
    replace_new = old_and_new(tmp_path / "d")
    before, moves, replace = contents(tmp_path / "d"), 0, os.replace
    for number in range(99):
        calls = iter(range(99))

        def failing(*paths, calls=calls, number=number):
            if next(calls) == number:
                raise failure
            replace(*paths)

        monkeypatch.setattr(os, "replace", failing)
        try:
            replace_new()
            break
        except (UserError, KeyboardInterrupt) as error:
            monkeypatch.undo()
            assert isinstance(error, KeyboardInterrupt) or str(error).startswith(str(tmp_path / "d"))
            assert "/." not in str(error)                   # the temporary folder
            assert contents(tmp_path / "d") == before
            moves += 1
    assert moves > 12
    after = read_folder(tmp_path / "d")
    assert len(after[1]) == 3 and after[4] == list("klmnopqrst") and (tmp_path / "d" / "notes.txt").exists()
    assert sorted(contents(tmp_path / "d")) == ["batches.meta.txt", "data_batch_1.bin", "data_batch_2.bin", "notes.txt",
                                                "test_batch.bin"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="os.fork")
def test_a_killed_process_leaves_the_old_the_new_or_an_incomplete_data_set(tmp_path):
    outcomes = set()
    for number in range(20):
        replace_new = old_and_new(folder := tmp_path / str(number))
        old, replace, calls = read_folder(folder)[4], os.replace, iter(range(99))

        def killed(*paths, calls=calls, number=number, replace=replace):
            if next(calls) == number:
                os._exit(9)
            replace(*paths)

        if (child := os.fork()) == 0:
            os.replace = killed
            replace_new()
            os._exit(0)
        os.waitpid(child, 0)
        try:
            x, y, _, _, classes = read_folder(folder)
            assert (len(y), classes) in ((6, old), (3, list("klmnopqrst")))
            outcomes.add(len(y))
        except UserError as error:
            assert "missing" in str(error) or "no data_batch" in str(error)
            outcomes.add("incomplete")
        replace_new()
        assert len(read_folder(folder)[1]) == 3
    assert outcomes == {6, "incomplete", 3}


def test_a_folder_in_place_of_a_file(tmp_path):
    replace_new = old_and_new(tmp_path / "d")
    (tmp_path / "d" / "data_batch_1.bin").unlink()
    (tmp_path / "d" / "data_batch_1.bin").mkdir()
    with pytest.raises(UserError, match="d: cannot be written .data_batch_1.bin is a folder"):
        replace_new()
    assert (tmp_path / "d" / "test_batch.bin").exists() and (tmp_path / "d" / "data_batch_3.bin").exists()
