"""``python -m minigooglenet ablation``"""

import json
from pathlib import Path
from statistics import fmean

from ..errors import UserError
from ..training.variants import QUESTIONS
from . import series
from .options import figure_path, positive, save_figure, use_threads
from .train import add_settings

DESCRIPTION = """\
What does each of the paper's ideas bring? A table for each --kind:

  crops        models x crops, as the paper's Table 3: error with 1 and with all models, each looking 1, 10 or 144
               times at a picture (the default)
  heads        trained with and without the auxiliary classifiers
  gap          global average pooling, or a fully connected layer in its place
  reductions   with and without the 1x1 reductions; without, a network of the same width takes ten times as long

crops trains nothing. Either it takes an ensemble of reduced networks, and the test pictures of its data set (144 crops
are 38 distinct ones on small pictures, each of them taken once):

  python -m minigooglenet ensemble --models 7 --out runs/seven
  python -m minigooglenet ablation --ensemble runs/seven --pictures 2000

or any weights and a folder of photos, with a file that says what is on them: expected.json, a list of
{"photo": "cock.jpg", "label": 7}, or labels.csv, lines such as cock.jpg,7.

  python -m minigooglenet ablation --weights datasets/bvlc_googlenet.caffemodel --photos photos

The other kinds train two networks for each seed, with the options of train, in folders under --out. Stop at any
moment, and the same command goes on."""

EXAMPLES = """\
examples:
  python -m minigooglenet ablation --ensemble runs/seven --figure crops.png
  python -m minigooglenet ablation --kind heads --seeds 3 --epochs 6"""


def add_arguments(parser):
    parser.add_argument("--kind", choices=("crops", *QUESTIONS), default="crops", help="which table (default: crops)")
    parser.add_argument("--json", action="store_true", help="no progress, and one line of JSON")
    crops = parser.add_argument_group("for crops")
    crops.add_argument("--ensemble", "--weights", nargs="+", metavar="DIR|FILE", dest="weights",
                       help="an ensemble's folder, or any weights (default: runs/ensemble; for photos: "
                            "datasets/bvlc_googlenet.caffemodel)")
    crops.add_argument("--pictures", type=positive, metavar="N", help="only the first N test pictures, or photos")
    crops.add_argument("--crops", nargs="+", type=int, choices=(1, 10, 144), default=(1, 10, 144), metavar="N",
                       help="only these of 1, 10 and 144")
    crops.add_argument("--photos", type=Path, metavar="DIR", help="measure on these photos")
    crops.add_argument("--truth", type=Path, metavar="FILE", help="what is on the photos (default: DIR/expected.json)")
    crops.add_argument("--figure", type=figure_path, metavar="OUT.png", help="also draw the table")
    others = parser.add_argument_group("for heads, gap and reductions")
    others.add_argument("--seeds", type=positive, default=1, metavar="N", help="runs of each variant (default: 1)")
    others.add_argument("--out", type=Path, metavar="DIR", help="where the runs are kept (default: runs/ablation-KIND)")
    add_settings(others)


def run(args):
    use_threads(args)
    if args.kind == "crops":
        return _crops(args)
    if args.weights or args.photos or args.figure:
        raise UserError(f"--kind {args.kind}: trains networks of its own; leave out --ensemble, --photos and --figure")
    try:
        return _variants(args)
    except series.Stopped as stopped:
        return stopped.code


# -- models × crops ---------------------------------------------------------------------------------------------------


def _crops(args):
    from ..inference.ablation import table

    name, models, found, y = _photos(args) if args.photos else _pictures(args)
    rows = table(found, y)
    if args.figure:
        _draw(args.figure, rows, name, len(y))
    if args.json:
        print(json.dumps({"kind": "crops", "on": name, "pictures": len(y), "models": models, "rows": rows}))
    else:
        print(crops_report(name, len(y), rows))
        print("\nmodels: " + "; ".join(", ".join(f"{key.replace('_', ' ')} {value}" if key != "run" else value
                                                 for key, value in model.items()) for model in models))


def _pictures(args):
    """(name, models, p, labels) from reduced networks and the test pictures they were made for."""
    from ..inference.ablation import look_at_pictures

    usual = Path("runs/ensemble")
    if not args.weights and not usual.is_dir():
        raise UserError(f"{usual}: no such ensemble; train one with: python -m minigooglenet ensemble, or name one "
                        "with --ensemble DIR")
    members, dataset = series.open_members(args.weights or [usual], args)
    x, y = dataset.x_test[:args.pictures], dataset.y_test[:args.pictures]
    crops = sorted(set(args.crops))
    with series.progress(len(members) * len(y) * len(crops), args) as bar:
        found = look_at_pictures(members, x, crops, bar.update)
    return dataset.name, [series.seeds(member) for member in members], found, y


def _photos(args):
    """The same from any weights and photos."""
    from ..inference.ablation import look_at_photos
    from ..inference.classifier import open_members, together
    from ..inference.truth import read_truth
    from ..weights.fetch import FILE

    members = open_members(args.weights or [Path("datasets") / FILE])
    files, y = read_truth(args.photos, args.truth, len(together(members).labels))
    files, y, crops = files[:args.pictures], y[:args.pictures], sorted(set(args.crops))
    with series.progress(len(members) * len(y) * len(crops), args) as bar:
        found = look_at_photos(members, files, crops, bar.update)
    return str(args.photos), [{"run": member.name} for member in members], found, y


def crops_report(name, pictures, rows):
    """The table for a terminal: errors, and how they changed from the first row."""
    from ..flops.tables import Table

    tops = [top for top in ("top1", "top5") if rows[0][top] is not None]
    headings = ["models", "crops", "cost", *(word for top in tops for word in (f"top-{top[3:]} error", "change")),
                "paper's top-5", "change"]
    lines = [[row["models"], row["crops"], row["cost"],
              *(word for key in (*tops, "paper") for word in _error(row[key], rows[0][key]))] for row in rows]
    models = max(row["models"] for row in rows)
    singles = rows[0]["singles"]
    note = (f"\n\n1 model: the mean of {models}; with {rows[0]['crops']} crop{'s' * (rows[0]['crops'] > 1)} they range "
            f"from {min(singles):.2%} to {max(singles):.2%}") if models > 1 else ""
    return f"{name}: error on {pictures:,} pictures\n\n{Table(tuple(headings), lines).text()}{note}"


def _error(value, first):
    if value is None:
        return "", ""
    return f"{value:.2%}", f"{100 * (value - first):+.2f}" if first is not None and value != first else ""


def _draw(path, rows, name, pictures):
    """Table 3 and ours, side by side."""
    from ..pictures.ablation import TABLE_3, Series, ablation

    key = "top1" if rows[0]["top5"] is None else "top5"
    ours = Series(f"here: {Path(name).name}", tuple((r["models"], r["crops"], round(100 * r[key], 2)) for r in rows),
                  f"top-{key[3:]} error", f"Here: {pictures:,} pictures of {Path(name).name}.")
    save_figure(ablation(TABLE_3, ours), path)


# -- with and without -------------------------------------------------------------------------------------------------


def _variants(args):
    from ..data import load
    from ..training.variants import runs, size

    out = args.out or Path(f"runs/ablation-{args.kind}")
    words, variants = QUESTIONS[args.kind]
    base, data = series.settings(args, out / f"{next(iter(variants)).replace(' ', '-')}-seed-{args.seed or 0}")
    dataset = load(data, args.datasets, progress=not args.json)
    planned = runs(args.kind, base, args.seeds)
    facts = series.train(args, {out / name: config for name, (_, config) in planned.items()}, dataset, data)
    rows = []
    for name, (variant, config) in planned.items():
        parameters, macs = size(config, len(dataset.classes), dataset.x_train.shape[1:])
        rows.append({"variant": variant, "seed": config.seed, **facts[out / name], "parameters": parameters,
                     "macs": macs})
    if args.json:
        print(json.dumps({"kind": args.kind, "dataset": dataset.name, "epochs": base.epochs, "width": base.width,
                          "rows": rows}))
    else:
        epochs = f"{base.epochs} epoch{'s' * (base.epochs > 1)}"
        print(f"{words}\n{dataset.name}, {epochs}, width {base.width:g}; parameters and multiply-adds of the network "
              f"in use, without heads\n\n{variants_report(variants, rows)}")


def variants_report(variants, rows):
    """The table for a terminal: each run, then the mean of each variant."""
    from ..flops.tables import Table

    def line(name, seed, of):
        return [name, seed, f"{fmean(row['test_accuracy'] for row in of):.2%}", of[0]["parameters"], of[0]["macs"],
                f"{fmean(row['seconds'] for row in of):.1f}"]

    lines = [line(row["variant"], row["seed"], [row]) for row in rows]
    several = len(rows) > len(variants)
    means = [line(name, "mean", [row for row in rows if row["variant"] == name]) for name in variants if several]
    return Table(("variant", "seed", "accuracy", "parameters", "MACs", "seconds"), lines, means).text()
