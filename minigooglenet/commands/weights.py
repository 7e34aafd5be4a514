"""``python -m minigooglenet weights``"""

from pathlib import Path

from ..errors import UserError

DESCRIPTION = """\
Fetch the weights of GoogLeNet that BVLC trained with Caffe and released in 2014 (54 MB, for unrestricted use), check
them, and put them into datasets/, where predict finds them. Beside them goes Caffe's synset_words.txt, the words for
the 1000 classes; where it cannot be had a line says so, and classes are numbers.

Files that you have already come in with --from-file and --labels; with --from-file nothing is fetched, and a
synset_words.txt beside that file comes in, too."""

EXAMPLES = """\
examples:
  python -m minigooglenet weights
  python -m minigooglenet weights --from-file ~/Downloads/bvlc_googlenet.caffemodel
  python -m minigooglenet weights --labels ~/Downloads/synset_words.txt"""


def add_arguments(parser):
    parser.add_argument("--from-file", metavar="FILE", help="take the weights from this file instead of the network")
    parser.add_argument("--labels", metavar="FILE", help="take the words from this one, one class a line")
    parser.add_argument("--datasets", metavar="DIR", default="datasets", help="where they are kept (default: datasets)")


def run(args):
    from ..weights.fetch import fetch

    path, note = fetch(args.datasets, from_file=args.from_file)
    if note:
        print(f"note: {note}")
    print(f"{path}: Caffe's GoogLeNet{'' if note else ', the official file'}")
    _words(args)
    print(f"  try it:  python -m minigooglenet predict PHOTO --weights {path}")


def _words(args):
    """Caffe's words for the classes. They are no reason to fail, unless they were asked for."""
    from ..inference.labels import SYNSET
    from ..weights.words import URL, fetch_words

    labels = args.labels
    if labels is None and args.from_file and (beside := Path(args.from_file).with_name(SYNSET)).exists():
        labels = beside
    try:
        print(f"{fetch_words(args.datasets, labels, None if args.from_file else URL)}: the words for its classes")
    except UserError as error:
        if args.labels:
            raise
        print(f"note: {error}")
