"""Downloads from servers that send anything: no more than the known size is taken, and the checksum decides."""

import gzip
import hashlib
import os
import socketserver
import subprocess
import sys
import threading
import time

import pytest

from minigooglenet.data.download import download
from minigooglenet.errors import UserError

BODY = os.urandom(50_000)
MD5 = hashlib.md5(BODY).hexdigest()


class Server(socketserver.ThreadingTCPServer):
    """Answers each request with ``answer(headers)``: an iterable of bytes, sent as they are until the client leaves."""

    allow_reuse_address = daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url, self.requests, self.sent = f"http://127.0.0.1:{self.server_address[1]}/a", [], 0


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        headers = {}
        for line in self.rfile:
            if not line.strip():
                break
            name, _, value = line.decode().partition(":")
            headers[name.strip().lower()] = value.strip()
        self.server.requests.append(headers)
        try:
            for data in self.server.answer(headers):
                self.wfile.write(data)
                self.server.sent += len(data)
        except OSError:                                 # the client has closed the connection
            pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.delenv("MINIGOOGLENET_OFFLINE", raising=False)
    with Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True, args=(0.01,)).start()
        yield server
        server.shutdown()


def get(server, path, *answers, checksum=MD5, attempts=2):
    """Download BODY from a server that answers each request with the next of the answers, and then with the last."""
    answers = list(answers)
    server.answer = lambda headers: answers.pop(0) if len(answers) > 1 else answers[0]
    download(server.url, path, checksum, len(BODY), attempts, pause=0, progress=False)


def head(status="200 OK", *lines):
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode("latin-1")


def endless(data=b"x" * 65536):
    while True:
        yield data


def chunked(data):
    return b"%x\r\n%b\r\n" % (len(data), data)


GOOD = [head("200 OK", f"Content-Length: {len(BODY)}"), BODY]


@pytest.mark.parametrize("answer", [
    GOOD,
    [head(), BODY],                                                                 # ends with the connection
    [head("200 OK", "Transfer-Encoding: chunked"), chunked(BODY[:7]), chunked(BODY[7:]), b"0\r\n\r\n"],
    [head("200 OK", "Content-Length: many"), BODY],
    [head("200 OK", "Content-Length: -5"), BODY],
    [head("200 OK", "Content-Length: 1" + "0" * 5000), BODY],
    [head("200 OK", f"Content-Length: {len(BODY)}", "Content-Encoding: x-gzip"), BODY],   # of the archive itself
    [head("200 OK", "Content-Encoding: identity"), BODY],
    [head("206 Partial Content", f"Content-Length: {len(BODY)}"), BODY],
    [head("200 \xff\x1b[2J", "X: \x1b[2J\xff"), BODY],
    [head("200 OK", *(f"X-{n}: {n}" for n in range(80))), BODY],
], ids=range(11))
def test_the_right_bytes_under_any_headers(server, tmp_path, answer):
    get(server, tmp_path / "a", answer)
    assert (tmp_path / "a").read_bytes() == BODY and [p.name for p in tmp_path.iterdir()] == ["a"]
    assert server.requests[0]["accept-encoding"] == "identity"


@pytest.mark.parametrize("start", [[head()], [head("200 OK", "Content-Length: 50000")],
                                   [head("200 OK", "Transfer-Encoding: chunked")]], ids=["none", "wrong", "chunked"])
@pytest.mark.parametrize("right", [True, False])
def test_nothing_is_read_after_the_known_size(server, tmp_path, start, right):
    """A body without an end: after the right bytes it does not matter, other bytes are deleted."""
    def answer():
        encoded = chunked if b"chunked" in start[0] else bytes
        yield from start
        yield encoded(BODY if right else bytes(len(BODY)))
        yield from endless(encoded(bytes(65536)))

    if right:
        get(server, tmp_path / "a", answer())
        assert (tmp_path / "a").read_bytes() == BODY
    else:
        with pytest.raises(UserError, match="received 50,000 bytes with md5 .* the file was deleted"):
            get(server, tmp_path / "a", answer())
        assert list(tmp_path.iterdir()) == []
    assert server.sent < 2 ** 25                                                    # what fits the buffers of sockets


def test_chunks_without_an_end(server, tmp_path):
    """Trailers that never stop follow the last chunk."""
    get(server, tmp_path / "a", (data for part in (
        [head("200 OK", "Transfer-Encoding: chunked"), chunked(BODY), b"0\r\n"], endless(b"X: y\r\n" * 999))
        for data in part))
    assert (tmp_path / "a").read_bytes() == BODY


@pytest.mark.parametrize("answer, says", [
    ([head("200 OK", "Content-Encoding: gzip"), gzip.compress(BODY)], "the server compresses the file .gzip."),
    ([head("200 OK", "Content-Encoding: gzip, gzip\x1b[2J"), gzip.compress(bytes(10 ** 6))], r"gzip, gzip\?\[2j"),
    ([head("200 OK", "Content-Length: 20", "Content-Encoding: gzip"), bytes(20)], "the server offers 20 bytes"),
    ([head("200 OK", "Content-Length: 5, 6"), BODY], "0 of 50,000 bytes"),
    ([head("200 OK", *(f"X-{n}: {n}" for n in range(200))), BODY], "the connection failed"),
    ([head("200 OK", "X: " + "y" * 70_000), BODY], "the connection failed"),
    ([b"220 FTP server\r\n" * 9], "the connection failed"), ([b"\0" * 999], "the connection failed"), ([b""], "failed"),
    ([head("200 OK", "Transfer-Encoding: chunked"), b"zz\r\n", BODY], "the connection failed"),
    ([head("200 OK", f"Content-Length: {len(BODY)}"), BODY[:9]], "received 9 of 50,000|received 18 of 50,000"),
    ([head("404 \x1b[2J" + "long" * 99), b"no"], r"responded 404 \?\[2Jlonglong"),
    ([head("302 Found", "Location: http://127.0.0.1:1/"), b""], "the connection failed"),
    ([head("302 Found", "Location: file:///etc/passwd"), b""], "No connection adapters"),
    ([head("302 Found", "Location: http://[::1"), b""], "received 0 of"),
    ([head("302 Found", "Location: http://\xff.\xff" + "x" * 99), b""], "received 0 of"),
    ([head("302 Found", "Location: /a"), b""], "more than 10 redirects"),
])
def test_other_answers_are_reported_in_one_line(server, tmp_path, answer, says):
    with pytest.raises(UserError, match=says) as error:
        get(server, tmp_path / "a", answer)
    assert str(error.value).isprintable() and len(str(error.value)) < 500
    assert not (tmp_path / "a").exists()


def test_the_body_of_a_redirect_is_not_read(server, tmp_path):
    redirect = (data for part in ([head("302 Found", "Location: /b", "Content-Encoding: gzip")], endless())
                for data in part)
    get(server, tmp_path / "a", redirect, GOOD)
    assert (tmp_path / "a").read_bytes() == BODY and server.sent < 2 ** 25


@pytest.mark.parametrize("have", [1, 49_990, 49_999])
def test_a_part_is_continued_restarted_or_kept(server, tmp_path, have):
    part = tmp_path / "a.part"
    rest = [head("206 Partial Content", f"Content-Range: bytes {have}-49999/50000"), BODY[have:]]
    for answers in ([rest], [[head("200 OK"), BODY]], [GOOD],
                    [[head("206 Partial Content", "Content-Range: bytes 0-49999/50000"), BODY], GOOD]):
        part.write_bytes(BODY[:have])
        get(server, tmp_path / "a", *answers)
        assert (tmp_path / "a").read_bytes() == BODY and not part.exists()
    part.write_bytes(BODY[:have])
    with pytest.raises(UserError, match="the server offers 13 bytes"):              # a login page
        get(server, tmp_path / "a", [head("200 OK", "Content-Length: 13"), b"Welcome, pay!"])
    assert part.read_bytes() == BODY[:have]


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256"])
def test_checksums(server, tmp_path, algorithm):
    get(server, tmp_path / "a", GOOD, checksum=hashlib.new(algorithm, BODY).hexdigest())
    with pytest.raises(UserError, match=f"bytes with {algorithm} "):
        get(server, tmp_path / "b", GOOD, checksum=hashlib.new(algorithm, b"other").hexdigest())
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory(server, tmp_path):
    """A body that unpacks to gigabytes, behind a redirect with another."""
    bomb = gzip.compress(bytes(10 ** 8), 9)
    answers = [[head("302 Found", "Location: /b", "Content-Encoding: gzip"), bomb],
               [head("200 OK", "Content-Encoding: gzip"), bomb]]
    server.answer = lambda headers: answers.pop(0) if len(answers) > 1 else answers[0]
    script = ("import re, sys\nfrom minigooglenet.data.download import download\n"
              "try: download(*sys.argv[1:4], 50_000, 1)\nexcept Exception as error: print(error)\n"
              "print(re.search(r'VmHWM:\\s+(\\d+) kB', open('/proc/self/status').read())[1])")
    start = time.monotonic()
    output = subprocess.run([sys.executable, "-c", script, server.url, str(tmp_path / "a"), MD5], check=True, text=True,
                            capture_output=True).stdout.splitlines()
    assert "compresses the file" in output[0] and int(output[1]) < 150_000 and time.monotonic() - start < 10
