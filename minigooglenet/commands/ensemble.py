"""``python -m minigooglenet ensemble``"""

import json
from pathlib import Path
from statistics import fmean

from . import series
from .options import positive, use_threads
from .train import add_settings

DESCRIPTION = """\
Train several reduced networks and let them vote: the softmax outputs are averaged.

The paper's seven networks had the same initial weights ("mainly because of an oversight") and differed only in
sampling: the order of the pictures and their distortions. So do these; --differ seed gives each its own weights, too.

Each network has a folder of its own, DIR/model-1, DIR/model-2, ..., as train writes it. Stop at any moment, and the
same command goes on; networks that are finished are not trained again. With --runs nothing is trained: any runs, of
any width or model, are put together."""

EXAMPLES = """\
examples:
  python -m minigooglenet ensemble --models 7 --out runs/seven
  python -m minigooglenet ensemble --models 3 --data shapes10 --epochs 2 --differ seed --json
  python -m minigooglenet ensemble --runs runs/cifar10-quick-1 runs/cifar10-full-1"""


def add_arguments(parser):
    parser.add_argument("--models", type=positive, default=7, metavar="N", help="how many (default: 7)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="the ensemble's folder (default: runs/ensemble)")
    parser.add_argument("--differ", choices=("sampling", "seed"),
                        help="what they differ in: sampling only, as the paper's (default), or all randomness")
    parser.add_argument("--runs", nargs="+", metavar="RUN", help="train nothing: put these runs or ensembles together")
    parser.add_argument("--views", type=int, choices=(1, 2, 10, 144), default=2,
                        help="how often each network looks at a test picture (default: 2, with its mirror image)")
    add_settings(parser)
    parser.add_argument("--json", action="store_true", help="no progress, and one line of JSON at the end")


def run(args):
    from ..inference.ablation import error, look_at_pictures

    use_threads(args)
    try:
        paths = args.runs or _train(args)
    except series.Stopped as stopped:
        return stopped.code
    members, dataset = series.open_members(paths, args)
    with series.progress(len(members) * len(dataset.y_test), args) as bar:
        p = look_at_pictures(members, dataset.x_test, [args.views], bar.update)[args.views]
    singles = [round(1 - error(answer, dataset.y_test), 6) for answer in p]
    result = {
        "test_accuracy": round(1 - error(p.mean(axis=0), dataset.y_test), 6), "mean": round(fmean(singles), 6),
        "models": len(members), "views": args.views, "dataset": dataset.name, "pictures": len(dataset.y_test),
        "single": [series.seeds(member) | {"test_accuracy": accuracy}
                   for member, accuracy in zip(members, singles, strict=True)],
    }
    print(json.dumps(result) if args.json else report(result))


def configs(base, models, differ):
    """The Config of each model, counted from ``base``: the first is exactly what ``train`` would train."""
    name = {"sampling": "sampling_seed", "seed": "seed"}[differ]
    return [base.but(**{name: base.seed + i}) for i in range(models)]


def report(result):
    """The result for a terminal."""
    from ..flops.tables import Table

    rows = [[row["run"], row["seed"], row["sampling_seed"], f"{row['test_accuracy']:.2%}"] for row in result["single"]]
    totals = [["mean", None, None, f"{result['mean']:.2%}"],
              ["together", None, None, f"{result['test_accuracy']:.2%}"]]
    seen = f"{result['views']} view{'s' * (result['views'] > 1)} of each"
    return (f"{result['dataset']}: accuracy on {result['pictures']:,} test pictures, {seen}\n\n"
            + Table(("model", "seed", "sampling", "accuracy"), rows, totals).text())


def _train(args):
    """The folders of the trained models."""
    from ..data import load

    out = args.out or Path("runs/ensemble")
    base, data = series.settings(args, out / "model-1")
    dataset = load(data, args.datasets, progress=not args.json)
    runs = {out / f"model-{i}": config for i, config in enumerate(configs(base, args.models, _differ(args, out)), 1)}
    series.train(args, runs, dataset, data)
    return list(runs)


def _differ(args, out):
    """--differ, else what an ensemble that is there already was begun with, else the paper's."""
    from ..training.series import begun

    config, _ = begun(out / "model-1")
    return args.differ or ("seed" if config and config.sampling_seed is None else "sampling")
