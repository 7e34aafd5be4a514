"""Labels: the names of the 1000 ImageNet classes, in the order of the networks' outputs.

The networks of Caffe, torchvision and most others number the classes in the order of their WordNet ids. The development
kit of ILSVRC 2012 numbers them in another order, and its lists are distributed as well. An id decides the order; of
names without ids a few are known, and a list in which they are elsewhere is refused.
"""

from pathlib import Path

from ..errors import UserError
from ..files import recognize, regular_file
from .label_forms import Row, read_rows, wrong_number

CLASSES = 1000
SYNSET = "synset_words.txt"                 # Caffe's file of labels
LARGEST = 1_000_000                         # bytes of a list of labels; the file has about 32,000
KNOWN = {"tench": 0, "goldfish": 1, "ostrich": 9, "golden retriever": 207, "zebra": 340, "accordion": 401,
         "ambulance": 407, "volleyball": 890, "banana": 954, "toilet tissue": 999}    # some labels and their classes


def read_labels(path: Path | str | None = None, count: int = CLASSES) -> list[str]:
    """One label per class, in the order of the classes.

    path: a file such as Caffe's ``synset_words.txt``, one class per line: ``n01440764 tench, Tinca tinca`` gives
    "tench, Tinca tinca"; a line without a WordNet id is used as it is. ``data.label_forms`` lists the other forms. Rows
    with ids, or with numbers from 0 or 1, are put in that order. None gives "class 0", "class 1", …

    Raises UserError if the file cannot be read, does not have ``count`` labels, or lists them in an order that is not
    known or not the network's.
    """
    if path is None:
        return [f"class {number}" for number in range(count)]
    regular_file(path, "a text file with one label per line", LARGEST)
    try:
        with open(path, "rb") as file:
            return parse_labels(file.read(LARGEST + 1), path, count)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from error


def parse_labels(contents: bytes, path: Path | str, count: int = CLASSES) -> list[str]:
    """The same for the contents of a file; ``path`` is its name in error messages."""
    what = recognize(contents[:512])
    if what is not None:
        raise UserError(f"{path}: expected a text file with one label per line, but this is {what}")
    try:
        rows = read_rows(contents.decode("utf-8-sig"), count)
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text; expected one label per line") from error
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error
    if len(rows) == count + 1 and _is_extra(rows[0], rows[1:]):
        rows = rows[1:]
    names = {row.name for row in rows}
    if names and all(name.isdecimal() for name in names) and (count == CLASSES or len(names) < len(rows)):
        raise UserError(f"{path}: {len(rows):,} numbers, expected the names of {count:,} classes")
    if len(rows) != count:
        raise UserError(f"{path}: {wrong_number(len(rows), count)}")
    labels = _in_order(rows, path)
    if count == CLASSES:
        _check_order(labels, path)
    return labels


def short_label(label: str) -> str:
    """The first of several synonyms: "tench, Tinca tinca" -> "tench"."""
    return label.split(",")[0].strip()


def _is_extra(first: Row, others: list[Row]) -> bool:
    """Whether a row is a header, or TensorFlow's class 0 in front of the 1000."""
    if first.name.strip("_").lower() in ("background", "dummy"):
        return True
    return first.id is None and first.number is None and (
        all(row.id for row in others) or all(row.number is not None for row in others))


def _in_order(rows, path):
    """The labels of rows in the order of their WordNet ids or numbers; without either in that of the file."""
    ids = [row.id for row in rows if row.id]
    numbers = [row.number for row in rows if row.number is not None]
    numbered = len(numbers) == len(rows) == len(set(numbers))
    counted = numbered and sorted(numbers) in (list(range(len(rows))), list(range(1, len(rows) + 1)))
    if len(set(ids)) < len(ids):
        raise UserError(f"{path}: {next(id for id in ids if ids.count(id) > 1)} occurs twice, expected different "
                        "WordNet ids")
    if len(ids) == len(rows) == CLASSES:
        rows = sorted(rows, key=lambda row: row.id)
    elif counted and (not ids or min(numbers) == 0):
        rows = sorted(rows, key=lambda row: row.number)
    elif ids != sorted(ids):
        raise UserError(f"{path}: the WordNet ids are not in order; sort the lines by id, or remove the ids if the "
                        "lines are in the network's order")
    labels = []
    for row in rows:
        label = row.name if counted or numbered and len(ids) == len(rows) else row.text
        if not label or not label.isprintable():
            what = "not printable text" if label else "a WordNet id without a name" if row.id else "empty"
            raise UserError(f"{path}: {row.place}: {what}, expected a label")
        labels.append(label)
    if len(ids) == len(rows) and not any(" " in label for label in labels):
        labels = [label.replace("_", " ") for label in labels]          # as in the development kit
    return labels


def _check_order(labels, path):
    """Raise UserError if these are ImageNet's labels in another order than the network's."""
    places = {}
    for place, label in enumerate(labels):
        places.setdefault(short_label(label).lower(), []).append(place)
    wrong = [name for name, place in KNOWN.items() if name in places and place not in places[name]]
    if wrong and sum(name in places for name in KNOWN) >= len(KNOWN) / 2:
        name = wrong[0]
        raise UserError(f"{path}: not in the network's order: {name!r} is number {places[name][0]:,}, expected "
                        f"{KNOWN[name]:,} (counted from 0); use a list with WordNet ids, such as {SYNSET}")
