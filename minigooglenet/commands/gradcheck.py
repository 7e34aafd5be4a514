"""``python -m minigooglenet gradcheck``"""

from .options import whole

DESCRIPTION = """\
Check every backward pass against finite differences, in float64: each layer over windows, strides, paddings and odd
sizes, then the whole reduced network with its heads. The error is relative to the largest gradient of its array.

Exit code: 0 if every error is within its bound, 1 if not."""

EXAMPLES = """\
examples:
  python -m minigooglenet gradcheck
  python -m minigooglenet gradcheck conv "max pool"
  python -m minigooglenet gradcheck "reduced GoogLeNet" --seed 7"""


def add_arguments(parser):
    parser.add_argument("names", nargs="*", metavar="LAYER", help="only these rows of the table (default: all)")
    parser.add_argument("--seed", type=whole, default=0, metavar="N", help="of the random numbers (default: 0)")


def run(args):
    from ..layer_table import print_table

    return 0 if print_table(args.names or None, args.seed) else 1
