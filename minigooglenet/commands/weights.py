"""``python -m minigooglenet weights``"""

DESCRIPTION = """\
Fetch the weights of GoogLeNet that BVLC trained with Caffe and released in 2014 (54 MB, for unrestricted use), check
them, and put them into datasets/, where predict finds them.

A file that you have already comes in with --from-file."""

EXAMPLES = """\
examples:
  python -m minigooglenet weights
  python -m minigooglenet weights --from-file ~/Downloads/bvlc_googlenet.caffemodel"""


def add_arguments(parser):
    parser.add_argument("--from-file", metavar="FILE", help="take them from this file instead of the network")
    parser.add_argument("--datasets", metavar="DIR", default="datasets", help="where they are kept (default: datasets)")


def run(args):
    from ..weights.fetch import fetch

    path, note = fetch(args.datasets, from_file=args.from_file)
    if note:
        print(f"note: {note}")
    print(f"{path}: Caffe's GoogLeNet{'' if note else ', the official file'}\n"
          f"  try it:  python -m minigooglenet predict PHOTO --weights {path}")
