"""``python -m minigooglenet predict``"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UserError, printable
from ..hints import counted
from .default_weights import DEFAULT, print_weights, weights_or_default
from .options import add_compute, figure_path, positive, print_engine, save_figure, use_compute

if TYPE_CHECKING:
    from PIL import Image

    from ..inference.classifier import Classifier
    from ..layers.base import Array

DESCRIPTION = f"""\
Classify photos: print the most probable classes with their probabilities. PHOTO is an image file in any format that
Pillow reads, such as JPEG, PNG, WebP, TIFF, GIF or BMP, but not EPS, FITS, ICNS, IPTC, SVG or a camera's raw format;
HEIC needs the extra: python -m pip install -e '.[heic]'. Of an animation the first frame is classified. PHOTO may also
be a folder: the images directly in it, in the order of their names, without hidden files and without other files.

The weights are a .caffemodel of GoogLeNet (fetch it with: python -m minigooglenet weights), its conversion by convert,
a training run, or the folder of an ensemble.
{DEFAULT}

The labels of the 1000 classes come from --labels, or from Caffe's synset_words.txt beside the weights or in datasets/;
without labels a class is shown as its number.

With --json one line: [{{"photo": ..., "top5": [{{"class": 281, "label": "tabby", "probability": 0.78}}, ...]}}, ...].
Each file that is not an image gives one line on standard error, after the others are classified, and the exit code is
2. The first line on standard error names the engine."""

EXAMPLES = """\
examples:
  python -m minigooglenet predict cat.jpg
  python -m minigooglenet predict holidays/ --crops 144 --json
  python -m minigooglenet predict cat.jpg --weights runs/cifar10-quick-1 --figure cat.png"""

IN_JSON = 5
BAR = 28       # characters
BATCH = 16     # photos that are classified at a time
DRAWN = 40     # photos in a figure, at most


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("photos", nargs="+", metavar="PHOTO", help="image files, or folders of them")
    parser.add_argument("--weights", type=Path, metavar="FILE|RUN|2014", help="the network (default: see above)")
    parser.add_argument("--labels", metavar="FILE", help="one label per line, such as Caffe's synset_words.txt")
    parser.add_argument("--classifier", metavar="NAME",
                        help="the last fully connected layer of a .caffemodel (default: loss3/classifier)")
    parser.add_argument("--crops", type=int, choices=(1, 10, 144), default=1,
                        help="crops averaged: 1, the center (default); 10, center and corners, also mirrored; "
                             "144, the paper's")
    parser.add_argument("--top", type=positive, default=5, metavar="N",
                        help="how many classes to print (default: 5; --json always has five)")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    parser.add_argument("--figure", type=figure_path, metavar="OUT.png",
                        help="also draw the photos with bar charts; a frame shows what the network sees")
    add_compute(parser)


def run(args: argparse.Namespace) -> int:
    from ..inference.classifier import ensemble, open_members

    use_compute(args)
    weights, line = weights_or_default(args.weights, args.photos)
    photos = [file for photo in args.photos for file in _files(photo)]
    members = open_members([weights], args.labels, args.classifier)
    classifier = ensemble(members)
    print_engine(member.net for member in members if member.net is not None)
    print_weights(line)
    if not args.json:
        print(f"{classifier.name}: {len(classifier.labels):,} classes, {counted(args.crops, 'crop')}")
    answers: list[dict] = []
    drawn: list[tuple] = []
    failures: list[str] = []
    for batch in _batches(photos, 1 if args.crops > 1 else BATCH, failures):
        for (photo, image), p in zip(batch, _probabilities(classifier, batch, args.crops), strict=True):
            best = top(p, classifier.labels, max(args.top, IN_JSON))
            answers.append({"photo": photo, "top5": best[:IN_JSON]})
            if not args.json:
                print("\n".join(["", printable(photo), *lines(best[:args.top])]), flush=True)
            if args.figure and len(drawn) < DRAWN:
                frame = judged(classifier, image, args.crops)
                image.thumbnail((400, 400))
                drawn.append((Path(photo).name, image, best[:args.top], frame))
    if args.json:
        print(json.dumps(answers))
    if args.figure and drawn:
        _draw(args, drawn, len(answers))
    for failure in failures:
        print(printable(f"minigooglenet predict: {failure}"), file=sys.stderr)
    return 2 if failures else 0


def _files(photo):
    """The image files that an argument names: itself, or those in the folder."""
    from ..data.image_files import photos_in

    return photos_in(photo) if os.path.isdir(photo) else [photo]


def _batches(photos: Sequence[str], size: int, failures: list[str]) -> Iterator[list[tuple[str, Image.Image]]]:
    """Lists of up to ``size`` (path, PIL image); the errors of files that cannot be opened go to ``failures``."""
    from ..data.photos import open_photo

    batch = []
    for photo in photos:
        try:
            batch.append((photo, open_photo(photo)))
        except UserError as error:
            failures.append(str(error))
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _probabilities(classifier, batch, crops):
    """One array (K,) for each (path, image) of a batch."""
    if crops > 1:
        return [classifier.photo(image, crops) for _, image in batch]
    import numpy as np
    return classifier.probabilities(np.stack([classifier.center_crop(image) for _, image in batch]))


def judged(classifier: Classifier, image: Image.Image, crops: int) -> tuple[float, float, float, float] | None:
    """The square of a photo that the network sees: left, top, right and bottom, as fractions of width and height.

    None for the 144 crops of section 7 of the paper, which cover the whole photo.
    """
    from ..data.crops import SCALES, SIZE

    side = classifier.size / classifier.resized     # of the shorter side of the photo
    if (classifier.size, classifier.resized) == (SIZE, SCALES[0]) and crops > 1:
        if crops == 144:
            return None
        side = 1.0                                  # the corners of the central square
    x, y = (side * min(image.size) / length / 2 for length in image.size)
    return 0.5 - x, 0.5 - y, 0.5 + x, 0.5 + y


def top(probabilities: Array, labels: Sequence[str], number: int) -> list[dict]:
    """The most probable classes, best first: [{"class", "label", "probability"}]."""
    return [{"class": int(k), "label": labels[k], "probability": float(probabilities[k])}
            for k in (-probabilities).argsort(kind="stable")[:number]]


def lines(best: Sequence[dict]) -> list[str]:
    """A line with a bar for each class."""
    return [f"  {bar(row['probability'])} {row['probability']:6.1%}  {printable(row['label'])}" for row in best]


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
