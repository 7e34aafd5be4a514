"""``python -m minigooglenet filters``"""

from pathlib import Path

from ..errors import UserError
from .looking import WEIGHTS, add_network, as_picture, bounds, open_network, progress, source
from .options import figure_path, positive, save_figure, whole

DESCRIPTION = f"""\
Draw what a layer looks for. Without --layer: the filters of the first convolution, as they are. With --layer: for some
of its channels, a picture that the channel answers to strongly, found by gradient ascent from grey noise.

{WEIGHTS}"""

EXAMPLES = """\
examples:
  python -m minigooglenet filters --out filters.png
  python -m minigooglenet filters --layer 4b --channels 0-7
  python -m minigooglenet filters --layer 4c/3x3 --channels 12,77,200 --steps 40"""


def add_arguments(parser):
    parser.add_argument("--layer", metavar="PATH", help="such as 4b, or 4b/3x3 inside of it (default: the first)")
    parser.add_argument("--channels", default="0-7", metavar="LIST", help="with --layer: which (default: 0-7)")
    parser.add_argument("--size", type=positive, metavar="N",
                        help="with --layer: pixels (default: 160, or 64 for the reduced network)")
    parser.add_argument("--steps", type=positive, default=24, metavar="N",
                        help="with --layer: in each of four octaves (default: 24)")
    parser.add_argument("--seed", type=whole, default=0, metavar="N", help="of the noise (default: 0)")
    parser.add_argument("--out", type=figure_path, default=Path("filters.png"), metavar="FILE",
                        help="a .png, .pdf or .svg (default: filters.png)")
    add_network(parser)


def run(args):
    from ..pictures import filters

    channels = numbers(args.channels)
    classifier = open_network(args)
    if args.layer is None:
        from ..inside.features import first_filters

        path, w = first_filters(classifier.net)
        inputs = w.transpose(3, 0, 1, 2)      # small pictures; what undoes the preparation knows their colours
        colours = (classifier.restore(inputs) - classifier.restore(0 * inputs)).transpose(1, 2, 3, 0)
        drawing = filters.first_filters(colours, f"Layer {path}. {source(classifier)}")
    else:
        import numpy as np

        from ..inside.features import visualise

        size, octaves = args.size or (160 if classifier.size > 64 else 64), 4
        with progress(len(channels) * octaves * args.steps, "step") as bar:
            x = visualise(classifier.net, args.layer, channels, size, bounds(classifier),
                          np.random.default_rng(args.seed), steps=args.steps, octaves=octaves,
                          on_step=lambda value: bar.update())
        drawing = filters.features(as_picture(classifier, x), channels, args.layer,
                                   f"{octaves} octaves of {args.steps} steps, seed {args.seed}. {source(classifier)}")
    save_figure(drawing, args.out)
    print(args.out)


def numbers(text):
    """``"0-3,12" -> [0, 1, 2, 3, 12]``. Raises UserError for anything else, and for more than 64."""
    found = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise UserError(f"channels: got {text!r}, needs numbers and ranges such as 0-7,12")
        found += range(int(first), min(int(last or first), int(first) + 64) + 1)
    if not 0 < len(found) <= 64:
        raise UserError(f"channels: {text!r} are {'none' if not found else 'too many'}; choose 1 to 64")
    return found
