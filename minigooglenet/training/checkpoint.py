"""A training run on disk: everything needed to resume it bit for bit, or to use the network.

``checkpoint.safetensors`` in the run's folder holds these arrays, and JSON in its metadata:

    weights/PATH    the parameters                state/PATH    running statistics
    velocity/PATH   the optimizer's velocities    average/PATH  averaged weights and statistics, used for inference
    best/PATH       fine-tuning's best weights, of the layers that it trains, used for inference

    format, config, classes, dataset, normalizer (mean and std per channel), preprocessing (order of the channels; size
    of the crop, after the shorter side of an image was resized to "shorter"), input_shape, generator (state of the
    generator that dropout draws from), progress (step, seconds, sums, sums at the last row of steps.csv
    ("logged"), history, average_steps; source and fingerprint of the images; finetune: what training/finetune.py adds)

Files are replaced atomically (files.py): after a crash the previous checkpoint is intact.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..data.dataset import Dataset, Normalizer
from ..data.mapped import chunks
from ..errors import UserError
from ..files import parse_json
from ..hints import hint
from ..layers.base import Array, Shape
from ..weights import safetensors_io
from ..weights.names import shown
from .config import Config

NAME = "checkpoint.safetensors"
FILES = (NAME, "log.csv", "steps.csv", "curve.png")  # what a run writes
FORMAT = "minigooglenet checkpoint 2"
LARGEST_SIDE = 512      # pixels: a checkpoint of a few MB must not ask for activations of many GB


@dataclass
class Checkpoint:
    """The content of a file."""

    path: Path
    config: Config
    classes: list[str]
    dataset: str
    normalizer: Normalizer
    input_shape: Shape
    progress: dict
    generator: dict
    arrays: dict[str, Array] = field(repr=False)

    def group(self, prefix: str) -> dict[str, Array]:
        """{PATH: array} of the arrays called ``prefix/PATH``."""
        start = len(prefix) + 1
        return {name[start:]: array for name, array in self.arrays.items() if name.startswith(prefix + "/")}

    @property
    def dataset_source(self) -> str:
        """The argument with which ``data.load`` finds the images again: their folder, or the name of a known set."""
        source = self.progress["source"]
        known = self.dataset in ("cifar10", "cifar100", "shapes10")
        return self.dataset if known and not Path(source).is_dir() else source

    def inference_arrays(self) -> dict[str, Array]:
        """{PATH: array} for tests and predictions: the averages or the best, if there are any."""
        groups = ("weights", "state", "average", "best")
        return {path: array for group in groups for path, array in self.group(group).items()}

    def check_config(self, config: Config) -> None:
        """Raise UserError unless a run with ``config`` may resume from here."""
        if different := self.config.differences(config):
            raise UserError(f"{self.path}: the run has {different}; a resumed run keeps its settings, so leave these "
                            "options out, or start another run")

    def check_images(self, name: str, fingerprint: str, source: str | None = None) -> None:
        """Raise UserError unless the data set ``name`` with this fingerprint is the one that the run trains on.

        ``source``: where it was found.
        """
        if self.progress.get("fingerprint") != fingerprint:
            if source == self.progress["source"]:
                raise UserError(f"{self.path}: the images in {source} have changed since the run was started; put the "
                                "old ones back, or start another run")
            raise UserError(f"{self.path}: the run trains on other images ({self.dataset} in "
                            f"{self.progress['source']}) than those of {name}; name their folder with --data")

    def check_classes(self, dataset: Dataset) -> None:
        """Raise UserError unless ``dataset`` has the classes that the network was trained for."""
        if list(dataset.classes) != list(self.classes):
            raise UserError(f"{self.path}: has the classes {', '.join(self.classes)}, but {dataset.name} has "
                            f"{', '.join(dataset.classes)}; choose the run's own data with --data")


def save(folder: Path | str, *, config: Config, classes: list[str], dataset: str, normalizer: Normalizer,
         input_shape: Shape, progress: dict, generator: dict, groups: dict[str, dict[str, Array]]) -> None:
    """Write a checkpoint. ``groups`` is {prefix: {PATH: array}}."""
    arrays = {f"{prefix}/{name}": array for prefix, group in groups.items() for name, array in group.items()}
    metadata = {
        "format": FORMAT, "config": dataclasses.asdict(config), "classes": classes,
        "dataset": dataset, "normalizer": [list(map(float, normalizer.mean)), list(map(float, normalizer.std))],
        "preprocessing": {"order": normalizer.order, "size": input_shape[0],
                          "shorter": config.stored or input_shape[0]},
        "input_shape": list(input_shape), "progress": progress, "generator": generator,
    }
    safetensors_io.save(Path(folder) / NAME, arrays, {key: json.dumps(value) for key, value in metadata.items()})


def load(path: Path | str) -> Checkpoint:
    """The Checkpoint in a file or in a run's folder. Raises UserError if there is none, or for any other file."""
    path = Path(path)
    if path.is_dir() or not path.exists() and path.suffix != ".safetensors":
        path = path / NAME
    if not path.exists():
        raise UserError(f"{path}: no such checkpoint; train one with: "
                        f"{hint('train', f'--out {path.parent}')}")
    arrays, metadata = safetensors_io.load(path)
    try:
        values = _in_current_names({key: parse_json(text) for key, text in metadata.items()})
        check_input_shape(values["input_shape"], path)
        mean, std = np.array(values["normalizer"], float)
        normalizer = Normalizer(mean, std, values.get("preprocessing", {}).get("order", "RGB"))
        _check_metadata(values, mean, std)
        return Checkpoint(path, Config(**values["config"]), values["classes"], values["dataset"], normalizer,
                          tuple(values["input_shape"]), values["progress"], values["generator"], arrays)
    except UserError as error:
        raise error if str(error).startswith(str(path)) else UserError(f"{path}: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{path}: a safetensors file, but not a checkpoint of this package ({reason}); "
                        "choose a checkpoint.safetensors written by train") from error


def check_input_shape(shape: object, where: object) -> None:
    """Raise UserError, starting with ``where``, unless ``shape`` is (H, W, C) of images that a run can train on."""
    match shape:
        case [int(H), int(W), int(C)] if all(1 <= size <= LARGEST_SIDE for size in (H, W, C)):
            return
    raise UserError(f"{where}: images of shape {shown(str(shape))}, expected (H, W, C) of at most {LARGEST_SIDE} each")


def _check_metadata(values, mean, std):
    """Raise ValueError unless the metadata have the types of those that a run writes."""
    progress, numbers = values["progress"], (int, float)
    if not (values["classes"] and _is_list(values["classes"], str) and isinstance(values["dataset"], str)):
        raise ValueError("its classes or its data set are not named")
    if not (mean.shape == std.shape == (values["input_shape"][2],) and np.isfinite([mean, std]).all()
            and (std > 0).all()):
        raise ValueError("its normalizer is not a finite mean and a positive std per channel")
    if values.get("preprocessing", {}).get("order", "RGB") not in ("RGB", "BGR"):
        raise ValueError("its preprocessing is not in the order RGB or BGR")
    if not (isinstance(progress["source"], str) and type(progress["step"]) is int and progress["step"] >= 0
            and isinstance(progress["seconds"], numbers) and isinstance(progress.get("average_steps", 0), int)
            and all(_is_list(list(progress.get(name, {}).values()), numbers) for name in ("sums", "logged"))
            and _is_list(progress["history"], dict)):
        raise ValueError("its progress is not that of a run")
    np.random.default_rng().bit_generator.state = values["generator"]       # raises unless it is a state


def _is_list(values, kind):
    return isinstance(values, list) and all(isinstance(value, kind) for value in values)


def _in_current_names(values: dict) -> dict:
    """The metadata with the current names of two entries; ``safetensors_io`` renames the arrays of version 0.1."""
    for entries, old, new in ((values, "normaliser", "normalizer"), (values["progress"]["sums"], "pictures", "images")):
        if old in entries:
            entries[new] = entries.pop(old)
    return values


def fingerprint(dataset: Dataset) -> str:
    """A hexadecimal SHA-256 digest of all images, labels and class names of a Dataset."""
    digest = hashlib.sha256(json.dumps(list(dataset.classes)).encode())
    for array in (dataset.x_train, dataset.y_train, dataset.x_test, dataset.y_test):
        digest.update(str(array.shape).encode())
        for part in chunks(array):  # a memory-mapped array is never in memory as a whole
            digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()


@contextlib.contextmanager
def claimed(folder: Path | str) -> Iterator[Path]:
    """Inside, no other process can claim this folder for a run. Raises UserError if one has, or if it cannot be made.

    The claim is a lock on the folder itself: it leaves no file and ends with the process, even with kill -9. File
    systems without locks are used without. On entry, temporary files of a killed run are removed; on exit, the folder
    if it was made here and is empty.
    """
    folder = Path(folder)
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        Path(os.path.realpath(folder)).mkdir(parents=True, exist_ok=True)  # a link may point to a folder to be made
    except OSError as error:
        reason = "not a folder" if isinstance(error, FileExistsError) else error.strerror or error
        raise UserError(f"{folder / NAME}: cannot be written ({reason}); choose another folder") from error
    lock = _lock(folder)
    try:
        remove_partial_files(folder)
        yield folder
    finally:
        for path in made:
            with contextlib.suppress(OSError):
                path.rmdir()
        if lock is not None:
            os.close(lock)


def _lock(folder):
    """An open file descriptor that holds the lock, or None where there are no locks."""
    lock = None
    try:
        import fcntl
        lock = os.open(folder, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise UserError(f"{folder}: another process trains in this folder; wait for it, or choose another --out"
                        ) from error
    except (ImportError, OSError):
        pass  # not POSIX, a folder that cannot be read, or a file system without locks
    return lock


def remove_partial_files(folder: Path | str) -> None:
    """Remove temporary files of ``write_atomically`` that a killed process may have left in a run's folder."""
    for name in FILES:
        for leftover in Path(folder).glob(f".{name}.*.part"):
            with contextlib.suppress(OSError):
                leftover.unlink()
