"""``python -m minigooglenet activations``"""

from pathlib import Path

from .looking import WEIGHTS, add_network, open_network, seen, source
from .options import figure_path, positive, save_figure

DESCRIPTION = f"""\
Draw what a layer makes of a photo: its maps, side by side, those that answer most. A layer is named as flops names it:
3a is the output of a module, 3a/5x5 a convolution inside of it, 3a/5x5_relu the same after its ReLU.

{WEIGHTS}"""

EXAMPLES = """\
examples:
  python -m minigooglenet activations cat.jpg --layer conv2_relu
  python -m minigooglenet activations cat.jpg --layer 4c --top 40 --out 4c.png"""


def add_arguments(parser):
    parser.add_argument("photo", metavar="PHOTO", help="a picture file")
    parser.add_argument("--layer", default="3a", metavar="PATH", help="whose output (default: 3a)")
    parser.add_argument("--top", type=positive, default=64, metavar="N", help="how many maps (default: 64)")
    parser.add_argument("--out", type=figure_path, default=Path("activations.png"), metavar="FILE",
                        help="a .png, .pdf or .svg (default: activations.png)")
    add_network(parser)


def run(args):
    from ..inside.cam import check_maps
    from ..inside.structure import until
    from ..pictures.activations import activations, strongest

    classifier = open_network(args)
    picture = seen(classifier, args.photo)
    check_maps(classifier.net, args.layer, picture.shape)
    y = until(classifier.net, args.layer).predict(classifier.prepare(picture[None]))[0]
    drawing = activations(picture, y, strongest(y, min(args.top, 256)), args.layer, source(classifier, args.photo))
    save_figure(drawing, args.out)
    print(args.out)
