"""Reading Caffe's ``.caffemodel`` without Caffe: a NetParameter message, layer by layer, blob by blob.

    NetParameter   { V1LayerParameter layers = 2;   LayerParameter layer = 100; }    legacy, newer
    V1Layer…       { string name = 4;   BlobProto blobs = 6; }
    Layer…         { string name = 1;   BlobProto blobs = 7; }
    BlobProto      { int32 num = 1, channels = 2, height = 3, width = 4;             legacy shape
                     float data = 5;   BlobShape shape = 7;   double double_data = 8; }
    BlobShape      { int64 dim = 1; }

Everything else (bottoms, tops, fillers, the learning-rate multipliers, ``diff``) is skipped. Source: caffe.proto of
BVLC Caffe 1.0, whose upgrade rules are followed where the two layouts differ.

Caffe stores a convolution as (F, C/g, KH, KW) and a fully connected layer as (F, D) with D running over (C, H, W);
this package keeps (KH, KW, C/g, F) and (D, F) with D over (H, W, C). ``to_nhwc`` turns the one into the other. Caffe's
pictures are **BGR**: the first convolution expects blue as channel 0 (``inference.photos.caffe_input`` delivers it).
"""

import math
import mmap

import numpy as np

from ..errors import UserError
from ..inputs import recognise, regular_file
from .wire import FIXED32, FIXED64, LENGTH, VARINT, Budget, WireError, as_signed, fields, read_varint

LARGEST = 2**31 - 1      # bytes: protobuf cannot write a longer message
MOST_FIELDS = 250_000    # the 2014 GoogLeNet spends some 5,000
MOST_AXES = 32           # Caffe's kMaxBlobAxes

_LEGACY, _NEWER = 2, 100                       # NetParameter's two lists of layers
_NAME_AND_BLOBS = {_LEGACY: (4, 6), _NEWER: (1, 7)}


def read_caffemodel(path):
    """{layer name: [blob, ...]} for every layer with weights, float32, in Caffe's own order and shape.

    Legacy blobs have four axes: a bias is (1, 1, 1, F), a fully connected weight (1, 1, F, D).

    The file is mapped, not read, and a length is believed only if that many bytes are there: memory stays near the size
    of the weights, whatever the file announces.
    Raises UserError naming the file where it is missing, foreign, cut short, oversized or malformed.
    """
    size = regular_file(path, "a .caffemodel", LARGEST)
    try:
        with open(path, "rb") as file:
            view = memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from error
    except ValueError as error:                # shorter than it was a moment ago
        raise UserError(f"{path}: changed while it was being opened; try again") from error
    head = bytes(view[:512])
    what = recognise(head)
    if what is None and head.lstrip().startswith((b"name:", b"layer {", b"layers {", b"input:")):
        what = "a prototxt (the structure as text), which holds no weights"
    elif what is None and all(byte >= 32 or byte in b"\n\r" for byte in head):
        what = "text"
    if what is not None:
        raise UserError(f"{path}: expected a .caffemodel, but this is {what}")
    try:
        layers = _read_net(view)
    except WireError as error:
        raise UserError(f"{path}: {error}; it is damaged or no .caffemodel, fetch it again") from error
    if not layers:
        raise UserError(f"{path}: no layer with weights in it; give a trained .caffemodel")
    return layers


def _read_net(view):
    budget, layers = Budget(MOST_FIELDS), {}
    for number, kind, value in fields(view, budget):
        if number not in _NAME_AND_BLOBS:
            continue
        name, blobs = _read_layer(_expect(kind, LENGTH, value, "a layer"), *_NAME_AND_BLOBS[number], budget)
        if not blobs:
            continue
        if name in layers:
            raise WireError(f"two layers are called {_short(name)}")
        layers[name] = blobs
    return layers


def _read_layer(view, name_field, blobs_field, budget):
    name, found = "", []
    for number, kind, value in fields(view, budget):
        if number == name_field:
            try:
                name = bytes(_expect(kind, LENGTH, value, "a layer's name")).decode()
            except UnicodeDecodeError as error:
                raise WireError("a layer's name is no text") from error
        elif number == blobs_field:
            found.append(_expect(kind, LENGTH, value, "a blob"))
    blobs = []
    for i, blob in enumerate(found):           # after the loop: only now is the name surely known
        try:
            blobs.append(_read_blob(blob, budget))
        except WireError as error:
            raise WireError(f"layer {_short(name)}, blob {i}: {error}") from error
    return name, blobs


def _read_blob(view, budget):
    legacy, shape, single, double = {}, None, bytearray(), bytearray()
    for number, kind, value in fields(view, budget):
        if 1 <= number <= 4:
            legacy[number] = as_signed(_expect(kind, VARINT, value, "a size"))
        elif number == 5:
            single += _numbers(kind, FIXED32, value)
        elif number == 7:
            shape = (shape or []) + _read_shape(_expect(kind, LENGTH, value, "a shape"), budget)
        elif number == 8:
            double += _numbers(kind, FIXED64, value)
    if legacy or shape is None:                # as Caffe: any of the four old numbers wins over a shape
        shape = [legacy.get(number, 0) for number in (1, 2, 3, 4)]
    if len(shape) > MOST_AXES or any(size < 0 for size in shape):
        raise WireError(f"impossible shape of {len(shape)} axes")
    raw, dtype = (double, "<f8") if double else (single, "<f4")
    if len(raw) % np.dtype(dtype).itemsize:
        raise WireError("ends in the middle of a weight")
    data = np.frombuffer(raw, dtype)
    if data.size == 0 or math.prod(shape) != data.size:
        raise WireError(f"{data.size:,} numbers for shape {_dims(shape)}")
    with np.errstate(all="ignore"):            # a double beyond float32 becomes inf; caffe_parameters refuses those
        return data.astype(np.float32, copy=False).reshape(shape)


def _read_shape(view, budget):
    dims = []
    for number, kind, value in fields(view, budget):
        if number != 1:
            continue
        if kind == VARINT:
            dims.append(as_signed(value))
            continue
        packed, at = _expect(kind, LENGTH, value, "a dimension"), 0
        while at < len(packed) and len(dims) <= MOST_AXES:
            dim, at = read_varint(packed, at)
            dims.append(as_signed(dim))
    return dims


def _numbers(kind, fixed, value):
    """The raw little-endian bytes of a repeated number, packed (LENGTH) or unpacked (a run of fixed records)."""
    if kind == fixed:
        return value.tobytes()
    return _expect(kind, LENGTH, value, "weights")


def _expect(kind, wanted, value, what):
    if kind != wanted:
        raise WireError(f"{what} with wire type {kind} where {wanted} belongs")
    return value


def _short(name):
    return repr(name if len(name) <= 60 else name[:57] + "...")


def _dims(shape):
    return "×".join(f"{size}" if size < 10**9 else "huge" for size in shape) or "()"


# ---------------------------------------------------------------------------------------------------------------------
# From Caffe's layout to ours


def to_nhwc(blobs, kind, flattened=None):
    """One layer's blobs as {"w": weights, "b": bias} in this package's layout (no "b" where Caffe had no bias).

        "conv"     (F, C/g, KH, KW)            ->  (KH, KW, C/g, F)
        "dense"    (F, D), legacy (1, 1, F, D) ->  (D, F)

    flattened: (C, H, W) if a dense layer reads a flattened picture with H·W > 1. Its D inputs then run over (C, H, W)
    in Caffe but over (H, W, C) here, and the rows are reordered.

    Raises UserError for blobs that are no such layer.
    """
    if kind not in ("conv", "dense"):
        raise ValueError(f"kind {kind!r}, expected 'conv' or 'dense'")
    if not 1 <= len(blobs) <= 2:
        raise UserError(f"{len(blobs)} blobs, expected weights and a bias")
    w = blobs[0]
    if kind == "dense":
        w = w.reshape(w.shape[2:]) if w.ndim == 4 and w.shape[:2] == (1, 1) else w
        if w.ndim != 2 or (flattened and math.prod(flattened) != w.shape[1]):
            raise UserError(f"weights of shape {_dims(blobs[0].shape)} are no dense layer"
                            + (f" over {_dims(flattened)} inputs" if flattened else ""))
        f = w.shape[0]
        if flattened:
            w = w.reshape(f, *flattened).transpose(0, 2, 3, 1).reshape(f, -1)    # (F, C·H·W) -> (F, H·W·C)
        w = w.T
    else:
        if w.ndim != 4:
            raise UserError(f"weights of shape {_dims(w.shape)} are no convolution")
        f = w.shape[0]
        w = w.transpose(2, 3, 1, 0)
    parts = {"w": np.ascontiguousarray(w)}
    if len(blobs) == 2:
        if blobs[1].size != f:
            raise UserError(f"{blobs[1].size} biases for {f} filters")
        parts["b"] = blobs[1].reshape(f)
    return parts


# ---------------------------------------------------------------------------------------------------------------------
# GoogLeNet by name

MODULES = ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")
BRANCHES = ("1x1", "3x3_reduce", "3x3", "5x5_reduce", "5x5", "pool_proj")

TRUNK = {  # Caffe's name -> our path, in the order of Table 1
    "conv1/7x7_s2": "conv1",
    "conv2/3x3_reduce": "conv2_reduce",
    "conv2/3x3": "conv2",
    **{f"inception_{module}/{branch}": f"{module}/{branch}" for module in MODULES for branch in BRANCHES},
    "loss3/classifier": "linear",
}
HEADS = {
    f"loss{i}/{caffe}": f"aux{i}/{ours}"
    for i in (1, 2) for caffe, ours in (("conv", "conv"), ("fc", "fc"), ("classifier", "linear"))
}
HEAD_PICTURE = (128, 4, 4)     # (C, H, W) that each head's fc flattens


def our_path(caffe_name):
    """``inception_4a/5x5_reduce`` -> ``4a/5x5_reduce``; None for a layer that GoogLeNet does not have."""
    return TRUNK.get(caffe_name) or HEADS.get(caffe_name)


def caffe_parameters(path, heads=True):
    """A GoogLeNet ``.caffemodel`` as {"conv1/w": (7, 7, 3, 64), "conv1/b": (64,), ...} in our names and layout.

    heads=False leaves the auxiliary heads out; a file that never had them (Caffe's deployed one) reads the same way.
    The first convolution stays BGR, as Caffe's pictures are.

    Raises UserError for what ``read_caffemodel`` refuses, for a layer that GoogLeNet does not have, a missing layer of
    the trunk, and weights that are not finite.
    """
    layers = read_caffemodel(path)
    strange = [name for name in layers if our_path(name) is None]
    missing = [name for name in TRUNK if name not in layers]
    if strange or missing:
        odd = f"has a layer {_short(strange[0])}" if strange else f"lacks {len(missing)} layers, first {missing[0]!r}"
        raise UserError(f"{path}: {odd}; expected Caffe's GoogLeNet (bvlc_googlenet.caffemodel)")
    parameters = {}
    for name, blobs in layers.items():
        if name in HEADS and not heads:
            continue
        ours = our_path(name)
        kind = "dense" if ours.endswith(("linear", "fc")) else "conv"
        try:
            parts = to_nhwc(blobs, kind, HEAD_PICTURE if ours.endswith("fc") else None)
        except UserError as error:
            raise UserError(f"{path}: layer {name!r}: {error}") from error
        for key, array in parts.items():
            if not np.isfinite(array).all():
                raise UserError(f"{path}: layer {name!r} holds numbers that are not finite; fetch the file again")
            parameters[f"{ours}/{key}"] = array
    return parameters
