"""Downloading, verifying and unpacking CIFAR-10, with a small local server that works or fails."""

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

from minigooglenet.data import cifar10, source, sources
from minigooglenet.data.cifar import CIFAR10, fetch, read
from minigooglenet.data.cifar10 import FILES, FOLDER, present
from minigooglenet.data.download import download, reachable
from minigooglenet.data.sources import Source
from minigooglenet.errors import UserError

RECORDS = 3                             # images per file in the archives of this test


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
    """Serves ``server.data``; ``server.mode`` selects the behavior, ``server.ranges`` records the requested ranges."""

    def do_HEAD(self):
        self.do_GET(body=False)

    def do_GET(self, body=True):
        server, data, start = self.server, self.server.data, 0
        if body:
            server.ranges.append(self.headers.get("Range"))
        if server.mode == "missing":
            return self.send_error(404)
        if self.headers.get("Range") and server.mode != "no ranges":
            start = int(self.headers["Range"][6:-1])
            if start >= len(data):
                return self.send_error(416)
            self.send_response(206)
        else:
            self.send_response(200)
        self.send_header("Content-Length", len(data) - start)
        self.end_headers()
        if body:
            end = start + 4000 if server.mode == "fails" else len(data)
            with contextlib.suppress(OSError):
                self.wfile.write(data[start:end])

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr("minigooglenet.data.download.CHUNK", 1000)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.delenv("MINIGOOGLENET_OFFLINE", raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.data, server.mode, server.ranges = ARCHIVE, "works", []
        server.url = f"http://127.0.0.1:{server.server_port}/cifar-10-binary.tar.gz"
        threading.Thread(target=server.serve_forever, daemon=True, args=(0.01,)).start()
        yield server
        server.shutdown()


def origin(url="http://127.0.0.1:9/cifar-10-binary.tar.gz", data=ARCHIVE):
    """CIFAR-10 with small files, whose official archive is ``data``."""
    return CIFAR10._replace(records=dict.fromkeys(FILES, RECORDS),
                            sources=(Source(url, hashlib.sha256(data).hexdigest(), len(data)),))


def get(server, path, data=ARCHIVE, attempts=2):
    download(server.url, path, hashlib.md5(data).hexdigest(), len(data), attempts, pause=0, progress=False)


# Downloading

def test_fetch_leaves_the_checked_files_and_nothing_else(server, tmp_path):
    folder = fetch(origin(server.url), tmp_path, progress=False)
    assert sorted(p.name for p in tmp_path.iterdir()) == [FOLDER]
    assert sorted(p.name for p in folder.iterdir()) == sorted([*contents(), "checksums.json"])
    (x, y, x_test, y_test, classes), note = read(origin(), folder)
    assert note is None and x.shape == (5 * RECORDS, 32, 32, 3) and len(y_test) == RECORDS and classes[9] == "truck"
    fetch(origin(server.url), tmp_path, progress=False)
    assert len(server.ranges) == 1      # it exists: not requested again


def test_a_download_continues_after_a_connection_failure(server, tmp_path):
    server.mode = "fails"
    get(server, tmp_path / "a", attempts=len(ARCHIVE) // 4000 + 1)
    assert (tmp_path / "a").read_bytes() == ARCHIVE and not (tmp_path / "a.part").exists()
    assert server.ranges[:3] == [None, "bytes=4000-", "bytes=8000-"]


def test_received_bytes_are_kept_for_the_next_call(server, tmp_path):
    server.mode = "fails"
    with pytest.raises(UserError, match=f"8,000 of {len(ARCHIVE):,} bytes.*again") as caught:
        get(server, tmp_path / "a")
    assert "connection failed" in str(caught.value) and not (tmp_path / "a").exists()
    server.mode = "works"
    get(server, tmp_path / "a")
    assert server.ranges[-1] == "bytes=8000-" and (tmp_path / "a").read_bytes() == ARCHIVE


def test_a_server_without_ranges_sends_everything_again(server, tmp_path):
    (tmp_path / "a.part").write_bytes(ARCHIVE[:5000])
    server.mode = "no ranges"
    get(server, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == ARCHIVE


def test_wrong_bytes_are_deleted(server, tmp_path):
    server.data = ARCHIVE[:-1] + b"?"
    with pytest.raises(UserError, match="md5"):
        get(server, tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_a_part_longer_than_the_file_is_deleted(server, tmp_path):
    (tmp_path / "a.part").write_bytes(ARCHIVE + b"more")
    with pytest.raises(UserError, match="was deleted"):
        get(server, tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_another_length_is_not_downloaded(server, tmp_path):
    server.data = b"<html>Welcome to the hotel</html>"
    with pytest.raises(UserError, match="offers 33 bytes"):
        get(server, tmp_path / "a")
    assert (tmp_path / "a.part").stat().st_size == 0


def test_not_found_is_requested_once(server, tmp_path):
    server.mode = "missing"
    with pytest.raises(UserError, match="404"):
        get(server, tmp_path / "a", attempts=3)
    assert len(server.ranges) == 1


def test_an_unwritable_folder_is_named(server, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError, match="cannot be written"):
        get(server, tmp_path / "file" / "a")


def test_reachable(server):
    assert reachable(server.url)
    server.mode = "missing"
    assert not reachable(server.url)
    with socket.create_server(("127.0.0.1", 0)) as silent:      # accepts connections and never responds
        start = time.monotonic()
        assert not reachable(f"http://127.0.0.1:{silent.getsockname()[1]}/", seconds=0.2)
        assert time.monotonic() - start < 2


def test_an_unreachable_server_is_reported_with_an_alternative(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "reachable", lambda url: False)
    with pytest.raises(UserError, match="does not respond.*minigooglenet data cifar10 --from-file ARCHIVE") as error:
        cifar10.fetch(tmp_path)
    assert all(source.url in str(error.value) for source in CIFAR10.sources) and "\n" not in str(error.value)
    monkeypatch.setenv("MINIGOOGLENET_OFFLINE", "1")
    monkeypatch.setattr(sources, "reachable", lambda url: pytest.fail("network access"))
    with pytest.raises(UserError, match="MINIGOOGLENET_OFFLINE"):
        cifar10.fetch(tmp_path)
    assert not present(tmp_path)


# Unpacking

def from_file(tmp_path, data, official=ARCHIVE):
    (tmp_path / "given").write_bytes(data)
    return fetch(origin(data=official), tmp_path / "datasets", tmp_path / "given", progress=False)


def test_from_file_keeps_the_file_and_needs_no_network(tmp_path):
    assert read(origin(), from_file(tmp_path, ARCHIVE))[1] is None
    assert (tmp_path / "given").exists()


def test_an_uncompressed_or_flat_archive_is_accepted_but_not_official(tmp_path):
    for data in (tar(contents(), zipped=False), tar(contents(), prefix="./")):
        data, note = read(origin(), from_file(tmp_path, data))
        assert data[0].shape == (15, 32, 32, 3) and "not the official checksums" in note


# Reading

def test_changed_files_are_accepted_with_a_note(tmp_path):
    folder = from_file(tmp_path, ARCHIVE)
    data = bytearray((folder / "data_batch_3.bin").read_bytes())
    data[100] ^= 1
    (folder / "data_batch_3.bin").write_bytes(data)
    _, note = read(origin(), folder)
    assert "not the official checksums" in note and "data_batch_3.bin" in note and "\n" not in note


def test_class_names_in_another_order_are_noted(tmp_path):
    folder = from_file(tmp_path, ARCHIVE)
    names = (folder / "batches.meta.txt").read_text().split()
    (folder / "batches.meta.txt").write_text("\n".join(sorted(names, reverse=True)))
    data, note = read(origin(), folder)
    assert data[-1][0] == "truck" and "not the official checksums (batches.meta.txt)" in note
    (folder / "batches.meta.txt").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(names).encode())
    assert read(origin(), folder)[1] is None


@pytest.mark.parametrize("record", [b"", b"[]", b"\xff", b'{"sha256": {}}', b"null", b"[" * 60_000])
def test_a_damaged_record_of_checksums_is_not_trusted(tmp_path, record):
    folder = from_file(tmp_path, ARCHIVE)
    (folder / "checksums.json").write_bytes(record)
    assert "does not name the official archive" in read(origin(), folder)[1]


def test_a_damaged_folder_is_reported_with_a_fix(tmp_path):
    folder = from_file(tmp_path, ARCHIVE)
    (folder / "data_batch_5.bin").unlink()
    with pytest.raises(UserError, match=f"data_batch_5.bin: this file is missing.*remove {folder} and run: python"):
        read(origin(), folder)
    with pytest.raises(UserError, match="data_batch_1.bin: 9,219 bytes, expected 30,730,000 bytes"):
        source.load(root=tmp_path / "datasets")                # damaged is not missing: no silent replacement
