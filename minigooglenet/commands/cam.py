"""``python -m minigooglenet cam``"""

import argparse
from pathlib import Path

from .interpreting import WEIGHTS, add_class, add_network, caption, check_finite, classify_photo
from .options import figure_path, layer_path, save_figure

DESCRIPTION = f"""\
Show which regions of a photo support a class. Without --layer: the class activation map (Zhou et al. 2016), which
global average pooling makes almost free. With --layer: Grad-CAM (Selvaraju et al. 2017) at one or several layers.

{WEIGHTS}"""

EXAMPLES = """\
examples:
  python -m minigooglenet cam cat.jpg
  python -m minigooglenet cam cat.jpg --class "tiger cat" --out tiger.png
  python -m minigooglenet cam cat.jpg --layer 3b 4c 4e 5b"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("photo", metavar="PHOTO", help="an image file")
    parser.add_argument("--layer", type=layer_path, nargs="+", metavar="PATH",
                        help="Grad-CAM at these layers, such as 4e, or 4e/3x3 inside it")
    add_class(parser)
    parser.add_argument("--out", type=figure_path, default=Path("cam.png"), metavar="FILE",
                        help="a .png, .pdf or .svg (default: cam.png)")
    add_network(parser)


def run(args: argparse.Namespace) -> None:
    import numpy as np

    from ..data.labels import short_label
    from ..figures.heatmaps import heatmaps
    from ..interpret import cam

    classifier, image, x, p, k = classify_photo(args)
    with np.errstate(over="ignore", invalid="ignore"):
        if args.layer:
            found = [(f"Grad-CAM at {layer}", cam.grad_cam(classifier.net, x, [k], layer)) for layer in args.layer]
        else:
            found = [("class activation map", cam.class_activation_map(classifier.net, x, [k]))]
    for _, m in found:
        check_finite(m, classifier)
    maps = [(f"{name}, {m.shape[1]}×{m.shape[2]}", cam.upsample(m, *image.shape[:2])[0]) for name, m in found]
    title = f"Evidence for {short_label(classifier.labels[k])} ({p[k]:.1%})".replace("$", r"\$")
    save_figure(heatmaps(image, maps, title, "Gray: no evidence; brighter: more; line: half of the maximum. "
                         + caption(classifier, args.photo)), args.out)
    print(f"{args.out}: {classifier.labels[k]}, {p[k]:.1%}")
