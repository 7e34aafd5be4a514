"""Fetching, checking and unpacking CIFAR-10, against a small server on this machine that behaves and misbehaves."""

import contextlib
import gzip
import hashlib
import io
import socket
import tarfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from minigooglenet.data import cifar10, source
from minigooglenet.data.archive import unpacked
from minigooglenet.data.cifar10 import FILES, FOLDER, Source, fetch, present, read
from minigooglenet.data.download import download, reachable
from minigooglenet.errors import UserError

RECORDS = 3                             # pictures per file in the archives of this test


def contents(label=None):
    rng = np.random.default_rng(5)
    files = {}
    for name in FILES:
        data = rng.integers(0, 256, (RECORDS, 3073), np.uint8)
        data[:, 0] = rng.integers(0, 10, RECORDS) if label is None else label
        files[name] = data.tobytes()
    return files | {"batches.meta.txt": b"airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n"}


def tar(files, prefix=f"{FOLDER}/", extra=(), zipped=True):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        folder = tarfile.TarInfo(FOLDER)
        folder.type = tarfile.DIRTYPE
        members = [(tarfile.TarInfo(prefix + name), data) for name, data in files.items()]
        for member, data in [(folder, None), *members, *extra]:
            if data is not None:
                member.size = len(data)
            archive.addfile(member, data and io.BytesIO(data))
    return gzip.compress(buffer.getvalue(), mtime=0) if zipped else buffer.getvalue()


ARCHIVE = tar(contents())


class Handler(BaseHTTPRequestHandler):
    """Serves ``server.data``; ``server.mood`` is how, ``server.ranges`` notes what was asked for."""

    def do_HEAD(self):
        self.do_GET(body=False)

    def do_GET(self, body=True):
        server, data, start = self.server, self.server.data, 0
        if body:
            server.ranges.append(self.headers.get("Range"))
        if server.mood == "missing":
            return self.send_error(404)
        if self.headers.get("Range") and server.mood != "no ranges":
            start = int(self.headers["Range"][6:-1])
            if start >= len(data):
                return self.send_error(416)
            self.send_response(206)
        else:
            self.send_response(200)
        self.send_header("Content-Length", len(data) - start)
        self.end_headers()
        if body:
            end = start + 4000 if server.mood == "breaks" else len(data)
            with contextlib.suppress(OSError):
                self.wfile.write(data[start:end])

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr("minigooglenet.data.download.PIECE", 1000)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.delenv("MINIGOOGLENET_OFFLINE", raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.data, server.mood, server.ranges = ARCHIVE, "well", []
        server.url = f"http://127.0.0.1:{server.server_port}/cifar-10-binary.tar.gz"
        threading.Thread(target=server.serve_forever, daemon=True, args=(0.01,)).start()
        yield server
        server.shutdown()


def origin(url="http://127.0.0.1:9/cifar-10-binary.tar.gz", data=ARCHIVE):
    return Source(url, hashlib.md5(data).hexdigest(), len(data), RECORDS)


def get(server, path, data=ARCHIVE, attempts=2):
    download(server.url, path, hashlib.md5(data).hexdigest(), len(data), attempts, pause=0, progress=False)


# Downloading

def test_fetch_leaves_the_checked_files_and_nothing_else(server, tmp_path):
    folder = fetch(tmp_path, source=origin(server.url), progress=False)
    assert sorted(p.name for p in tmp_path.iterdir()) == [FOLDER]
    assert sorted(p.name for p in folder.iterdir()) == sorted([*contents(), "checksums.json"])
    (x, y, x_test, y_test, classes), note = read(folder, origin())
    assert note is None and x.shape == (5 * RECORDS, 32, 32, 3) and len(y_test) == RECORDS and classes[9] == "truck"
    fetch(tmp_path, source=origin(server.url), progress=False)
    assert len(server.ranges) == 1      # it is there: not asked for again


def test_a_broken_connection_is_taken_up_where_it_ended(server, tmp_path):
    server.mood = "breaks"
    get(server, tmp_path / "a", attempts=len(ARCHIVE) // 4000 + 1)
    assert (tmp_path / "a").read_bytes() == ARCHIVE and not (tmp_path / "a.part").exists()
    assert server.ranges[:3] == [None, "bytes=4000-", "bytes=8000-"]


def test_what_arrived_is_kept_for_the_next_call(server, tmp_path):
    server.mood = "breaks"
    with pytest.raises(UserError, match=f"8,000 of {len(ARCHIVE):,} bytes.*again") as caught:
        get(server, tmp_path / "a")
    assert "breaks" in str(caught.value) and not (tmp_path / "a").exists()
    server.mood = "well"
    get(server, tmp_path / "a")
    assert server.ranges[-1] == "bytes=8000-" and (tmp_path / "a").read_bytes() == ARCHIVE


def test_a_server_without_ranges_sends_everything_again(server, tmp_path):
    (tmp_path / "a.part").write_bytes(ARCHIVE[:5000])
    server.mood = "no ranges"
    get(server, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == ARCHIVE


def test_wrong_bytes_are_thrown_away(server, tmp_path):
    server.data = ARCHIVE[:-1] + b"?"
    with pytest.raises(UserError, match="md5"):
        get(server, tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_a_part_longer_than_the_file_is_thrown_away(server, tmp_path):
    (tmp_path / "a.part").write_bytes(ARCHIVE + b"more")
    with pytest.raises(UserError, match="thrown away"):
        get(server, tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_another_length_is_not_even_fetched(server, tmp_path):
    server.data = b"<html>Welcome to the hotel</html>"
    with pytest.raises(UserError, match="offers 33 bytes"):
        get(server, tmp_path / "a")
    assert (tmp_path / "a.part").stat().st_size == 0


def test_not_found_is_asked_for_once(server, tmp_path):
    server.mood = "missing"
    with pytest.raises(UserError, match="404"):
        get(server, tmp_path / "a", attempts=3)
    assert len(server.ranges) == 1


def test_an_unwritable_place_is_named(server, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError, match="cannot be written"):
        get(server, tmp_path / "file" / "a")


def test_reachable(server):
    assert reachable(server.url)
    server.mood = "missing"
    assert not reachable(server.url)
    with socket.create_server(("127.0.0.1", 0)) as silent:      # accepts, and never answers
        start = time.monotonic()
        assert not reachable(f"http://127.0.0.1:{silent.getsockname()[1]}/", seconds=0.2)
        assert time.monotonic() - start < 2


def test_unreachable_says_how_else_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr(cifar10, "reachable", lambda url: False)
    with pytest.raises(UserError, match="does not answer.*minigooglenet data cifar10 --from-file ARCHIVE"):
        fetch(tmp_path)
    monkeypatch.setenv("MINIGOOGLENET_OFFLINE", "1")
    monkeypatch.setattr(cifar10, "reachable", lambda url: pytest.fail("asked the network"))
    with pytest.raises(UserError, match="MINIGOOGLENET_OFFLINE"):
        fetch(tmp_path)
    assert not present(tmp_path)


# Unpacking

def from_file(tmp_path, data, official=ARCHIVE):
    (tmp_path / "given").write_bytes(data)
    return fetch(tmp_path / "datasets", from_file=tmp_path / "given", source=origin(data=official), progress=False)


def test_from_file_keeps_the_file_and_needs_no_network(tmp_path):
    assert read(from_file(tmp_path, ARCHIVE), origin())[1] is None
    assert (tmp_path / "given").exists()


def test_an_unzipped_archive_or_flat_one_is_taken_but_not_called_official(tmp_path):
    for data in (tar(contents(), zipped=False), tar(contents(), prefix="./")):
        data, note = read(from_file(tmp_path, data), origin())
        assert data[0].shape == (15, 32, 32, 3) and "not the official checksums" in note


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
def test_an_archive_that_reaches_outside_is_refused_whole(tmp_path, extra):
    with pytest.raises(UserError, match="nothing was unpacked"):
        from_file(tmp_path, tar(contents(), extra=[extra]))
    assert [p.name for p in tmp_path.iterdir() if p.name != "given"] == ["datasets"]
    assert list((tmp_path / "datasets").iterdir()) == []


def test_unexpected_files_are_passed_over(tmp_path):
    folder = from_file(tmp_path, tar(contents(), extra=[member(f"{FOLDER}/._data_batch_1.bin", data=b"x"),
                                                        member("setup.py", data=b"import os")]))
    assert sorted(p.name for p in folder.iterdir()) == sorted(contents())


@pytest.mark.parametrize("data, words", [
    (b"", "not a whole tar archive"),
    (b"no archive at all" * 100, "not a whole tar archive"),
    (ARCHIVE[:len(ARCHIVE) // 2], "not a whole tar archive"),
    (ARCHIVE[:40] + bytes(40) + ARCHIVE[80:], "not a whole tar archive"),
    (tar(contents(), zipped=False)[:20_000], "not a whole tar archive"),
    (tar({name: data for name, data in contents().items() if "4" not in name}), "data_batch_4.bin is not in"),
    (tar(contents() | {"data_batch_2.bin": bytes(3073 * 4)}), "12,292 bytes in it, expected at most 9,219"),
    (tar(contents() | {"test_batch.bin": bytes(3073)}), "3,073 bytes, expected 9,219"),
    (tar(contents(label=10)), "label 10"),
    (tar(contents(), extra=[member("large", data=bytes(2 ** 21))]), "unpacks to more than"),
], ids=["empty", "noise", "half", "damaged", "half tar", "missing", "too long", "too short", "label 10", "bomb"])
def test_a_wrong_archive_is_refused_in_one_line_and_leaves_nothing(tmp_path, data, words):
    with pytest.raises(UserError, match=words) as caught:
        from_file(tmp_path, data)
    assert "\n" not in str(caught.value) and str(tmp_path / "given") in str(caught.value)
    assert list((tmp_path / "datasets").iterdir()) == []


def test_a_wrong_archive_leaves_the_files_that_were_there(tmp_path):
    folder = from_file(tmp_path, ARCHIVE)
    with pytest.raises(UserError):
        from_file(tmp_path, tar(contents(label=10)))
    assert read(folder, origin())[1] is None
    assert from_file(tmp_path, tar(contents(label=3))) == folder
    data, note = read(folder, origin())
    assert set(data[1]) == {3} and "checksums" in note and not (folder / "checksums.json").exists()


def test_from_file_absent_or_a_folder(tmp_path):
    for given in (tmp_path / "absent", tmp_path):
        with pytest.raises(UserError, match="cannot be read"):
            fetch(tmp_path / "datasets", from_file=given, source=origin())


def test_unpacked_moves_nothing_if_the_block_fails(tmp_path):
    (tmp_path / "a.tar").write_bytes(ARCHIVE)
    sizes = dict.fromkeys(FILES, 10_000)
    with pytest.raises(ZeroDivisionError), unpacked(tmp_path / "a.tar", tmp_path / "out", sizes, FILES) as place:
        assert (place / "test_batch.bin").exists() and place.parent == tmp_path
        1 / 0  # noqa: B018
    assert [p.name for p in tmp_path.iterdir()] == ["a.tar"]


# Reading

def test_changed_files_are_used_with_one_line(tmp_path):
    folder = from_file(tmp_path, ARCHIVE)
    data = bytearray((folder / "data_batch_3.bin").read_bytes())
    data[100] ^= 1
    (folder / "data_batch_3.bin").write_bytes(data)
    _, note = read(folder, origin())
    assert "not the official checksums" in note and "data_batch_3.bin" in note and "\n" not in note


@pytest.mark.parametrize("record", [b"", b"[]", b"\xff", b'{"sha256": {}}', b"null"])
def test_a_damaged_record_of_checksums_is_not_trusted(tmp_path, record):
    folder = from_file(tmp_path, ARCHIVE)
    (folder / "checksums.json").write_bytes(record)
    assert "does not name the official archive" in read(folder, origin())[1]


def test_a_damaged_folder_says_how_to_mend_it(tmp_path):
    folder = from_file(tmp_path, ARCHIVE)
    (folder / "data_batch_5.bin").unlink()
    with pytest.raises(UserError, match=f"data_batch_5.bin: this file is missing.*remove {folder} and run: python"):
        read(folder, origin())
    with pytest.raises(UserError, match="data_batch_1.bin: 9,219 bytes, expected 30,730,000 bytes"):
        source.load(root=tmp_path / "datasets")                # damaged is not absent: no silent replacement
