"""``make mine``: a network made of the learner's own answers.

The checker decides which answers take part. What they compute runs in a process of its own (``mine_run.py``), which
this one watches: if an answer ends that process or blocks it, it starts again without it.
"""

import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from minigooglenet.errors import UserError
from minigooglenet.hints import hint, in_checkout

from . import catalog, progress, report
from .catalog import ROOT, Lesson
from .isolated import judge_file
from .mine_parts import PARTS

#: Seconds of training, and without a sign of life, after which the process is stopped.
TRAINING: float = 75
PATIENCE: float = 120


def run(folder: str | None = None, solutions: bool = False, epochs: int | None = None, seed: int = 0,
        photo: str | None = None, seconds: float = TRAINING, images: int = 1600) -> int:
    """Find the answers that pass, print the table, and build and train the network. Returns the exit code: 0; 1 if no
    answer passes. Raises UserError for a folder or a photo that does not exist."""
    if photo and not Path(photo).is_file():
        raise UserError(f"{photo}: no such file; give the path of an image")
    print("Which of your answers pass? The checker runs them first, which takes a while." if not solutions else
          "With the solutions of the course.", flush=True)
    files = files_of(folder, solutions)
    found = judge(files)
    print(table(found))
    yours = [part.answer for part in PARTS if found[part.answer] is None]
    if not yours:
        first = lessons_by_topic()[PARTS[1].topic]
        print(f"No answer passes yet. One is enough to begin, such as {PARTS[1].answer} of lesson {first.number}: "
              f"{hint('check', str(int(first.number)))}")
        return 1
    result = _run_apart(files, yours, {"epochs": epochs, "seed": seed, "photo": photo, "seconds": seconds,
                                              "images": images})
    if result is None:
        return 1
    if not solutions and folder is None:
        progress.own_network(result["yours"], result["of"], result["accuracy"])
    return 0


# -- which answers pass ------------------------------------------------------------------------------------------------

def lessons_by_topic() -> dict[str, Lesson]:
    return {lesson.topic: lesson for lesson in catalog.lessons()}


def files_of(folder: str | None, solutions: bool) -> dict[str, Path]:
    """{topic: the file with the answers} for the lessons of PARTS, as far as there are files."""
    lessons = [lesson for lesson in catalog.lessons() if lesson.topic in {part.topic for part in PARTS}]
    if folder is not None:
        if not Path(folder).is_dir():
            raise UserError(f"{folder}: no such folder; it needs files named like the stubs, as {lessons[0].stem}.py")
        numbers = report.files(lessons, Path(folder).resolve())
        return {lesson.topic: numbers[lesson.number] for lesson in lessons if lesson.number in numbers}
    paths = {lesson.topic: lesson.beside("solutions" if solutions else "exercises") for lesson in lessons}
    return {topic: path for topic, path in paths.items() if path.is_file()}


def judge(files: dict[str, Path]) -> dict[str, str | None]:
    """{answer: None if it passes, else why not}, with two files judged at a time."""
    lessons = lessons_by_topic()

    def one(topic: str) -> dict[str, str | None]:
        names = [part.answer for part in PARTS if part.topic == topic]
        if topic not in files:
            return dict.fromkeys(names, "not written")
        unwritten = report.unwritten(files[topic])
        wanted = [name for name in names if name not in unwritten]
        found: dict[str, str | None] = dict.fromkeys(names, "not written")
        try:
            verdicts = judge_file(lessons[topic], files[topic], only=wanted) if wanted else {}
        except UserError:
            return found | dict.fromkeys(wanted, "its file does not load")
        return found | {name: _why_not(verdict) for name, verdict in verdicts.items()}

    with ThreadPoolExecutor(2) as pool:
        verdicts = pool.map(one, dict.fromkeys(part.topic for part in PARTS))
        return {name: why for found in verdicts for name, why in found.items()}


def _why_not(verdict):
    return {"passes": None, "unfinished": "not written"}.get(verdict.status, "does not pass")


def table(found: dict[str, str | None]) -> str:
    """Row by row: yours, or the library's, and the command that checks what is missing."""
    lessons = lessons_by_topic()
    lines = [f"\n  {'part':<32} {'answer':<20} lesson"]
    for part in PARTS:
        number, why = int(lessons[part.topic].number), found[part.answer]
        state = "yours" if why is None else f"the library's ({why}: {hint('check', str(number))})"
        lines.append(f"  {part.does:<32} {part.answer:<20} {number:02d}      {state}")
    return "\n".join([*lines, f"\n{sum(why is None for why in found.values())} of {len(PARTS)} parts are yours."])


# -- the process that runs them ----------------------------------------------------------------------------------------

def _run_apart(files: dict[str, Path], names: list[str], request: dict[str, Any]) -> dict[str, Any] | None:
    """The result that the process writes. If it dies in an answer, it starts again without that answer."""
    topics = {part.answer: part.topic for part in PARTS}
    with tempfile.TemporaryDirectory() as place:
        now, result = Path(place) / "now", Path(place) / "result.json"
        while True:
            now.write_bytes(b" " * 80)
            by_file: dict[str, list[str]] = {}
            for name in names:
                by_file.setdefault(str(files[topics[name]]), []).append(name)
            code, reason = _follow({**request, "files": by_file, "now": str(now), "result": str(result)}, now)
            if result.exists():
                return json.loads(result.read_text(encoding="utf-8"))
            name = now.read_bytes().decode().split()[1:]
            if code == 2 or not name or name[0] not in names:
                print(f"lessons: the process of the network {reason}", file=sys.stderr)
                return None
            names = [other for other in names if other != name[0]]
            print(f"  ! your {name[0]}: the process {reason}; once more, with the library's code in its place",
                  flush=True)


def _follow(request: dict[str, Any], now: Path) -> tuple[int, str]:
    """(exit code, what happened) of the process. It is killed if it gives no sign of life."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])) if in_checkout() else \
        os.environ.get("PYTHONPATH", "")
    # arrays this small are slower with several threads
    alone = dict.fromkeys(("MINIGOOGLENET_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    environment = {**os.environ, **alone, "PYTHONIOENCODING": "utf-8:replace", "PYTHONPATH": path}
    process = subprocess.Popen([sys.executable, "-m", "lessons.mine_run", json.dumps(request)], env=environment,
                               stdin=subprocess.DEVNULL)
    seen, silent = b"", 0
    try:
        while True:
            try:
                code = process.wait(timeout=1)
                return code, f"ended (exit code {code})" if code >= 0 else f"died (signal {-code})"
            except subprocess.TimeoutExpired:  # counted, not timed: Ctrl-Z stops both processes
                seen, silent = (state, 0) if (state := now.read_bytes()) != seen else (seen, silent + 1)
                if silent > PATIENCE:
                    return -1, f"was silent for {PATIENCE:g} s and was stopped"
    finally:
        process.kill()
        process.wait()
