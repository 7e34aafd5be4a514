"""Writing a data set as PNG files, in a folder per class: the layout that ``data.image_folder`` and other tools read.

    DIR/train/CLASS/00001.png ...        DIR/test/CLASS/00001.png ...
"""

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from ..errors import UserError, shown
from .dataset import Dataset
from .folder import writing
from .image_decode import in_order


def export(dataset: Dataset, folder: Path | str, progress: bool = True) -> None:
    """Write the images of ``dataset`` below ``folder``, which must be new or empty. It gets all of them or none.

    Images are numbered within their class, in the order of the data set. Raises UserError that names the folder if it
    contains something or cannot be written.
    """
    folder = Path(folder)
    if os.path.lexists(folder) and not (folder.is_dir() and not any(folder.iterdir())):
        raise UserError(f"{shown(folder, 200)}: exists and is not an empty folder; choose a new one")
    names = folder_names(dataset.classes)
    place = None
    try:
        with writing(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            place = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name[:100]}."))
            os.chmod(place, 0o777 & ~_umask())
            total = len(dataset.y_train) + len(dataset.y_test)
            with tqdm(total=total, desc="writing", unit=" images", file=sys.stderr, dynamic_ncols=True,
                      disable=not progress or None) as bar:
                for part, x, y in (("train", dataset.x_train, dataset.y_train), ("test", dataset.x_test,
                                                                                 dataset.y_test)):
                    for name in names:
                        (place / part / name).mkdir(parents=True)
                    tasks = [(x, i, place / part / names[label] / f"{number:05}.png")
                             for i, (label, number) in enumerate(zip(y, _numbers(y), strict=True))]
                    for _ in in_order(_write, tasks):
                        bar.update()
            if folder.is_dir():
                folder.rmdir()
            os.replace(place, folder)
    finally:
        if place is not None:
            shutil.rmtree(place, ignore_errors=True)


def folder_names(classes: Sequence[str]) -> list[str]:
    """A name for the folder of each class: without ``/``, control characters and a dot at the start, all different."""
    names: list[str] = []
    for name in classes:
        safe = re.sub(r'[\x00-\x1f\x7f/\\:*?"<>|]', "_", name)
        safe = re.sub(r"^\.|[. ]$", "_", safe)[:100] or "_"
        taken = {other.casefold() for other in names}
        names.append(next(candidate for candidate in (safe, *(f"{safe}-{n}" for n in range(2, len(classes) + 2)))
                          if candidate.casefold() not in taken))
    return names


def _numbers(y):
    """The number of each image within its class, from 1."""
    numbers = np.empty(len(y), np.int64)
    for label in np.unique(y):
        chosen = y == label
        numbers[chosen] = np.arange(1, chosen.sum() + 1)
    return numbers


def _write(task):
    x, i, path = task
    Image.fromarray(x[i]).save(path)


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
