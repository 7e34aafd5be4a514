"""Downloading a large file over a connection that may fail."""

import contextlib
import hashlib
import os
import re
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from ..errors import UserError

CONNECT, READ = 5, 30                   # timeouts in seconds: for a connection, and for the next bytes
REDIRECTS = 10
CHUNK = 2 ** 16                         # bytes per write: the most that is lost when the connection fails
AGAIN = "(; the file was deleted,|;) run the same command again( to continue)?$"  # ends messages of ``download``
ALGORITHMS = {32: "md5", 40: "sha1", 64: "sha256"}      # by the length of a digest in hexadecimal


def reachable(url: str, seconds: float = CONNECT) -> bool:
    """Whether the server responds to this URL within ``seconds``, including the DNS lookup.

    A DNS lookup has no timeout of its own, so the request runs in a daemon thread that is abandoned if it takes longer.
    """
    import requests
    answers: list[bool] = []

    def ask():
        with contextlib.suppress(Exception):                # any failure means that it is not reachable
            answers.append(requests.head(url, timeout=seconds, allow_redirects=True).ok)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return answers == [True]


def download(url: str, path: Path | str, checksum: str, size: int, attempts: int = 4, pause: float = 1,
             progress: bool = True) -> None:
    """Download ``url`` to ``path``: exactly ``size`` bytes with this ``checksum``, a hexadecimal md5, sha1 or sha256.

    Otherwise raises UserError, and there is no file at ``path``.

    The bytes received so far are kept in ``path``.part. After a connection failure the download continues from there,
    up to ``attempts`` times with ``pause`` seconds in between; so does the next call, for instance after Ctrl-C. A part
    file with wrong contents is deleted.
    """
    path = Path(path)
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        reason = _fill(part, url, size, attempts, pause, progress)
        received = part.stat().st_size
        if received < size:
            raise UserError(f"{url}: received {received:,} of {size:,} bytes ({reason}); run the same command again to "
                            "continue")
        algorithm = ALGORITHMS[len(checksum)]
        found = digest_of(part, algorithm)
        if (received, found) != (size, checksum):
            part.unlink()
            raise UserError(f"{url}: received {received:,} bytes with {algorithm} {found}, expected {size:,} bytes "
                            f"with {algorithm} {checksum}; the file was deleted, run the same command again")
        os.replace(part, path)
    except OSError as error:
        raise UserError(f"{part}: cannot be written ({error.strerror or error}); free some space or choose another "
                        "folder") from error


def md5_of(path: Path | str) -> str:
    """The md5 of a file in hexadecimal, which the authors of CIFAR-10 publish. It detects accidental damage only."""
    return digest_of(path, "md5")


def digest_of(path: Path | str, algorithm: str) -> str:
    """The digest of a file in hexadecimal. ``algorithm`` is a name that hashlib knows."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with open(path, "rb") as file:
        while chunk := file.read(2 ** 20):
            digest.update(chunk)
    return digest.hexdigest()


def request(url: str, headers: dict[str, str]) -> Any:
    """A ``requests.Response`` whose body has not been read, after up to REDIRECTS redirects.

    ``requests`` itself would read the body of each redirect, of any length. Raises requests.RequestException.
    """
    import requests

    class Session(requests.Session):
        def get_redirect_target(self, resp):
            return None

    with Session() as session:
        for _ in range(REDIRECTS):
            response = session.get(url, headers=headers, stream=True, timeout=(CONNECT, READ))
            if not response.is_redirect:
                return response
            response.close()
            url = urljoin(url, response.headers["location"])
    raise requests.TooManyRedirects(f"more than {REDIRECTS} redirects")


def _fill(part, url, size, attempts, pause, progress):
    """Request until ``part`` has ``size`` bytes or no attempts are left. Returns the reason in case it is short."""
    import requests
    import urllib3
    reason = "the connection was closed early"
    for attempt in range(attempts):
        with open(part, "ab") as file:
            if file.tell() >= size:
                break
            time.sleep(pause if attempt else 0)
            try:
                _continue(file, url, size, progress)
            except requests.HTTPError as error:
                reason = _line(f"the server responded {error.response.status_code} {error.response.reason}")
                if error.response.status_code == 416:
                    _clear(file)                            # the range does not exist on the server: start over
                elif error.response.status_code < 500:
                    break                                   # retrying does not fix a "not found"
            except (requests.Timeout, urllib3.exceptions.TimeoutError):
                reason = "the server timed out"
            except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError, urllib3.exceptions.HTTPError):
                reason = "the connection failed"
            except (requests.RequestException, ValueError) as error:    # ValueError: a redirect to an invalid URL
                reason = _line(error)
    return reason


def _continue(file, url, size, progress):
    """Append the missing ones of ``size`` bytes to ``file``; bytes received before a failure are kept.

    No byte is read after the last one, whatever length the server announces or does not announce.
    """
    import requests
    from tqdm import tqdm
    have = file.tell()
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with request(url, headers) as response:
        response.raise_for_status()
        start = have if response.status_code == 206 and have else 0      # else the server sends the whole file
        sent = re.match(r"bytes (\d+)-", response.headers.get("content-range", ""))
        if start and sent and int(sent[1]) != start:
            _clear(file)
            raise requests.RequestException(f"the server sends the bytes from {int(sent[1]):,} instead of {start:,}")
        length = response.headers.get("content-length", "")
        known = re.fullmatch("[0-9]{1,18}", length) is not None          # anything else is ignored
        if known and start + int(length) != size:           # possibly a login page of the network: do not download it
            raise requests.RequestException(f"the server offers {start + int(length):,} bytes")
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("", "identity") and not known:  # with the right length, the archive itself is meant
            raise requests.RequestException(f"the server compresses the file ({encoding})")
        if not start:
            _clear(file)
        with tqdm(total=size, initial=start, unit="B", unit_scale=True, desc=url.rsplit("/", 1)[-1],
                  disable=not progress) as bar:
            for chunk in response.raw.stream(CHUNK, decode_content=False):
                chunk = chunk[:size - file.tell()]
                file.write(chunk)
                bar.update(len(chunk))
                if file.tell() >= size:
                    break


def _clear(file):
    file.seek(0)                        # truncating alone leaves the position behind the end
    file.truncate()


def _line(text):
    """What a server says, as a short line of printable text."""
    return "".join(c if c.isprintable() else "?" for c in " ".join(str(text).split()))[:200]
