"""A trained network as something that looks at pictures, whichever file its weights come from."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..data.dataset import Normaliser
from ..errors import UserError
from ..fast import predictor
from ..layers import softmax
from ..layers.base import Layer
from ..models.googlenet import googlenet
from ..weights.caffemodel import caffe_parameters
from ..weights.convert import FORMAT, read_converted, read_torchvision, refuse_pickles
from ..weights.safetensors_io import array_names, is_safetensors, load_into, metadata
from ..weights.torchvision import is_torchvision
from .crops import SIZE, average_small, average_softmax, crops
from .labels import CLASSES, SYNSET, read_labels
from .photos import MEAN_BGR, caffe_input, caffe_pixels, centre_crop

ANY_WEIGHTS = "bvlc_googlenet.caffemodel, what convert made of it, torchvision's arrays, or a training run"


@dataclass(frozen=True)
class Classifier:
    """Pictures in, probabilities out.

    probabilities   function from uint8 RGB pictures (n, size, size, 3) to probabilities (n, K)
    size            pixels along each side of what the network sees: 224, or 32 for the reduced one
    labels          K words, in the order of the classes
    net             the network; None if there are several
    prepare         function from pictures (n, H, W, 3), values 0 … 255, to what the network reads
    restore         its inverse
    words           variant, channels ("RGB" or "BGR"), mean and std: ``prepare`` for whoever uses the network elsewhere
    """

    name: str
    size: int
    labels: list = field(repr=False)
    probabilities: Callable = field(repr=False)
    net: Layer | None = field(default=None, repr=False)
    prepare: Callable | None = field(default=None, repr=False)
    restore: Callable | None = field(default=None, repr=False)
    words: dict = field(default_factory=dict, repr=False)

    def photo(self, image, number=1):
        """Mean probabilities (K,) over 1, 10 or 144 crops of a PIL RGB image of any size.

        A network for small pictures gets the middle square, scaled down, in the small crops of ``inference/crops.py``.
        """
        if self.size == SIZE:
            return average_softmax([self.probabilities], crops(image, number))
        return self.pictures(centre_crop(image, self.size, self.size)[None], number)[0]

    def pictures(self, x, number=1, batch=256, on_batch=None):
        """Mean probabilities (N, K) over 1, 2, 10 or 144 small crops of pictures (N, size, size, 3), batch by batch;
        ``on_batch(n)`` is called after each."""
        parts = []
        for start in range(0, len(x), batch):
            parts.append(average_small([self.probabilities], x[start:start + batch], number))
            if on_batch:
                on_batch(len(parts[-1]))
        return np.concatenate(parts)


def of_2014(path, labels=None):
    """The Classifier of Caffe's GoogLeNet: from a ``.caffemodel``, or from the safetensors that ``convert`` made of it.

    labels: a file with one label a line; by default ``synset_words.txt`` beside the weights or in ``datasets/``, and
    failing that "class 281". Raises UserError for files that are something else.
    """
    arrays = read_converted(path) if is_safetensors(path) else caffe_parameters(path, heads=False)
    classes = arrays["linear/b"].size if "linear/b" in arrays else CLASSES
    net = googlenet("bvlc", classes=classes, heads=False)
    load_into(net.parameters(), arrays, path, optional=("aux1/", "aux2/"))
    engine = predictor(net)
    return Classifier(str(path), SIZE, words_for(path, labels, classes),
                      lambda x: softmax(engine.predict(caffe_input(x))), net, caffe_input, caffe_pixels,
                      {"variant": "bvlc", "channels": "BGR", "mean": MEAN_BGR.tolist(), "std": [1.0] * 3})


def of_torchvision(path, labels=None):
    """The Classifier of torchvision's GoogLeNet: from a safetensors file under its names, or from what ``convert`` made
    of that. Labels as ``of_2014``: its 1000 classes are Caffe's, in the same order."""
    arrays, words = read_torchvision(path)
    classes = arrays["linear/b"].size if "linear/b" in arrays else CLASSES
    net = googlenet("torchvision", classes=classes, heads=False)
    load_into(net.parameters() | net.state(), arrays, path, optional=("aux1", "aux2"))
    mean, std = (json.loads(words[key]) for key in ("mean", "std"))
    normaliser, engine = Normaliser(np.array(mean), np.array(std)), predictor(net)
    return Classifier(str(path), SIZE, words_for(path, labels, classes),
                      lambda x: softmax(engine.predict(normaliser(np.ascontiguousarray(x)))), net, normaliser,
                      normaliser.undo, {"variant": "torchvision", "channels": "RGB", "mean": mean, "std": std})


def words_for(path, labels, classes):
    """The labels in the file ``labels``, else those in a synset_words.txt near the weights, else numbers."""
    if labels is None and classes == CLASSES:
        beside = (Path(path).parent / SYNSET, Path("datasets") / SYNSET)
        labels = next((file for file in beside if file.exists()), None)
    return read_labels(labels, classes)


def of_run(path, labels=None):
    """The Classifier of a training run: its folder or its checkpoint. The labels are the data set's, unless there is a
    file of others."""
    from ..training import checkpoint as checkpoints
    from ..training.network import restore

    checkpoint = checkpoints.load(path)
    net, normaliser = restore(checkpoint), checkpoint.normaliser
    engine = predictor(net)
    words = read_labels(labels, len(checkpoint.classes)) if labels else list(checkpoint.classes)
    return Classifier(str(path), checkpoint.input_shape[0], words,
                      lambda x: softmax(engine.predict(normaliser(np.ascontiguousarray(x)))),
                      net, normaliser, normaliser.undo,
                      {"variant": checkpoint.config.model, "channels": "RGB",
                       "mean": list(map(float, normaliser.mean)), "std": list(map(float, normaliser.std))})


def together(classifiers):
    """Several Classifiers as one: p = Σₘ pₘ / M, the paper's ensemble (section 7).

    Raises UserError unless they see pictures of one size and know the same classes.
    """
    first, *others = classifiers
    for other in others:
        if (other.size, other.labels) != (first.size, first.labels):
            raise UserError(f"{other.name}: sees {other.size}×{other.size} pixels and knows {_few(other.labels)}; "
                            f"{first.name} sees {first.size}×{first.size} and knows {_few(first.labels)}")
    return first if not others else Classifier(
        f"{len(classifiers)} models", first.size, first.labels,
        lambda x: sum(c.probabilities(x) for c in classifiers) / len(classifiers))


def _few(labels):
    return f"{len(labels)} classes ({', '.join(labels[:3])}, …)"


def members(path):
    """The runs in an ensemble's folder (``model-1``, ``model-2``, … with a checkpoint each), in order; [] if none."""
    from ..training.checkpoint import NAME
    found = [file.parent for file in Path(path).glob(f"model-*/{NAME}") if file.parent.name[6:].isdecimal()]
    return sorted(found, key=lambda folder: int(folder.name[6:]))


def open_weights(path, labels=None):
    """The Classifier of any weights: a ``.caffemodel``, a converted one, a run's folder or checkpoint, or the folder
    of an ensemble, whose members go ``together``. Raises UserError if ``path`` is none of these.
    """
    return together(open_members([path], labels))


def open_members(paths, labels=None):
    """A list of Classifiers, one for each file or run; the folder of an ensemble stands for all its members."""
    runs = [run for path in map(Path, paths) for run in (members(path) if path.is_dir() else []) or [path]]
    return [_open(run, labels) for run in runs]


def _open(path, labels):
    if path.is_dir():
        return of_run(path, labels)
    refuse_pickles(path)
    words = metadata(path) if is_safetensors(path) else {"format": FORMAT}
    if words.get("format") == FORMAT:
        return of_torchvision(path, labels) if words.get("variant") == "torchvision" else of_2014(path, labels)
    if "config" not in words and is_torchvision(array_names(path)):
        return of_torchvision(path, labels)
    if "config" not in words:
        raise UserError(f"{path}: arrays of something else; expected {ANY_WEIGHTS}")
    return of_run(path, labels)
