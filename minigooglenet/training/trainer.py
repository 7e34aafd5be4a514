"""The training loop. One step is: forward, three losses, backward, update, average."""

import math
import time
import warnings

import numpy as np

from .. import fast, processes
from ..data.batches import batches, steps_per_epoch
from ..data.dataset import Normaliser
from ..errors import UserError
from ..threads import cores_apart
from ..weights.safetensors_io import load_into
from . import checkpoint as checkpoints
from .average import Average
from .evaluate import accuracy
from .losses import weighted_loss
from .network import build, loss_weights
from .schedule import SCHEDULES
from .sgd import SGD

QUICK_LOOK = 2000  # test pictures looked at after each epoch; the closing accuracy is taken on all of them
STUCK_AFTER = 100  # steps after which a network should know more than to guess


class Diverged(UserError):
    """The loss is no number any more."""


class Trainer:
    """A network, its optimiser and where they stand. ``run()`` trains to the end of the config's epochs.

    config: training/config.py; dataset: data.Dataset; folder: where checkpoints go, or None to keep none; augment: a
    function (uint8 batch, rng) -> batch, or None.

    All randomness comes from the seed: the network's own generator (initial weights, then dropout), and the batches',
    which depend on (sampling seed, epoch, step) only. Both are in the checkpoint, so a resumed run repeats an
    uninterrupted one bit for bit.
    """

    def __init__(self, config, dataset, folder=None, augment=None, source=None):
        self.source = source or dataset.name  # what data.load takes to find the pictures again
        self.config, self.dataset, self.folder, self.augment = config, dataset, folder, augment
        self.rng = np.random.default_rng(config.seed)
        self.batch = min(config.batch, len(dataset.y_train))  # pictures in a step, over all processes
        self.part = processes.part(self.batch)
        self.net = build(config, len(dataset.classes), dataset.x_train.shape[1:], processes.drawn(self.rng, self.batch))
        self.engine = fast.speed_up(self.net, input_gradient=False)  # the same network, the same parameters
        self.normaliser = Normaliser.of(dataset.x_train)
        self.fingerprint = checkpoints.fingerprint(dataset)
        self.sgd = SGD(self.net.parameters(), config.momentum, config.weight_decay, config.nesterov)
        learned = {**self.net.parameters(), **self.net.state()}
        self.average = Average(learned, config.average) if config.average else None
        self.steps_per_epoch = steps_per_epoch(len(dataset.y_train), config.batch)
        self.steps = config.epochs * self.steps_per_epoch
        self.step = 0       # finished steps
        self.seconds = 0.0  # spent in run(), over all sittings: training, tests and checkpoints
        self.history = []   # one dict for each finished epoch
        self._begin_epoch()

    def _begin_epoch(self):
        self.sums = {"loss": 0.0, "correct": 0, "pictures": 0, "seconds": 0.0}

    # -- training ---------------------------------------------------------------------------------------------------

    def learning_rate(self, step):
        """The rate of step number ``step`` (from 0)."""
        return self.config.lr * SCHEDULES[self.config.schedule]((step + 1) / (self.steps + 1), self.config.epochs)

    @cores_apart()
    def train_step(self, x, y):
        """One update from the batch x (N, H, W, C), y (N,). Returns the network's own loss and how many were right.

        In one of several processes x and y are its part of the batch, and what returns is of the whole.
        """
        net, config = self.net, self.config
        share = len(y) / int(processes.sum_over_processes(np.array(len(y))))
        logits, cache = self.engine.forward(x, train=True)
        total, loss, dy = weighted_loss(logits, y, [share * w for w in loss_weights(config)], config.label_smoothing)
        own = logits[0] if isinstance(logits, list) else logits
        right = (own.argmax(axis=1) == y).sum()
        total, loss, right = processes.sum_over_processes(np.array([total, share * loss, right])).tolist()
        if not math.isfinite(total):
            raise self._diverged(f"step {self.step + 1}: the loss is {total}")
        net.zero_grads()
        self.engine.backward(dy, cache)
        processes.sum_gradients(net.gradients())
        self.sgd.step(net.gradients(), self.learning_rate(self.step))
        if self.average:
            self.average.update()
        self.step += 1
        return loss, int(right)

    def run(self, on_step=None, stop=None, checkpoint_every=200):
        """Train until the last epoch is done, or until ``stop()`` says so. Returns whether it is done.

        on_step(trainer, loss) is called after every step, and after every epoch with loss None. A checkpoint is
        written every so many steps, after each epoch, and on stopping.

        Raises Diverged, and leaves the last checkpoint as it is, once the loss or a weight is no number any more.
        """
        with warnings.catch_warnings():  # a diverging run gets one line, not those of NumPy in each thread as well
            warnings.filterwarnings("ignore", "(overflow|invalid value|divide by zero) encountered", RuntimeWarning)
            return self._run(on_step, stop, checkpoint_every)

    def _run(self, on_step, stop, checkpoint_every):
        began = time.perf_counter() - self.seconds
        while self.step < self.steps:
            epoch, start = divmod(self.step, self.steps_per_epoch)
            source = batches(self.dataset.x_train, self.dataset.y_train, self.config.batch, epoch,
                             self.config.sampling, self.augment, self.normaliser, start, part=self.part)
            try:
                clock = time.perf_counter()
                for x, y in source:
                    loss, correct = self.train_step(x, y)
                    now = time.perf_counter()
                    for name, value in (("loss", loss * self.batch), ("correct", correct), ("pictures", self.batch),
                                        ("seconds", now - clock)):
                        self.sums[name] += value
                    if on_step:
                        on_step(self, loss)
                    ended = self.step % self.steps_per_epoch == 0
                    stopping = bool(processes.sum_over_processes(np.array(int(bool(stop and stop())))))
                    if ended:
                        self._end_epoch(began)
                    self.seconds = time.perf_counter() - began
                    if ended or stopping or self.step % checkpoint_every == 0:
                        self.save()
                    if ended and on_step:
                        on_step(self, None)  # after saving: if the log cannot be written, the epoch is not lost
                    if stopping and self.step < self.steps:
                        return False
                    clock = time.perf_counter()
            finally:
                source.close()
        return True

    def _end_epoch(self, began):
        sums, test_accuracy = self.sums, self.test(QUICK_LOOK) if processes.rank() == 0 else math.nan
        self.history.append({
            "epoch": self.step // self.steps_per_epoch, "step": self.step,
            "lr": self.learning_rate(self.step - 1), "loss": sums["loss"] / sums["pictures"],
            "train_accuracy": sums["correct"] / sums["pictures"], "test_accuracy": test_accuracy,
            "images_per_second": sums["pictures"] / sums["seconds"], "seconds": time.perf_counter() - began,
        })
        self._begin_epoch()

    def test(self, pictures=None, views=1):
        """Accuracy on the first so many test pictures (None: on all), with the averaged weights."""
        if self.average:
            self.average.swap()
        try:
            x, y = self.dataset.x_test[:pictures], self.dataset.y_test[:pictures]
            return accuracy(self.net, x, y, self.normaliser, views=views)
        finally:
            if self.average:
                self.average.swap()

    def images_per_second(self):
        """The rate of the training steps alone, over all finished epochs; 0 before the first."""
        pictures = self.steps_per_epoch * min(self.config.batch, len(self.dataset.y_train))
        seconds = sum(pictures / row["images_per_second"] for row in self.history)
        return pictures * len(self.history) / seconds if seconds else 0.0

    def stuck(self):
        """Whether an epoch's loss is still no better than that of guessing, ln(classes), after enough steps to tell."""
        return (bool(self.history) and self.step >= STUCK_AFTER
                and self.history[-1]["loss"] > 0.99 * math.log(len(self.dataset.classes)))

    def _diverged(self, what):
        advice = f"begin again with a lower rate, such as --lr {min(self.config.lr / 4, 0.1):g}"
        return Diverged(f"{what}; {advice}" + ("" if self.config.norm == "batch" else ", or with --norm batch"))

    # -- going on later ---------------------------------------------------------------------------------------------

    def save(self):
        """Write the checkpoint, if there is a folder for it.

        Raises Diverged in place of writing numbers that are none: an update can overflow before the loss does.
        """
        if self.folder is None and processes.count() == 1:
            return
        parts = {"weights": self.net.parameters(), "state": self.net.state(), "velocity": self.sgd.velocity}
        for path, array in {**parts["weights"], **parts["state"]}.items():
            if not np.isfinite(array).all():
                raise self._diverged(f"step {self.step}: {path} is not finite any more")
        if self.folder is None:  # not the first process, which writes
            return
        progress = {"source": self.source, "fingerprint": self.fingerprint, "step": self.step, "seconds": self.seconds,
                    "sums": self.sums, "history": self.history}
        if self.average:
            parts["average"] = self.average.arrays
            progress["average_steps"] = self.average.steps
        checkpoints.save(self.folder, config=self.config, classes=self.dataset.classes, dataset=self.dataset.name,
                         normaliser=self.normaliser, input_shape=self.dataset.x_train.shape[1:], progress=progress,
                         generator=self.rng.bit_generator.state, parts=parts)

    def restore(self, checkpoint):
        """Stand where ``checkpoint`` stood. Raises UserError if it is of another run, or of other pictures."""
        where = str(checkpoint.path)
        checkpoint.same_config(self.config)
        checkpoint.same_pictures(self.dataset.name, self.fingerprint)
        load_into(self.net.parameters(), checkpoint.part("weights"), where)
        load_into(self.net.state(), checkpoint.part("state"), where)
        load_into(self.sgd.velocity, checkpoint.part("velocity"), where)
        if self.average:
            load_into(self.average.arrays, checkpoint.part("average"), where)
            self.average.steps = checkpoint.progress["average_steps"]
        self.rng.bit_generator.state = checkpoint.generator
        self.step, self.seconds = checkpoint.progress["step"], checkpoint.progress["seconds"]
        self.sums, self.history = checkpoint.progress["sums"], checkpoint.progress["history"]
