"""``python -m minigooglenet runs``"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import UserError
from .options import RUNS, figure_path, save_figure

DESCRIPTION = """\
List the training runs under runs/, the latest last: data, model, epochs, steps, accuracy, minutes, date. Accuracies are
those after an epoch, on the first 2,000 test images (in fine-tuning, on the validation images): evaluate measures all.

With the folders of runs: only those, and the settings in which they differ. --figure compares their learning curves."""

EXAMPLES = """\
examples:
  python -m minigooglenet runs
  python -m minigooglenet runs runs/cifar10-quick-1 runs/cifar10-quick-2 --figure curves.png
  python -m minigooglenet runs --json"""

HEAD = ("run", "data", "model", "width", "epochs", "steps", "best", "last", "minutes", "date")
LEFT = ("run", "data", "model", "setting")      # columns that are flush left


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="*", type=Path, metavar="RUN", help="folders of runs (default: all under runs/)")
    parser.add_argument("--figure", type=figure_path, metavar="FILE",
                        help="compare the learning curves in a .png, .pdf or .svg")
    parser.add_argument("--json", action="store_true",
                        help="print one line of JSON: runs, a list of objects, and differences, {setting: values}")


def run(args: argparse.Namespace) -> int:
    from ..training import runs as on_disk

    found, failed = [], False
    for folder in args.runs or on_disk.find(RUNS):
        try:
            found.append(on_disk.read(folder))
        except UserError as error:
            if args.runs:
                raise
            print(f"minigooglenet runs: {error}", file=sys.stderr)
            failed = True
    if not found and not failed and not args.json:
        print(f"no runs under {RUNS}/ yet")
    differ = on_disk.differences(found) if args.runs else {}
    if args.json:
        print(json.dumps({"runs": [one.row for one in found], "differences": differ}))
    elif found:
        print(table(HEAD, [cells(one.row) for one in found]))
        if differ:
            rows = [[name, *map(str, values)] for name, values in differ.items()]
            print("\n" + table(("setting", *(str(one.folder) for one in found)), rows))
    drawn = {str(one.folder): (one.history, one.steps, one.row["half_epochs"])
             for one in found if one.history or one.steps}
    if args.figure and not drawn:
        raise UserError(f"{args.figure}: no run has a learning curve yet; train longer")
    if args.figure:
        from ..figures.curve import compare_curves
        save_figure(compare_curves(drawn), args.figure)
        print(f"figure: {args.figure}", file=sys.stderr)
    return 2 if failed else 0


def cells(row: dict[str, Any]) -> list[str]:
    """A row of the table, as text."""
    percent = ["–" if row[name] is None else f"{row[name]:.2%}" for name in ("best", "last")]
    return [row["run"], row["data"], row["model"], f"{row['width']:g}", f"{row['epochs']}/{row['of']}",
            f"{row['steps']:,}", *percent, f"{row['minutes']:.1f}", row["date"]]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The rows below a head, in columns."""
    from ..errors import shown

    texts = [list(head)] + [[shown(text, 100) for text in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    return "\n".join("  ".join(f"{text:<{width}}" if name in LEFT else f"{text:>{width}}"
                               for text, width, name in zip(row, widths, head, strict=True)).rstrip() for row in texts)
