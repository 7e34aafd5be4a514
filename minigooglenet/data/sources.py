"""Files that several servers offer, each pinned by its size and its SHA-256."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import UserError
from .download import AGAIN, download, reachable


@dataclass(frozen=True)
class Source:
    """A file on a server: its URL, sha256 and size in bytes."""

    url: str
    sha256: str
    size: int

    @property
    def name(self) -> str:
        """The name of the file: the last part of the URL."""
        return self.url.rsplit("/", 1)[-1]


def offline() -> bool:
    """Whether MINIGOOGLENET_OFFLINE=1 forbids downloads."""
    return os.environ.get("MINIGOOGLENET_OFFLINE", "0") not in ("", "0")


def fetch_first(sources: Sequence[Source], folder: Path | str, progress: bool = True) -> tuple[Path, Source]:
    """(path, source): the first of ``sources`` that can be downloaded and has its checksum, under its name in
    ``folder``.

    A source with the name of the one before continues its partial download. Raises UserError that names every source
    and why it failed; the caller adds what is missing and what to do.
    """
    if offline():
        raise UserError(f"MINIGOOGLENET_OFFLINE is set, so nothing was requested from {listed(sources)}")
    failures = []
    for source in sources:
        path = Path(folder) / source.name
        try:
            if not reachable(source.url):
                raise UserError(f"{source.url}: its server does not respond")
            download(source.url, path, source.sha256, source.size, progress=progress)
            return path, source
        except UserError as error:
            failures.append(re.sub(AGAIN, "", str(error)))
    raise UserError("; ".join(failures))


def listed(sources: Sequence[Source]) -> str:
    """The URLs of ``sources``, for a message: "A or B"."""
    return " or ".join(source.url for source in sources)
