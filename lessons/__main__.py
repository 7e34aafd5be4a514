"""``python -m lessons``: list, run and check the lessons, show progress, build the book."""

import argparse
import os
import sys

import lessons
from minigooglenet.errors import UserError

EPILOG = """\
python -m lessons                  the lessons, what is done and what is next
python -m lessons 5                run lesson 05 (--output: only what its code prints)
python -m lessons all --quick      run all, in order, against their time budgets
python -m lessons check 5          check your answers to its exercises (--hint 1: a hint)
python -m lessons book             all lessons as web pages and notebooks, in build/book/"""


def parser():
    top = argparse.ArgumentParser(prog="python -m lessons", epilog=EPILOG, usage="python -m lessons [WHAT] [options]",
                                  formatter_class=argparse.RawDescriptionHelpFormatter,
                                  description="The course on GoogLeNet: sixteen lessons.")
    top.add_argument("what", nargs="*", metavar="WHAT", help="a lesson's number, all, check NUMBER, progress, or book")
    top.add_argument("--quick", action="store_true", help="fewer steps where a lesson trains or times something")
    top.add_argument("--output", action="store_true", help="only what the lesson's code prints")
    top.add_argument("--factor", type=float, default=1.0, help="all: allow budgets times this, on a busy machine")
    top.add_argument("--hint", type=int, default=0, metavar="N", help="check: show N hints")
    top.add_argument("--exercise", metavar="NAME", help="check: only this exercise")
    top.add_argument("--solutions", action="store_true", help="check: the solutions instead of your answers")
    return top


def main(argv=None):
    """Returns the exit code: 0; 1 if something fails or is unfinished; 2 for wrong input."""
    for stream in (sys.stdout, sys.stderr):  # a terminal that cannot show "×" gets "?" and no traceback
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    args = parser().parse_args(argv)
    if args.quick:
        os.environ["MINIGOOGLENET_QUICK"] = "1"  # for processes started from here
        lessons.QUICK = True  # for a lesson that runs in this one
    try:
        return _do(args) or 0
    except UserError as error:
        print(f"lessons: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("lessons: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output has gone, as with ``| head``
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _do(args):
    from . import catalogue, progress, run
    match args.what:
        case [] | ["progress"]:
            print(progress.overview())
        case ["all"]:
            return run.run_all(catalogue.lessons(), args.quick, args.factor)
        case ["check", number]:
            return _check(catalogue.find(number), args)
        case ["book", *numbers]:
            from . import book
            return book.build([catalogue.find(number) for number in numbers] or catalogue.lessons(), args.quick)
        case [number]:
            return run.run(catalogue.find(number), args.output)
        case _:
            raise UserError(f"{' '.join(args.what)}: no such thing; python -m lessons --help shows what there is")


def _check(lesson, args):
    from . import check, progress
    folder = "solutions" if args.solutions else "exercises"
    text, passing, done = check.report(lesson, args.hint, args.exercise, folder)
    print(text)
    if not args.solutions:
        progress.checked(lesson, passing)
    return 0 if done else 1


if __name__ == "__main__":
    sys.exit(main())
