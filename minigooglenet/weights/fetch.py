"""Downloading the weights of Caffe's GoogLeNet of 2014, released by BVLC for unrestricted use.

The readme of the model states the sha1 of the file. A valid GoogLeNet with another checksum (for example without the
auxiliary classifiers, or fine-tuned) is accepted, and reported in one line.

Source: BVLC Caffe, models/bvlc_googlenet/readme.md.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from ..data.cifar10 import offline
from ..data.download import digest_of, download, reachable
from ..errors import UserError
from ..files import write_atomically
from .caffemodel import caffe_parameters

FILE = "bvlc_googlenet.caffemodel"


@dataclass(frozen=True)
class Source:
    """The file of the weights: its URL, sha1 and size in bytes."""

    url: str = "http://dl.caffe.berkeleyvision.org/bvlc_googlenet.caffemodel"
    sha1: str = "405fc5acd08a3bb12de8ee5e23a96bec22f08204"
    size: int = 53_533_754


OFFICIAL = Source()


def fetch(root: Path | str = "datasets", from_file: Path | str | None = None, source: Source = OFFICIAL,
          progress: bool = True) -> tuple[Path, str | None]:
    """(path, note): the weights at ``root/bvlc_googlenet.caffemodel``, downloaded or copied if they are missing.

    from_file: a ``.caffemodel`` on disk; it is verified first and then copied.
    note: None for the official file, else one line that says that it is another.

    A valid file at the path is left unchanged. An interrupted download is continued. MINIGOOGLENET_OFFLINE=1 forbids
    downloads. Raises UserError if the
    server does not respond, the download is invalid, or ``from_file`` is not a GoogLeNet.
    """
    path = Path(root) / FILE
    if from_file is not None:
        note = check(from_file, source)
        if not (path.exists() and path.samefile(from_file)):
            with open(from_file, "rb") as file:
                write_atomically(path, lambda copy: shutil.copyfileobj(file, copy))
        return path, note and check(path, source)
    if not path.exists():
        _download(path, source, progress)
    try:
        return path, check(path, source)
    except UserError as error:
        raise UserError(f"{error} (remove it first)") from None


def check(path: Path | str, source: Source = OFFICIAL) -> str | None:
    """None if ``path`` is the official file, one line if it is another GoogLeNet. Raises UserError if it is neither."""
    caffe_parameters(path)
    found = digest_of(path, "sha1")
    if found == source.sha1:
        return None
    return f"{path}: a GoogLeNet, but not the official file (sha1 {found[:12]}…, official {source.sha1[:12]}…)"


def _download(path, source, progress):
    if offline() or not reachable(source.url):
        why = "MINIGOOGLENET_OFFLINE is set" if offline() else "its server does not respond"
        raise UserError(f"{path} is missing and cannot be fetched ({why}); download {source.url} yourself and pass "
                        "it with: --from-file FILE")
    try:
        download(source.url, path, source.sha1, source.size, progress=progress)
    except UserError as error:
        raise UserError(f"{error}, or download it yourself and pass it with: --from-file FILE") from error
