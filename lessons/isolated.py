"""Judge a learner's file in a process of its own, which it may block, crash or end.

The process writes to its standard output: what the learner's code prints, and between that, on lines that begin with
MARK, what it is doing and each verdict, as JSON. This is protection against accidents, not against attacks: run code
of people whom you do not trust in a container.
"""

import contextlib
import faulthandler
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from minigooglenet.errors import UserError
from minigooglenet.hints import in_checkout

from . import check, limit
from .catalog import ROOT, Lesson, find
from .verdict import Verdict, aligned, short

MARK = b"\x1e"

#: Seconds without news, after which the process is stopped: in a learner's code, and in the preparation of cases.
PATIENCE: float = 30
PREPARATION: float = 300

#: Of what an exercise prints, this many characters are shown.
PRINTED = 1500


def judge_file(lesson: Lesson, path: Path, seed: int | None = None, only: Sequence[str] = ()) -> dict[str, Verdict]:
    """{exercise: Verdict} for a learner's file. If the process dies in one exercise, the next ones run in a new one.

    Raises UserError if the file does not load.
    """
    verdicts: dict[str, Verdict] = {}
    names: list[str] = list(only)
    while True:
        child = _Child(lesson, path, seed, names)
        try:
            child.follow()
        finally:
            child.kill()
        verdicts |= child.verdicts
        names = [name for name in child.names if name not in verdicts]
        if not names:
            return verdicts


class _Child:
    """The process that runs a learner's file, as seen from outside."""

    def __init__(self, lesson: Lesson, path: Path, seed: int | None, names: Sequence[str]) -> None:
        request = json.dumps({"lesson": lesson.number, "path": str(path), "seed": seed, "names": list(names)})
        environment = {**os.environ, "PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "1",
                       **({"PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))}
                          if in_checkout() else {})}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lessons.isolated", request], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, env=environment, start_new_session=os.name == "posix")
        self.path, self.names, self.verdicts = path, [], {}  # type: ignore[var-annotated]
        self.hints: dict[str, list[str]] = {}
        self.events: queue.Queue = queue.Queue(maxsize=200)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout
        with contextlib.suppress(ValueError, OSError):  # closed by kill
            while line := self.process.stdout.readline(1 << 16):
                self.events.put(line)
        self.events.put(b"")

    def follow(self) -> None:
        """Collect events and verdicts until the process ends, or is silent for too long."""
        now, so_far, printed, stopped = "", "", _Printed(), ""
        patience = PREPARATION
        end = time.monotonic() + patience
        while True:
            try:
                line = self.events.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                stopped = f"not finished after {patience:g} s"
                printed.add(self._abort())
                break
            if not line:
                break
            if not line.startswith(MARK):
                printed.add(line)
                continue
            printed.remove_line_end()
            event = json.loads(line[1:])
            if "error" in event:
                raise UserError(event["error"])
            if "exercises" in event:
                self.hints, self.names = event["exercises"], list(event["exercises"])
            if "now" in event:  # the first exercise keeps what was printed while the file was loaded
                now, so_far = event["now"], ""
            if "so_far" in event:
                so_far = event["so_far"]
            if "status" in event:
                self._judged(now, Verdict(event["status"], event["text"], printed.text()))
                now, printed = "", _Printed()
            patience = PREPARATION if event.get("preparing") else PATIENCE
            end = time.monotonic() + patience
        if now or not self.names or self.names != list(self.verdicts):
            self._died(now, so_far, printed.text(), stopped)

    def _judged(self, name: str, verdict: Verdict) -> None:
        verdict.hints = tuple(self.hints[name])
        self.verdicts[name] = verdict

    def _died(self, name: str, so_far: str, printed: str, stopped: str) -> None:
        """The verdict on the exercise in which the process ended."""
        printed, dump, trace = printed.partition("Fatal Python error")
        line = re.search(rf'File "{re.escape(str(self.path))}", line (\d+)', trace)
        where = f", at\n{short(self.path)}, line {line[1]}" if line else ""
        reason = f"{stopped or self._exit()}{where}"
        if not name:
            text = reason.replace("\n", " ")
            raise UserError(f"{short(self.path)}: {text}" if self.names else
                            f"{short(self.path)}: the checker's process failed: {text}; {printed or trace[-300:]}")
        self._judged(name, Verdict("wrong", "\n".join([so_far or f"wrong: {name}", *aligned("stopped", reason)]),
                                   printed.rstrip()))

    def _exit(self) -> str:
        code = self.process.wait(timeout=10)
        if code >= 0:
            return f"the process ended (exit code {code}), as os._exit does"
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        return f"the process died ({name})" + (", probably because the machine has no memory left"
                                               if name == "SIGKILL" else "")

    def _abort(self) -> bytes:
        """Stop the process, and return where it was."""
        if os.name != "posix":
            return b""
        self.process.send_signal(signal.SIGABRT)
        found, end = b"", time.monotonic() + 2
        with contextlib.suppress(queue.Empty):
            while (line := self.events.get(timeout=max(0.0, end - time.monotonic()))) and len(found) < 20_000:
                found += line
        return found

    def kill(self) -> None:
        """End the process and all that it has started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.name == "posix":
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()


class _Printed:
    """The beginning of what was printed, and how much more."""

    def __init__(self) -> None:
        self.kept, self.more = b"", 0

    def remove_line_end(self) -> None:
        """Remove the one before a mark."""
        if not self.more:
            self.kept = self.kept.removesuffix(b"\n")

    def add(self, text: bytes) -> None:
        room = max(0, PRINTED - len(self.kept)) if b"Fatal Python error" not in text + self.kept else 20_000
        self.kept, self.more = self.kept + text[:room], self.more + len(text[room:])

    def text(self) -> str:
        more = f"\n… and {self.more:,} more bytes" if self.more else ""
        return self.kept.decode("utf-8", "replace").strip("\n") + more


# -- inside the process ------------------------------------------------------------------------------------------------

def main(request: dict[str, Any]) -> None:
    """Judge a file and write the verdicts to the standard output. Does not return."""
    channel = os.fdopen(os.dup(1), "wb", buffering=0)  # still open if the learner's code closes sys.stdout

    def say(**event: Any) -> None:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        channel.write(b"\n" + MARK + json.dumps(event).encode() + b"\n")

    faulthandler.enable(sys.__stderr__)
    if limit.resource:
        limit.resource.setrlimit(limit.resource.RLIMIT_CORE, (0, 0))
    lesson, path = find(request["lesson"]), Path(request["path"])
    exercises = [exercise for exercise in check.exercises(lesson)
                 if not request["names"] or exercise.name in request["names"]]
    limit.forbid_processes()
    say(exercises={exercise.name: exercise.hints for exercise in exercises})
    try:
        space = check.load_answers(path)
    except UserError as error:
        say(error=str(error))
        os._exit(2)
    for exercise in exercises:
        if getattr(sys.stdout, "closed", True):  # by the exercise before
            sys.stdout = os.fdopen(os.dup(channel.fileno()), "w", buffering=1, encoding="utf-8")
        say(now=exercise.name, preparing=True)
        verdict = check.judge(exercise, space.get(exercise.name), path, request["seed"], lambda text: say(so_far=text))
        say(status=verdict.status, text=verdict.text[:5000], preparing=True)
    os._exit(0)  # whatever threads the learner's code has started


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
