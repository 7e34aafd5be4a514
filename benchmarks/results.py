"""Results in ``benchmarks/results/``: one file for each processor, so that figures of different ones never mix.

A file has a section for each thing measured. A run replaces the sections of what it measured and keeps the others.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from minigooglenet.files import write_atomically

from . import goals, report
from .work import Work

FOLDER = Path(__file__).parent / "results"


def path_for(cpu: str, folder: Path = FOLDER) -> Path:
    """The file of a processor: its name in lower case, without the words that all names have."""
    name = re.sub(r"\((R|TM)\)|\b(CPU|Processor|with|@)\b|\d+-Core", " ", cpu.replace("@", " "), flags=re.IGNORECASE)
    return folder / f"{re.sub('[^a-z0-9]+', '-', name.lower()).strip('-')}.md"


def write(found: Mapping[str, Any], works: list[Work], isa: str | None, folder: Path = FOLDER) -> Path:
    """Add the measurements of one run, as ``benchmarks/__main__.py:run`` returns them, to the processor's file."""
    about = found["machine"]
    path, held = path_for(about["cpu"], folder), ", held to AVX2" if isa else ""
    kept = _sections(path.read_text(encoding="utf-8")) if path.exists() else {}
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items() if version)
    peak = max(found["peak"][about["threads"]].values())
    with_what = f"{about['threads']} of {about['cores']} cores, peak {peak:.0f} GFLOP/s; {versions}"
    for work in works:
        if work.name in found["works"]:
            title, *table = report.table(work, found["works"][work.name])
            kept[f"{work.name}{held}"] = [title, *table, "", with_what]
    for what, points in found.get("scaling", {}).items():
        kept[f"scaling by {what}{held}"] = [*_points(points), "", with_what]
    if "startup" in found:
        kept["start of train"] = [f"warm {found['startup']['cached']:.2f} s, with an empty cache of compiled kernels "
                                  f"{found['startup']['cold']:.1f} s", "", with_what]
    for line in goals.verdicts(found, isa)[1:]:
        kept.setdefault(f"goals{held}", [])
        kept[f"goals{held}"] = [*(old for old in kept[f"goals{held}"] if _goal(old) != _goal(line)), line]
    folder.mkdir(exist_ok=True)
    write_atomically(path, lambda file: file.write(_text(about["cpu"], kept)), mode="w")
    return path


def _goal(line):
    """Which goal a line of ``goals.verdicts`` is about: the words before the value."""
    return line.split(" goal ")[0].split()[:-1]


def _points(points):
    """{value: {side: seconds}} as lines."""
    sides = list(dict.fromkeys(name for seconds in points.values() for name in seconds))
    return ["          " + "".join(f"{name:>16}" for name in sides) + "   ms",
            *(f"{value:<10}" + "".join(f"{1e3 * seconds[name]:>16.2f}" for name in sides)
              for value, seconds in points.items())]


def _sections(text):
    """{heading: lines} of a file that ``_text`` made."""
    parts = re.split(r"^## (.*)$", text, flags=re.MULTILINE)[1:]
    return {heading: body.strip().removeprefix("```").removesuffix("```").strip("\n").split("\n")
            for heading, body in zip(parts[::2], parts[1::2], strict=True)}


def _text(cpu, sections):
    goals_first = sorted(sections.items(), key=lambda item: (not item[0].startswith("goals"), item[0]))
    blocks = [f"## {heading}\n\n```\n" + "\n".join(line.rstrip() for line in lines) + "\n```\n"
              for heading, lines in goals_first]
    return "\n".join([f"# {cpu}\n\nWritten by `python -m benchmarks --results`; the tables are explained in "
                      "[the README](../README.md).\n", *blocks])
