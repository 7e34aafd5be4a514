"""The door for files that people hand in: is it a file at all, and what is it really?"""

import stat
from pathlib import Path

from .errors import UserError

_SIGNS = (  # (where, bytes, what such a file is)
    (0, b"version https://git-lfs", "a git-lfs pointer and not the file itself; fetch it with: git lfs pull"),
    (0, b"\xff\xd8\xff", "a JPEG picture"),
    (0, b"\x89PNG\r\n", "a PNG picture"),
    (0, b"GIF8", "a GIF picture"),
    (0, b"%PDF", "a PDF document"),
    (0, b"\x89HDF\r\n", "an HDF5 file"),
    (0, b"PK\x03\x04", "a zip archive (PyTorch's .pt and NumPy's .npz are such archives)"),
    (0, b"\x93NUMPY", "a NumPy .npy file"),
    (0, b"\x1f\x8b", "gzip-compressed; unpack it first"),
    (0, b"\xfd7zXZ", "xz-compressed; unpack it first"),
    (0, b"BZh", "bzip2-compressed; unpack it first"),
    (257, b"ustar", "a tar archive; unpack it first"),
)


def regular_file(path, what, limit=None):
    """The size in bytes of an existing, ordinary, non-empty file.

    what: a noun phrase for the message ("the weights"). limit: the largest size allowed, or None.

    Raises UserError for a missing file, a folder, a device or pipe (reading one might never end), an empty file and one
    over the limit.
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
        raise UserError(f"{path}: a device or pipe and not a file; give the path of {what}")
    if found.st_size == 0:
        raise UserError(f"{path}: the file is empty; give the path of {what}")
    if limit is not None and found.st_size > limit:
        raise UserError(f"{path}: {found.st_size:,} bytes, expected at most {limit:,}")
    return found.st_size


def recognise(head):
    """What a file is from its first bytes (some hundreds), as words that follow "this is", or None if unknown."""
    for at, sign, what in _SIGNS:
        if head[at:at + len(sign)] == sign:
            return what
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head")):
        return "a web page and not the file behind it"
    if start.startswith(b"<?xml"):
        return "an XML file"
    return None
