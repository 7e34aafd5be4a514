"""The names of torchvision's GoogLeNet: its ``state_dict`` for our variant "torchvision", in both directions.

    inception3a.branch2.1.conv.weight   (F, C, KH, KW)   is our   3a/3x3/w         (KH, KW, C, F)
    inception3a.branch2.1.bn.weight     (F,)                      3a/3x3/bn/gamma
                      …  bias, running_mean, running_var          …  beta, mean, variance
    aux1.fc1.weight                     (1024, 2048)              aux1/fc/w        (2048, 1024)

torchvision flattens maps in the order (C, H, W), this package in the order (H, W, C), so the rows of the heads' first
dense layer are reordered. Values are only moved: a round trip reproduces every array bit for bit.

Source: torchvision, models/googlenet.py.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from ..errors import UserError
from ..layers.base import Array, Layer
from .caffemodel import HEAD_SHAPE, MODULES
from .layout import dense_to_io, dense_to_oi, filters_to_hwio, filters_to_oihw
from .names import shown

BRANCHES = {"1x1": "branch1", "3x3_reduce": "branch2.0", "3x3": "branch2.1", "5x5_reduce": "branch3.0",
            "5x5": "branch3.1", "pool_proj": "branch4.1"}

BLOCKS = {  # our conv–norm–ReLU block -> torchvision's BasicConv2d
    "conv1": "conv1", "conv2_reduce": "conv2", "conv2": "conv3",
    **{f"{module}/{ours}": f"inception{module}.{theirs}" for module in MODULES for ours, theirs in BRANCHES.items()},
    "aux1/conv": "aux1.conv", "aux2/conv": "aux2.conv",
}
DENSE = {"aux1/fc": "aux1.fc1", "aux1/linear": "aux1.fc2", "aux2/fc": "aux2.fc1", "aux2/linear": "aux2.fc2",
         "linear": "fc"}
NORM = {"gamma": "weight", "beta": "bias", "mean": "running_mean", "variance": "running_var"}

NAMES = {  # our path -> torchvision's name of every array
    **{f"{ours}/w": f"{theirs}.conv.weight" for ours, theirs in BLOCKS.items()},
    **{f"{ours}/bn/{a}": f"{theirs}.bn.{b}" for ours, theirs in BLOCKS.items() for a, b in NORM.items()},
    **{f"{ours}/{a}": f"{theirs}.{b}" for ours, theirs in DENSE.items() for a, b in (("w", "weight"), ("b", "bias"))},
}
COUNTER = "num_batches_tracked"  # PyTorch counts the training steps of each batch norm; the counter has no effect here
FIRST = "conv1.conv.weight"      # the name of the first array
HEADS = ("aux1", "aux2")
_C, _H, _W = HEAD_SHAPE
FLATTENED = {"aux1/fc/w": (_H, _W, _C), "aux2/fc/w": (_H, _W, _C)}  # the maps that these layers read, flattened


def to_torchvision(net: Layer) -> dict[str, Array]:
    """{torchvision's name: array} of a network from ``googlenet("torchvision")``: a complete ``state_dict``.

    Raises UserError for a network of another variant.
    """
    return to_torchvision_names(net.parameters() | net.state())


def to_torchvision_names(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """The same for {our path: array}."""
    if unknown := [path for path in arrays if path not in NAMES]:
        raise UserError(f"torchvision has no name for {unknown[0]}; only the variant \"torchvision\" of GoogLeNet can "
                        "be converted")
    theirs = {}
    for path, array in arrays.items():
        if array.ndim == 4:
            array = filters_to_oihw(array)
        elif array.ndim == 2:
            array = dense_to_oi(array, FLATTENED.get(path))
        theirs[NAMES[path]] = array.copy()
        if NAMES[path].endswith(NORM["variance"]):
            theirs[NAMES[path].removesuffix(NORM["variance"]) + COUNTER] = np.array(0, np.int64)
    return theirs


def from_torchvision(arrays: Mapping[str, Array], where: object = "state_dict") -> dict[str, Array]:
    """{our path: array} from {torchvision's name: array}, in the order of NAMES.

    A prefix that all names share is left out: "module." of DataParallel, "_orig_mod." of torch.compile, "model.".
    Raises UserError, starting with ``where``, for a name that torchvision's GoogLeNet does not have, for a missing name
    and for an array with a wrong number of axes. Both heads may be missing.
    """
    skip = len(_prefix(arrays) or "")
    found = {name[skip:]: array for name, array in arrays.items() if not name.endswith(COUNTER)}
    heads = any(name.startswith(HEADS) for name in found)
    wanted = {path: name for path, name in NAMES.items() if heads or not path.startswith(HEADS)}
    unknown, missing = sorted(found.keys() - wanted.values()), [name for name in wanted.values() if name not in found]
    if unknown or missing:
        odd = (f"has an array '{shown(unknown[0])}'" if unknown else
               f"lacks {len(missing)} arrays, first '{missing[0]}'")
        raise UserError(f"{where}: {odd}; expected the state_dict of torchvision's GoogLeNet")
    return {path: _ours(path, np.asarray(found[name]), f"{where}: {name}") for path, name in wanted.items()}


def _ours(path, array, where):
    axes = 1 if not path.endswith("/w") else 2 if path[:-2] in DENSE else 4
    flattened = FLATTENED.get(path)
    if array.ndim != axes or (flattened and array.shape[1] != np.prod(flattened)):
        raise UserError(f"{where} is {'×'.join(map(str, array.shape))}; that is not torchvision's GoogLeNet")
    if axes == 4:
        return filters_to_hwio(array)
    return dense_to_io(array, flattened) if axes == 2 else array.copy()


def is_torchvision(names: Iterable[str]) -> bool:
    """Whether these names of arrays are torchvision's, with or without a prefix that all of them share."""
    return _prefix(names) is not None


def _prefix(names):
    """What precedes torchvision's name in all of these names, such as "" or "module."; None for other names."""
    names = list(names)
    first = next((name for name in names if f".{name}".endswith(f".{FIRST}")), None)
    if first is None:
        return None
    prefix = first.removesuffix(FIRST)
    return prefix if all(name.startswith(prefix) for name in names) else None
