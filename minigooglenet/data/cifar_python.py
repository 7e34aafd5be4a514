"""The python version of CIFAR-10 and CIFAR-100, whose files are pickles, as files of the binary version.

A pickle holds ``data``, uint8 (N, 3072), and lists of labels; another holds lists of class names. No pickle is run.

Source: https://www.cs.toronto.edu/~kriz/cifar.html ("Dataset layout").
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import UserError
from ..files import write_atomically
from .plain_pickle import plain_values
from .records import read_bytes

if TYPE_CHECKING:
    from .cifar import Cifar


def to_binary(kind: Cifar, place: Path) -> None:
    """Replace the files of the python version in the folder ``place`` by those of the binary version.

    Raises UserError that names the file if one is not what the authors' archive contains.
    """
    pixels = kind.record - len(kind.labels)
    for pickle, (file, number) in zip(kind.pickles, kind.records.items(), strict=True):
        values = _batch(place / pickle)
        columns = [_column(values, key, number, place / pickle) for key in kind.labels]
        x = values.get("data")
        if not (isinstance(x, np.ndarray) and x.dtype == np.uint8 and x.shape == (number, pixels)):
            raise UserError(f"{place / pickle}: its data is not {number:,} images of {pixels:,} bytes; fetch it again")
        records = np.concatenate([*columns, x], axis=1)
        (place / pickle).unlink()
        _write(place / file, np.ascontiguousarray(records).data)
    values = _batch(place / kind.meta)
    for file, key in kind.names.items():
        names = values.get(key)
        if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
            raise UserError(f"{place / kind.meta}: has no list {key}; fetch it again")
        _write(place / file, ("\n".join(names) + "\n").encode())
    (place / kind.meta).unlink()


def _write(path, data):
    write_atomically(path, lambda file: file.write(data))


def _batch(path):
    """The dict in a pickle; keys and strings that are bytes become str."""
    values = plain_values(read_bytes(path, 2 ** 30), path)
    if not isinstance(values, dict):
        raise UserError(f"{path}: a pickle without a dict; fetch it again")
    return {_text(key): [_text(item) for item in value] if isinstance(value, list) else value
            for key, value in values.items()}


def _text(value):
    return value.decode("latin1") if isinstance(value, bytes) else value


def _column(values, key, number, path):
    """Labels as a column of bytes (number, 1)."""
    labels = values.get(key)
    valid = isinstance(labels, list | np.ndarray) and len(labels) == number and all(
        isinstance(label, int | np.integer) and 0 <= label < 256 for label in labels)
    if not valid:
        raise UserError(f"{path}: its {key} are not {number:,} whole numbers from 0; fetch it again")
    return np.array(labels, np.uint8)[:, None]
