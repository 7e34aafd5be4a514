"""``python -m minigooglenet flops``"""

import argparse
import json
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..flops.counting import count as count_named
from ..flops.descendants import count_descendant
from ..flops.report import compare_table, report
from ..flops.tables import UNITS, shape_text
from ..inference.counting import count, named_options
from ..models.catalog import CATALOG, entry
from ..models.descendants import DESCENDANTS

LARGEST = 8192

DESCRIPTION = f"""\
Count parameters and operations of a network from its structure, without running it.

NETWORK is one of:

  a run                        its folder or checkpoint
  a .caffemodel, .safetensors  weights of GoogLeNet
  an .onnx                     any network. Operators that are not known are listed, with their number. Give --input if
                               the file leaves height and width open

--model NAME counts a network of the catalog. Without both: a report on GoogLeNet. It compares a 5x5 convolution with
and without the 1x1 reduction, lists the counts of the whole network, and audits Table 1 of the paper cell by cell.

networks: {', '.join(list(CATALOG)[:6])},
          {', '.join(list(CATALOG)[6:])}"""

EXAMPLES = """\
examples:
  python -m minigooglenet flops
  python -m minigooglenet flops runs/cifar10-quick-1
  python -m minigooglenet flops resnet50.onnx --by module
  python -m minigooglenet flops --model mini --width 0.5 --input 64
  python -m minigooglenet flops --model googlenet --by module --input 256 --json
  python -m minigooglenet flops --compare --markdown"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("network", metavar="NETWORK", nargs="?", help="a run, or a file of weights or .onnx")
    parser.add_argument("--model", metavar="NAME", help="a network of the catalog")
    parser.add_argument("--width", type=float, metavar="W", help="with --model: a factor on all widths, such as 0.5")
    parser.add_argument("--input", metavar="SIZE", help="height and width of the input: 224, or 240x320")
    parser.add_argument("--by", choices=("layer", "block", "module"), default="block",
                        help="one row per layer, per block (a layer with its batch norm and ReLU, the default) or per "
                             "module")
    parser.add_argument("--with-heads", action="store_true", help="also count GoogLeNet's auxiliary classifiers")
    parser.add_argument("--compare", action="store_true",
                        help=f"the totals of all networks, and of later ones: {', '.join(DESCENDANTS)}")
    parser.add_argument("--time", action="store_true",
                        help="with --model: also run each layer and report milliseconds and GFLOP/s")
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
    if args.network is not None and (args.model or args.width is not None or args.compare or args.time):
        option = next(key for key in ("model", "width", "compare", "time") if getattr(args, key) not in (None, False))
        raise UserError(f"{args.network}: --{option} is for networks of the catalog; leave one of them out")
    if args.width is not None and not 0 < args.width <= 16:
        raise UserError(f"--width: got {args.width:g}, give a factor above 0 and up to 16, such as 0.5")
    choices = (args.network, args.model, args.width, args.input, args.by != "block", args.with_heads, args.time,
               args.csv, args.json, args.markdown)
    if args.compare:
        print(_compare(args))
    else:
        print(_one(args) if any(choices) else report())


def _one(args):
    timings = None
    if args.network is not None:
        counted, title = _given(args)
    else:
        counted, title, options = _named(args)
        if args.time:
            from ..flops.timing import summed, time_layers
            timings = time_layers(counted.model, counted.input, heads=args.with_heads, **options)
            timings = summed(timings, [row.name for row in counted.rows(args.by)]) if args.by != "layer" else timings
    if args.json:
        return json.dumps(counted.to_dict(args.by, timings))
    table = counted.table(args.by, timings)
    if args.csv:
        return table.csv()
    note = "\nTimes: medians for one image, which uses one thread." if timings else ""
    missing = ", ".join(f"{number} × {what}" for what, number in counted.not_counted().items())
    end = f"\n\n{missing}. The totals are without these." if missing else ""
    if args.markdown:
        return f"**{title}.** {UNITS}\n\n{table.markdown()}{end}"
    return f"{title}\n{UNITS}{note}\n\n{table.text()}{end}"


def _given(args):
    """(Count, title) of a file or run."""
    path = Path(args.network)
    size: Any = parse_size(args.input, 3) if args.input else None
    counted = count(path, size, heads=args.with_heads)
    first = ", channels first" if path.is_file() and len(counted.input) == 3 and counted.layers and (
        path.suffix == ".onnx") else ""
    return counted, f"{counted.model}, input {shape_text(counted.input)}{first}"


def _named(args):
    """(Count, title, options) of a network of the catalog."""
    model = args.model or "googlenet"
    usual = entry(model).input_shape
    shape = parse_size(args.input, usual[-1]) if args.input else None
    given = {"width": args.width} if args.width is not None else {}
    counted = count(model, shape, heads=args.with_heads, **given)
    width = f", width {args.width:g}" if given else ""
    return (counted, f"{counted.model} ({entry(model).source}){width}, input {shape_text(counted.input)}",
            named_options(model, shape, given))


def _compare(args):
    if args.model or args.by != "block" or args.time or args.width is not None:
        raise UserError("--compare: prints totals of all networks; omit --model, --width, --by and --time")
    counts = [count_named(name, parse_size(args.input, found.input_shape[-1]) if args.input else None,
                          heads=args.with_heads and found.has_heads) for name, found in CATALOG.items()]
    counts += [count_descendant(name, parse_size(args.input, 3) if args.input else None) for name in DESCENDANTS]
    if args.json:
        totals = [{key: value for key, value in c.to_dict().items() if key not in ("rows", "not_counted")}
                  for c in counts]
        for one in totals:
            if one["model"] in DESCENDANTS:
                one["total"]["other"] = None  # not counted
        return json.dumps(totals)
    table = compare_table(counts)
    if args.csv:
        return table.csv()
    return f"{UNITS}\n\n{table.markdown() if args.markdown else table.text()}"
