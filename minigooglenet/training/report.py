"""What a training run shows: a bar or plain lines, a CSV log, a curve, and its result."""

import csv
import io
import math
import shlex
import sys
from pathlib import Path

from tqdm import tqdm

from ..files import write_atomically

VIEWS = 2  # the closing accuracy: each test picture and its mirror image, averaged


class Display:
    """Progress for a person: a tqdm bar on a terminal, and one line for each epoch; on standard error, so that standard
    output holds results only. ``quiet`` leaves warnings, and notes on where the pictures come from."""

    def __init__(self, trainer, quiet=False):
        self.trainer, self.quiet, self.warned = trainer, quiet, False
        self.bar = None

    def say(self, text, always=False):
        """Print without tearing the bar; ``always``: even if quiet."""
        if always or not self.quiet:
            tqdm.write(text, file=sys.stderr)

    def opening(self, resumed):
        trainer, config, dataset = self.trainer, self.trainer.config, self.trainer.dataset
        self._note()
        size = sum(w.size for w in trainer.net.parameters().values())
        self.say(f"{dataset.name}: {len(dataset.y_train):,} training and {len(dataset.y_test):,} test pictures, "
                 f"{len(dataset.classes)} classes")
        heads = " with heads" if hasattr(trainer.net, "heads") else ""
        self.say(f"{config.model}, width {config.width:g}, norm {config.norm}: {size:,} parameters{heads}; "
                 f"{config.epochs} epochs of {trainer.steps_per_epoch:,} steps of {config.batch}; seed {config.seed}")
        self.say(f"run: {trainer.folder}" + (f", resumed at step {trainer.step:,}" if resumed else ""))
        if not self.quiet and sys.stderr.isatty():
            self.bar = tqdm(total=trainer.steps, initial=trainer.step, unit="step", dynamic_ncols=True, smoothing=0.1)

    def step(self, loss):
        """After each step; loss None after each epoch."""
        trainer = self.trainer
        if loss is None:
            self._epoch()
        elif self.bar is not None:
            sums = trainer.sums
            if sums["pictures"]:
                self.bar.set_postfix_str(
                    f"loss {sums['loss'] / sums['pictures']:.3f}, accuracy {sums['correct'] / sums['pictures']:.1%}, "
                    f"{sums['pictures'] / sums['seconds']:.0f} images/s", refresh=False)
            self.bar.update(1)

    def _epoch(self):
        row, trainer = self.trainer.history[-1], self.trainer
        left = (trainer.config.epochs - row["epoch"]) * row["seconds"] / row["epoch"]
        self.say(f"epoch {row['epoch']:3}/{trainer.config.epochs}  loss {row['loss']:.4f}  "
                 f"train {row['train_accuracy']:6.2%}  test {row['test_accuracy']:6.2%}  "
                 f"{row['images_per_second']:5.0f} images/s  {clock(row['seconds'])} spent, {clock(left)} left")
        if trainer.stuck() and not self.warned:
            self.warned = True
            classes = len(trainer.dataset.classes)
            self.say(f"warning: the loss is {row['loss']:.3f}, no better than guessing, which gives "
                     f"ln({classes}) = {math.log(classes):.3f}; try --norm batch, or another rate such as "
                     f"--lr {trainer.config.lr / 4:g}", always=True)

    def close(self):
        if self.bar is not None:
            self.bar.close()

    def summary(self, result):
        self.say(f"test accuracy {result['test_accuracy']:.2%} on {len(self.trainer.dataset.y_test):,} pictures "
                 f"(averaged weights, picture and mirror image), {clock(result['seconds'])}, "
                 f"{result['images_per_second']:.0f} images/s")
        folder = self.trainer.folder
        self.say(f"  log and curve: {folder}/log.csv, curve.png\n"
                 f"  try it:        python -m minigooglenet predict PHOTO --weights {shlex.quote(str(folder))}")
        self._note()

    def _note(self):
        if self.trainer.dataset.note:
            self.say(f"note: {self.trainer.dataset.note}", always=True)


class Silent:
    """The Display of all processes but the first."""

    def opening(self, resumed):
        pass

    def say(self, text, always=False):
        pass

    def step(self, loss):
        pass

    def close(self):
        pass


def clock(seconds):
    """75.2 -> 1:15"""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def closing(trainer):
    """The result of a finished run, as ``--json`` prints it.

    seconds: of training, the tests after each epoch and the checkpoints, over all sittings; images_per_second: of the
    training steps alone; parameters: with those of the auxiliary heads.
    """
    return {
        "test_accuracy": trainer.test(views=VIEWS), "epochs": trainer.config.epochs,
        "seconds": round(trainer.seconds, 1), "images_per_second": round(trainer.images_per_second(), 1),
        "parameters": sum(w.size for w in trainer.net.parameters().values()),
        "dataset": trainer.dataset.name, "seed": trainer.config.seed, "out": str(trainer.folder),
    }


def write_log(trainer):
    """Write curve.png and log.csv into the run's folder, whole, from the history, unless they show it already."""
    text = io.StringIO()
    writer = csv.DictWriter(text, trainer.history[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: round(value, 5) for name, value in row.items()} for row in trainer.history)
    log, curve = Path(trainer.folder) / "log.csv", Path(trainer.folder) / "curve.png"
    if curve.is_file() and log.is_file() and log.read_bytes() == text.getvalue().encode():
        return

    from ..pictures.curve import draw_curve  # matplotlib is not needed before the first epoch is done

    write_atomically(curve, lambda file: draw_curve(trainer.history, file))
    write_atomically(log, lambda file: file.write(text.getvalue()), mode="w")  # last: it says that both are there
