import hashlib
import zlib

import caffe_writer as caffe
import numpy as np
import pytest
from serving import serving
from test_weights_caffemodel import googlenet

from minigooglenet.data.sources import Source
from minigooglenet.errors import UserError
from minigooglenet.weights.fetch import FILE, ONNX, SOURCES, fetch, present

CONTENTS = caffe.net(googlenet(np.random.default_rng(0)))
SHA256 = hashlib.sha256(CONTENTS).hexdigest()


ENDLESS = 100_000_000       # bytes: as many as no test waits for


class Endless:
    """A body that counts how much of it was sent."""

    def __init__(self, chunk=bytes(2**16)):
        self.chunk, self.sent = chunk, 0

    def __call__(self):
        while self.sent < ENDLESS:
            yield self.chunk
            self.sent += len(self.chunk)


def compressed():
    """10 GB of zeros in 10 MB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    for _ in range(10_000):
        yield packer.compress(bytes(10**6))


BODIES = {
    "/good": (CONTENTS, len(CONTENTS)), "/bad": (CONTENTS[:-1] + b"!", len(CONTENTS)),
    "/short": (CONTENTS[:1000], len(CONTENTS)), "/unannounced": (CONTENTS, None),
    "/long": (Endless(), ENDLESS), "/endless": (Endless(), None),
    "/compressed": (compressed, None, ("Content-Encoding", "gzip")), "/header": (CONTENTS, "many"),
}


@pytest.fixture(scope="module")
def server():
    with serving({f"/{name[1:]}/{FILE}": body for name, body in BODIES.items()}) as address:
        yield lambda *names: [Source(f"{address}/{name}/{FILE}", SHA256, len(CONTENTS)) for name in names]


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch):
    monkeypatch.setattr("minigooglenet.data.download.time.sleep", lambda seconds: None)


@pytest.fixture(autouse=True)
def online(monkeypatch):
    monkeypatch.delenv("MINIGOOGLENET_OFFLINE", raising=False)


def test_download_once(tmp_path, server, capfd):
    path, note = fetch(tmp_path / "new", sources=server("good"), progress=True)
    assert path == tmp_path / "new" / FILE and path.read_bytes() == CONTENTS and note is None
    assert [p.name for p in path.parent.iterdir()] == [FILE]
    assert "100%" in capfd.readouterr().err
    assert fetch(tmp_path / "new", sources=server("none")) == (path, None)      # the file exists: no request


@pytest.mark.parametrize("name, says", [
    ("bad", f"with sha256 .*, expected .* with sha256 {SHA256}"), ("none", "does not respond"),
    ("long", f"the server offers {ENDLESS:,} bytes"), ("endless", "with sha256"), ("compressed", "compresses the file"),
])
def test_a_bad_download_leaves_nothing(tmp_path, server, name, says):
    with pytest.raises(UserError, match=says) as error:
        fetch(tmp_path, sources=server(name), progress=False)
    assert "\n" not in str(error.value) and "--from-file FILE" in str(error.value)
    assert not any(file.stat().st_size for file in tmp_path.iterdir())


def test_no_more_is_received_than_the_file_has(tmp_path, server):
    for name in ("long", "endless"):
        with pytest.raises(UserError):
            fetch(tmp_path, sources=server(name), progress=False)
        assert BODIES[f"/{name}"][0].sent < 40_000_000          # what four attempts leave in the buffers of sockets
    size = sum(file.stat().st_size for file in tmp_path.iterdir())
    assert size <= len(CONTENTS) + 2**16


def test_the_next_source_is_tried_if_one_fails(tmp_path, server, monkeypatch):
    path, note = fetch(tmp_path, sources=server("none", "bad", "short", "good"), progress=False)
    assert path.read_bytes() == CONTENTS and note is None and [p.name for p in tmp_path.iterdir()] == [FILE]
    path.unlink()
    with pytest.raises(UserError) as error:
        fetch(tmp_path, sources=server("none", "bad"), progress=False)
    said = str(error.value)
    assert said.count("http") == 2 and "none/" in said and "does not respond" in said and "with sha256" in said
    assert "\n" not in said and said.endswith("--from-file FILE") and not list(tmp_path.iterdir())


def test_the_sources(tmp_path):
    assert [source.name for source in SOURCES] == [FILE, FILE, ONNX]
    assert all(len(source.sha256) == 64 and int(source.sha256, 16) for source in SOURCES)
    assert present(tmp_path) is None
    (tmp_path / ONNX).touch()
    assert present(tmp_path) == tmp_path / ONNX
    (tmp_path / FILE).touch()
    assert present(tmp_path) == tmp_path / FILE


def test_the_model_of_the_zoo_is_accepted_by_its_checksum_only(tmp_path):
    (mine := tmp_path / "mine.onnx").write_bytes(b"any bytes")
    with pytest.raises(UserError, match=f"not the ONNX model zoo's {ONNX}.*predict PHOTO --weights .*mine.onnx"):
        fetch(tmp_path / "d", from_file=mine)
    zoo = Source("http://127.0.0.1:9/" + ONNX, hashlib.sha256(b"any bytes").hexdigest(), 9)
    path, note = fetch(tmp_path / "d", from_file=mine, sources=[zoo])
    assert path == tmp_path / "d" / ONNX and path.read_bytes() == b"any bytes" and note is None


@pytest.mark.parametrize("name", ["unannounced", "header"])
def test_a_length_that_is_not_announced(tmp_path, server, name):
    assert fetch(tmp_path, sources=server(name), progress=False)[0].read_bytes() == CONTENTS


def test_a_short_download_is_continued(tmp_path, server):
    with pytest.raises(UserError, match=f"received 1,000 of {len(CONTENTS):,} bytes"):
        fetch(tmp_path, sources=server("short"), progress=False)
    assert not (tmp_path / FILE).exists()
    path, note = fetch(tmp_path, sources=server("good"), progress=False)
    assert path.read_bytes() == CONTENTS and note is None and [p.name for p in tmp_path.iterdir()] == [FILE]


def test_offline(tmp_path, server, monkeypatch):
    monkeypatch.setenv("MINIGOOGLENET_OFFLINE", "1")
    with pytest.raises(UserError, match="MINIGOOGLENET_OFFLINE is set.*--from-file"):
        fetch(tmp_path, sources=server("good"))


def test_from_file(tmp_path):
    mine = tmp_path / "mine.caffemodel"
    mine.write_bytes(CONTENTS)
    path, note = fetch(tmp_path / "d", from_file=mine, sources=[Source("", SHA256, len(CONTENTS))])
    assert path.read_bytes() == CONTENTS and note is None
    path, note = fetch(tmp_path / "e", from_file=mine)
    assert path.read_bytes() == CONTENTS and "not the official file" in note and str(path) in note and "\n" not in note
    assert fetch(tmp_path / "e", from_file=path)[0] == path and path.read_bytes() == CONTENTS    # copied to itself
    assert "not the official file" in fetch(tmp_path / "e")[1]


def test_a_wrong_file_does_not_replace_a_good_one(tmp_path):
    mine = tmp_path / "mine"
    mine.write_bytes(b"\xff\xd8\xff\xe0")
    (tmp_path / FILE).write_bytes(CONTENTS)
    with pytest.raises(UserError, match="mine: expected a .caffemodel, but this is a JPEG"):
        fetch(tmp_path, from_file=mine)
    assert (tmp_path / FILE).read_bytes() == CONTENTS
    with pytest.raises(UserError, match="no such file"):
        fetch(tmp_path, from_file=tmp_path / "nowhere")


def test_a_damaged_file_is_reported(tmp_path):
    (tmp_path / FILE).write_bytes(CONTENTS[:-5])
    with pytest.raises(UserError, match="damaged.*remove it first"):
        fetch(tmp_path)
