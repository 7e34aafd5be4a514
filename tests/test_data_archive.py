"""Archives that are not trusted: expected files are extracted and nothing else, in little time and memory."""

import gzip
import io
import os
import tarfile
import time

import pytest
from test_data_cifar10 import ARCHIVE, contents, from_file, origin, tar

from minigooglenet.data import cifar10
from minigooglenet.data.archive import unpacked
from minigooglenet.data.cifar import fetch, read
from minigooglenet.data.cifar10 import FILES, FOLDER
from minigooglenet.errors import UserError


def member(name, kind=tarfile.REGTYPE, link="", data=None):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info, data


@pytest.mark.parametrize("extra", [
    member("../outside", data=b"x"),
    member(f"{FOLDER}/../../data_batch_1.bin", data=b"x"),
    member("/tmp/absolute", data=b"x"),
    member(f"{FOLDER}/data_batch_1.bin", tarfile.SYMTYPE, "/etc/passwd"),
    member(f"{FOLDER}/readme.html", tarfile.LNKTYPE, "data_batch_1.bin"),
    member("link", tarfile.SYMTYPE, ".."),
    member("device", tarfile.CHRTYPE),
    member("pipe", tarfile.FIFOTYPE),
], ids=lambda extra: extra[0].name)
def test_an_archive_with_paths_outside_is_refused_entirely(tmp_path, extra):
    with pytest.raises(UserError, match="nothing was unpacked"):
        from_file(tmp_path, tar(contents(), extra=[extra]))
    assert [p.name for p in tmp_path.iterdir() if p.name != "given"] == ["datasets"]
    assert list((tmp_path / "datasets").iterdir()) == []


def test_unexpected_files_are_skipped(tmp_path):
    folder = from_file(tmp_path, tar(contents(), extra=[member(f"{FOLDER}/._data_batch_1.bin", data=b"x"),
                                                        member("setup.py", data=b"import os")]))
    assert sorted(p.name for p in folder.iterdir()) == sorted(contents())


@pytest.mark.parametrize("data, words", [
    (b"", "the file is empty; give the path of cifar-10-binary.tar.gz"),
    (b"no archive at all" * 100, "not a complete tar archive"),
    (ARCHIVE[:len(ARCHIVE) // 2], "not a complete tar archive"),
    (ARCHIVE[:40] + bytes(40) + ARCHIVE[80:], "not a complete tar archive"),
    (tar(contents(), zipped=False)[:20_000], "not a complete tar archive"),
    (tar({name: data for name, data in contents().items() if "4" not in name}), "data_batch_4.bin is not in"),
    (tar(contents() | {"data_batch_2.bin": bytes(3073 * 4)}), "12,292 bytes, expected at most 9,219"),
    (tar(contents() | {"test_batch.bin": bytes(3073)}), "3,073 bytes, expected 9,219"),
    (tar(contents(label=10)), "label 10"),
    (tar(contents(), extra=[member("large", data=bytes(2 ** 21))]), "unpacks to more than"),
], ids=["empty", "noise", "half", "damaged", "half tar", "missing", "too long", "too short", "label 10", "bomb"])
def test_a_wrong_archive_is_refused_in_one_line_and_leaves_nothing(tmp_path, data, words):
    with pytest.raises(UserError, match=words) as caught:
        from_file(tmp_path, data)
    assert "\n" not in str(caught.value) and str(tmp_path / "given") in str(caught.value)
    assert not (tmp_path / "datasets").exists() or list((tmp_path / "datasets").iterdir()) == []


def test_a_wrong_archive_leaves_existing_files_unchanged(tmp_path):
    folder = from_file(tmp_path, ARCHIVE)
    with pytest.raises(UserError):
        from_file(tmp_path, tar(contents(label=10)))
    assert read(origin(), folder)[1] is None
    assert from_file(tmp_path, tar(contents(label=3))) == folder
    data, note = read(origin(), folder)
    assert set(data[1]) == {3} and "checksums" in note and not (folder / "checksums.json").exists()


def test_from_file_missing_or_a_folder(tmp_path):
    for given, says in ((tmp_path / "absent", "no such file"), (tmp_path, "a folder")):
        with pytest.raises(UserError, match=f"{given}: {says}; give the path of cifar-10-binary.tar.gz"):
            fetch(origin(), tmp_path / "datasets", given)


def test_unpacked_moves_nothing_if_the_block_fails(tmp_path):
    (tmp_path / "a.tar").write_bytes(ARCHIVE)
    sizes = dict.fromkeys(FILES, 10_000)
    with pytest.raises(ZeroDivisionError), unpacked(tmp_path / "a.tar", tmp_path / "out", sizes, FILES) as place:
        assert (place / "test_batch.bin").exists() and place.parent == tmp_path
        1 / 0  # noqa: B018
    assert [p.name for p in tmp_path.iterdir()] == ["a.tar"]


@pytest.mark.parametrize("kind, says", [("pipe", "a device or pipe"), ("folder", "a folder"),
                                        ("missing", "no such file"), ("empty", "the file is empty"),
                                        ("/dev/zero", "a device or pipe")])
def test_from_file_that_is_no_regular_file(tmp_path, kind, says):
    path = tmp_path / "given"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "empty":
        path.touch()
    elif kind[0] == "/":
        path.symlink_to(kind)
    with pytest.raises(UserError, match=f"given: {says}[;,].*cifar-10-binary.tar.gz") as error:
        cifar10.fetch(tmp_path / "datasets", from_file=path)
    assert "\n" not in str(error.value) and not (tmp_path / "datasets").exists()


def packed(*members):
    with tarfile.open(fileobj=(file := io.BytesIO()), mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    return gzip.compress(file.getvalue(), 9)


def info(name, size, **options):
    member = tarfile.TarInfo(name)
    member.size = size
    for key, value in options.items():
        setattr(member, key, value)
    return member


BATCH = bytes(10_000 * 3073)
BOMBS = {
    "the same file many times": lambda: packed(*[(info("test_batch.bin", len(BATCH)), BATCH)] * 8),
    "headers": lambda: packed((info("a", 0, pax_headers={"comment": "x" * 10 ** 8}), b"")),
    "digits": lambda: packed((info("a", 0, pax_headers={"comment": "1" * 200_000}), b"")),
    "many headers": lambda: packed(*[(info("a", 0, pax_headers={"comment": "1" * 3000}), b"")] * 60),
    "another file": lambda: packed((info("other", len(BATCH)), BATCH)),
    "a long name": lambda: packed((info("x" * 10 ** 7, 0), b"")),
    "members of gzip": lambda: gzip.compress(b"") * 400_000,
}


@pytest.mark.parametrize("kind", BOMBS)
def test_archives_that_unpack_to_more(tmp_path, kind):
    (tmp_path / "given").write_bytes(BOMBS[kind]())
    assert (tmp_path / "given").stat().st_size < 10 ** 7
    start = time.process_time()
    with pytest.raises(UserError, match="given: (unpacks to more than 262,144 bytes besides the expected files|"
                                        "test_batch.bin is contained twice|not a complete tar archive|"
                                        "no file of CIFAR-10 or CIFAR-100 is in the archive)"):
        cifar10.fetch(tmp_path / "datasets", from_file=tmp_path / "given")
    assert time.process_time() - start < 5 and not list((tmp_path / "datasets").glob("*"))
