"""Replacing the files of a folder together: after a failure it contains the old files, and never a mixture."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

from ..errors import UserError


@contextlib.contextmanager
def replacing(folder: Path | str, last: str, obsolete: Collection[str] = ()) -> Iterator[Path]:
    """``with replacing(folder, last) as place:`` writes to ``place``, a temporary folder, and then moves all files.

    If the block succeeds, the files in ``place`` replace those of the same names in ``folder``, which may be new, and
    the ``obsolete`` ones are removed. If the block or a move fails, the old files are as they were.

    The file ``last`` is removed first and put in place last. If the process is killed between the moves, it is missing,
    so a reader that requires it does not read new files together with old ones.

    Raises UserError that names the folder if it cannot be written.
    """
    folder = Path(folder)
    with writing(folder):
        outside = folder if folder.is_dir() else folder.parent          # the same file system, so files can be moved
        outside.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(dir=outside, prefix=f".{folder.name}."))
    try:
        yield place
        with writing(folder):
            old = Path(tempfile.mkdtemp(dir=place))
            folder.mkdir(exist_ok=True)
            _move(place, folder, old, sorted((path.name for path in place.iterdir() if path != old),
                                             key=lambda name: name == last), obsolete, last)
    except UserError as error:
        raise UserError(str(error).replace(str(place), str(folder))) from error
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _move(place, folder, old, names, obsolete, last):
    """Move the files ``names`` from ``place`` to ``folder``, and those they replace to ``old``; undo it on failure."""
    moved, saved = [], []
    try:
        for name in (last, *obsolete, *names):
            if os.path.lexists(folder / name):
                if (folder / name).is_dir() and not (folder / name).is_symlink():
                    raise IsADirectoryError(f"{name} is a folder")
                os.replace(folder / name, old / name)
                saved.append(name)
        for name in names:
            os.replace(place / name, folder / name)
            moved.append(name)
    except BaseException:
        for name in moved:
            with contextlib.suppress(OSError):
                os.unlink(folder / name)
        for name in reversed(saved):                                    # the last one is the first that was removed
            with contextlib.suppress(OSError):
                os.replace(old / name, folder / name)
        raise


@contextlib.contextmanager
def writing(folder: Path | str) -> Iterator[None]:
    """Raise UserError that names ``folder`` if the block cannot write."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror or error}); free some space or choose another "
                        "folder") from error
