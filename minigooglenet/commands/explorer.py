"""``python -m minigooglenet explorer``"""

from pathlib import Path

from .looking import WEIGHTS, add_network, open_network, seen

DESCRIPTION = f"""\
Write one HTML file about a trained network: the network drawn from its structure, and for each layer its shape,
parameters, multiply-adds, what its 1x1 saves, and what it makes of a few photos. It opens in any browser, fetches
nothing, and can be used by keyboard and screen reader.

Without --photos a training run is shown four of its own test pictures, if they are where they were; failing that, a
network for small pictures is shown drawn shapes, and another one no pictures.

{WEIGHTS}"""

EXAMPLES = """\
examples:
  python -m minigooglenet explorer --out explorer.html
  python -m minigooglenet explorer --weights datasets/bvlc_googlenet.caffemodel --photos cat.jpg dog.jpg"""


def add_arguments(parser):
    parser.add_argument("--photos", nargs="+", metavar="PHOTO", default=[], help="a few picture files")
    parser.add_argument("--out", type=Path, default=Path("explorer.html"), metavar="FILE",
                        help="the page (default: explorer.html)")
    add_network(parser)


def run(args):
    from ..explorer.page import page
    from ..files import write_atomically

    classifier = open_network(args)
    pictures = [(Path(photo).stem, seen(classifier, photo)) for photo in args.photos] or _usual(classifier)
    title = "GoogLeNet" if classifier.size == 224 else "The reduced GoogLeNet"
    text = page(classifier, pictures, title).encode()
    write_atomically(args.out, lambda file: file.write(text))
    print(f"{args.out}: {len(text) / 1e6:.1f} MB, {len(pictures)} pictures; open it in a browser")


def _usual(classifier, number=4):
    """[(class, picture)]: test pictures of the first classes that the network was trained on; else drawn shapes, for a
    network that sees 32×32."""
    from ..data import shapes10

    x, y, classes = _of_training(classifier) or (*shapes10.draw(40, 0, split=1), shapes10.CLASSES)
    if x.shape[1:] != (classifier.size, classifier.size, 3):
        return []
    return [(classes[k], x[list(y).index(k)]) for k in sorted(set(y.tolist()))[:number]]


def _of_training(classifier):
    """(test pictures, their classes' numbers, the classes' names) of the data set a run was trained on; None if this is
    no run, or the pictures have gone."""
    from ..data import load
    from ..errors import UserError
    from ..training import checkpoint as checkpoints

    try:
        folder = checkpoints.load(classifier.name).progress["source"]
        data = load(folder) if Path(folder).is_dir() else None  # nothing is fetched for this
    except UserError:
        return None
    return data and (data.x_test, data.y_test, data.classes)
