"""The initializers of an ONNX model as the weights of GoogLeNet. Three kinds of names are known:

    conv1/7x7_s2_w_0     of the ONNX model zoo, which are Caffe's; the zoo's GoogLeNet holds the weights of 2014
    conv1/w              of this package's ``export``, whose metadata define network and preprocessing
    conv1.conv.weight    of torchvision's state_dict

ONNX has the layout of PyTorch: convolutions (F, C, KH, KW), dense layers (F, D) with D over (C, H, W).
Source: ONNX model zoo, validated/vision/classification/inception_and_googlenet/googlenet.
"""

from collections.abc import Mapping
from pathlib import Path

from ..errors import UserError
from ..layers.base import Array, Shape
from .caffemodel import TRUNK
from .layout import dense_to_io, filters_to_hwio
from .loading import check_values
from .names import shown
from .onnx_file import read_model
from .onnx_tensor import Tensor
from .torchvision import from_torchvision, is_torchvision
from .wire import WireError

ZOO = {f"{caffe}_{array}_0": f"{ours}/{array}" for caffe, ours in TRUNK.items() for array in "wb"}    # name -> our path

#: "variant" in the metadata of an export -> that of models/googlenet.py
VARIANTS = {"bvlc": "bvlc", "googlenet": "bvlc", "torchvision": "torchvision", "googlenet-torchvision": "torchvision"}
EXPECTED = "expected GoogLeNet: the ONNX model zoo's, torchvision's, or an export of this package"


def read_onnx(path: Path | str) -> tuple[str, dict[str, Array], dict[str, str]]:
    """(variant, {our path: array}, metadata) of a GoogLeNet in an ``.onnx`` file; without auxiliary classifiers.

    variant: "bvlc", "torchvision", or what the metadata of an export say. The metadata are those of the file; the zoo's
    has none. The names are checked here, the shapes when the arrays enter a network.

    Raises UserError that names the file: if it is no ONNX model, keeps its weights in another file, is not a GoogLeNet,
    or has weights that are not finite.
    """
    model = read_model(path)
    found = {name: tensor for name, tensor in model.tensors.items() if tensor.real and tensor.shape}
    variant = model.properties.get("variant", "")
    if "config" in model.properties or variant in VARIANTS and "conv1/w" in found:
        arrays = {name: _ours(tensor, f"{path}: {shown(name)}") for name, tensor in found.items()}
        variant = VARIANTS.get(variant, variant)
    elif is_torchvision(found):
        variant = "torchvision"
        arrays = from_torchvision({name: _values(tensor, f"{path}: {shown(name)}") for name, tensor in found.items()},
                                  path)
    else:
        variant = "bvlc"
        arrays = _from_zoo(found, path)
    for name, array in arrays.items():
        check_values(name, array, path)
    return variant, arrays, model.properties


def reorder(arrays: Mapping[str, Array], flattened: Mapping[str, Shape]) -> dict[str, Array]:
    """``arrays`` with the rows of dense layers that read flattened maps in our order.

    flattened: {path of the layer: (H, W, C)}. Raises ValueError for an array that does not fit.
    """
    layers = {f"{path}/w": shape for path, shape in flattened.items()}
    return {name: dense_to_io(array.T, layers[name]) if name in layers else array for name, array in arrays.items()}


def _from_zoo(found, path):
    unknown, missing = [name for name in found if name not in ZOO], [name for name in ZOO if name not in found]
    if unknown or missing:
        odd = (f"has an array '{shown(unknown[0])}'" if unknown else
               f"lacks {len(missing)} arrays, first '{missing[0]}'")
        raise UserError(f"{path}: {odd}; {EXPECTED}")
    return {ZOO[name]: _ours(tensor, f"{path}: {shown(name)}") for name, tensor in found.items()}


def _ours(tensor: Tensor, where):
    array = _values(tensor, where)
    return filters_to_hwio(array) if array.ndim == 4 else dense_to_io(array) if array.ndim == 2 else array.copy()


def _values(tensor, where):
    try:
        return tensor.array()
    except WireError as error:
        raise UserError(f"{where}: {error}") from error
