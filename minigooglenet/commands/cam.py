"""``python -m minigooglenet cam``"""

from pathlib import Path

from .looking import WEIGHTS, add_class, add_network, look, source
from .options import figure_path, save_figure

DESCRIPTION = f"""\
Show where in a photo a class is seen. Without --layer: the class activation map (Zhou et al. 2016), which global
average pooling makes nearly free. With --layer: Grad-CAM (Selvaraju et al. 2017) at any layer, or at several.

{WEIGHTS}"""

EXAMPLES = """\
examples:
  python -m minigooglenet cam cat.jpg
  python -m minigooglenet cam cat.jpg --class "tiger cat" --out tiger.png
  python -m minigooglenet cam cat.jpg --layer 3b 4c 4e 5b"""


def add_arguments(parser):
    parser.add_argument("photo", metavar="PHOTO", help="a picture file")
    parser.add_argument("--layer", nargs="+", metavar="PATH",
                        help="Grad-CAM at these layers, such as 4e, or 4e/3x3_relu inside of it")
    add_class(parser)
    parser.add_argument("--out", type=figure_path, default=Path("cam.png"), metavar="FILE",
                        help="a .png, .pdf or .svg (default: cam.png)")
    add_network(parser)


def run(args):
    from ..inference.labels import short_label
    from ..inside import cam
    from ..pictures.heatmaps import heatmaps

    classifier, picture, x, p, k = look(args)
    if args.layer:
        found = [(f"Grad-CAM at {layer}", cam.grad_cam(classifier.net, x, [k], layer)) for layer in args.layer]
    else:
        found = [("class activation map", cam.class_activation_map(classifier.net, x, [k]))]
    maps = [(f"{name}, {m.shape[1]}×{m.shape[2]}", cam.to_picture(m, *picture.shape[:2])[0]) for name, m in found]
    title = f"Where it sees: {short_label(classifier.labels[k])} ({p[k]:.1%})".replace("$", r"\$")
    save_figure(heatmaps(picture, maps, title, "Grey: nothing; the brighter, the more; line: half of the most. "
                         + source(classifier, args.photo)), args.out)
    print(f"{args.out}: {classifier.labels[k]}, {p[k]:.1%}")
