"""``python -m minigooglenet lesson``"""

import argparse

DESCRIPTION = """\
Run a lesson of the course: print its text, its code and the output of the code, and save its figures in
figures/lessons/. Without a number: list the lessons, what is done and what comes next.

all runs all lessons in order, one process each, and compares their times with their budgets."""

EXAMPLES = """\
examples:
  python -m minigooglenet lesson
  python -m minigooglenet lesson 7
  python -m minigooglenet lesson all --quick"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lesson", nargs="?", type=_lesson, metavar="N|all", help="the number of a lesson, or all")
    parser.add_argument("--quick", action="store_true", help="fewer steps where a lesson trains or times something")
    parser.add_argument("--output", action="store_true", help="print only the output of the lesson's code")
    parser.add_argument("--factor", type=float, default=1.0, metavar="F",
                        help="all: multiply the time budgets by F (default: 1)")
    parser.add_argument("--language", default="en", metavar="CODE",
                        help="print the lesson's text in this language, where it is translated: zh (default: en)")


def _lesson(text):
    if text != "all" and not text.isdecimal():
        raise argparse.ArgumentTypeError(f"got {text!r}, needs the number of a lesson, or all")
    return text


def run(args: argparse.Namespace) -> int:
    from lessons.__main__ import do
    return do([args.lesson] if args.lesson else [], quick=args.quick, output=args.output, factor=args.factor,
              language=args.language)
