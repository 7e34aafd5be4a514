"""``python -m minigooglenet predict``"""

import json
import sys
from pathlib import Path

from ..errors import UserError
from .options import add_threads, figure_path, latest_run, positive, save_figure, use_threads

DESCRIPTION = """\
Say what is on photos: the most probable classes with their probabilities. Any picture that Pillow opens will do.

The weights are a .caffemodel of GoogLeNet (fetch it with: python -m minigooglenet weights), what convert made of it, a
training run of the reduced network, or the folder of an ensemble. Without --weights: the latest run under runs/, else
datasets/bvlc_googlenet.caffemodel.

The words for the 1000 classes come from --labels, or from Caffe's synset_words.txt beside the weights or in datasets/;
without them a class is its number.

With --json one line: [{"photo": ..., "top5": [{"class": 281, "label": "tabby", "probability": 0.78}, ...]}, ...].
A file that is no picture gives one line on standard error, the others still run, and the exit code is 2."""

EXAMPLES = """\
examples:
  python -m minigooglenet predict cat.jpg
  python -m minigooglenet predict *.jpg --weights datasets/bvlc_googlenet.caffemodel --crops 144
  python -m minigooglenet predict cat.jpg --weights runs/cifar10-quick-1 --figure cat.png"""

IN_JSON = 5
BAR = 28       # characters
DRAWN = 40     # photos in a figure, at most


def add_arguments(parser):
    parser.add_argument("photos", nargs="+", metavar="PHOTO", help="picture files")
    parser.add_argument("--weights", type=Path, metavar="FILE|RUN", help="which network (default: see above)")
    parser.add_argument("--labels", metavar="FILE", help="one label a line, such as Caffe's synset_words.txt")
    parser.add_argument("--crops", type=int, choices=(1, 10, 144), default=1,
                        help="how often to look, averaging: the middle; corners and mirrored; the paper's 144")
    parser.add_argument("--top", type=positive, default=5, metavar="N",
                        help="how many classes to show (default: 5; --json always has five)")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    parser.add_argument("--figure", type=figure_path, metavar="OUT.png", help="also draw the photos with their bars")
    add_threads(parser)


def run(args):
    from ..inference.classifier import open_weights
    from ..inference.photos import open_photo

    use_threads(args)
    classifier = open_weights(args.weights or usual_weights(), args.labels)
    if not args.json:
        print(f"{classifier.name}: {len(classifier.labels):,} classes, {args.crops} crop{'s' * (args.crops > 1)}")
    answers, drawn, failed = [], [], False
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


def usual_weights():
    """The latest run, else Caffe's weights in ``datasets/``. Raises UserError if there is neither."""
    from ..weights.fetch import FILE
    try:
        return latest_run()
    except UserError:
        if (fetched := Path("datasets") / FILE).exists():
            return fetched
    raise UserError("no trained network under runs/ and no weights in datasets/; train one with: make train, or fetch "
                    "those of 2014 with: python -m minigooglenet weights")


def top(probabilities, labels, number):
    """The most probable classes, best first: [{"class", "label", "probability"}]."""
    return [{"class": int(k), "label": labels[k], "probability": float(probabilities[k])}
            for k in (-probabilities).argsort(kind="stable")[:number]]


def lines(best):
    """A line with a bar for each class."""
    return [f"  {bar(row['probability'])} {row['probability']:6.1%}  {row['label']}" for row in best]


def bar(fraction, width=BAR, encoding=None):
    """A bar of up to ``width`` characters, to an eighth of one; of "#" where the terminal has no block characters."""
    eighths = round(8 * width * fraction)
    text = "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()
    try:
        text.encode(encoding or sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        text = "#" * round(width * fraction)
    return f"{text:<{width}}"


def _draw(args, drawn, answered):
    from ..pictures.prediction import prediction

    save_figure(prediction(drawn), args.figure)
    left = f" (the first {DRAWN} of {answered} photos)" if answered > DRAWN else ""
    print(f"figure: {args.figure}{left}", file=sys.stderr)
