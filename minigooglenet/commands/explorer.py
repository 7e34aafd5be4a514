"""``python -m minigooglenet explorer``"""

from pathlib import Path

from .looking import WEIGHTS, add_network, open_network, seen

DESCRIPTION = f"""\
Write one HTML file about a trained network: the network drawn from its structure, and for each layer its shape,
parameters, multiply-adds, what its 1x1 saves, and what it makes of a few photos. It opens in any browser, fetches
nothing, and can be used by keyboard and screen reader.

Without --photos, a network for small pictures is shown four drawn shapes; another one is shown without pictures.

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
    pictures = [(Path(photo).stem, seen(classifier, photo)) for photo in args.photos] or _drawn(classifier.size)
    title = "GoogLeNet" if classifier.size == 224 else "The reduced GoogLeNet"
    text = page(classifier, pictures, title).encode()
    write_atomically(args.out, lambda file: file.write(text))
    print(f"{args.out}: {len(text) / 1e6:.1f} MB, {len(pictures)} pictures; open it in a browser")


def _drawn(size, number=4):
    """Some drawn shapes of different classes, for a network that sees 32×32."""
    from ..data import shapes10

    if size != 32:
        return []
    x, y = shapes10.draw(40, 0, split=1)
    first = {shapes10.CLASSES[k]: x[list(y).index(k)] for k in sorted(set(y))}
    return list(first.items())[:number]
