"""From Caffe's file to one of our own: the same numbers under our names and in our layout."""

import json

from ..errors import UserError
from ..inference.photos import MEAN_BGR
from . import safetensors_io
from .caffemodel import caffe_parameters

FORMAT = "minigooglenet googlenet 1"

#: How a picture becomes input, for whoever reads the file: nothing in it has to be guessed.
WORDS = {
    "format": FORMAT, "variant": "bvlc", "layout": "NHWC; conv (KH, KW, C, F), dense (D, F)", "input": "224x224",
    "channels": "BGR", "mean": json.dumps(MEAN_BGR.tolist()), "scale": "0 to 255, the mean subtracted, not divided",
}


def convert(source, target, heads=True):
    """Read a GoogLeNet ``.caffemodel`` and write it as safetensors, float32; returns {our name: array}.

    ``heads=False`` leaves out the auxiliary classifiers, half of the file, which inference never touches.
    Raises UserError where ``source`` is no GoogLeNet or ``target`` cannot be written or is no ``.safetensors`` name.
    """
    if not str(target).endswith(".safetensors"):
        raise UserError(f"{target}: the file written is safetensors; give it a name that ends in .safetensors")
    arrays = caffe_parameters(source, heads=heads)
    safetensors_io.save(target, arrays, WORDS)
    return arrays


def read_converted(path):
    """{our name: array} from a file that ``convert`` wrote. Raises UserError if it is another, or made otherwise."""
    arrays, words = safetensors_io.load(path)
    for key, expected in WORDS.items():
        if words.get(key) != expected:
            raise UserError(f"{path}: its {key} is {words.get(key, 'not given')!r}, expected {expected!r}; "
                            "make it again from the .caffemodel with: python -m minigooglenet convert")
    return arrays
