"""``python -m minigooglenet convert``"""

from pathlib import Path

from ..errors import UserError

DESCRIPTION = """\
Convert a GoogLeNet to safetensors: the same numbers under other names, transposed where the layout differs. IN is
one of:

  Caffe's .caffemodel                    to this package's names, (F, C, KH, KW) to (KH, KW, C, F)
  torchvision's state_dict               to this package's names; as a .safetensors file, since a .pth is a program and
                                         is not read: in PyTorch, safetensors.torch.save_file(net.state_dict(), FILE)
  what was made of that, with --names torchvision: back to a state_dict that torchvision's network loads

How pictures have to be prepared is in the file's metadata. predict, export and others take all of these files."""

EXAMPLES = """\
examples:
  python -m minigooglenet convert datasets/bvlc_googlenet.caffemodel datasets/googlenet.safetensors
  python -m minigooglenet convert bvlc_googlenet.caffemodel small.safetensors --no-heads
  python -m minigooglenet convert torchvision.safetensors ours.safetensors
  python -m minigooglenet convert ours.safetensors theirs.safetensors --names torchvision"""


def add_arguments(parser):
    parser.add_argument("source", metavar="IN", type=Path, help="a .caffemodel or .safetensors of GoogLeNet")
    parser.add_argument("target", metavar="OUT", type=Path, help="the .safetensors to write")
    parser.add_argument("--no-heads", action="store_true", help="leave out the auxiliary classifiers: half the size")
    parser.add_argument("--names", choices=("ours", "torchvision"), default="ours",
                        help="whose names and layout (default: ours)")
    parser.add_argument("--pixels", choices=("tensorflow", "imagenet"), default="tensorflow",
                        help="what torchvision's network was fed: pixels from -1 to 1, as its released weights want "
                             "(tensorflow, the default), or normalised by ImageNet's mean and deviation (imagenet)")


def run(args):
    from ..weights.convert import convert
    from ..weights.safetensors_io import metadata
    from ..weights.torchvision import HEADS

    if args.target.exists() and args.source.exists() and args.target.samefile(args.source):
        raise UserError(f"{args.target}: is the file to read; choose another name to write")
    arrays = convert(args.source, args.target, not args.no_heads, args.names, args.pixels)
    words = metadata(args.target)
    numbers = sum(a.size for name, a in arrays.items() if not name.endswith(NO_PARAMETER))
    heads = "with" if any(name.startswith(HEADS) for name in arrays) else "without"
    print(f"{args.source}: {len(arrays)} arrays, {numbers:,} parameters, {heads} auxiliary heads")
    print(f"{args.target}: {args.target.stat().st_size:,} bytes, " + (
        f"variant {words['variant']}, {words['channels']} minus {words['mean']}"
        + (f", divided by {words['std']}" if "std" in words else "") if "variant" in words else "torchvision's names"))
    print(f"  try it:  python -m minigooglenet predict PHOTO --weights {args.target}")


NO_PARAMETER = ("_bn/mean", "_bn/variance", "running_mean", "running_var", "num_batches_tracked")  # running statistics
