"""``python -m minigooglenet evaluate``"""

import argparse
import json
import time
from pathlib import Path

from ..errors import UserError
from ..hints import counted
from .options import add_compute, add_data, latest_run, print_engine, use_compute

DESCRIPTION = """\
Measure the accuracy of a trained network on the test images of a data set, with the averaged weights.

Without options: the latest run under runs/, on the data it was trained on, averaging each image with its mirror image.
Prints the accuracy and the confusion matrix: a row for each label, a column for each predicted class."""

EXAMPLES = """\
examples:
  python -m minigooglenet evaluate
  python -m minigooglenet evaluate --run runs/best --views 10
  python -m minigooglenet evaluate --run runs/best --data ~/images --json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", type=Path, dest="checkpoint", metavar="DIR",
                        help="the run's folder, or a checkpoint (default: the latest run)")
    add_data(parser, default="the run's own data")
    parser.add_argument("--views", type=int, choices=(1, 2, 10, 144), default=2,
                        help="predictions averaged for each image: 1, the image itself; 2, also mirrored (default); "
                             "10, also shifted; 144, in four sizes, as in the paper")
    add_compute(parser)
    parser.add_argument("--json", action="store_true",
                        help="print one line of JSON: test_accuracy (a fraction), epochs, seconds, images_per_second, "
                             "parameters, dataset, seed")


def run(args: argparse.Namespace) -> None:
    import numpy as np

    from ..training import checkpoint as checkpoints
    from ..training.evaluate import confusion, probabilities
    from ..training.images import images_of
    from ..training.network import restore

    use_compute(args)
    checkpoint = checkpoints.load(args.checkpoint or latest_run())
    net = restore(checkpoint)
    dataset = images_of(checkpoint, args.data, args.datasets, progress=not args.json)
    checkpoint.check_classes(dataset)
    print_engine([net])
    started = time.perf_counter()
    p = probabilities(net, dataset.x_test, checkpoint.normalizer, views=args.views)
    predicted = p.argmax(axis=1)
    seconds = time.perf_counter() - started
    if not np.isfinite(p).all():
        raise UserError(f"{checkpoint.path}: its weights are so large that the activations exceed float32; train it "
                        "again or choose other weights")
    accuracy = float((predicted == dataset.y_test).mean())
    if args.json:
        print(json.dumps({
            "test_accuracy": accuracy, "epochs": checkpoint.config.epochs, "seconds": round(seconds, 2),
            "images_per_second": round(len(predicted) / seconds, 1),
            "parameters": sum(w.size for w in net.parameters().values()),
            "dataset": dataset.name, "seed": checkpoint.config.seed}))
        return
    if dataset.note:
        print(f"note: {dataset.note}")
    print(f"{checkpoint.path}: {accuracy:.2%} of {counted(len(predicted), 'test image')} of {dataset.name} "
          f"({seconds:.1f} s, {len(predicted) / seconds:.0f} images/s)\n")
    print(confusion(predicted, dataset.y_test, dataset.classes))
