"""What a training run prints and writes: a progress bar or plain lines, a CSV log, a learning curve, and its result."""

import csv
import functools
import io
import math
import shlex
import sys
from pathlib import Path

from tqdm import tqdm

from ..files import write_atomically
from ..hints import counted, hint
from .steps import NAME as STEPS
from .steps import cell, read_steps
from .trainer import Trainer


class Display:
    """Progress on standard error: a tqdm bar on a terminal, a line for each epoch. Standard output has results only.

    ``quiet`` prints only warnings and notes on the origin of the images.
    """

    def __init__(self, trainer: Trainer, quiet: bool = False) -> None:
        self.trainer, self.quiet, self.warned = trainer, quiet, False
        self.bar: tqdm | None = None

    def print(self, text: str, always: bool = False) -> None:
        """Print above the bar; with ``always`` even if quiet."""
        if always or not self.quiet:
            tqdm.write(text, file=sys.stderr)

    def start(self, resumed: bool) -> None:
        """Print what is trained, on which images and in which folder."""
        trainer, config, dataset = self.trainer, self.trainer.config, self.trainer.dataset
        self._note()
        size = sum(w.size for w in trainer.net.parameters().values())
        self.print(f"{dataset.name}: {len(dataset.y_train):,} training and "
                   f"{counted(len(dataset.y_test), 'test image')}, {len(dataset.classes)} classes")
        heads = " with auxiliary classifiers" if hasattr(trainer.net, "heads") else ""
        self.print(f"{config.model}, width {config.width:g}, norm {config.norm}: {size:,} parameters{heads}; "
                   f"{counted(config.epochs, 'epoch')} of {counted(trainer.steps_per_epoch, 'step')} of "
                   f"{config.batch}; seed {config.seed}")
        if n := config.half_epochs:
            self.print(f"{'epoch 1' if n == 1 else f'epochs 1 to {n}'} on images of half the size")
        self.print(f"run: {trainer.folder}" + (f", resumed at step {trainer.step:,}" if resumed else ""))
        if not self.quiet and sys.stderr.isatty():
            self.bar = tqdm(total=trainer.steps, initial=trainer.step, unit="step", dynamic_ncols=True, smoothing=0.1)

    def step(self, loss: float | None) -> None:
        """Update the bar after each step; print a line after each epoch, when ``loss`` is None."""
        trainer = self.trainer
        if loss is None:
            self._epoch()
        elif self.bar is not None:
            sums = trainer.sums
            if sums["images"]:
                self.bar.set_postfix_str(
                    f"loss {sums['loss'] / sums['images']:.3f}, accuracy {sums['correct'] / sums['images']:.1%}, "
                    f"{sums['images'] / sums['seconds']:.0f} images/s", refresh=False)
            self.bar.update(1)

    def _epoch(self):
        row, trainer = self.trainer.history[-1], self.trainer
        total, done = (trainer.config.work(epochs) for epochs in (trainer.config.epochs, row["epoch"]))
        left = (total - done) * row["seconds"] / done
        self.print(f"epoch {row['epoch']:3}/{trainer.config.epochs}  loss {row['loss']:.4f}  "
                   f"train {row['train_accuracy']:6.2%}  test {row['test_accuracy']:6.2%}  "
                   f"{row['images_per_second']:5.0f} images/s  {clock(row['seconds'])} elapsed, {clock(left)} left")
        if trainer.stuck() and not self.warned:
            self.warned = True
            classes = len(trainer.dataset.classes)
            norm = "" if trainer.config.norm == "batch" else "--norm batch, or "
            self.print(f"warning: the loss is {row['loss']:.3f}, no better than guessing, which gives "
                       f"ln({classes}) = {math.log(classes):.3f}; try {norm}another learning rate such as "
                       f"--lr {trainer.config.lr / 4:g}", always=True)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()

    def summary(self, result: dict) -> None:
        """Print the result of a finished run, a ``final_result``."""
        images = counted(len(self.trainer.dataset.y_test), "image")
        mirrored = ", image and mirror image" if self.trainer.config.views == 2 else ""
        self.print(f"test accuracy {result['test_accuracy']:.2%} on {images} (averaged weights{mirrored}), "
                   f"{clock(result['seconds'])}, {result['images_per_second']:.0f} images/s")
        folder, files = self.trainer.folder, self.trainer.dataset.files_test
        photo = shlex.quote(str(Path(self.trainer.source) / files[0])) if files else "PHOTO"
        run = shlex.quote(str(folder))
        self.print(f"  log and curve: {folder}/log.csv, steps.csv, curve.png\n"
                   f"  try it:        {hint('predict', f'{photo} --weights {run}')}\n"
                   f"  by class:      {hint('evaluate', f'--run {run}')}")
        self._note()

    def _note(self):
        if self.trainer.dataset.note:
            self.print(f"note: {self.trainer.dataset.note}", always=True)


class SilentDisplay:
    """The Display of every process but the first: prints nothing."""

    def print(self, text: str, always: bool = False) -> None:
        pass

    def start(self, resumed: bool) -> None:
        pass

    def step(self, loss: float | None) -> None:
        pass

    def close(self) -> None:
        pass

    def summary(self, result: dict) -> None:
        pass


def clock(seconds: float) -> str:
    """Minutes and seconds: 75.2 -> 1:15"""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def final_result(trainer: Trainer) -> dict:
    """The result of a finished run, as ``train --json`` prints it.

    test_accuracy: on all test images, each averaged over the config's ``views``;
    seconds: training, the tests after each epoch and checkpoints, over all sessions; images_per_second: training steps
    only; parameters: including those of the auxiliary classifiers.
    """
    return {
        "test_accuracy": trainer.test(views=trainer.config.views), "epochs": trainer.config.epochs,
        "seconds": round(trainer.seconds, 1), "images_per_second": round(trainer.images_per_second(), 1),
        "parameters": sum(w.size for w in trainer.net.parameters().values()),
        "dataset": trainer.dataset.name, "seed": trainer.config.seed, "out": str(trainer.folder),
    }


def write_log(trainer: Trainer) -> None:
    """Write the history to curve.png and log.csv in the run's folder, unless both are up to date."""
    if trainer.folder is None:
        raise ValueError("the trainer has no folder")
    text = io.StringIO()
    writer = csv.DictWriter(text, trainer.history[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: cell(value) for name, value in row.items()} for row in trainer.history)
    log, curve = Path(trainer.folder) / "log.csv", Path(trainer.folder) / "curve.png"
    if curve.is_file() and log.is_file() and log.read_bytes() == text.getvalue().encode():
        return
    if draw_curve := _curve():
        steps = read_steps(Path(trainer.folder) / STEPS)
        halved = getattr(trainer, "half_steps", 0) // trainer.steps_per_epoch   # a Tuner never halves images
        write_atomically(curve, lambda file: draw_curve(trainer.history, file, steps, halved))
    write_atomically(log, lambda file: file.write(text.getvalue()), mode="w")  # last: an up-to-date log implies a curve


@functools.cache
def _curve():
    """The function that draws the learning curve, or None, with one line on standard error, if matplotlib fails."""
    try:
        from ..figures.curve import draw_curve  # matplotlib is not needed before the first epoch is done
    except Exception as error:  # no folder for its font cache, a broken installation: no reason to lose the training
        reason = " ".join(str(error).split())[:150] or type(error).__name__
        tqdm.write(f"note: the learning curve is not drawn, because matplotlib cannot be used ({reason})", sys.stderr)
        return None
    return draw_curve
