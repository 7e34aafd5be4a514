"""``python -m minigooglenet mine``"""

import argparse

from .options import positive, whole

DESCRIPTION = """\
Build a small GoogLeNet of your own answers to the exercises: convolution, pooling, batch norm, the inception module,
loss, update, each with its backward pass. The checker decides which answers take part; for all others the code of the
library is used, so one answer is enough to begin. Then:

1. the gradient of the whole network is compared with finite differences;
2. it learns Shapes-10 in about a minute; slow answers get smaller images;
3. with the weights of 2014, if they are there, its layers conv1 to 3a run on a photo and are compared with the library.

Your code runs in a process of its own. An answer that fails is named and replaced.

Exit code: 0; 1 if no answer passes."""

EXAMPLES = """\
examples:
  python -m minigooglenet mine
  python -m minigooglenet mine --solutions
  python -m minigooglenet mine --epochs 40 --seed 1
  python -m minigooglenet mine --photo cat.jpg"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--folder", metavar="DIR", help="take the answers from DIR, with files named like the stubs "
                        "(default: where they are handed out)")
    parser.add_argument("--solutions", action="store_true", help="use the solutions of the course, as a demonstration")
    parser.add_argument("--epochs", type=positive, metavar="N", help="train for N epochs (default: about a minute)")
    parser.add_argument("--seed", type=whole, default=0, metavar="S", help="seed of images and weights (default: 0)")
    parser.add_argument("--photo", metavar="FILE", help="the photo for the weights of 2014 (default: a sample)")


def run(args: argparse.Namespace) -> int:
    from lessons.__main__ import do
    return do(["mine"], folder=args.folder, solutions=args.solutions, epochs=args.epochs, seed=args.seed,
              photo=args.photo)
