"""The forms in which lists of labels are distributed, each read into rows of a WordNet id, a number and a name.

    n01440764 tench, Tinca tinca                Caffe's synset_words.txt, torchvision, Kaggle's LOC_synset_mapping.txt
    n01440764 449 tench                         the development kit of ILSVRC 2012 (map_clsloc.txt)
    n01440764,"tench, Tinca tinca"              CSV, in any order of the columns, with or without a header
    tench, Tinca tinca                          names alone; also in quotes, or numbered: "0: tench"
    {0: 'tench, Tinca tinca', ...}              a Python dict or list
    {"0": ["n01440764", "tench"], ...}          JSON: Keras's imagenet_class_index.json, and other lists and objects
"""

import ast
import re
import warnings
from dataclasses import dataclass

from ..files import parse_json

LONGEST = 1000                                          # characters of a label with its synonyms
_ID = r"n\d{8}"                                         # a WordNet id: a noun
_SEPARATOR = r"(?:\s*[,;:\t]\s*|\s+|$)"
_LEADING_ID = re.compile(rf"""(["']?)({_ID})\1{_SEPARATOR}""")
_LEADING_NUMBER = re.compile(r"""(["']?)([0-9]{1,7})\1(?:\s*[,;:\t.)]\s*|\s+)(?=\S)""")
_TRAILING = re.compile(rf"""[,;\t]\s*(["']?)({_ID}|[0-9]{{1,7}})\1$""")
_DOUBLE = re.compile(r'"((?:[^"]|"")*)"\s*,?$')         # CSV: a quote is doubled
_SINGLE = re.compile(r"'(.*)'\s*,?$")
_ASSIGNMENT = re.compile(r"\s*[A-Za-z_]\w*\s*=\s*(?=[\[{])")
_IMAGE_AND_CLASS = re.compile(r"""\S+\.(?:jpe?g|png|bmp|tiff?|webp)["']?[\s,;]+[0-9]+$""", re.IGNORECASE)


@dataclass(frozen=True)
class Row:
    """One class. ``text`` is the name with the number in front of it, for a file in which the numbers mean nothing."""

    place: str                  # of the row in the file: "line 3"
    id: str | None
    number: int | None
    name: str
    text: str


def read_rows(text: str, count: int) -> list[Row]:
    """The rows of a file in any of these forms; ``count`` and a header at most.

    Raises ValueError with a reason for what is no list of labels.
    """
    start = _ASSIGNMENT.match(text)
    structured = text[start.end() if start else 0:].strip()
    if structured[:1] in ("[", "{"):
        entries = _entries(structured)
        if len(entries) > count + 1:
            raise ValueError(wrong_number(len(entries), count))
        return [_from_values(f"entry {number}", list(_flat(entry))) for number, entry in enumerate(entries, 1)]
    lines = [line.strip() for line in text.splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    if lines and sum(bool(_IMAGE_AND_CLASS.match(line[:LONGEST])) for line in lines) > len(lines) / 2:
        raise ValueError("a list of images and their classes, expected one label per class")
    if len(lines) > count + 1:
        raise ValueError(wrong_number(len(lines), count))
    return [_from_text(f"line {number}", line) for number, line in enumerate(lines, 1)]


def wrong_number(found: int, expected: int) -> str:
    return f"{found:,} labels, expected {expected:,}, one per line"


def _entries(text):
    """The entries of a JSON or Python list or dict; of a dict with their keys."""
    try:
        found = parse_json(text)
    except ValueError:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")                         # "\d" in a string
                found = ast.literal_eval(text.rstrip("; \n"))
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            raise ValueError("starts as a JSON or Python list, but cannot be read as one") from None
    if not isinstance(found, (dict, list, tuple)):
        raise ValueError("a set, which has no order; expected a list or a dict")
    return list(found.items() if isinstance(found, dict) else found)


def _flat(value, depth=0):
    if isinstance(value, dict):
        value = value.values()
    elif isinstance(value, (str, int)) and not isinstance(value, bool):
        yield value
        return
    elif not isinstance(value, (list, tuple)) or depth > 2:
        raise ValueError(f"contains {str(value)[:20]!r}, expected names, numbers and WordNet ids")
    for part in value:
        yield from _flat(part, depth + 1)


def _from_values(place, values):
    """A Row of separate values. A single string can contain an id and a number, as a line of text does."""
    if len(values) == 1:
        return _from_text(place, str(values[0]).strip())
    ids, numbers, names = [], [], []
    for value in (str(value).strip() for value in values):
        if re.fullmatch(_ID, value):
            ids.append(value)
        elif re.fullmatch("[0-9]{1,7}", value):
            numbers.append(int(value))
        else:
            row = _from_text(place, value)
            ids += [row.id] if row.id else []
            names.append(row.text)
    name = ", ".join(names)
    return Row(place, ids[0] if ids else None, numbers[0] if numbers else None, name, name)


def _from_text(place, line):
    """A Row of one line: an id and a number in front, or behind the name after a comma."""
    if len(line) > LONGEST:
        raise ValueError(f"{place}: {len(line):,} characters, expected a label")
    found = {}
    rest = text = line
    for _ in range(2):
        if "id" not in found and (match := _LEADING_ID.match(rest)):
            found["id"] = match[2]
            rest = rest[match.end():]
            text = rest if "number" not in found else text
        elif "number" not in found and (match := _LEADING_NUMBER.match(rest)):
            found["number"] = match[2]
            rest = rest[match.end():]
    while (match := _TRAILING.search(rest)) and (kind := "id" if match[2][0] == "n" else "number") not in found:
        found[kind] = match[2]
        rest = rest[:match.start()].rstrip()
        text = rest if kind == "id" else text
    number = int(found["number"]) if "number" in found else None
    return Row(place, found.get("id"), number, _unquoted(rest), _unquoted(text))


def _unquoted(text):
    if match := _DOUBLE.match(text):
        return match[1].replace('""', '"').strip()
    match = _SINGLE.match(text)
    return match[1].replace("\\'", "'").strip() if match else text.strip()
