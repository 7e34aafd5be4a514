"""Commands as messages and help pages name them: the make targets in a checkout, ``minigooglenet`` elsewhere."""

import re
import shlex
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent

#: Commands with a make target of the same name that needs no ARGS.
TARGETS = ("train", "evaluate", "flops", "gradcheck", "data", "lesson", "check", "mine", "progress", "book")


def in_checkout() -> bool:
    """Whether the package runs from a checkout, and not from an installed wheel."""
    return (TOP / "Makefile").is_file() and (TOP / "pyproject.toml").is_file()


def program() -> str:
    """How to start the command line: as this process was started, else as always works."""
    started = Path(sys.argv[0]) if sys.argv else Path()
    if started.stem == "minigooglenet":
        return "minigooglenet"
    by_module = started.name == "__main__.py" and started.parent.name in ("minigooglenet", "lessons")
    return "python -m minigooglenet" if by_module or in_checkout() else "minigooglenet"


def hint(command: str, arguments: str = "") -> str:
    """The line that runs a command: ``hint("train")`` is "make train" in a checkout, else "minigooglenet train".

    ``hint("check", "7 --hint 1")`` is "make check N=7 HINT=1" in a checkout.
    """
    plain = " ".join(filter(None, [program(), command, arguments]))
    if not in_checkout() or command not in TARGETS:
        return plain
    if command not in ("lesson", "check"):
        return plain if arguments else f"make {command}"
    number, *rest = shlex.split(arguments) or [""]
    line = f"make {command}" + (f" N={number}" if number else "")
    if rest[:1] == ["--hint"]:
        line, rest = f"{line} HINT={rest[1]}", rest[2:]
    return line + (f' ARGS="{" ".join(rest)}"' if rest else "")


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun: ``counted(1, "epoch")`` is "1 epoch", ``counted(2000, "epoch")`` is "2,000 epochs"."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def install(extra: str) -> str:
    """The line that installs an extra of pyproject.toml."""
    return f"python -m pip install -e '.[{extra}]'" if in_checkout() else f"pip install 'minigooglenet[{extra}]'"


def localized(text: str) -> str:
    """A text written for a checkout (a help page, a lesson, a stub) with the commands that work here."""
    text = text.replace("python -m minigooglenet", program())
    if in_checkout():
        return text
    text = re.sub(r"(?:python -m )?pip install -e '\.\[(\w+)\]'", lambda m: install(m[1]), text)
    text = re.sub(r"\bmake check N=(\d+) {3}\((for a|a) hint: HINT=1\)",
                  lambda m: f"{hint('check', m[1])}   ({m[2]} hint: --hint 1)", text)  # the first line of a stub
    line = rf"\bmake ({'|'.join(TARGETS)})\b(?: N=(\d+))?(?: HINT=(\d+))?(?: ARGS=\"([^\"]*)\")?(?=[`.,;:)\s]|$)"
    text = re.sub(line, lambda m: hint(m[1], " ".join(filter(None, [m[2], m[3] and f"--hint {m[3]}", m[4]]))), text)
    return text.replace("lessons/exercises/", "exercises/")
