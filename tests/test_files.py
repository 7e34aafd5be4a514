"""write_atomically: a reader sees the old file or the new one, never a partial one."""

import errno
import os
import stat

import pytest

from minigooglenet.errors import UserError
from minigooglenet.files import check_writable, write_atomically


def test_it_writes_and_replaces(tmp_path):
    path = tmp_path / "deep" / "er" / "file.bin"
    write_atomically(path, lambda file: file.write(b"one"))
    assert path.read_bytes() == b"one"
    write_atomically(str(path), lambda file: file.write(b"two"))
    assert path.read_bytes() == b"two"
    assert os.listdir(path.parent) == ["file.bin"]


@pytest.mark.skipif(os.name != "posix", reason="elsewhere an open file cannot be replaced")
def test_a_reader_of_the_old_file_keeps_the_old_file(tmp_path):
    """The file is replaced, not overwritten: a process that has it open never sees partial contents."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with path.open("rb") as reader:
        write_atomically(path, lambda file: file.write(b"new"))
        assert reader.read() == b"old"


def test_text_is_utf_8(tmp_path):
    write_atomically(tmp_path / "log.csv", lambda file: file.write("1×1, α\n"), mode="w")
    assert (tmp_path / "log.csv").read_bytes() == "1×1, α\n".encode()


def test_the_name_appears_only_when_the_file_is_complete(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def write(file):
        file.write(b"new, but not")
        file.flush()
        assert path.read_bytes() == b"old"
        hidden, old = sorted(os.listdir(tmp_path))  # in the same folder: os.replace does not work across file systems
        assert hidden.startswith(".file.") and old == "file"

    write_atomically(path, write)
    assert path.read_bytes() == b"new, but not"


@pytest.mark.parametrize("failure", [KeyboardInterrupt, RuntimeError, UserError])
def test_a_failure_while_writing_leaves_the_old_file_and_nothing_else(tmp_path, failure):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def write(file):
        file.write(b"half")
        raise failure("stop")

    with pytest.raises(failure):
        write_atomically(path, write)
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["file"]


def test_a_full_disk(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def write(file):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(UserError, match="file: cannot be written .No space left on device.; free some space or choose"):
        write_atomically(path, write)
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["file"]


def test_a_full_disk_for_real():
    """/dev/full refuses every byte. (Its folder is not writable, so this tests the write itself.)"""
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full on this system")
    with pytest.raises(OSError, match="No space left"), open("/dev/full", "wb", buffering=0) as full:
        full.write(b"x")


def test_places_that_cannot_be_written(tmp_path):
    (tmp_path / "a_file").write_bytes(b"x")
    with pytest.raises(UserError, match="a_file/below: cannot be written"):
        write_atomically(tmp_path / "a_file" / "below", lambda file: file.write(b"y"))
    (tmp_path / "a_folder").mkdir()
    with pytest.raises(UserError, match="a_folder: cannot be written"):
        write_atomically(tmp_path / "a_folder", lambda file: file.write(b"y"))
    for path, says in (("a_file/below/deep", "a_file is not a folder"), ("a_folder", "because it is a folder")):
        with pytest.raises(UserError, match=f"{path}: cannot be written .*{says}"):
            check_writable(tmp_path / path)
    check_writable(tmp_path / "new" / "folder" / "file")
    assert sorted(os.listdir(tmp_path)) == ["a_file", "a_folder"] and not os.listdir(tmp_path / "a_folder")


def test_devices_and_pipes_are_refused(tmp_path):
    """Replacing /dev/null would break it for the whole system."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "null").symlink_to("/dev/null")
    (tmp_path / "to a pipe").symlink_to("pipe")
    (tmp_path / "loop").symlink_to("loop")
    before = sorted(os.listdir(tmp_path))
    for name in ("/dev/null", "pipe", "null", "to a pipe", "loop", "x" * 300):
        for check in (check_writable, lambda path: write_atomically(path, lambda file: file.write(b"x"))):
            with pytest.raises(UserError, match="cannot be written .*choose another name"):
                check(tmp_path / name)
    assert sorted(os.listdir(tmp_path)) == before and stat.S_ISCHR(os.stat("/dev/null").st_mode)
    assert stat.S_ISFIFO(os.lstat(tmp_path / "pipe").st_mode)


@pytest.mark.parametrize("exists", [True, False])
def test_symbolic_links_are_followed(tmp_path, exists):
    (tmp_path / "place").mkdir()
    target = tmp_path / "place" / "new" / "file"
    if exists:
        target.parent.mkdir()
        target.write_bytes(b"old")
    (tmp_path / "link").symlink_to("place/new/file")
    check_writable(tmp_path / "link")
    write_atomically(tmp_path / "link", lambda file: file.write(b"new"))
    assert (tmp_path / "link").is_symlink() and target.read_bytes() == b"new"
    assert os.listdir(target.parent) == ["file"] and sorted(os.listdir(tmp_path)) == ["link", "place"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(UserError, match="cannot be written .Permission denied"):
            write_atomically(tmp_path / "file", lambda file: file.write(b"x"))
        with pytest.raises(UserError, match="write-protected"):
            check_writable(tmp_path / "new" / "file")
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
def test_permissions_are_those_of_any_new_file(tmp_path):
    """mkstemp creates files that only their owner can read; a checkpoint has the permissions that the umask allows."""
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "file", lambda file: file.write(b"x"))
        assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640
        assert os.umask(0o027) == 0o027  # restored
    finally:
        os.umask(before)
