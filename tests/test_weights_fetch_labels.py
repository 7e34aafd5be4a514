import gzip
import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest
from serving import serving
from test_weights_fetch import CONTENTS, ENDLESS, Endless

from minigooglenet.cli import main
from minigooglenet.data import sources
from minigooglenet.data.labels import SYNSET
from minigooglenet.data.sources import Source
from minigooglenet.errors import UserError
from minigooglenet.weights import fetch as fetch_weights
from minigooglenet.weights import fetch_labels as labels
from minigooglenet.weights.fetch_labels import SOURCES, fetch_labels

LABELS = "".join(f"n{10 ** 7 + number} thing {number}, object\n" for number in range(1000)).encode()


def archive(*files):
    """A tar.gz of (name, contents or the target of a link)."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in files:
            member = tarfile.TarInfo(name)
            if isinstance(content, str):
                member.type, member.linkname, content = tarfile.SYMTYPE, content, b""
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


BODIES = {
    "/good.tar.gz": archive(("./det_synset_words.txt", b"no"), ("./synset_words.txt", LABELS),
                     ("./train.txt", b"7" * 10 ** 5)),
    "/few.tar.gz": archive(("synset_words.txt", LABELS[:-30])),
    "/link.tar.gz": archive(("synset_words.txt", "/etc/passwd")),
    "/other words.tar.gz": archive(("synset_words.txt", LABELS.replace(b"thing 7,", b"thing 8,"))),
    "/damaged.tar.gz": archive(("./synset_words.txt", LABELS))[:200] + bytes(200)
                + archive(("./synset_words.txt", LABELS))[400:],
    "/other.tar.gz": archive(("val.txt", b"7")),
    "/text.tar.gz": b"a hotel's page", "/synset.txt": LABELS, "/short.txt": LABELS[:-30],
    "/other.txt": LABELS.replace(b"thing 7,", b"thing 8,"),
}
BODIES["/cut.tar.gz"] = archive(("synset_words.txt", bytes(range(256)) * 100))[:100]
ZEROS = gzip.compress(bytes(2**20))     # 1 kB
EXTENDED = tarfile.TarInfo("x")         # a header of 8 GB
EXTENDED.type, EXTENDED.size = tarfile.XHDTYPE, 8**11 - 1
ENDLESS_BODIES = {"/endless.tar.gz": Endless(os.urandom(2**16)), "/endless.txt": Endless(),
                  "/endless archive.tar.gz": Endless(BODIES["/other.tar.gz"] + ZEROS),
                  "/extended header.tar.gz": Endless(gzip.compress(EXTENDED.tobuf()) + ZEROS)}


@pytest.fixture(scope="module")
def server():
    bodies = {name: (contents, len(contents) + (name == "/cut.tar.gz")) for name, contents in BODIES.items()}
    bodies |= {name: (body, None) for name, body in ENDLESS_BODIES.items()}
    with serving({name.replace(" ", "-"): body for name, body in bodies.items()}) as address:
        checksum = hashlib.sha256(LABELS).hexdigest()
        yield lambda *names: [Source(f"{address}/{name}".replace(" ", "-"), checksum, len(LABELS)) for name in names]


@pytest.fixture(autouse=True)
def online(monkeypatch):
    monkeypatch.delenv("MINIGOOGLENET_OFFLINE", raising=False)


def test_fetched_once(tmp_path, server):
    path = fetch_labels(tmp_path / "new", sources=server("good.tar.gz"))
    assert path == tmp_path / "new" / SYNSET and path.read_bytes() == LABELS
    assert [p.name for p in path.parent.iterdir()] == [SYNSET]
    assert fetch_labels(tmp_path / "new", sources=server("none")) == path       # the file exists: no request


@pytest.mark.parametrize("name, says", [
    ("none", "server does not respond"), ("few.tar.gz", "bytes is not in the archive"),
    ("link.tar.gz", "not in the archive"), ("other.tar.gz", "not in the archive"), ("text.tar.gz", "not a tar.gz"),
    ("cut.tar.gz", "not a tar.gz"), ("damaged.tar.gz", "not a tar.gz"),
    ("other words.tar.gz", "its synset_words.txt has the sha256 .*, expected .*--labels FILE"),
    ("extended header.tar.gz", "not a tar.gz"), ("endless.tar.gz", "not a tar.gz"),
    ("endless archive.tar.gz", "not a tar.gz|not in the archive"), ("endless.txt", "has another length"),
    ("short.txt", "has another length"), ("other.txt", "its synset_words.txt has the sha256"),
])
def test_nothing_is_written_after_a_failure(tmp_path, server, name, says):
    with pytest.raises(UserError, match=says) as error:
        fetch_labels(tmp_path, sources=server(name))
    assert "\n" not in str(error.value) and not list(tmp_path.iterdir())
    assert all(body.sent < ENDLESS for body in ENDLESS_BODIES.values())


def test_the_next_source_is_tried_if_one_fails(tmp_path, server):
    for names in (["none", "short.txt", "good.tar.gz"], ["other words.tar.gz", "synset.txt", "none"]):
        path = fetch_labels(tmp_path / names[1], sources=server(*names))
        assert path.read_bytes() == LABELS
    with pytest.raises(UserError) as error:
        fetch_labels(tmp_path / "d", sources=server("none", "short.txt"))
    assert "/none: its server" in str(error.value) and "/short.txt: the conn" in str(error.value)


def test_the_official_file():
    assert {(source.size, source.sha256[:8]) for source in SOURCES} == {(31_675, "acf75ef0")}
    if "MINIGOOGLENET_CAFFE" in os.environ and (file := Path(os.environ["MINIGOOGLENET_CAFFE"]) / SYNSET).exists():
        assert hashlib.sha256(file.read_bytes()).hexdigest() == SOURCES[0].sha256


def test_offline(tmp_path, server, monkeypatch):
    monkeypatch.setenv("MINIGOOGLENET_OFFLINE", "1")
    with pytest.raises(UserError, match="OFFLINE is set.*numbers.*--labels FILE"):
        fetch_labels(tmp_path, sources=server("good.tar.gz"))


def test_from_file(tmp_path):
    (mine := tmp_path / "mine").write_bytes(LABELS)
    path = fetch_labels(tmp_path / "d", from_file=mine)
    assert path.read_bytes() == LABELS and fetch_labels(tmp_path / "d", from_file=path) == path     # copied to itself
    (short := tmp_path / "short").write_bytes(LABELS[:-30])
    with pytest.raises(UserError, match="short: 999 labels"):
        fetch_labels(tmp_path / "d", from_file=short)
    assert path.read_bytes() == LABELS


def test_a_pipe_is_not_read(tmp_path):
    """Reading one may never end."""
    os.mkfifo(tmp_path / "pipe")
    for copy in (fetch_labels, fetch_weights.fetch):
        with pytest.raises(UserError, match="pipe: a device or pipe, not a regular file"):
            copy(tmp_path / "d", from_file=tmp_path / "pipe")
    assert not (tmp_path / "d").exists()


@pytest.fixture
def downloads(tmp_path, monkeypatch):
    """A folder with weights; network access fails."""
    def refuse(*_):
        raise AssertionError("network access")
    monkeypatch.setattr(labels, "reachable", refuse)
    monkeypatch.setattr(sources, "reachable", refuse)
    (folder := tmp_path / "downloads").mkdir()
    (folder / "mine.caffemodel").write_bytes(CONTENTS)
    return folder


def command(downloads, *options):
    return main(["weights", "--from-file", str(downloads / "mine.caffemodel"), "--datasets", str(downloads / "d"),
                 *options])


def test_command_copies_the_labels_next_to_the_weights(downloads, capsys):
    (downloads / SYNSET).write_bytes(LABELS)
    assert not command(downloads)
    assert (downloads / "d" / SYNSET).read_bytes() == LABELS and "the labels of its classes" in capsys.readouterr().out


def test_command_continues_without_labels_and_reports_it(downloads, capsys):
    assert not command(downloads)
    lines = capsys.readouterr().out.splitlines()
    said = [line for line in lines if "so classes are shown as numbers" in line]
    assert len(said) == 1 and SOURCES[1].url in said[0] and said[0].endswith("--labels FILE")
    assert "try it" in lines[-1] and (downloads / "d" / fetch_weights.FILE).exists()


def test_command_accepts_labels_and_refuses_wrong_ones(downloads, capsys):
    (downloads / "w.txt").write_bytes(LABELS)
    assert not command(downloads, "--labels", str(downloads / "w.txt"))
    assert (downloads / "d" / SYNSET).read_bytes() == LABELS
    (downloads / "w.txt").write_bytes(b"one\n")
    assert command(downloads, "--labels", str(downloads / "w.txt")) == 2
    assert "1 labels, expected 1,000" in capsys.readouterr().err
