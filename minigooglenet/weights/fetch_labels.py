"""Downloading the labels of the 1000 ImageNet classes: Caffe's synset_words.txt, from the archive of Caffe's script.

Source: BVLC Caffe, data/ilsvrc12/get_ilsvrc_aux.sh.
"""

import gzip
import hashlib
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data.cifar10 import offline
from ..data.download import reachable, request
from ..data.labels import SYNSET, parse_labels, read_labels
from ..errors import UserError
from ..files import write_atomically

RECEIVED = 64_000_000     # bytes of the archive that are read at most; it has about 18 MB
UNPACKED = 128_000_000    # bytes of what is in it


@dataclass(frozen=True)
class Source:
    """The archive with the file of labels: its URL, and the file's sha256 and size in bytes."""

    url: str = "http://dl.caffe.berkeleyvision.org/caffe_ilsvrc12.tar.gz"
    sha256: str = "acf75ef0abe89694b19056e0796401068b459c457baa30335f240c7692857355"
    size: int = 31_675


OFFICIAL = Source()


def fetch_labels(root: Path | str = "datasets", from_file: Path | str | None = None,
                 source: Source | None = OFFICIAL) -> Path:
    """The path ``root/synset_words.txt``: copied from ``from_file``, or downloaded if it is missing.

    source: the archive that contains the file; None forbids the download, and so does MINIGOOGLENET_OFFLINE=1.

    Raises UserError if the file is not available, if ``from_file`` is not a list of 1000 labels, or if a downloaded one
    has another checksum. Nothing is written then.
    """
    path = Path(root) / SYNSET
    if from_file is not None:
        read_labels(from_file)
        contents = Path(from_file).read_bytes()
    elif path.exists():
        read_labels(path)
        return path
    else:
        contents = _from_archive(source, path)
    write_atomically(path, lambda file: file.write(contents))
    return path


class _Bounded:
    """A file that is read up to a limit. Raises OSError beyond: the rest of a stream may be endless."""

    def __init__(self, file: Any, limit: int) -> None:
        self.file, self.left = file, limit

    def read(self, size: int = -1) -> bytes:
        chunk = self.file.read(self.left + 1 if size < 0 else min(size, self.left + 1))
        self.left -= len(chunk)
        if self.left < 0:
            raise OSError("larger than expected")
        return chunk


def _from_archive(source, path):
    """The contents of synset_words.txt. The download stops after this file; nothing else is unpacked."""
    import requests
    import urllib3
    if source is None or offline() or not reachable(source.url):
        raise _missing(path, "MINIGOOGLENET_OFFLINE is set" if offline() else source and "its server does not respond")
    try:
        with request(source.url, {"Accept-Encoding": "identity"}) as reply:
            reply.raise_for_status()
            with (gzip.GzipFile(fileobj=_Bounded(reply.raw, RECEIVED)) as unpacked,
                  tarfile.open(fileobj=_Bounded(unpacked, UNPACKED), mode="r|") as archive):
                for member in archive:
                    if Path(member.name).name == SYNSET and member.isreg() and member.size == source.size:
                        return _checked(archive.extractfile(member).read(), source)
    except (requests.RequestException, urllib3.exceptions.HTTPError, tarfile.TarError, EOFError, OSError, ValueError,
            zlib.error) as error:
        raise _missing(path, "the connection failed or the file is not a tar.gz") from error
    raise _missing(path, f"a {SYNSET} of {source.size:,} bytes is not in the archive")


def _checked(contents, source):
    found = hashlib.sha256(contents).hexdigest()
    if found != source.sha256:
        raise UserError(f"{source.url}: its {SYNSET} has the sha256 {found}, expected {source.sha256}; run the same "
                        "command again, or pass a file with: --labels FILE")
    parse_labels(contents, f"{source.url}: {SYNSET}")
    return contents


def _missing(path, why):
    fetched = f" and cannot be fetched ({why})" if why else ""
    return UserError(f"{path} is missing{fetched}, so classes are shown as numbers; download {OFFICIAL.url} yourself "
                     f"and pass the {SYNSET} in it with: --labels FILE")
