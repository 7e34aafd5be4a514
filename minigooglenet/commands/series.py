"""What the commands that train several networks share."""

import shlex
import sys

from ..errors import UserError
from .train import Interruptible, changes, source


def settings(args, first):
    """(config, data) that a series starts from: the options, over what its ``first`` run was begun with, if it was."""
    from ..training.config import PRESETS
    from ..training.series import begun

    config, data = begun(first)
    if args.preset or config is None:
        config = PRESETS[args.preset or "quick"]
    return config.but(**changes(args)), args.data or data


def train(args, runs, dataset, data):
    """Train the {folder: config} of ``runs``, as far as they are not trained yet; Series.run's facts.

    Raises Stopped on Ctrl-C, when all is saved.
    """
    from ..training.series import Series

    series = Series(runs, dataset, source(data, args.datasets, dataset), quiet=args.json)
    if dataset.note:
        print(f"note: {dataset.note}", file=sys.stderr)
    with Interruptible() as asked:
        facts = series.run(stop=lambda: bool(asked), checkpoint_every=args.checkpoint_every)
    if facts is None:
        command = shlex.join(["python", "-m", "minigooglenet", *sys.argv[1:]])
        print(f"Stopped; nothing is lost. Go on with the same command:\n  {command}", file=sys.stderr)
        raise Stopped(128 + asked[0])
    return facts


class Stopped(Exception):
    """The user has stopped a series; ``code`` is how the process should end."""

    def __init__(self, code):
        super().__init__(code)
        self.code = code


def open_members(paths, args):
    """(classifiers, dataset): networks for small pictures, and the test pictures they are to be measured on.

    Raises UserError unless they know the same classes, and those are the data set's.
    """
    from ..data import load
    from ..inference import classifier
    from ..training import checkpoint as checkpoints

    members = classifier.open_members(paths)
    together = classifier.together(members)
    if together.size == classifier.SIZE:
        raise UserError(f"{members[0].name}: made for photos of 224×224; measure it on photos, with --photos DIR")
    dataset = load(args.data or checkpoints.load(members[0].name).dataset_source, args.datasets, progress=not args.json)
    if list(dataset.classes) != together.labels:
        raise UserError(f"{members[0].name}: knows {', '.join(together.labels)}; {dataset.name} has "
                        f"{', '.join(dataset.classes)}; choose its own data with --data")
    return members, dataset


def seeds(classifier):
    """{"run", "seed", "sampling_seed"} of a Classifier that was opened from a run."""
    from ..training import checkpoint as checkpoints

    config = checkpoints.load(classifier.name).config
    return {"run": classifier.name, "seed": config.seed, "sampling_seed": config.sampling}


def progress(total, args, unit="picture"):
    """A tqdm bar on a terminal, else nothing to see."""
    from tqdm import tqdm
    return tqdm(total=total, unit=unit, dynamic_ncols=True, leave=False, disable=args.json or not sys.stderr.isatty())
