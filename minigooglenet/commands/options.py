"""Options that several commands share."""

import argparse
from pathlib import Path

from ..errors import UserError

RUNS = Path("runs")


def whole(text, least=0):
    """A whole number from 0 up."""
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"got {text!r}, needs a whole number from {least} up")
    return int(text)


def positive(text):
    """A whole number from 1 up."""
    return whole(text, 1)


def add_data(parser, default="CIFAR-10 if it is there or can be fetched, else Shapes-10"):
    parser.add_argument("--data", metavar="NAME|DIR",
                        help=f"cifar10, shapes10, or a folder in the layout of CIFAR-10's binary version "
                             f"(default: {default})")
    parser.add_argument("--datasets", metavar="DIR", default="datasets",
                        help="where data sets are kept (default: datasets)")


def add_threads(parser):
    parser.add_argument("--threads", type=positive, metavar="N",
                        help="how many cores to use (default: all); results do not depend on it")


def use_threads(args):
    from ..threads import set_threads
    set_threads(args.threads)


def figure_path(text):
    """A file to draw into: .png, .pdf or .svg."""
    if Path(text).suffix.lower() not in (".png", ".pdf", ".svg"):
        raise argparse.ArgumentTypeError(f"got {text!r}, needs a name that ends in .png, .pdf or .svg")
    return Path(text)


def save_figure(drawing, path):
    """Write a matplotlib Figure to a ``figure_path``, whole or not at all."""
    from ..files import write_atomically
    write_atomically(path, lambda file: drawing.savefig(file, format=path.suffix[1:].lower()))


def latest_run(runs=RUNS):
    """The folder of the run that was written to last. Raises UserError if there is none."""
    from ..training.checkpoint import NAME
    found = sorted(Path(runs).glob(f"*/{NAME}"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise UserError(f"{runs}/: no trained network yet; train one with: make train")
    return found[-1].parent


def free_run(name, runs=RUNS):
    """A folder name that no run has taken yet: runs/NAME-1, runs/NAME-2, …"""
    taken = {path.name for path in Path(runs).glob(f"{name}-*")}
    number = 1
    while f"{name}-{number}" in taken:
        number += 1
    return Path(runs) / f"{name}-{number}"
