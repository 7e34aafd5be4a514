"""``python -m minigooglenet evaluate``"""

import json
import time
from pathlib import Path

from .options import add_data, add_threads, latest_run, use_threads

DESCRIPTION = """\
Measure a trained network on the test pictures of a data set, with the averaged weights.

Without options: the latest run under runs/, on the data it was trained on, each picture together with its mirror
image. Prints the accuracy, and a table of which class was taken for which: a row for each true class."""

EXAMPLES = """\
examples:
  python -m minigooglenet evaluate
  python -m minigooglenet evaluate --run runs/best --views 10
  python -m minigooglenet evaluate --run runs/best --data ~/pictures --json"""


def add_arguments(parser):
    parser.add_argument("--run", type=Path, dest="checkpoint", metavar="DIR",
                        help="the run's folder, or a checkpoint (default: the latest run)")
    add_data(parser, default="what it was trained on")
    parser.add_argument("--views", type=int, choices=(1, 2, 10, 144), default=2,
                        help="how often to look at each picture, averaging: 1, the picture; 2, and its mirror image "
                             "(the default); 10, shifted too; 144, in four sizes, as the paper tested")
    add_threads(parser)
    parser.add_argument("--json", action="store_true",
                        help="print one line of JSON: test_accuracy (a fraction), epochs, seconds, images_per_second, "
                             "parameters, dataset, seed")


def run(args):
    from ..data import load
    from ..training import checkpoint as checkpoints
    from ..training.evaluate import confusion, probabilities
    from ..training.network import restore

    use_threads(args)
    checkpoint = checkpoints.load(args.checkpoint or latest_run())
    net = restore(checkpoint)
    dataset = load(args.data or checkpoint.dataset_source, args.datasets, progress=not args.json)
    checkpoints.same_classes(checkpoint, dataset)
    began = time.perf_counter()
    guesses = probabilities(net, dataset.x_test, checkpoint.normaliser, views=args.views).argmax(axis=1)
    seconds = time.perf_counter() - began
    accuracy = float((guesses == dataset.y_test).mean())
    if args.json:
        print(json.dumps({
            "test_accuracy": accuracy, "epochs": checkpoint.config.epochs, "seconds": round(seconds, 2),
            "images_per_second": round(len(guesses) / seconds, 1),
            "parameters": sum(w.size for w in net.parameters().values()),
            "dataset": dataset.name, "seed": checkpoint.config.seed}))
        return
    if dataset.note:
        print(f"note: {dataset.note}")
    print(f"{checkpoint.path}: {accuracy:.2%} of {len(guesses):,} test pictures of {dataset.name} "
          f"({seconds:.1f} s, {len(guesses) / seconds:.0f} images/s)\n")
    print(confusion(guesses, dataset.y_test, dataset.classes))
