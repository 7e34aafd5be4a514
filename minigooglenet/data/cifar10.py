"""CIFAR-10: 60,000 small photographs in ten classes, downloaded, verified and read. No pickle is involved.

The images come from the binary version of the authors' archive, which is verified by its md5. The sha256 of each
unpacked file is stored in ``checksums.json`` next to the files and compared whenever they are read. Files of the right
format with other checksums are accepted, and reported in one line.

Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009;
https://www.cs.toronto.edu/~kriz/cifar.html
"""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from ..errors import UserError
from ..files import parse_json, regular_file, write_atomically
from ..hints import hint
from .archive import unpacked
from .download import download, md5_of, reachable
from .records import META, RECORD, TEST, Arrays, read_bytes, read_folder

FOLDER = "cifar-10-batches-bin"
RECORDS = 10_000                        # images in each of the six files
FILES = [f"data_batch_{number}.bin" for number in range(1, 6)] + [TEST]
CLASSES = "airplane automobile bird cat deer dog frog horse ship truck".split()
CHECKSUMS = "checksums.json"
COMMAND = hint("data", "cifar10")


@dataclass(frozen=True)
class Source:
    """The archive: its URL, md5 and size in bytes, and the number of images in each of its files."""

    url: str = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
    md5: str = "c32a1d4ab5d03f1284b67883e8d87530"
    size: int = 170_052_171
    records: int = RECORDS


OFFICIAL = Source()


def offline() -> bool:
    """Whether MINIGOOGLENET_OFFLINE=1 forbids downloads."""
    return os.environ.get("MINIGOOGLENET_OFFLINE", "0") not in ("", "0")


def present(root: Path | str = "datasets") -> bool:
    """Whether ``root`` contains a folder of CIFAR-10, complete or damaged."""
    return os.path.lexists(Path(root) / FOLDER)


def fetch(root: Path | str = "datasets", from_file: Path | str | None = None, source: Source = OFFICIAL,
          progress: bool = True) -> Path:
    """Put CIFAR-10 into ``root/cifar-10-batches-bin`` and return that folder.

    ``from_file`` is an archive on disk; without it the archive is downloaded (an interrupted download is continued),
    verified, unpacked and removed. A complete folder is left unchanged.

    Raises UserError if the server cannot be reached, the archive is not the right one, or a file cannot be written.
    """
    root, folder = Path(root), Path(root) / FOLDER
    if from_file is None and present(root):
        read(folder, source)            # raises UserError if the folder is damaged
        return folder
    archive = Path(from_file or root / source.url.rsplit("/", 1)[-1])
    if from_file is None and not archive.exists():
        if offline() or not reachable(source.url):
            why = "MINIGOOGLENET_OFFLINE is set" if offline() else "its server does not respond"
            raise UserError(f"CIFAR-10 is not in {folder} and cannot be fetched ({why}); download {source.url} "
                            f"yourself and run: {COMMAND} --from-file ARCHIVE")
        download(source.url, archive, source.md5, source.size, progress=progress)
    size = regular_file(archive, "cifar-10-binary.tar.gz")
    try:
        genuine = size == source.size and md5_of(archive) == source.md5
    except OSError as error:
        raise UserError(f"{archive}: cannot be read ({error.strerror or error}); check the file and its "
                        "permissions") from error
    _unpack(archive, folder, source, genuine)
    if from_file is None:
        archive.unlink(missing_ok=True)
    return folder


def _unpack(archive, folder, source, genuine):
    sizes = dict.fromkeys(FILES, source.records * RECORD) | {META: 2 ** 16, "readme.html": 2 ** 16}
    obsolete = () if genuine else (CHECKSUMS,)             # it belongs to the previous files
    with unpacked(archive, folder, sizes, FILES, obsolete) as place:
        try:
            read_folder(place, FILES[:-1], source.records)
        except UserError as error:      # a complete archive may contain invalid files
            raise UserError(str(error).replace(str(place), str(archive))) from None
        if genuine:
            record = {"archive_md5": source.md5, "sha256": {name: _sha256(place / name) for name in FILES}}
            write_atomically(place / CHECKSUMS, lambda file: json.dump(record, file, indent=1), mode="w")


def read(folder: Path | str, source: Source = OFFICIAL) -> tuple[Arrays, str | None]:
    """``((x_train, y_train, x_test, y_test, classes), note)`` of a folder of CIFAR-10, see ``records.read_folder``.

    ``note`` is None if every file, and the list of classes, equals that of the official archive, else one line. Raises
    UserError.
    """
    try:
        data = read_folder(folder, training=FILES[:-1], records=source.records)
    except UserError as error:
        raise UserError(f"{error} (or remove {folder} and run: {COMMAND})") from None
    return data, _note(Path(folder), source, data[-1])


def _note(folder, source, classes):
    if not (folder / CHECKSUMS).exists():
        return f"{folder}: valid format, but not the official checksums (the files were not unpacked by: {COMMAND})"
    try:
        record = parse_json(read_bytes(folder / CHECKSUMS, 2 ** 16))
        different = [name for name in FILES if record["sha256"][name] != _sha256(folder / name)]
        different += [META] if classes != CLASSES else []
        official = record["archive_md5"] == source.md5
    except (UserError, ValueError, KeyError, TypeError):
        different, official = [], False
    if different:
        return f"{folder}: valid format, but not the official checksums ({', '.join(different)})"
    return None if official else f"{folder}: valid format, but {CHECKSUMS} does not name the official archive"


def _sha256(path):
    return hashlib.sha256(read_bytes(path, 2 ** 30)).hexdigest()
