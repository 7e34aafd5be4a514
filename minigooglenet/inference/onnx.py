"""The Classifier of an ``.onnx`` file: the ONNX model zoo's GoogLeNet, or a network that this package exported."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from ..data.dataset import Normalizer
from ..data.labels import CLASSES, read_labels
from ..data.photos import MEAN_BGR
from ..errors import UserError, shown
from ..files import parse_json
from ..layers.base import Array
from ..layers.containers import Trunk
from ..models.googlenet import googlenet
from ..training.checkpoint import check_input_shape
from ..training.config import Config
from ..training.network import build
from ..weights.convert import torchvision_metadata
from ..weights.layout import trace_children
from ..weights.loading import NO_MEMORY, build_and_load
from ..weights.onnx_import import read_onnx, reorder
from .classifier import ORIGINAL, Classifier, labels_for, probabilities_of


def load_onnx(path: Path | str, labels: Path | str | None = None) -> Classifier:
    """The Classifier of a GoogLeNet in an ``.onnx`` file.

    The metadata of an export define its preprocessing and labels; without them it is Caffe's or torchvision's. Raises
    UserError for any other file.
    """
    variant, arrays, properties = read_onnx(path)
    config, size, shorter = _settings(path, variant, properties)
    classes = _classes(arrays)
    net = build_and_load(lambda dtype: _build(variant, config, classes, size, dtype), _reordered(
        path, arrays, variant, config, classes, size), path, optional=("aux1/", "aux2/"))
    normalizer = _normalizer(path, variant, properties)
    stored = _json(path, properties, "labels", None)
    if labels is None and isinstance(stored, list) and len(stored) == classes and all(
            isinstance(word, str) for word in stored):
        names = stored
    else:
        names = labels_for(path, labels, classes) if config is None else read_labels(labels, classes)
    return Classifier(str(path), size, names, probabilities_of(net, normalizer, path), net, normalizer, normalizer.undo,
                      {"variant": variant, "channels": normalizer.order, "mean": list(map(float, normalizer.mean)),
                       "std": list(map(float, normalizer.std))}, shorter, config or _original(variant))


def _settings(path, variant, properties) -> tuple[Config | None, int, int | None]:
    """(config, input size, shorter side) that an export recorded; (None, 224, None) for the original networks."""
    found = _json(path, properties, "config", None)
    if found is None:
        return None, int(ORIGINAL["size"]), None
    size, shorter = (_json(path, properties, key, None) for key in ("size", "shorter"))
    check_input_shape((size, size, 3), path)
    try:
        config = Config(**found)
    except (TypeError, UserError) as error:
        raise UserError(f"{path}: its config is not that of a network of this package ({error})") from error
    if shorter is not None and not (type(shorter) is int and size <= shorter <= 10_000):
        raise UserError(f"{path}: its shorter side is {shown(repr(shorter))}, expected at least {size} pixels")
    return config, size, shorter


def _original(variant) -> Config:
    if variant == "torchvision":
        return Config(model="googlenet-torchvision", norm="batch", drop_prob=0.2, **ORIGINAL)
    return Config(model="googlenet", norm="lrn", drop_prob=0.4, **ORIGINAL)


def _build(variant, config, classes, size, dtype):
    """The network without auxiliary classifiers."""
    if config is None:
        return googlenet(variant, classes=classes, heads=False, dtype=dtype)
    net = build(config, classes, (size, size, 3), dtype=dtype)
    return net.trunk if isinstance(net, Trunk) else net


def _reordered(path, arrays, variant, config, classes, size) -> dict[str, Array]:
    """``arrays`` in our order, also those of dense layers on flattened maps."""
    outline = _build(variant, config, classes, size, NO_MEMORY)
    flattened = {name: shape for name, _, _, shape in trace_children(outline, (size, size, 3)) if shape}
    for name, shape in flattened.items():
        w = arrays.get(f"{name}/w")
        if w is None or w.ndim != 2 or len(w) != math.prod(shape):
            raise UserError(f"{path}: {name}/w does not fit flattened maps of {'×'.join(map(str, shape))}")
    return reorder(arrays, flattened)


def _classes(arrays) -> int:
    w = next((w for name, w in reversed(arrays.items()) if name.endswith("/w") and w.ndim == 2), None)
    return CLASSES if w is None else w.shape[1]


def _normalizer(path, variant, properties) -> Normalizer:
    usual: dict[str, Any] = {"mean": MEAN_BGR.tolist(), "std": [1.0] * 3, "channels": "BGR"}
    if variant == "torchvision":
        usual = {key: parse_json(text) if key != "channels" else text
                 for key, text in torchvision_metadata("tensorflow").items() if key in usual}
    order = properties.get("channels", usual["channels"])
    mean, std = (np.array(_json(path, properties, key, usual[key]), object) for key in ("mean", "std"))
    try:
        mean, std = mean.astype(float), std.astype(float)
        valid = mean.shape == std.shape == (3,) and np.isfinite([mean, std]).all() and (std > 0).all()
    except (TypeError, ValueError):
        valid = False
    if not valid or order not in ("RGB", "BGR"):
        raise UserError(f"{path}: its channels, mean or std are not RGB or BGR and two lists of three numbers; export "
                        "the network again")
    return Normalizer(mean, std, order)


def _json(path, properties, key, default):
    try:
        return parse_json(properties[key]) if key in properties else default
    except ValueError as error:
        raise UserError(f"{path}: its {key} is not valid JSON; export the network again") from error
