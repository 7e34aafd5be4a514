"""A trained network as a classifier of images, for every file format of weights."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..data.crops import SCALES, SIZE, average_small, average_softmax, crops
from ..data.dataset import Normalizer
from ..data.labels import CLASSES, SYNSET, read_labels
from ..data.photos import MEAN_BGR, center_crop, center_square, open_photo
from ..engine import predictor
from ..errors import UserError
from ..files import parse_json
from ..layers import softmax
from ..layers.base import Array, Layer
from ..models.googlenet import googlenet
from ..training import checkpoint as checkpoints
from ..training.config import Config
from ..training.evaluate import images_per_pass
from ..training.images import center
from ..training.network import restore
from ..weights.caffemodel import CLASSIFIER, caffe_parameters
from ..weights.convert import (
    FORMAT,
    is_safetensors,
    read_converted,
    read_torchvision,
    refuse_classifier,
    refuse_pickles,
)
from ..weights.fetch import named
from ..weights.loading import build_and_load
from ..weights.onnx_file import is_onnx
from ..weights.safetensors_io import array_names, metadata
from ..weights.torchvision import is_torchvision

#: GoogLeNet's settings in ``Config``: 224 × 224 pixels of images with a shorter side of 256.
ORIGINAL: dict[str, Any] = {"width": 1.0, "heads": False, "size": SIZE, "stored": SCALES[0]}
ANY_WEIGHTS = "bvlc_googlenet.caffemodel, a file converted from it, an .onnx, torchvision's arrays, or a training run"


@dataclass(frozen=True)
class Classifier:
    """A function from images to class probabilities.

    probabilities   function from uint8 RGB images (n, size, size, 3) to probabilities (n, K)
    size            input size of the network in pixels: 224 for the weights of 2014, 32 for CIFAR-10
    labels          K class labels
    net             the network; None for an ensemble. After changing its weights go on with ``refreshed()``
    prepare         preprocessing: from images (n, H, W, 3), values 0 … 255, to the input of the network
    restore         its inverse
    metadata        variant, channels ("RGB" or "BGR"), mean and std: the preprocessing, for exported networks
    config          the settings that build the network (training/network.py); None for an ensemble
    source          where the images are that a run was trained on; None for any other network
    shorter         the shorter side of a photo is resized to so many pixels before its center is cut, as the training
                    images were. By default ``size``; 256 for 224
    """

    name: str
    size: int
    labels: list[str] = field(repr=False)
    probabilities: Callable[[Array], Array] = field(repr=False)
    net: Layer | None = field(default=None, repr=False)
    prepare: Callable[[Array], Array] | None = field(default=None, repr=False)
    restore: Callable[[Array], Array] | None = field(default=None, repr=False)
    metadata: dict[str, Any] = field(default_factory=dict, repr=False)
    shorter: int | None = field(default=None, repr=False)
    config: Config | None = field(default=None, repr=False)
    source: str | None = field(default=None, repr=False)

    @property
    def resized(self) -> int:
        """``shorter``, or its default."""
        return self.shorter or (SCALES[0] if self.size == SIZE else self.size)

    def refreshed(self) -> "Classifier":
        """A Classifier with the weights that ``net`` has now. What was compiled before computes with the old ones.

            net.net.parameters()["conv1/w"][..., 5] = 0       # what does the network see without this filter?
            net.refreshed().classify("cat.jpg")
        """
        if self.net is None or self.prepare is None:
            raise TypeError("refreshed: an ensemble has several networks; refresh its members")
        return replace(self, probabilities=probabilities_of(self.net, self.prepare, self.name))

    def photo(self, image: Image.Image, number: int = 1) -> Array:
        """Mean probabilities (K,) over 1, 10 or 144 crops of a PIL RGB image of any size.

        Of 224 pixels of 256 these are the paper's. For any other network the ``center_crop`` is cropped further by
        ``data.crops.small_crops``.
        """
        if (self.size, self.resized) == (SIZE, SCALES[0]):
            return average_softmax([self.probabilities], crops(image, number))
        return self.images(self.center_crop(image)[None], number)[0]

    def classify(self, photo: Path | str | Image.Image | Array, top: int = 5,
                 crops: int = 1) -> list[tuple[str, float]]:
        """The ``top`` most probable (label, probability), best first, of an image file, a PIL image or a uint8 RGB
        array (H, W, 3); ``crops`` as in ``photo``. Raises UserError for what is not an image."""
        p = self.photo(as_image(photo), crops)
        return [(self.labels[k], float(p[k])) for k in (-p).argsort(kind="stable")[:top]]

    def center_crop(self, image: Image.Image) -> Array:
        """The crop that a single prediction is made of: uint8 (size, size, 3). Of a run, as its images were decoded."""
        if (self.size, self.resized) == (SIZE, SCALES[0]):
            return center_crop(image, self.resized, self.size)
        return center(center_square(image, self.resized)[None], self.size)[0]

    def images(self, x: Array, number: int = 1, batch: int | None = None,
               on_batch: Callable[[int], Any] | None = None) -> Array:
        """Mean probabilities (N, K) over 1, 2, 10 or 144 small crops of images (N, size, size, 3).

        Computes ``batch`` images at a time, by default ``images_per_pass`` of training/evaluate.py; ``on_batch(n)`` is
        called after every n images.
        """
        parts, batch = [], batch or images_per_pass(*x.shape[1:3])
        for start in range(0, len(x), batch):
            parts.append(average_small([self.probabilities], x[start:start + batch], number))
            if on_batch:
                on_batch(len(parts[-1]))
        return np.concatenate(parts)


def as_image(photo: Path | str | Image.Image | Array) -> Image.Image:
    """An image file, a PIL image or a uint8 RGB array (H, W, 3) as a PIL image of mode RGB.

    Raises UserError for a file or an array that is no such image.
    """
    if isinstance(photo, Image.Image):
        return photo.convert("RGB")
    if isinstance(photo, np.ndarray):
        if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != 3:
            raise UserError(f"image: got {photo.dtype} {photo.shape}, needs uint8 (H, W, 3): red, green and blue, "
                            "0 to 255")
        return Image.fromarray(photo)
    return open_photo(photo)


def load(weights: Path | str, labels: Path | str | None = None) -> Classifier:
    """A Classifier from the folder of a run, or a .caffemodel, .safetensors or .onnx file. ``"2014"`` stands for the
    weights of GoogLeNet released in 2014, in ``datasets/``, where the command ``weights`` puts them.

    Raises UserError where there is nothing, or something else.
    """
    return open_weights(weights, labels)


def load_caffe(path: Path | str, labels: Path | str | None = None, classifier: str | None = None) -> Classifier:
    """The Classifier of Caffe's GoogLeNet, from a ``.caffemodel`` or the safetensors file converted from it.

    labels: a file with one label per line; by default ``synset_words.txt`` next to the weights or in ``datasets/``,
    else "class 281". classifier: the name of the last fully connected layer in the ``.caffemodel``, if it is not
    Caffe's. Raises UserError for any other file.
    """
    if is_safetensors(path):
        refuse_classifier(classifier, path)
        arrays = read_converted(path)
    else:
        arrays = caffe_parameters(path, heads=False, classifier=classifier or CLASSIFIER)
    net, classes = _googlenet("bvlc", arrays, path)
    normalizer = Normalizer(MEAN_BGR.astype(float), np.ones(3), "BGR")
    return Classifier(str(path), SIZE, labels_for(path, labels, classes), probabilities_of(net, normalizer, path), net,
                      normalizer, normalizer.undo,
                      {"variant": "bvlc", "channels": "BGR", "mean": MEAN_BGR.tolist(), "std": [1.0] * 3},
                      config=Config(model="googlenet", norm="lrn", drop_prob=0.4, **ORIGINAL))


def load_torchvision(path: Path | str, labels: Path | str | None = None) -> Classifier:
    """The Classifier of torchvision's GoogLeNet, from a safetensors file with its names or the one converted from it.

    Labels as in ``load_caffe``: the 1000 classes are Caffe's, in the same order."""
    arrays, preprocessing = read_torchvision(path)
    net, classes = _googlenet("torchvision", arrays, path)
    mean, std = (parse_json(preprocessing[key]) for key in ("mean", "std"))
    normalizer = Normalizer(np.array(mean), np.array(std))
    return Classifier(str(path), SIZE, labels_for(path, labels, classes), probabilities_of(net, normalizer, path), net,
                      normalizer, normalizer.undo,
                      {"variant": "torchvision", "channels": "RGB", "mean": mean, "std": std},
                      config=Config(model="googlenet-torchvision", norm="batch", drop_prob=0.2, **ORIGINAL))


def load_run(path: Path | str, labels: Path | str | None = None) -> Classifier:
    """The Classifier of a training run, from its folder or its checkpoint.

    The labels are the class names of the data set unless ``labels`` is a file."""
    checkpoint = checkpoints.load(path)
    net, normalizer = restore(checkpoint), checkpoint.normalizer
    names = read_labels(labels, len(checkpoint.classes)) if labels else list(checkpoint.classes)
    return Classifier(str(path), checkpoint.input_shape[0], names, probabilities_of(net, normalizer, path), net,
                      normalizer, normalizer.undo, {"variant": checkpoint.config.model, "channels": normalizer.order,
                                        "mean": list(map(float, normalizer.mean)),
                                        "std": list(map(float, normalizer.std))},
                      checkpoint.config.stored or checkpoint.input_shape[0], checkpoint.config,
                      checkpoint.progress["source"])


def _googlenet(variant, arrays, path):
    """(the network with these arrays, its number of classes)"""
    w = arrays.get("linear/w")
    classes = w.shape[1] if w is not None and w.ndim == 2 else CLASSES
    return build_and_load(lambda dtype: googlenet(variant, classes=classes, heads=False, dtype=dtype), arrays, path,
                          optional=("aux1/", "aux2/")), classes


def probabilities_of(net: Layer, prepare: Callable[[Array], Array], path: Path | str) -> Callable[[Array], Array]:
    """The function from images to probabilities of ``net``, whose weights are in ``path``. It raises UserError where
    finite weights give none."""
    compiled = predictor(net)

    def probabilities(x: Array) -> Array:
        with np.errstate(over="ignore", invalid="ignore"):
            p = softmax(compiled.predict(prepare(np.ascontiguousarray(x))))
        if not np.isfinite(p).all():
            raise UserError(f"{path}: its weights are so large that the activations exceed float32; train it again or "
                            "choose other weights")
        return p

    return probabilities


def labels_for(path: Path | str, labels: Path | str | None, classes: int) -> list[str]:
    """The labels in the file ``labels``, else those in a synset_words.txt near the weights, else class numbers."""
    if labels is None and classes == CLASSES:
        nearby = (Path(path).parent / SYNSET, Path("datasets") / SYNSET)
        labels = next((file for file in nearby if file.exists()), None)
    return read_labels(labels, classes)


def ensemble(classifiers: Sequence[Classifier]) -> Classifier:
    """An ensemble as one Classifier: p = Σₘ pₘ / M (section 7 of the paper).

    Raises UserError unless all members have the same input size and labels.
    """
    first, *others = classifiers
    for other in others:
        if (other.size, other.resized, other.labels) != (first.size, first.resized, first.labels):
            raise UserError(f"{other.name}: reads {_pixels(other)} pixels and has {_few(other.labels)}; "
                            f"{first.name} reads {_pixels(first)} and has {_few(first.labels)}")
    if not others:
        return first
    return Classifier(f"{len(classifiers)} models", first.size, first.labels,
                      lambda x: np.sum([c.probabilities(x) for c in classifiers], axis=0) / len(classifiers),
                      shorter=first.shorter)


def _pixels(classifier):
    """The input size, and what it is cut from if that is larger: "224×224 of 256×256"."""
    size, resized = classifier.size, classifier.resized
    return f"{size}×{size}" + (f" of {resized}×{resized}" if resized != size else "")


def _few(labels):
    return f"{len(labels)} classes ({', '.join(labels[:3])}, …)"


def members(path: Path | str) -> list[Path]:
    """The runs in the folder of an ensemble (``model-1``, ``model-2``, … with checkpoints), in order; may be empty."""
    found = [file.parent for file in Path(path).glob(f"model-*/{checkpoints.NAME}") if file.parent.name[6:].isdecimal()]
    return sorted(found, key=lambda folder: int(folder.name[6:]))


def open_weights(path: Path | str, labels: Path | str | None = None, classifier: str | None = None) -> Classifier:
    """The Classifier of any weights: "2014", a ``.caffemodel``, a converted file, an ``.onnx``, the folder or
    checkpoint of a run, or the folder of an ensemble, whose members are averaged. Raises UserError for anything else.

    classifier: the name of the last fully connected layer in a ``.caffemodel``, if it is not Caffe's.
    """
    return ensemble(open_members([path], labels, classifier))


def open_members(paths: Iterable[Path | str], labels: Path | str | None = None,
                 classifier: str | None = None) -> list[Classifier]:
    """One Classifier for each file, run or "2014"; the folder of an ensemble is expanded to its members."""
    runs = [run for path in map(named, paths) for run in (members(path) if path.is_dir() else []) or [path]]
    return [_open(run, labels, classifier) for run in runs]


def _open(path: Path, labels: Path | str | None, classifier: str | None) -> Classifier:
    if path.is_dir():
        refuse_classifier(classifier, path)
        return load_run(path, labels)
    refuse_pickles(path)
    if not is_safetensors(path) and not is_onnx(path):
        return load_caffe(path, labels, classifier)
    refuse_classifier(classifier, path)
    if not is_safetensors(path):
        from .onnx import load_onnx
        return load_onnx(path, labels)
    header = metadata(path)
    if header.get("format") == FORMAT:
        return (load_torchvision if header.get("variant") == "torchvision" else load_caffe)(path, labels)
    if "config" not in header and is_torchvision(array_names(path)):
        return load_torchvision(path, labels)
    if "config" not in header:
        raise UserError(f"{path}: not the weights of a known network; expected {ANY_WEIGHTS}")
    return load_run(path, labels)
