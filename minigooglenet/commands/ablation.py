"""``python -m minigooglenet ablation``"""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean

from ..errors import UserError
from ..hints import counted, hint
from ..training.variants import ABLATIONS
from . import series
from .options import Renamed, figure_path, positive, print_engine, save_figure, use_compute
from .train import add_settings

DESCRIPTION = """\
Measure what each of the paper's ideas contributes. A table for each --kind:

  crops        models x crops, as the paper's Table 3: the error of 1 model and of all, with 1, 10 or 144 crops of each
               image (default)
  heads        trained with and without the auxiliary classifiers
  gap          global average pooling, or a fully connected layer in its place
  reductions   with and without the 1x1 reductions; without them, a network of the same width takes ten times as long

crops trains nothing. It takes an ensemble of reduced networks and the test images of its data set (of the 144 crops of
small images, 38 are distinct; each is computed once):

  python -m minigooglenet ensemble --models 7 --out runs/seven
  python -m minigooglenet ablation --ensemble runs/seven --images 2000

or any weights and a folder of photos with their labels in a file: expected.json, a list of
{"photo": "cock.jpg", "label": 7}, or labels.csv, lines such as cock.jpg,7.

  python -m minigooglenet ablation --weights datasets/bvlc_googlenet.caffemodel --photos photos

The other kinds train two networks for each seed, with the options of train, in folders under --out. Stop at any time;
the same command resumes."""

EXAMPLES = """\
examples:
  python -m minigooglenet ablation --ensemble runs/seven --figure crops.png
  python -m minigooglenet ablation --kind heads --seeds 3 --epochs 6"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kind", choices=("crops", *ABLATIONS), default="crops", help="which table (default: crops)")
    parser.add_argument("--json", action="store_true", help="no progress, and one line of JSON")
    crops = parser.add_argument_group("for crops")
    crops.add_argument("--ensemble", "--weights", nargs="+", metavar="DIR|FILE", dest="weights",
                       help="an ensemble's folder, or any weights (default: runs/ensemble; for photos: "
                            "datasets/bvlc_googlenet.caffemodel)")
    crops.add_argument("--images", type=positive, metavar="N", help="only the first N test images, or photos")
    crops.add_argument("--pictures", type=positive, action=Renamed, new="--images", dest="images")
    crops.add_argument("--crops", nargs="+", type=int, choices=(1, 10, 144), default=(1, 10, 144), metavar="N",
                       help="only these of 1, 10 and 144")
    crops.add_argument("--photos", type=Path, metavar="DIR", help="measure on these photos")
    crops.add_argument("--ground-truth", type=Path, metavar="FILE",
                       help="the photos' labels (default: DIR/expected.json, else DIR/labels.csv)")
    crops.add_argument("--truth", type=Path, action=Renamed, new="--ground-truth", dest="ground_truth")
    crops.add_argument("--figure", type=figure_path, metavar="OUT.png", help="also draw the table")
    others = parser.add_argument_group("for heads, gap and reductions")
    others.add_argument("--seeds", type=positive, default=1, metavar="N", help="runs of each variant (default: 1)")
    others.add_argument("--out", type=Path, metavar="DIR", help="the folder of the runs (default: runs/ablation-KIND)")
    add_settings(parser, " (for heads, gap and reductions)")


def run(args: argparse.Namespace) -> int | None:
    use_compute(args)
    if args.kind == "crops":
        return _crops(args)
    if args.weights or args.photos or args.figure:
        raise UserError(f"--kind {args.kind}: trains its own networks; leave out --ensemble, --photos and --figure")
    try:
        return _variants(args)
    except series.Stopped as stopped:
        return stopped.code


# -- models × crops ---------------------------------------------------------------------------------------------------


def _crops(args):
    from ..inference.ablation import table

    name, models, found, y = _photos(args) if args.photos else _test_images(args)
    rows = table(found, y)
    if args.figure:
        _draw(args.figure, rows, name, len(y))
    if args.json:
        print(json.dumps({"kind": "crops", "on": name, "images": len(y), "models": models, "rows": rows}))
    else:
        print(crops_report(name, len(y), rows))
        print("\nmodels: " + "; ".join(", ".join(f"{key.replace('_', ' ')} {value}" if key != "run" else value
                                                 for key, value in model.items()) for model in models))


def _test_images(args):
    """(name, models, p, labels) from reduced networks and the test images of their data set."""
    from ..inference.ablation import evaluate_images

    default = Path("runs/ensemble")
    if not args.weights and not default.is_dir():
        raise UserError(f"{default}: no such ensemble; train one with: {hint('ensemble')}, or name one "
                        "with --ensemble DIR")
    members, dataset = series.open_members(args.weights or [default], args)
    if dataset.note:
        print(f"note: {dataset.note}", file=sys.stderr)
    print_engine(member.net for member in members if member.net is not None)
    x, y = dataset.x_test[:args.images], dataset.y_test[:args.images]
    crops = sorted(set(args.crops))
    with series.progress(len(members) * len(y) * len(crops), args) as bar:
        found = evaluate_images(members, x, crops, bar.update)
    return dataset.name, [series.seeds(member) for member in members], found, y


def _photos(args):
    """The same from any weights and photos."""
    from ..data.ground_truth import read_ground_truth
    from ..inference.ablation import evaluate_photos
    from ..inference.classifier import ensemble, open_members
    from ..weights.fetch import FILE

    members = open_members(args.weights or [Path("datasets") / FILE])
    print_engine(member.net for member in members if member.net is not None)
    files, y = read_ground_truth(args.photos, args.ground_truth, len(ensemble(members).labels))
    files, y, crops = files[:args.images], y[:args.images], sorted(set(args.crops))
    with series.progress(len(members) * len(y) * len(crops), args) as bar:
        found = evaluate_photos(members, files, crops, bar.update)
    return str(args.photos), [{"run": member.name} for member in members], found, y


def crops_report(name: str, images: int, rows: Sequence[dict]) -> str:
    """The table for a terminal: errors, and their differences to the first row."""
    from ..flops.tables import Table

    tops = [top for top in ("top1", "top5") if rows[0][top] is not None]
    headings = ["models", "crops", "cost", *(word for top in tops for word in (f"top-{top[3:]} error", "change")),
                "paper's top-5", "change"]
    lines = [[row["models"], row["crops"], row["cost"],
              *(word for key in (*tops, "paper") for word in _error(row[key], rows[0][key]))] for row in rows]
    models = max(row["models"] for row in rows)
    singles = rows[0]["singles"]
    note = (f"\n\n1 model: the mean of {models}; with {counted(rows[0]['crops'], 'crop')} they range "
            f"from {min(singles):.2%} to {max(singles):.2%}") if models > 1 else ""
    return f"{name}: error on {images:,} images\n\n{Table(tuple(headings), lines).text()}{note}"


def _error(value, first):
    if value is None:
        return "", ""
    return f"{value:.2%}", f"{100 * (value - first):+.2f}" if first is not None and value != first else ""


def _draw(path, rows, name, images):
    """Table 3 of the paper and the measured table in one figure."""
    from ..figures.ablation import TABLE_3, Series, ablation

    key = "top1" if rows[0]["top5"] is None else "top5"
    errors = tuple((row["models"], row["crops"], round(100 * row[key], 2)) for row in rows)
    measured = Series(f"here: {Path(name).name}", errors, f"top-{key[3:]} error",
                      f"Here: {images:,} images of {Path(name).name}.")
    save_figure(ablation(TABLE_3, measured), path)


# -- variants ---------------------------------------------------------------------------------------------------------


def _variants(args):
    from ..training.variants import runs, size

    out = args.out or Path(f"runs/ablation-{args.kind}")
    idea, variants = ABLATIONS[args.kind]
    first = out / f"{next(iter(variants)).replace(' ', '-')}-seed-{args.seed or 0}"
    base, data, dataset = series.settings(args, first)
    planned = runs(args.kind, base, args.seeds)
    results = series.train(args, {out / name: config for name, (_, config) in planned.items()}, dataset, data)
    rows = []
    for name, (variant, config) in planned.items():
        parameters, macs = size(config, len(dataset.classes), dataset.x_test.shape[1:])
        rows.append({"variant": variant, "seed": config.seed, **results[out / name], "parameters": parameters,
                     "macs": macs})
    if args.json:
        print(json.dumps({"kind": args.kind, "dataset": dataset.name, "epochs": base.epochs, "width": base.width,
                          "rows": rows}))
    else:
        print(f"{idea}\n{dataset.name}, {counted(base.epochs, 'epoch')}, width {base.width:g}; parameters and "
              f"multiply-adds at inference, without auxiliary classifiers\n\n{variants_report(variants, rows)}")


def variants_report(variants: Iterable[str], rows: Sequence[dict]) -> str:
    """The table for a terminal: each run, then the mean of each variant."""
    from ..flops.tables import Table

    def line(name, seed, of):
        return [name, seed, f"{fmean(row['test_accuracy'] for row in of):.2%}", of[0]["parameters"], of[0]["macs"],
                f"{fmean(row['seconds'] for row in of):.1f}"]

    lines = [line(row["variant"], row["seed"], [row]) for row in rows]
    several = len(rows) > len({row["variant"] for row in rows})
    means = [line(name, "mean", [row for row in rows if row["variant"] == name]) for name in variants if several]
    return Table(("variant", "seed", "accuracy", "parameters", "MACs", "seconds"), lines, means).text()
