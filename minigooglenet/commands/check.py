"""``python -m minigooglenet check``"""

import argparse

from .options import positive, whole

DESCRIPTION = """\
Check your answers to the exercises of a lesson, and name the likely cause of a wrong one. The exercises are stubs in
lessons/exercises/ for you to fill in. An installed package first copies the stub of the lesson to the current folder.

Your code runs in a process of its own: at most 10 s of processor time per call, and on Linux 1 GB of memory more than
the library needs. --folder checks the submissions of a class: a folder for each learner, with files named like the
stubs.

Exit code: 0 if all answers are right, else 1; 0 with --folder."""

EXAMPLES = """\
examples:
  python -m minigooglenet check 7
  python -m minigooglenet check 7 --hint 1
  python -m minigooglenet check 2 --exercise col2im --hint 2
  python -m minigooglenet check 7 --watch
  python -m minigooglenet check all --json
  python -m minigooglenet check all --folder submissions --seed 2026"""


def lesson_or_all(text: str) -> str:
    """The number of a lesson, or "all"."""
    return text if text == "all" else str(positive(text))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lesson", type=lesson_or_all, metavar="N", help="the number of the lesson, or all")
    parser.add_argument("--hint", type=whole, default=0, metavar="K",
                        help="show K hints for the first exercise that does not pass")
    parser.add_argument("--exercise", metavar="NAME", help="check only this exercise")
    parser.add_argument("--solutions", action="store_true", help="check the solutions instead of your answers")
    parser.add_argument("--watch", action="store_true", help="check again whenever you save the file")
    parser.add_argument("--seed", type=whole, metavar="S", help="add random cases, drawn with this seed")
    parser.add_argument("--folder", metavar="DIR", help="check the submissions of a class, one folder each in DIR")
    parser.add_argument("--json", action="store_true", help="print JSON, with one point for each exercise")


def run(args: argparse.Namespace) -> int:
    from lessons.__main__ import do
    return do(["check", args.lesson], hint=args.hint, exercise=args.exercise, solutions=args.solutions,
              watch=args.watch, seed=args.seed, folder=args.folder, json=args.json)
