"""A training run on disk: everything that is needed to go on as if nothing had happened, or to use the network.

``checkpoint.safetensors`` in the run's folder holds these arrays, and JSON in its metadata:

    weights/PATH    the parameters            state/PATH    running statistics
    velocity/PATH   the optimiser's           average/PATH  the averaged weights and statistics, which are for use

    config, classes, dataset, normaliser (mean and std per channel), input_shape, generator (the state of the one that
    dropout draws from), progress (step, seconds, sums, history, average_steps; where the pictures were, and their
    fingerprint)

The file is written under another name, flushed and renamed: after a crash the previous one is still whole.
"""

import contextlib
import dataclasses
import hashlib
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
        """What ``data.load`` takes to find the pictures again: their folder, or the name of a set it can get anew."""
        source = self.progress["source"]
        return self.dataset if self.dataset in ("cifar10", "shapes10") and not Path(source).is_dir() else source

    def for_use(self):
        """{PATH: array} to test or predict with: the average if there is one."""
        return self.part("average") or {**self.part("weights"), **self.part("state")}

    def same_config(self, config):
        """Raise UserError unless a run with ``config`` may go on from here."""
        if different := self.config.differences(config):
            raise UserError(f"{self.path}: was begun with {different}; a resumed run keeps its settings, so leave "
                            "these options out, or begin another run")

    def same_pictures(self, name, fingerprint):
        """Raise UserError unless the pictures called ``name`` are those that the run was begun with."""
        if self.progress.get("fingerprint") != fingerprint:
            raise UserError(f"{self.path}: was begun with other pictures ({self.dataset} in {self.progress['source']}) "
                            f"than these of {name}; name the folder that holds them with --data")


def save(folder, *, config, classes, dataset, normaliser, input_shape, progress, generator, parts):
    """Write a checkpoint. ``parts`` is {prefix: {PATH: array}}."""
    arrays = {f"{prefix}/{name}": array for prefix, part in parts.items() for name, array in part.items()}
    metadata = {
        "format": "minigooglenet checkpoint 1", "config": dataclasses.asdict(config), "classes": classes,
        "dataset": dataset, "normaliser": [list(map(float, normaliser.mean)), list(map(float, normaliser.std))],
        "input_shape": list(input_shape), "progress": progress, "generator": generator,
    }
    safetensors_io.save(Path(folder) / NAME, arrays, {key: json.dumps(value) for key, value in metadata.items()})


def fingerprint(dataset):
    """A number in hexadecimal that differs when any picture, label or class name of a Dataset does (SHA-256)."""
    digest = hashlib.sha256(json.dumps(list(dataset.classes)).encode())
    for array in (dataset.x_train, dataset.y_train, dataset.x_test, dataset.y_test):
        digest.update(str(array.shape).encode())
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()


def tidy(folder):
    """Remove what a killed process may have left half-written beside the checkpoint."""
    for leftover in Path(folder).glob(f".{NAME}.*.part"):
        with contextlib.suppress(OSError):
            leftover.unlink()


def same_classes(checkpoint, dataset):
    """Raise UserError unless the pictures have the classes that the network was trained for."""
    if list(dataset.classes) != list(checkpoint.classes):
        raise UserError(f"{checkpoint.path}: knows {', '.join(checkpoint.classes)}; {dataset.name} has "
                        f"{', '.join(dataset.classes)}; choose its own data with --data")


def load(path):
    """The Checkpoint in a file, or in a run's folder. Raises UserError where there is none or it is not one."""
    path = Path(path)
    if path.is_dir() or not path.exists() and path.suffix != ".safetensors":
        path = path / NAME
    if not path.exists():
        raise UserError(f"{path}: no such checkpoint; train one with: python -m minigooglenet train --out "
                        f"{path.parent}")
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
