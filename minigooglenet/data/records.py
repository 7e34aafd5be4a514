"""The binary layout of CIFAR-10: a folder of files, a file of records, a record of 3,073 bytes.

One record is one picture, with nothing before or after it::

    label   1 byte, 0 .. classes - 1
    red     1,024 bytes, 32 rows of 32 pixels from the top left
    green   1,024 bytes
    blue    1,024 bytes

A folder holds ``data_batch_1.bin``, ``data_batch_2.bin`` ... for training, ``test_batch.bin`` for testing and, if one
likes, ``batches.meta.txt`` with one class name per line. CIFAR-10 and Shapes-10 both come so; one's own pictures may.

Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009; the layout is described at
https://www.cs.toronto.edu/~kriz/cifar.html ("Binary version").
"""

import re
import stat
from pathlib import Path

import numpy as np

from ..errors import UserError
from ..files import write_atomically

SIDE = 32
RECORD = 1 + 3 * SIDE * SIDE
TEST = "test_batch.bin"
META = "batches.meta.txt"
LARGEST = 2 ** 30                       # bytes; no file of this layout comes near, and memory is finite


def read_records(path, classes=10, records=None):
    """``(x, y)``: the pictures of one file as uint8 (N, 32, 32, 3) and their labels as int64 (N,).

    ``classes`` bounds the labels; ``records`` is the number of pictures that must be there (default: any, but whole
    ones and at least one). Raises UserError, naming the file, for anything else.
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


def write_records(path, x, y):
    """Write pictures uint8 (N, 32, 32, 3) and labels (N,) as one file, whole or not at all."""
    data = np.empty((len(y), RECORD), np.uint8)
    data[:, 0] = y
    data[:, 1:] = x.transpose(0, 3, 1, 2).reshape(len(y), -1)
    write_atomically(path, lambda file: file.write(data.data))


def read_folder(folder, training=None, records=None):
    """``(x_train, y_train, x_test, y_test, classes)`` of a folder in this layout; ``classes`` is a list of names.

    ``training`` (file names) and ``records`` (pictures per file) say what must be there; without them every
    ``data_batch_*.bin`` of any length is read, in the order of their numbers. Raises UserError for what does not fit.
    """
    folder = Path(folder)
    classes = read_classes(folder / META)
    training = training or training_files(folder)
    if not training:
        raise UserError(f"{folder}: no data_batch_*.bin in this folder; it needs data_batch_1.bin ... and {TEST} "
                        "in the binary layout of CIFAR-10 (see datasets/README.md)")
    parts = [read_records(folder / name, len(classes), records) for name in training]
    x_test, y_test = read_records(folder / TEST, len(classes), records)
    x_train, y_train = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return x_train, y_train, x_test, y_test, classes


def write_folder(folder, x_train, y_train, x_test, y_test, classes, records=10_000):
    """Write a whole data set in this layout, ``records`` training pictures per file, in place of the one that is there.

    Raises UserError where the folder cannot be written.
    """
    folder = Path(folder)
    for number, start in enumerate(range(0, len(y_train), records), 1):
        part = slice(start, start + records)
        write_records(folder / f"data_batch_{number}.bin", x_train[part], y_train[part])
    write_atomically(folder / META, lambda file: file.write("\n".join(classes) + "\n"), mode="w")
    write_records(folder / TEST, x_test, y_test)
    for name in training_files(folder)[number:]:            # of a larger set that was there before
        (folder / name).unlink()


def training_files(folder):
    """The names ``data_batch_1.bin``, ``data_batch_2.bin`` ... in a folder, by number. Raises UserError without one."""
    try:
        found = [re.fullmatch(r"data_batch_(\d{1,6})\.bin", path.name) for path in Path(folder).iterdir()]
    except FileNotFoundError:
        raise UserError(f"{folder}: there is no such folder; say --data cifar10, --data shapes10 or an existing "
                        "folder") from None
    except NotADirectoryError:
        raise UserError(f"{folder}: this is a file; --data takes the folder that holds the data_batch_*.bin") from None
    except OSError as error:
        raise UserError(f"{folder}: cannot be read ({error.strerror}); allow it with chmod u+rx") from error
    return [match[0] for match in sorted((m for m in found if m), key=lambda match: int(match[1]))]


def read_classes(path):
    """The class names in ``batches.meta.txt``, or "0" ... "9" where there is no such file."""
    if not Path(path).exists():
        return [str(label) for label in range(10)]
    try:
        names = [line.strip() for line in read_bytes(path, 2 ** 16).decode().splitlines() if line.strip()]
    except UnicodeDecodeError:
        raise UserError(f"{path}: this is not text; it should hold one class name per line") from None
    if not 2 <= len(names) <= 256 or len(set(names)) < len(names):
        raise UserError(f"{path}: {len(names)} names, {len(set(names))} of them different; expected 2 to 256 different "
                        "class names, one per line")
    return names


def read_bytes(path, largest):
    """The bytes of an ordinary file no longer than ``largest``; UserError for every other thing a path can be."""
    path = Path(path)
    try:
        state = path.stat()
        if stat.S_ISDIR(state.st_mode):
            raise UserError(f"{path}: this is a folder, expected a file; put the file in its place")
        if not stat.S_ISREG(state.st_mode):
            raise UserError(f"{path}: this is not an ordinary file; put one in its place")
        if state.st_size > largest:
            raise UserError(f"{path}: {state.st_size:,} bytes, expected at most {largest:,}; put the right file there")
        return path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: this file is missing; complete the folder") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the file and its permissions") from error
