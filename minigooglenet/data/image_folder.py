"""A folder of images with a subfolder per class: its classes and its split, and what is wrong with it. Nothing is
decoded here.

    DIR/cat/1.jpg                DIR/dog/2.png              no split: ``data.split`` makes one
    DIR/train/cat/1.jpg ...      DIR/test/cat/3.jpg ...     a split of its own; TRAIN and TEST are its names

Images in nested folders belong to the class of the top folder.
"""

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ..errors import UserError, shown
from ..hints import counted
from .image_files import children, folders_in, images_in, is_image_folder

TRAIN = ("train", "training")           # in upper or lower case; the first that exists
TEST = ("test", "testing", "eval", "evaluation", "val", "valid", "validation")  # the first with images of classes
PARTS = 3                               # the folders of a split, at most: training, validation, test
RUN = "checkpoint.safetensors"          # a file in the folder of each run


class ImageFile(NamedTuple):
    """An image of a folder: path relative to the folder, number of its class, bytes, time of the last change."""

    path: str
    label: int
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class ImageFolder:
    """The images of a folder, sorted by path.

    classes      the names of the class folders, sorted; or those of a trained network
    train, test  the files; ``test`` is None if the folder has no split of its own
    unreadable   {path: reason} of folders that cannot be listed
    note         what was left out, a phrase for the user; empty if nothing was
    only_test    whether the images are to test a trained network; then ``train`` is empty
    """

    root: Path
    classes: list[str]
    train: tuple[ImageFile, ...]
    test: tuple[ImageFile, ...] | None
    unreadable: dict[str, str]
    note: str
    only_test: bool = False


@dataclass
class _LeftOut:
    """What is not used: {path: reason} of unreadable folders, other files by suffix, images outside of classes."""

    unreadable: dict[str, str] = field(default_factory=dict)
    other: Counter[str] = field(default_factory=Counter)
    loose: int = 0


def scan(folder: Path | str, classes: Sequence[str] | None = None) -> ImageFolder:
    """List the images in ``folder``, by class and split. Symbolic links are followed, each folder of a class once.

    ``classes`` are those of a trained network. If they are given, there are no training images: all images are test
    images, or those in the test folder if there is one, and a single one is enough.

    Folders that this program writes, such as datasets/ and runs/, are left out. Raises UserError that names the folder
    if it does not exist, contains no images or no class folders, fewer than two classes, a class without images, or a
    class of the test set that the training set or the network lacks.
    """
    root = Path(folder)
    if not os.path.isdir(root):
        what = "not a folder" if os.path.exists(root) else "no such folder"
        raise UserError(f"{shown(root, 200)}: {what}; give the path of a folder with a subfolder of images per class")
    every, loose, _ = children(root)
    own = [name for name in every if _is_own(root / name)]
    folders, left = [name for name in every if name not in own], _LeftOut()
    if classes is None:
        train, test = _split(root, folders)
        names = _names(folders_in(root / train) if train else folders)
        files = _files(root, train, names, own, left)
        held = None if test is None else _files(root, test, names, own, left, "the training images", "add it there")
    else:
        train, test, names = None, _tested(root, folders, classes), list(classes)
        files, held = (), _files(root, test, names, own, left, f"the network's ({shown(', '.join(names), 100)})",
                                 "give it the name of one of them")
    if not files and not held:
        what = f"{loose:,} images, but no class folders" if loose > 1 else "no images in class folders"
        raise UserError(f"{shown(root, 200)}: {what}; make a folder for each class and put its images there, such as "
                        f"{shown(root, 200)}/cat/1.jpg")
    used = [part for part in (train, test) if part]
    found = ImageFolder(root, names, files, held, left.unreadable, "; ".join(
        ([f"{', '.join(f'{shown(name)}/' for name in own)} left out, written by this program"] if own else [])
        + [f"{shown(name)}/ is not used" for name in folders if used and name not in used]
        + [f"{shown(path)} cannot be listed ({reason})" for path, reason in left.unreadable.items()]
        + _count(left.loose, "image", "outside the class folders")
        + _count(left.other.total(), "file", "of other types", left.other)), classes is not None)
    check(found, [*files, *(held or [])])
    return found


def check(folder: ImageFolder, files: Iterable[ImageFile]) -> None:
    """Raise UserError unless ``files``, those that can be used, have two classes or more, and each class has images.

    Without a split of its own, a class needs two images. To test a trained network one image is enough.
    """
    files = list(files)
    where = shown(folder.root, 200)
    if folder.only_test:
        if not files:
            raise UserError(f"{where}: no image can be used")
        return
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


# -- which folders are classes, and which are a split -----------------------------------------------------------------

def _split(root, folders):
    """(train, test): the parts of the split that ``root`` has; ("", None) if its folders are the classes.

    Raises UserError for folders that are neither.
    """
    names = {name.lower(): name for name in reversed(folders)}
    train = next((names[name] for name in TRAIN if name in names), "")
    tests = [names[name] for name in TEST if name in names]
    if not train or not tests and len(folders) > 1:                 # a class may be called train
        _check_alike(root, folders)
        train = ""
    elif not _has_classes(root / train):
        if tests:
            raise UserError(f"{shown(root / train, 200)}: no images in class folders; put the images of each class "
                            f"into a folder of its own, such as {shown(root / train / 'cat' / '1.jpg', 200)}")
        train = ""
    if not train or not tests:
        _check_depth(root, train)
        return train, None
    return train, next((name for name in tests if _has_classes(root / name)), tests[0])


def _tested(root, folders, classes):
    """The folder in ``root`` whose folders are the classes of a trained network; "" for root itself."""
    known, names = set(map(_key, classes)), {name.lower(): name for name in reversed(folders)}
    if any(_key(name) in known for name in folders):
        return ""
    for name in (*TEST, *TRAIN):
        if name in names and _has_classes(root / names[name]):
            return names[name]
    _check_depth(root, "")
    return ""


def _check_alike(root, folders):
    """Raise UserError if the folders are parts of a split with names of its own, such as seg_train and seg_test: one is
    called train, more or less, and all have the same folders."""
    if not 2 <= len(folders) <= PARTS or not any(TRAIN[0] in name.lower() for name in folders):
        return
    same = sorted(set.intersection(*({_key(inner) for inner in _filled(root / name)} for name in folders)))
    parts_of_classes = {name.lower() for name in same} & {*TRAIN, *TEST}        # cat/train, cat/test, dog/train ...
    if len(same) > 1 and not parts_of_classes and not any(children(root / name).images for name in folders):
        raise UserError(
            f"{shown(root, 200)}: looks like a split, not like classes: "
            f"{' and '.join(f'{shown(name)}/' for name in folders)} have the same folders ({_listed(same)}); call the "
            "folders train and test, or, if they are classes, put their images directly into them")


def _check_depth(root, part):
    """Raise UserError if the class folders are in a folder that is alone, as where an archive was unpacked."""
    place = root / part
    while len((inside := children(place)).folders) == 1 and not inside.images:
        place /= inside.folders[0]
    if place != root / part and len(filled := _filled(place)) > 1:
        raise UserError(f"{shown(root, 200)}: the folders with images ({_listed(filled)}) are in "
                        f"{shown(place, 300)}; use that folder")


def _has_classes(folder):
    return any(is_image_folder(folder / name) for name in folders_in(folder))


def _filled(folder):
    return [name for name in folders_in(folder) if is_image_folder(folder / name)]


def _is_own(folder):
    """Whether this program wrote a folder: it holds the cache of decoded images, a run, or runs, or will hold them."""
    if folder.name in ("datasets", "runs") and not is_image_folder(folder):
        return True
    return os.path.isdir(folder / ".cache") or os.path.isfile(folder / RUN) or any(
        os.path.isfile(folder / name / run) for name in folders_in(folder) for run in (RUN, f"model-1/{RUN}"))


# -- the files of a part ----------------------------------------------------------------------------------------------

def _names(folders):
    """The names of the classes: one of those that differ only in how Unicode composes them (macOS or others)."""
    return sorted({_key(name): name for name in reversed(folders)}.values())


def _key(name):
    return unicodedata.normalize("NFC", name)


def _files(root, part, classes, own, left, among="", fix=""):
    """The sorted images of the class folders in root/part. Raises UserError for a class that is not ``among`` these."""
    labels, found = {_key(name): label for label, name in enumerate(classes)}, []
    inside = children(root / part)
    left.loose += inside.images
    left.unreadable |= {os.path.join(part, name): reason for name, reason in inside.broken.items()}
    for name in inside.folders:
        if not part and name in own:
            continue
        if _key(name) in labels:
            found += [ImageFile(path, labels[_key(name)], size, mtime_ns) for path, size, mtime_ns in images_in(
                root, os.path.join(part, name), left.unreadable, left.other)]
        elif is_image_folder(root / part / name):
            raise UserError(f"{shown(root / part, 200)}: the class {shown(name)} is not among {among}; remove its "
                            f"folder, or {fix}")
    return tuple(sorted(found))


def _listed(names):
    return ", ".join(shown(name, 30) for name in names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _count(number, noun, what, kinds=()):
    named = ", ".join(shown(kind) for kind in list(kinds)[:3] if kind)
    return [f"{counted(number, noun)} {what}{f' ({named})' if named else ''} skipped"] if number else []
