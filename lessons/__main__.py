"""``python -m lessons``: list, run and check the lessons, show progress, build the book."""

import argparse
import os
import sys
from collections.abc import Sequence

import lessons
from minigooglenet.cli import Parser
from minigooglenet.errors import UserError
from minigooglenet.streams import run_command

EPILOG = """\
python -m lessons                  list the lessons, what is done and what comes next
python -m lessons 7                run lesson 07 (--output: print only the output of its code)
python -m lessons all --quick      run all lessons in order and check their time budgets
python -m lessons check 7          check your answers to its exercises (--hint 1: show a hint)
python -m lessons mine             train a network made of your answers (--solutions: made of the course's)
python -m lessons book             build web pages and notebooks of all lessons in build/book/
python -m lessons translate zh 2   write the texts of lesson 02 into the catalog of a language, to be translated"""


def parser() -> argparse.ArgumentParser:
    """The argument parser of ``python -m lessons``."""
    top = Parser(prog="python -m lessons", epilog=EPILOG, usage="python -m lessons [WHAT] [options]",
                 formatter_class=argparse.RawDescriptionHelpFormatter,
                 description="The course on GoogLeNet: twenty-two lessons.")
    top.add_argument("what", nargs="*", metavar="WHAT",
                     help="a lesson's number, all, check NUMBER, check all, mine, progress, book, translate LANGUAGE")
    top.add_argument("--quick", action="store_true", help="fewer steps where a lesson trains or times something")
    top.add_argument("--output", action="store_true", help="print only the output of the lesson's code")
    top.add_argument("--factor", type=float, default=1.0, help="all: multiply the time budgets by this factor")
    top.add_argument("--hint", type=int, default=0, metavar="N", help="check: show N hints")
    top.add_argument("--exercise", metavar="NAME", help="check: only this exercise")
    top.add_argument("--solutions", action="store_true", help="check, mine: take the solutions instead of your answers")
    top.add_argument("--watch", action="store_true", help="check: check again whenever you save the file")
    top.add_argument("--seed", type=int, metavar="N", help="check: add random cases, drawn with this seed; "
                     "mine: the seed of images and weights")
    top.add_argument("--folder", metavar="DIR", help="check: check the submissions of a class, one folder each "
                     "in DIR; mine: take the answers from DIR")
    top.add_argument("--json", action="store_true", help="check: print JSON, with one point for each exercise")
    top.add_argument("--language", default="en", metavar="CODE", help="a lesson, book: in this language, such as zh")
    top.add_argument("--epochs", type=int, metavar="N", help="mine: train for N epochs instead of about a minute")
    top.add_argument("--photo", metavar="FILE", help="mine: the photo for the weights of 2014")
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0; 1 if something fails or is unfinished; 2 for invalid input."""
    return run_command(lambda: do(**vars(parser().parse_args(argv))), "lessons")


def do(what: Sequence[str], quick: bool = False, output: bool = False, factor: float = 1.0, hint: int = 0,
       exercise: str | None = None, solutions: bool = False, watch: bool = False, seed: int | None = None,
       folder: str | None = None, json: bool = False, language: str = "en", epochs: int | None = None,
       photo: str | None = None) -> int:
    """Do what the words ``what`` say, with the options of ``parser``. Returns the exit code. Raises UserError."""
    from . import catalog, progress, run, translation
    t = translation.load(language)
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
            _reject({"all": number == "all", "--folder": folder, "--json": json, "--watch": watch, "--hint": hint,
                     "--exercise": exercise, "--solutions": solutions})
            chosen = catalog.lessons() if number == "all" else [catalog.find(number)]
            if number == "all" or folder or json:
                return _check_many(chosen, "solutions" if solutions else "exercises", seed, folder, json)
            return _check(chosen[0], hint, exercise, solutions, watch, seed)
        case ["mine"]:
            from . import mine
            return mine.run(folder, solutions, epochs, seed or 0, photo)
        case ["book", *numbers]:
            from . import book
            return book.build([catalog.find(number) for number in numbers] or catalog.lessons(), quick, t=t)
        case ["translate", code, *numbers]:
            print(translation.report(code, [catalog.find(number) for number in numbers]))
            return 0
        case [number]:
            return run.run(catalog.find(number), output, t)
        case _:
            raise UserError(f"{' '.join(what)}: not a lesson or a task; python -m lessons --help lists them")


#: Ways to check, and the options for which they have no use.
ONE_LESSON = ("--hint", "--exercise", "--watch")
UNUSED = {"check all": ONE_LESSON, "check --json": ONE_LESSON, "check --folder": (*ONE_LESSON, "--solutions"),
          "check --watch": ("--hint", "--solutions")}


def _reject(given):
    """Raise UserError for options of ``check`` that would be ignored."""
    for way, options in UNUSED.items():
        if given[way.split()[1]] and (unused := [option for option in options if given[option]]):
            raise UserError(f"{way} has no use for {' and '.join(unused)}; leave one or the other out")


def _check(lesson, hint, exercise, solutions, watch, seed):
    from . import check, isolated, progress, report
    report.known(lesson, exercise)
    if not solutions and (said := check.hand_out(lesson)):
        print(f"{said}\n")
    if watch:
        return report.watch(lesson, seed, exercise)
    path = lesson.beside("solutions" if solutions else "exercises")
    verdicts = isolated.judge_file(lesson, path, seed, [exercise] if exercise else ())
    print(report.detailed(lesson, verdicts, hint, exercise))
    passing = [name for name, verdict in verdicts.items() if verdict.status == "passes"]
    if not solutions:
        progress.checked(lesson, passing, among=verdicts)
    return 0 if len(passing) == len(verdicts) else 1


def _check_many(chosen, folder, seed, submissions, json):
    from pathlib import Path

    from . import progress, report
    chosen = [lesson for lesson in chosen if progress.exercises_of(lesson)]
    if submissions:
        return report.check_class(chosen, Path(submissions), seed, json)
    result = report.check_all(chosen, folder, seed, json)
    if folder == "exercises":
        for lesson in chosen:
            verdicts = result["lessons"][lesson.number]["exercises"]
            progress.checked(lesson, [name for name, one in verdicts.items() if one["points"]])
    return 0 if result["points"] == result["of"] else 1


if __name__ == "__main__":
    sys.exit(main())
