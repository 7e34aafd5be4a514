"""Writing files so that a reader never sees half of one."""

import contextlib
import os
import tempfile
from pathlib import Path

from .errors import UserError


def write_atomically(path, write, mode="wb"):
    """Call ``write(file)`` on a temporary neighbour of ``path``, flush it to disk, then rename it over ``path``.

    If anything fails (a full disk, an unwritable folder, Ctrl-C) the old file is untouched and the temporary one gone.

    Raises UserError naming the file where the system refuses to write.
    """
    path = Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        with os.fdopen(handle, mode, encoding=None if "b" in mode else "utf-8") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror or error}); free some space or choose "
                        "another folder") from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def check_writable(path):
    """Raise UserError if ``write_atomically`` would refuse ``path``, as far as can be told beforehand, so that no work
    is done for nothing. Changes nothing."""
    path = Path(path)
    with contextlib.suppress(OSError):
        if path.is_dir():
            raise UserError(f"{path}: cannot be written, as it is a folder; choose another name")
        folder = next(parent for parent in path.absolute().parents if parent.exists())
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            raise UserError(f"{path}: cannot be written, as {folder} is "
                            f"{'write-protected' if folder.is_dir() else 'no folder'}; choose another folder")


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
