"""Exceptions with messages for the user, and imports of packages that only a few commands need."""

import importlib
from types import ModuleType

from .hints import install


class UserError(Exception):
    """Wrong input: a file, a value, an option. The command line prints its one line and exits with code 2.

    The message names the subject, what was found, and how to fix it: ``data_batch_1.bin: 12 bytes, expected
    30,730,000; fetch it again with: make data``.
    """


class ShapeError(ValueError):
    """An array that does not fit a layer. Containers prepend the layer's path as the error propagates."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.path: list[str] = []

    def inside(self, name: str) -> "ShapeError":
        """The same error, with the name of a container in front of its path."""
        self.path.insert(0, name)
        return self

    def __str__(self) -> str:
        path, message = "/".join(filter(None, self.path)), super().__str__()  # a block's layer has an empty name
        return f"{path}: {message}" if path else message


def shown(name: object, longest: int = 60) -> str:
    """A name from a file or a folder for a message: one line of at most ``longest`` characters, which all terminals
    print: control characters and bytes that are not UTF-8 are escaped."""
    text = str(name)
    text = text if text.isprintable() else ascii(text)[1:-1]
    return text if len(text) <= longest else text[:longest - 3] + "..."


#: package -> the extra in pyproject.toml that installs it
EXTRAS = {"onnx": "onnx", "onnxruntime": "onnx", "mpi4py": "mpi", "jupytext": "book", "nbclient": "book",
          "nbconvert": "book", "ipykernel": "book", "pygments": "book", "tensorboard": "tensorboard"}


def need(package: str, what: str) -> ModuleType:
    """Import ``package``, which ``what`` needs. Raises UserError that names the extra to install if it is missing."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        name = package.split(".")[0]
        raise UserError(f"{what} needs the package {name}, which is not installed; install the extra: "
                        f"{install(EXTRAS[name])}") from error
