"""Fine-tuning: a trained network learns the classes of other images.

1. The last layer is replaced by a linear classifier, fitted (linear.py) to the features that the layers below compute,
   once for each image (feature_cache.py).
2. With ``unfreeze``, the layers from there on are then trained by SGD. The layers below are frozen: they keep their
   weights, and run once for each image.

Starting the second step with the fitted classifier, and not with a random one, keeps large, meaningless gradients away
from the trained layers (Kumar et al. 2022, "Fine-tuning can distort pretrained features"). So all of them have the same
learning rate. A tenth of it below the classifier, as is usual with a random one, brought no gain on CIFAR-10.
"""

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import engine
from ..data.batches import batches, steps_per_epoch
from ..data.dataset import Dataset, Normalizer
from ..errors import UserError
from ..kernels.threads import blas_on_one_thread, pinned_cores
from ..layers import Dense, Sequential
from ..layers.base import Array
from ..weights.loading import load_into
from . import checkpoint as checkpoints
from . import linear, loop
from .config import Config
from .frozen import Cached, Direct, OnImages, activations, copies_of, features, fits, held_out, probabilities
from .losses import balanced_cross_entropy, class_weights
from .network import build
from .schedule import SCHEDULES
from .sgd import SGD
from .trainer import Diverged

PATIENCE = 4        # epochs without a lower validation loss, after which training stops
HEADS = ("aux1/", "aux2/")


class Base(NamedTuple):
    """A trained network: its name in messages, the settings that build it, the side of its input in pixels, its arrays,
    and its preprocessing. ``split_seed``: of the split with which it was trained on the very images of the fine-tuning;
    None for other images."""

    name: str
    config: Config
    size: int
    arrays: dict[str, Array]
    normalizer: Normalizer
    split_seed: int | None = None


class FineTuner:
    """A network whose last layer, and the layers from ``unfreeze`` on, learn the classes of ``dataset``.

    config      settings of the new run: those of the network as in its ``Base``, without auxiliary classifiers
    dataset     x_train may be larger than the network's input, which is the size of x_test
    normalizer  the preprocessing of the trained network
    unfreeze    the first layer to train: "5a", or "all"; None: only the classifier
    cache       the folder of the feature caches
    folder      where checkpoints go, or None for none; source: as in Trainer

    Call ``start_from`` and ``fit_classifier``, or ``restore``; then ``run``. All randomness comes from the config's
    seed, as in Trainer, and a resumed run equals an uninterrupted one bit for bit. Raises UserError for a network that
    does not end in a linear classifier, for an unknown layer, and for ``unfreeze`` without images for validation.
    """

    def __init__(self, config: Config, dataset: Dataset, normalizer: Normalizer, unfreeze: str | None = None,
                 cache: Path | str = "datasets/.cache", folder: Path | str | None = None,
                 source: str | None = None) -> None:
        self.config, self.dataset, self.normalizer, self.unfreeze = config, dataset, normalizer, unfreeze
        self.cache, self.folder, self.source = cache, folder, source or dataset.name
        self.input_shape, self.classes = dataset.x_test.shape[1:], len(dataset.classes)
        self.fingerprint = checkpoints.fingerprint(dataset)
        self.rng = np.random.default_rng(config.seed)
        self.net = build(config, self.classes, self.input_shape, self.rng)
        *below, self.last = self.net.children
        if not isinstance(self.net.children[self.last], Dense):
            raise UserError(f"{config.model}: does not end in a linear classifier, so it cannot be fine-tuned")
        if unfreeze not in (None, "all", *(having := [name for name in below if self.net.children[name].parameters()])):
            raise UserError(f"--unfreeze {unfreeze}: no such layer; choose all, or one of {', '.join(having)}")
        self.first = len(below) if unfreeze is None else 0 if unfreeze == "all" else below.index(unfreeze)
        self.tail = self.part(self.first)
        self.views = config.views
        self.copies = copies_of(dataset.x_train)            # of a photo that is there twice: on the same side
        held = held_out(dataset.y_train, self.classes, config.seed, self.copies) & (unfreeze is not None)
        if unfreeze and not held.any():
            raise UserError(f"{dataset.name}: each class has only one distinct training image; --unfreeze needs more, "
                            "for validation; add images or leave it out")
        self.training, self.validation = np.flatnonzero(~held), np.flatnonzero(held)
        self.compiled = engine.compile(self.tail, input_gradient=False)
        self.sgd = SGD(self.tail.parameters(), config.momentum, config.weight_decay, config.nesterov)
        self.batch = min(config.batch, len(self.training))
        self.steps_per_epoch = steps_per_epoch(len(self.training), config.batch)
        y = dataset.y_train[self.training]
        self.class_weights = class_weights(y, self.classes) if config.balance != "none" else None
        self.steps = config.epochs * self.steps_per_epoch if unfreeze else 0
        self.step, self.seconds = 0, 0.0
        self.history: list[dict] = []
        self.best: dict[str, Array] = {}            # the trained layers' arrays in the best epoch
        self.facts: dict[str, Any] = {"unfreeze": unfreeze}
        self.inputs: Cached | Direct | None = None
        self.sums = loop.no_sums()
        self.logged: dict[str, float] | None = None

    def part(self, start: int, stop: int | None = None) -> Sequential:
        """The layers from number ``start`` to ``stop``, sharing their parameters."""
        return Sequential(dict(list(self.net.children.items())[start:stop]))

    # -- the classifier ---------------------------------------------------------------------------------------------

    def start_from(self, base: Base) -> None:
        """Copy all weights but the last layer's, and decide whether the activations of the frozen layers are cached,
        which a resumed run keeps. Raises UserError if the weights do not fit."""
        def below(arrays):
            return {path: array for path, array in arrays.items() if not path.startswith(f"{self.last}/")}

        load_into(below(self.net.parameters() | self.net.state()), below(base.arrays), base.name, optional=HEADS)
        self.facts |= {"base": base.name, "cached": fits(self.dataset.x_train, self.input_shape, self.views, self.part(
            0, self.first), self.normalizer, self.cache)}
        if base.split_seed is not None:
            self.facts["base_split_seed"] = base.split_seed

    def read(self, images: Array, on_images: OnImages = None, cached: bool | None = None) -> Cached | Direct:
        """What the first trained layer reads, for uint8 images; ``cached`` as in ``activations``."""
        return activations(images, self.input_shape, self.views, self.part(0, self.first), self.normalizer, self.cache,
                           on_images, cached)

    def fit_classifier(self, on_images: OnImages = None, on_choice: Callable | None = None) -> linear.Validated:
        """Replace the last layer by the linear classifier, with the C that cross-validation chooses; save.

        Validation images take no part. ``balance`` weights the loss of this convex problem, whether it is "loss" or
        "sampling". ``on_choice`` as in ``linear.cross_validate``.
        """
        started = time.perf_counter() - self.seconds
        self.inputs = self.read(self.dataset.x_train, on_images, self.facts["cached"])
        x = features(self.part(self.first, -1), self.inputs, self.views, on_images)[self.training]
        y = self.dataset.y_train[self.training]
        validated = linear.cross_validate(x, y, self.classes, self.config.seed, on_choice, self.class_weights,
                                          self.copies[self.training])
        found = linear.fit(*linear.flat(x, y), self.classes, validated.C, weights=self.class_weights)
        layer = self.net.children[self.last]
        for name, value in zip("wb", found, strict=True):
            np.copyto(layer.params[name], value, casting="same_kind")
        self.facts |= {"C": validated.C, "folds": validated.folds}
        if validated.folds:
            self.facts |= {"fold_accuracy": validated.accuracy}
        if self.unfreeze:
            self._keep_if_best()
        self.seconds = time.perf_counter() - started
        self.save()
        return validated

    # -- the layers below it ----------------------------------------------------------------------------------------

    def finished(self) -> bool:
        """Whether all epochs are done, or the last PATIENCE ones brought no lower validation loss. The loss before the
        first epoch does not count: it is often lower than that of the first epochs, whose learning rate is high."""
        losses = [row["validation_loss"] for row in self.history]
        return self.step >= self.steps or bool(losses) and len(losses) - 1 - int(np.argmin(losses)) >= PATIENCE

    def learning_rate(self, step: int) -> float:
        """The learning rate of step number ``step`` (from 0)."""
        return self.config.lr * SCHEDULES[self.config.schedule]((step + 1) / (self.steps + 1), self.config.epochs)

    @pinned_cores()
    @blas_on_one_thread()
    def train_step(self, x: Array, y: Array) -> tuple[float, int]:
        """One update from what the trained layers read and the labels. Returns the loss and the correct count."""
        z, cache = self.compiled.forward(x, train=True)
        weights = self.class_weights if self.config.balance == "loss" else None
        loss, dz = balanced_cross_entropy(z, y, self.config.label_smoothing, weights)
        if not math.isfinite(loss):
            raise self._diverged(f"step {self.step + 1}: the loss is {loss}")
        self.tail.zero_grads()
        self.compiled.backward(dz, cache)
        self.sgd.step(self.tail.gradients(), self.learning_rate(self.step))
        self.step += 1
        return loss, int((z.argmax(axis=1) == y).sum())

    def run(self, on_step: Callable | None = None, stop: Callable[[], bool] | None = None,
            checkpoint_every: int = 200) -> bool:
        """Train until ``finished``, or until ``stop()`` returns True: see ``loop.run``. Raises Diverged."""
        return loop.run(self, self._batches, on_step, stop, checkpoint_every)

    def _batches(self, epoch, start):
        if self.inputs is None:
            self.inputs = self.read(self.dataset.x_train, cached=self.facts.get("cached"))
        source = batches(self.training, self.dataset.y_train[self.training], self.config.batch, epoch,
                         self.config.sampling, self.inputs.sample, lambda x: x, start,
                         balanced=self.config.balance == "sampling")
        with contextlib.closing(source):
            for x, y in source:
                yield self.inputs.finish(x), y

    def measured(self) -> dict[str, float]:
        """Accuracy and loss on the validation images. The best weights are kept."""
        accuracy, loss = self._keep_if_best(self.step // self.steps_per_epoch)
        return {"validation_accuracy": accuracy, "validation_loss": loss}

    def _keep_if_best(self, epoch=0):
        """(accuracy, loss) on the validation images. Keeps a copy of the trained layers if no loss was lower."""
        p = probabilities(self.tail, self.inputs, self.validation)
        y = self.dataset.y_train[self.validation]
        accuracy = float((p.argmax(axis=1) == y).mean())
        loss = float(-np.log(np.maximum(p[np.arange(len(y)), y], 1e-30)).mean())
        best = self.facts.get("best")
        if best is None or loss < best["loss"]:  # which varies less than the accuracy of few images
            self.facts["best"] = {"epoch": epoch, "accuracy": accuracy, "loss": loss}
            self.best = {path: array.copy() for path, array in self._trained().items()}
        return accuracy, loss

    def _trained(self):
        return self.tail.parameters() | self.tail.state()

    # -- predictions ------------------------------------------------------------------------------------------------

    def test(self, on_images: OnImages = None) -> float:
        """Accuracy of the best weights on the test images, each averaged over ``views``."""
        inputs, y = self.read(self.dataset.x_test, on_images), self.dataset.y_test
        with self._best_weights():
            p = probabilities(self.tail, inputs, np.arange(len(y)), self.views, on_images if self.unfreeze else None)
        return float((p.argmax(axis=1) == y).mean())

    @contextlib.contextmanager
    def _best_weights(self) -> Iterator[None]:
        live = self._trained()
        held = {path: array.copy() for path, array in live.items()}
        try:
            for path, array in self.best.items():
                np.copyto(live[path], array)
            yield
        finally:
            for path, array in held.items():
                np.copyto(live[path], array)

    # -- saving and resuming ----------------------------------------------------------------------------------------

    def save(self) -> None:
        """Write the checkpoint, if there is a folder for it. Raises Diverged if a weight is NaN or infinite."""
        groups = {"weights": self.net.parameters(), "state": self.net.state()}
        if self.unfreeze:
            groups |= {"velocity": self.sgd.velocity, "best": self.best}
        for path, array in self._trained().items():
            if not np.isfinite(array).all():
                raise self._diverged(f"step {self.step}: {path} is NaN or infinite")
        if self.folder is not None:
            progress = {"source": self.source, "fingerprint": self.fingerprint, **loop.progress(self),
                        "finetune": self.facts}
            checkpoints.save(self.folder, config=self.config, classes=self.dataset.classes, dataset=self.dataset.name,
                             normalizer=self.normalizer, input_shape=self.input_shape, progress=progress,
                             generator=dict(self.rng.bit_generator.state), groups=groups)

    def restore(self, checkpoint: checkpoints.Checkpoint) -> None:
        """Continue from ``checkpoint``. Raises UserError if its settings or its images differ from this one's."""
        where, progress = str(checkpoint.path), checkpoint.progress
        checkpoint.check_config(self.config)
        checkpoint.check_images(self.dataset.name, self.fingerprint, self.source)
        loop.check(self, progress, "validation_accuracy", where)
        load_into(self.net.parameters(), checkpoint.group("weights"), where)
        load_into(self.net.state(), checkpoint.group("state"), where)
        if self.unfreeze:
            load_into(self.sgd.velocity, checkpoint.group("velocity"), where)
            self.best = {path: array.copy() for path, array in self._trained().items()}
            load_into(self.best, checkpoint.group("best"), where)
        self.rng.bit_generator.state = checkpoint.generator
        loop.restore(self, progress)
        self.facts = progress["finetune"]

    def _diverged(self, what):
        return Diverged(f"{what}; start again with a lower learning rate, such as --lr {self.config.lr / 4:g}")
