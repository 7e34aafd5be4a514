"""Reading Caffe's ``.caffemodel`` without Caffe. The file is a NetParameter message of layers and blobs:

    NetParameter   { V1LayerParameter layers = 2;   LayerParameter layer = 100; }    legacy, newer
    V1Layer…       { string name = 4;   BlobProto blobs = 6; }
    Layer…         { string name = 1;   BlobProto blobs = 7; }

``caffe_blob`` reads a BlobProto. All other fields (bottoms, tops, fillers, learning rate multipliers) are skipped.
Source: caffe.proto of BVLC Caffe 1.0, whose upgrade rules are followed where the two layouts differ.

Caffe stores a convolution as (F, C/g, KH, KW) and a fully connected layer as (F, D) with D over (C, H, W); this package
stores (KH, KW, C/g, F) and (D, F) with D over (H, W, C). ``to_nhwc`` converts between them. Caffe's images are **BGR**:
channel 0 of the first convolution is blue (see ``data.photos.caffe_input``).
"""

import contextlib
import math
from pathlib import Path

import numpy as np

from ..errors import UserError
from ..files import recognize
from ..hints import counted
from ..layers.base import Array, Shape
from .caffe_blob import dims_text, read_blob
from .loading import check_values
from .names import shown
from .wire import FIXED32, LENGTH, VARINT, Budget, WireError, expect, fields, map_file

LARGEST = 2**31 - 1      # bytes: the maximum size of a protobuf message
MOST_FIELDS = 250_000    # the GoogLeNet of 2014 has about 5,000
MOST_LOOKED_AT = 1000    # fields, to recognize another kind of file

_LEGACY, _NEWER = 2, 100                       # the two lists of layers in NetParameter
_NAME_AND_BLOBS = {_LEGACY: (4, 6), _NEWER: (1, 7)}


def read_caffemodel(path: Path | str) -> dict[str, list[Array]]:
    """{layer name: [blob, ...]} for every layer with weights, float32, in Caffe's order and shape.

    Legacy blobs have four axes: a bias is (1, 1, 1, F), a fully connected weight (1, 1, F, D).

    The file is memory-mapped, and each length is checked against the bytes that remain: memory use stays close to the
    size of the weights, even for a malicious file.
    Raises UserError that names the file if it is missing, of another kind, truncated, oversized or malformed.
    """
    view = map_file(path, "a .caffemodel", LARGEST)
    head = bytes(view[:512])
    what = recognize(head)
    if what is None and head.lstrip().startswith((b"name:", b"layer {", b"layers {", b"input:")):
        what = "a prototxt (the structure as text), which contains no weights"
    elif what is None and all(byte >= 32 or byte in b"\n\r" for byte in head):
        what = "text"
    what = what or _other_message(view)
    if what is not None:
        raise UserError(f"{path}: expected a .caffemodel, but this is {what}")
    try:
        layers = _read_net(view)
    except WireError as error:
        raise UserError(f"{path}: {error}; it is damaged or not a .caffemodel, fetch it again") from error
    if not layers:
        raise UserError(f"{path}: contains no layer with weights; give a trained .caffemodel")
    return layers


def _other_message(view):
    """The kind of another Protocol Buffers file, from the wire types of its fields; None for a NetParameter.

        NetParameter   string name = 1;   bool force_backward = 5, debug_info = 7;
        BlobProto      float data = 5;
        ModelProto     int64 ir_version = 1;   GraphProto graph = 7;                   of ONNX
        SolverState    int32 iter = 1;   string learned_net = 2;
    """
    found = {}
    with contextlib.suppress(WireError):       # a truncated file is still of its kind
        for number, kind, value in fields(view, Budget(MOST_LOOKED_AT)):
            found.setdefault(number, (kind, value))
    kinds = {number: kind for number, (kind, _) in found.items()}
    if kinds.get(5) in (LENGTH, FIXED32):
        return "a .binaryproto: a single array, such as the mean image"
    if kinds.get(1) == VARINT and kinds.get(7) == LENGTH:
        return "an ONNX model"
    if kinds.get(1) == VARINT and kinds.get(2) == LENGTH and b".caffemodel" in bytes(found[2][1][:4096]):
        return "a .solverstate, which only resumes training; the .caffemodel beside it contains the weights"
    return None


def _read_net(view):
    budget, layers = Budget(MOST_FIELDS), {}
    for number, kind, value in fields(view, budget):
        if number not in _NAME_AND_BLOBS:
            continue
        name, blobs = _read_layer(expect(kind, LENGTH, value, "a layer"), *_NAME_AND_BLOBS[number], budget)
        if not blobs:
            continue
        if name in layers:
            raise WireError(f"two layers are named '{shown(name)}'")
        layers[name] = blobs
    return layers


def _read_layer(view, name_field, blobs_field, budget):
    name, found = "", []
    for number, kind, value in fields(view, budget):
        if number == name_field:
            try:
                name = bytes(expect(kind, LENGTH, value, "a layer's name")).decode()
            except UnicodeDecodeError as error:
                raise WireError("a layer's name is not text") from error
        elif number == blobs_field:
            found.append(expect(kind, LENGTH, value, "a blob"))
    blobs = []
    for i, blob in enumerate(found):           # after the loop, because the name may come last
        try:
            blobs.append(read_blob(blob, budget))
        except WireError as error:
            raise WireError(f"layer '{shown(name)}', blob {i}: {error}") from error
    return name, blobs


# ---------------------------------------------------------------------------------------------------------------------
# From Caffe's layout to that of this package


def to_nhwc(blobs: list[Array], kind: str, flattened: Shape | None = None) -> dict[str, Array]:
    """The blobs of one layer as {"w": weights, "b": bias} in this package's layout; without a bias there is no "b".

        "conv"     (F, C/g, KH, KW)            ->  (KH, KW, C/g, F)
        "dense"    (F, D), legacy (1, 1, F, D) ->  (D, F)

    flattened: (C, H, W) if a dense layer reads flattened maps with H·W > 1. Its D inputs are then ordered (C, H, W) in
    Caffe and (H, W, C) here, so the rows are reordered.

    Raises UserError for blobs that do not belong to such a layer.
    """
    if kind not in ("conv", "dense"):
        raise ValueError(f"kind {kind!r}, expected 'conv' or 'dense'")
    if not 1 <= len(blobs) <= 2:
        raise UserError(f"{len(blobs)} blobs, expected weights and a bias")
    w = blobs[0]
    if kind == "dense":
        w = w.reshape(w.shape[2:]) if w.ndim == 4 and w.shape[:2] == (1, 1) else w
        if w.ndim != 2 or (flattened and math.prod(flattened) != w.shape[1]):
            raise UserError(f"weights of shape {dims_text(blobs[0].shape)} are not a dense layer"
                            + (f" over {dims_text(flattened)} inputs" if flattened else ""))
        f = w.shape[0]
        if flattened:
            w = w.reshape(f, *flattened).transpose(0, 2, 3, 1).reshape(f, -1)    # (F, C·H·W) -> (F, H·W·C)
        w = w.T
    else:
        if w.ndim != 4:
            raise UserError(f"weights of shape {dims_text(w.shape)} are not a convolution")
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

CLASSIFIER = "loss3/classifier"

TRUNK = {  # Caffe's name -> path in this package, in the order of Table 1
    "conv1/7x7_s2": "conv1",
    "conv2/3x3_reduce": "conv2_reduce",
    "conv2/3x3": "conv2",
    **{f"inception_{module}/{branch}": f"{module}/{branch}" for module in MODULES for branch in BRANCHES},
    CLASSIFIER: "linear",
}
HEADS = {
    f"loss{i}/{caffe}": f"aux{i}/{ours}"
    for i in (1, 2) for caffe, ours in (("conv", "conv"), ("fc", "fc"), ("classifier", "linear"))
}
HEAD_SHAPE = (128, 4, 4)     # (C, H, W) of the maps that the heads' fc flattens
HEAD_PREFIXES = ("loss1/", "loss2/")
CLASSIFIER_INPUTS = 1024


def our_path(caffe_name: str) -> str | None:
    """``inception_4a/5x5_reduce`` -> ``4a/5x5_reduce``; None for a layer that GoogLeNet does not have."""
    return TRUNK.get(caffe_name) or HEADS.get(caffe_name)


def caffe_parameters(path: Path | str, heads: bool = True, classifier: str = CLASSIFIER) -> dict[str, Array]:
    """A GoogLeNet ``.caffemodel`` as {"conv1/w": (7, 7, 3, 64), "conv1/b": (64,), ...}, in our names and layout.

    heads=False omits the auxiliary heads. A file without them (Caffe's deployed network) is valid, too. The channels of
    the first convolution remain in BGR order.

    classifier: the name of the last fully connected layer, which fine-tuning renames (Caffe copies weights by name, and
    this layer should start anew). ``loss3/flowers`` also renames those of the heads to ``loss1/flowers`` and
    ``loss2/flowers``.

    Raises UserError if ``read_caffemodel`` does, for a layer that GoogLeNet does not have, for a missing layer of the
    trunk, and for weights that are not finite.
    """
    layers = read_caffemodel(path)
    trunk = {classifier if caffe == CLASSIFIER else caffe: ours for caffe, ours in TRUNK.items()}
    auxiliary = HEADS | {_in_head(i, classifier): f"aux{i}/linear" for i in (1, 2)}
    if not heads:
        layers = {name: blobs for name, blobs in layers.items() if name in trunk or not name.startswith(HEAD_PREFIXES)}
    unknown = [name for name in layers if name not in trunk | auxiliary]
    missing = [name for name in trunk if name not in layers]
    if unknown or missing:
        raise UserError(f"{path}: {_difference(layers, unknown, missing, classifier)}")
    parameters = {}
    for name, blobs in layers.items():
        ours = trunk.get(name) or auxiliary[name]
        kind = "dense" if ours.endswith(("linear", "fc")) else "conv"
        try:
            parts = to_nhwc(blobs, kind, HEAD_SHAPE if ours.endswith("fc") else None)
        except UserError as error:
            raise UserError(f"{path}: layer '{shown(name)}': {error}") from error
        for key, array in parts.items():
            parameters[f"{ours}/{key}"] = array
            check_values(f"{ours}/{key}", array, path)
    return parameters


def _in_head(i, classifier):
    """The name of the classifier of auxiliary head i, where the main one is called ``classifier``."""
    return classifier.replace("loss3/", f"loss{i}/", 1) if classifier.startswith("loss3/") else f"loss{i}/{classifier}"


def _difference(layers, unknown, missing, classifier):
    """What distinguishes the layers from GoogLeNet's, and what the user can do about it."""
    if missing == [classifier] and (last := [name for name in unknown if _is_classifier(layers[name])]):
        main = next((name for name in last if not name.startswith(HEAD_PREFIXES)), last[0])
        return (f"has no layer '{shown(classifier)}'; if its last fully connected layer is '{shown(main)}', give "
                f"convert or predict the option --classifier {shown(main)}")
    odd = (f"has a layer '{shown(unknown[0])}'" if unknown else
           f"lacks {counted(len(missing), 'layer')}, first '{missing[0]}'")
    if unknown and not missing and all(name.startswith(HEAD_PREFIXES) for name in unknown):
        return f"{odd}; convert it without the auxiliary classifiers: --no-heads"
    return f"{odd}; expected Caffe's GoogLeNet (bvlc_googlenet.caffemodel)"


def _is_classifier(blobs):
    return blobs[0].shape[-1] == CLASSIFIER_INPUTS and blobs[0].size == math.prod(blobs[0].shape[-2:])
