"""``python -m minigooglenet data``"""

import argparse
import dataclasses
from pathlib import Path

from ..errors import UserError
from .options import figure_path, positive, save_figure

DESCRIPTION = """\
Download, draw or describe a data set, or write it as PNG files.

  cifar10    60,000 photos in ten classes (Krizhevsky 2009): downloaded, checked, unpacked into datasets/
  cifar100   as many in 100 classes
  shapes10   ten classes of drawn shapes, generated from a seed in a few seconds, without a download
  DIR        your own images: a folder with a subfolder for each class, possibly inside train/ and test/; or a folder
             in the binary layout of CIFAR-10

Of your own images it lists sizes, formats, copies and damaged files as well. They are decoded once, into
datasets/.cache, where train finds them.

If you already have an archive of CIFAR-10 or CIFAR-100, the binary or the python version, pass it with --from-file.
Pickles in the python version are read as data and never run."""

EXAMPLES = """\
examples:
  python -m minigooglenet data cifar10
  python -m minigooglenet data cifar10 --from-file ~/Downloads/cifar-10-python.tar.gz
  python -m minigooglenet data shapes10
  python -m minigooglenet data photos/ --figure contact.png
  python -m minigooglenet data export cifar10 cifar10-png/      # train/CLASS/00001.png ..., test/CLASS/00001.png ..."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME|DIR",
                        help="cifar10, cifar100, shapes10 or a folder (default: the best available); or: export "
                             "NAME|DIR OUT, which writes PNG files into the new folder OUT")
    parser.add_argument("export", nargs="*", metavar="...", help=argparse.SUPPRESS)
    parser.add_argument("--figure", type=figure_path, metavar="OUT.png",
                        help="also draw a contact sheet: some images of every class")
    parser.add_argument("--size", type=positive, metavar="N",
                        help="of your own images: decode them to N x N pixels (default: 64)")
    parser.add_argument("--skip-bad", action="store_true", help="export: leave out files that cannot be decoded")
    parser.add_argument("--from-file", metavar="ARCHIVE",
                        help="unpack CIFAR-10 or CIFAR-100 from this archive instead of downloading it")
    parser.add_argument("--datasets", metavar="DIR", default="datasets",
                        help="the folder of the data sets (default: datasets)")


def run(args: argparse.Namespace) -> None:
    from ..data import cifar

    if args.name == "export":
        return _export(args)
    if args.export:
        raise UserError(f"{args.export[0]}: one data set at a time; or did you mean: data export {args.name} "
                        f"{args.export[0]}")
    if args.from_file:
        kinds = {kind.name: kind for kind in cifar.KINDS}
        if args.name not in (None, *kinds):
            raise UserError(f"--from-file goes with cifar10 or cifar100, not with {args.name}")
        kind = kinds[args.name] if args.name else cifar.recognized(args.from_file)[0]
        cifar.fetch(kind, args.datasets, from_file=args.from_file)
        args.name = kind.name
    dataset, more = _described(args)
    print(more)
    if args.figure:
        from ..figures.contact_sheet import contact_sheet
        save_figure(contact_sheet(dataset.name, dataset.x_train, dataset.y_train, dataset.classes), args.figure)
        print(f"wrote {args.figure}")


def _described(args):
    """(dataset, its description)"""
    from ..data import describe, image_cache, image_folder, load, source
    from ..data.image_report import report
    from ..training.images import check_size

    if not args.name or not source.is_images(args.name):
        dataset = load(args.name, args.datasets)
        check_size(dataset, args.size)
        return dataset, describe(dataset)
    folder = image_folder.scan(args.name)
    images = image_cache.prepare(folder, args.size or image_cache.SIZE, cache=Path(args.datasets) / ".cache")
    dataset = source.of_images(folder, images)
    lines = [describe(dataclasses.replace(dataset, note=None)), report(folder, images)]
    return dataset, "\n".join(lines + ([f"note: {dataset.note}"] if dataset.note else []))


def _export(args):
    from ..data import load
    from ..data.export import export
    from ..training.images import check_size

    if len(args.export) != 2:
        raise UserError("export: needs a data set and a new folder, such as: data export cifar10 cifar10-png")
    name, folder = args.export
    dataset = load(name, args.datasets, size=args.size, skip_bad=args.skip_bad)
    check_size(dataset, args.size)
    export(dataset, folder)
    print(f"wrote {len(dataset.y_train):,} training and {len(dataset.y_test):,} test images of "
          f"{len(dataset.classes)} classes to {folder}")
