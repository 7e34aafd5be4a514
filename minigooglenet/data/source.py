"""Loading a data set by name, from a folder, or the best one available."""

from pathlib import Path

from ..errors import UserError
from . import cifar10, shapes10
from .dataset import Dataset
from .records import read_folder


def load(name: str | Path | None = None, root: str | Path = "datasets", progress: bool = True) -> Dataset:
    """The data set "cifar10" or "shapes10", or the one in the folder ``name``.

    * "cifar10" is read from ``root``; it is downloaded if it is missing.
    * "shapes10" is read from ``root``; it is generated if it is missing.
    * Any other name is a folder in the binary format of CIFAR-10 (``data.records``), or a folder that contains
      ``cifar-10-batches-bin`` or ``shapes-10-batches-bin``.
    * None means CIFAR-10 if it is in ``root`` or can be downloaded, else Shapes-10 with a ``note`` that says so.

    MINIGOOGLENET_OFFLINE=1 in the environment forbids downloads. Raises UserError if the data set is not available or
    not valid.
    """
    if name is None:
        return _best(Path(root), progress)
    if name == "cifar10":
        if not cifar10.present(root):
            cifar10.fetch(root, progress=progress)
        return _dataset("cifar10", *cifar10.read(Path(root) / cifar10.FOLDER))
    if name == "shapes10":
        return _dataset("shapes10", *shapes10.load(root))
    return _folder(Path(name))


def _best(root, progress):
    try:
        return load("cifar10", root, progress)
    except UserError:
        if cifar10.present(root):
            raise                       # it exists, but is damaged: the user has to decide
        data, note = shapes10.load(root)
        reason = (f"Shapes-10 replaces CIFAR-10, which is not in {root} and cannot be fetched "
                  f"(for the reason, run: {cifar10.COMMAND})")
        return _dataset("shapes10", data, f"{reason}; {note}" if note else reason)


def _folder(folder):
    if not any(folder.glob("data_batch_*.bin")):
        for inner in (cifar10.FOLDER, shapes10.FOLDER):
            if (folder / inner).is_dir():
                folder = folder / inner
                break
    if folder.resolve().name == cifar10.FOLDER:
        return _dataset("cifar10", *cifar10.read(folder))
    name = "shapes10" if folder.resolve().name == shapes10.FOLDER else folder.resolve().name
    return _dataset(name, read_folder(folder), None)


def _dataset(name, data, note):
    return Dataset(name, *data, note)
