"""``python -m benchmarks``"""

import argparse
import functools
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from minigooglenet.errors import UserError
from minigooglenet.files import write_atomically

from . import goals, isa, machine, peak, report, results, scaling, startup, work
from .compare import FULL, QUICK, TINY, available, compare
from .side import DEFAULT, SIDES

DESCRIPTION = """\
Speed of our implementation and of other engines, on the same cores, measured alternately in one run.

  a   training step of the reduced GoogLeNet, batch 128      b   its inference, batch 128
      (a:quick:4, a:quick:8, a:quick:16: of smaller batches)
  c   inference of GoogLeNet on 224x224, batch 1 and 8       d   its training step, batch 16
  e   single layers of GoogLeNet: convolutions and pools

Before anything is timed, every side must compute the same outputs and gradients as our plain network. Without options:
a and b, quickly, in about two minutes. benchmarks/README.md describes the method and the table."""

EXAMPLES = """\
examples:
  python -m benchmarks
  python -m benchmarks --all --weights bvlc_googlenet.caffemodel --json bench.json --figure bench.png
  python -m benchmarks --only a:full,c --sides ours,torch-cl --threads 1
  python -m benchmarks --only e:3b --quick"""

#: Left out with ``--quick``: they would take longer than everything else together.
SLOW = {("textbook", "a:full"), ("textbook", "b:full")}

Say = Callable[[str], object]


def parser() -> argparse.ArgumentParser:
    """The command-line options."""
    made = argparse.ArgumentParser(prog="python -m benchmarks", description=DESCRIPTION, epilog=EXAMPLES,
                                   formatter_class=functools.partial(argparse.RawDescriptionHelpFormatter,
                                                                     max_help_position=26, width=100))
    made.add_argument("--only", metavar="A,B", help="what to time: a, b:full, e:3b/3x3, ... (default: a,b, quickly)")
    made.add_argument("--all", action="store_true", help="a to e, scaling and start-up, with many repetitions")
    made.add_argument("--quick", action="store_true", help="few repetitions")
    made.add_argument("--scaling", action="store_true", help="how cost grows with threads, batch and width")
    made.add_argument("--startup", action="store_true", help="from the start of train to its first step")
    made.add_argument("--sides", default=",".join(DEFAULT), metavar="X,Y", help=f"default: {','.join(DEFAULT)}")
    made.add_argument("--torch-compile", action="store_true",
                      help="also PyTorch with torch.compile, which compiles for minutes")
    made.add_argument("--isa", choices=isa.ISAS, help="hold every side to these instructions, where it can be held")
    made.add_argument("--threads", type=int, metavar="N", help="for every side (default: all cores)")
    made.add_argument("--weights", type=Path, metavar="FILE",
                      help="GoogLeNet's weights of 2014, for c (default: random weights)")
    made.add_argument("--data", metavar="NAME|DIR", help="for --startup: train's --data (default: train's default)")
    made.add_argument("--results", action="store_true",
                      help="write what was measured into benchmarks/results/PROCESSOR.md")
    made.add_argument("--json", type=Path, metavar="FILE", help="write all measurements to this file")
    made.add_argument("--figure", type=Path, metavar="FILE", help="draw images/s as bars: a .png, .pdf or .svg")
    made.add_argument("--tiny", action="store_true", help=argparse.SUPPRESS)  # one step each, for tests
    return made


def run(args: argparse.Namespace, say: Say = print) -> dict[str, Any]:
    """Measure what ``args`` select, print it, write it to files."""
    with isa.held_to(args.isa):
        return _run(args, say)


def _run(args, say):
    effort = TINY if args.tiny else QUICK if args.quick or _nothing_chosen(args) else FULL
    threads = machine.cores() if args.threads is None else args.threads
    if threads < 1:
        raise UserError(f"--threads: got {threads}, needs at least 1")
    if args.weights and not args.weights.is_file():
        raise UserError(f"--weights: there is no file {args.weights}; fetch it with: python -m minigooglenet weights")
    form = args.figure.suffix.lower().lstrip(".") if args.figure else None
    if form not in (None, "png", "pdf", "svg"):
        raise UserError(f"--figure: got {args.figure}, needs a name that ends in .png, .pdf or .svg")
    works = work.chosen(_only(args), str(args.weights) if args.weights else None)
    about = machine.describe(threads)  # before this run itself loads the machine
    named = [*args.sides.split(","), *(["torch-compile"] if args.torch_compile else [])]
    sides = available(list(dict.fromkeys(named)), say)
    if args.isa:
        say(f"all sides held to {args.isa.upper()}")
        for line in isa.remarks(args.isa, sides):
            say(f"  {line}")
    peaks = {n: _peak(n, args.tiny) for n in sorted({1, threads})}
    for line in report.opening(about, peaks):
        say(line)
    found: dict[str, Any] = {"machine": about, "peak": peaks, "works": {}}
    for item in works:
        measured = found["works"][item.name] = _rows(item, sides, threads, effort, max(peaks[threads].values()), say)
        say("")
        for line in report.table(item, measured):
            say(line)
    if works:
        for line in ("", *report.meaning(), *report.sides_used(found["works"])):
            say(line)
    if args.scaling or args.all:
        say("")
        found["scaling"] = scaling.measure(sides, effort, say, scaling.tiny_plan if args.tiny else scaling.plan)
    if args.startup or args.all:
        found["startup"] = startup.measure(args.data, repetitions=5 if effort is FULL else 1)
        say(f"\nfrom the start of train to the end of its first step: {found['startup']['cached']:.2f} s, "
            f"{found['startup']['cold']:.1f} s when numba compiles everything")
    for line in goals.verdicts(found, args.isa):
        say(line)
    _write(args, form, works, found, say)
    return found


def _nothing_chosen(args):
    return not (args.all or args.only or args.scaling or args.startup)


def _only(args):
    """The argument of ``work.chosen``."""
    if args.only:
        return args.only
    return "a,b,c,d,e" if args.all else "" if args.scaling or args.startup else "a:quick,a:full,b"


def _peak(threads, tiny):
    return peak.measure(threads, 0.01, (64,)) if tiny else peak.measure(threads)


def _rows(item, sides, threads, effort, gflops, say):
    used = [name for name in sides if effort is FULL or (name, item.name) not in SLOW]
    if len(used) < len(sides):
        say(f"\n{SIDES['textbook'].title} left out of {item.name}: too slow for a quick run")
    results = compare(item, used, threads, effort)
    return report.rows(results, item, gflops)


def _write(args, form, works, found, say):
    if args.results:
        say(f"\n{results.write(found, works, args.isa)}")
    if args.json:
        write_atomically(args.json, lambda file: json.dump(found, file, indent=1), mode="w")
        say(f"\n{args.json}")
    if args.figure and found["works"]:
        from minigooglenet.figures.bars import bars
        from minigooglenet.figures.style import save
        about = found["machine"]
        threads = f"{about['threads']} thread" + ("s" if about["threads"] > 1 else "")
        drawn = bars("Images per second, our implementation and other engines", report.panels(works, found["works"]),
                     f"Medians of one run in which the sides alternate; {about['cpu']}, {threads} for every side. "
                     f"Peak: {max(found['peak'][about['threads']].values()):.0f} GFLOP/s in float32 matrix products; "
                     "shares of it count the operations of the direct algorithm.", SIDES["ours"].title)
        write_atomically(args.figure, lambda file: save(drawn, file, form))
        say(f"{args.figure}")


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code: 0, or 2 for wrong input and for sides that disagree."""
    args = parser().parse_args(argv)
    try:
        run(args, functools.partial(print, flush=True))
    except UserError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("benchmarks: interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
