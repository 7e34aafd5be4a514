"""``python -m minigooglenet check``"""

import argparse

from .options import positive, whole

DESCRIPTION = """\
Check your answers to the exercises of a lesson, and name the likely cause of a wrong one. The exercises are stubs in
lessons/exercises/ for you to fill in. An installed package first copies the stub of the lesson to the current folder.

Exit code: 0 if all answers are right, else 1."""

EXAMPLES = """\
examples:
  python -m minigooglenet check 5
  python -m minigooglenet check 5 --hint 1
  python -m minigooglenet check 3 --exercise col2im --hint 2"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lesson", type=positive, metavar="N", help="the number of the lesson")
    parser.add_argument("--hint", type=whole, default=0, metavar="K",
                        help="show K hints for the first exercise that does not pass")
    parser.add_argument("--exercise", metavar="NAME", help="check only this exercise")
    parser.add_argument("--solutions", action="store_true", help="check the solutions instead of your answers")


def run(args: argparse.Namespace) -> int:
    from lessons.__main__ import do
    return do(["check", str(args.lesson)], hint=args.hint, exercise=args.exercise, solutions=args.solutions)
