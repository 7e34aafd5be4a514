"""Loading a data set by name, from a folder, or the best one available."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import UserError, shown
from ..hints import counted
from . import cifar, cifar10, image_cache, shapes10
from .dataset import Dataset
from .image_files import is_image_folder
from .image_folder import ImageFolder, scan
from .records import read_folder

NAMES = ("cifar10", "cifar100", "shapes10")


def load(name: str | Path | None = None, root: str | Path = "datasets", progress: bool = True, size: int | None = None,
         seed: int = 0, skip_bad: bool = False, cache: str | Path | None = None,
         classes: Sequence[str] | None = None) -> Dataset:
    """The data set "cifar10", "cifar100" or "shapes10", or the one in the folder ``name``.

    * "cifar10" and "cifar100" (with its 100 fine labels) are read from ``root``; they are downloaded if missing.
    * "shapes10" is read from ``root``; it is generated if it is missing.
    * Any other name is a folder with a subfolder of images per class (``data.image_folder``), a folder in the binary
      format of CIFAR-10 (``data.records``), or one that contains ``cifar-10-batches-bin``, ``cifar-100-binary`` or
      ``shapes-10-batches-bin``.
    * None means CIFAR-10 if it is in ``root`` or can be downloaded, else Shapes-10 with a ``note`` that says so.

    For a folder of images only:

    * ``size``: they are resized and cropped to size x size pixels (default: 64), once, into the folder ``cache``
      (default: ``root/.cache``).
    * ``seed``: of the split into training and test images, if the folder has none (``data.split``).
    * ``skip_bad``: leave out files that cannot be decoded; otherwise they are an error that lists them.
    * ``classes``: those of a trained network, which is to be tested on these images: all are test images
      (``image_folder.scan``).

    MINIGOOGLENET_OFFLINE=1 in the environment forbids downloads. Raises UserError if the data set is not available or
    not valid.
    """
    if name is None:
        return _best(Path(root), progress)
    if name == "cifar10":
        if not cifar10.present(root):
            cifar10.fetch(root, progress=progress)
        return _dataset("cifar10", *cifar10.read(Path(root) / cifar10.FOLDER))
    if name == "cifar100":
        return _dataset("cifar100", *cifar.read(cifar.CIFAR100, cifar.fetch(cifar.CIFAR100, root, progress=progress)))
    if name == "shapes10":
        return _dataset("shapes10", *shapes10.load(root))
    if not is_images(name):
        return _folder(Path(name))
    folder = scan(name, classes)
    images = image_cache.prepare(folder, size or image_cache.SIZE, seed, cache or Path(root) / ".cache", progress)
    dataset, bad = of_images(folder, images, seed), images.bad
    if not bad:
        return dataset
    if not skip_bad:
        raise UserError(f"{shown(folder.root, 200)}: {image_cache.listed(bad)}; repair or remove the files, or leave "
                        "them out with --skip-bad")
    return dataset.noted(image_cache.listed(bad))


def of_images(folder: ImageFolder, images: image_cache.Images, seed: int = 0) -> Dataset:
    """The Dataset of a folder's decoded images, without those that cannot be decoded."""
    y = np.array([images.files[i].label for i in images.rows], np.int64)
    paths, n = tuple(images.files[i].path for i in images.rows), images.train
    equal = f"{counted(images.left_out, 'training image')} left out, equal to test images"
    divided = (f"{len(y) - n:,} of {len(y):,} images are test images, by a hash of their contents and the seed {seed}"
               if folder.test is None else "all images are test images" if folder.only_test else "")
    note = "; ".join(filter(None, [divided, equal if images.left_out else "", _in_two_classes(images), folder.note]))
    return Dataset(folder.root.resolve().name, images.pixels[:n], y[:n], images.pixels[n:], y[n:], folder.classes,
                   note or None, paths[:n], paths[n:])


def _in_two_classes(images):
    """A phrase about equal files with different labels, or ""."""
    paths: dict[str, dict[int, str]] = {}                       # {digest: {label: path}}
    for file, entry in zip(images.files, images.entries, strict=True):
        if not entry.bad:
            paths.setdefault(entry.digest, {}).setdefault(file.label, file.path)
    found = [list(group.values())[:2] for group in paths.values() if len(group) > 1]
    if not found:
        return ""
    example = " = ".join(shown(path, 100) for path in found[0])
    return f"{counted(len(found), 'image is', 'images are')} in two classes, such as {example}"


def is_images(name: str | Path) -> bool:
    """Whether ``name`` is a folder of image files: not the name of a data set, nor a folder in a binary format."""
    folder, binary = Path(name), (cifar10.FOLDER, shapes10.FOLDER, cifar.CIFAR100.folder)
    return name not in NAMES and is_image_folder(folder) and folder.name not in binary and not any(
        folder.glob("data_batch_*.bin")) and not any((folder / inner).is_dir() for inner in binary)


def _best(root, progress):
    try:
        return load("cifar10", root, progress)
    except UserError:
        if cifar10.present(root):
            raise                       # it exists, but is damaged: the user has to decide
        data, note = shapes10.load(root)
        reason = (f"Shapes-10 replaces CIFAR-10, which is not in {root} and cannot be fetched "
                  f"(for the reason, run: {cifar10.COMMAND})")
        return _dataset("shapes10", data, f"{reason}; {note}" if note else reason)


def _folder(folder):
    try:
        os.stat(folder)
    except FileNotFoundError:
        pass                            # the reader's message lists the names of data sets
    except OSError as error:
        raise UserError(f"{shown(folder, 200)}: cannot be read ({error.strerror or error})") from error
    if not any(folder.glob("data_batch_*.bin")):
        for inner in (cifar10.FOLDER, shapes10.FOLDER, cifar.CIFAR100.folder):
            if (folder / inner).is_dir():
                folder = folder / inner
                break
    if folder.resolve().name == cifar10.FOLDER:
        return _dataset("cifar10", *cifar10.read(folder))
    if folder.resolve().name == cifar.CIFAR100.folder:
        return _dataset("cifar100", *cifar.read(cifar.CIFAR100, folder))
    name = "shapes10" if folder.resolve().name == shapes10.FOLDER else folder.resolve().name
    return _dataset(name, read_folder(folder), None)


def _dataset(name, data, note):
    return Dataset(name, *data, note)
