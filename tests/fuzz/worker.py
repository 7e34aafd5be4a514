"""Reading changed inputs in a process with limits. An input is a function of (reader, seed, number).

    accepted    the reader returned, and what it returned is consistent
    refused     it raised UserError with one line: the command line prints it and exits with code 2
    fault       anything else: another exception or a warning, a message of several lines, output, more than 1 GB of
                memory, more than 5 s of processor time, a crash
"""

import os
import resource
import shutil
import signal
import sys
import traceback
import warnings
from collections.abc import Iterator
from multiprocessing import Pipe
from pathlib import Path
from random import Random
from typing import NamedTuple

from minigooglenet.errors import UserError

from .mutate import changed, changed_name
from .readers import READERS

MEMORY = 10**9          # bytes, of the whole process
FENCE = 2 * 10**9       # bytes that it may ask for; what is asked for is more than what is used
SECONDS = 5             # of the processor, so that other programs do not matter
LOST = 300              # seconds without an answer: the process waits for something
LONGEST = 3000          # characters of a message
OUTCOMES = ("accepted", "refused", "fault")


class Outcome(NamedTuple):
    kind: str
    text: str = ""


def changed_input(reader: str, seed: int, number: int) -> dict[str, bytes]:
    """{path: bytes} of input ``number``; every 50th is a valid one."""
    rng, seeds = Random(f"{reader} {seed} {number}"), READERS[reader].seeds()
    files, target, form = rng.choice(seeds)
    if number % 50 == 0:
        return files
    if target:
        other = rng.choice(seeds)
        return files | {target: changed(files[target], form, other.files.get(other.target, b""), rng)}
    return dict((_renamed(path, rng), data) for path, data in files.items())


def _renamed(path, rng):
    """A path with some names changed, but for the first."""
    first, *rest = path.split("/")
    return "/".join([first, *(changed_name(rng) if rng.random() < 0.15 else part for part in rest)])


def write(folder: Path, files: dict[str, bytes]) -> None:
    """Replace the contents of ``folder``."""
    shutil.rmtree(folder, ignore_errors=True)
    for path, data in files.items():
        try:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):    # two names became one
            pass


def outcome(reader: str, folder: Path) -> Outcome:
    """What the reader does with the files in ``folder``, in this process."""
    try:
        READERS[reader].read(folder)
        return Outcome("accepted")
    except UserError as error:
        text = str(error)
        if isinstance(error.__cause__, MemoryError):
            return Outcome("fault", f"out of memory, reported as: {text}")
        if not text or "\n" in text or "\r" in text or len(text) > LONGEST:
            lines = text.count("\n") + 1
            return Outcome("fault", f"a message of {len(text):,} characters in {lines} lines: {text[:LONGEST]!r}")
        return Outcome("refused", text)
    except BaseException:
        return Outcome("fault", traceback.format_exc())


def read_all(reader: str, seed: int, numbers: range, folder: Path) -> Iterator[tuple[int, Outcome]]:
    """(number, outcome) of each input, read in a process of its own, or in several if one dies."""
    start = numbers.start
    while start < numbers.stop:
        ours, theirs = Pipe(duplex=False)
        pid = os.fork()
        if not pid:
            ours.close()
            _work(reader, seed, range(start, numbers.stop), folder, theirs)
        theirs.close()
        try:
            while start < numbers.stop and ours.poll(LOST):
                yield start, ours.recv()
                start += 1
            if start < numbers.stop:
                os.kill(pid, signal.SIGKILL)
                yield start, Outcome("fault", f"no answer within {LOST} s")
                start += 1
        except EOFError:
            if status := os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]):      # else it ended after a fault
                yield start, Outcome("fault", _death(status))
                start += 1
            continue
        finally:
            ours.close()
        os.waitpid(pid, 0)


def _death(status):
    if status == -signal.SIGPROF:
        return f"more than {SECONDS} s of processor time"
    return f"the process died: {signal.Signals(-status).name if status < 0 else status}"


def _work(reader, seed, numbers, folder, answers):
    """The process that reads. It never returns."""
    code = 1
    try:
        output = limited(folder.parent / f"{folder.name}.output")
        for number in numbers:
            write(folder, changed_input(reader, seed, number))
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            found = outcome(reader, folder)
            signal.setitimer(signal.ITIMER_PROF, 0)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
            if (printed := _taken(output)) and found.kind != "fault":
                found = Outcome("fault", f"output: {printed[:500]!r}")
            if peak > MEMORY and found.kind != "fault":
                found = Outcome("fault", f"{peak:,} bytes of memory")
            answers.send(found)
            if peak > MEMORY:
                break                           # the peak never sinks: the next input needs another process
        code = 0
    except BaseException:
        traceback.print_exc(file=sys.__stderr__)
    finally:
        answers.close()
        os._exit(code)


def limited(output: Path) -> int:
    """Apply the limits to this process, and send its output to a file, whose descriptor is returned."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    soft = resource.getrlimit(resource.RLIMIT_AS)[1]
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + FENCE, soft))
    warnings.simplefilter("error", RuntimeWarning)
    descriptor = os.open(output, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    sys.stdout = sys.stderr = os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
    return descriptor


def _taken(descriptor):
    """What was printed since the last input."""
    sys.stdout.flush()
    sys.stderr.flush()
    if not os.fstat(descriptor).st_size:
        return b""
    printed = os.pread(descriptor, 2000, 0)
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return printed
