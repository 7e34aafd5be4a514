"""Several training runs, one after the other. A series can be killed at any time and resumed."""

import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from tqdm import tqdm

from ..data.dataset import Dataset
from . import checkpoint as checkpoints
from .config import Config
from .images import augmentation
from .network import load_to_resume
from .report import clock, write_log
from .steps import StepLog
from .trainer import Trainer


class Series:
    """``runs`` is {folder: config}. All train on ``dataset``; each has its own checkpoint, log and curve.

    Finished runs are skipped and unfinished ones resumed, bit for bit: the folders hold the whole state. ``source`` is
    the Trainer's. Without ``quiet`` there is one bar and one line for each run.
    """

    def __init__(self, runs: Mapping[Path, Config], dataset: Dataset, source: str | None = None,
                 quiet: bool = False) -> None:
        self.runs = {Path(folder): config for folder, config in runs.items()}
        self.dataset, self.source, self.quiet = dataset, source, quiet

    def run(self, stop: Callable[[], bool] | None = None, checkpoint_every: int = 200) -> dict[Path, dict] | None:
        """Train all unfinished runs. Returns {folder: {"test_accuracy", "seconds"}}, or None if ``stop()`` became True.

        The accuracy is on all test images, each averaged over the config's ``views``. Raises UserError where a folder
        holds a run with other settings or images.
        """
        results = {}
        for number, (folder, config) in enumerate(self.runs.items(), 1):
            name = f"{number:3}/{len(self.runs)}  {folder.name}"
            with checkpoints.claimed(folder):
                trainer = self._trainer(folder, config)
                trainer.prepare(self.quiet)
                with tqdm(total=trainer.steps, initial=trainer.step, desc=name, unit="step", dynamic_ncols=True,
                          leave=False, disable=self.quiet or not sys.stderr.isatty()) as bar:
                    if not trainer.run(partial(self._on_step, bar, name, StepLog(trainer)), stop, checkpoint_every):
                        return None
            results[folder] = {"test_accuracy": trainer.test(views=config.views), "seconds": round(trainer.seconds, 1)}
            self.print(f"{name}: test {results[folder]['test_accuracy']:.2%}, {clock(trainer.seconds)}")
        return results

    def _on_step(self, bar, name, steps, trainer, loss):
        if loss is not None:
            bar.update()
            steps.add(trainer)
            return
        write_log(trainer)
        row = trainer.history[-1]
        epoch = f"epoch {row['epoch']}/{trainer.config.epochs}, loss {row['loss']:.4f}, test {row['test_accuracy']:.2%}"
        bar.set_postfix_str(epoch)
        if bar.disable:  # without a terminal: a line for each epoch shows that training goes on
            self.print(f"{name}: {epoch}")

    def print(self, text: str) -> None:
        """Print a line to standard error, above the bar."""
        if not self.quiet:
            tqdm.write(text, file=sys.stderr)

    def _trainer(self, folder, config):
        trainer = Trainer(config, self.dataset, folder, augmentation(config), self.source)
        if (folder / checkpoints.NAME).exists():
            trainer.restore(load_to_resume(folder))
            if trainer.history:
                write_log(trainer)  # the run may have been killed between its checkpoint and its log
        else:
            trainer.save()  # if the folder cannot be written, fail now and not after an epoch
        return trainer


def settings_of(folder: Path | str) -> tuple[Config | None, str | None]:
    """The config and data source of the run in ``folder``, or (None, None) if there is none."""
    if not (Path(folder) / checkpoints.NAME).exists():
        return None, None
    checkpoint = load_to_resume(folder)
    return checkpoint.config, checkpoint.dataset_source
