"""The names of torchvision's GoogLeNet: its ``state_dict`` for our variant "torchvision", in both directions.

    inception3a.branch2.1.conv.weight   (F, C, KH, KW)   is our   3a/3x3/w         (KH, KW, C, F)
    inception3a.branch2.1.bn.weight     (F,)                      3a/3x3_bn/gamma
                      …  bias, running_mean, running_var          …  beta, mean, variance
    aux1.fc1.weight                     (1024, 2048)              aux1/fc/w        (2048, 1024)

torchvision flattens maps as (C, H, W), this package as (H, W, C): the rows of the heads' first dense layer are
reordered. Every number is only moved, so there and back is the same bit for bit.

Source: torchvision, models/googlenet.py.
"""

import numpy as np

from ..errors import UserError
from .caffemodel import HEAD_PICTURE, MODULES
from .layout import filters, filters_back, rows, rows_back

BRANCHES = {"1x1": "branch1", "3x3_reduce": "branch2.0", "3x3": "branch2.1", "5x5_reduce": "branch3.0",
            "5x5": "branch3.1", "pool_proj": "branch4.1"}

UNITS = {  # our convolution, with batch norm -> torchvision's BasicConv2d
    "conv1": "conv1", "conv2_reduce": "conv2", "conv2": "conv3",
    **{f"{module}/{ours}": f"inception{module}.{theirs}" for module in MODULES for ours, theirs in BRANCHES.items()},
    "aux1/conv": "aux1.conv", "aux2/conv": "aux2.conv",
}
DENSE = {"aux1/fc": "aux1.fc1", "aux1/linear": "aux1.fc2", "aux2/fc": "aux2.fc1", "aux2/linear": "aux2.fc2",
         "linear": "fc"}
NORM = {"gamma": "weight", "beta": "bias", "mean": "running_mean", "variance": "running_var"}

NAMES = {  # our path -> torchvision's name, of every array
    **{f"{ours}/w": f"{theirs}.conv.weight" for ours, theirs in UNITS.items()},
    **{f"{ours}_bn/{a}": f"{theirs}.bn.{b}" for ours, theirs in UNITS.items() for a, b in NORM.items()},
    **{f"{ours}/{a}": f"{theirs}.{b}" for ours, theirs in DENSE.items() for a, b in (("w", "weight"), ("b", "bias"))},
}
COUNTER = "num_batches_tracked"  # torch counts training steps beside each batch norm, and makes no use of it here
HEADS = ("aux1", "aux2")
_C, _H, _W = HEAD_PICTURE
FLATTENED = {"aux1/fc/w": (_H, _W, _C), "aux2/fc/w": (_H, _W, _C)}  # the maps whose pixels these weights see


def to_torchvision(net):
    """{torchvision's name: array} of a network of ``googlenet("torchvision")``: a ``state_dict`` to be loaded as it is.

    Raises UserError for a network of another variant.
    """
    return renamed(net.parameters() | net.state())


def renamed(arrays):
    """The same from {our path: array}."""
    if strange := [path for path in arrays if path not in NAMES]:
        raise UserError(f"torchvision has no name for {strange[0]}; only GoogLeNet's variant \"torchvision\" has "
                        "weights that its network can take")
    theirs = {}
    for path, array in arrays.items():
        if array.ndim == 4:
            array = filters(array)
        elif array.ndim == 2:
            array = rows(array, FLATTENED.get(path))
        theirs[NAMES[path]] = array.copy()
        if path.endswith("_bn/variance"):
            theirs[NAMES[path].replace(NORM["variance"], COUNTER)] = np.array(0, np.int64)
    return theirs


def from_torchvision(arrays, where="state_dict"):
    """{our path: array} from {torchvision's name: array}, in the order of the table.

    Raises UserError, beginning with ``where``, for a name that torchvision's GoogLeNet does not have, for a missing one
    and for an array with a wrong number of axes. A file may leave out both heads.
    """
    came = {name: array for name, array in arrays.items() if not name.endswith(COUNTER)}
    heads = any(name.startswith(HEADS) for name in came)
    wanted = {path: name for path, name in NAMES.items() if heads or not path.startswith(HEADS)}
    strange, missing = sorted(came.keys() - wanted.values()), [name for name in wanted.values() if name not in came]
    if strange or missing:
        odd = f"has an array {strange[0]!r}" if strange else f"lacks {len(missing)} arrays, first {missing[0]!r}"
        raise UserError(f"{where}: {odd}; expected the state_dict of torchvision's GoogLeNet")
    return {path: _ours(path, np.asarray(came[name]), f"{where}: {name}") for path, name in wanted.items()}


def _ours(path, array, where):
    axes = 1 if not path.endswith("/w") else 2 if path[:-2] in DENSE else 4
    flattened = FLATTENED.get(path)
    if array.ndim != axes or (flattened and array.shape[1] != np.prod(flattened)):
        raise UserError(f"{where} came {'×'.join(map(str, array.shape))}; that is not torchvision's GoogLeNet")
    if axes == 4:
        return filters_back(array)
    return rows_back(array, flattened) if axes == 2 else array.copy()


def is_torchvision(names):
    """Whether these names of arrays are torchvision's and not ours."""
    return "conv1.conv.weight" in names
