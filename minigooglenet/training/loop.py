"""The loop over epochs and steps, shared by training from scratch and fine-tuning."""

import math
import time
import warnings
from collections.abc import Callable, Generator
from typing import Any, Protocol

import numpy as np

from ..errors import UserError
from ..layers.base import Array
from . import processes

#: The functions (epoch, first step) -> batches (x, y) of that epoch, from that step of it on.
Source = Callable[[int, int], Generator[tuple[Array, Array], None, None]]


class Trainable(Protocol):
    """What the loop trains: a Trainer or a FineTuner.

    steps, steps_per_epoch, batch   the plan: steps in all and per epoch, images per step
    step, seconds, sums, history    the progress: finished steps, time, sums over the epoch, a row for each epoch
    logged                          ``sums`` at the last row of steps.csv (training/steps.py), if there is one
    """

    steps: int
    steps_per_epoch: int
    batch: int
    step: int
    seconds: float
    sums: dict[str, float]
    history: list[dict]
    logged: dict[str, float] | None

    def train_step(self, x: Array, y: Array) -> tuple[float, int]:
        """One update, which adds 1 to ``step``. Returns the loss and the number of correct predictions."""

    def learning_rate(self, step: int) -> float:
        """The learning rate of step number ``step`` (from 0)."""

    def finished(self) -> bool:
        """Whether the training is done."""

    def measured(self) -> dict[str, float]:
        """What is measured after an epoch, such as {"test_accuracy": 0.8}."""

    def save(self) -> None:
        """Write a checkpoint."""


def run(trainer: Trainable, source: Source, on_step: Callable[[Any, float | None], object] | None,
        stop: Callable[[], bool] | None, checkpoint_every: int) -> bool:
    """Train until ``trainer.finished()``, or until ``stop()`` returns True. Returns whether training is done.

    ``on_step(trainer, loss)`` is called after every step, and after every epoch with loss None. A checkpoint is written
    every ``checkpoint_every`` steps, after each epoch, and on stopping. One process of several stops if any does.
    """
    started = time.perf_counter() - trainer.seconds
    with warnings.catch_warnings():  # a diverging run prints one line, without NumPy's warnings from each thread
        warnings.filterwarnings("ignore", "(overflow|invalid value|divide by zero) encountered", RuntimeWarning)
        while not trainer.finished():
            batches = source(*divmod(trainer.step, trainer.steps_per_epoch))
            try:
                if not _epoch(trainer, batches, started, on_step, stop, checkpoint_every):
                    return False
            finally:
                batches.close()
    return True


def _epoch(trainer, batches, started, on_step, stop, checkpoint_every):
    """The rest of an epoch. Returns False if it was stopped."""
    clock = time.perf_counter()
    for x, y in batches:
        loss, correct = trainer.train_step(x, y)
        now = time.perf_counter()
        for name, value in (("loss", loss * trainer.batch), ("correct", correct), ("images", trainer.batch),
                            ("seconds", now - clock)):
            trainer.sums[name] += value
        trainer.seconds = now - started
        if on_step:
            on_step(trainer, loss)
        ended = trainer.step % trainer.steps_per_epoch == 0
        stopping = bool(processes.sum_over_processes(np.array(int(bool(stop and stop())))))
        if ended:
            _end_epoch(trainer, started)
        trainer.seconds = time.perf_counter() - started
        if ended or stopping or trainer.step % checkpoint_every == 0:
            trainer.save()
        if ended and on_step:
            on_step(trainer, None)  # after saving: if the log cannot be written, the epoch is not lost
        if stopping and not trainer.finished():
            return False
        clock = time.perf_counter()
    return True


def _end_epoch(trainer, started):
    """Add a row to the history."""
    sums, measured = trainer.sums, trainer.measured()
    trainer.history.append({
        "epoch": trainer.step // trainer.steps_per_epoch, "step": trainer.step,
        "lr": trainer.learning_rate(trainer.step - 1), "loss": sums["loss"] / sums["images"],
        "train_accuracy": sums["correct"] / sums["images"], **measured,
        "images_per_second": sums["images"] / sums["seconds"], "seconds": time.perf_counter() - started,
    })
    trainer.sums = no_sums()


def no_sums() -> dict[str, float]:
    """The sums at the start of an epoch."""
    return {"loss": 0.0, "correct": 0, "images": 0, "seconds": 0.0}


def progress(trainer: Trainable) -> dict[str, Any]:
    """The progress, for a checkpoint."""
    return {"step": trainer.step, "seconds": trainer.seconds, "sums": trainer.sums, "history": trainer.history,
            **({"logged": trainer.logged} if trainer.logged else {})}


def check(trainer: Trainable, saved: dict[str, Any], measured: str, where: str) -> None:
    """Raises UserError if ``saved`` is no ``progress`` of this trainer. ``measured`` is a column of its history."""
    columns = ("epoch", "step", "lr", "loss", "train_accuracy", measured, "images_per_second", "seconds")
    if not (saved["sums"].keys() == trainer.sums.keys() == (saved.get("logged") or trainer.sums).keys()
            and all(all(isinstance(row.get(name), int | float) for name in columns) and row["images_per_second"] > 0
                    for row in saved["history"])
            and saved["step"] <= trainer.steps):
        raise UserError(f"{where}: its progress is not that of a run; damaged, start another run")


def restore(trainer: Trainable, saved: dict[str, Any]) -> None:
    """Continue from ``saved``, a ``progress``."""
    trainer.step, trainer.seconds = saved["step"], saved["seconds"]
    trainer.sums, trainer.history, trainer.logged = saved["sums"], saved["history"], saved.get("logged")


STUCK_AFTER = 100  # steps after the highest learning rate, after which the loss should be below that of guessing


def stuck(trainer: Trainable, classes: int) -> bool:
    """Whether the last epoch's loss is no better than that of guessing, ln(classes), STUCK_AFTER steps after the
    learning rate was highest. Before, while a one-cycle schedule warms up, this is not unusual."""
    if not trainer.history or trainer.history[-1]["loss"] <= 0.99 * math.log(classes):
        return False
    return trainer.step >= STUCK_AFTER + max(range(trainer.steps), key=trainer.learning_rate)
