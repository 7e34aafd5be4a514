"""``python -m minigooglenet data``"""

import argparse

from ..errors import UserError

DESCRIPTION = """\
Download, draw or describe a data set.

  cifar10    60,000 photos in ten classes (Krizhevsky 2009): downloaded, checked, unpacked into datasets/
  shapes10   ten classes of drawn shapes, generated from a seed in a few seconds, without a download
  DIR        your own folder in the same binary layout

If you already have the archive cifar-10-binary.tar.gz, pass it with --from-file."""

EXAMPLES = """\
examples:
  python -m minigooglenet data cifar10
  python -m minigooglenet data cifar10 --from-file ~/Downloads/cifar-10-binary.tar.gz
  python -m minigooglenet data shapes10"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME|DIR",
                        help="cifar10, shapes10 or a folder (default: the best available)")
    parser.add_argument("--from-file", metavar="ARCHIVE",
                        help="unpack CIFAR-10 from this archive instead of downloading it")
    parser.add_argument("--datasets", metavar="DIR", default="datasets",
                        help="the folder of the data sets (default: datasets)")


def run(args: argparse.Namespace) -> None:
    from ..data import describe, fetch, load

    if args.from_file:
        if args.name not in (None, "cifar10"):
            raise UserError(f"--from-file goes with cifar10, not with {args.name}")
        fetch(args.datasets, from_file=args.from_file)
        args.name = "cifar10"
    print(describe(load(args.name, args.datasets)))
