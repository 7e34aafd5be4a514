"""A training run on disk: everything that is needed to go on as if nothing had happened, or to use the network.

``checkpoint.safetensors`` in the run's folder holds these arrays, and JSON in its metadata:

    weights/PATH    the parameters            state/PATH    running statistics
    velocity/PATH   the optimiser's           average/PATH  the averaged weights and statistics, which are for use

    config, classes, dataset, normaliser (mean and std per channel), input_shape, progress (step, sums, history),
    generator (the state of the one that dropout draws from)

The file is written under another name, flushed and renamed: after a crash the previous one is still whole.
"""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..data.dataset import Normaliser
from ..errors import UserError
from ..weights import safetensors_io
from .config import Config

NAME = "checkpoint.safetensors"


@dataclass
class Checkpoint:
    """What the file holds, read but not yet put anywhere."""

    path: Path
    config: Config
    classes: list
    dataset: str
    normaliser: Normaliser
    input_shape: tuple
    progress: dict
    generator: dict
    arrays: dict = field(repr=False)

    def part(self, prefix):
        """{PATH: array} of the arrays called ``prefix/PATH``."""
        start = len(prefix) + 1
        return {name[start:]: array for name, array in self.arrays.items() if name.startswith(prefix + "/")}

    @property
    def dataset_source(self):
        """What ``data.load`` takes to find the pictures again."""
        return self.progress["source"]

    def for_use(self):
        """{PATH: array} to test or predict with: the average if there is one."""
        return self.part("average") or {**self.part("weights"), **self.part("state")}


def save(folder, *, config, classes, dataset, normaliser, input_shape, progress, generator, parts):
    """Write a checkpoint. ``parts`` is {prefix: {PATH: array}}."""
    arrays = {f"{prefix}/{name}": array for prefix, part in parts.items() for name, array in part.items()}
    metadata = {
        "format": "minigooglenet checkpoint 1", "config": dataclasses.asdict(config), "classes": classes,
        "dataset": dataset, "normaliser": [list(map(float, normaliser.mean)), list(map(float, normaliser.std))],
        "input_shape": list(input_shape), "progress": progress, "generator": generator,
    }
    safetensors_io.save(Path(folder) / NAME, arrays, {key: json.dumps(value) for key, value in metadata.items()})


def same_classes(checkpoint, dataset):
    """Raise UserError unless the pictures have the classes that the network was trained for."""
    if list(dataset.classes) != list(checkpoint.classes):
        raise UserError(f"{checkpoint.path}: knows {', '.join(checkpoint.classes)}; {dataset.name} has "
                        f"{', '.join(dataset.classes)}; choose its own data with --data")


def load(path):
    """The Checkpoint in a file, or in a run's folder. Raises UserError where there is none or it is not one."""
    path = Path(path)
    if path.is_dir():
        path = path / NAME
    if not path.exists():
        raise UserError(f"{path}: no such checkpoint; train one with: python -m minigooglenet train --out {path.parent}")
    arrays, metadata = safetensors_io.load(path)
    try:
        values = {key: json.loads(metadata[key]) for key in
                  ("config", "classes", "dataset", "normaliser", "input_shape", "progress", "generator")}
        values["config"] = Config(**values["config"])
        values["normaliser"] = Normaliser(*(np.array(v) for v in values["normaliser"]))
        return Checkpoint(path, arrays=arrays, **values)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: holds arrays, but not a training run of ours ({error}); "
                        "choose a checkpoint.safetensors that train has written") from error
