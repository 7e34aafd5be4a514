"""``python -m minigooglenet explorer``"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UserError
from ..hints import counted
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

With --live the page contains the weights and runs the network in the browser, on any image: all maps of every layer,
the numbers behind every output, branches and maps that can be switched off. --photos are images to choose from, and
the page shows which parts of them excite a map. --model shows a structure without weights.

{WEIGHTS}"""

EXAMPLES = """\
examples:
  python -m minigooglenet explorer --out explorer.html
  python -m minigooglenet explorer --weights datasets/bvlc_googlenet.caffemodel --photos cat.jpg dog.jpg
  python -m minigooglenet explorer --live --weights 2014 --out googlenet.html
  python -m minigooglenet explorer --live --model vgg16"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--photos", nargs="+", metavar="PHOTO", default=[], help="image files")
    parser.add_argument("--out", type=Path, default=Path("explorer.html"), metavar="FILE",
                        help="the page (default: explorer.html)")
    parser.add_argument("--live", action="store_true", help="a page that runs the network in the browser")
    parser.add_argument("--model", metavar="NAME", help="with --live: the structure of a network, without weights")
    add_network(parser)


def run(args: argparse.Namespace) -> None:
    from ..explorer.page import page
    from ..files import check_writable, write_atomically

    if args.model:
        if not args.live or args.weights or args.photos:
            raise UserError(f"--model {args.model}: goes with --live, and without --weights and --photos")
        check_writable(args.out)
        text, about = structure_page(args.model), "the structure"
    else:
        classifier = open_network(args)
        images = ([(Path(photo).stem, input_image(classifier, photo)) for photo in args.photos]
                  or default_images(classifier))
        title = "GoogLeNet" if classifier.size == 224 else "The reduced GoogLeNet"
        if args.live:
            from ..explorer.live.page import page as live_page
            images = images or sample_photo(classifier)
            text = live_page(classifier, images, title, lessons())
        else:
            text = page(classifier, images, title)
        about = counted(len(images), "image")
    data = text.encode()
    write_atomically(args.out, lambda file: file.write(data))
    print(f"{args.out}: {len(data) / 1e6:.1f} MB, {about}; open it in a browser")


def structure_page(model: str) -> str:
    """The live page of a network of the catalog, without weights."""
    from ..explorer.live.page import structure_page as page
    from ..models.catalog import entry, network

    return page(network(model), entry(model).input_shape, model, lessons())


def lessons() -> dict[str, str]:
    """{"one_by_one": "7: what does …?"} of the course's lessons; empty if the course is not installed."""
    try:
        from lessons import catalog
    except ImportError:
        return {}
    return {lesson.stem.split("_", 1)[1]: f"{int(lesson.number)}: {lesson.question}" for lesson in catalog.lessons()}


def sample_photo(classifier: "Classifier") -> list[tuple[str, Array]]:
    """The photo that comes with matplotlib, if it does: the page starts with something to see."""
    from ..figures.style import SAMPLE_PHOTO

    return [("Grace Hopper", input_image(classifier, SAMPLE_PHOTO))] if SAMPLE_PHOTO.exists() else []


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
    from ..errors import UserError
    from ..training import checkpoint as checkpoints
    from ..training.images import images_of

    try:
        checkpoint = checkpoints.load(classifier.name)
        folder = checkpoint.progress["source"]
        data = images_of(checkpoint, folder, "datasets") if Path(folder).is_dir() else None  # never downloads
    except UserError:
        return None
    return data and (data.x_test, data.y_test, data.classes)
