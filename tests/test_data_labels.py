import json
import os
import random
from pathlib import Path

import pytest

from minigooglenet.data.labels import CLASSES, KNOWN, parse_labels, read_labels, short_label
from minigooglenet.errors import UserError

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
    (b"a\nb\n", "2 labels, expected 3, one per line"),
    (b"a\nb\nc\nd", "4 labels, expected 3"),
    (b"a\n\nc\n", "line 2: empty"),
    (b"a\nn01440764 \nc\n", "line 2"),
    (b"a\nb\x1b[2J\nc\n", "line 2: not printable text"),
    (b"a\n\xef\xbb\xbfb\nc\n", "line 2: not printable text"),          # a byte-order mark between joined files
    (b"a\nn01440764\nc\n", "line 2: a WordNet id without a name"),
    (b"n01440764\nn01443537\nn01484850\n", "line 1: a WordNet id without a name"),
    (b"n01443537 goldfish\nn01440764 tench\nn01484850 shark\n", "the WordNet ids are not in order; sort the lines"),
    (b"n01443537 goldfish\nn01440764 tench\nshark\n", "the WordNet ids are not in order"),
    (b"n01440764 tench\nn01440764 tench\nn01484850 shark\n", "n01440764 occurs twice"),
    (b"cat.jpg 1\ndog.JPEG 0\nbird.png, 2\n", "a list of images and their classes"),
    (b'"cat.jpg",1\n"dog.jpg",0\n"bird.png",2\n', "a list of images and their classes"),
    (b"1\n2\n1\n", "3 numbers, expected the names of 3 classes"),
    (b"[1, 2, 1]", "3 numbers, expected the names"),
    (b"{'a', 'b', 'c'}", "a set, which has no order"),
    (b"['a', 'b', 'c'", "starts as a JSON or Python list, but cannot be read as one"),
    (b"[" * 100_000, "starts as a JSON or Python list"),
    (b"[f(), 'b', 'c']", "starts as a JSON or Python list"),
    (b'["a", true, "c"]', "contains 'True'"), (b'["a", null, "c"]', "contains 'None'"),
    (b'["a", 1.5, "c"]', "contains '1.5'"), (b'["a", [[[["b"]]]], "c"]', "contains"),
    (b'["a", "\\ud800", "c"]', "entry 2: not printable text"), (b'["a", "", "c"]', "entry 2: empty"),
    (b'["a", "b"]', "2 labels, expected 3"), (b"{0: 'a', 1: 'b'}", "2 labels, expected 3"), (b"[]", "0 labels"),
    (b"a\n" + b"\t," * 400_000 + b"\nc", "line 2: 799,999 characters, expected a label"),
    (b"a" * 1_000_001, "1,000,001 bytes, expected at most 1,000,000"),
    (b"\xff\xfea\n", "not UTF-8 text"),
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


# -- the forms of a list of the 1000 classes ---------------------------------------------------------------------------

LABELS = [f"thing {number}, object's \"part\" {number}" for number in range(CLASSES)]
for name, known in KNOWN.items():
    LABELS[known] = f"{name}, synonym"
NETWORK = [(f"n{10 ** 7 + 7 * number}", label) for number, label in enumerate(LABELS)]          # sorted by id
DEVKIT = random.Random(0).sample(NETWORK, CLASSES)


def lines(rows):
    return "\n".join(rows).encode()


def quoted(text):
    return '"' + text.replace('"', '""') + '"'


WITH_IDS = {
    "synset_words.txt": lambda rows: lines(f"{id} {label}" for id, label in rows),
    "tabs": lambda rows: lines(f"{id}\t{label}\r" for id, label in rows),
    "a byte-order mark": lambda rows: b"\xef\xbb\xbf" + lines(f"{id} {label}" for id, label in rows),
    "numbers": lambda rows: lines(f"{id} {number} {label}" for number, (id, label) in enumerate(rows, 1)),
    "numbers first": lambda rows: lines(f"{number}: {id}: {label}" for number, (id, label) in enumerate(rows)),
    "CSV": lambda rows: lines(f"{id},{quoted(label)}" for id, label in rows),
    "CSV with a header": lambda rows: b"id,label\n" + lines(f'"{id}",{quoted(label)}' for id, label in rows),
    "CSV, id last": lambda rows: lines(f"{quoted(label)},{id}" for id, label in rows),
    "CSV without quotes": lambda rows: lines(f"{id},{label}" for id, label in rows),
    "JSON pairs": lambda rows: json.dumps(rows).encode(),
    "JSON objects": lambda rows: json.dumps([{"id": id, "label": label} for id, label in rows]).encode(),
    "JSON, by id": lambda rows: json.dumps(dict(rows)).encode(),
    "JSON, to id": lambda rows: json.dumps({label: id for id, label in rows}).encode(),
    "Keras": lambda rows: json.dumps({str(n): row for n, row in enumerate(rows)}, indent=1).encode(),
    "JSON of lines": lambda rows: json.dumps([f"{id} {label}" for id, label in rows]).encode(),
    "Python": lambda rows: ("classes = " + repr(dict(rows))).encode(),
    "Python tuples": lambda rows: repr(rows).encode(),
}
WITHOUT_IDS = {
    "names": lambda labels: lines(labels),
    "quotes": lambda labels: lines(map(quoted, labels)),
    "quotes and commas": lambda labels: lines(f"{quoted(label)}," for label in labels),
    "numbers": lambda labels: lines(f"{n} {label}" for n, label in enumerate(labels)),
    "numbers from 1": lambda labels: lines(f"{n}. {label}" for n, label in enumerate(labels, 1)),
    "CSV": lambda labels: b"index;label\n" + lines(f"{n};{quoted(label)}" for n, label in enumerate(labels)),
    "CSV, number last": lambda labels: lines(f"{quoted(label)},{n}" for n, label in enumerate(labels)),
    "YAML": lambda labels: b"names:\n" + lines(f"  {n}: {quoted(label)}" for n, label in enumerate(labels)),
    "JSON": lambda labels: json.dumps(labels).encode(),
    "JSON, one per line": lambda labels: json.dumps(labels, indent=0).encode(),
    "JSON, by number": lambda labels: json.dumps(dict(enumerate(labels))).encode(),
    "JSON, to number": lambda labels: json.dumps({label: n for n, label in enumerate(labels)}).encode(),
    "Python list": lambda labels: f"labels = {labels!r};\n".encode(),
    "Python dict": lambda labels: repr(dict(enumerate(labels))).replace(", ", ",\n ").encode(),
    "TensorFlow": lambda labels: lines(["background", *labels]),
}


@pytest.mark.parametrize("form", WITH_IDS)
def test_ids_decide_the_order(form):
    assert parse_labels(WITH_IDS[form](NETWORK), "words") == LABELS
    assert parse_labels(WITH_IDS[form](DEVKIT), "words") == LABELS


@pytest.mark.parametrize("form", WITHOUT_IDS)
def test_names_are_read_in_each_form_and_refused_in_another_order(form):
    labels = [label.replace(", object", " object").replace(", synonym", "") for label in LABELS]
    assert parse_labels(WITHOUT_IDS[form](labels), "words") == labels
    others = [label.replace(", object", " object").replace(", synonym", "") for _, label in DEVKIT]
    for wrong in (others, sorted(labels), [*labels[1:], labels[0]]):
        with pytest.raises(UserError, match="words: not in the network's order: .* use a list with WordNet ids"):
            parse_labels(WITHOUT_IDS[form](wrong), "words")


def test_numbers_decide_the_order_of_any_number_of_classes():
    assert parse_labels(b"2: cat\n0: dog\n1: 3D printer\n", "words", 3) == ["dog", "3D printer", "cat"]
    assert parse_labels(b"[[1, 'cat'], [0, 'dog']]", "words", 2) == ["dog", "cat"]
    assert parse_labels(b"0 n02084071 dog\n1 n02121808 cat\n", "words", 2) == ["dog", "cat"]
    assert parse_labels(b"1 n02084071 dog\n0 n02121808 cat\n", "words", 2) == ["cat", "dog"]


def test_what_only_looks_like_a_number():
    """Numbers that do not count the lines belong to the names."""
    for labels in (["747 jet", "2 CV", "beetle"], ["class 0", "class 1", "class 2"], ["0", "1", "2"], ["4", "3", "2"],
                   ["1 cent", "2 cents", "5 cents"], ["Boeing 0", "Boeing 1", "Boeing 2"]):
        assert parse_labels(lines(labels), "words", 3) == labels
    assert parse_labels(lines(f"class {number}" for number in range(CLASSES)), "words") == read_labels()


def test_underscores_of_the_development_kit():
    rows = [(id, f"great_white_{id}") for id, _ in DEVKIT]
    data = lines(f"{id} {number} {label}" for number, (id, label) in enumerate(rows, 1))
    assert parse_labels(data, "words") == [f"great white {id}" for id, _ in NETWORK]
    assert parse_labels(b"a_b\nc_d", "words", 2) == ["a_b", "c_d"]


def test_numbers_for_1000_classes_are_no_labels():
    for numbers in (range(1, CLASSES + 1), DEVKIT):
        data = lines(str(n) if isinstance(numbers, range) else n[0][1:] for n in numbers)
        with pytest.raises(UserError, match="1,000 numbers, expected the names of 1,000 classes"):
            parse_labels(data, "words")


@pytest.mark.skipif(not CAFFE, reason="MINIGOOGLENET_CAFFE is not a folder with synset_words.txt")
def test_the_1000_labels_of_imagenet():
    labels = read_labels(Path(CAFFE) / "synset_words.txt")
    assert labels[0] == "tench, Tinca tinca" and labels[281].startswith("tabby") and len(labels) == 1000
