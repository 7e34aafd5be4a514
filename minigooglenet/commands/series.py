"""Functions for the commands that train or evaluate several networks."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data.dataset import Dataset
from ..errors import UserError
from ..training.config import Config
from .interrupt import Interruptible
from .options import print_engine
from .train import continued, initial, planned

if TYPE_CHECKING:
    from ..inference.classifier import Classifier


def settings(args: argparse.Namespace, first: Path) -> tuple[Config, str | None, Dataset]:
    """(config, data, dataset) of a series: the options, applied to the settings of its ``first`` run if that exists."""
    from ..training.images import load_images
    from ..training.series import settings_of

    config, data = settings_of(first)
    new, data = config is None, args.data or data
    config = initial(args, data) if config is None else continued(args, config)
    dataset = load_images(config, data, args.datasets, progress=not args.json)
    if new:
        config, line = planned(args, config, dataset)
        if line and not args.json:
            print(line, file=sys.stderr)
    return config, data, dataset


def train(args: argparse.Namespace, runs: Mapping[Path, Config], dataset: Dataset,
          data: str | None) -> dict[Path, dict]:
    """Train all unfinished runs of {folder: config}. Returns what ``Series.run`` does.

    Raises Stopped on Ctrl-C, after saving.
    """
    from ..training.images import source_of
    from ..training.network import build
    from ..training.series import Series

    series = Series(runs, dataset, source_of(dataset, data, args.datasets), quiet=args.json)
    print_engine([build(next(iter(runs.values())), len(dataset.classes), dataset.x_test.shape[1:])])
    if dataset.note:
        print(f"note: {dataset.note}", file=sys.stderr)
    with Interruptible() as signals:
        results = series.run(stop=lambda: bool(signals), checkpoint_every=args.checkpoint_every)
    if results is None:
        command = shlex.join(["python", "-m", "minigooglenet", *sys.argv[1:]])
        print(f"Stopped; everything is saved. Resume with the same command:\n  {command}", file=sys.stderr)
        raise Stopped(128 + signals[0])
    return results


class Stopped(Exception):
    """The user has stopped a series; ``code`` is the exit code of the process."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def open_members(paths: Sequence[str | Path], args: argparse.Namespace) -> tuple[list[Classifier], Dataset]:
    """(classifiers, dataset): networks for small images, and the data set that holds the test images of the first.

    Its note says which of the others were trained on some of them. Raises UserError unless all are runs and have the
    same classes, which are the data set's.
    """
    from ..inference import classifier
    from ..training import checkpoint as checkpoints
    from ..training.images import images_of, tested_with

    members = classifier.open_members(paths)
    for member in members:
        if member.source is None:
            raise UserError(f"{member.name}: not a run, so its test images are not known; " + (
                "measure it on photos, with --photos DIR" if "photos" in args else "--runs combines folders of runs"))
    combined = classifier.ensemble(members)
    first = checkpoints.load(members[0].name)
    first.config = first.config.but(skip_bad=args.skip_bad or None)
    dataset = images_of(first, args.data, args.datasets, progress=not args.json)
    if list(dataset.classes) != combined.labels:
        raise UserError(f"{members[0].name}: has the classes {', '.join(combined.labels)}, but {dataset.name} has "
                        f"{', '.join(dataset.classes)}; choose the run's own data with --data")
    for member in members[1:]:
        dataset = tested_with(first, checkpoints.load(member.name), dataset, args.datasets)
    return members, dataset


def seeds(classifier: Classifier) -> dict[str, Any]:
    """{"run", "seed", "sampling_seed"} of the Classifier of a run."""
    from ..training import checkpoint as checkpoints

    config = checkpoints.load(classifier.name).config
    return {"run": classifier.name, "seed": config.seed, "sampling_seed": config.sampling}


def progress(total: int, args: argparse.Namespace, unit: str = "image") -> Any:
    """A tqdm bar, shown on a terminal only."""
    from tqdm import tqdm
    return tqdm(total=total, unit=unit, dynamic_ncols=True, leave=False, disable=args.json or not sys.stderr.isatty())
