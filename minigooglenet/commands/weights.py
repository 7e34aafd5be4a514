"""``python -m minigooglenet weights``"""

import argparse
from pathlib import Path

from ..errors import UserError
from ..hints import hint

DESCRIPTION = """\
Download the weights of GoogLeNet that BVLC trained with Caffe and released in 2014 (54 MB, for unrestricted use), check
them, and save them in datasets/, where predict finds them. Several servers are tried in order; the last has the same
weights as an ONNX model (28 MB, without the auxiliary classifiers). Each file is checked by its SHA-256.

Also saves Caffe's synset_words.txt, the labels of the 1000 classes. If it is not available, a line says so, and classes
are shown as numbers.

Files you already have are copied with --from-file and --labels. With --from-file nothing is downloaded, and a
synset_words.txt beside that file is copied as well."""

EXAMPLES = """\
examples:
  python -m minigooglenet weights
  python -m minigooglenet weights --from-file ~/Downloads/bvlc_googlenet.caffemodel
  python -m minigooglenet weights --labels ~/Downloads/synset_words.txt"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from-file", metavar="FILE",
                        help="copy the weights from this file, a .caffemodel or the ONNX model zoo's .onnx")
    parser.add_argument("--labels", metavar="FILE", help="copy the labels from this file, one class per line")
    parser.add_argument("--datasets", metavar="DIR", default="datasets",
                        help="the folder to save in (default: datasets)")


def run(args: argparse.Namespace) -> None:
    from ..weights.fetch import fetch

    path, note = fetch(args.datasets, from_file=args.from_file)
    if note:
        print(f"note: {note}")
    print(f"{path}: Caffe's GoogLeNet{'' if note else ', the official file'}")
    _fetch_labels(args)
    print(f"  try it:  {hint('predict', f'PHOTO --weights {path}')}")


def _fetch_labels(args):
    """Save the labels of the classes. A failure is an error only if --labels was given."""
    from ..data.labels import SYNSET
    from ..weights.fetch_labels import SOURCES, fetch_labels

    labels = args.labels
    if labels is None and args.from_file and (beside := Path(args.from_file).with_name(SYNSET)).exists():
        labels = beside
    try:
        print(f"{fetch_labels(args.datasets, labels, () if args.from_file else SOURCES)}: the labels of its classes")
    except UserError as error:
        if args.labels:
            raise
        print(f"note: {error}")
