"""Taking the expected files out of a tar archive, and nothing else, whatever the archive holds."""

import contextlib
import gzip
import os
import shutil
import tarfile
import tempfile
import zlib
from pathlib import Path, PurePosixPath

from ..errors import UserError

HEADERS = 2 ** 20                       # bytes allowed for the tar's own headers and for files we do not want


class _TooLong(Exception):
    pass


class _Bounded:
    """A stream that refuses to give more than ``left`` bytes: a small archive may unpack to any size."""

    def __init__(self, file, left):
        self.file, self.left = file, left

    def read(self, size):
        piece = self.file.read(min(size, self.left + 1))
        self.left -= len(piece)
        if self.left < 0:
            raise _TooLong
        return piece


@contextlib.contextmanager
def unpacked(archive, folder, sizes, required):
    """``with unpacked(...) as place:`` the files of ``archive`` (tar or tar.gz) that ``sizes`` names lie in ``place``.

    ``place`` is a temporary neighbour of ``folder``. If the block ends well, every file in it moves on to ``folder``
    (which may exist), else it vanishes: the block can look at the files first, and add some.

    ``sizes`` maps a file name to the largest number of bytes it may have; ``required`` are the names that must come.
    Members are known by the last part of their names only, so nothing can be written outside ``place``. An archive
    with links, devices, absolute names or ``..`` is refused as a whole; other ordinary files are passed over.

    Raises UserError naming the archive for what is wrong with it, or the folder where it cannot be written.
    """
    folder = Path(folder)
    with _writing(folder.parent):
        folder.parent.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        found = _unpack(archive, place, sizes)
        if missing := [name for name in required if name not in found]:
            raise UserError(f"{archive}: {missing[0]} is not in it; it has the wrong contents, fetch it again")
        yield place
        with _writing(folder):
            folder.mkdir(exist_ok=True)
            for path in sorted(place.iterdir()):
                os.replace(path, folder / path.name)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _unpack(archive, place, sizes):
    found = []
    try:
        with open(archive, "rb") as file:
            zipped = file.read(2) == b"\x1f\x8b"
        with (gzip.open if zipped else open)(archive, "rb") as file:
            stream = _Bounded(file, sum(sizes.values()) + HEADERS)
            with tarfile.open(fileobj=stream, mode="r|") as tar:
                for member in tar:
                    if _wanted(archive, member, sizes):
                        data = tar.extractfile(member).read()
                        with _writing(place):
                            (place / member.name).write_bytes(data)
                        found.append(member.name)
    except _TooLong:
        raise UserError(f"{archive}: it unpacks to more than {sum(sizes.values()) + HEADERS:,} bytes; this is not the "
                        "archive that was meant") from None
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError) as error:
        raise UserError(f"{archive}: this is not a whole tar archive ({error}); fetch it again") from error
    except OSError as error:
        raise UserError(f"{archive}: cannot be read ({error.strerror or error}); check the file") from error
    return found


def _wanted(archive, member, sizes):
    """Whether to write this member; its name is then reduced to its last part."""
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or not (member.isreg() or member.isdir()):
        raise UserError(f"{archive}: it contains {member.name!r}, a link, a device or a place outside the folder; "
                        "nothing was unpacked")
    if not member.isreg() or path.name not in sizes:
        return False
    if member.size > sizes[path.name]:
        raise UserError(f"{archive}: {path.name} has {member.size:,} bytes in it, expected at most "
                        f"{sizes[path.name]:,}; this is not the archive that was meant")
    member.name = path.name
    return True


@contextlib.contextmanager
def _writing(folder):
    try:
        yield
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror or error}); free some space or choose another "
                        "folder") from error
