"""``python -m minigooglenet progress``"""

import argparse

DESCRIPTION = "List the lessons: which ran, which exercises pass, and the next step. The record is .progress.json."

EXAMPLES = """\
examples:
  python -m minigooglenet progress"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No options."""


def run(args: argparse.Namespace) -> int:
    from lessons.__main__ import do
    return do(["progress"])
