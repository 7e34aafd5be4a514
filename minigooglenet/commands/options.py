"""Options that several commands share."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UserError
from ..hints import counted, hint

if TYPE_CHECKING:
    from ..layers.base import Layer

RUNS = Path("runs")


def whole(text: str, least: int = 0) -> int:
    """A whole number of at least ``least``."""
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"got {text!r}, needs a whole number of at least {least}")
    return int(text)


def positive(text: str) -> int:
    """A whole number of at least 1."""
    return whole(text, 1)


def layer_path(text: str) -> str:
    """The path of a layer. A name of version 0.1 still works, and prints one line with the new one."""
    from ..interpret.structure import renamed
    path = renamed(text)
    if path != text:
        print(f"note: layer {text} is now called {path}; the old name will be removed in the next version",
              file=sys.stderr)
    return path


class Renamed(argparse.Action):
    """The old spelling of an option. It still works, and prints one line that names the ``new`` spelling."""

    def __init__(self, option_strings: Sequence[str], dest: str, new: str, **options: Any) -> None:
        super().__init__(option_strings, dest, **options | {"help": argparse.SUPPRESS, "default": argparse.SUPPRESS})
        self.new = new

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any,
                 option_string: str | None = None) -> None:
        print(f"note: {option_string} is now called {self.new}; the old name will be removed in the next version",
              file=sys.stderr)
        setattr(namespace, self.dest, values)


def add_data(parser: Any, default: str = "CIFAR-10 if it is there or can be fetched, else Shapes-10") -> None:
    """Add --data and --datasets."""
    parser.add_argument("--data", metavar="NAME|DIR",
                        help=f"cifar10, cifar100, shapes10, a folder with a folder of images for each class, or one in "
                             f"the layout of CIFAR-10's binary version (default: {default})")
    parser.add_argument("--datasets", metavar="DIR", default="datasets",
                        help="the folder of the data sets (default: datasets)")


def add_compute(parser: Any) -> None:
    """Add --engine and --threads; ``use_compute`` applies them."""
    parser.add_argument("--engine", choices=("fast", "plain"),
                        help="fast: compiled kernels; plain: each layer as written in layers/, slower "
                             "(default: MINIGOOGLENET_ENGINE, else fast)")
    parser.add_argument("--threads", type=positive, metavar="N",
                        help="number of threads (default: all cores); results do not depend on it")


def use_compute(args: argparse.Namespace) -> None:
    """Apply --engine and --threads to this process."""
    from .. import engine
    from ..kernels.threads import set_threads

    engine.use(args.engine)
    set_threads(args.threads)


def engine_lines(nets: Iterable[Layer]) -> list[str]:
    """The engine that runs ``nets``, in one line, and a line for each layer class that it runs as written."""
    from .. import engine
    from ..kernels.threads import threads

    if engine.kind() == "plain":
        return ["engine: plain (layers as written)"]
    number = threads()
    written = dict.fromkeys(line for net in nets for line in engine.as_written(net))
    return [f"engine: fast (compiled kernels, {counted(number, 'thread')})", *written]


def print_engine(nets: Iterable[Layer]) -> None:
    """Print ``engine_lines`` to standard error."""
    print("\n".join(engine_lines(nets)), file=sys.stderr, flush=True)


def figure_path(text: str) -> Path:
    """A file to draw into: .png, .pdf or .svg."""
    if Path(text).suffix.lower() not in (".png", ".pdf", ".svg"):
        raise argparse.ArgumentTypeError(f"got {text!r}, needs a name that ends in .png, .pdf or .svg")
    return Path(text)


def save_figure(figure: Any, path: Path) -> None:
    """Write a matplotlib Figure to a ``figure_path``, atomically."""
    from ..files import write_atomically
    write_atomically(path, lambda file: figure.savefig(file, format=path.suffix[1:].lower()))


def latest_run(runs: Path = RUNS) -> Path:
    """The folder of the run that was written to last. Raises UserError if there is none."""
    from ..training.runs import find
    found = find(runs, ensembles=False)
    if not found:
        raise UserError(f"{runs}/: no trained network yet; train one with: {hint('train')}")
    return found[-1]


def free_run(name: str, runs: Path = RUNS) -> Path:
    """Make the first of the folders runs/NAME-1, runs/NAME-2, … that does not exist, and return it.

    Two processes never get the same folder, because each makes its own. Raises UserError if none can be made.
    """
    number = 1
    while True:
        folder = Path(runs) / f"{name}-{number}"
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir()
            return folder
        except OSError as error:
            if not os.path.lexists(folder):
                raise UserError(f"{folder}: cannot be made ({error.strerror or error}); choose a folder with --out"
                                ) from error
        number += 1


def claimed_run(name: str, claims: contextlib.ExitStack) -> Path:
    """The ``free_run`` of this name, claimed until ``claims`` ends, which also removes it if nothing was written."""
    from ..training.checkpoint import claimed

    folder = free_run(name)
    claims.callback(_remove_if_empty, folder)
    return claims.enter_context(claimed(folder))


def _remove_if_empty(folder):
    with contextlib.suppress(OSError):
        folder.rmdir()
