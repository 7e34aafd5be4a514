"""Which pictures to train on: by name, by folder, or the best there is."""

from pathlib import Path

from ..errors import UserError
from . import cifar10, shapes10
from .dataset import Dataset
from .records import read_folder


def load(name=None, root="datasets", progress=True):
    """The data set called "cifar10" or "shapes10", or the one in the folder ``name``; a ``Dataset``.

    * "cifar10" is read from ``root``, and fetched to there first if need be.
    * "shapes10" is read from ``root``, and drawn first if need be.
    * Any other name is a folder in the binary layout of CIFAR-10 (``data.records``), or one that holds
      ``cifar-10-batches-bin`` or ``shapes-10-batches-bin``.
    * None means CIFAR-10 if it is in ``root`` or can be fetched now, else Shapes-10 with a ``note`` that says so.

    MINIGOOGLENET_OFFLINE=1 in the environment forbids to fetch. Raises UserError for what cannot be had or read.
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
            raise                       # it is there, but damaged: that is for the user to mend
        data, note = shapes10.load(root)
        why = (f"Shapes-10 stands in for CIFAR-10, which is neither in {root} nor to be fetched just now "
               f"(why: {cifar10.COMMAND})")
        return _dataset("shapes10", data, f"{why}; {note}" if note else why)


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
