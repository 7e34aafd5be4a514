"""What is really on photos: a file that says which class each belongs to."""

import csv
import io
import json
from pathlib import Path

import numpy as np

from ..errors import UserError
from ..inputs import recognise, regular_file

NAMES = ("expected.json", "labels.csv")


def read_truth(folder, file=None, classes=1000):
    """(files, labels int64 (N,)) of the photos in ``folder``.

    file: JSON, a list of ``{"photo": "cock.jpg", "label": 7}``, other keys are ignored; or CSV, lines of
    ``cock.jpg,7`` with or without a heading. By default ``expected.json`` or ``labels.csv`` in the folder. Photos are
    named from the folder.

    Raises UserError naming the file, and the entry, for anything else and for a class that is not 0 … classes - 1.
    """
    folder = Path(folder)
    if file is None:
        file = next((folder / name for name in NAMES if (folder / name).exists()), folder / NAMES[0])
    regular_file(file, "a list of photos and their classes: JSON, [{\"photo\", \"label\"}], or CSV, file,label", 10**8)
    try:
        octets = Path(file).read_bytes()
        entries = _entries(octets.decode("utf-8-sig"))
    except OSError as problem:
        raise UserError(f"{file}: cannot be read ({problem.strerror or problem})") from problem
    except (ValueError, KeyError, TypeError, RecursionError, csv.Error) as problem:
        what = recognise(octets[:512])
        raise UserError(f"{file}: expected a JSON list of {{\"photo\", \"label\"}} or CSV lines file,label"
                        + (f", but this is {what}" if what else "")) from problem
    for name, label in entries:
        if not 0 <= label < classes:
            raise UserError(f"{file}: {name}: class {label}, expected 0 to {classes - 1:,}")
    if not entries:
        raise UserError(f"{file}: no photos in it")
    return [folder / name for name, _ in entries], np.array([label for _, label in entries], np.int64)


def _entries(text):
    """[(name, label)]; ValueError, KeyError or TypeError where the text is neither."""
    if text.lstrip().startswith(("[", "{")):
        return [(_word(entry["photo"]), _whole(entry["label"])) for entry in json.loads(text)]
    rows = [[part.strip() for part in row] for row in csv.reader(io.StringIO(text)) if row]
    if rows and rows[0][1:2] and not rows[0][1].lstrip("-").isdecimal():
        rows = rows[1:]                                             # the heading
    return [(_word(name), int(label)) for name, label in rows]


def _word(value):
    if not isinstance(value, str) or not value or "\0" in value:
        raise TypeError(f"no file name: {value!r}")
    return value


def _whole(value):
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"no whole number: {value!r}")
    return value
