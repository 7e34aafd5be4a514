import os
from pathlib import Path

import pytest

from minigooglenet.errors import UserError
from minigooglenet.inference.labels import read_labels, short_label

CAFFE = os.environ.get("MINIGOOGLENET_CAFFE")


def test_without_a_file():
    labels = read_labels()
    assert len(labels) == 1000 and labels[281] == "class 281"


def test_synset_words(tmp_path):
    path = tmp_path / "words.txt"
    path.write_bytes("\ufeffn01440764 tench, Tinca tinca\r\nn01443537\tgoldfish\n  cassé \n\n".encode())
    assert read_labels(path, 3) == ["tench, Tinca tinca", "goldfish", "cassé"]
    assert short_label("tench, Tinca tinca") == "tench"


@pytest.mark.parametrize("octets, says", [
    (b"", "empty"),
    (b"a\nb\n", "2 labels, expected 3, one a line"),
    (b"a\nb\nc\nd", "4 labels, expected 3"),
    (b"a\n\nc\n", "line 2: empty"),
    (b"a\nn01440764 \nc\n", "line 2"),
    (b"a\nb\x1b[2J\nc\n", "line 2: no printable text"),
    (b"\xff\xfea\n", "no text in UTF-8"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"<html>\n", "web page"),
])
def test_refused(tmp_path, octets, says):
    path = tmp_path / "words.txt"
    path.write_bytes(octets)
    with pytest.raises(UserError, match=says) as error:
        read_labels(path, 3)
    assert str(error.value).startswith(str(path)) and "\n" not in str(error.value)


def test_missing_and_folder(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        read_labels(tmp_path / "words.txt")
    with pytest.raises(UserError, match="folder"):
        read_labels(tmp_path)


@pytest.mark.skipif(not CAFFE, reason="MINIGOOGLENET_CAFFE names no folder with synset_words.txt")
def test_the_thousand():
    labels = read_labels(Path(CAFFE) / "synset_words.txt")
    assert labels[0] == "tench, Tinca tinca" and labels[281].startswith("tabby") and len(labels) == 1000
