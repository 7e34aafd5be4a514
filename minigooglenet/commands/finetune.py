"""``python -m minigooglenet finetune``"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..errors import need
from ..hints import counted, hint
from ..training.config import BALANCES
from .finetune_start import USUAL, continued, new
from .options import add_compute, claimed_run, latest_run, positive, print_engine, use_compute, whole

if TYPE_CHECKING:
    from ..training.checkpoint import Checkpoint
    from ..training.finetune import Base, FineTuner
    from ..training.linear import Validated

DESCRIPTION = """\
Teach a trained network your own classes, from a few images of each. DIR has a folder for each class:

  photos/cat/1.jpg   photos/cat/2.jpg   photos/dog/1.jpg   ...

Without folders train/ and test/ in it, a fifth of the images is set aside for the test. No choice depends on them.

By default only the last layer is new: a linear classifier on the 1,024 features that GoogLeNet computes from each image
and from its mirror image. They are computed once, some hundredths of a second each, and kept in datasets/.cache; then
it takes seconds. Five-fold cross-validation chooses C, the inverse strength of the regularization.

--unfreeze 5a then also trains the layers from 5a on, and keeps the best epoch on a part of the training images that is
set aside (15 %). --unfreeze all trains the whole network, which takes longest; other layers lie between. From few
images this is not always better: compare the test accuracies.

The network is GoogLeNet of 2014 (fetch it with: python -m minigooglenet weights), or what --weights names: a
.caffemodel, .safetensors or .onnx file, or a run of yours. The result is a run: predict, evaluate, cam, explorer and
export take it. Ctrl-C keeps what is done, and --resume continues."""

EXAMPLES = """\
examples:
  python -m minigooglenet finetune --data photos
  python -m minigooglenet finetune --data photos --unfreeze 5a --epochs 5 --out runs/photos-5a
  python -m minigooglenet predict new.jpg --weights runs/photos-5a"""

def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", metavar="DIR", help="your images, a folder for each class")
    parser.add_argument("--weights", type=Path, metavar="FILE|RUN",
                        help="the trained network (default: datasets/bvlc_googlenet.caffemodel)")
    parser.add_argument("--unfreeze", metavar="LAYER", help="the first layer to train, such as 5a, or all")
    parser.add_argument("--epochs", type=positive, metavar="N",
                        help=f"with --unfreeze: passes over the images, at most (default: {USUAL['epochs']})")
    parser.add_argument("--batch", type=positive, metavar="N",
                        help=f"with --unfreeze: images per step (default: {USUAL['batch']})")
    parser.add_argument("--lr", type=float, metavar="X",
                        help=f"with --unfreeze: the highest learning rate (default: {USUAL['lr']})")
    parser.add_argument("--balance", choices=BALANCES,
                        help="for classes of different sizes: weight their loss, or draw them equally often, which for "
                             "the linear classifier is the same (default: none)")
    parser.add_argument("--no-mirror", action="store_true",
                        help="do not use mirror images: for text, or where left and right differ")
    parser.add_argument("--skip-bad", action="store_true", help="leave out files that cannot be decoded")
    parser.add_argument("--seed", type=whole, metavar="N", help="seed of all randomness (default: 0)")
    parser.add_argument("--split-seed", type=whole, metavar="N",
                        help="chooses other test images (default: 0, or those of the run that --weights names, if it "
                             "was trained on the same folder)")
    parser.add_argument("--out", type=Path, metavar="RUN", help="the run's folder (default: a new one under runs/)")
    parser.add_argument("--resume", action="store_true",
                        help="continue the run in --out, or the latest run, with its settings")
    parser.add_argument("--datasets", metavar="DIR", default="datasets",
                        help="the folder of the 2014 weights and of the cache (default: datasets)")
    parser.add_argument("--log-every", type=positive, metavar="N",
                        help="with --unfreeze: steps between the lines of steps.csv (default: 50, or fewer)")
    parser.add_argument("--tensorboard", action="store_true",
                        help="with --unfreeze: also write scalars for TensorBoard into the run's folder")
    add_compute(parser)
    parser.add_argument("--json", action="store_true",
                        help="no progress, and one line of JSON at the end: test_accuracy (a fraction), "
                             "fold_accuracy, validation_accuracy, C, unfreeze, epochs, seconds, dataset, seed, out")


def run(args: argparse.Namespace) -> int | None:
    from ..training import checkpoint as checkpoints
    from ..training.finetune import FineTuner
    from ..training.images import load_images, source_of

    if args.tensorboard:
        need("tensorboard", "--tensorboard")
    use_compute(args)
    with contextlib.ExitStack() as claims:
        folder = args.out or (latest_run() if args.resume else None)
        if folder:
            claims.enter_context(checkpoints.claimed(folder))
        found = continued(args, folder) if folder else None
        start = found or new(args)
        if args.resume and not found:
            print(f"note: no checkpoint in {folder}: starting from the beginning", file=sys.stderr)
        dataset = load_images(start.config, start.data, args.datasets, progress=not args.json)
        if not folder:
            folder = claimed_run(f"{dataset.name}-finetuned", claims)
        tuner = FineTuner(start.config, dataset, start.origin.normalizer, start.unfreeze,
                          Path(args.datasets) / ".cache", folder, source_of(dataset, start.data, args.datasets))
        return _tune(args, tuner, start.origin)


def _tune(args: argparse.Namespace, tuner: FineTuner, start: Base | Checkpoint) -> int | None:
    from ..training.checkpoint import Checkpoint
    from .interrupt import Interruptible

    say = _silent if args.json else _say
    resumed = ""
    if isinstance(start, Checkpoint):
        tuner.restore(start)
        resumed = f", resumed at step {tuner.step:,}"
    else:
        tuner.start_from(start)
    print_engine([tuner.net])
    for note in notes(tuner):
        _say(f"note: {note}")
    say(introduction(tuner) + f"\nrun: {tuner.folder}{resumed}")
    try:
        if not isinstance(start, Checkpoint):
            with _bar(args, tuner, len(tuner.dataset.y_train)) as bar:
                validated = tuner.fit_classifier(bar.update)
            say(validated_line(validated))
    except KeyboardInterrupt:
        kept = f"the activations computed so far are kept in {tuner.cache}. The same command continues there."
        print(f"Stopped; {kept if tuner.facts['cached'] else 'nothing is saved yet.'}", file=sys.stderr)
        return 130

    with Interruptible() as signals, _logged(args, tuner, say) as on_step:
        if not tuner.run(on_step, stop=lambda: bool(signals)):
            print(f"Stopped at step {tuner.step:,} of {tuner.steps:,}; everything is saved. Resume with:\n  "
                  + hint("finetune", f"--resume --out {shlex.quote(str(tuner.folder))}"), file=sys.stderr)
            return 128 + signals[0]
    with _bar(args, tuner, len(tuner.dataset.y_test)) as bar:
        accuracy = tuner.test(bar.update)
    return _finish(args, tuner, accuracy, say)


@contextlib.contextmanager
def _logged(args, tuner, say):
    """The ``on_step`` of a run, which writes its logs."""
    from ..training import tensorboard
    from ..training.report import write_log
    from ..training.steps import StepLog

    steps = StepLog(tuner, args.log_every) if tuner.unfreeze else None
    board = tensorboard.Board(tuner.folder, tuner.history) if args.tensorboard else None

    def on_step(tuner: FineTuner, loss: float | None) -> None:
        if loss is None:
            write_log(cast(Any, tuner))  # it has the history and the folder of a Trainer
            say(epoch_line(tuner))
            if board:
                board.add(tuner.history[-1], tensorboard.EPOCH)
        elif steps and (row := steps.add(tuner)) and board:
            board.add(row, tensorboard.STEP)

    try:
        yield on_step
    finally:
        if board:
            board.close()


def notes(tuner: FineTuner) -> list[str]:
    """On the images, and on activations that are not kept: printed with --json too."""
    from ..training.frozen import LARGEST_CACHE

    found, seed = [tuner.dataset.note] if tuner.dataset.note else [], tuner.config.split_seed
    if tuner.facts.get("base_split_seed", seed) != seed:
        found.append(f"{tuner.facts['base']} was trained on some of these test images, so the test accuracy is too "
                     f"high; its own test images are those of --split-seed {tuner.facts['base_split_seed']}")
    if tuner.first and tuner.facts.get("cached") is False:
        shape = tuner.part(0, tuner.first).output_shape(tuner.input_shape)
        size = 4 * tuner.views * len(tuner.dataset.y_train) * math.prod(shape)
        found.append(f"the activations of the frozen layers, {size / 1e9:.2g} GB, do not fit into {tuner.cache} (at "
                     f"most {LARGEST_CACHE / 1e9:g} GB, and half of the free space); "
                     + ("the frozen layers run in every epoch, which takes longer" if tuner.unfreeze else
                        "another run computes them again"))
    return found


def introduction(tuner: FineTuner) -> str:
    """What is trained, on which images, and what stays as it is."""
    data, parameters = tuner.dataset, sum(w.size for w in tuner.tail.parameters().values())
    images = f"{len(data.y_train):,} training and {len(data.y_test):,} test images, {len(data.classes)} classes"
    names, once = list(tuner.net.children), "frozen"
    if tuner.unfreeze is None or tuner.facts.get("cached"):
        once += " and run once for each image" + (" and its mirror image" if tuner.views == 2 else "")
    lines = [f"{data.name}: {images}"]
    if tuner.unfreeze is None:
        return "\n".join([*lines, f"trained: the classifier, {parameters:,} parameters; all other layers are {once}"])
    frozen = f"{names[0]} to {names[tuner.first - 1]} are {once}" if tuner.first else "nothing is frozen"
    return "\n".join([
        *lines, f"trained: {names[tuner.first]} to {names[-1]}, {parameters:,} parameters; {frozen}",
        f"{len(tuner.validation):,} of the training images are for validation; up to {tuner.config.epochs} epochs of "
        f"{tuner.steps_per_epoch:,} steps"])


def validated_line(found: Validated) -> str:
    """The classifier that cross-validation chose."""
    if not found.folds:
        return f"linear classifier: C = {found.C:g}, not validated: a class has one distinct image"
    return f"linear classifier: {found.accuracy:.1%} in {found.folds}-fold cross-validation (C = {found.C:.2g})"


def epoch_line(tuner: FineTuner) -> str:
    """The last epoch."""
    row = tuner.history[-1]
    best = " (best)" if tuner.facts["best"]["epoch"] == row["epoch"] else ""
    return (f"epoch {row['epoch']:2}/{tuner.config.epochs}  loss {row['loss']:.4f}  "
            f"train {row['train_accuracy']:6.1%}  {row['images_per_second']:4.0f} images/s  "
            f"validation {row['validation_accuracy']:6.1%}{best}")


def _finish(args, tuner, accuracy, say):
    from ..inference.metrics import wilson
    from ..training.evaluate import averaged
    from ..training.report import clock

    facts, folder = tuner.facts, shlex.quote(str(tuner.folder))
    if tuner.unfreeze:
        best = facts["best"]
        where = f"epoch {best['epoch']}" if best["epoch"] else "the linear classifier, before any epoch,"
        say(f"best: {where} with {best['accuracy']:.1%} of the validation images")
    N = len(tuner.dataset.y_test)
    low, high = wilson(round(accuracy * N), N)
    files = tuner.dataset.files_test
    mine = "" if args.datasets == "datasets" else f" --datasets {shlex.quote(args.datasets)}"
    photo = shlex.quote(str(Path(tuner.source) / files[0])) if files else "PHOTO"
    say(f"test accuracy {accuracy:.1%} on {counted(N, 'image')}{averaged(tuner.views)}: 95 % interval {low:.1%} to "
        f"{high:.1%}; {clock(tuner.seconds)}\n"
        f"  try it:   {hint('predict', f'{photo} --weights {folder}')}\n"
        f"  look:     {hint('evaluate', f'--run {folder}{mine} --report {folder}/report')}")
    if args.json:
        print(json.dumps({
            "test_accuracy": accuracy, "fold_accuracy": facts.get("fold_accuracy"),
            "validation_accuracy": facts.get("best", {}).get("accuracy"), "C": facts["C"], "unfreeze": tuner.unfreeze,
            "epochs": len(tuner.history), "seconds": round(tuner.seconds, 1), "dataset": tuner.dataset.name,
            "seed": tuner.config.seed, "out": str(tuner.folder)}))


def _bar(args: argparse.Namespace, tuner: FineTuner, images: int) -> Any:
    """A progress bar on a terminal: each image and its mirror image goes through the frozen and the other layers."""
    from tqdm import tqdm

    total = (2 if tuner.unfreeze else 1) * tuner.views * images
    return tqdm(total=total, unit="image", dynamic_ncols=True, leave=False, desc="features",
                disable=args.json or not sys.stderr.isatty())


def _say(text: str) -> None:
    from tqdm import tqdm
    tqdm.write(text, file=sys.stderr)


def _silent(text: str) -> None:
    """--json: no progress."""
