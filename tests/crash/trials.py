"""A tiny training, injured again and again, resumed each time, and compared with one that was left alone.

The command runs in a child of this process, so that it starts at once. This process must not compute before: a child
has no threads but the one that forked it.
"""

import os
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import NamedTuple

import small

import minigooglenet.commands.train  # noqa: F401  (imported here, it need not be in every child)
from minigooglenet.cli import main
from minigooglenet.errors import UserError
from minigooglenet.training import checkpoint, report

from . import injuries

TRAIN = ("train", "--model", "lenet5", "--batch", "8", "--epochs", "2", "--augment", "crop", "--checkpoint-every", "1",
         "--log-every", "1")          # LeNet-5, for a short step; tests/kill_resume.py kills the reduced GoogLeNet


DISK = "full disk"


class Ended(NamedTuple):
    """How a training ended: its exit code, or minus the number of the signal; and what it printed."""

    code: int
    errors: str


def train(folder: Path, injury: Callable[[], None] = injuries.nothing, threads: int = 1) -> Ended:
    """Start or resume the training in ``folder``; the images are beside it."""
    output, data = folder.parent / "output", str(folder.parent / "data")
    pid = os.fork()
    if not pid:
        code = 99
        try:
            descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(descriptor, 1)
            os.dup2(descriptor, 2)
            report._curve = lambda: lambda history, file, *more: file.write(b"a curve")     # drawing takes long
            injury()
            code = main([*TRAIN, "--data", data, "--out", str(folder), "--threads", str(threads), "--resume"])
        except BaseException:
            import traceback
            os.write(2, traceback.format_exc().encode())
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return Ended(code, output.read_text(errors="replace"))


class Trials:
    """The folder ``place`` with images and a run that was left alone; ``problems`` lists what should not be."""

    def __init__(self, place: Path, images: int = 32, seed: int = 0) -> None:
        self.place, self.rng = place, Random(seed)
        small.folder(place / "data", images, 8)
        self.whole, self.counted = place / "whole", place / "operations"
        started = time.perf_counter()
        assert train(self.whole).code == 0
        self.seconds = time.perf_counter() - started
        other = train(place / "counted", injuries.At("", 0, log=self.counted))
        assert other.code == 0 and not small.differences(self.whole, place / "counted"), other.errors
        found = Counter(self.counted.read_bytes())
        self.counts = {name: found[i] for i, name in enumerate(injuries.OPERATIONS)}
        self.largest = max(file.stat().st_size for file in self.whole.iterdir())
        self.injured: Counter[str] = Counter()
        self.resumed: Counter[str] = Counter()
        self.problems: list[str] = []
        self.number = 0

    def run(self, kind: str, times: int) -> None:
        """Injure runs ``times`` times. A run that ends in spite of it is compared, and a new one is begun."""
        while self.injured[kind] < times:
            self.number += 1
            folder, since = self.place / f"run-{self.number}", 0
            while self.injured[kind] < times:
                ended = train(folder, injuries.drawn(kind, self.seconds, self.counts, self.largest, self.rng),
                              1 + self.rng.randrange(2))
                if ended.code == 0:
                    break
                self.injured[kind] += 1
                since += 1
                self._check(kind, folder, ended)
                if since == 5:
                    break
            self._finish(kind, folder, since)

    def _check(self, kind, folder, ended):
        """After an injury: the last checkpoint is whole, or there is none yet; a failure was one line."""
        killed = kind.endswith("kill")
        *_, last = ended.errors.splitlines() or [""]
        if ended.code != (-signal.SIGKILL if killed else 2) or "Traceback" in ended.errors or not (
                killed or last.startswith("minigooglenet train: ")):
            self.problems.append(f"{kind}: exit code {ended.code}: {ended.errors[-500:]}")
        if not killed and folder.exists() and (parts := list(folder.glob(".*.part"))):
            self.problems.append(f"{kind}: left {parts[0].name}")
        try:
            if (folder / checkpoint.NAME).exists():
                checkpoint.load(folder)
        except UserError as error:
            self.problems.append(f"{kind}: {error}")

    def _finish(self, kind, folder, injuries_before):
        """Resume to the end: every bit is that of the run that was left alone, and nothing else is in the folder."""
        ended = train(folder)
        found = small.differences(self.whole, folder) if ended.code == 0 else [ended.errors[-500:]]
        found += [f"left {path.name}" for path in folder.iterdir() if path.name not in checkpoint.FILES]
        for name in ("log.csv", "steps.csv"):
            one, other = columns(folder / name), columns(self.whole / name)
            if one != other:
                found.append(f"{name}: {[row for row in one if row not in other]}, {len(one)} of {len(other)} rows")
        self.problems += [f"{kind}, {folder.name}: {what}" for what in found]
        self.resumed[kind] += injuries_before * (not found)
        shutil.rmtree(folder)

    def full_disk(self, times: int) -> bool:
        """Train on a file system that is full at some instant, then has space again. False if none can be mounted."""
        disk = self.place / "disk"
        disk.mkdir()
        (disk / "data").mkdir()
        for _ in range(times):
            size = self.rng.randrange(64, 3 * self.largest // 1024)
            if _run("mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", disk):
                return False
            try:
                (disk / "data").symlink_to(self.place / "data")
                ended = train(disk / "run")
                if ended.code:
                    self.injured[DISK] += 1
                    self._check(DISK, disk / "run", ended)
                _run("mount", "-o", "remount,size=50m", disk)
                self._finish(DISK, disk / "run", int(ended.code != 0))
            finally:
                _run("umount", disk)
        return True


def _run(*words):
    return subprocess.run([*map(str, words)], stderr=subprocess.DEVNULL).returncode


def columns(path: Path) -> list[list[str]]:
    """The rows of a CSV file without the columns of times."""
    rows = [line.split(",") for line in path.read_text().splitlines()]
    timed = [i for i, name in enumerate(rows[0]) if "second" in name]
    return [[cell for i, cell in enumerate(row) if i not in timed] for row in rows]
