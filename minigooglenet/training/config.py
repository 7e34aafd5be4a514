"""Everything that decides what a training run computes: kept with its checkpoint, so that a number can be had again."""

import dataclasses
import math
from dataclasses import dataclass

from ..data.augment import KINDS
from ..errors import UserError
from .schedule import SCHEDULES

MODELS = ("mini", "lenet5", "nin-cifar")  # those of models/catalogue.py that take 32×32 pictures
NORMS = ("batch", "lrn", "none")
CLASSIFIERS = ("gap", "fc")


@dataclass(frozen=True)
class Config:
    """One training run. Two runs with equal configs on equal pictures give equal weights, bit for bit.

    model, width, norm, heads, drop_prob     which network (models/)
    reduced, classifier                      1×1 reductions or figure 2(a), "gap" or "fc": for mini (models/mini.py)
    epochs, batch, seed                      how long, how many pictures a step, and all randomness
    sampling_seed                            of order and augmentation alone, if it is to differ from ``seed``
    lr, schedule, momentum, nesterov, weight_decay      training/sgd.py, training/schedule.py; lr is the highest rate
    head_weight, label_smoothing             training/losses.py
    average                                  decay of the averaged weights, 0 for none (training/average.py)
    augment                                  data/augment.py

    Raises UserError, naming the field and what it needs, for a value that cannot be meant.
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

    def __post_init__(self):
        def need(condition, name, wanted):
            if not condition:
                raise UserError(f"{name}: got {getattr(self, name)!r}, needs {wanted}")

        def choose(choices, name):
            need(getattr(self, name) in choices, name, "one of " + ", ".join(choices))

        choose(MODELS, "model")
        choose(NORMS, "norm")
        choose(SCHEDULES, "schedule")
        choose(KINDS, "augment")
        choose(CLASSIFIERS, "classifier")
        need(self.epochs >= 1, "epochs", "1 or more")
        need(self.batch >= 1, "batch", "1 or more")
        need(self.seed >= 0, "seed", "0 or more")
        need(self.sampling >= 0, "sampling_seed", "0 or more")
        need(0 < self.width <= 4, "width", "a number above 0 and up to 4, such as 0.25")
        need(0 < self.lr < math.inf, "lr", "a positive number such as 0.1")
        need(0 <= self.weight_decay < math.inf, "weight_decay", "0 or more")
        need(0 <= self.head_weight < math.inf, "head_weight", "0 or more")
        need(0 <= self.drop_prob < 1, "drop_prob", "0 or more and less than 1")
        need(0 <= self.momentum < 1, "momentum", "0 or more and less than 1")
        need(0 <= self.average < 1, "average", "0 or more and less than 1")
        need(0 <= self.label_smoothing < 1, "label_smoothing", "0 or more and less than 1")

    @property
    def sampling(self):
        """The seed of the order of the pictures and of their augmentation."""
        return self.seed if self.sampling_seed is None else self.sampling_seed

    def but(self, **changes):
        """The same config with these fields changed; None means as it was."""
        return dataclasses.replace(self, **{name: value for name, value in changes.items() if value is not None})

    def differences(self, other):
        """What is different in ``other``, in words: "epochs 6, not 3; lr 0.2, not 0.1". Empty if nothing is."""
        return "; ".join(f"{field.name} {getattr(self, field.name)}, not {getattr(other, field.name)}"
                         for field in dataclasses.fields(self)
                         if getattr(self, field.name) != getattr(other, field.name))


#: Four epochs are too few to overfit, so ``quick`` has no dropout and only mirrors. They are also few steps: of 128
#: pictures each, at rate 0.2, they came to 79.64 % of CIFAR-10's test pictures, of 64, at rate 0.1, to 80.07, 80.59,
#: 80.61 and 80.87 (with kernels that round differently). ``full`` is as wide as two hours and a bit allow: at width
#: 0.5, 36 epochs with "cutout" came to 90.36 %, 30 with "crop" to 90.17; at 0.75, 28 epochs with "cutout", to 91.08.
PRESETS = {
    "quick": Config(),
    "full": Config(width=0.75, epochs=28, batch=128, lr=0.2, drop_prob=0.1, augment="cutout", average=0.998,
                   label_smoothing=0.1),
}
