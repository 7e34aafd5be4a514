"""From Caffe's file or torchvision's arrays to a file of our own, and to torchvision's: the same numbers under other
names and in another layout."""

import json

import numpy as np

from ..errors import UserError
from ..inference.photos import MEAN_BGR
from ..inputs import regular_file
from . import safetensors_io
from .caffemodel import caffe_parameters
from .torchvision import HEADS, from_torchvision, is_torchvision, renamed

FORMAT = "minigooglenet googlenet 1"

#: How a picture becomes input, for whoever reads the file: nothing in it has to be guessed.
WORDS = {
    "format": FORMAT, "variant": "bvlc", "layout": "NHWC; conv (KH, KW, C, F), dense (D, F)", "input": "224x224",
    "channels": "BGR", "mean": json.dumps(MEAN_BGR.tolist()), "scale": "0 to 255, the mean subtracted, not divided",
}

#: (mean, std) of each channel, red first, from 0 to 255. torchvision's released weights came from TensorFlow and want
#: pixels from -1 to 1 (its ``transform_input=True`` makes these from the other); who trains its network from scratch
#: usually feeds the other, ImageNet's statistics.
PIXELS = {
    "tensorflow": ([127.5] * 3, [127.5] * 3),
    "imagenet": ([255 * m for m in (0.485, 0.456, 0.406)], [255 * s for s in (0.229, 0.224, 0.225)]),
}


def torchvision_words(pixels):
    """What WORDS says, for the variant of torchvision."""
    mean, std = PIXELS[pixels]
    return {"format": FORMAT, "variant": "torchvision", "layout": WORDS["layout"], "input": "224x224",
            "channels": "RGB", "mean": json.dumps(mean), "std": json.dumps(std),
            "scale": "0 to 255, the mean subtracted, then divided by std"}


def convert(source, target, heads=True, names="ours", pixels="tensorflow"):
    """Write a GoogLeNet as safetensors, and return {name: array} of what was written.

    source: Caffe's ``.caffemodel``, or a safetensors file with torchvision's names or one written here from it.
    names: "ours", or "torchvision" for a state_dict that torchvision's network loads. heads=False leaves out the
    auxiliary classifiers, half of the file, which inference never touches. pixels: a key of PIXELS, how pictures were
    prepared for torchvision's names, which do not say it.

    Raises UserError where ``source`` is no GoogLeNet, ``names`` cannot be had for it, or ``target`` cannot be written
    or is no ``.safetensors`` name.
    """
    if not str(target).endswith(".safetensors"):
        raise UserError(f"{target}: the file written is safetensors; give it a name that ends in .safetensors")
    refuse_pickles(source)
    if safetensors_io.is_safetensors(source):
        arrays, words = read_torchvision(source, pixels)
        arrays = {path: array for path, array in arrays.items() if heads or not path.startswith(HEADS)}
    else:
        arrays, words = caffe_parameters(source, heads=heads), WORDS
    if names == "torchvision":
        try:
            arrays = renamed(arrays)
        except UserError as error:
            raise UserError(f"{source}: {error}") from error
        words = {"format": "pt"}  # what PyTorch's readers of safetensors look for
    safetensors_io.save(target, arrays, words)
    return arrays


def read_converted(path):
    """{our name: array} from a file that ``convert`` wrote from Caffe's. Raises UserError if it is another, or made
    otherwise."""
    arrays, words = safetensors_io.load(path)
    _same_words(path, words, WORDS)
    return arrays


def read_torchvision(path, pixels="tensorflow"):
    """({our path: array}, words) of the variant "torchvision", from a safetensors file under its names or ours.

    Under its names the file does not say how pictures were prepared: as ``pixels`` has it. Raises UserError if it is
    another file, or made otherwise.
    """
    arrays, words = safetensors_io.load(path)
    if is_torchvision(arrays):
        return from_torchvision(arrays, path), torchvision_words(pixels)
    _same_words(path, words, {key: word for key, word in torchvision_words(pixels).items()
                              if key not in ("mean", "std")})
    try:
        mean, std = (np.asarray(json.loads(words.get(key, "null")), float) for key in ("mean", "std"))
        good = mean.shape == std.shape == (3,) and np.isfinite([mean, std]).all() and (std > 0).all()
    except (ValueError, TypeError):
        good = False
    if not good:
        raise UserError(f"{path}: its mean or std are not three numbers each; make it again with: "
                        "python -m minigooglenet convert")
    return arrays, words


def refuse_pickles(path):
    """Raise UserError for what ``torch.save`` wrote."""
    regular_file(path, "the weights")
    with open(path, "rb") as file:
        head = file.read(4)
    if head[:1] == b"\x80" and head[1:2] <= b"\x05" or head == b"PK\x03\x04" and str(path).endswith((".pt", ".pth")):
        raise UserError(f"{path}: a pickle of PyTorch's, which may run any code when read, so it is not read here; in "
                        "PyTorch, write it anew with: safetensors.torch.save_file(state_dict, 'net.safetensors')")


def _same_words(path, words, wanted):
    for key, expected in wanted.items():
        if words.get(key) != expected:
            raise UserError(f"{path}: its {key} is {words.get(key, 'not given')!r}, expected {expected!r}; "
                            "make it again from the original with: python -m minigooglenet convert")
