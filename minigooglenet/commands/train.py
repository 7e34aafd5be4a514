"""``python -m minigooglenet train``"""

import json
import shlex
import signal
from pathlib import Path

from ..data import cifar10, shapes10
from ..data.augment import KINDS
from ..errors import UserError
from ..training.config import MODELS, NORMS, PRESETS
from ..training.schedule import SCHEDULES
from .options import add_data, add_threads, free_run, latest_run, positive, use_threads, whole

DESCRIPTION = """\
Train a reduced GoogLeNet: all nine inception modules and both auxiliary heads, on 32x32 pictures, on your CPU.

Without options it takes the preset "quick" and the best data there is: CIFAR-10 if it lies in datasets/ or can be
fetched, else Shapes-10, which is drawn on the spot. The run gets a folder of its own under runs/, with

  checkpoint.safetensors   weights, averaged weights, optimiser, generator, settings: all it takes to go on
  log.csv                  one line for each epoch
  curve.png                the learning curve

Ctrl-C saves and stops; --resume goes on, bit for bit as if nothing had happened, even after a crash. The same
settings and pictures give the same weights, whatever the number of threads.

On several machines: mpiexec -n 4 python -m minigooglenet train ... splits each batch among the processes, sums
gradients and batch norm's statistics, and gives the same weights up to rounding. Only the first process needs the
pictures, writes and prints. After Ctrl-C, Open MPI leaves a second to save in; a step that takes longer is lost, and
--resume begins at the checkpoint before. Needs the extra: python -m pip install -e '.[mpi]'

Progress goes to standard error. Exit code: 0 when done, 2 with one line for wrong input, 130 after Ctrl-C."""

EXAMPLES = """\
examples:
  python -m minigooglenet train
  python -m minigooglenet train --preset full --out runs/best
  python -m minigooglenet train --resume                      # the latest run
  mpiexec -n 2 python -m minigooglenet train --out runs/two
  python -m minigooglenet train --data shapes10 --epochs 3 --width 0.5 --json"""

CHANGES = ("model", "width", "norm", "epochs", "batch", "lr", "schedule", "seed", "augment", "drop_prob")


def add_arguments(parser):
    parser.add_argument("--out", type=Path, metavar="DIR", help="the run's folder (default: a new one under runs/)")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out, or with the latest")
    add_settings(parser)
    parser.add_argument("--json", action="store_true",
                        help="no progress, and one line of JSON at the end: test_accuracy (a fraction), epochs, "
                             "seconds, images_per_second, parameters, dataset, seed, out")


def add_settings(parser):
    """The options of every command that trains; ``changes`` reads those that belong to the Config."""
    add_data(parser)
    parser.add_argument("--preset", choices=PRESETS, help="where the settings below start from (default: quick)")
    parser.add_argument("--model", choices=MODELS, help="which network: the reduced GoogLeNet or a forerunner "
                                                        "(default: mini)")
    parser.add_argument("--width", type=float, metavar="X", help="every layer's width, times the paper's "
                                                                 f"({defaults('width')}; 1 for a forerunner)")
    parser.add_argument("--norm", choices=NORMS, help="batch norm, the paper's local response normalisation, or none "
                                                      f"({defaults('norm')})")
    parser.add_argument("--epochs", type=positive, metavar="N", help="how often through the training pictures "
                                                                      f"({defaults('epochs')})")
    parser.add_argument("--batch", type=positive, metavar="N", help=f"pictures in one step ({defaults('batch')})")
    parser.add_argument("--lr", type=float, metavar="X", help=f"the highest learning rate ({defaults('lr')})")
    parser.add_argument("--schedule", choices=SCHEDULES, help=f"how the rate moves ({defaults('schedule')})")
    parser.add_argument("--augment", choices=KINDS, help="how pictures are distorted; crop is shifted and mirrored "
                                                         f"({defaults('augment')})")
    parser.add_argument("--drop-prob", type=float, metavar="P", help="dropout before the classifier "
                                                                     f"({defaults('drop_prob')})")
    parser.add_argument("--no-heads", action="store_true", help="leave the auxiliary classifiers out")
    parser.add_argument("--seed", type=whole, metavar="N", help="of all randomness (default: 0)")
    add_threads(parser)
    parser.add_argument("--checkpoint-every", type=positive, default=200, metavar="N",
                        help="steps from one checkpoint to the next (default: 200); there is one after each epoch, too")


def defaults(name):
    """What a setting is without its option, in words."""
    quick, full = (getattr(PRESETS[preset], name) for preset in ("quick", "full"))
    return f"default: {quick}" + (f", full: {full}" if full != quick else "")


def run(args):
    from .. import processes
    from ..data import load
    from ..training import checkpoint as checkpoints
    from ..training.trainer import Diverged

    processes.join()
    use_threads(args)
    folder, config, data, checkpoint = processes.from_first(lambda: _plan(args, checkpoints))
    dataset = processes.from_first(lambda: load(data, args.datasets, progress=not args.json))
    processes.from_first(lambda: processes.part(config.batch))  # says so at once if it is too small
    with processes.all_or_none(together=Diverged):
        return _train(args, folder, config, data, checkpoint, dataset)


def _train(args, folder, config, data, checkpoint, dataset):
    from .. import processes
    from ..data import Augment
    from ..training import checkpoint as checkpoints
    from ..training.report import Display, Silent, closing, write_log
    from ..training.trainer import Trainer

    first = processes.rank() == 0
    folder = (folder or free_run(f"{dataset.name}-{args.preset or 'quick'}")) if first else None
    trainer = Trainer(config, dataset, folder, Augment(config.augment), source=source(data, args.datasets, dataset))
    if checkpoint:
        trainer.restore(checkpoint)
        if first:
            checkpoints.tidy(folder)
    else:
        trainer.save()  # fails now rather than after an epoch if the folder cannot be written
    display = Display(trainer, quiet=args.json) if first else Silent()
    display.opening(resumed=checkpoint is not None)
    if trainer.history and first:
        write_log(trainer)  # the run may have been killed between its checkpoint and its log

    def on_step(trainer, loss):
        display.step(loss)
        if loss is None and first:
            write_log(trainer)

    try:
        with Interruptible() as asked:
            done = trainer.run(on_step, stop=lambda: bool(asked), checkpoint_every=args.checkpoint_every)
    finally:
        display.close()
    if not done:
        started = f"mpiexec -n {processes.count()} " if processes.count() > 1 else ""
        display.say(f"Stopped at step {trainer.step:,} of {trainer.steps:,}; nothing is lost. Go on with:\n"
                    f"  {started}python -m minigooglenet train --resume --out {shlex.quote(str(folder))}", always=True)
        return 128 + (asked or [signal.SIGINT])[0]  # as shells have it: 130 after Ctrl-C
    if not first:
        return None
    result = closing(trainer)
    display.summary(result)
    if args.json:
        print(json.dumps(result))


def changes(args):
    """{field: value} of the Config for the options of ``add_settings``; None where one was not given."""
    given = {name: getattr(args, name) for name in CHANGES} | {"heads": False if args.no_heads else None}
    if args.model not in (None, "mini") and args.width is None:
        given["width"] = 1.0  # the presets' widths are made for mini
    return given


def _plan(args, checkpoints):
    """(folder or None for a new one, config, data, checkpoint or None) from the options."""
    given = changes(args)
    if not args.resume:
        if args.out and (args.out / checkpoints.NAME).exists():
            raise UserError(f"{args.out}: holds a run already; go on with it by --resume, or choose another --out")
        return args.out, PRESETS[args.preset or "quick"].but(**given), args.data, None
    folder = args.out or latest_run()
    if args.out and not (folder / checkpoints.NAME).exists():  # killed before its first checkpoint: begin again
        return folder, PRESETS[args.preset or "quick"].but(**given), args.data, None
    checkpoint = checkpoints.load(folder)
    config = (PRESETS[args.preset] if args.preset else checkpoint.config).but(**given)
    checkpoint.same_config(config)  # at once: reading the pictures takes longer
    return folder, config, args.data or checkpoint.dataset_source, checkpoint


def source(data, datasets, dataset):
    """Where the pictures are, so that the run can be resumed or evaluated from any other folder."""
    if data in (None, "cifar10", "shapes10"):
        data = Path(datasets) / {"cifar10": cifar10.FOLDER, "shapes10": shapes10.FOLDER}[dataset.name]
    return str(Path(data).resolve())


class Interruptible:
    """Turns the first Ctrl-C or SIGTERM into a request that is honoured after the current step; a second one is not
    waited for."""

    def __enter__(self):
        self.asked = []
        self.old = {number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)}
        return self.asked

    def _ask(self, number, frame):
        self.asked.append(number)
        for number, handler in self.old.items():
            signal.signal(number, handler)

    def __exit__(self, *error):
        for number, handler in self.old.items():
            signal.signal(number, handler)
