"""``python -m benchmarks``"""

import argparse
import functools
import json
import sys
from pathlib import Path

from minigooglenet.errors import UserError
from minigooglenet.files import write_atomically

from . import machine, report, roof, scaling, startup, work
from .compare import FULL, QUICK, TINY, available, compare
from .side import SIDES

DESCRIPTION = """\
How fast is it? Ours beside other engines, on the same cores, in one run, taking turns.

  a   training step of the reduced GoogLeNet, batch 128      b   its inference, batch 128
  c   inference of GoogLeNet on 224x224, batch 1 and 8       d   its training step, batch 16
  e   single layers of GoogLeNet: convolutions and pools

Before anything is timed, every side must compute what our plain network computes, gradients included. Without options:
a and b, quickly, in about two minutes. benchmarks/README.md says how it is measured and how to read it."""

EXAMPLES = """\
examples:
  python -m benchmarks
  python -m benchmarks --all --weights bvlc_googlenet.caffemodel --json bench.json --figure bench.png
  python -m benchmarks --only a:full,c --sides ours,torch-cl --threads 1
  python -m benchmarks --only e:3b --quick"""

#: Left out of the quick form: it would take longer than all others together.
SLOW = {("textbook", "a:full"), ("textbook", "b:full")}


def parser():
    made = argparse.ArgumentParser(prog="python -m benchmarks", description=DESCRIPTION, epilog=EXAMPLES,
                                   formatter_class=functools.partial(argparse.RawDescriptionHelpFormatter,
                                                                     max_help_position=26, width=100))
    made.add_argument("--only", metavar="A,B", help="what to time: a, b:full, e:3b/3x3, ... (default: a,b, quickly)")
    made.add_argument("--all", action="store_true", help="a to e, scaling and start-up, with many repetitions")
    made.add_argument("--quick", action="store_true", help="few repetitions")
    made.add_argument("--scaling", action="store_true", help="how cost grows with threads, batch and width")
    made.add_argument("--startup", action="store_true", help="from the start of train to its first step")
    made.add_argument("--sides", default=",".join(SIDES), metavar="X,Y", help=f"default: {','.join(SIDES)}")
    made.add_argument("--threads", type=int, metavar="N", help="for every side (default: all cores)")
    made.add_argument("--weights", type=Path, metavar="FILE", help="GoogLeNet's of 2014, for c (default: random ones)")
    made.add_argument("--data", metavar="NAME|DIR", help="for --startup: what train is given (default: its own choice)")
    made.add_argument("--json", type=Path, metavar="FILE", help="write everything measured to this file")
    made.add_argument("--figure", type=Path, metavar="FILE", help="draw images/s as bars: a .png, .pdf or .svg")
    made.add_argument("--tiny", action="store_true", help=argparse.SUPPRESS)  # one step each: does it run?
    return made


def run(args, say=print):
    """Measure what ``args`` ask for, say it, write it."""
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
    about = machine.describe(threads)  # before this run makes the machine busy itself
    sides = available(list(dict.fromkeys(args.sides.split(","))), say)
    roofs = {n: _roof(n, args.tiny) for n in sorted({1, threads})}
    for line in report.opening(about, roofs):
        say(line)
    found = {"machine": about, "roof": roofs, "works": {}}
    for item in works:
        made = found["works"][item.name] = _rows(item, sides, threads, effort, max(roofs[threads].values()), say)
        say("")
        for line in report.table(item, made):
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
            f"{found['startup']['cold']:.1f} s when numba compiles everything anew")
    _write(args, form, works, found, say)
    return found


def _nothing_chosen(args):
    return not (args.all or args.only or args.scaling or args.startup)


def _only(args):
    """What ``chosen`` is asked for."""
    if args.only:
        return args.only
    return "a,b,c,d,e" if args.all else "" if args.scaling or args.startup else "a,b"


def _roof(threads, tiny):
    return roof.measure(threads, 0.01, (64,)) if tiny else roof.measure(threads)


def _rows(item, sides, threads, effort, ceiling, say):
    used = [name for name in sides if effort is FULL or (name, item.name) not in SLOW]
    if len(used) < len(sides):
        say(f"\n{SIDES['textbook'].title} left out of {item.name}: too slow for the quick form")
    results = compare(item, used, threads, effort)
    return report.rows(results, item, ceiling)


def _write(args, form, works, found, say):
    if args.json:
        write_atomically(args.json, lambda file: json.dump(found, file, indent=1), mode="w")
        say(f"\n{args.json}")
    if args.figure and found["works"]:
        from minigooglenet.pictures.bars import bars
        from minigooglenet.pictures.style import save
        about = found["machine"]
        threads = f"{about['threads']} thread" + ("s" if about["threads"] > 1 else "")
        drawn = bars("Images a second, ours and other engines", report.panels(works, found["works"]),
                     f"Medians of one run, the sides taking turns; {about['cpu']}, {threads} for every side. Roof: the "
                     f"machine's own float32 matrix products, {max(found['roof'][about['threads']].values()):.0f} "
                     "GFLOP/s; a share counts the direct algorithm's operations.", SIDES["ours"].title)
        write_atomically(args.figure, lambda file: save(drawn, file, form))
        say(f"{args.figure}")


def main(argv=None):
    """The exit code: 0, or 2 for wrong input or sides that disagree."""
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
