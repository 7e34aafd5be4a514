"""A network as data for ``network.js``: its steps, the preparation of its input, and its arrays."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ...errors import UserError
from ...interpret.structure import trunk_of
from ...layers import LRN, BatchNorm, Conv, Dense, GlobalAvgPool, MaxPool
from ...layers.base import Array, Layer, Shape
from ...layers.containers import Block, Concat, Trunk
from ...layers.dropout import Dropout
from ...layers.flatten import Flatten
from ...layers.pooling import AvgPool

#: What ``network.js`` can compute.
KNOWN = (Conv, Dense, MaxPool, AvgPool, GlobalAvgPool, LRN, Dropout, Flatten)


def steps(net: Layer, image: Sequence[int]) -> list[dict[str, Any]]:
    """The steps of a network from the image (H, W, C) to the logits, without auxiliary heads.

    A step is {"path", "op", "in", "out"}, with "kernel", "stride", "pad" of windows, "relu" after blocks, "constants"
    of LRN; one with op "concat" has "branches", each a list of steps.
    """
    return _sequence(trunk_of(net).children, tuple(image), "")


def _sequence(layers, shape, prefix):
    found = []
    for name, layer in layers.items():
        found.append(_step(layer, prefix + name, shape))
        shape = layer.output_shape(shape)
    return found


def _step(layer, path, shape):
    step: dict[str, Any] = {"path": path, "op": layer.kind, "in": shape, "out": layer.output_shape(shape)}
    if isinstance(layer, Concat):
        return step | {"branches": [_sequence(branch.children, shape, f"{path}/") for branch in layer.branches]}
    if isinstance(layer, Block):
        step["relu"] = True
    if getattr(layer, "kernel", None):
        step |= {"kernel": layer.kernel, "stride": layer.stride, "pad": layer.pad}
    if isinstance(layer, LRN):
        step["constants"] = layer.constants
    return step


def heads(net: Layer, image: Sequence[int]) -> list[dict[str, Any]]:
    """The auxiliary classifiers of a network: {"path", "tap", "steps"}; the steps read the output of layer tap."""
    if not isinstance(net, Trunk):
        return []
    shapes = {step["path"]: step["out"] for step in steps(net, image)}
    return [{"path": name, "tap": tap, "steps": _sequence(head.children, shapes[tap], f"{name}/")}
            for name, (tap, head) in net.heads.items()]


def arrays(net: Layer) -> Iterator[Array]:
    """w (K, F) and b (F,) of every layer with weights, in the order of ``steps``, where branches precede their module;
    then those of the auxiliary classifiers.

    Batch norm is part of the convolution before it: with s = γ / σ, w becomes w · s and b becomes β + (b - μ) · s.

    Raises UserError for a layer that ``network.js`` cannot compute.
    """
    for name, layer in trunk_of(net).children.items():
        if isinstance(layer, Concat):
            for branch in layer.branches:
                yield from arrays(branch)
        else:
            yield from _weights(layer, name)
    if isinstance(net, Trunk):
        for _, head in net.heads.values():
            yield from arrays(head)


def _weights(layer, name):
    norm = layer.norm if isinstance(layer, Block) else None
    inner = layer.layer if isinstance(layer, Block) else layer
    if not isinstance(inner, KNOWN):
        raise UserError(f"{name}: {inner.kind} does not run in the browser; leave out --weights to show the structure")
    if isinstance(inner, Conv | Dense):
        F = inner.params["w"].shape[-1]
        w = inner.params["w"].reshape(-1, F).astype(np.float64)
        b = inner.params.get("b", np.zeros(F)).astype(np.float64)
        if isinstance(norm, BatchNorm):
            scale = norm.params["gamma"] / np.sqrt(norm.buffers["variance"].astype(np.float64) + norm.eps)
            w, b = w * scale, norm.params["beta"] + (b - norm.buffers["mean"]) * scale
        yield from (w, b)


def packed(net: Layer, dtype: str = "int16") -> bytes:
    """All ``arrays`` in one piece, little-endian: of every layer scale (F) and b (F) as float32, then of every layer w.

    "int16": column f of w is q · scale[f] with integers q of at most 32767 and scale[f] = max |w[:, f]| / 32767. Such
    a step is a fifth of what float16 rounds, at the same size. "float32": exact, scale is 1.

    Raises UserError for weights that are not finite.
    """
    small, large = [], []
    every = list(arrays(net))
    for w, b in zip(every[::2], every[1::2], strict=True):
        scale = np.abs(w).max(axis=0) / 32767 if dtype == "int16" else np.ones(len(b))
        scale[scale == 0] = 1
        if not np.isfinite(scale).all() or not np.isfinite(b).all():
            raise UserError("weights: some are not finite; choose other weights")
        small += [scale, b]
        large.append(np.rint(w / scale) if dtype == "int16" else w)
    return b"".join(np.concatenate([a.ravel() for a in group]).astype(kind).tobytes()
                    for group, kind in ((small, "<f4"), (large, np.dtype(dtype).newbyteorder("<"))))


def preparation(prepare: Callable[[Array], Array], channels: int = 3) -> dict[str, list[float]]:
    """The preprocessing as data: input channel c is scale[c] · pixel[source[c]] + shift[c].

    ``prepare`` is a Classifier's; it is applied to black and to the pure colors. Raises UserError if it mixes channels.
    """
    pixels = np.concatenate([np.zeros((1, channels)), 255 * np.eye(channels)]).astype(np.float32)
    black, *colors = np.asarray(prepare(pixels[:, None, None, :]), np.float64)[:, 0, 0]
    slopes = (np.array(colors) - black) / 255  # (pixel's channel, input's channel)
    source = np.abs(slopes).argmax(axis=0)
    scale = slopes[source, np.arange(channels)]
    if not np.allclose(np.abs(slopes).sum(axis=0), np.abs(scale), rtol=1e-3):
        raise UserError("preprocessing: it mixes the color channels, which the live page cannot do")
    return {"source": source.tolist(), "scale": scale.tolist(), "shift": black.tolist()}


def structure(net: Layer, image: Shape, prepare: Callable[[Array], Array], dtype: str = "int16") -> dict[str, Any]:
    """What ``network.js`` calls a structure: {"input", "preparation", "dtype", "steps", "heads"}."""
    return {"input": list(image), "preparation": preparation(prepare, image[-1]), "dtype": dtype,
            "steps": steps(net, image), "heads": heads(net, image)}
