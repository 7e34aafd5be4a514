"""The binary format of CIFAR-10: a folder of files, a file of records, a record of 3,073 bytes.

A file is a sequence of records without header or separators. A record is one image::

    label   1 byte, 0 .. classes - 1
    red     1,024 bytes, 32 rows of 32 pixels from the top left
    green   1,024 bytes
    blue    1,024 bytes

A folder contains ``data_batch_1.bin``, ``data_batch_2.bin`` ... for training, ``test_batch.bin`` for testing and,
optionally, ``batches.meta.txt`` with one class name per line. CIFAR-10 and Shapes-10 use this format; your own images
can, too.

Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009; the format is described at
https://www.cs.toronto.edu/~kriz/cifar.html ("Binary version").
"""

import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from ..errors import UserError, shown
from ..files import write_atomically
from .exact import labels_of, pixels_of
from .folder import replacing

SIDE, CHANNELS = 32, 3
RECORD = 1 + CHANNELS * SIDE * SIDE
TEST = "test_batch.bin"
META = "batches.meta.txt"
LARGEST = 2 ** 30                       # bytes; a limit on memory, far above any real file
LONGEST_META = 2 ** 16                  # bytes of the class names
MOST = LARGEST // RECORD                # images in one file

Arrays: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, list[str]]  # train x, y, test x, y, classes


def read_records(path: Path | str, classes: int = 10, records: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """``(x, y)``: the images of one file as uint8 (N, 32, 32, 3) and their labels as int64 (N,).

    Labels must be less than ``classes``. ``records`` is the required number of images (default: any number of complete
    records, at least one). Raises UserError that names the file for anything else.
    """
    data = np.frombuffer(read_bytes(path, LARGEST), np.uint8)
    expected = f"{records * RECORD:,} bytes" if records else f"a multiple of {RECORD:,} bytes (label + 32x32x3 pixels)"
    if records is not None and len(data) != records * RECORD or len(data) % RECORD or not len(data):
        raise UserError(f"{path}: {len(data):,} bytes, expected {expected}; put a complete copy in its place")
    data = data.reshape(-1, RECORD)
    y = data[:, 0].astype(np.int64)
    if y.max() >= classes:
        worst = int(np.argmax(y >= classes))
        raise UserError(f"{path}: label {y[worst]} in record {worst}, expected 0 to {classes - 1}; "
                        "put an undamaged copy in its place")
    planes = data[:, 1:].reshape(-1, 3, SIDE, SIDE)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), y


def write_records(path: Path | str, x: ArrayLike, y: ArrayLike) -> None:
    """Write images (N, 32, 32, 3) and labels (N,) to one file, atomically.

    Raises UserError unless all values can be stored exactly, see ``data.exact``, and N is at least 1.
    """
    images = _pixels(x, path, "x", MOST)
    _write(path, images, labels_of(y, len(images), 256, f"{path}: y"))


def _pixels(x, path, name, most=None):
    """The images x as uint8, at most ``most``."""
    images = pixels_of(x, (SIDE, SIDE, CHANNELS), f"{path}: {name}")
    if most and len(images) > most:
        raise UserError(f"{path}: {name} has {len(images):,} images, at most {most:,} are read from one file")
    return images


def _write(path, x, y):
    data = np.empty((len(y), RECORD), np.uint8)
    data[:, 0] = y
    data[:, 1:] = x.transpose(0, 3, 1, 2).reshape(len(y), -1)
    write_atomically(path, lambda file: file.write(data.data))


def read_folder(folder: Path | str, training: list[str] | None = None, records: int | None = None) -> Arrays:
    """``(x_train, y_train, x_test, y_test, classes)`` of a folder in this format; ``classes`` is a list of names.

    ``training`` (file names) and ``records`` (images per file) are required if given; otherwise every
    ``data_batch_*.bin`` of any length is read, in numerical order. Raises UserError for anything else.
    """
    folder = Path(folder)
    classes = read_classes(folder / META)
    training = training or training_files(folder)
    if not training:
        raise UserError(f"{folder}: no images and no data_batch_*.bin; it needs a folder of image files for each "
                        f"class, such as {folder / 'cat' / '1.jpg'}, or data_batch_1.bin ... and {TEST} in the binary "
                        "format of CIFAR-10 (https://www.cs.toronto.edu/~kriz/cifar.html)")
    parts = [read_records(folder / name, len(classes), records) for name in training]
    x_test, y_test = read_records(folder / TEST, len(classes), records)
    x_train, y_train = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return x_train, y_train, x_test, y_test, classes


def write_folder(folder: Path | str, x_train: ArrayLike, y_train: ArrayLike, x_test: ArrayLike, y_test: ArrayLike,
                 classes: Sequence[str], records: int = 10_000) -> None:
    """Write a data set in this format, ``records`` training images per file, replacing the one in the folder.

    x: uint8 (N, 32, 32, 3), or other values that are stored exactly: whole numbers 0 … 255, or multiples k / 255 up to
    1. y: whole numbers from 0 to ``len(classes)`` - 1.

    Raises UserError that names the value if any cannot be stored exactly or would be refused by ``read_folder``, and
    if the folder cannot be written. The folder is then unchanged.
    """
    folder, classes = Path(folder), list(classes)
    if not 0 < records <= MOST:
        raise UserError(f"{folder}: {records:,} records per file, expected 1 to {MOST:,}")
    names = _checked(classes, folder / META)
    train, test = _pixels(x_train, folder, "x_train"), _pixels(x_test, folder, "x_test", MOST)
    train_labels = labels_of(y_train, len(train), len(classes), f"{folder}: y_train")
    test_labels = labels_of(y_test, len(test), len(classes), f"{folder}: y_test")
    obsolete = [name for name, _ in _numbered(folder)] if folder.is_dir() else []
    with replacing(folder, TEST, obsolete) as place:
        for number, start in enumerate(range(0, len(train), records), 1):
            part = slice(start, start + records)
            _write(place / f"data_batch_{number}.bin", train[part], train_labels[part])
        write_atomically(place / META, lambda file: file.write(names))
        _write(place / TEST, test, test_labels)


def training_files(folder: Path | str) -> list[str]:
    """The names ``data_batch_1.bin``, ``data_batch_2.bin`` ... in a folder, in numerical order; may be empty.

    Raises UserError if there is no such folder, or if two names stand for the same file: they have the same number, or
    one is a link to the other.
    """
    found: dict[object, str] = {}
    names = _numbered(folder)
    for name, number in names:
        try:
            state = (Path(folder) / name).stat()
        except OSError:
            continue                    # reading it reports the reason
        for key in (number, (state.st_dev, state.st_ino)):
            if key in found:
                raise UserError(f"{folder}: {found[key]} and {name} are the same batch; remove one of them")
            found[key] = name
    return [name for name, _ in names]


def _numbered(folder):
    """[(name, number)] of the training files in a folder, in numerical order."""
    try:
        found = [re.fullmatch(r"data_batch_([0-9]{1,6})\.bin", path.name) for path in Path(folder).iterdir()]
    except FileNotFoundError:
        raise UserError(f"{folder}: there is no such folder; use --data cifar10, --data shapes10 or an "
                        "existing folder") from None
    except NotADirectoryError:
        raise UserError(f"{folder}: this is a file; --data expects the folder of the data_batch_*.bin files") from None
    except OSError as error:
        raise UserError(f"{folder}: cannot be read ({error.strerror}); allow it with chmod u+rx") from error
    return sorted(((match[0], int(match[1])) for match in found if match), key=lambda item: (item[1], item[0]))


def read_classes(path: Path | str) -> list[str]:
    """The class names in ``batches.meta.txt``, or "0" ... "9" if there is no such file."""
    if not Path(path).exists():
        return [str(label) for label in range(10)]
    return _names(read_bytes(path, LONGEST_META), path)


def _names(data, path):
    """The class names in the contents of ``batches.meta.txt``."""
    try:
        names = [line.strip() for line in data.decode("utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError:
        raise UserError(f"{path}: this is not text; expected one class name per line") from None
    if not 2 <= len(names) <= 256 or len(set(names)) < len(names):
        raise UserError(f"{path}: {len(names)} names, {len(set(names))} of them distinct; expected 2 to 256 distinct "
                        "class names, one per line")
    for number, name in enumerate(names, 1):
        if not name.isprintable():
            raise UserError(f"{path}: class name {number} is '{shown(name)}', expected printable text")
    return names


def _checked(classes, path):
    """The contents of ``batches.meta.txt`` for these class names, which are read as they are."""
    for name in classes:
        if not isinstance(name, str):
            raise UserError(f"{path}: class name {shown(repr(name))}, expected a str")
    data = ("\n".join(classes) + "\n").encode("utf-8", "surrogatepass")
    if len(data) > LONGEST_META:
        raise UserError(f"{path}: class names of {len(data):,} bytes, expected at most {LONGEST_META:,}")
    read = _names(data, path)
    if read != classes:
        name = next((name for name in classes if name not in read), classes[0])
        raise UserError(f"{path}: class name '{shown(name)}', expected one line of text without spaces around it")
    return data


def read_bytes(path: Path | str, largest: int) -> bytes:
    """The bytes of a regular file of at most ``largest`` bytes. Raises UserError for anything else."""
    path = Path(path)
    try:
        state = path.stat()
        if stat.S_ISDIR(state.st_mode):
            raise UserError(f"{path}: this is a folder, expected a file; put the file in its place")
        if not stat.S_ISREG(state.st_mode):
            raise UserError(f"{path}: this is not a regular file; put one in its place")
        if state.st_size > largest:
            raise UserError(f"{path}: {state.st_size:,} bytes, expected at most {largest:,}; put the right file there")
        return path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: this file is missing; complete the folder") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the file and its permissions") from error
