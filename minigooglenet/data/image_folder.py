"""A folder of images with a subfolder per class: the files in it, and what is wrong with it. Nothing is decoded here.

    DIR/cat/1.jpg                DIR/dog/2.png              no split: ``data.split`` makes one
    DIR/train/cat/1.jpg ...      DIR/test/cat/3.jpg ...     a split of its own; val/ or valid/ instead of test/ as well

Images in nested folders belong to the class of the top folder. Hidden files are skipped; others that are no images are
counted.
"""

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ..errors import UserError, shown
from ..files import recognize
from ..hints import counted

SUFFIXES = frozenset("." + name for name in (
    "jpg jpeg jpe jfif png webp tif tiff gif bmp ppm pgm pbm pnm tga jp2 avif heic heif hif").split())
TRAIN, TEST = "train", ("test", "val", "valid", "validation")   # the first of TEST that exists is the test set


class ImageFile(NamedTuple):
    """An image of a folder: path relative to the folder, number of its class, bytes, time of the last change."""

    path: str
    label: int
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class ImageFolder:
    """The images of a folder, sorted by path.

    classes      the names of the class folders, sorted
    train, test  the files; ``test`` is None if the folder has no split of its own
    unreadable   {path: reason} of folders that cannot be listed
    note         what was left out, a phrase for the user; empty if nothing was
    """

    root: Path
    classes: list[str]
    train: tuple[ImageFile, ...]
    test: tuple[ImageFile, ...] | None
    unreadable: dict[str, str]
    note: str


def is_image_folder(folder: Path | str) -> bool:
    """Whether ``folder`` contains an image, in itself or below."""
    return next(_images(Path(folder), "", {}, Counter()), None) is not None


def scan(folder: Path | str) -> ImageFolder:
    """List the images in ``folder``, by class and split. Symbolic links are followed, each folder of a class once.

    Raises UserError that names the folder if it does not exist, contains no images or no class folders, fewer than two
    classes, a class without images, or a class of the test set that the training set lacks.
    """
    root = Path(folder)
    if not root.is_dir():
        raise UserError(f"{shown(root, 200)}: {'not a folder' if root.exists() else 'no such folder'}; give the path "
                        "of a folder with a subfolder of images per class")
    folders, loose = _children(root)
    names = {name.lower(): name for name in reversed(folders)}
    tests = [names[name] for name in TEST if name in names]
    train = names.get(TRAIN)
    split = train is not None and (tests or len(folders) == 1) and any(
        is_image_folder(root / train / inner) for inner in _children(root / train)[0])
    if train is not None and tests and not split:
        raise UserError(f"{shown(root / train, 200)}: no images in class folders; put the images of each class into a "
                        f"folder of its own, such as {shown(root / train / 'cat' / '1.jpg', 200)}")
    unreadable: dict[str, str] = {}
    other: Counter[str] = Counter()
    if not split:
        classes, files = _classes(root, "", None, unreadable, other)
        parts = files, None
        notes = _count(loose, "image", "outside the class folders")
    else:
        classes, files = _classes(root, train, None, unreadable, other)
        held = _classes(root, tests[0], classes, unreadable, other)[1] if tests else None
        parts = files, held
        notes = [f"{shown(name)}/ is not used" for name in folders if name not in (train, *tests[:1])]
    if not any(parts):
        what = f"{loose:,} images, but no class folders" if loose > 1 else "no images in class folders"
        raise UserError(f"{shown(root, 200)}: {what}; make a folder for each class and put its images there, such as "
                        f"{shown(root, 200)}/cat/1.jpg")
    found = ImageFolder(root, classes, *parts, unreadable, "; ".join(
        notes + [f"{shown(path)} cannot be listed ({reason})" for path, reason in unreadable.items()]
        + _count(sum(other.values()), "file", "of other types", other)))
    check(found, [*files, *(parts[1] or [])])
    return found


def check(folder: ImageFolder, files: Iterable[ImageFile]) -> None:
    """Raise UserError unless ``files``, those that can be used, have two classes or more, and each class has images.

    Without a split of its own, a class needs two images.
    """
    files = list(files)
    where = shown(folder.root, 200)
    if len(files) == 1:
        raise UserError(f"{where}: 1 image; training needs at least two classes with two images each")
    if len(folder.classes) < 2:
        raise UserError(f"{where}: 1 class ({shown(folder.classes[0])}); add a folder with images of another class")
    least = 2 if folder.test is None else 1
    training = set(folder.train)
    counts = Counter(file.label for file in files if least == 2 or file in training)
    for label, name in enumerate(folder.classes):
        if counts[label] < least:
            what = "1 image, needs one to train and one to test" if counts[label] else "no images"
            raise UserError(f"{where}: the class {shown(name)} has {what}; add some, or remove its folder")
    if folder.test is not None and len(files) == counts.total():
        raise UserError(f"{where}: no test images; put some into its test folder, or remove that folder")


def _classes(root, part, known, unreadable, other):
    """(class names, sorted files) of the class folders in root/part. ``known``: the only names that are allowed."""
    names = _children(root / part)[0] if known is None else known
    if known is not None and (more := set(_children(root / part)[0]) - set(known)):
        raise UserError(f"{shown(root / part, 200)}: the class {shown(min(more))} is not among the training images; "
                        "remove its folder, or add it there")
    found = []
    for label, name in enumerate(names):
        for path, size, mtime_ns in _images(root, os.path.join(part, name), unreadable, other):
            found.append(ImageFile(path, label, size, mtime_ns))
    return names, tuple(sorted(found))


def _children(folder):
    """(sorted names of the visible folders, number of images) directly in a folder."""
    try:
        with os.scandir(folder) as entries:
            visible = [entry for entry in entries if not _hidden(entry.name)]
    except OSError as error:
        raise UserError(f"{shown(folder, 200)}: cannot be listed ({error.strerror or error})") from error
    folders = sorted(entry.name for entry in visible if entry.is_dir())
    return folders, sum(not entry.is_dir() and _is_image(entry) for entry in visible)


def _images(root: Path, start: str, unreadable: dict[str, str], other: Counter) -> Iterator[tuple[str, int, int]]:
    """(path relative to root, bytes, mtime in ns) of each image in root/start or below, in any order."""
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
                    if entry.is_dir():
                        waiting.append(path)
                    elif _is_image(entry):
                        yield path, *_stat(entry)
                    else:
                        other[Path(entry.name).suffix.lower()] += 1
        except FileNotFoundError:
            if relative == start:                               # a class without test images
                return
        except OSError as error:
            unreadable[relative] = error.strerror or str(error)


def photos_in(folder: Path | str) -> list[str]:
    """The paths of the visible images directly in a folder, sorted. Raises UserError if there are none."""
    try:
        with os.scandir(folder) as entries:
            found = sorted(entry.path for entry in entries
                           if not _hidden(entry.name) and not entry.is_dir() and _is_image(entry))
    except OSError as error:
        raise UserError(f"{shown(folder, 200)}: cannot be listed ({error.strerror or error})") from error
    if not found:
        raise UserError(f"{shown(folder, 200)}: no image is directly in this folder; name its subfolders or images")
    return found


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
    if suffix not in ("", ".img", ".image", ".bin", ".tmp", ".part") or not entry.is_file():
        return False
    try:
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


def _count(number, noun, what, kinds=()):
    named = ", ".join(shown(kind) for kind in list(kinds)[:3] if kind)
    return [f"{counted(number, noun)} {what}{f' ({named})' if named else ''} skipped"] if number else []
