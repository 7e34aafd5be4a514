"""Extracting expected files, and only those, from a tar archive that is not trusted."""

import contextlib
import gzip
import tarfile
import zlib
from collections.abc import Collection, Container, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from ..errors import UserError, shown
from .folder import replacing, writing

HEADERS = 2 ** 18                       # bytes allowed for the tar headers and for unwanted files
EXTENDED = 2 ** 12                      # bytes of one extended header


class Member(tarfile.TarInfo):
    """A member of a tar archive whose extended header is short; ``tarfile.open(..., tarinfo=Member)``."""

    def _proc_pax(self, *arguments):                # called for extended headers only
        if self.size > EXTENDED:                    # some versions of Python need quadratic time (CVE-2024-6232)
            raise tarfile.ReadError(f"a header of {self.size:,} bytes")
        return super()._proc_pax(*arguments)


class _TooLong(Exception):
    pass


class _Bounded:
    """A stream that refuses to return more than ``left`` bytes: a small archive can unpack to any size.

    ``left`` grows by the size of each expected file when its header has been read.
    """

    def __init__(self, file, left):
        self.file, self.left = file, left

    def read(self, size):
        data = self.file.read(min(size, self.left + 1))
        self.left -= len(data)
        if self.left < 0:
            raise _TooLong
        return data


@contextlib.contextmanager
def unpacked(archive: Path | str, folder: Path | str, sizes: Mapping[str, int], required: Sequence[str],
             obsolete: Collection[str] = (), last: str | None = None) -> Iterator[Path]:
    """``with unpacked(...) as place:`` extracts the files that ``sizes`` names from ``archive`` (tar or tar.gz).

    ``place`` is a temporary folder. If the block succeeds, its files replace those in ``folder``, all or none, and the
    ``obsolete`` ones are removed: see ``folder.replacing``. Otherwise ``place`` is deleted. The block can check the
    files first, add some, and replace some by others; ``last`` (default: the last required one) is the file without
    which a reader refuses the folder.

    ``sizes`` maps a file name to its maximum size in bytes; ``required`` lists the names that must be present. Only the
    last part of a member's name is used, so nothing can be written outside ``place``. An archive that contains links,
    devices, absolute names or ``..`` is refused entirely; other regular files are skipped.

    Raises UserError that names the archive if it is invalid, or the folder if it cannot be written.
    """
    with replacing(folder, last or required[-1], obsolete) as place:
        found = _unpack(archive, place, sizes)
        if missing := [name for name in required if name not in found]:
            raise UserError(f"{archive}: {missing[0]} is not in the archive; it has the wrong contents, fetch it again")
        yield place


def first_known(archive: Path | str, names: Container[str]) -> str | None:
    """The first of ``names`` that is the last part of a file's name in an archive; None if there is none.

    Raises UserError that names the archive if it is invalid.
    """
    with _opened(archive) as (tar, _):
        return next((name for member in tar if (name := PurePosixPath(member.name).name) in names and member.isreg()),
                    None)


def _unpack(archive, place, sizes):
    found = []
    with _opened(archive) as (tar, stream):
        for member in tar:
            if not _wanted(archive, member, sizes):
                continue
            if member.name in found:
                raise UserError(f"{archive}: {member.name} is contained twice; this is not the expected archive")
            stream.left += member.size
            data = tar.extractfile(member).read()
            with writing(place):
                (place / member.name).write_bytes(data)
            found.append(member.name)
    return found


@contextlib.contextmanager
def _opened(archive):
    """(the tar archive, its stream, bounded to HEADERS bytes). Errors of both become a UserError."""
    try:
        with open(archive, "rb") as file:
            compressed = file.read(2) == b"\x1f\x8b"
        with (gzip.open if compressed else open)(archive, "rb") as file:
            stream = _Bounded(file, HEADERS)
            with tarfile.open(fileobj=stream, mode="r|", tarinfo=Member) as tar:
                yield tar, stream
    except _TooLong:
        raise UserError(f"{archive}: unpacks to more than {HEADERS:,} bytes besides the expected files; this is not "
                        "the expected archive") from None
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError) as error:
        raise UserError(f"{archive}: not a complete tar archive ({error}); fetch it again") from error
    except OSError as error:
        raise UserError(f"{archive}: cannot be read ({error.strerror or error}); check the file") from error


def _wanted(archive, member, sizes):
    """Whether to extract this member; its name is then reduced to its last part."""
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or not (member.isreg() or member.isdir()):
        raise UserError(f"{archive}: contains '{shown(member.name)}', which is a link, a device or a path outside the "
                        "folder; nothing was unpacked")
    if not member.isreg() or path.name not in sizes:
        return False
    if member.size > sizes[path.name]:
        raise UserError(f"{archive}: {path.name} has {member.size:,} bytes, expected at most "
                        f"{sizes[path.name]:,}; this is not the expected archive")
    member.name = path.name
    return True
