"""``python -m minigooglenet flops``"""

import argparse
import json

from ..errors import UserError
from ..flops.counting import count
from ..flops.report import compare_table, report
from ..flops.tables import UNITS, shape_text
from ..models.catalog import CATALOG, entry

LARGEST = 8192

DESCRIPTION = f"""\
Count parameters and operations of a network from its structure, without running it.

Without --model: a report on GoogLeNet. It compares a 5x5 convolution with and without the 1x1 reduction, lists the
counts of the whole network, and audits Table 1 of the paper cell by cell.

networks: {', '.join(list(CATALOG)[:6])},
          {', '.join(list(CATALOG)[6:])}"""

EXAMPLES = """\
examples:
  python -m minigooglenet flops
  python -m minigooglenet flops --model vgg16
  python -m minigooglenet flops --model googlenet --by module --input 256 --json
  python -m minigooglenet flops --compare --markdown"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", metavar="NAME", help="the network (default: the report on googlenet)")
    parser.add_argument("--input", metavar="SIZE", help="height and width of the input: 224, or 240x320")
    parser.add_argument("--by", choices=("layer", "module"), help="one row per layer (default) or per module")
    parser.add_argument("--with-heads", action="store_true", help="also count GoogLeNet's auxiliary classifiers")
    parser.add_argument("--compare", action="store_true", help="the totals of all networks")
    parser.add_argument("--time", action="store_true", help="also run each layer and report milliseconds and GFLOP/s")
    form = parser.add_mutually_exclusive_group()
    for name, help_ in (("csv", "comma-separated values"), ("json", "one line of JSON"),
                        ("markdown", "a Markdown table")):
        form.add_argument(f"--{name}", action="store_true", help=f"print {help_}")


def parse_size(text: str, channels: int) -> tuple[int, int, int]:
    """``"224" -> (224, 224, C)``, ``"240x320" -> (240, 320, C)``. Raises UserError for anything else."""
    parts = text.lower().split("x")
    sides = [int(part) for part in parts if part.isascii() and part.isdigit() and len(part) < 9]
    if len(sides) != len(parts) or len(parts) > 2 or not all(1 <= side <= LARGEST for side in sides):
        raise UserError(f"--input: got {text!r}, give a size from 1 to {LARGEST} such as 224 or 240x320")
    return sides[0], sides[-1], channels


def run(args: argparse.Namespace) -> None:
    choices = (args.model, args.input, args.by, args.with_heads, args.time, args.csv, args.json, args.markdown)
    if args.compare:
        print(_compare(args))
    else:
        print(_one(args) if any(choices) else report())


def _one(args):
    model = args.model or "googlenet"
    usual = entry(model).input_shape
    counted = count(model, parse_size(args.input, usual[-1]) if args.input else usual, heads=args.with_heads)
    by, timings = args.by or "layer", None
    if args.time:
        from ..flops.timing import by_module, time_layers
        timings = time_layers(model, counted.input, heads=args.with_heads)
        if by == "module":
            timings = by_module(timings)
    if args.json:
        return json.dumps(counted.to_dict(by, timings))
    if args.csv:
        return counted.table(by, timings).csv()
    title = f"{counted.model} ({entry(model).source}), input {shape_text(counted.input)}"
    if args.markdown:
        return f"**{title}.** {UNITS}\n\n{counted.table(by, timings).markdown()}"
    note = "\nTimes: medians for one image, which uses one thread." if timings else ""
    rows = "block" if by == "layer" and not timings else by
    return f"{title}\n{UNITS}{note}\n\n{counted.table(rows, timings).text()}"


def _compare(args):
    if args.model or args.by or args.time:
        raise UserError("--compare: prints totals of all networks; omit --model, --by and --time")
    counts = [count(name, parse_size(args.input, found.input_shape[-1]) if args.input else None,
                    heads=args.with_heads and found.has_heads) for name, found in CATALOG.items()]
    if args.json:
        return json.dumps([{key: value for key, value in c.to_dict().items() if key != "rows"} for c in counts])
    table = compare_table(counts)
    if args.csv:
        return table.csv()
    return f"{UNITS}\n\n{table.markdown() if args.markdown else table.text()}"
