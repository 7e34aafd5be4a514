"""Fetching one large file over a connection that may break."""

import contextlib
import hashlib
import os
import threading
import time
from pathlib import Path

from ..errors import UserError

CONNECT, READ = 5, 30                   # seconds to wait for a connection, and for the next bytes
PIECE = 2 ** 16                         # bytes written at a time: no more than this is lost when the connection breaks


def reachable(url, seconds=CONNECT):
    """Whether the server answers for this address within ``seconds``, the search for its name included.

    Looking up a name has no time limit of its own, so the question is asked in a thread that may be left behind.
    """
    import requests
    answers = []

    def ask():
        with contextlib.suppress(Exception):                # whatever is wrong, it is not reachable
            answers.append(requests.head(url, timeout=seconds, allow_redirects=True).ok)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return answers == [True]


def download(url, path, md5, size, attempts=4, pause=1, progress=True):
    """Fetch ``url`` to ``path``: exactly ``size`` bytes with this ``md5``, or UserError and nothing at ``path``.

    What has arrived is kept in ``path``.part. A broken connection is taken up again where it ended, ``attempts`` times
    with ``pause`` seconds between, and so is the file in the next call (after Ctrl-C, say). A part that turns out wrong
    is thrown away.
    """
    path = Path(path)
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        reason = _fill(part, url, size, attempts, pause, progress)
        received = part.stat().st_size
        if received < size:
            raise UserError(f"{url}: {received:,} of {size:,} bytes arrived ({reason}); run the same command again to "
                            "go on from there")
        found = md5_of(part)
        if (received, found) != (size, md5):
            part.unlink()
            raise UserError(f"{url}: {received:,} bytes with md5 {found} arrived, expected {size:,} bytes with md5 "
                            f"{md5}; they were thrown away, run the same command again")
        os.replace(part, path)
    except OSError as error:
        raise UserError(f"{part}: cannot be written ({error.strerror or error}); free some space or choose another "
                        "folder") from error


def md5_of(path):
    """The md5 of a file in hexadecimal: a check against accidents, as the authors of CIFAR-10 publish it."""
    digest = hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:
        while piece := file.read(2 ** 20):
            digest.update(piece)
    return digest.hexdigest()


def _fill(part, url, size, attempts, pause, progress):
    """Ask until ``part`` has ``size`` bytes or the attempts are used up; the reason why it may be short."""
    import requests
    reason = "the connection ended early"
    for attempt in range(attempts):
        with open(part, "ab") as file:
            if file.tell() >= size:
                break
            time.sleep(pause if attempt else 0)
            try:
                _continue(file, url, size, progress)
            except requests.HTTPError as error:
                reason = f"the server says {error.response.status_code} {error.response.reason}"
                if error.response.status_code == 416:
                    file.truncate(0)                        # it knows no such position: begin anew
                elif error.response.status_code < 500:
                    break                                   # "not found" does not become right by asking again
            except requests.Timeout:
                reason = "the server does not answer in time"
            except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
                reason = "the connection fails or breaks"
            except requests.RequestException as error:
                reason = str(error)
    return reason


def _continue(file, url, size, progress):
    """Append to ``file`` what is still missing of ``size`` bytes; whatever arrives stays there."""
    import requests
    from tqdm import tqdm
    have = file.tell()
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with requests.get(url, headers=headers, stream=True, timeout=(CONNECT, READ)) as response:
        response.raise_for_status()
        if response.status_code != 206:                     # it cannot continue and sends everything again
            file.truncate(0)
            have = 0
        length = int(response.headers.get("content-length", size - have))
        if have + length != size:                           # perhaps the page of a hotel's network: do not fetch it
            raise requests.RequestException(f"the server offers {have + length:,} bytes")
        with tqdm(total=size, initial=have, unit="B", unit_scale=True, desc=url.rsplit("/", 1)[-1],
                  disable=not progress) as bar:
            for piece in response.iter_content(PIECE):
                file.write(piece)
                bar.update(len(piece))
