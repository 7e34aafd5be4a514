"""``python -m minigooglenet export``"""

import argparse
import dataclasses
from pathlib import Path

from ..errors import UserError
from .options import add_compute, use_compute, whole

DESCRIPTION = """\
Write a network as an ONNX model, for ONNX Runtime, viewers such as Netron, and other software that reads ONNX.

WEIGHTS is anything that predict accepts: a .caffemodel, its conversion by convert, torchvision's arrays, or a run.
--model NAME exports a network of the catalog with random weights instead.

  input   "images"         float32 (N, C, H, W), any N. Pixels from 0 to 255, (pixel - mean) / std, in the order of
                           channels; all three are in the metadata
  output  "logits"         float32 (N, classes); with --softmax also "probabilities"

For inference only: auxiliary classifiers and dropout are left out. The model is checked with onnx's checker and, if the
package onnxruntime is installed, against this package's logits. Needs the extra: python -m pip install -e '.[onnx]'"""

EXAMPLES = """\
examples:
  python -m minigooglenet export datasets/bvlc_googlenet.caffemodel googlenet.onnx --softmax
  python -m minigooglenet export runs/best mini.onnx --opset 17
  python -m minigooglenet export --model googlenet-torchvision random.onnx"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("weights", metavar="WEIGHTS|RUN", type=Path, nargs="?", help="the network")
    parser.add_argument("target", metavar="OUT.onnx", type=Path, help="the file to write")
    parser.add_argument("--model", metavar="NAME", help="a network with random weights, such as googlenet or vgg16")
    parser.add_argument("--seed", type=whole, default=0, metavar="N", help="seed of the random weights (default: 0)")
    parser.add_argument("--opset", type=whole, default=22, metavar="N",
                        help="version of the operators, from 9 to the newest of the package onnx (default: 22); older "
                             "engines need an older one: ONNX Runtime 1.17 loads up to 20")
    parser.add_argument("--softmax", action="store_true", help="add the probabilities as a second output")
    parser.add_argument("--labels", metavar="FILE", help="one label per line, such as Caffe's synset_words.txt")
    add_compute(parser)


def run(args: argparse.Namespace) -> None:
    from ..weights.onnx_export import check_opset, export_model, save

    if (args.weights is None) == (args.model is None):
        raise UserError("give either WEIGHTS or --model NAME; all options: --help")
    if args.target.suffix != ".onnx":
        raise UserError(f"{args.target}: writes ONNX; choose a name that ends in .onnx")
    check_opset(args.opset)
    use_compute(args)
    net, shape, details = _random(args) if args.model else _trained(args)
    model = export_model(net, shape, softmax=args.softmax, opset=args.opset,
                         metadata={"layout": "NCHW", "scale": "0 to 255", **details})
    checked = _check(model, net, shape)
    save(args.target, model)
    print(f"{args.target}: {args.target.stat().st_size:,} bytes, {details['variant']}, {len(model.graph.node)} nodes, "
          f"opset {args.opset}")
    print(f"  images (N, {shape[2]}, {shape[0]}, {shape[1]}) -> {', '.join(o.name for o in model.graph.output)}; "
          f"checked with onnx's checker{checked}")


def _trained(args):
    from ..inference.classifier import open_weights

    found = open_weights(args.weights, args.labels)
    if found.net is None:
        raise UserError(f"{args.weights}: an ensemble; export its runs one by one, such as {args.weights}/model-1")
    details = found.metadata | {"labels": found.labels}
    if found.config is not None:                   # from which the .onnx can be read again
        details |= {"config": dataclasses.asdict(found.config), "size": found.size, "shorter": found.resized}
    return found.net, (found.size, found.size, 3), details


def _random(args):
    import numpy as np

    from ..models.catalog import entry, network

    shape = entry(args.model).input_shape
    details = {"variant": args.model, "channels": "RGB" if shape[-1] == 3 else "gray", "mean": [0.0] * shape[-1],
             "std": [1.0] * shape[-1], "weights": f"random, seed {args.seed}"}
    return network(args.model, rng=np.random.default_rng(args.seed)), shape, details


def _check(model, net, shape):
    """The result of the comparison with ONNX Runtime as text, or why there is none. Raises UserError if they differ."""
    import numpy as np

    from ..weights.onnx_export import TOLERANCE, difference

    x = 50 * np.random.default_rng(0).standard_normal((2, *shape), np.float32)
    try:
        found = difference(model, net, x)
    except UserError as error:  # not installed, or too old
        return f"; not compared with ONNX Runtime ({error})"
    if not found < TOLERANCE:
        raise UserError(f"ONNX Runtime's logits differ by {found:.1e} of the largest, more than {TOLERANCE}; "
                        "nothing was written")
    return f"; ONNX Runtime's logits agree within {found:.0e} of the largest"
