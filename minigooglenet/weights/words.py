"""Fetching the words for the 1000 classes: Caffe's synset_words.txt, out of the archive that Caffe's script fetches.

Source: BVLC Caffe, data/ilsvrc12/get_ilsvrc_aux.sh.
"""

import tarfile
from pathlib import Path

from ..data.cifar10 import offline
from ..data.download import CONNECT, READ, reachable
from ..errors import UserError
from ..files import write_atomically
from ..inference.labels import SYNSET, labels_in, read_labels

URL = "http://dl.caffe.berkeleyvision.org/caffe_ilsvrc12.tar.gz"
LIMIT = 10 ** 6     # bytes; the file has some 32,000


def fetch_words(root="datasets", from_file=None, url=URL):
    """The path ``root/synset_words.txt``, copied there from ``from_file``, or fetched if it is missing.

    url: the archive that has it; None: ask nobody. MINIGOOGLENET_OFFLINE=1 forbids to fetch.

    Raises UserError if the words cannot be had, or are not 1000 lines of text. Nothing is written then.
    """
    path = Path(root) / SYNSET
    if from_file is not None:
        read_labels(from_file)
        octets = Path(from_file).read_bytes()
    elif path.exists():
        read_labels(path)
        return path
    else:
        octets = _from_archive(url, path)
    write_atomically(path, lambda file: file.write(octets))
    return path


def _from_archive(url, path):
    """synset_words.txt out of the archive, as far as that has to arrive for it; nothing else is unpacked."""
    import requests
    import urllib3
    if url is None or offline() or not reachable(url):
        raise _missing(path, "MINIGOOGLENET_OFFLINE is set" if offline() else url and "its server does not answer")
    try:
        with requests.get(url, headers={"Accept-Encoding": "identity"}, stream=True, timeout=(CONNECT, READ)) as reply:
            reply.raise_for_status()
            with tarfile.open(fileobj=reply.raw, mode="r|gz") as archive:
                for member in archive:
                    if Path(member.name).name == SYNSET and member.isreg() and member.size <= LIMIT:
                        octets = archive.extractfile(member).read()
                        labels_in(octets, f"{url}: {SYNSET}")
                        return octets
    except (requests.RequestException, urllib3.exceptions.HTTPError, tarfile.TarError, EOFError, OSError) as error:
        raise _missing(path, "the connection breaks, or what arrives is no tar.gz") from error
    raise _missing(path, "it is not in the archive any more")


def _missing(path, why):
    fetched = f" and cannot be fetched ({why})" if why else ""
    return UserError(f"{path} is missing{fetched}, so classes are numbers; get {URL} another way, and give the "
                     f"{SYNSET} in it with: --labels FILE")
