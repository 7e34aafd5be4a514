"""The command line: ``minigooglenet COMMAND``, or ``python -m minigooglenet COMMAND``.

Each command is a module with ``add_arguments`` and ``run``.

Only the requested command's module is imported, so that printing a table does not load the compiler.
"""

import argparse
import atexit
import difflib
import gc
import importlib
import sys
from collections.abc import Sequence
from typing import NoReturn

from . import __version__
from .errors import UserError
from .hints import localized, program
from .streams import run_command

#: {heading: {command: (its module, what it does)}}
GROUPS = {
    "Train and test": {
        "train": ("commands.train", "train a reduced GoogLeNet on CIFAR-10, Shapes-10 or your own images"),
        "finetune": ("commands.finetune", "teach a trained network, such as GoogLeNet of 2014, your own classes"),
        "evaluate": ("commands.evaluate", "measure the accuracy of a trained network on test images"),
        "runs": ("commands.runs", "list training runs, and compare their settings and learning curves"),
        "data": ("commands.data", "download, draw or describe a data set"),
        "ensemble": ("commands.ensemble", "train several networks and average their predictions"),
        "ablation": ("commands.ablation", "measure the effect of crops, ensembles, auxiliary heads, 1x1 reductions"),
        "parallel": ("commands.parallel", "measure the all-reduce of processes, and project how training scales"),
    },
    "Classify and interpret photos": {
        "weights": ("commands.weights", "download the weights of GoogLeNet released in 2014"),
        "predict": ("commands.predict", "classify photos"),
        "explain": ("commands.explain", "explain a prediction: top 5, class activation map, each branch's share"),
        "cam": ("commands.cam", "show which regions of a photo support a class: CAM, Grad-CAM"),
        "occlusion": ("commands.occlusion", "show which regions matter by covering the photo region by region"),
        "activations": ("commands.activations", "draw the activations of a layer for a photo"),
        "filters": ("commands.filters", "draw the filters of the first layer, or images that activate a channel"),
        "dream": ("commands.dream", "amplify what a layer responds to, in a photo or noise (DeepDream)"),
        "explorer": ("commands.explorer", "write an HTML page to explore a network in the browser"),
    },
    "Count and check": {
        "flops": ("commands.flops", "count parameters and operations, layer by layer"),
        "gradcheck": ("commands.gradcheck", "check every backward pass against finite differences"),
        "figures": ("commands.figures", "draw GoogLeNet: the module, the network, Table 1, error by year"),
    },
    "Exchange weights": {
        "convert": ("commands.convert", "convert weights of Caffe or torchvision to safetensors, and back"),
        "export": ("commands.export", "write a network as an ONNX model"),
    },
    "The course": {
        "lesson": ("commands.lesson", "run a lesson of the course; without a number, list the lessons"),
        "check": ("commands.check", "check your answers to the exercises of a lesson"),
        "mine": ("commands.mine", "train a small GoogLeNet made of your own answers to the exercises"),
        "progress": ("commands.progress", "list which lessons ran, which exercises pass, and the next step"),
        "book": ("commands.book", "build web pages and notebooks of the lessons"),
    },
}
COMMANDS = {name: entry for group in GROUPS.values() for name, entry in group.items()}


class Help(argparse.RawDescriptionHelpFormatter):
    """Keeps the layout of descriptions, and is wide enough for an option and its help on one line."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28, width=100)


class Parser(argparse.ArgumentParser):
    """Reports a wrong option in one line, as every other error, without the usage before it."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; all options: {self.prog} --help")


def parser_for(name: str) -> argparse.ArgumentParser:
    """The argument parser of one command."""
    module = importlib.import_module(f"minigooglenet.{COMMANDS[name][0]}")
    parser = Parser(
        prog=f"{program()} {name}", formatter_class=Help,
        description=localized(getattr(module, "DESCRIPTION", COMMANDS[name][1])),
        epilog=localized(getattr(module, "EXAMPLES", "")) or None)
    module.add_arguments(parser)
    parser.set_defaults(run=module.run)
    return parser


def overview() -> str:
    """The first steps, and the list of commands, one line each."""
    width = max(map(len, COMMANDS))
    groups = [f"{heading}:\n" + "\n".join(f"  {name:<{width}}  {help_}" for name, (_, help_) in group.items())
              for heading, group in GROUPS.items()]
    steps = [("lesson 1", "the first lesson of the course"), ("train", "train a reduced GoogLeNet, in some minutes"),
             ("weights", "fetch the weights of 2014 (54 MB); then: predict PHOTO")]
    first = "First steps:\n" + "\n".join(f"  {f'{program()} {words}':<{len(program()) + 10}}  {what}"
                                         for words, what in steps)
    return (f"GoogLeNet (Inception v1) from scratch in NumPy.\n\nusage: {program()} COMMAND [options]\n\n"
            + "\n\n".join([first, *groups]) + f"\n\nOptions and examples of a command: {program()} help COMMAND"
            "\nThe version: --version")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit code: 0, or 2 for invalid input, with one line on standard error."""
    if argv is None:
        atexit.register(gc.freeze)  # or the interpreter looks for cycles in all of numba on its way out: 0.3 s
    words = list(sys.argv[1:] if argv is None else argv)
    command = [name for name in words[:1] if name in COMMANDS]
    return run_command(lambda: _run(words), " ".join(["minigooglenet", *command]))


def _run(argv):
    if argv[:1] == ["help"]:
        argv = [argv[1], "--help"] if argv[1:] else []
    if not argv or argv[0] in ("-h", "--help"):
        print(overview())
        return 0
    if argv[0] in ("-V", "--version"):
        print(f"minigooglenet {__version__}")
        return 0
    name, *rest = argv
    if name not in COMMANDS:
        raise UserError(_unknown(name))
    arguments = parser_for(name).parse_intermixed_args(rest)  # options may be mixed with file names
    return arguments.run(arguments)


def _unknown(name):
    near = difflib.get_close_matches(name, COMMANDS, n=1)
    return (f"no command {name!r}; did you mean {near[0]}? All commands: {program()} --help" if near else
            f"no command {name!r}; choose {', '.join(COMMANDS)}")
