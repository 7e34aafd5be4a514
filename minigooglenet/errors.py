"""Exceptions with messages for the user, and imports of packages that only a few commands need."""

import importlib
import unicodedata
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


def printable(text: object, allowed: str = "") -> str:
    """``text`` on one line, with control characters and bytes that are not UTF-8 escaped, as in ``repr``.

    A terminal obeys control characters: a file's name could hide lines or retitle the window. ``allowed`` are kept.
    """
    text = str(text)
    return text if text.isprintable() else "".join(
        one if one.isprintable() or one in allowed or unicodedata.category(one) == "Zs"   # spaces of all widths
        else ascii(one)[1:-1] for one in text)


def shown(name: object, longest: int = 60) -> str:
    """A name from a file or a folder for a message: ``printable``, at most ``longest`` characters."""
    text = printable(name)
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
