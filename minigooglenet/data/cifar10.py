"""CIFAR-10: the names and functions of ``data.cifar`` for this data set."""

from pathlib import Path

from . import cifar
from .cifar import CIFAR10, CLASSES
from .records import Arrays

FOLDER = CIFAR10.folder
FILES = list(CIFAR10.records)
COMMAND = CIFAR10.command

__all__ = ["CLASSES", "COMMAND", "FILES", "FOLDER", "fetch", "present", "read"]


def present(root: Path | str = "datasets") -> bool:
    """Whether ``root`` contains a folder of CIFAR-10, complete or damaged."""
    return cifar.present(CIFAR10, root)


def fetch(root: Path | str = "datasets", from_file: Path | str | None = None, progress: bool = True) -> Path:
    """Put CIFAR-10 into ``root/cifar-10-batches-bin`` and return that folder, see ``cifar.fetch``."""
    return cifar.fetch(CIFAR10, root, from_file, progress)


def read(folder: Path | str) -> tuple[Arrays, str | None]:
    """``((x_train, y_train, x_test, y_test, classes), note)`` of a folder of CIFAR-10, see ``cifar.read``."""
    return cifar.read(CIFAR10, folder)
