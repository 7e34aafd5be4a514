"""``python -m minigooglenet ensemble``"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from ..hints import counted
from ..training.config import Config
from . import series
from .options import positive, print_engine, use_compute
from .train import add_settings

DESCRIPTION = """\
Train several reduced networks and average their softmax outputs.

The paper's seven networks had the same initial weights ("mainly because of an oversight"). They differed in their
"sampling methodologies" and in the order of the images, and one of them was wider. These differ in sampling only, that
is in order and augmentation; --differ seed also gives each its own weights, and --runs combines networks that differ in
any setting, such as --width and --augment.

Each network has its own folder, DIR/model-1, DIR/model-2, ..., as written by train. Stop at any time; the same command
resumes, and finished networks are not trained again. With --runs nothing is trained: runs of any width or model are
combined."""

EXAMPLES = """\
examples:
  python -m minigooglenet ensemble --models 7 --out runs/seven
  python -m minigooglenet ensemble --models 3 --data shapes10 --epochs 2 --differ seed --json
  python -m minigooglenet ensemble --runs runs/cifar10-quick-1 runs/cifar10-full-1"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", type=positive, default=7, metavar="N", help="how many networks (default: 7)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="the ensemble's folder (default: runs/ensemble)")
    parser.add_argument("--differ", choices=("sampling", "seed"),
                        help="what differs: sampling only, as in the paper (default), or all randomness")
    parser.add_argument("--runs", nargs="+", metavar="RUN", help="train nothing: combine these runs or ensembles")
    parser.add_argument("--views", type=int, choices=(1, 2, 10, 144),
                        help="predictions averaged for each image and network (default: 2, the image and its mirror "
                             "image; 1 for a network that was trained without mirror images)")
    add_settings(parser)
    parser.add_argument("--json", action="store_true",
                        help="no progress, and one line of JSON at the end; views is null if it differs between the "
                             "networks")


def run(args: argparse.Namespace) -> int | None:
    import numpy as np

    from ..inference.ablation import error

    use_compute(args)
    try:
        paths = args.runs or _train(args)
    except series.Stopped as stopped:
        return stopped.code
    members, dataset = series.open_members(paths, args)
    if args.runs and dataset.note:
        print(f"note: {dataset.note}", file=sys.stderr)
    if args.runs:
        print_engine(member.net for member in members if member.net is not None)
    views = [args.views or member.config.views for member in members if member.config]  # all are runs
    with series.progress(len(members) * len(dataset.y_test), args) as bar:
        p = np.stack([member.images(dataset.x_test, number, on_batch=bar.update)
                      for member, number in zip(members, views, strict=True)])
    singles = [round(1 - error(answer, dataset.y_test), 6) for answer in p]
    result = {
        "test_accuracy": round(1 - error(p.mean(axis=0), dataset.y_test), 6), "mean": round(fmean(singles), 6),
        "models": len(members), "views": views[0] if len(set(views)) == 1 else None, "dataset": dataset.name,
        "images": len(dataset.y_test),
        "single": [series.seeds(member) | {"views": number, "test_accuracy": accuracy}
                   for member, number, accuracy in zip(members, views, singles, strict=True)],
    }
    print(json.dumps(result) if args.json else report(result))
    return None


def configs(base: Config, models: int, differ: str) -> list[Config]:
    """The Config of each model, with seeds counted from ``base``: the first model is the one that ``train`` trains."""
    name = {"sampling": "sampling_seed", "seed": "seed"}[differ]
    return [base.but(**{name: base.seed + i}) for i in range(models)]


def report(result: dict) -> str:
    """The result as a table for a terminal."""
    from ..flops.tables import Table

    rows: list[Sequence] = [[row["run"], row["seed"], row["sampling_seed"], f"{row['test_accuracy']:.2%}"]
                            for row in result["single"]]
    totals: list[Sequence] = [["mean", None, None, f"{result['mean']:.2%}"],
                              ["ensemble", None, None, f"{result['test_accuracy']:.2%}"]]
    *fewer, most = sorted({row["views"] for row in result["single"]})
    views = " or ".join([*map(str, fewer), counted(most, "view")])
    return (f"{result['dataset']}: accuracy on {result['images']:,} test images, {views} of each\n\n"
            + Table(("model", "seed", "sampling", "accuracy"), rows, totals).text())


def _train(args):
    """The folders of the trained models."""
    out = args.out or Path("runs/ensemble")
    base, data, dataset = series.settings(args, out / "model-1")
    runs = {out / f"model-{i}": config for i, config in enumerate(configs(base, args.models, _differ(args, out)), 1)}
    series.train(args, runs, dataset, data)
    return list(runs)


def _differ(args, out):
    """--differ, else the choice of an existing ensemble, else the paper's."""
    from ..training.series import settings_of

    config, _ = settings_of(out / "model-1")
    return args.differ or ("seed" if config and config.sampling_seed is None else "sampling")
