"""``python -m minigooglenet figures``"""

import argparse
import difflib
from functools import partial
from pathlib import Path

from ..errors import UserError
from ..files import write_atomically

DESCRIPTION = """\
Draw figures about GoogLeNet. Every value is computed by the code or cited from a paper.

  error-by-year  top-5 error of the ImageNet challenge, 2012 to 2014 (Table 2)
  reduction      multiply-adds saved by the 1x1 convolutions: one branch, then all nine modules
  inception      both forms of the inception module (figure 2), with the widths of one module
  pooling        global average pooling against a fully connected layer
  network        the network, drawn from its structure
  table-1        Table 1: the printed counts, and those that its widths give
  ablation       error against the number of models and crops: 10.07 % -> 6.67 % (Table 3)
  systems        error, multiply-adds and parameters, AlexNet to GoogLeNet"""

EXAMPLES = """\
examples:
  python -m minigooglenet figures --out figures
  python -m minigooglenet figures network --model vgg16 --format pdf
  python -m minigooglenet figures inception --module 3b"""

FORMATS = ("png", "pdf", "svg")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help="the figures (default: all)")
    parser.add_argument("--out", type=Path, default=Path("figures"), metavar="DIR",
                        help="the output folder (default: figures)")
    parser.add_argument("--format", choices=FORMATS, default="png",
                        help="file format; pdf and svg are vector formats (default: png)")
    parser.add_argument("--dpi", type=int, default=200, metavar="N", help="for png: dots per inch (default: 200)")
    parser.add_argument("--model", metavar="NAME", help="for the figure network: the network (default: googlenet)")
    parser.add_argument("--module", metavar="NAME", help="for the figure inception: the module (default: 4a)")


def run(args: argparse.Namespace) -> None:
    from ..figures.gallery import FIGURES
    from ..figures.style import save

    for name in args.names:
        if name not in FIGURES:
            guess = difflib.get_close_matches(name, FIGURES, n=1, cutoff=0.4)
            meant = f"did you mean {guess[0]}? Or one of" if guess else "choose"
            raise UserError(f"no figure is called {name!r}; {meant} {', '.join(FIGURES)}")
    if not 20 <= args.dpi <= 600:
        raise UserError(f"--dpi: got {args.dpi}, choose 20 to 600")
    for option, name in (("model", "network"), ("module", "inception")):
        if getattr(args, option) and args.names and name not in args.names:
            raise UserError(f"--{option}: applies to the figure {name}, which is not among {', '.join(args.names)}")
    names = list(dict.fromkeys(args.names)) or list(FIGURES)
    for name in names:
        path = args.out / f"{_file_name(name, args)}.{args.format}"
        figure = FIGURES[name](**_options(name, args))
        write_atomically(path, partial(save, figure, format=args.format, dpi=args.dpi))
        print(path)


def _options(name, args):
    """The options of a figure, from the command line."""
    options = {"network": {"model": args.model}, "inception": {"module": args.module}}
    return {key: value for key, value in options.get(name, {}).items() if value}


def _file_name(name, args):
    return "-".join([name, *_options(name, args).values()])
