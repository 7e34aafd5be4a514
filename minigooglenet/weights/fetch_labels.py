"""Downloading the labels of the 1000 ImageNet classes: Caffe's synset_words.txt.

The ONNX model zoo has the same file, byte for byte, under the name synset.txt. If its server fails, the file is taken
from the archive of Caffe's script.

Source: BVLC Caffe, data/ilsvrc12/get_ilsvrc_aux.sh; ONNX model zoo, validated/vision/classification/synset.txt.
"""

import gzip
import hashlib
import tarfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..data.download import reachable, request
from ..data.labels import SYNSET, parse_labels, read_labels
from ..data.sources import Source, listed, offline
from ..errors import UserError
from ..files import write_atomically

RECEIVED = 64_000_000     # bytes of the archive that are read at most; it has about 18 MB
UNPACKED = 128_000_000    # bytes of what is in it

#: the sha256 and the size of synset_words.txt, also where it is part of an archive
_LABELS = ("acf75ef0abe89694b19056e0796401068b459c457baa30335f240c7692857355", 31_675)
SOURCES = (
    Source("https://raw.githubusercontent.com/onnx/models/4c46cd00fbdb7cd30b6c1c17ab54f2e1f4f7b177/validated/vision/"
           "classification/synset.txt", *_LABELS),
    Source("http://dl.caffe.berkeleyvision.org/caffe_ilsvrc12.tar.gz", *_LABELS),
)


def fetch_labels(root: Path | str = "datasets", from_file: Path | str | None = None,
                 sources: Sequence[Source] = SOURCES) -> Path:
    """The path ``root/synset_words.txt``: copied from ``from_file``, or downloaded if it is missing.

    sources: servers that are tried in order; a URL that ends in .tar.gz is an archive that contains the file. None
    forbid the download, and so does MINIGOOGLENET_OFFLINE=1.

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
        contents = _fetched(sources, path)
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


def _fetched(sources, path):
    """The contents of synset_words.txt from the first source that has it."""
    import requests
    import urllib3
    if offline() and sources:
        raise _missing(path, ["MINIGOOGLENET_OFFLINE is set"])
    failures = []
    for source in sources:
        try:
            if not reachable(source.url):
                raise UserError("its server does not respond")
            with request(source.url, {"Accept-Encoding": "identity"}) as reply:
                reply.raise_for_status()
                contents = (_in_archive if source.name.endswith(".tar.gz") else _read)(reply.raw, source.size)
            return _checked(contents, source)
        except UserError as error:
            failures.append(f"{source.url}: {error}")
        except (requests.RequestException, urllib3.exceptions.HTTPError, tarfile.TarError, EOFError, OSError,
                ValueError, zlib.error):
            kind = "is not a tar.gz" if source.name.endswith(".tar.gz") else "has another length"
            failures.append(f"{source.url}: the connection failed or the file {kind}")
    raise _missing(path, failures)


def _read(raw, size):
    """The contents of a reply of exactly ``size`` bytes."""
    contents = _Bounded(raw, size).read()
    if len(contents) < size:
        raise EOFError
    return contents


def _in_archive(raw, size):
    """The contents of synset_words.txt. The download stops after this file; nothing else is unpacked."""
    with (gzip.GzipFile(fileobj=_Bounded(raw, RECEIVED)) as unpacked,
          tarfile.open(fileobj=_Bounded(unpacked, UNPACKED), mode="r|") as archive):
        for member in archive:
            if Path(member.name).name == SYNSET and member.isreg() and member.size == size:
                return archive.extractfile(member).read()
    raise UserError(f"a {SYNSET} of {size:,} bytes is not in the archive")


def _checked(contents, source):
    found = hashlib.sha256(contents).hexdigest()
    if found != source.sha256:
        raise UserError(f"its {SYNSET} has the sha256 {found}, expected {source.sha256}")
    parse_labels(contents, SYNSET)
    return contents


def _missing(path, failures):
    fetched = f" and cannot be fetched ({'; '.join(failures)})" if failures else ""
    return UserError(f"{path} is missing{fetched}, so classes are shown as numbers; download {listed(SOURCES)} "
                     f"yourself and pass the {SYNSET} with: --labels FILE")
