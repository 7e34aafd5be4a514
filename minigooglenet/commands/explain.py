"""``python -m minigooglenet explain``"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from .interpreting import WEIGHTS, add_class, add_network, caption, check_finite, classify_photo
from .options import figure_path, save_figure
from .predict import lines, top

if TYPE_CHECKING:
    from ..layers.base import Array, Layer

DESCRIPTION = f"""\
Explain a prediction in one figure: the five most probable classes, the class activation map (which regions of the photo
support the class), and the contribution of each branch of each inception module to the class score.

{WEIGHTS}"""

EXAMPLES = """\
examples:
  python -m minigooglenet explain cat.jpg
  python -m minigooglenet explain cat.jpg --class "tiger cat" --out why.pdf"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("photo", metavar="PHOTO", help="an image file")
    add_class(parser)
    parser.add_argument("--out", type=figure_path, default=Path("explain.png"), metavar="FILE",
                        help="a .png, .pdf or .svg (default: explain.png)")
    add_network(parser)


def run(args: argparse.Namespace) -> None:
    import numpy as np

    from ..data.labels import short_label
    from ..figures.explanation import explanation
    from ..interpret import cam

    classifier, image, x, p, k = classify_photo(args)
    with np.errstate(over="ignore", invalid="ignore"):
        heat, method = evidence_map(classifier.net, x, k)
        shares = cam.branch_shares(classifier.net, x, [k])
    parts = [value for module in shares.values() for value in module.values()]
    check_finite(np.array([*heat.flat, *parts]), classifier)
    best = top(p, classifier.labels, 5)
    label = short_label(classifier.labels[k])
    figure = explanation(image, best, heat, f"evidence for {label}", shares,
                         f"Map: {method}. Branches: gradient of the score of {label} × activation, summed over each "
                         f"branch; in each module the absolute values add up to 100 %. "
                         f"{caption(classifier, args.photo)}")
    save_figure(figure, args.out)
    print("\n".join([f"{args.photo}: {classifier.labels[k]}", *lines(best), f"figure: {args.out}"]))


def evidence_map(net: Layer, x: Array, k: int) -> tuple[Array, str]:
    """(the map of class k at the image's size (H, W), the name of the method): the class activation map, or Grad-CAM
    at the last layer with maps for a network without global average pooling."""
    from ..errors import UserError
    from ..interpret import cam

    try:
        heat, method = cam.class_activation_map(net, x, [k]), "class activation map"
    except UserError:
        last = cam.layers_with_maps(net, x.shape[1:])[-1]
        heat, method = cam.grad_cam(net, x, [k], last), f"Grad-CAM at {last}"
    return cam.upsample(heat, *x.shape[1:3])[0], method
