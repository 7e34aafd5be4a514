"""``python -m minigooglenet explain``"""

from pathlib import Path

from .looking import WEIGHTS, add_class, add_network, look, source
from .options import figure_path, save_figure
from .predict import lines, top

DESCRIPTION = f"""\
Explain an answer in one figure: the five most probable classes, where in the photo the class was seen (its class
activation map), and how much of its score came through each branch of each inception module.

{WEIGHTS}"""

EXAMPLES = """\
examples:
  python -m minigooglenet explain cat.jpg
  python -m minigooglenet explain cat.jpg --class "tiger cat" --out why.pdf"""


def add_arguments(parser):
    parser.add_argument("photo", metavar="PHOTO", help="a picture file")
    add_class(parser)
    parser.add_argument("--out", type=figure_path, default=Path("explain.png"), metavar="FILE",
                        help="a .png, .pdf or .svg (default: explain.png)")
    add_network(parser)


def run(args):
    from ..inference.labels import short_label
    from ..inside import cam
    from ..pictures.explanation import explanation

    classifier, picture, x, p, k = look(args)
    heat, where = where_seen(classifier.net, x, k)
    shares = cam.branch_shares(classifier.net, x, [k])
    best = top(p, classifier.labels, 5)
    drawing = explanation(picture, best, heat, f"where it sees: {short_label(classifier.labels[k])}", shares,
                          f"Map: {where}. Branches, for {short_label(classifier.labels[k])}: gradient of the score × "
                          f"activation, summed over a branch; in each module the sizes add up to 100 %. "
                          f"{source(classifier, args.photo)}")
    save_figure(drawing, args.out)
    print("\n".join([f"{args.photo}: {classifier.labels[k]}", *lines(best), f"figure: {args.out}"]))


def where_seen(net, x, k):
    """(the map of class k stretched over the picture (H, W), the name of the method): the class activation map, or
    Grad-CAM at the last layer with maps for a network that has no global average pooling."""
    from ..errors import UserError
    from ..inside import cam
    from ..inside.structure import trunk_of

    try:
        heat, where = cam.class_activation_map(net, x, [k]), "class activation map"
    except UserError:
        trunk = trunk_of(net)
        last = [name for name in trunk.children if len(trunk.until(name).output_shape(x.shape[1:])) == 3][-1]
        heat, where = cam.grad_cam(net, x, [k], last), f"Grad-CAM at {last}"
    return cam.to_picture(heat, *x.shape[1:3])[0], where
