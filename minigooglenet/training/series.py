"""Several training runs one after the other, which can be killed at any moment and started again."""

import sys
from functools import partial
from pathlib import Path

from tqdm import tqdm

from ..data import Augment
from . import checkpoint as checkpoints
from .report import VIEWS, clock, write_log
from .trainer import Trainer


class Series:
    """``runs`` is {folder: config}; all train on ``dataset``, and each keeps a checkpoint, log and curve of its own.

    A run that is finished is skipped, one that was begun goes on bit for bit: the folders are all there is to know.
    ``source`` as the Trainer's. ``quiet`` shows no progress, else there is one bar and one line for each run.
    """

    def __init__(self, runs, dataset, source=None, quiet=False):
        self.runs = {Path(folder): config for folder, config in runs.items()}
        self.dataset, self.source, self.quiet = dataset, source, quiet

    def run(self, stop=None, checkpoint_every=200):
        """Train what is not finished; returns {folder: {"test_accuracy", "seconds"}}, or None if ``stop()`` said so.

        The accuracy is that on all test pictures, each with its mirror image. Raises UserError where a folder holds a
        run with other settings or pictures.
        """
        facts = {}
        for number, (folder, config) in enumerate(self.runs.items(), 1):
            trainer = self._trainer(folder, config)
            name = f"{number:3}/{len(self.runs)}  {folder.name}"
            with tqdm(total=trainer.steps, initial=trainer.step, desc=name, unit="step", dynamic_ncols=True,
                      leave=False, disable=self.quiet or not sys.stderr.isatty()) as bar:
                if not trainer.run(partial(self._on_step, bar, name), stop, checkpoint_every):
                    return None
            facts[folder] = {"test_accuracy": trainer.test(views=VIEWS), "seconds": round(trainer.seconds, 1)}
            self.say(f"{name}: test {facts[folder]['test_accuracy']:.2%}, {clock(trainer.seconds)}")
        return facts

    def _on_step(self, bar, name, trainer, loss):
        if loss is not None:
            bar.update()
            return
        write_log(trainer)
        row = trainer.history[-1]
        epoch = f"epoch {row['epoch']}/{trainer.config.epochs}, loss {row['loss']:.4f}, test {row['test_accuracy']:.2%}"
        bar.set_postfix_str(epoch)
        if bar.disable:         # no terminal: a log, in which each epoch is a sign of life
            self.say(f"{name}: {epoch}")

    def say(self, text):
        """One line on standard error, where the progress is."""
        if not self.quiet:
            tqdm.write(text, file=sys.stderr)

    def _trainer(self, folder, config):
        trainer = Trainer(config, self.dataset, folder, Augment(config.augment), self.source)
        if (folder / checkpoints.NAME).exists():
            trainer.restore(checkpoints.load(folder))
            checkpoints.tidy(folder)
            if trainer.history:
                write_log(trainer)  # it may have been killed between its checkpoint and its log
        else:
            trainer.save()  # fails now rather than after an epoch if the folder cannot be written
        return trainer


def begun(folder):
    """The config and data source of the run in ``folder``, or (None, None) if there is none."""
    if not (Path(folder) / checkpoints.NAME).exists():
        return None, None
    checkpoint = checkpoints.load(folder)
    return checkpoint.config, checkpoint.dataset_source
