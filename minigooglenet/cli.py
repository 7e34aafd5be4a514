"""The command line: ``python -m minigooglenet COMMAND``. Each command is a module with ``add_arguments`` and ``run``.

Only the module of the command asked for is imported, so that printing a table does not wait for a compiler.
"""

import argparse
import importlib
import os
import sys

from .errors import UserError

COMMANDS = {
    "train": ("commands.train", "train a reduced GoogLeNet on CIFAR-10, Shapes-10 or a folder of yours"),
    "evaluate": ("commands.evaluate", "measure a trained network on the test pictures"),
    "predict": ("commands.predict", "say what is on your photos"),
    "flops": ("flops", "count parameters and operations, layer by layer"),
    "figures": ("commands.figures", "draw the figures of a review of GoogLeNet"),
    "gradcheck": ("commands.gradcheck", "check every backward pass against finite differences"),
    "data": ("commands.data", "fetch, draw or describe a data set"),
    "ensemble": ("commands.ensemble", "train several networks and average what they say"),
    "ablation": ("commands.ablation", "measure what crops, models, heads and reductions bring"),
    "weights": ("commands.weights", "fetch the weights of GoogLeNet released in 2014"),
    "convert": ("commands.convert", "turn weights of Caffe or torchvision into safetensors, and back"),
    "export": ("commands.export", "write a network as an ONNX model"),
    "parallel": ("commands.parallel", "measure sums over processes, and project how training scales"),
    "explain": ("commands.explain", "say why: top 5, where it was seen, which branches mattered"),
    "cam": ("commands.cam", "show where in a photo a class is seen: CAM, Grad-CAM"),
    "occlusion": ("commands.occlusion", "show the same by covering the photo piece by piece"),
    "activations": ("commands.activations", "draw what a layer makes of a photo"),
    "filters": ("commands.filters", "draw what a layer looks for"),
    "dream": ("commands.dream", "let a layer dream over a photo or noise (DeepDream)"),
    "explorer": ("commands.explorer", "write a page to explore a network in the browser"),
}


class Help(argparse.RawDescriptionHelpFormatter):
    """Keeps the layout of descriptions; wide enough for option and explanation on one line."""

    def __init__(self, prog):
        super().__init__(prog, max_help_position=28, width=100)


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line like every other error, without the page of usage before it."""

    def error(self, message):
        raise UserError(f"{message}; all options: {self.prog} --help")


def parser_for(name):
    """The argument parser of one command."""
    module = importlib.import_module(f"minigooglenet.{COMMANDS[name][0]}")
    parser = Parser(
        prog=f"python -m minigooglenet {name}", formatter_class=Help,
        description=getattr(module, "DESCRIPTION", COMMANDS[name][1]), epilog=getattr(module, "EXAMPLES", None))
    module.add_arguments(parser)
    parser.set_defaults(run=module.run)
    return parser


def overview():
    """What there is, a line each."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {help_}" for name, (_, help_) in COMMANDS.items()]
    return ("GoogLeNet (Inception v1) from scratch in NumPy.\n\nusage: python -m minigooglenet COMMAND [options]\n\n"
            + "\n".join(lines) + "\n\nEach command has a page of its own: python -m minigooglenet COMMAND --help")


def main(argv=None):
    """Run one command. Returns the exit code: 0, or 2 for wrong input with one line on standard error."""
    argv = sys.argv[1:] if argv is None else argv
    for stream in (sys.stdout, sys.stderr):  # a terminal that cannot show "×" gets "?" and no traceback
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(overview())
        return 0
    name, *rest = argv
    if name not in COMMANDS:
        print(f"minigooglenet: no command {name!r}; choose {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    try:
        arguments = parser_for(name).parse_intermixed_args(rest)  # options may stand between file names
        return arguments.run(arguments) or 0
    except UserError as error:
        print(f"minigooglenet {name}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"minigooglenet {name}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output has gone, as with ``| head``
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
