"""``python -m minigooglenet train``"""

import argparse
import contextlib
import json
import shlex
import signal
from pathlib import Path
from typing import Any

from ..data import cifar10, shapes10
from ..data.augment import KINDS
from ..data.dataset import Dataset
from ..errors import UserError
from ..training.config import MODELS, NORMS, PRESETS
from ..training.schedule import SCHEDULES
from .options import add_compute, add_data, engine_lines, free_run, latest_run, positive, use_compute, whole

DESCRIPTION = """\
Train a reduced GoogLeNet: all nine inception modules and both auxiliary classifiers (heads), on 32x32 images, on a CPU.

Without options it uses the preset "quick" and the best available data: CIFAR-10 if it is in datasets/ or can be
fetched, else Shapes-10, which is drawn from a seed. Each run has its own folder under runs/, with

  checkpoint.safetensors   weights, averaged weights, optimizer, generator, settings: everything needed to resume
  log.csv                  one line for each epoch
  curve.png                the learning curve

Ctrl-C saves and stops. --resume continues, bit for bit as if there had been no interruption, even after a crash. The
same settings and images give the same weights, whatever the number of threads.

The first line names the engine. With --engine plain every layer runs as written in layers/.

On several machines: mpiexec -n 4 python -m minigooglenet train ... divides each batch among the processes, sums
gradients and batch norm's statistics, and gives the same weights up to rounding. Only the first process reads the
images, writes and prints. After Ctrl-C, Open MPI leaves a second for saving; a longer step is lost, and --resume
starts from the checkpoint before. Needs the extra: python -m pip install -e '.[mpi]'

Progress goes to standard error; if nobody reads it (2>&1 | head -1, or 2>&-), training goes on. Exit code: 0 when done,
2 with one line for invalid input, 130 after Ctrl-C."""

EXAMPLES = """\
examples:
  python -m minigooglenet train
  python -m minigooglenet train --preset full --out runs/best
  python -m minigooglenet train --resume                      # the latest run
  python -m minigooglenet train --engine plain --epochs 1
  mpiexec -n 2 python -m minigooglenet train --out runs/two
  python -m minigooglenet train --data shapes10 --epochs 3 --width 0.5 --json"""

SETTINGS = ("model", "width", "norm", "epochs", "batch", "lr", "schedule", "seed", "augment", "drop_prob")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, metavar="DIR", help="the run's folder (default: a new one under runs/)")
    parser.add_argument("--resume", action="store_true", help="continue the run in --out, or the latest run")
    add_settings(parser)
    parser.add_argument("--json", action="store_true",
                        help="no progress, and one line of JSON at the end: test_accuracy (a fraction), epochs, "
                             "seconds, images_per_second, parameters, dataset, seed, out")


def add_settings(parser: Any) -> None:
    """Add the options of every command that trains; ``changes`` reads those that belong to the Config."""
    add_data(parser)
    parser.add_argument("--preset", choices=PRESETS, help="start from these settings (default: quick)")
    parser.add_argument("--model", choices=MODELS, help="the network: the reduced GoogLeNet or an earlier one "
                                                        "(default: mini)")
    parser.add_argument("--width", type=float, metavar="X", help="multiplies the width of every layer "
                                                                 f"({defaults('width')}; 1 for an earlier network)")
    parser.add_argument("--norm", choices=NORMS, help="batch norm, the paper's local response normalization, or none "
                                                      f"({defaults('norm')})")
    parser.add_argument("--epochs", type=positive, metavar="N", help="passes over the training images "
                                                                      f"({defaults('epochs')})")
    parser.add_argument("--batch", type=positive, metavar="N", help=f"images per step ({defaults('batch')})")
    parser.add_argument("--lr", type=float, metavar="X", help=f"the highest learning rate ({defaults('lr')})")
    parser.add_argument("--schedule", choices=SCHEDULES, help=f"learning rate schedule ({defaults('schedule')})")
    parser.add_argument("--augment", choices=KINDS, help="augmentation of the images; crop shifts and mirrors "
                                                         f"({defaults('augment')})")
    parser.add_argument("--drop-prob", type=float, metavar="P", help="dropout probability before the classifier "
                                                                     f"({defaults('drop_prob')})")
    parser.add_argument("--no-heads", action="store_true", help="without the auxiliary classifiers")
    parser.add_argument("--seed", type=whole, metavar="N", help="seed of all randomness (default: 0)")
    add_compute(parser)
    parser.add_argument("--checkpoint-every", type=positive, default=200, metavar="N",
                        help="steps between checkpoints (default: 200); there is also one after each epoch")


def defaults(name: str) -> str:
    """The default of a setting, in words."""
    quick, full = (getattr(PRESETS[preset], name) for preset in ("quick", "full"))
    return f"default: {quick}" + (f", full: {full}" if full != quick else "")


def run(args: argparse.Namespace) -> int | None:
    from ..data import load
    from ..training import processes
    from ..training.trainer import Diverged

    processes.initialize()
    use_compute(args)
    with contextlib.ExitStack() as claims:  # the folder is this run's until the end
        folder, config, data, checkpoint = processes.broadcast_from_first(lambda: _plan(args, claims))
        dataset = processes.broadcast_from_first(lambda: load(data, args.datasets, progress=not args.json))
        processes.broadcast_from_first(lambda: processes.part(config.batch))  # reports a batch that is too small
        folder = folder or processes.broadcast_from_first(lambda: _new_folder(args, dataset, claims))
        with processes.abort_all_on_error(collective=Diverged):
            return _train(args, folder, config, data, checkpoint, dataset)


def _train(args, folder, config, data, checkpoint, dataset):
    from ..data import Augment
    from ..training import processes
    from ..training.report import Display, SilentDisplay, final_result, write_log
    from ..training.trainer import Trainer

    first = processes.rank() == 0
    trainer = Trainer(config, dataset, folder if first else None, Augment(config.augment),
                      source(data, args.datasets, dataset))
    if checkpoint:
        trainer.restore(checkpoint)
    else:
        trainer.save()  # if the folder cannot be written, fail now and not after an epoch
    display = Display(trainer, quiet=args.json) if first else SilentDisplay()
    display.print("\n".join(engine_lines([trainer.net])), always=True)
    display.start(resumed=checkpoint is not None)
    if trainer.history and first:
        write_log(trainer)  # the run may have been killed between its checkpoint and its log

    def on_step(trainer, loss):
        display.step(loss)
        if loss is None and first:
            write_log(trainer)

    try:
        with Interruptible() as signals:
            done = trainer.run(on_step, stop=lambda: bool(signals), checkpoint_every=args.checkpoint_every)
    finally:
        display.close()
    if not done:
        python = f"mpiexec -n {processes.count()} python" if processes.count() > 1 else "python"
        display.print(f"Stopped at step {trainer.step:,} of {trainer.steps:,}; everything is saved. Resume with:\n"
                      f"  {python} -m minigooglenet train --resume --out {shlex.quote(str(folder))}", always=True)
        return 128 + (signals or [signal.SIGINT])[0]  # the exit code of shells: 130 after Ctrl-C
    if not first:
        return None
    result = final_result(trainer)
    display.summary(result)
    if args.json:
        print(json.dumps(result))
    return None


def changes(args: argparse.Namespace) -> dict[str, Any]:
    """{field: value} of the Config from the options of ``add_settings``; None for options that were not given."""
    given = {name: getattr(args, name) for name in SETTINGS} | {"heads": False if args.no_heads else None}
    if args.model not in (None, "mini") and args.width is None:
        given["width"] = 1.0  # the presets' widths are made for mini
    return given


def _new_folder(args, dataset, claims):
    from ..training import checkpoint as checkpoints

    folder = free_run(f"{dataset.name}-{args.preset or 'quick'}")
    claims.callback(_remove_if_empty, folder)
    return claims.enter_context(checkpoints.claimed(folder))


def _remove_if_empty(folder):
    with contextlib.suppress(OSError):
        folder.rmdir()


def _plan(args, claims):
    """(folder or None for a new one, config, data, checkpoint or None) from the options. Claims the folder."""
    from ..training import checkpoint as checkpoints

    given = changes(args)
    folder = args.out or (latest_run() if args.resume else None)
    if folder:
        claims.enter_context(checkpoints.claimed(folder))  # before its checkpoint is read
    if not args.resume:
        if args.out and (args.out / checkpoints.NAME).exists():
            raise UserError(f"{args.out}: already holds a run; continue it with --resume, or choose another --out")
        return folder, PRESETS[args.preset or "quick"].but(**given), args.data, None
    if args.out and not (folder / checkpoints.NAME).exists():  # killed before its first checkpoint: start again
        return folder, PRESETS[args.preset or "quick"].but(**given), args.data, None
    checkpoint = checkpoints.load(folder)
    config = (PRESETS[args.preset] if args.preset else checkpoint.config).but(**given)
    checkpoint.check_config(config)  # before the images are read, which takes longer
    return folder, config, args.data or checkpoint.dataset_source, checkpoint


def source(data: str | None, datasets: str, dataset: Dataset) -> str:
    """The absolute path of the images, so that the run can be resumed or evaluated from any folder."""
    if data in (None, "cifar10", "shapes10"):
        data = str(Path(datasets) / {"cifar10": cifar10.FOLDER, "shapes10": shapes10.FOLDER}[dataset.name])
    return str(Path(data).resolve())


class Interruptible:
    """Collects the first Ctrl-C or SIGTERM as a request to stop after the current step; a second one stops at once."""

    def __enter__(self) -> list[int]:
        self.signals: list[int] = []
        self.old = {number: signal.signal(number, self._handle) for number in (signal.SIGINT, signal.SIGTERM)}
        return self.signals

    def _handle(self, number, frame):
        self.signals.append(number)
        self._restore()

    def __exit__(self, *error: object) -> None:
        self._restore()

    def _restore(self):
        for number, handler in self.old.items():
            signal.signal(number, handler)
