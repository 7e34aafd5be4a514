"""``python -m lessons``: list, run and check the lessons, show progress, build the book."""

import argparse
import os
import sys
from collections.abc import Sequence

import lessons
from minigooglenet.errors import UserError

EPILOG = """\
python -m lessons                  list the lessons, what is done and what comes next
python -m lessons 5                run lesson 05 (--output: print only the output of its code)
python -m lessons all --quick      run all lessons in order and check their time budgets
python -m lessons check 5          check your answers to its exercises (--hint 1: show a hint)
python -m lessons book             build web pages and notebooks of all lessons in build/book/"""


def parser() -> argparse.ArgumentParser:
    """The argument parser of ``python -m lessons``."""
    top = argparse.ArgumentParser(prog="python -m lessons", epilog=EPILOG, usage="python -m lessons [WHAT] [options]",
                                  formatter_class=argparse.RawDescriptionHelpFormatter,
                                  description="The course on GoogLeNet: sixteen lessons.")
    top.add_argument("what", nargs="*", metavar="WHAT", help="a lesson's number, all, check NUMBER, progress, or book")
    top.add_argument("--quick", action="store_true", help="fewer steps where a lesson trains or times something")
    top.add_argument("--output", action="store_true", help="print only the output of the lesson's code")
    top.add_argument("--factor", type=float, default=1.0, help="all: multiply the time budgets by this factor")
    top.add_argument("--hint", type=int, default=0, metavar="N", help="check: show N hints")
    top.add_argument("--exercise", metavar="NAME", help="check: only this exercise")
    top.add_argument("--solutions", action="store_true", help="check: check the solutions instead of your answers")
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0; 1 if something fails or is unfinished; 2 for invalid input."""
    for stream in (sys.stdout, sys.stderr):  # a terminal that cannot show "×" gets "?" instead of a traceback
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    args = parser().parse_args(argv)
    try:
        return do(**vars(args))
    except UserError as error:
        print(f"lessons: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("lessons: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of the output has exited, as with ``| head``
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def do(what: Sequence[str], quick: bool = False, output: bool = False, factor: float = 1.0, hint: int = 0,
       exercise: str | None = None, solutions: bool = False) -> int:
    """Do what the words ``what`` say, with the options of ``parser``. Returns the exit code. Raises UserError."""
    from . import catalog, progress, run
    if quick:
        os.environ["MINIGOOGLENET_QUICK"] = "1"  # for child processes
        lessons.QUICK = True  # for a lesson that runs in this process
    match list(what):
        case [] | ["progress"]:
            print(progress.overview())
            return 0
        case ["all"]:
            return run.run_all(catalog.lessons(), quick, factor)
        case ["check", number]:
            return _check(catalog.find(number), hint, exercise, solutions)
        case ["book", *numbers]:
            from . import book
            return book.build([catalog.find(number) for number in numbers] or catalog.lessons(), quick)
        case [number]:
            return run.run(catalog.find(number), output)
        case _:
            raise UserError(f"{' '.join(what)}: not a lesson or a task; python -m lessons --help lists them")


def _check(lesson, hint, exercise, solutions):
    from . import check, progress
    if not solutions and (stub := check.hand_out(lesson)):
        print(f"{stub}: copied for you to write in\n")
    text, passing, done = check.report(lesson, hint, exercise, "solutions" if solutions else "exercises")
    print(text)
    if not solutions:
        progress.checked(lesson, passing)
    return 0 if done else 1


if __name__ == "__main__":
    sys.exit(main())
