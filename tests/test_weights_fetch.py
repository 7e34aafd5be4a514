import hashlib

import caffe_writer as caffe
import numpy as np
import pytest
from serving import serving
from test_caffemodel import googlenet

from minigooglenet.errors import UserError
from minigooglenet.weights.fetch import FILE, Source, fetch

OCTETS = caffe.net(googlenet(np.random.default_rng(0)))
SHA1 = hashlib.sha1(OCTETS).hexdigest()


@pytest.fixture(scope="module")
def server():
    bodies = {"/good": OCTETS, "/bad": OCTETS[:-1] + b"!", "/short": OCTETS[:1000]}
    with serving({name: (octets, len(OCTETS)) for name, octets in bodies.items()}) as address:
        yield lambda name: Source(f"{address}/{name}", SHA1, len(OCTETS))


@pytest.fixture(autouse=True)
def online(monkeypatch):
    monkeypatch.delenv("MINIGOOGLENET_OFFLINE", raising=False)


def test_download_once(tmp_path, server, capfd):
    path, note = fetch(tmp_path / "new", source=server("good"), progress=True)
    assert path == tmp_path / "new" / FILE and path.read_bytes() == OCTETS and note is None
    assert [p.name for p in path.parent.iterdir()] == [FILE]
    assert "100%" in capfd.readouterr().err
    assert fetch(tmp_path / "new", source=server("none")) == (path, None)      # there already: nobody is asked


@pytest.mark.parametrize("name, says", [("bad", "has not the sha1"), ("short", "connection fails or breaks"),
                                        ("none", "does not answer")])
def test_a_bad_download_leaves_nothing(tmp_path, server, name, says):
    with pytest.raises(UserError, match=says) as error:
        fetch(tmp_path, source=server(name), progress=False)
    assert "\n" not in str(error.value) and not list(tmp_path.iterdir())


def test_offline(tmp_path, server, monkeypatch):
    monkeypatch.setenv("MINIGOOGLENET_OFFLINE", "1")
    with pytest.raises(UserError, match="MINIGOOGLENET_OFFLINE is set.*--from-file"):
        fetch(tmp_path, source=server("good"))


def test_from_file(tmp_path):
    mine = tmp_path / "mine.caffemodel"
    mine.write_bytes(OCTETS)
    path, note = fetch(tmp_path / "d", from_file=mine, source=Source(sha1=SHA1))
    assert path.read_bytes() == OCTETS and note is None
    path, note = fetch(tmp_path / "e", from_file=mine)
    assert path.read_bytes() == OCTETS and "not the official file" in note and str(path) in note and "\n" not in note
    assert fetch(tmp_path / "e", from_file=path)[0] == path and path.read_bytes() == OCTETS    # onto itself
    assert "not the official file" in fetch(tmp_path / "e")[1]


def test_a_wrong_file_does_not_replace_a_good_one(tmp_path):
    mine = tmp_path / "mine"
    mine.write_bytes(b"\xff\xd8\xff\xe0")
    (tmp_path / FILE).write_bytes(OCTETS)
    with pytest.raises(UserError, match="mine: expected a .caffemodel, but this is a JPEG"):
        fetch(tmp_path, from_file=mine)
    assert (tmp_path / FILE).read_bytes() == OCTETS
    with pytest.raises(UserError, match="no such file"):
        fetch(tmp_path, from_file=tmp_path / "nowhere")


def test_a_damaged_file_in_place_is_said(tmp_path):
    (tmp_path / FILE).write_bytes(OCTETS[:-5])
    with pytest.raises(UserError, match="damaged.*remove it first"):
        fetch(tmp_path)
