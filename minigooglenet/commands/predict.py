"""``python -m minigooglenet predict``"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UserError
from ..hints import hint
from .options import add_compute, figure_path, latest_run, positive, print_engine, save_figure, use_compute

if TYPE_CHECKING:
    from ..layers.base import Array

DESCRIPTION = """\
Classify photos: print the most probable classes with their probabilities. PHOTO is any image file that Pillow opens.

The weights are a .caffemodel of GoogLeNet (fetch it with: python -m minigooglenet weights), its conversion by convert,
a training run of the reduced network, or the folder of an ensemble. Without --weights: the latest run under runs/, else
datasets/bvlc_googlenet.caffemodel.

The labels of the 1000 classes come from --labels, or from Caffe's synset_words.txt beside the weights or in datasets/;
without labels a class is shown as its number.

With --json one line: [{"photo": ..., "top5": [{"class": 281, "label": "tabby", "probability": 0.78}, ...]}, ...].
A file that is not an image gives one line on standard error; the others are still classified, and the exit code is 2.
The first line on standard error names the engine."""

EXAMPLES = """\
examples:
  python -m minigooglenet predict cat.jpg
  python -m minigooglenet predict *.jpg --weights datasets/bvlc_googlenet.caffemodel --crops 144
  python -m minigooglenet predict cat.jpg --weights runs/cifar10-quick-1 --figure cat.png"""

IN_JSON = 5
BAR = 28       # characters
DRAWN = 40     # photos in a figure, at most


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("photos", nargs="+", metavar="PHOTO", help="image files")
    parser.add_argument("--weights", type=Path, metavar="FILE|RUN", help="the network (default: see above)")
    parser.add_argument("--labels", metavar="FILE", help="one label per line, such as Caffe's synset_words.txt")
    parser.add_argument("--classifier", metavar="NAME",
                        help="the last fully connected layer of a .caffemodel (default: loss3/classifier)")
    parser.add_argument("--crops", type=int, choices=(1, 10, 144), default=1,
                        help="crops averaged: 1, the center (default); 10, center and corners, also mirrored; "
                             "144, the paper's")
    parser.add_argument("--top", type=positive, default=5, metavar="N",
                        help="how many classes to print (default: 5; --json always has five)")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    parser.add_argument("--figure", type=figure_path, metavar="OUT.png", help="also draw the photos with bar charts")
    add_compute(parser)


def run(args: argparse.Namespace) -> int:
    from ..data.photos import open_photo
    from ..inference.classifier import ensemble, open_members

    use_compute(args)
    members = open_members([args.weights or default_weights()], args.labels, args.classifier)
    classifier = ensemble(members)
    print_engine(member.net for member in members if member.net is not None)
    if not args.json:
        print(f"{classifier.name}: {len(classifier.labels):,} classes, {args.crops} crop{'s' * (args.crops > 1)}")
    answers: list[dict] = []
    drawn: list[tuple] = []
    failed = False
    for photo in args.photos:
        try:
            image = open_photo(photo)
        except UserError as error:
            failed = True
            print(f"minigooglenet predict: {error}", file=sys.stderr)
            continue
        best = top(classifier.photo(image, args.crops), classifier.labels, max(args.top, IN_JSON))
        answers.append({"photo": photo, "top5": best[:IN_JSON]})
        if not args.json:
            print("\n".join(["", photo, *lines(best[:args.top])]), flush=True)
        if args.figure and len(drawn) < DRAWN:
            image.thumbnail((400, 400))
            drawn.append((Path(photo).name, image, best[:args.top]))
    if args.json:
        print(json.dumps(answers))
    if args.figure and drawn:
        _draw(args, drawn, len(answers))
    return 2 if failed else 0


def default_weights() -> Path:
    """The latest run, else Caffe's weights in ``datasets/``. Raises UserError if there is neither."""
    from ..weights.fetch import FILE
    try:
        return latest_run()
    except UserError:
        if (fetched := Path("datasets") / FILE).exists():
            return fetched
    raise UserError("no trained network under runs/ and no weights in datasets/; train one with: "
                    f"{hint('train')}, or fetch those of 2014 with: {hint('weights')}")


def top(probabilities: Array, labels: Sequence[str], number: int) -> list[dict]:
    """The most probable classes, best first: [{"class", "label", "probability"}]."""
    return [{"class": int(k), "label": labels[k], "probability": float(probabilities[k])}
            for k in (-probabilities).argsort(kind="stable")[:number]]


def lines(best: Sequence[dict]) -> list[str]:
    """A line with a bar for each class."""
    return [f"  {bar(row['probability'])} {row['probability']:6.1%}  {row['label']}" for row in best]


def bar(fraction: float, width: int = BAR, encoding: str | None = None) -> str:
    """A bar of up to ``width`` characters, in eighths of one; of "#" if the terminal has no block characters."""
    eighths = round(8 * width * fraction)
    text = "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()
    try:
        text.encode(encoding or sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        text = "#" * round(width * fraction)
    return f"{text:<{width}}"


def _draw(args, drawn, answered):
    from ..figures.prediction import prediction

    save_figure(prediction(drawn), args.figure)
    left = f" (the first {DRAWN} of {answered} photos)" if answered > DRAWN else ""
    print(f"figure: {args.figure}{left}", file=sys.stderr)
