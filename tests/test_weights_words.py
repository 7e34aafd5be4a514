import io
import tarfile

import pytest
from serving import serving
from test_weights_fetch import OCTETS

from minigooglenet.cli import main
from minigooglenet.errors import UserError
from minigooglenet.inference.labels import SYNSET
from minigooglenet.weights import fetch as weights
from minigooglenet.weights import words
from minigooglenet.weights.words import fetch_words

WORDS = "".join(f"n{10 ** 7 + number} thing {number}, object\n" for number in range(1000)).encode()


def archive(*files):
    """A tar.gz of (name, octets or the target of a link)."""
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
    "/good": archive(("./det_synset_words.txt", b"no"), ("./synset_words.txt", WORDS), ("./train.txt", b"7" * 10 ** 5)),
    "/few": archive(("synset_words.txt", WORDS[:-30])),
    "/link": archive(("synset_words.txt", "/etc/passwd")),
    "/huge": archive(("synset_words.txt", bytes(words.LIMIT + 1))),
    "/other": archive(("val.txt", b"7")),
    "/text": b"a hotel's page",
}
BODIES["/cut"] = archive(("synset_words.txt", bytes(range(256)) * 100))[:100]


@pytest.fixture(scope="module")
def server():
    with serving({name: (octets, len(octets) + (name == "/cut")) for name, octets in BODIES.items()}) as address:
        yield address


@pytest.fixture(autouse=True)
def online(monkeypatch):
    monkeypatch.delenv("MINIGOOGLENET_OFFLINE", raising=False)


def test_fetched_once(tmp_path, server):
    path = fetch_words(tmp_path / "new", url=f"{server}/good")
    assert path == tmp_path / "new" / SYNSET and path.read_bytes() == WORDS
    assert [p.name for p in path.parent.iterdir()] == [SYNSET]
    assert fetch_words(tmp_path / "new", url=f"{server}/none") == path        # there already: nobody is asked


@pytest.mark.parametrize("name, says", [
    ("none", "server does not answer"), ("few", "999 labels"), ("link", "not in the archive"),
    ("huge", "not in the archive"), ("other", "not in the archive"), ("text", "no tar.gz"), ("cut", "no tar.gz"),
])
def test_nothing_is_kept_of_what_is_wrong(tmp_path, server, name, says):
    with pytest.raises(UserError, match=says) as error:
        fetch_words(tmp_path, url=f"{server}/{name}")
    assert "\n" not in str(error.value) and not list(tmp_path.iterdir())


def test_offline(tmp_path, server, monkeypatch):
    monkeypatch.setenv("MINIGOOGLENET_OFFLINE", "1")
    with pytest.raises(UserError, match="OFFLINE is set.*numbers.*--labels FILE"):
        fetch_words(tmp_path, url=f"{server}/good")


def test_from_file(tmp_path):
    (mine := tmp_path / "mine").write_bytes(WORDS)
    path = fetch_words(tmp_path / "d", from_file=mine)
    assert path.read_bytes() == WORDS and fetch_words(tmp_path / "d", from_file=path) == path     # onto itself
    (short := tmp_path / "short").write_bytes(WORDS[:-30])
    with pytest.raises(UserError, match="short: 999 labels"):
        fetch_words(tmp_path / "d", from_file=short)
    assert path.read_bytes() == WORDS


@pytest.fixture
def downloads(tmp_path, monkeypatch):
    """A folder with someone's weights; whoever asks the network fails."""
    def nobody(*_):
        raise AssertionError("the network was asked")
    monkeypatch.setattr(words, "reachable", nobody)
    monkeypatch.setattr(weights, "reachable", nobody)
    (folder := tmp_path / "downloads").mkdir()
    (folder / "mine.caffemodel").write_bytes(OCTETS)
    return folder


def command(downloads, *options):
    return main(["weights", "--from-file", str(downloads / "mine.caffemodel"), "--datasets", str(downloads / "d"),
                 *options])


def test_command_takes_the_words_beside_the_weights(downloads, capsys):
    (downloads / SYNSET).write_bytes(WORDS)
    assert not command(downloads)
    assert (downloads / "d" / SYNSET).read_bytes() == WORDS and "the words for its classes" in capsys.readouterr().out


def test_command_goes_on_without_words_and_says_so(downloads, capsys):
    assert not command(downloads)
    lines = capsys.readouterr().out.splitlines()
    said = [line for line in lines if "so classes are numbers" in line]
    assert len(said) == 1 and words.URL in said[0] and said[0].endswith("--labels FILE")
    assert "try it" in lines[-1] and (downloads / "d" / weights.FILE).exists()


def test_command_takes_labels_and_refuses_wrong_ones(downloads, capsys):
    (downloads / "w.txt").write_bytes(WORDS)
    assert not command(downloads, "--labels", str(downloads / "w.txt"))
    assert (downloads / "d" / SYNSET).read_bytes() == WORDS
    (downloads / "w.txt").write_bytes(b"one\n")
    assert command(downloads, "--labels", str(downloads / "w.txt")) == 2
    assert "1 labels, expected 1,000" in capsys.readouterr().err
