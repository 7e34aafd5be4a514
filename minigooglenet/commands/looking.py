"""What the commands that look inside a network share: which network, which photo, which class."""

import difflib
from pathlib import Path

import numpy as np

from ..errors import UserError
from .options import add_threads, use_threads

WEIGHTS = """\
The weights are a .caffemodel of GoogLeNet (fetch it with: python -m minigooglenet weights), what convert made of it, or
a training run. Without --weights: the latest run under runs/, else datasets/bvlc_googlenet.caffemodel."""


def add_network(parser):
    parser.add_argument("--weights", type=Path, metavar="FILE|RUN", help="which network (default: see above)")
    parser.add_argument("--labels", metavar="FILE", help="one label a line, such as Caffe's synset_words.txt")
    add_threads(parser)


def add_class(parser):
    parser.add_argument("--class", dest="wanted", metavar="NAME|N",
                        help="which class to look for (default: the most probable one)")


def open_network(args):
    """The Classifier of ``--weights``. Raises UserError for an ensemble, which has no one network to look into, and at
    once, not after all the work, where ``--out`` cannot be written."""
    from ..files import check_writable
    from ..inference.classifier import open_weights
    from .predict import usual_weights

    use_threads(args)
    check_writable(args.out)
    classifier = open_weights(args.weights or usual_weights(), args.labels)
    if classifier.net is None:
        raise UserError(f"{args.weights}: an ensemble; name one of its runs, such as {args.weights}/model-1")
    return classifier


def seen(classifier, photo):
    """The middle of a photo as the network sees it: uint8 (size, size, 3)."""
    from ..inference.crops import SIZE
    from ..inference.photos import centre_crop, open_photo

    image, size = open_photo(photo), classifier.size
    return centre_crop(image) if size == SIZE else centre_crop(image, size, size)


def look(args):
    """(the Classifier of ``--weights``, the photo as it sees it, that as the network reads it (1, H, W, 3), its
    probabilities (K,), the class to look for)."""
    classifier = open_network(args)
    picture = seen(classifier, args.photo)
    p = classifier.probabilities(picture[None])[0]
    return classifier, picture, classifier.prepare(picture[None]), p, which_class(classifier, args.wanted, p)


def which_class(classifier, wanted, probabilities):
    """The number of the class called ``wanted``, or of that number; the most probable for None.

    Raises UserError, with guesses, for a name that no class has or that several have.
    """
    from ..inference.labels import short_label

    labels = classifier.labels
    if wanted is None:
        return int(np.argmax(probabilities))
    if wanted.isdecimal():
        if int(wanted) < len(labels):
            return int(wanted)
        raise UserError(f"class: numbers go from 0 to {len(labels) - 1}; got {wanted}")
    names = [[word.strip().lower() for word in label.split(",")] for label in labels]
    found = [k for k, words in enumerate(names) if wanted.lower() in words or wanted.lower() == labels[k].lower()]
    if len(found) == 1:
        return found[0]
    if found:
        raise UserError(f"class: {len(found)} classes are called {wanted!r}; choose by number: "
                        + ", ".join(f"{k} ({labels[k]})" for k in found))
    known = {word: k for k, words in reversed(list(enumerate(names))) for word in words}
    close = difflib.get_close_matches(wanted.lower(), known, n=3, cutoff=0.5)
    close += [word for word in known if wanted.lower() in word][:3 - len(close)]
    meant = "; did you mean " + " or ".join(short_label(word) for word in close) + "?" if close else (
        f"; it knows {', '.join(map(short_label, labels[:5]))}, …")
    raise UserError(f"class: no class is called {wanted!r}{meant}")


def bounds(classifier):
    """(black, white) as the network reads them: two arrays (3,)."""
    return tuple(classifier.prepare(np.full((1, 1, 1, 3), value, np.float32))[0, 0, 0] for value in (0, 255))


def as_picture(classifier, x):
    """What the network reads back to uint8 RGB."""
    return np.clip(np.round(classifier.restore(x)), 0, 255).astype(np.uint8)


def source(classifier, photo=None):
    """The small print of a figure: which network, which photo."""
    names = [Path(name).name for name in (classifier.name, photo) if name]
    return "Weights: " + ", photo: ".join(name.replace("$", r"\$") for name in names) + "."


def progress(total, unit, quiet=False):
    """A bar on standard error."""
    from tqdm import tqdm
    return tqdm(total=total, unit=unit, disable=quiet or None, leave=False)
