"""Atomic file writes, and checks of input files: whether a path is a regular file, what kind of file, valid JSON."""

import contextlib
import json
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .errors import UserError

_SIGNATURES = (  # (offset, bytes, description of such a file)
    (0, b"version https://git-lfs", "a git-lfs pointer and not the file itself; fetch it with: git lfs pull"),
    (0, b"\xff\xd8\xff", "a JPEG image"),
    (0, b"\x89PNG\r\n", "a PNG image"),
    (0, b"GIF8", "a GIF image"),
    (0, b"II*\0", "a TIFF image"),
    (0, b"MM\0*", "a TIFF image"),
    (8, b"WEBP", "a WebP image"),
    (4, b"ftypavif", "an AVIF photo; save it as JPEG first"),
    *((4, b"ftyp" + brand, "a HEIC photo; save it as JPEG first") for brand in (
        b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")),
    (4, b"ftypcrx ", "a camera's raw photo; save it as JPEG first"),
    (4, b"ftyp", "an MP4 or QuickTime video; save a frame of it as an image first"),
    (4, b"moov", "a QuickTime video; save a frame of it as an image first"),
    (0, b"\x1aE\xdf\xa3", "a Matroska or WebM video; save a frame of it as an image first"),
    (8, b"AVI LIST", "an AVI video; save a frame of it as an image first"),
    (0, b"\0\0\0\x0cJXL ", "a JPEG XL photo; save it as JPEG first"),
    (0, b"\xff\x0a", "a JPEG XL photo; save it as JPEG first"),
    (0, b"SIMPLE  =", "a FITS image of unknown brightness; save it as PNG first"),
    (0, b"icns", "a macOS icon; save it as PNG first"),
    (0, b"%!PS", "a PostScript drawing; save it as PNG first"),
    (0, b"%PDF", "a PDF document"),
    (0, b"\x89HDF\r\n", "an HDF5 file"),
    (0, b"PK\x03\x04", "a zip archive (PyTorch's .pt and NumPy's .npz are such archives)"),
    (0, b"\x93NUMPY", "a NumPy .npy file"),
    (0, b"\x1f\x8b", "gzip-compressed; unpack it first"),
    (0, b"\xfd7zXZ", "xz-compressed; unpack it first"),
    (0, b"BZh", "bzip2-compressed; unpack it first"),
    (257, b"ustar", "a tar archive; unpack it first"),
)


def write_atomically(path: Path | str, write: Callable[[Any], Any], mode: str = "wb") -> None:
    """Call ``write(file)`` on a temporary file next to ``path``, flush it to disk, then rename it to ``path``.

    If anything fails (a full disk, an unwritable folder, Ctrl-C), the old file is unchanged and the temporary file is
    removed. A symbolic link stays, and the file that it points to is written. Raises UserError that names the file if
    it is a folder, a device or a pipe, or if the system refuses to write.
    """
    temporary = None
    try:
        target = _target(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
        with os.fdopen(handle, mode, encoding=None if "b" in mode else "utf-8") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, target)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror or error}); free some space or choose "
                        "another folder") from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def check_writable(path: Path | str) -> None:
    """Raise UserError if ``write_atomically`` would fail for ``path``, as far as this can be known in advance.

    Call it before a long computation. It changes nothing on disk."""
    with contextlib.suppress(OSError):
        folder = next(parent for parent in _target(path).absolute().parents if parent.exists())
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            raise UserError(f"{path}: cannot be written because {folder} is "
                            f"{'write-protected' if folder.is_dir() else 'not a folder'}; choose another folder")


def _target(path):
    """The file that ``path`` names, behind any symbolic links. Raises UserError if it is not a regular file.

    Replacing a device would break it for the whole system; writing to a pipe may never end.
    """
    target = Path(os.path.realpath(path))
    try:
        kind = target.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return target
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror or error}); choose another name") from error
    if not stat.S_ISREG(kind):
        what = "a folder" if stat.S_ISDIR(kind) else "a device or pipe"
        raise UserError(f"{path}: cannot be written because it is {what}; choose another name")
    return target


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def regular_file(path: Path | str, what: str, limit: int | None = None) -> int:
    """The size in bytes of an existing, regular, non-empty file.

    what: a noun phrase for the message ("the weights"). limit: the largest allowed size, or None.

    Raises UserError for a missing file, a folder, a device or pipe (reading one may never end), an empty file, or a
    file larger than ``limit``.
    """
    path = Path(path)
    try:
        found = path.stat()
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; give the path of {what}") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    if stat.S_ISDIR(found.st_mode):
        raise UserError(f"{path}: a folder; give the path of {what}")
    if not stat.S_ISREG(found.st_mode):
        raise UserError(f"{path}: a device or pipe, not a regular file; give the path of {what}")
    if found.st_size == 0:
        raise UserError(f"{path}: the file is empty; give the path of {what}")
    if limit is not None and found.st_size > limit:
        raise UserError(f"{path}: {found.st_size:,} bytes, expected at most {limit:,}")
    return found.st_size


def parse_json(text: str | bytes) -> Any:
    """``json.loads``, whose only exception here is ValueError: also for values nested deeper than its parser goes."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def recognize(head: bytes) -> str | None:
    """The kind of a file, from its first 300 bytes or more: a phrase that follows "this is", or None if unknown."""
    for offset, signature, what in _SIGNATURES:
        if head[offset:offset + len(signature)] == signature:
            return what
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head")):
        return "a web page and not the file behind it"
    if b"<svg" in start and start.startswith(b"<") or start.startswith(b"<!doctype svg"):
        return "an SVG drawing; save it as PNG first"
    if start.startswith(b"<?xml"):
        return "an XML file"
    return None
