"""``python -m minigooglenet book``"""

import argparse

from .options import positive

DESCRIPTION = """\
Run the lessons and build web pages and notebooks of them in build/book/. All lessons take some minutes; a lesson is
run again only if it or the library has changed. Needs the extra (python -m pip install -e '.[book]')."""

EXAMPLES = """\
examples:
  python -m minigooglenet book
  python -m minigooglenet book 1 5 --quick
  python -m minigooglenet book 2 6 --language zh"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lessons", nargs="*", type=positive, metavar="N", help="only these lessons (default: all)")
    parser.add_argument("--quick", action="store_true", help="fewer steps where a lesson trains or times something")
    parser.add_argument("--language", default="en", metavar="CODE",
                        help="the edition in this language, in build/book/CODE/: zh (default: en)")


def run(args: argparse.Namespace) -> int:
    from lessons.__main__ import do
    return do(["book", *map(str, args.lessons)], quick=args.quick, language=args.language)
