"""``python -m minigooglenet convert``"""

import argparse
from pathlib import Path

from ..errors import UserError
from ..hints import hint

DESCRIPTION = """\
Convert the weights of GoogLeNet to safetensors: the same values under other names, transposed where the layout
differs. IN is one of:

  Caffe's .caffemodel                    to this package's names, (F, C, KH, KW) to (KH, KW, C, F); for a fine-tuned
                                         network, --classifier names its last fully connected layer
  torchvision's state_dict               to this package's names; only as a .safetensors file, because loading a
                                         .pth file can run code: safetensors.torch.save_file(net.state_dict(), FILE)
  GoogLeNet as .onnx                     the ONNX model zoo's, torchvision's, or one that export wrote
  its conversion, with --names torchvision: back to a state_dict that torchvision's network loads

The metadata of the file describes the preprocessing of images. predict, export and others read all of these files."""

EXAMPLES = """\
examples:
  python -m minigooglenet convert datasets/bvlc_googlenet.caffemodel datasets/googlenet.safetensors
  python -m minigooglenet convert bvlc_googlenet.caffemodel small.safetensors --no-heads
  python -m minigooglenet convert flowers.caffemodel flowers.safetensors --classifier loss3/flowers
  python -m minigooglenet convert torchvision.safetensors ours.safetensors
  python -m minigooglenet convert ours.safetensors theirs.safetensors --names torchvision"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="IN", type=Path, help="a .caffemodel, .safetensors or .onnx of GoogLeNet")
    parser.add_argument("target", metavar="OUT", type=Path, help="the .safetensors to write")
    parser.add_argument("--no-heads", action="store_true", help="without the auxiliary classifiers: half the size")
    parser.add_argument("--classifier", metavar="NAME",
                        help="the last fully connected layer of a .caffemodel (default: loss3/classifier)")
    parser.add_argument("--names", choices=("ours", "torchvision"), default="ours",
                        help="names and layout: this package's (ours, the default) or torchvision's")
    parser.add_argument("--pixels", choices=("tensorflow", "imagenet"), default="tensorflow",
                        help="the input of torchvision's network: pixels from -1 to 1, as for its released weights "
                             "(tensorflow, the default), or normalized by ImageNet's mean and standard deviation "
                             "(imagenet)")


def run(args: argparse.Namespace) -> None:
    from ..weights.convert import convert
    from ..weights.safetensors_io import metadata
    from ..weights.torchvision import HEADS

    if args.target.exists() and args.source.exists() and args.target.samefile(args.source):
        raise UserError(f"{args.target}: is the input file; choose another name to write")
    arrays = convert(args.source, args.target, not args.no_heads, args.names, args.pixels, args.classifier)
    details = metadata(args.target)
    parameters = sum(a.size for name, a in arrays.items() if not name.endswith(BUFFERS))
    heads = "with" if any(name.startswith(HEADS) for name in arrays) else "without"
    print(f"{args.source}: {len(arrays)} arrays, {parameters:,} parameters, {heads} auxiliary classifiers")
    kind = "torchvision's names"
    if "variant" in details:
        kind = f"variant {details['variant']}, {details['channels']} minus {details['mean']}"
        kind += f", divided by {details['std']}" if "std" in details else ""
    print(f"{args.target}: {args.target.stat().st_size:,} bytes, {kind}")
    print(f"  try it:  {hint('predict', f'PHOTO --weights {args.target}')}")


# running statistics, which are not parameters
BUFFERS = ("/bn/mean", "/bn/variance", "running_mean", "running_var", "num_batches_tracked")
