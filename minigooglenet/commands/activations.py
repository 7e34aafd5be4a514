"""``python -m minigooglenet activations``"""

import argparse
from pathlib import Path

from .interpreting import WEIGHTS, add_network, caption, input_image, open_network
from .options import figure_path, layer_path, positive, save_figure

DESCRIPTION = f"""\
Draw the output of a layer for a photo: the maps of its strongest channels, those with the largest mean magnitude.
Layers have the names that flops prints: 3a is an inception module, 3a/5x5 a convolution inside it, after its ReLU.

{WEIGHTS}"""

EXAMPLES = """\
examples:
  python -m minigooglenet activations cat.jpg --layer conv2
  python -m minigooglenet activations cat.jpg --layer 4c --top 40 --out 4c.png"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("photo", metavar="PHOTO", help="an image file")
    parser.add_argument("--layer", type=layer_path, default="3a", metavar="PATH", help="the layer (default: 3a)")
    parser.add_argument("--top", type=positive, default=64, metavar="N", help="how many maps (default: 64)")
    parser.add_argument("--out", type=figure_path, default=Path("activations.png"), metavar="FILE",
                        help="a .png, .pdf or .svg (default: activations.png)")
    add_network(parser)


def run(args: argparse.Namespace) -> None:
    from ..figures.activations import activations, strongest
    from ..interpret.cam import check_maps
    from ..interpret.structure import until

    classifier = open_network(args)
    image = input_image(classifier, args.photo)
    check_maps(classifier.net, args.layer, image.shape)
    classifier.probabilities(image[None])  # raises UserError if the activations exceed float32
    y = until(classifier.net, args.layer).predict(classifier.prepare(image[None]))[0]
    figure = activations(image, y, strongest(y, min(args.top, 256)), args.layer, caption(classifier, args.photo))
    save_figure(figure, args.out)
    print(args.out)
