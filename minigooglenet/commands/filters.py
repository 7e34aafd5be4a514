"""``python -m minigooglenet filters``"""

import argparse
from pathlib import Path

from ..errors import UserError
from ..hints import counted
from .interpreting import WEIGHTS, add_network, as_image, caption, open_network, pixel_bounds, progress
from .options import figure_path, layer_path, positive, save_figure, whole

DESCRIPTION = f"""\
Draw the filters of the first convolution. With --layer: for some channels of that layer an image that activates the
channel strongly, found by gradient ascent from gray noise.

{WEIGHTS}"""

EXAMPLES = """\
examples:
  python -m minigooglenet filters --out filters.png
  python -m minigooglenet filters --layer 4b --channels 0-7
  python -m minigooglenet filters --layer 4c/3x3 --channels 12,77,200 --steps 40"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--layer", type=layer_path, metavar="PATH",
                        help="the layer, such as 4b, or 4b/3x3 inside it (default: the first convolution)")
    parser.add_argument("--channels", default="0-7", metavar="LIST", help="with --layer: its channels (default: 0-7)")
    parser.add_argument("--size", type=positive, metavar="N",
                        help="with --layer: size in pixels (default: 160, or 64 for the reduced network)")
    parser.add_argument("--steps", type=positive, default=24, metavar="N",
                        help="with --layer: gradient steps in each of four octaves (default: 24)")
    parser.add_argument("--seed", type=whole, default=0, metavar="N", help="seed of the noise (default: 0)")
    parser.add_argument("--out", type=figure_path, default=Path("filters.png"), metavar="FILE",
                        help="a .png, .pdf or .svg (default: filters.png)")
    add_network(parser)


def run(args: argparse.Namespace) -> None:
    from ..figures import filters

    channels = channel_list(args.channels)
    classifier = open_network(args)
    if args.layer is None:
        from ..interpret.features import first_filters

        path, w = first_filters(classifier.net)
        inputs = w.transpose(3, 0, 1, 2)  # the filters as small images, in the colors of pixels
        colors = (classifier.restore(inputs) - classifier.restore(0 * inputs)).transpose(1, 2, 3, 0)
        figure = filters.first_filters(colors, f"Layer {path}. {caption(classifier)}")
    else:
        import numpy as np

        from ..interpret.features import visualize

        size, octaves = args.size or (160 if classifier.size > 64 else 64), 4
        with progress(len(channels) * octaves * args.steps, "step") as bar:
            x = visualize(classifier.net, args.layer, channels, size, pixel_bounds(classifier),
                          np.random.default_rng(args.seed), steps=args.steps, octaves=octaves,
                          on_step=lambda value: bar.update())
        figure = filters.features(as_image(classifier, x), channels, args.layer,
                                  f"{octaves} octaves of {counted(args.steps, 'step')}, seed {args.seed}. "
                                  f"{caption(classifier)}")
    save_figure(figure, args.out)
    print(args.out)


def channel_list(text: str) -> list[int]:
    """``"0-3,12" -> [0, 1, 2, 3, 12]``. Raises UserError for invalid text and for more than 64 channels."""
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise UserError(f"channels: got {text!r}, needs numbers and ranges such as 0-7,12")
        found += range(int(first), min(int(last or first), int(first) + 64) + 1)
    if not 0 < len(found) <= 64:
        raise UserError(f"channels: {text!r} are {'none' if not found else 'too many'}; choose 1 to 64")
    return found
