"""``python -m minigooglenet gradcheck``"""

import argparse

from .options import whole

DESCRIPTION = """\
Check every backward pass against finite differences, in float64: each layer as written, for several windows, strides,
paddings and odd sizes; then the whole reduced network with its auxiliary classifiers, as written and compiled by the
engine that trains. Errors are relative to the largest gradient of their array.

Exit code: 0 if every error is within its tolerance, 1 if not."""

EXAMPLES = """\
examples:
  python -m minigooglenet gradcheck
  python -m minigooglenet gradcheck conv "max pool"
  python -m minigooglenet gradcheck "compiled GoogLeNet" --seed 7"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="LAYER", help="only checks whose names begin so (default: all)")
    parser.add_argument("--seed", type=whole, default=0, metavar="N", help="seed of the random values (default: 0)")


def run(args: argparse.Namespace) -> int:
    from ..gradcheck.suite import print_table

    return 0 if print_table(args.names or None, args.seed) else 1
