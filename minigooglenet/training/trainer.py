"""The training loop. One step is: forward, weighted sum of the losses, backward, update, average."""

import copy
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from .. import engine
from ..data.augment import halve
from ..data.batches import batches, steps_per_epoch
from ..data.dataset import Dataset, Normalizer
from ..errors import ShapeError, UserError
from ..kernels.ahead import compile_for
from ..kernels.threads import blas_on_one_thread, pinned_cores
from ..layers.base import Array
from ..weights.loading import load_into
from . import checkpoint as checkpoints
from . import loop, processes
from .average import Average
from .config import Config
from .evaluate import accuracy
from .losses import class_weights, weighted_loss
from .network import build, loss_weights
from .schedule import SCHEDULES
from .sgd import SGD
from .whitening import PIXELS, first_convolution, whitening

QUICK_TEST = 2000  # test images after each epoch; the final accuracy is measured on all


class Diverged(UserError):
    """The loss or a weight is NaN or infinite."""


class Trainer:
    """A network, its optimizer and the progress of the training. ``run()`` trains to the end of the config's epochs.

    config: training/config.py; dataset: data.Dataset; folder: where checkpoints go, or None for none; augment: a
    function (uint8 batch, rng) -> batch, or None; source: what ``data.load`` takes to find the images again.

    All randomness comes from the seed: the network's generator (initial weights, then dropout), and the batches, which
    depend on (sampling seed, epoch, step) only. The checkpoint holds both, so a resumed run equals an uninterrupted one
    bit for bit.
    """

    def __init__(self, config: Config, dataset: Dataset, folder: Path | str | None = None,
                 augment: Callable | None = None, source: str | None = None) -> None:
        self.source = source or dataset.name
        self.config, self.dataset, self.folder, self.augment = config, dataset, folder, augment
        self.input_shape = dataset.x_test.shape[1:]  # of x_train too, unless augmentation crops it
        checkpoints.check_input_shape(self.input_shape, dataset.name)
        self.rng = np.random.default_rng(config.seed)
        self.batch = min(config.batch, len(dataset.y_train))  # images per step, over all processes
        self.part = processes.part(self.batch)
        self.net = build(config, len(dataset.classes), self.input_shape,
                         processes.batch_generator(self.rng, self.batch), processes.sum_over_processes)
        self.compiled = engine.compile(self.net, input_gradient=False)  # shares the network's parameters and gradients
        self.half_steps = config.half_epochs * steps_per_epoch(len(dataset.y_train), config.batch)
        trunk = getattr(self.net, "trunk", self.net)
        if config.half_epochs:
            self._check_half(trunk)
        self.trunk = engine.compile(trunk, input_gradient=False)  # for half the size
        self.normalizer = Normalizer.of(dataset.x_train)
        if config.whiten:
            w = first_convolution(self.net).params["w"]
            images = self.normalizer(dataset.x_train[:PIXELS // math.prod(dataset.x_train.shape[1:3]) or 1])
            w[...] = processes.broadcast_from_first(lambda: whitening(w, images))
        self.class_weights = class_weights(dataset.y_train, len(dataset.classes)) if config.balance == "loss" else None
        self.fingerprint = checkpoints.fingerprint(dataset)
        self.sgd = SGD(self.net.parameters(), config.momentum, config.weight_decay, config.nesterov, config.beta_lr)
        averaged = {**self.net.parameters(), **self.net.state()}
        self.average = Average(averaged, config.average) if config.average else None
        self.steps_per_epoch = steps_per_epoch(len(dataset.y_train), config.batch)
        self.steps = config.epochs * self.steps_per_epoch
        self.step = 0       # finished steps
        self.seconds = 0.0  # spent in run(), over all sessions: training, tests and checkpoints
        self.history: list[dict] = []  # one row for each finished epoch
        self.logged: dict[str, float] | None = None  # ``sums`` at the last row of steps.csv (training/steps.py)
        self.sums = loop.no_sums()  # over the steps of the current epoch

    def prepare(self, quiet: bool = False) -> None:
        """Compile the kernels of a training step that are not in the cache, several at a time, before the first step.

        One process only; one of several compiles each kernel when it needs it.
        """
        if processes.count() == 1 and engine.kind() == "fast":
            compile_for(self._first_step, (self.config, self.input_shape, len(self.dataset.classes)), quiet)

    def _first_step(self):
        """What calls the kernels of a step, on copies of all that a step changes."""
        config, (net, compiled) = self.config, copy.deepcopy((self.net, self.compiled))
        sgd = SGD(net.parameters(), config.momentum, config.weight_decay, config.nesterov)
        logits, cache = compiled.forward(np.zeros((2, *self.input_shape), np.float32), train=True)
        *_, dy = weighted_loss(logits, np.zeros(2, int), loss_weights(config), config.label_smoothing)
        net.zero_grads()
        compiled.backward(dy, cache)
        sgd.step(net.gradients(), 0.0)
        if config.average:
            Average(net.parameters(), config.average).update()

    # -- training ---------------------------------------------------------------------------------------------------

    def learning_rate(self, step: int) -> float:
        """The learning rate of step number ``step`` (from 0)."""
        return self.config.lr * SCHEDULES[self.config.schedule]((step + 1) / (self.steps + 1), self.config.epochs)

    @pinned_cores()
    @blas_on_one_thread()
    def train_step(self, x: Array, y: Array) -> tuple[float, int]:
        """One update from the batch x (N, H, W, C), y (N,). Returns the main classifier's loss and the correct count.

        In one of several processes, x and y are its part of the batch; the results are those of the whole batch.
        """
        net, config, half = self.net, self.config, self.step < self.half_steps
        if x.shape[1:] != (expected := self._half_shape() if half else self.input_shape):
            raise ShapeError(f"training images {x.shape[1:]}, expected {expected}, as the test images; where "
                             "training images are larger, augmentation has to crop them")
        compiled = self.trunk if half else self.compiled
        share = len(y) / int(processes.sum_over_processes(np.array(len(y))))
        logits, cache = compiled.forward(x, train=True)
        total, loss, dy = weighted_loss(logits, y, [share * w for w in loss_weights(config)], config.label_smoothing,
                                        self.class_weights)
        main = logits[0] if isinstance(logits, list) else logits
        correct = (main.argmax(axis=1) == y).sum()
        total, loss, correct = processes.sum_over_processes(np.array([total, share * loss, correct])).tolist()
        if not math.isfinite(total):
            raise self._diverged(f"step {self.step + 1}: the loss is {total}")
        net.zero_grads()
        compiled.backward(dy, cache)
        gradients = net.gradients()
        processes.sum_gradients(gradients)
        self.sgd.step(gradients, self.learning_rate(self.step))  # while images are halved, the heads only decay
        if self.average:
            self.average.update()
        self.step += 1
        return loss, int(correct)

    def run(self, on_step: Callable | None = None, stop: Callable[[], bool] | None = None,
            checkpoint_every: int = 200) -> bool:
        """Train until the last epoch is done, or until ``stop()`` returns True: see ``loop.run``.

        Raises Diverged, and keeps the last checkpoint, once the loss or a weight is NaN or infinite.
        """
        def source(epoch, start):
            return batches(self.dataset.x_train, self.dataset.y_train, self.config.batch, epoch, self.config.sampling,
                           self._augment_of(epoch), self.normalizer, start, part=self.part,
                           balanced=self.config.balance == "sampling")

        return loop.run(self, source, on_step, stop, checkpoint_every)

    def _augment_of(self, epoch):
        """The augmentation in this epoch: of the first ones, the images are halved after it."""
        augment = self.augment
        if epoch >= self.config.half_epochs:
            return augment
        return (lambda x, rng: halve(augment(x, rng))) if augment else lambda x, rng: halve(x)

    def _half_shape(self):
        H, W, C = self.input_shape
        return H // 2, W // 2, C

    def _check_half(self, trunk):
        try:
            trunk.output_shape(self._half_shape())
        except ShapeError as error:
            H, W, _ = self.input_shape
            raise UserError(f"half: images of {W}×{H} pixels are too small to be halved for {self.config.model}; use "
                            "--half 0 or larger images") from error

    def finished(self) -> bool:
        """Whether all epochs are done."""
        return self.step >= self.steps

    def measured(self) -> dict[str, float]:
        """The accuracy on the first QUICK_TEST test images, measured in the first process only. As long as training
        halves the images, the test does."""
        if processes.rank():
            return {"test_accuracy": math.nan}
        return {"test_accuracy": self.test(QUICK_TEST, half=self.step <= self.half_steps)}

    def test(self, images: int | None = None, views: int = 1, half: bool = False) -> float:
        """Accuracy on the first ``images`` test images (None: on all), at ``half`` their size or in full, with the
        averaged weights."""
        if self.average:
            self.average.swap()
        try:
            x, y = self.dataset.x_test[:images], self.dataset.y_test[:images]
            return accuracy(self.net, halve(x) if half else x, y, self.normalizer, views=views)
        finally:
            if self.average:
                self.average.swap()

    def images_per_second(self) -> float:
        """Training speed over all finished epochs, without tests and checkpoints; 0 before the first epoch ends."""
        images = self.steps_per_epoch * self.batch
        seconds = sum(images / row["images_per_second"] for row in self.history)
        return images * len(self.history) / seconds if seconds else 0.0

    def stuck(self) -> bool:
        """Whether the loss stays at that of guessing: see ``loop.stuck``."""
        return loop.stuck(self, len(self.dataset.classes))

    def _diverged(self, what):
        advice = f"start again with a lower learning rate, such as --lr {min(self.config.lr / 4, 0.1):g}"
        return Diverged(f"{what}; {advice}" + ("" if self.config.norm == "batch" else ", or with --norm batch"))

    # -- saving and resuming ----------------------------------------------------------------------------------------

    def save(self) -> None:
        """Write the checkpoint, if there is a folder for it.

        Raises Diverged, and writes nothing, if a weight is NaN or infinite: an update can overflow before the loss.
        """
        if self.folder is None and processes.count() == 1:
            return
        groups = {"weights": self.net.parameters(), "state": self.net.state(), "velocity": self.sgd.velocity}
        for path, array in [item for group in groups.values() for item in group.items()]:
            if not np.isfinite(array).all():
                raise self._diverged(f"step {self.step}: {path} is NaN or infinite")
        if self.folder is None:  # process 0 writes, this is another
            return
        progress = {"source": self.source, "fingerprint": self.fingerprint, **loop.progress(self)}
        if self.average:
            groups["average"] = self.average.arrays
            progress["average_steps"] = self.average.steps
        checkpoints.save(self.folder, config=self.config, classes=self.dataset.classes, dataset=self.dataset.name,
                         normalizer=self.normalizer, input_shape=self.input_shape, progress=progress,
                         generator=dict(self.rng.bit_generator.state), groups=groups)

    def restore(self, checkpoint: checkpoints.Checkpoint) -> None:
        """Continue from ``checkpoint``. Raises UserError if its settings or its images differ from this trainer's."""
        where = str(checkpoint.path)
        checkpoint.check_config(self.config)
        checkpoint.check_images(self.dataset.name, self.fingerprint, self.source)
        loop.check(self, checkpoint.progress, "test_accuracy", where)
        if self.average and "average_steps" not in checkpoint.progress:
            raise UserError(f"{where}: its progress is not that of a run (average_steps); damaged, start another run")
        load_into(self.net.parameters(), checkpoint.group("weights"), where)
        load_into(self.net.state(), checkpoint.group("state"), where)
        load_into(self.sgd.velocity, checkpoint.group("velocity"), where)
        if self.average:
            load_into(self.average.arrays, checkpoint.group("average"), where)
            self.average.steps = checkpoint.progress["average_steps"]
        self.rng.bit_generator.state = checkpoint.generator
        loop.restore(self, checkpoint.progress)
