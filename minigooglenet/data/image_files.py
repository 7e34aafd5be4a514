"""The image files in a folder, found without decoding them. Hidden files are skipped; others that are no images are
counted."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ..errors import UserError, shown
from ..files import recognize

SUFFIXES = frozenset("." + name for name in (
    "jpg jpeg jpe jfif png webp tif tiff gif bmp ppm pgm pbm pnm tga jp2 avif heic heif hif").split())


class Children(NamedTuple):
    """What is visible directly in a folder: the sorted names of its folders, the number of its images, and
    {name: reason} of the links that cannot be followed."""

    folders: list[str]
    images: int
    broken: dict[str, str]


def children(folder: Path | str) -> Children:
    """What is directly in ``folder``. Raises UserError if it cannot be listed."""
    folders, images, broken = [], 0, {}
    for entry in _visible(folder):
        if _is_dir(entry):
            folders.append(entry.name)
        elif _is_image(entry):
            images += 1
        elif reason := _broken(entry):
            broken[entry.name] = reason
    return Children(sorted(folders), images, broken)


def folders_in(folder: Path | str) -> list[str]:
    """The sorted names of the visible folders in ``folder``. Raises UserError if it cannot be listed."""
    return sorted(entry.name for entry in _visible(folder) if _is_dir(entry))


def photos_in(folder: Path | str) -> list[str]:
    """The paths of the visible images directly in a folder, sorted. Raises UserError if there are none."""
    found = sorted(entry.path for entry in _visible(folder) if not _is_dir(entry) and _is_image(entry))
    if not found:
        raise UserError(f"{shown(folder, 200)}: no image is directly in this folder; name its subfolders or images")
    return found


def is_image_folder(folder: Path | str) -> bool:
    """Whether ``folder`` contains an image, in itself or below."""
    return next(images_in(Path(folder), "", {}, Counter()), None) is not None


def images_in(root: Path, start: str, unreadable: dict[str, str], other: Counter) -> Iterator[tuple[str, int, int]]:
    """(path relative to root, bytes, mtime in ns) of each image in root/start or below, in any order.

    Symbolic links are followed, each folder once. Adds to ``unreadable`` {path: reason} of folders that cannot be
    listed, and to ``other`` the number of files of other types, by suffix.
    """
    seen, waiting = {_identity(root)} if start else set(), [start]
    while waiting:
        relative = waiting.pop()
        try:
            if (identity := _identity(root / relative)) in seen:    # a symbolic link to a folder that was listed
                continue
            seen.add(identity)
            with os.scandir(root / relative) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name):
                    path = os.path.join(relative, entry.name)
                    if _hidden(entry.name):
                        continue
                    if _is_dir(entry):
                        waiting.append(path)
                    elif _is_image(entry):
                        yield path, *_stat(entry)
                    else:
                        other[Path(entry.name).suffix.lower()] += 1
        except OSError as error:
            unreadable[relative] = error.strerror or str(error)


def _visible(folder):
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not _hidden(entry.name)]
    except OSError as error:
        raise UserError(f"{shown(folder, 200)}: cannot be listed ({error.strerror or error})") from error


def _is_dir(entry):
    try:
        return entry.is_dir()
    except OSError:                                             # a link that cannot be followed
        return False


def _broken(entry):
    """Why a link cannot be followed; None for anything else."""
    try:
        if entry.is_symlink():
            entry.stat()
        return None
    except OSError as error:
        return error.strerror or str(error)


def _identity(folder):
    status = os.stat(folder)
    return status.st_dev, status.st_ino


def _hidden(name):
    return name.startswith(".") or name in ("__MACOSX", "Thumbs.db", "desktop.ini")


def _is_image(entry):
    """Whether a file is to be decoded: by its suffix, else by its first bytes."""
    suffix = os.path.splitext(entry.name)[1].lower()
    if suffix in SUFFIXES:
        return True
    try:
        if suffix not in ("", ".img", ".image", ".bin", ".tmp", ".part") or not entry.is_file():
            return False
        with open(entry.path, "rb") as file:
            what = recognize(file.read(300)) or ""
    except OSError:
        return False
    return what.endswith(" image") or what.startswith(("a HEIC", "an AVIF"))


def _stat(entry):
    try:
        status = entry.stat()
        return status.st_size, status.st_mtime_ns
    except OSError:                                             # a broken link; decoding it gives the reason
        return -1, 0
