"""CIFAR-10: 60,000 small photographs in ten classes, fetched, checked and read. No pickle anywhere.

The pictures come from the binary version of the authors' archive. Its md5 is known, so what was unpacked from it is
known too: the sha256 of each file is noted in ``checksums.json`` beside the files, and compared whenever they are read.
Files in the right form that do not compare are used as well, with one line that says so.

Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009;
https://www.cs.toronto.edu/~kriz/cifar.html
"""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from ..errors import UserError
from ..files import write_atomically
from .archive import unpacked
from .download import download, md5_of, reachable
from .records import META, RECORD, TEST, read_bytes, read_folder

FOLDER = "cifar-10-batches-bin"
RECORDS = 10_000                        # pictures in each of the six files
FILES = [f"data_batch_{number}.bin" for number in range(1, 6)] + [TEST]
CHECKSUMS = "checksums.json"
COMMAND = "python -m minigooglenet data cifar10"


@dataclass(frozen=True)
class Source:
    """Where the archive is and how to know it: its address, md5 and size in bytes; pictures in each file in it."""

    url: str = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
    md5: str = "c32a1d4ab5d03f1284b67883e8d87530"
    size: int = 170_052_171
    records: int = RECORDS


OFFICIAL = Source()


def offline():
    """Whether MINIGOOGLENET_OFFLINE=1 forbids to fetch anything."""
    return os.environ.get("MINIGOOGLENET_OFFLINE", "0") not in ("", "0")


def present(root="datasets"):
    """Whether there is a folder of CIFAR-10 in ``root``, be it whole or damaged."""
    return os.path.lexists(Path(root) / FOLDER)


def fetch(root="datasets", from_file=None, source=OFFICIAL, progress=True):
    """Put CIFAR-10 into ``root/cifar-10-batches-bin`` and return that folder.

    ``from_file`` is an archive that is already there; without it the archive is downloaded (taking up an earlier
    attempt where it ended), checked, unpacked and removed. A whole folder is left as it is.

    Raises UserError if the server cannot be reached, the archive is not the right one, or nothing can be written.
    """
    root, folder = Path(root), Path(root) / FOLDER
    if from_file is None and present(root):
        read(folder, source)            # says what is wrong with it, if anything is
        return folder
    archive = Path(from_file or root / source.url.rsplit("/", 1)[-1])
    if from_file is None and not archive.exists():
        if offline() or not reachable(source.url):
            why = "MINIGOOGLENET_OFFLINE is set" if offline() else "its server does not answer"
            raise UserError(f"CIFAR-10 is not in {folder} and cannot be fetched ({why}); get {source.url} another way "
                            f"and run: {COMMAND} --from-file ARCHIVE")
        download(source.url, archive, source.md5, source.size, progress=progress)
    try:
        genuine = archive.stat().st_size == source.size and md5_of(archive) == source.md5
    except OSError as error:
        raise UserError(f"{archive}: cannot be read ({error.strerror}); --from-file takes "
                        "cifar-10-binary.tar.gz") from error
    _unpack(archive, folder, source, genuine)
    if from_file is None:
        archive.unlink(missing_ok=True)
    return folder


def _unpack(archive, folder, source, genuine):
    sizes = dict.fromkeys(FILES, source.records * RECORD) | {META: 2 ** 16, "readme.html": 2 ** 16}
    with unpacked(archive, folder, sizes, required=FILES) as place:
        try:
            read_folder(place, FILES[:-1], source.records)
        except UserError as error:      # a whole archive may hold unreadable files
            raise UserError(str(error).replace(str(place), str(archive))) from None
        if genuine:
            record = {"archive_md5": source.md5, "sha256": {name: _sha256(place / name) for name in FILES}}
            write_atomically(place / CHECKSUMS, lambda file: json.dump(record, file, indent=1), mode="w")
    if not genuine:
        (folder / CHECKSUMS).unlink(missing_ok=True)        # of files that were there before


def read(folder, source=OFFICIAL):
    """``((x_train, y_train, x_test, y_test, classes), note)`` of a folder of CIFAR-10, see ``records.read_folder``.

    ``note`` is None if every file is as it was in the official archive, else one line. Raises UserError.
    """
    try:
        data = read_folder(folder, training=FILES[:-1], records=source.records)
    except UserError as error:
        raise UserError(f"{error} (or remove {folder} and run: {COMMAND})") from None
    return data, _note(Path(folder), source)


def _note(folder, source):
    if not (folder / CHECKSUMS).exists():
        return f"{folder}: the right form, but not the official checksums (the files were not unpacked by: {COMMAND})"
    try:
        record = json.loads(read_bytes(folder / CHECKSUMS, 2 ** 16))
        different = [name for name in FILES if record["sha256"][name] != _sha256(folder / name)]
        official = record["archive_md5"] == source.md5
    except (UserError, ValueError, KeyError, TypeError):
        different, official = [], False
    if different:
        return f"{folder}: the right form, but not the official checksums ({', '.join(different)})"
    return None if official else f"{folder}: the right form, but {CHECKSUMS} does not name the official archive"


def _sha256(path):
    return hashlib.sha256(read_bytes(path, 2 ** 30)).hexdigest()
