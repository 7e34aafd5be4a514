"""All settings of a training run. The checkpoint stores them, so that a result can be reproduced."""

import dataclasses
import math
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

from ..data.augment import KINDS, mirrors
from ..errors import UserError
from .schedule import SCHEDULES

#: Of models/catalog.py. The last two take 32×32 images.
MODELS = ("mini", "googlenet", "googlenet-torchvision", "lenet5", "nin-cifar")
ANY_SIZE = ("mini", "googlenet", "googlenet-torchvision")  # by global average pooling; the others have fixed sizes
NORMS = ("batch", "lrn", "none")
CLASSIFIERS = ("gap", "fc")
BALANCES = ("none", "loss", "sampling")
SIZES = 16, 512  # pixels: the sides of images that a network can be trained on


@dataclass(frozen=True)
class Config:
    """One training run. Equal configs on equal images give equal weights, bit for bit.

    model, width, norm, heads, drop_prob     the network (models/)
    reduced, classifier                      for mini: 1×1 reductions or figure 2(a), "gap" or "fc" (models/mini.py)
    epochs, batch, seed                      training length, images per step, seed of all randomness
    sampling_seed                            seed of order and augmentation, if it differs from ``seed``
    lr, schedule, momentum, nesterov, weight_decay      training/sgd.py, training/schedule.py; lr is the highest
                                                        learning rate
    beta_lr                                  the factor on the learning rate of batch norm's β (training/sgd.py)
    head_weight, label_smoothing             training/losses.py
    average                                  decay of the averaged weights, 0 for none (training/average.py)
    augment                                  data/augment.py
    half                                     the share of the epochs, the first ones, that train on images of half the
                                             size (halve in data/augment.py), without the auxiliary classifiers,
                                             whose weights only decay until then
    whiten                                   whether the first convolution is initialized to whiten the images
                                             (training/whitening.py)
    balance                                  for classes of different sizes: "loss" weights the images (class_weights in
                                             training/losses.py), "sampling" draws them (balanced_order in
                                             data/batches.py)
    size                                     the network's input for a folder of images: size × size pixels; it decides
                                             the stem of mini (models/mini.py). None: the images as they are
    stored                                   the side of the images as they are kept, if larger than ``size``: training
                                             takes random crops of ``size`` from them, tests the center
    split_seed, skip_bad                     for such a folder: the split into training and test images, and whether
                                             damaged files are left out (data/source.py)

    NumPy scalars, such as those of a search over settings, become plain Python values. Raises UserError, naming the
    field and the values it takes, for an invalid value.
    """

    model: str = "mini"
    width: float = 0.25
    norm: str = "batch"
    heads: bool = True
    drop_prob: float = 0.0
    epochs: int = 4
    batch: int = 64
    seed: int = 0
    lr: float = 0.1
    schedule: str = "one-cycle"
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 5e-4
    head_weight: float = 0.3
    label_smoothing: float = 0.0
    average: float = 0.99
    augment: str = "mirror"
    reduced: bool = True
    classifier: str = "gap"
    sampling_seed: int | None = None
    size: int | None = None
    stored: int | None = None
    split_seed: int = 0
    skip_bad: bool = False
    balance: str = "none"
    half: float = 0.0
    whiten: bool = False
    beta_lr: float = 1.0

    def __post_init__(self) -> None:
        for item in dataclasses.fields(self):
            object.__setattr__(self, item.name, _plain(item.name, getattr(self, item.name), item.type))

        def need(condition, name, wanted):
            if not condition:
                raise UserError(f"{name}: got {_shown(getattr(self, name))}, needs {wanted}")

        def choose(choices, name):
            value = getattr(self, name)
            need(isinstance(value, str) and value in choices, name, "one of " + ", ".join(choices))

        choose(MODELS, "model")
        choose(NORMS, "norm")
        choose(SCHEDULES, "schedule")
        choose(KINDS, "augment")
        choose(CLASSIFIERS, "classifier")
        choose(BALANCES, "balance")
        need(1 <= self.epochs <= 10**6, "epochs", "1 or more, at most 1,000,000")
        need(1 <= self.batch <= 10**9, "batch", "1 or more, at most 1,000,000,000")
        need(0 <= self.seed < 2**64, "seed", "0 or more, less than 2^64")
        need(0 <= self.sampling < 2**64, "sampling_seed", "0 or more, less than 2^64")
        need(0 <= self.split_seed < 2**64, "split_seed", "0 or more, less than 2^64")
        need(self.size is None or SIZES[0] <= self.size <= SIZES[1], "size", f"{SIZES[0]} to {SIZES[1]} pixels")
        need(self.stored is None or self.size is not None and self.size <= self.stored <= 2 * SIZES[1], "stored",
             f"None, or with size: at least as many pixels, at most {2 * SIZES[1]}")
        need(0 < self.width <= 4, "width", "a number above 0 and up to 4, such as 0.25")
        need(0 < self.lr < math.inf, "lr", "a positive number such as 0.1")
        need(0 <= self.weight_decay < math.inf, "weight_decay", "0 or more")
        need(0 <= self.head_weight < math.inf, "head_weight", "0 or more")
        need(0 <= self.drop_prob < 1, "drop_prob", "0 or more and less than 1")
        need(0 <= self.momentum < 1, "momentum", "0 or more and less than 1")
        need(0 <= self.average < 1, "average", "0 or more and less than 1")
        need(0 <= self.label_smoothing < 1, "label_smoothing", "0 or more and less than 1")
        need(0 <= self.beta_lr < math.inf, "beta_lr", "0 or more")
        need(0 <= self.half < 1, "half", "0 or more and less than 1")
        need(self.half == 0 or self.model in ANY_SIZE and self.classifier == "gap", "half",
             f"0, or a network for images of any size: model {' or '.join(ANY_SIZE)} with classifier gap")

    @property
    def half_epochs(self) -> int:
        """How many epochs train on images of half the size: never the last one."""
        return min(round(self.half * self.epochs), self.epochs - 1)

    def work(self, epochs: int) -> float:
        """What the first ``epochs`` epochs cost, in epochs on images of full size: one on halved images takes about a
        third of the time."""
        return epochs - 2 / 3 * min(epochs, self.half_epochs)

    @property
    def sampling(self) -> int:
        """The seed of the images' order and of their augmentation."""
        return self.seed if self.sampling_seed is None else self.sampling_seed

    @property
    def views(self) -> int:
        """Over how many views the prediction for a test image is averaged: 2, the image and its mirror image, if the
        network was trained on mirror images, else 1."""
        return 2 if mirrors(self.augment) else 1

    def but(self, **changes: Any) -> "Config":
        """A copy with these fields changed; None leaves a field unchanged."""
        return dataclasses.replace(self, **{name: value for name, value in changes.items() if value is not None})

    def differences(self, other: "Config") -> str:
        """The differences to ``other`` as text: "epochs 6, not 3; lr 0.2, not 0.1". Empty if there are none."""
        return "; ".join(f"{field.name} {getattr(self, field.name)}, not {getattr(other, field.name)}"
                         for field in dataclasses.fields(self)
                         if getattr(self, field.name) != getattr(other, field.name))


_KINDS = {bool: "True or False", int: "a whole number", float: "a number"}


def _plain(name: str, value: Any, kind: Any) -> Any:
    """``value`` as ``kind``, the type of a field, if no information is lost. Raises UserError otherwise."""
    if isinstance(value, np.generic) or isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    if kind == int | None:
        if value is None:
            return None
        kind = int
    if kind is str:
        return value  # the choices of each such field are checked
    number = isinstance(value, Integral | Real) and not isinstance(value, bool)
    fits = isinstance(value, bool) if kind is bool else number
    if fits and kind is int and not isinstance(value, Integral):
        fits = math.isfinite(value) and value == int(value)
    if not fits:
        raise UserError(f"{name}: got {_shown(value)}, needs {_KINDS[kind]}")
    try:
        return kind(value)
    except OverflowError as error:  # a whole number above 1.8e308
        raise UserError(f"{name}: got {_shown(value)}, needs {_KINDS[kind]}") from error


def _shown(value):
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else text[:57] + "..."


#: ``quick`` hardly overfits, so it has no dropout and augments by mirroring only. Four epochs on images of half the
#: size and four in full are as many multiply-adds as five in full. The additions were chosen on 5,000 training images
#: that were held out (docs/results.md). The step count matters: without the additions and in full, four epochs with 128
#: images per step and a learning rate of 0.2 reached 79.64 % on CIFAR-10's test images, with 64 and 0.1 80.07 to 80.87
#: (with kernels that round differently). ``full`` is as wide as some two hours allow: at width 0.5, 36 epochs with
#: "cutout" reached 90.36 %, 30 with "crop" 90.17; at 0.75, 28 epochs with "cutout" reached 91.08.
PRESETS = {
    "quick": Config(epochs=8, half=0.5, whiten=True, beta_lr=32),
    "full": Config(width=0.75, epochs=28, batch=128, lr=0.2, drop_prob=0.1, augment="cutout", average=0.998,
                   label_smoothing=0.1),
}

_GOOGLENET = {"width": 1.0, "batch": 32, "lr": 0.02, "drop_prob": 0.4, "augment": "paper", "size": 128}

#: What a model changes in a preset, whose widths and learning rates are made for mini.
OF_MODEL: dict[str, dict[str, Any]] = {
    "mini": {}, "googlenet": _GOOGLENET, "googlenet-torchvision": _GOOGLENET | {"drop_prob": 0.2},
    "lenet5": {"width": 1.0}, "nin-cifar": {"width": 1.0}}

#: The learning rate of GoogLeNet without batch norm, Caffe's.
WITHOUT_BATCH_NORM = 0.01


def preset(name: str, model: str | None = None, norm: str | None = None) -> Config:
    """The Config of PRESETS[name] for ``model`` (default: mini) with ``norm`` (default: "batch")."""
    model, norm = model or "mini", norm or "batch"
    changes = OF_MODEL[model] | {"model": model, "norm": norm}
    if "lr" in changes and norm != "batch":
        changes["lr"] = WITHOUT_BATCH_NORM
    start = Config() if name == "quick" and model != "mini" else PRESETS[name]  # the additions are made for mini
    return start.but(**changes)
