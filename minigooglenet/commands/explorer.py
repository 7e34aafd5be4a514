"""``python -m minigooglenet explorer``"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..layers.base import Array
from .interpreting import WEIGHTS, add_network, input_image, open_network

if TYPE_CHECKING:
    from ..inference.classifier import Classifier

DESCRIPTION = f"""\
Write an HTML page about a trained network: the network drawn from its structure, and for each layer its output shape,
parameters, multiply-adds, the saving of its 1x1 convolution, and its activations for some photos. The page opens in any
browser, fetches nothing, and works with keyboard and screen reader.

Without --photos, a training run is shown with four of its own test images, if they still exist. Otherwise a network for
small images is shown with images of Shapes-10, and any other network without images.

{WEIGHTS}"""

EXAMPLES = """\
examples:
  python -m minigooglenet explorer --out explorer.html
  python -m minigooglenet explorer --weights datasets/bvlc_googlenet.caffemodel --photos cat.jpg dog.jpg"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--photos", nargs="+", metavar="PHOTO", default=[], help="image files")
    parser.add_argument("--out", type=Path, default=Path("explorer.html"), metavar="FILE",
                        help="the page (default: explorer.html)")
    add_network(parser)


def run(args: argparse.Namespace) -> None:
    from ..explorer.page import page
    from ..files import write_atomically

    classifier = open_network(args)
    images = [(Path(photo).stem, input_image(classifier, photo)) for photo in args.photos] or default_images(classifier)
    title = "GoogLeNet" if classifier.size == 224 else "The reduced GoogLeNet"
    text = page(classifier, images, title).encode()
    write_atomically(args.out, lambda file: file.write(text))
    print(f"{args.out}: {len(text) / 1e6:.1f} MB, {len(images)} images; open it in a browser")


def default_images(classifier: "Classifier", number: int = 4) -> list[tuple[str, Array]]:
    """[(class, image)]: test images of the first classes that the network was trained on, or images of Shapes-10; empty
    for a network with another input size."""
    from ..data import shapes10

    x, y, classes = _test_images(classifier) or (*shapes10.draw(40, 0, split=1), shapes10.CLASSES)
    if x.shape[1:] != (classifier.size, classifier.size, 3):
        return []
    return [(classes[k], x[list(y).index(k)]) for k in sorted(set(y.tolist()))[:number]]


def _test_images(classifier):
    """(test images, labels, class names) of the data set that a training run used; None if ``classifier`` is not from a
    run, or the data set is gone."""
    from ..data import load
    from ..errors import UserError
    from ..training import checkpoint as checkpoints

    try:
        folder = checkpoints.load(classifier.name).progress["source"]
        data = load(folder) if Path(folder).is_dir() else None  # never downloads
    except UserError:
        return None
    return data and (data.x_test, data.y_test, data.classes)
