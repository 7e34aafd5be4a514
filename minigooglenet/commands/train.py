"""``python -m minigooglenet train``"""

import argparse
import contextlib
import json
import shlex
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..data.augment import KINDS
from ..data.dataset import Dataset
from ..errors import UserError, need
from ..hints import hint
from ..training.config import BALANCES, MODELS, NORMS, OF_MODEL, PRESETS, WITHOUT_BATCH_NORM, Config, preset
from ..training.schedule import SCHEDULES
from .interrupt import Interruptible
from .options import add_compute, add_data, claimed_run, engine_lines, latest_run, positive, use_compute, whole

DESCRIPTION = """\
Train a reduced GoogLeNet: all nine inception modules and both auxiliary classifiers (heads), on a CPU. Or GoogLeNet
itself: --model googlenet.

Without options it uses the preset "quick" and the best available data: CIFAR-10 if it is in datasets/ or can be
fetched, else Shapes-10, which is drawn from a seed. For images of your own, --data names a folder with a folder for
each class:

  photos/cat/1.jpg   photos/cat/2.jpg   photos/dog/1.jpg   ...

Without folders train/ and test/ in it, a fifth of the images is set aside for the test. The images become squares of
--size pixels, kept in datasets/.cache; the first layers of the network are chosen for the size. With few images
of each class, use finetune instead.

Each run has its own folder under runs/, with

  checkpoint.safetensors   weights, averaged weights, optimizer, generator, settings: everything needed to resume
  log.csv                  one line for each epoch
  steps.csv                one line every 50 steps, or more often in a short run (--log-every)
  curve.png                the learning curve

Ctrl-C saves and stops. --resume continues, bit for bit as if there had been no interruption, even after a crash. The
same settings and images give the same weights, whatever the number of threads.

A line on standard error names the engine. With --engine plain every layer runs as written in layers/.

On several machines: mpiexec -n 4 python -m minigooglenet train ... divides each batch among the processes, sums
gradients and batch norm's statistics, and gives the same weights up to rounding. Only the first process reads the
images, writes and prints. After Ctrl-C, Open MPI leaves a second for saving; a longer step is lost, and --resume
starts from the checkpoint before. If a machine is silent for 30 s (MINIGOOGLENET_SILENCE), the run ends, and --resume
continues it, on fewer machines too. Needs the extra: python -m pip install -e '.[mpi]'

--tensorboard needs the extra: python -m pip install -e '.[tensorboard]'

Progress goes to standard error; if nobody reads it (2>&1 | head -1, or 2>&-), training goes on. Exit code: 0 when done,
2 with one line for invalid input, 130 after Ctrl-C."""

EXAMPLES = """\
examples:
  python -m minigooglenet train
  python -m minigooglenet train --preset full --out runs/best
  python -m minigooglenet train --resume                      # the latest run
  python -m minigooglenet train --engine plain --epochs 1
  mpiexec -n 2 python -m minigooglenet train --out runs/two
  python -m minigooglenet train --data shapes10 --epochs 3 --width 0.5 --json
  python -m minigooglenet train --data photos --size 96
  python -m minigooglenet train --data photos --model googlenet --size 128"""

SETTINGS = ("model", "width", "norm", "epochs", "batch", "lr", "schedule", "seed", "augment", "drop_prob", "balance",
            "split_seed", "half", "whiten", "beta_lr")
FEW = 100  # training images of each class


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, metavar="DIR", help="the run's folder (default: a new one under runs/)")
    parser.add_argument("--resume", action="store_true", help="continue the run in --out, or the latest run")
    add_settings(parser)
    parser.add_argument("--log-every", type=positive, metavar="N",
                        help="steps between the lines of steps.csv (default: 50, or fewer in a short run)")
    parser.add_argument("--tensorboard", action="store_true",
                        help="also write scalars for TensorBoard into the run's folder")
    parser.add_argument("--json", action="store_true",
                        help="no progress, and one line of JSON at the end: test_accuracy (a fraction), epochs, "
                             "seconds, images_per_second, parameters, dataset, seed, out")


def add_settings(parser: argparse.ArgumentParser, of: str = "") -> None:
    """Add the options of every command that trains, in groups; ``of`` is added to the groups' names.

    ``changes`` reads those that belong to the Config.
    """
    parser.usage = "%(prog)s [options]"
    images = parser.add_argument_group(f"images{of}")
    add_data(images)
    images.add_argument("--size", type=positive, metavar="N",
                        help="train on images of NxN pixels, such as 32, 64, 96, 128 or 224; for a folder of images "
                             "(default: 64; 128 for googlenet)")
    images.add_argument("--split-seed", type=whole, metavar="N", help="chooses other test images (default: 0)")
    images.add_argument("--skip-bad", action="store_true", help="leave out image files that cannot be decoded")
    images.add_argument("--balance", choices=BALANCES,
                        help="for classes of different sizes: weight their loss, or draw them equally often "
                             "(default: none)")
    images.add_argument("--augment", choices=KINDS, help="augmentation of the images; crop shifts and mirrors, paper "
                                                         f"crops 8 to 100 %% of the area ({defaults('augment')}, "
                                                         "googlenet: paper)")
    network = parser.add_argument_group(f"network{of}")
    network.add_argument("--model", choices=MODELS, help="the network: the reduced GoogLeNet, GoogLeNet, or an "
                                                         "earlier one (default: mini)")
    network.add_argument("--width", type=float, metavar="X", help="multiplies the width of every layer "
                                                                  f"({defaults('width')}; 1 for other networks)")
    network.add_argument("--norm", choices=NORMS, help="batch norm, the paper's local response normalization, or none "
                                                       f"({defaults('norm')})")
    network.add_argument("--no-heads", action="store_true", help="without the auxiliary classifiers")
    network.add_argument("--drop-prob", type=float, metavar="P", help="dropout probability before the classifier "
                                                                      f"({defaults('drop_prob')})")
    network.add_argument("--whiten", action=argparse.BooleanOptionalAction,
                         help="initialize the first convolution so that it whitens the images "
                              f"({defaults('whiten')}; only mini)")
    training = parser.add_argument_group(f"optimization{of}")
    training.add_argument("--preset", choices=PRESETS, help="start from these settings (default: quick)")
    training.add_argument("--epochs", type=positive, metavar="N",
                          help=f"passes over the training images ({defaults('epochs')}; for a folder of images as many "
                               "as make 1500 steps)")
    training.add_argument("--batch", type=positive, metavar="N",
                          help=f"images per step ({defaults('batch')}; 32 for googlenet; fewer if memory or images are "
                               "few)")
    training.add_argument("--lr", type=float, metavar="X",
                          help=f"the highest learning rate ({defaults('lr')}; googlenet: "
                               f"{OF_MODEL['googlenet']['lr']}, or {WITHOUT_BATCH_NORM} without batch norm; in "
                               "proportion to a smaller batch)")
    training.add_argument("--schedule", choices=SCHEDULES, help=f"learning rate schedule ({defaults('schedule')})")
    training.add_argument("--half", type=float, metavar="X",
                          help="the share of the epochs, the first ones, that train on images of half the size, which "
                               f"is 2.8 times as fast ({defaults('half')}; 0 for lenet5 and nin-cifar)")
    training.add_argument("--beta-lr", type=float, metavar="X",
                          help=f"the factor on the learning rate of batch norm's shifts ({defaults('beta_lr')})")
    training.add_argument("--seed", type=whole, metavar="N", help="seed of all randomness (default: 0)")
    computing = parser.add_argument_group("computing")
    add_compute(computing)
    computing.add_argument("--checkpoint-every", type=positive, default=200, metavar="N",
                           help="steps between checkpoints (default: 200); there is also one after each epoch")


def defaults(name: str) -> str:
    """The default of a setting, in words."""
    quick, full = (getattr(PRESETS[preset], name) for preset in ("quick", "full"))
    return f"default: {quick}" + (f", full: {full}" if full != quick else "")


def run(args: argparse.Namespace) -> int | None:
    from ..training import processes
    from ..training.images import load_images
    from ..training.trainer import Diverged

    if args.tensorboard:
        need("tensorboard", "--tensorboard")
    processes.initialize()
    use_compute(args)
    with contextlib.ExitStack() as claims:  # the folder is this run's until the end
        folder, config, data, checkpoint = processes.broadcast_from_first(lambda: _plan(args, claims))
        dataset = processes.broadcast_from_first(
            lambda: load_images(config, data, args.datasets, progress=not args.json))
        if not checkpoint:
            config = processes.broadcast_from_first(lambda: _planned(args, config, dataset))
        processes.broadcast_from_first(lambda: processes.part(config.batch))  # reports a batch that is too small
        folder = folder or processes.broadcast_from_first(
            lambda: claimed_run(f"{dataset.name}-{args.preset or 'quick'}", claims))
        with processes.abort_all_on_error(collective=Diverged):
            return _train(args, folder, config, data, checkpoint, dataset)


def _train(args, folder, config, data, checkpoint, dataset):
    from ..training import processes, tensorboard
    from ..training.images import augmentation, source_of
    from ..training.report import Display, SilentDisplay, final_result, write_log
    from ..training.steps import StepLog
    from ..training.tensorboard import Board
    from ..training.trainer import Trainer

    first = processes.rank() == 0
    trainer = Trainer(config, dataset, folder if first else None, augmentation(config),
                      source_of(dataset, data, args.datasets))
    if checkpoint:
        trainer.restore(checkpoint)
    else:
        trainer.save()  # if the folder cannot be written, fail now and not after an epoch
    display = Display(trainer, quiet=args.json) if first else SilentDisplay()
    display.print("\n".join(engine_lines([trainer.net])), always=True)
    display.start(resumed=checkpoint is not None)
    steps = StepLog(trainer, args.log_every) if first else None
    board = Board(folder, trainer.history) if first and args.tensorboard else None
    if trainer.history and first:
        write_log(trainer)  # the run may have been killed between its checkpoint and its log

    def on_step(trainer, loss):
        display.step(loss)
        if loss is None and first:
            write_log(trainer)
            if board:
                board.add(trainer.history[-1], tensorboard.EPOCH)
        elif steps and (row := steps.add(trainer)) and board:
            board.add(row, tensorboard.STEP)

    try:
        with Interruptible() as signals:
            trainer.prepare(quiet=args.json)
            done = trainer.run(on_step, stop=lambda: bool(signals), checkpoint_every=args.checkpoint_every)
    finally:
        display.close()
        if board:
            board.close()
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
    return {name: getattr(args, name) for name in SETTINGS} | {
        "heads": False if args.no_heads else None, "skip_bad": args.skip_bad or None}


def initial(args: argparse.Namespace, data: str | None) -> Config:
    """The settings of a new run on ``data``: the preset, for the model and for the kind of images, with the options."""
    from ..training.images import with_sizes

    config = preset(args.preset or "quick", args.model, args.norm).but(**changes(args))
    return with_sizes(config, data, args.size)


def continued(args: argparse.Namespace, config: Config) -> Config:
    """The settings of a run that exists, with the options, which are refused where they differ."""
    start = config
    if args.preset:
        chosen = ("size", "stored", "batch", "lr", *(("epochs", "half") if config.size else ()))  # with_sizes, planned
        kept = {name: getattr(config, name) for name in chosen}
        start = replace(preset(args.preset, config.model, config.norm), **kept)
    stored = max(start.stored, args.size) if start.stored and args.size else None
    return start.but(size=args.size, stored=stored, **changes(args))


def planned(args: argparse.Namespace, config: Config, dataset: Dataset) -> tuple[Config, str]:
    """(config, a line about it or ""): with the batch and the epochs that memory and the number of images ask for."""
    from ..training import planning

    given = {name for name, value in changes(args).items() if value is not None}
    return planning.planned(config, given, len(dataset.y_train), len(dataset.classes), dataset.x_test.shape[1:])


def _planned(args, config, dataset):
    config, line = planned(args, config, dataset)
    each = len(dataset.y_train) / len(dataset.classes)
    if dataset.files_train is not None and each < FEW:
        line = (f"note: {each:.0f} training images of each class are few for training from scratch; start from trained "
                f"weights with: {hint('finetune', f'--data {shlex.quote(str(args.data))}')}\n{line}")
    if line and not args.json:
        print(line.rstrip(), file=sys.stderr, flush=True)
    return config


def _plan(args, claims):
    """(folder or None for a new one, config, data, checkpoint or None) from the options. Claims the folder."""
    from ..training import checkpoint as checkpoints
    from ..training.network import load_to_resume

    folder = args.out or (latest_run() if args.resume else None)
    if folder:
        claims.enter_context(checkpoints.claimed(folder))  # before its checkpoint is read
    found = folder and (folder / checkpoints.NAME).exists()
    if found and not args.resume:
        raise UserError(f"{folder}: already holds a run; continue it with --resume, or choose another --out")
    if not found:
        config = initial(args, args.data)
        if args.resume:  # killed before its first checkpoint, or another name was meant
            print(f"note: no checkpoint in {folder}: starting from the beginning", file=sys.stderr)
        return folder, config, args.data, None
    checkpoint = load_to_resume(folder)
    if "finetune" in checkpoint.progress:
        raise UserError(f"{folder}: a run of finetune; continue it with: "
                        f"{hint('finetune', f'--resume --out {folder}')}")
    config = continued(args, checkpoint.config)
    checkpoint.check_config(config)  # before the images are read, which takes longer
    return folder, config, args.data or checkpoint.dataset_source, checkpoint
