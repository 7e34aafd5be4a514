"""Words for the numbers of the 1000 classes."""

import re

from ..errors import UserError
from ..inputs import recognise, regular_file

CLASSES = 1000
SYNSET = "synset_words.txt"                 # Caffe's name for the file with the words
_NUMBER = re.compile(r"n\d{8}(\s+|$)")      # WordNet's number, in front of the words in Caffe's synset_words.txt


def read_labels(path=None, count=CLASSES):
    """One label for each class, in the order of the classes.

    path: a text file such as Caffe's ``synset_words.txt``, one class a line: ``n01440764 tench, Tinca tinca`` gives
    "tench, Tinca tinca"; lines without a WordNet number are taken whole. None gives "class 0", "class 1", …

    Raises UserError if the file cannot be read, is no text, or does not have ``count`` lines with words in them.
    """
    if path is None:
        return [f"class {number}" for number in range(count)]
    regular_file(path, "a text file with one label a line", 10_000_000)
    try:
        with open(path, "rb") as file:
            return labels_in(file.read(), path, count)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from error


def labels_in(octets, path, count=CLASSES):
    """The same for a file's content, ``octets``; ``path`` is what errors call it."""
    what = recognise(octets[:512])
    if what is not None:
        raise UserError(f"{path}: expected a text file with one label a line, but this is {what}")
    try:
        lines = octets.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: no text in UTF-8; expected one label a line") from error
    labels = [_NUMBER.sub("", line.strip(), count=1) for line in lines]
    while labels and not labels[-1]:
        labels.pop()
    if len(labels) != count:
        raise UserError(f"{path}: {len(labels):,} labels, expected {count:,}, one a line")
    for number, label in enumerate(labels, 1):
        if not label or not label.isprintable():
            raise UserError(f"{path}: line {number}: {'empty' if not label else 'no printable text'}, expected a label")
    return labels


def short_label(label):
    """The first of several words for the same thing: "tench, Tinca tinca" -> "tench"."""
    return label.split(",")[0].strip()
