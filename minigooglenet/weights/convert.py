"""Conversion of weights from Caffe, ONNX and torchvision to our names and layout, and back to torchvision's."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..data.photos import MEAN_BGR
from ..errors import UserError
from ..files import parse_json, regular_file
from ..hints import hint
from ..layers.base import Array
from . import safetensors_io
from .caffemodel import CLASSIFIER, caffe_parameters
from .loading import check_values
from .names import shown
from .onnx_file import is_onnx
from .onnx_import import read_onnx
from .torchvision import HEADS, from_torchvision, is_torchvision, to_torchvision_names

FORMAT = "minigooglenet googlenet 1"

#: The metadata of a converted file, which define the preprocessing of images.
METADATA = {
    "format": FORMAT, "variant": "bvlc", "layout": "NHWC; conv (KH, KW, C, F), dense (D, F)", "input": "224x224",
    "channels": "BGR", "mean": json.dumps(MEAN_BGR.tolist()), "scale": "0 to 255, the mean subtracted, not divided",
}

#: (mean, std) per channel, red first, on the scale 0 to 255. torchvision's released weights come from TensorFlow and
#: expect pixels from -1 to 1 (``transform_input=True`` computes these from ImageNet-normalized ones); networks trained
#: from scratch usually expect normalization by ImageNet's statistics.
PIXELS = {
    "tensorflow": ([127.5] * 3, [127.5] * 3),
    "imagenet": ([255 * m for m in (0.485, 0.456, 0.406)], [255 * s for s in (0.229, 0.224, 0.225)]),
}


def torchvision_metadata(pixels: str) -> dict[str, str]:
    """The metadata of a converted file of the variant "torchvision"; ``pixels`` is a key of PIXELS."""
    mean, std = PIXELS[pixels]
    return {"format": FORMAT, "variant": "torchvision", "layout": METADATA["layout"], "input": "224x224",
            "channels": "RGB", "mean": json.dumps(mean), "std": json.dumps(std),
            "scale": "0 to 255, the mean subtracted, then divided by std"}


def convert(source: Path | str, target: Path | str, heads: bool = True, names: str = "ours",
            pixels: str = "tensorflow", classifier: str | None = None) -> dict[str, Array]:
    """Write a GoogLeNet as safetensors and return the written {name: array}.

    source: Caffe's ``.caffemodel``, GoogLeNet as ``.onnx``, a safetensors file with torchvision's names, or one
    converted from that.
    names: "ours", or "torchvision" for a state_dict that torchvision's network loads. heads=False omits the auxiliary
    classifiers, half of the file, which inference does not use. pixels: a key of PIXELS, the preprocessing of images
    for a file with torchvision's names, which does not define it. classifier: the name of the last fully connected
    layer in a ``.caffemodel``, if it is not Caffe's.

    Raises UserError if ``source`` is not a GoogLeNet, has weights that are not finite, or does not exist under these
    ``names``, or if ``target`` cannot be written or does not end in ``.safetensors``.
    """
    if not str(target).endswith(".safetensors"):
        raise UserError(f"{target}: the file written is safetensors; give it a name that ends in .safetensors")
    refuse_pickles(source)
    if is_safetensors(source):
        refuse_classifier(classifier, source)
        arrays, metadata = read_torchvision(source, pixels)
        arrays = {path: array for path, array in arrays.items() if heads or not path.startswith(HEADS)}
    elif is_onnx(source):
        refuse_classifier(classifier, source)
        arrays, metadata = _from_onnx(source, pixels)
    else:
        arrays, metadata = caffe_parameters(source, heads, classifier or CLASSIFIER), METADATA
    for path, array in arrays.items():
        check_values(path, array, source)
    if names == "torchvision":
        try:
            arrays = to_torchvision_names(arrays)
        except UserError as error:
            raise UserError(f"{source}: {error}") from error
        metadata = {"format": "pt"}  # required by PyTorch's readers of safetensors
    safetensors_io.save(target, arrays, metadata)
    return arrays


def _from_onnx(path, pixels):
    """({our path: array}, metadata) of the variants "bvlc" and "torchvision"."""
    variant, arrays, properties = read_onnx(path)
    usual = {"bvlc": METADATA, "torchvision": torchvision_metadata(pixels)}.get(variant)
    if usual is None or "config" in properties and "linear/w" not in arrays:
        raise UserError(f"{path}: a network of the variant '{shown(variant)}'; only GoogLeNet itself can be converted")
    given = {key: properties[key] for key in ("channels", "mean", "std") if key in properties and key in usual}
    if variant == "bvlc":
        _check_metadata(path, given, {key: METADATA[key] for key in given})
    return arrays, usual | given


def read_converted(path: Path | str) -> dict[str, Array]:
    """{path: array} from a file that ``convert`` wrote from Caffe's. Raises UserError for any other file."""
    arrays, metadata = safetensors_io.load(path)
    _check_metadata(path, metadata, METADATA)
    return arrays


def read_torchvision(path: Path | str, pixels: str = "tensorflow") -> tuple[dict[str, Array], dict[str, str]]:
    """({our path: array}, metadata) of the variant "torchvision", from a safetensors file with its names or ours.

    A file with torchvision's names does not define the preprocessing of images; ``pixels`` does. Raises UserError for
    any other file or metadata.
    """
    arrays, metadata = safetensors_io.load(path)
    if is_torchvision(arrays):
        return from_torchvision(arrays, path), torchvision_metadata(pixels)
    _check_metadata(path, metadata, {key: value for key, value in torchvision_metadata(pixels).items()
                                     if key not in ("mean", "std")})
    try:
        mean, std = (np.asarray(parse_json(metadata.get(key, "null")), float) for key in ("mean", "std"))
        valid = mean.shape == std.shape == (3,) and np.isfinite([mean, std]).all() and (std > 0).all()
    except (ValueError, TypeError, OverflowError):
        valid = False
    if not valid:
        raise UserError(f"{path}: its mean or std is not a list of three numbers; convert it again with: "
                        f"{hint('convert')}")
    return arrays, metadata


def is_safetensors(path: Path | str) -> bool:
    """Whether to read ``path`` as safetensors: because of its contents, or of its name, if the contents are damaged."""
    return Path(path).suffix == ".safetensors" or safetensors_io.is_safetensors(path)


def refuse_classifier(classifier: str | None, path: Path | str) -> None:
    """Raise UserError if the name of a classifier is given for another file than a ``.caffemodel``."""
    if classifier is not None:
        raise UserError(f"{path}: not a .caffemodel; leave out --classifier, since only Caffe's layers may be renamed")


def refuse_pickles(path: Path | str) -> None:
    """Raise UserError for a file that ``torch.save`` wrote."""
    regular_file(path, "the weights")
    with open(path, "rb") as file:
        head = file.read(4)
    pickle = head[:1] == b"\x80" and head[1:2] <= b"\x05"      # so may the length of a safetensors header begin
    archive = head == b"PK\x03\x04" and str(path).endswith((".pt", ".pth"))
    if archive or pickle and not safetensors_io.is_safetensors(path):
        raise UserError(f"{path}: a PyTorch pickle, which can run any code when it is loaded, so it is refused; in "
                        "PyTorch, save it with: safetensors.torch.save_file(state_dict, 'net.safetensors')")


def _check_metadata(path: Path | str, metadata: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    for key, expected in wanted.items():
        if metadata.get(key) != expected:
            raise UserError(f"{path}: its {key} is '{shown(metadata.get(key, 'not given'))}', expected '{expected}'; "
                            f"convert it again from the original with: {hint('convert')}")
