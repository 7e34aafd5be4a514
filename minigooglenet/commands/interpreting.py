"""Functions for the interpretability commands: the network, the photo and the class that the options name."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..errors import UserError
from .default_weights import DEFAULT, print_weights, weights_or_default
from .options import add_compute, use_compute

if TYPE_CHECKING:
    from ..inference.classifier import Classifier
    from ..layers.base import Array, Layer

    class NetworkClassifier(Classifier):
        """The Classifier of one network."""

        net: Layer
        prepare: Callable[[Array], Array]
        restore: Callable[[Array], Array]

LISTED = 12     # classes that a message lists

WEIGHTS = f"""\
The weights are a .caffemodel of GoogLeNet (fetch it with: python -m minigooglenet weights), its conversion by convert,
or a training run.
{DEFAULT}"""


def add_network(parser: argparse.ArgumentParser) -> None:
    """Add --weights, --labels and the options of ``add_compute``."""
    parser.add_argument("--weights", type=Path, metavar="FILE|RUN|2014", help="the network (default: see above)")
    parser.add_argument("--labels", metavar="FILE", help="one label per line, such as Caffe's synset_words.txt")
    add_compute(parser)


def add_class(parser: argparse.ArgumentParser) -> None:
    """Add --class."""
    parser.add_argument("--class", dest="wanted", metavar="NAME|N",
                        help="the class to explain (default: the most probable one)")


def open_network(args: argparse.Namespace) -> NetworkClassifier:
    """The Classifier of ``--weights``.

    Raises UserError for an ensemble, which is not a single network, and, before any work is done, if ``--out`` cannot
    be written.
    """
    from ..files import check_writable
    from ..inference.classifier import open_weights

    use_compute(args)
    check_writable(args.out)
    photos = getattr(args, "photos", None) or filter(None, [getattr(args, "photo", None)])
    weights, line = weights_or_default(args.weights, photos)
    print_weights(line)
    classifier = open_weights(weights, args.labels)
    if classifier.net is None:
        raise UserError(f"{weights}: an ensemble; name one of its runs, such as {weights}/model-1")
    return cast("NetworkClassifier", classifier)


def input_image(classifier: Classifier, photo: Path | str) -> Array:
    """The center of a photo at the network's input size: uint8 (size, size, 3)."""
    from ..data.photos import open_photo

    return classifier.center_crop(open_photo(photo))


def classify_photo(args: argparse.Namespace) -> tuple[NetworkClassifier, Array, Array, Array, int]:
    """(the Classifier of ``--weights``, the ``input_image`` of the photo, the network's input (1, H, W, 3), its
    probabilities (K,), the class to explain)."""
    classifier = open_network(args)
    image = input_image(classifier, args.photo)
    p = classifier.probabilities(image[None])[0]
    return classifier, image, classifier.prepare(image[None]), p, find_class(classifier, args.wanted, p)


def find_class(classifier: Classifier, wanted: str | None, probabilities: Array) -> int:
    """The index of the class with the name or the number ``wanted``; of the most probable class for None.

    Raises UserError, with suggestions, for a name that no class has or that several have.
    """
    from ..data.labels import short_label

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
    if partly := _containing(wanted, names):
        more = f" and {len(partly) - LISTED} more" if len(partly) > LISTED else ""
        raise UserError(f"class: no class is called {wanted!r}, but it is part of the names of "
                        f"{len(partly)} class{'es' * (len(partly) > 1)}; choose by number: "
                        + ", ".join(f"{k} ({short_label(labels[k])})" for k in partly[:LISTED]) + more)
    known = {word: k for k, words in reversed(list(enumerate(names))) for word in words}
    close = difflib.get_close_matches(wanted.lower(), known, n=3, cutoff=0.5)
    meant = "; did you mean " + " or ".join(short_label(word) for word in close) + "?" if close else (
        f"; the classes are {', '.join(map(short_label, labels[:5]))}, …")
    raise UserError(f"class: no class is called {wanted!r}{meant}")


def _containing(wanted, names):
    """The classes with a name that contains ``wanted`` as whole words; else those that contain it at all."""
    text = re.escape(wanted.strip().lower())
    for pattern in (rf"(?<!\w){text}(?!\w)", text) if text else ():
        if found := [k for k, words in enumerate(names) if any(re.search(pattern, word) for word in words)]:
            return found
    return []


def check_finite(values: Array, classifier: Classifier) -> Array:
    """``values``, computed by the network from a photo. Raises UserError if one of them is NaN or infinite."""
    if not np.isfinite(values).all():
        raise UserError(f"{classifier.name}: its weights are so large that activations or gradients exceed float32; "
                        "train it again or choose other weights")
    return values


def pixel_bounds(classifier: NetworkClassifier) -> tuple[Array, Array]:
    """(black, white) in the network's input: two arrays (3,)."""
    black, white = (classifier.prepare(np.full((1, 1, 1, 3), value, np.float32))[0, 0, 0] for value in (0, 255))
    return black, white


def as_image(classifier: NetworkClassifier, x: Array) -> Array:
    """Network input as uint8 RGB."""
    return np.clip(np.round(classifier.restore(x)), 0, 255).astype(np.uint8)


def caption(classifier: Classifier, photo: Path | str | None = None) -> str:
    """The sentence below a figure that names the weights and the photo."""
    names = [Path(name).name for name in (classifier.name, photo) if name]
    return "Weights: " + ", photo: ".join(name.replace("$", r"\$") for name in names) + "."


def progress(total: int, unit: str, quiet: bool = False) -> Any:
    """A progress bar on standard error."""
    from tqdm import tqdm
    return tqdm(total=total, unit=unit, disable=quiet or None, leave=False)
