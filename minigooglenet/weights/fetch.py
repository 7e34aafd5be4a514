"""Fetching Caffe's GoogLeNet of 2014, released by BVLC for unrestricted use.

The readme beside the model names the sha1 of the file. A readable GoogLeNet with another checksum (without the
auxiliary heads, say, or trained further) is used as well, with one line that says so.

Source: BVLC Caffe, models/bvlc_googlenet/readme.md.
"""

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from ..data.cifar10 import offline
from ..data.download import CONNECT, READ, reachable
from ..errors import UserError
from ..files import write_atomically
from .caffemodel import caffe_parameters

FILE = "bvlc_googlenet.caffemodel"


@dataclass(frozen=True)
class Source:
    """Where the weights are and how to know them: address, sha1, size in bytes."""

    url: str = "http://dl.caffe.berkeleyvision.org/bvlc_googlenet.caffemodel"
    sha1: str = "405fc5acd08a3bb12de8ee5e23a96bec22f08204"
    size: int = 53_533_754


OFFICIAL = Source()


def fetch(root="datasets", from_file=None, source=OFFICIAL, progress=True):
    """(path, note): the weights at ``root/bvlc_googlenet.caffemodel``, fetched or copied to there if need be.

    from_file: a ``.caffemodel`` that is already somewhere else; it is read through first and then copied.
    note: None if the file is the official one, else one line that says it is not.

    A readable file that is already there is left as it is. MINIGOOGLENET_OFFLINE=1 forbids to fetch. Raises UserError
    if the server does not answer, what arrives is wrong, or ``from_file`` is no GoogLeNet.
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


def check(path, source=OFFICIAL):
    """None if ``path`` is the official file, one line if it is another GoogLeNet; UserError if it is none."""
    caffe_parameters(path)
    found = _sha1(path)
    if found == source.sha1:
        return None
    return f"{path}: a GoogLeNet, but not the official file (sha1 {found[:12]}…, official {source.sha1[:12]}…)"


def _download(path, source, progress):
    import pooch  # slow to import, and rarely needed
    import requests
    if offline() or not reachable(source.url):
        why = "MINIGOOGLENET_OFFLINE is set" if offline() else "its server does not answer"
        raise UserError(f"{path} is missing and cannot be fetched ({why}); get {source.url} another way and give it "
                        "with: --from-file FILE")
    pooch.get_logger().setLevel("WARNING")
    bar = _bar(source.size, path.name) if progress else False
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pooch.retrieve(source.url, f"sha1:{source.sha1}", path.name, path.parent, downloader=pooch.HTTPDownloader(
            progressbar=bar, chunk_size=2**16, timeout=(CONNECT, READ)))       # to a neighbour first, then renamed
    except requests.HTTPError as error:
        raise UserError(f"{source.url}: the server says {error.response.status_code} {error.response.reason}; get it "
                        "another way and give it with: --from-file FILE") from error
    except requests.RequestException as error:
        raise UserError(f"{source.url}: the connection fails or breaks; run the same command again") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror or error}); free some space or choose another "
                        "folder") from error
    except ValueError as error:
        raise UserError(f"{source.url}: what arrived has not the sha1 {source.sha1} and was thrown away; run the same "
                        "command again") from error
    finally:
        if bar:
            bar.close()


def _bar(size, name):
    from tqdm import tqdm
    return tqdm(total=size, unit="B", unit_scale=True, desc=name)


def _sha1(path):
    digest = hashlib.sha1(usedforsecurity=False)
    with open(path, "rb") as file:
        while piece := file.read(2**20):
            digest.update(piece)
    return digest.hexdigest()
