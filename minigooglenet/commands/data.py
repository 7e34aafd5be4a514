"""``python -m minigooglenet data``"""

from ..errors import UserError

DESCRIPTION = """\
Fetch, draw or describe a data set.

  cifar10    60,000 photos of ten kinds of things (Krizhevsky 2009): fetched, checked, unpacked into datasets/
  shapes10   ten kinds of drawn shapes, made from a seed in a few seconds: needs no network
  DIR        a folder of yours in the same binary layout

CIFAR-10 that you have already, as the archive cifar-10-binary.tar.gz, comes in with --from-file."""

EXAMPLES = """\
examples:
  python -m minigooglenet data cifar10
  python -m minigooglenet data cifar10 --from-file ~/Downloads/cifar-10-binary.tar.gz
  python -m minigooglenet data shapes10"""


def add_arguments(parser):
    parser.add_argument("name", nargs="?", metavar="NAME|DIR", help="cifar10, shapes10 or a folder (default: the best)")
    parser.add_argument("--from-file", metavar="ARCHIVE", help="take CIFAR-10 from this archive instead of the network")
    parser.add_argument("--datasets", metavar="DIR", default="datasets", help="where data sets are kept")


def run(args):
    from ..data import describe, fetch, load

    if args.from_file:
        if args.name not in (None, "cifar10"):
            raise UserError(f"--from-file goes with cifar10, not with {args.name}")
        fetch(args.datasets, from_file=args.from_file)
        args.name = "cifar10"
    print(describe(load(args.name, args.datasets)))
