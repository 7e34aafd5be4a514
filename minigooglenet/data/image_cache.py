"""Images of a folder, decoded once: a file of uint8 pixels that later runs map into memory.

    CACHE/NAME-HASH-SIZE/index.json      the files with size, time and digest, and the row of each image
    CACHE/NAME-HASH-SIZE/KEY.uint8       (N, SIZE, SIZE, 3): first the training images, then the test images

HASH is that of the folder's path and the seed of the split, or None if all are test images. The cache is valid as long
as the paths, sizes and times of all files are those of the index; otherwise the files are read, and those whose bytes
are new are decoded. Damaged files are remembered until Pillow changes, files that could not be read are tried again.
KEY depends on the contents. Both files are replaced atomically, the index last: a reader finds old images or new ones,
and never a mixture.
"""

import contextlib
import json
import os
import re
import shutil
import sys
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import PIL

from ..errors import UserError, shown
from ..files import parse_json, write_atomically
from ..hints import counted
from .image_decode import Entry, examine, in_order, square
from .image_folder import ImageFile, ImageFolder, check
from .mapped import mapped, release
from .photos import reads_heic
from .split import split

SIZE, SMALLEST, LARGEST = 64, 8, 1024   # pixels: the default, and the limits
RECIPE = 1                              # increment it when images are decoded differently
INDEX = "index.json"
LISTED = 5                              # damaged files that one line names


@dataclass
class Images:
    """The decoded images of a folder.

    files, entries   all files of the folder, sorted by path, and what is known of each
    rows             the number of the file in each row of ``pixels``, in an order without pattern
    train            the number of training images; they come first
    pixels           uint8 (N, size, size, 3), mapped into memory, read-only
    """

    files: list[ImageFile]
    entries: list[Entry]
    rows: list[int]
    train: int
    pixels: np.memmap = field(repr=False)

    @property
    def bad(self) -> dict[str, str]:
        """{path: reason} of the files that cannot be decoded."""
        return {file.path: entry.bad for file, entry in zip(self.files, self.entries, strict=True) if entry.bad}

    @property
    def left_out(self) -> int:
        """The number of training images that are left out because they are test images as well."""
        return len(self.files) - len(self.rows) - len(self.bad)


def prepare(folder: ImageFolder, size: int = SIZE, seed: int = 0, cache: Path | str = "datasets/.cache",
            progress: bool = True) -> Images:
    """The images of ``folder`` as squares of ``size`` pixels, from the cache; decoded if they are not in it.

    The shorter side is resized to ``size``, with antialiasing, and the center cut. Files that cannot be decoded are
    left out: see ``Images.bad``. A second process that prepares the same images waits for the first.

    Raises UserError if the size is not 8 to 1024, if the remaining images do not make two classes
    (``image_folder.check``), or if the cache cannot be written.
    """
    if not SMALLEST <= size <= LARGEST:
        raise UserError(f"size: got {size}, needs {SMALLEST} to {LARGEST} pixels")
    files = sorted([*folder.train, *(folder.test or ())])
    with _claimed(location(folder.root, size, None if folder.only_test else seed, cache), progress) as place:
        old, decoders = _read(place, size)
        entries = _examined(folder.root, files, old, decoders == _decoders(), progress)
        if old and old.files == files and old.entries == entries:
            return old
        return _build(place, folder, files, entries, size, seed, old, progress)


def location(folder: Path, size: int, seed: int | None, cache: Path | str) -> Path:
    """The place in ``cache`` for the images of ``folder``."""
    path = os.path.realpath(folder)
    digest = blake2b(os.fsencode(path) + f"\0{seed}".encode(), digest_size=5).hexdigest()
    name = re.sub(r"[^\w.-]", "-", os.path.basename(path), flags=re.ASCII)[:40]
    return Path(cache) / f"{name}-{digest}-{size}"


def _read(place, size):
    """(Images, ``_decoders``) of the cache; (None, None) if there is no valid one."""
    try:
        values = parse_json((place / INDEX).read_bytes())
        if values["recipe"] != RECIPE:
            return None, None
        files, entries = [_typed(ImageFile, row) for row in values["files"]], [
            _typed(Entry, row) for row in values["entries"]]
        rows, train = values["rows"], values["train"]
        pixels = mapped(place / Path(values["pixels"]).name, (len(rows), size, size, 3))
        good = (len(files) == len(entries) and all(type(number) is int for number in (train, *rows))
                and 0 <= train < len(rows) == len(set(rows) & set(range(len(files)))))
        return (Images(files, entries, rows, train, pixels), values.get("decoders")) if good else (None, None)
    except (OSError, ValueError, KeyError, TypeError):
        return None, None


def _decoders():
    """On what it depends whether a file can be decoded: the version of Pillow, and whether it reads HEIC."""
    return [PIL.__version__, reads_heic()]


def _typed(kind, row):
    """``kind(*row)``, a NamedTuple. Raises TypeError unless all values have the types of its fields."""
    made = kind(*row)
    if not all(type(value) is wanted for value, wanted in zip(made, kind.__annotations__.values(), strict=True)):
        raise TypeError(f"{row} is not {kind.__name__}")
    return made


def _build(place, folder, files, entries, size, seed, old, progress):
    """Decode the images whose bytes are new, and replace the cache."""
    known = _by_digest(old.pixels, old.rows, old.entries) if old else {}    # {digest: (array, row, entry)}
    keep = Path(old.pixels.filename).name if old else None
    try:
        while True:
            rows, train = _arrange(folder, files, entries, seed)
            key = blake2b("".join(entries[i].digest for i in rows).encode(), digest_size=8).hexdigest()
            path = place / f"{key}.uint8"
            _check_space(place, len(rows) * size * size * 3)
            write_atomically(path, partial(_decode, folder, files, entries, rows, known, size, progress))
            good = [i for i in rows if not entries[i].bad]
            pixels = mapped(path, (len(good), size, size, 3)) if good else None
            if pixels is not None and len(good) == len(rows):
                break
            known |= _by_digest(pixels, good, entries)      # arrange the others, which are only copied this time
        values = {"recipe": RECIPE, "decoders": _decoders(), "pixels": path.name, "train": train, "rows": rows,
                  "files": files, "entries": entries}
        write_atomically(place / INDEX, lambda file: file.write(json.dumps(values)), mode="w")
        keep = path.name
        return Images(files, entries, rows, train, pixels)
    finally:
        for leftover in place.glob("*.uint8"):
            if leftover.name != keep:
                with contextlib.suppress(OSError):
                    leftover.unlink()                       # processes that have mapped it keep it


def _examined(root, files, old, same_decoders, progress):
    """The entry of each file: that of the cache if path, size and time are the same, else the digest is computed.

    Of the files that cannot be decoded, those are examined again that other decoders or another time may read.
    """
    known = {(file.path, file.size, file.mtime_ns): entry
             for file, entry in zip(old.files, old.entries, strict=True)
             if not entry.bad or entry.digest and same_decoders} if old else {}
    entries = [known.get((file.path, file.size, file.mtime_ns)) for file in files]
    new = [i for i, entry in enumerate(entries) if entry is None]
    with _bar(len(new), f"reading {root.name}", progress) as bar:
        for i, entry in zip(new, in_order(lambda i: examine(root, files[i].path), new), strict=True):
            entries[i] = entry
            bar.update()
    return entries


def _by_digest(pixels, rows, entries):
    return {entries[i].digest: (pixels, row, entries[i]) for row, i in enumerate(rows)}


def _arrange(folder, files, entries, seed):
    """(numbers of the files in the order of the rows, number of training images)."""
    good = [i for i, entry in enumerate(entries) if not entry.bad]
    try:
        check(folder, [files[i] for i in good])
        if folder.only_test:
            testing = [True] * len(good)
        elif folder.test is None:
            testing = split([files[i].path for i in good], [files[i].label for i in good],
                            [entries[i].digest for i in good], folder.classes, seed)
        else:
            held = set(folder.test)
            testing = [files[i] in held for i in good]
        hidden = {entries[i].digest for i, test in zip(good, testing, strict=True) if test}
        sides = [[i for i, test in zip(good, testing, strict=True) if not test and entries[i].digest not in hidden],
                 [i for i, test in zip(good, testing, strict=True) if test]]
        _check_left(folder, [files[i] for i in good], [files[i] for i in sides[0]])
        check(folder, [files[i] for side in sides for i in side])
    except UserError as error:
        bad = {file.path: entry.bad for file, entry in zip(files, entries, strict=True) if entry.bad}
        where = "" if str(error).startswith(shown(folder.root, 200)) else f"{shown(folder.root, 200)}: "
        raise UserError(f"{where}{error}" + (f"; {listed(bad)}" if bad else "")) from None
    for side in sides:
        side.sort(key=lambda i: (entries[i].digest, i))     # without pattern, and the same on every machine
    return sides[0] + sides[1], len(sides[0])


def _check_left(folder, good, train):
    """Raise UserError if all training images of a class are left out: a training set that is also the test set."""
    training, left = set(folder.train), Counter(file.label for file in train)
    given = [file for file in good if file in training]
    for file in given:
        if not left[file.label]:
            parts = " or in ".join(f"{shown(one.path.split(os.sep)[0])}/" for one in (file, folder.test[0]))
            raise UserError(f"{counted(len(given) - len(train), 'training image')} left out, equal to test images, "
                            f"and the class {shown(folder.classes[file.label])} has no others; keep each image either "
                            f"in {parts}")


def _decode(folder, files, entries, rows, known, size, progress, file):
    """Write the images of ``rows`` to ``file``, without those that cannot be decoded, and complete their entries."""
    def one(i: int) -> tuple[np.ndarray | None, Entry]:
        if entries[i].digest in known:
            pixels, row, entry = known[entries[i].digest]
            return pixels[row], entry
        return square(folder.root, files[i].path, entries[i].digest, size)

    with _bar(len(rows), f"decoding {folder.root.name}", progress) as bar, warnings.catch_warnings():
        for number, (i, (pixels, entry)) in enumerate(zip(rows, in_order(one, rows), strict=True)):
            entries[i] = entry
            if pixels is not None:
                file.write(pixels.data)
                if number % 1000 == 0:
                    release(pixels)
            bar.update()


def listed(bad: Mapping[str, str]) -> str:
    """ "2 images cannot be decoded: cat/1.jpg (the file is empty), ..." in one line."""
    named = [f"{shown(path, 100)} ({shown(reason, 200)})" for path, reason in list(bad.items())[:LISTED]]
    more = [f"{len(bad) - LISTED:,} more"] if len(bad) > LISTED else []
    return f"{counted(len(bad), 'image')} cannot be decoded: {', '.join(named + more)}"


def _check_space(place, need):
    free = shutil.disk_usage(place).free
    if need > free:
        raise UserError(f"{place}: needs {need / 1e9:.1f} GB for the decoded images, {free / 1e9:.1f} GB are free; "
                        "free some space, or choose another folder with --datasets")


def _bar(total: int, what: str, progress: bool) -> Any:
    from tqdm import tqdm
    return tqdm(total=total, desc=shown(what), unit=" images", file=sys.stderr, dynamic_ncols=True,
                disable=not progress or None)


@contextlib.contextmanager
def _claimed(place: Path, progress: bool) -> Iterator[Path]:
    """Inside, no other process writes to this place of the cache: the others wait."""
    lock = None
    try:
        place.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(ImportError):              # not POSIX: without a lock, but still atomic
            import fcntl
            lock = os.open(place, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if progress:
                    print("another process decodes these images; waiting for it", file=sys.stderr)
                fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError as error:
        if not place.is_dir():
            raise UserError(f"{place}: cannot be written ({error.strerror or error}); choose another folder with "
                            "--datasets") from error
    try:
        for leftover in place.glob(".*.part"):              # of a process that was killed
            with contextlib.suppress(OSError):
                leftover.unlink()
        yield place
    finally:
        with contextlib.suppress(OSError):
            place.rmdir()                                   # if nothing was written
        if lock is not None:
            os.close(lock)
