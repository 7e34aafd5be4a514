"""``python -m minigooglenet gradcheck``"""

DESCRIPTION = """\
Check every backward pass against finite differences, in float64: each layer over windows, strides, paddings and odd
sizes, then the whole reduced network with its heads. The error is relative to the largest gradient of its array."""


def add_arguments(parser):
    parser.add_argument("names", nargs="*", metavar="LAYER", help="only these rows of the table (default: all)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the random numbers (default: 0)")


def run(args):
    from ..gradcheck import print_table

    return 0 if print_table(args.names or None, args.seed) else 1
