"""``python -m minigooglenet evaluate``"""

import argparse
import json
import sys
import time
from pathlib import Path

from ..errors import UserError
from ..hints import counted, hint
from .options import add_compute, add_data, latest_run, print_engine, use_compute

DESCRIPTION = """\
Measure the accuracy of a trained network on the test images of a data set, with the averaged weights.

Without options: the latest run under runs/, on the data it was trained on. Each image is averaged with its mirror
image, unless the run was trained without mirror images (train --augment none, finetune --no-mirror). Prints the
accuracy and the confusion matrix: a row for each label, a column for each predicted class.

Of another folder of images, named with --data, all images are test images, or those in its test folder if it has one.
It needs folders only for the classes that occur in it.

With --report it also writes a page that shows where the network is wrong and how far to trust it: precision, recall and
F1 of each class, the confusion matrix as a figure, calibration, the most confident mistakes with their class activation
maps and the most similar training images, and labels that are probably wrong. It opens in any browser and loads
nothing. Beside it are the same values as report.json, and the probabilities of all test images as predictions.npz."""

EXAMPLES = """\
examples:
  python -m minigooglenet evaluate
  python -m minigooglenet evaluate --run runs/best --views 10
  python -m minigooglenet evaluate --run runs/best --data ~/images --json
  python -m minigooglenet evaluate --report report            # then open report/index.html"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", "--weights", type=Path, dest="checkpoint", metavar="RUN",
                        help="the run's folder, or a checkpoint (default: the latest run)")
    add_data(parser, default="the run's own data")
    parser.add_argument("--skip-bad", action="store_true", help="leave out image files that cannot be decoded")
    parser.add_argument("--views", type=int, choices=(1, 2, 10, 144),
                        help="predictions averaged for each image: 1, the image itself; 2, also mirrored; 10, also "
                             "shifted; 144, in four sizes, as in the paper (default: 2, or 1 for a run without mirror "
                             "images)")
    parser.add_argument("--report", type=Path, metavar="DIR", help="write a page into this folder (see above)")
    add_compute(parser)
    parser.add_argument("--json", action="store_true",
                        help="print one line of JSON: test_accuracy (a fraction), interval (95 %%), ece, nll, views, "
                             "epochs, seconds, images_per_second, parameters, dataset, seed")


def run(args: argparse.Namespace) -> None:
    import numpy as np

    from ..inference import metrics
    from ..inference.classifier import members
    from ..training import checkpoint as checkpoints
    from ..training.evaluate import averaged, confusion, probabilities
    from ..training.images import images_of
    from ..training.network import restore

    if args.report:
        from ..report.write import check_folder
        check_folder(args.report)
    use_compute(args)
    path = args.checkpoint or latest_run()
    if members(path) and not (path / checkpoints.NAME).exists():
        raise UserError(f"{path}: an ensemble; use: {hint('ensemble', f'--runs {path}')}")
    checkpoint = checkpoints.load(path)
    checkpoint.config = checkpoint.config.but(skip_bad=args.skip_bad or None)
    net = restore(checkpoint)
    dataset = images_of(checkpoint, args.data, args.datasets, progress=not args.json)
    if dataset.note and args.json:
        print(f"note: {dataset.note}", file=sys.stderr)
    checkpoint.check_classes(dataset)
    print_engine([net])
    views = args.views or checkpoint.config.views
    started = time.perf_counter()
    p, y = probabilities(net, dataset.x_test, checkpoint.normalizer, views=views), dataset.y_test
    predicted = p.argmax(axis=1)
    seconds = time.perf_counter() - started
    if not np.isfinite(p).all():
        raise UserError(f"{checkpoint.path}: its weights are so large that the activations exceed float32; train it "
                        "again or choose other weights")
    correct = int((predicted == y).sum())
    accuracy, interval = correct / len(y), metrics.wilson(correct, len(y))
    if args.report:
        _report(args, checkpoint, net, dataset, p, views)
    if args.json:
        print(json.dumps({
            "test_accuracy": accuracy, "interval": interval,
            "ece": metrics.calibration_error(metrics.reliability(p, y)), "nll": metrics.negative_log_likelihood(p, y),
            "views": views, "epochs": checkpoint.config.epochs,
            "seconds": round(seconds, 2), "images_per_second": round(len(y) / seconds, 1),
            "parameters": sum(w.size for w in net.parameters().values()),
            "dataset": dataset.name, "seed": checkpoint.config.seed}))
        return
    if dataset.note:
        print(f"note: {dataset.note}")
    print(f"{checkpoint.path}: {accuracy:.2%} of {counted(len(y), 'test image')} of {dataset.name}"
          f"{averaged(views)} ({seconds:.1f} s, {len(y) / seconds:.0f} images/s)")
    print(f"95 % interval: {interval[0]:.1%} to {interval[1]:.1%}\n")
    print(confusion(predicted, y, dataset.classes))
    if args.report:
        print(f"\n{args.report / 'index.html'}: the report; open it in a browser")


def _report(args, checkpoint, net, dataset, p, views):
    from tqdm import tqdm

    from ..report.evidence import SEARCHED
    from ..report.write import write_report

    with tqdm(total=min(SEARCHED, len(dataset.y_train)), unit="image", dynamic_ncols=True, leave=False,
              desc="features of training images", disable=args.json or not sys.stderr.isatty()) as bar:
        write_report(args.report, checkpoint, net, dataset, p, views, Path(args.datasets) / ".cache", bar.update)
