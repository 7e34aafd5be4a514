"""``python -m minigooglenet convert``"""

from pathlib import Path

DESCRIPTION = """\
Convert Caffe's GoogLeNet (.caffemodel) to safetensors: the same numbers under this package's names, transposed from
Caffe's (F, C, KH, KW) to (KH, KW, C, F). How pictures have to be prepared (BGR, the mean) is in the file's metadata.
predict takes either file."""

EXAMPLES = """\
examples:
  python -m minigooglenet convert datasets/bvlc_googlenet.caffemodel datasets/googlenet.safetensors
  python -m minigooglenet convert bvlc_googlenet.caffemodel small.safetensors --no-heads"""


def add_arguments(parser):
    parser.add_argument("source", metavar="IN", type=Path, help="a .caffemodel of GoogLeNet")
    parser.add_argument("target", metavar="OUT", type=Path, help="the .safetensors to write")
    parser.add_argument("--no-heads", action="store_true", help="leave out the auxiliary classifiers: half the size")


def run(args):
    from ..weights.convert import WORDS, convert

    arrays = convert(args.source, args.target, heads=not args.no_heads)
    numbers = sum(array.size for array in arrays.values())
    heads = "with" if any(name.startswith("aux") for name in arrays) else "without"
    print(f"{args.source}: {len(arrays)} arrays, {numbers:,} parameters, {heads} auxiliary heads")
    print(f"{args.target}: {args.target.stat().st_size:,} bytes, variant {WORDS['variant']}, {WORDS['channels']} minus "
          f"{WORDS['mean']}\n  try it:  python -m minigooglenet predict PHOTO --weights {args.target}")
