"""Packages that only a few commands need, and that nobody has to install for the rest."""

import importlib

from .errors import UserError

#: package -> the extra of pyproject.toml that brings it
EXTRAS = {"onnx": "onnx", "onnxruntime": "onnx", "mpi4py": "mpi"}


def need(package, what):
    """The module ``package``. Raises UserError with the extra to install, if it is missing; ``what`` wants it."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise UserError(f"{what} needs the package {package}, which is not installed; install the extra: "
                        f"python -m pip install -e '.[{EXTRAS[package]}]'") from error
