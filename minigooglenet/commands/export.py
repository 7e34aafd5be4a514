"""``python -m minigooglenet export``"""

from pathlib import Path

from ..errors import UserError
from .options import add_threads, use_threads, whole

DESCRIPTION = """\
Write a network as an ONNX model, for ONNX Runtime, viewers such as Netron, and whatever else reads ONNX.

WEIGHTS is anything that predict takes: a .caffemodel, what convert made of one, torchvision's arrays, a training run.
--model NAME takes a network of the catalogue with random weights instead.

  input   "pictures"       float32 (N, C, H, W), any N: channels before rows, as ONNX has it. Pixels from 0 to 255,
                           (pixel - mean) / std, in the order of channels; all three are in the metadata
  output  "logits"         float32 (N, classes); with --softmax also "probabilities"

Inference only: auxiliary heads and dropout are left out. The model is checked with onnx's checker and, where the
package onnxruntime is installed, against our own logits. Needs the extra: python -m pip install -e '.[onnx]'"""

EXAMPLES = """\
examples:
  python -m minigooglenet export datasets/bvlc_googlenet.caffemodel googlenet.onnx --softmax
  python -m minigooglenet export runs/best mini.onnx
  python -m minigooglenet export --model googlenet-torchvision random.onnx"""


def add_arguments(parser):
    parser.add_argument("weights", metavar="WEIGHTS|RUN", type=Path, nargs="?", help="which network")
    parser.add_argument("target", metavar="OUT.onnx", type=Path, help="the file to write")
    parser.add_argument("--model", metavar="NAME", help="a network with random weights, such as googlenet or vgg16")
    parser.add_argument("--seed", type=whole, default=0, metavar="N", help="of the random weights (default: 0)")
    parser.add_argument("--softmax", action="store_true", help="add the probabilities as a second output")
    parser.add_argument("--labels", metavar="FILE", help="one label a line, such as Caffe's synset_words.txt")
    add_threads(parser)


def run(args):
    from ..extras import need
    from ..weights.onnx_export import OPSET, model_of, save

    if (args.weights is None) == (args.model is None):
        raise UserError("name either a file or run of weights, or --model NAME; all options: --help")
    if args.target.suffix != ".onnx":
        raise UserError(f"{args.target}: the file written is ONNX; give it a name that ends in .onnx")
    need("onnx", "export")
    use_threads(args)
    net, shape, words = _random(args) if args.model else _trained(args)
    model = model_of(net, shape, softmax=args.softmax, metadata={"layout": "NCHW", "scale": "0 to 255", **words})
    checked = _check(model, net, shape)
    save(args.target, model)
    print(f"{args.target}: {args.target.stat().st_size:,} bytes, {words['variant']}, {len(model.graph.node)} nodes, "
          f"opset {OPSET}")
    print(f"  pictures (N, {shape[2]}, {shape[0]}, {shape[1]}) -> {', '.join(o.name for o in model.graph.output)}; "
          f"checked with onnx's checker{checked}")


def _trained(args):
    from ..inference.classifier import open_weights

    found = open_weights(args.weights, args.labels)
    if found.net is None:
        raise UserError(f"{args.weights}: an ensemble; export its runs one by one, such as {args.weights}/model-1")
    return found.net, (found.size, found.size, 3), found.words | {"labels": found.labels}


def _random(args):
    import numpy as np

    from ..models.catalogue import entry, network

    shape = entry(args.model).input_shape
    words = {"variant": args.model, "channels": "RGB" if shape[-1] == 3 else "grey", "mean": [0.0] * shape[-1],
             "std": [1.0] * shape[-1], "weights": f"random, seed {args.seed}"}
    return network(args.model, rng=np.random.default_rng(args.seed)), shape, words


def _check(model, net, shape):
    """", ONNX Runtime agrees to 1e-6", or why that is not known. Raises UserError if it does not."""
    import numpy as np

    from ..weights.onnx_export import TOLERANCE, difference

    x = 50 * np.random.default_rng(0).standard_normal((2, *shape), np.float32)
    try:
        found = difference(model, net, x)
    except UserError:  # not installed
        return "; ONNX Runtime is not installed, so its logits were not compared with ours"
    if not found < TOLERANCE:
        raise UserError(f"ONNX Runtime's logits differ from ours by {found:.1e} of the largest, more than {TOLERANCE}; "
                        "nothing was written")
    return f"; ONNX Runtime's logits are ours to {found:.0e} of the largest"
