"""Ground truth: a file with the label of each photo."""

import csv
import io
from pathlib import Path

import numpy as np

from ..errors import UserError, shown
from ..files import parse_json, recognize, regular_file

NAMES = ("expected.json", "labels.csv")
LARGEST = 10 ** 7                       # bytes; the 50,000 photos of ImageNet's validation set take about 2,000,000


def read_ground_truth(folder: Path | str, file: Path | str | None = None,
                      classes: int = 1000) -> tuple[list[Path], np.ndarray]:
    """(files, labels int64 (N,)) of the photos in ``folder``.

    file: JSON, a list of ``{"photo": "cock.jpg", "label": 7}``, other keys are ignored; or CSV, lines of
    ``cock.jpg,7`` with or without a header. By default ``expected.json`` or ``labels.csv`` in the folder. Photo names
    are relative to the folder.

    Raises UserError that names the file and the entry for anything else, and for a label outside 0 … classes - 1.
    """
    folder = Path(folder)
    if file is None:
        file = next((folder / name for name in NAMES if (folder / name).exists()), folder / NAMES[0])
    what = "a list of photos and their classes: JSON, [{\"photo\", \"label\"}], or CSV, file,label"
    regular_file(file, what, LARGEST)
    try:
        contents = Path(file).read_bytes()
        entries = _entries(contents.decode("utf-8-sig"))
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror or error})") from error
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        found = recognize(contents[:512])
        raise UserError(f"{file}: expected a JSON list of {{\"photo\", \"label\"}} or CSV lines file,label"
                        + (f", but this is {found}" if found else "")) from error
    for name, label in entries:
        if not 0 <= label < classes:
            raise UserError(f"{file}: '{shown(name)}': label {shown(label)}, expected 0 to {classes - 1:,}")
    if not entries:
        raise UserError(f"{file}: no photos in it")
    return [folder / name for name, _ in entries], np.array([label for _, label in entries], np.int64)


def _entries(text):
    """[(name, label)]; raises ValueError, KeyError or TypeError if the text is neither format."""
    if text.lstrip().startswith(("[", "{")):
        return [(_name(entry["photo"]), _integer(entry["label"])) for entry in parse_json(text)]
    rows = [[part.strip() for part in row] for row in csv.reader(io.StringIO(text)) if row]
    if rows and rows[0][1:2] and not rows[0][1].lstrip("-").isdecimal():
        rows = rows[1:]                                             # the header
    return [(_name(name), int(label)) for name, label in rows]


def _name(value):
    if not isinstance(value, str) or not value or "\0" in value:
        raise TypeError(f"not a file name: {value!r}")
    return value


def _integer(value):
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"not an integer: {value!r}")
    return value
