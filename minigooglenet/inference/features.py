"""Activations of any layers, in one pass over the network."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from .. import engine
from ..errors import UserError
from ..interpret.structure import branch_of, check_path, inside, trunk_of
from ..layers import Array, Layer, Sequential
from .classifier import Classifier, as_image


def features(net: Classifier | Layer, images: Array | Sequence[Path | str | Image.Image | Array],
             paths: str | Iterable[str], batch: int = 16) -> dict[str, Array]:
    """{path: activations (N, …)} of the layers at ``paths``, such as ``3b`` or ``5b/3x3`` (a block's output is that of
    its ReLU); a text is one path.

    net      a Classifier, which preprocesses the images, or a layer, which reads arrays (N, H, W, C) as they are
    images   for a Classifier: photos (files, PIL images, uint8 arrays (H, W, 3)), of which the center crop is used, or
             uint8 crops (N, size, size, 3)
    batch    images per pass; results do not depend on it, up to rounding

    Raises UserError for an unknown path, for what is not an image, and where there are no images.
    """
    layer = _network(net)
    wanted = [check_path(layer, path) for path in ([paths] if isinstance(paths, str) else paths)]
    if isinstance(images, str | Path):
        raise UserError(f"images: got {str(images)!r}, needs a list: [{str(images)!r}]")
    if not len(images):
        raise UserError("images: got none, needs one or more")
    found: dict[str, list[Array]] = {path: [] for path in wanted}
    steps = _steps(layer, wanted)
    for start in range(0, len(images), batch):
        x = _input(net, images[start:start + batch])
        for segment, taps in steps:
            for path, tap in taps.items():
                found[path].append(tap.predict(x))
            x = segment.predict(x)
    return {path: np.concatenate(parts) for path, parts in found.items()}


def _network(net: Classifier | Layer) -> Layer:
    layer = net.net if isinstance(net, Classifier) else net
    if layer is None:
        raise TypeError("features: an ensemble has several networks; choose one of its members")
    return trunk_of(layer)


def _steps(trunk: Layer, wanted: Sequence[str]) -> list[tuple[Layer, dict[str, Layer]]]:
    """The trunk in compiled segments, each with what is wanted of its input: {path: layer that computes it}."""
    steps: list[tuple[Layer, dict[str, Layer]]] = []
    segment: dict[str, Layer] = {}
    taps: dict[str, Layer] = {}
    last = max((list(trunk.children).index(path.partition("/")[0]) for path in wanted), default=-1)
    for name, layer in list(trunk.children.items())[:last + 1]:
        here = [path for path in wanted if path.partition("/")[0] == name]
        if here and segment:
            steps.append((engine.predictor(Sequential(segment)), taps))
            segment, taps = {}, {}
        segment[name] = layer
        taps |= {path: engine.predictor(_until(layer, path.partition("/")[2])) for path in here}
    return [*steps, (engine.predictor(Sequential(segment)), taps)] if segment else steps


def _until(layer: Layer, inner: str) -> Layer:
    """A layer up to what is called ``inner`` inside of it; all of it for an empty name."""
    if not inner:
        return Sequential({"layer": layer})
    name, _, deeper = inner.partition("/")
    if hasattr(layer, "branches"):
        branch = branch_of(layer, name)  # type: ignore[arg-type]
        before = list(branch.children)[:list(branch.children).index(name)]
        return Sequential({**{other: branch.children[other] for other in before},
                           name: _until(branch.children[name], deeper)})
    names = list(inside(layer))
    children = dict(zip(names, layer.children.values(), strict=True))
    return Sequential({**{other: children[other] for other in names[:names.index(name)]},
                       name: _until(children[name], deeper)})


def _input(net: Classifier | Layer, images: Array | Sequence) -> Array:
    if not isinstance(net, Classifier):
        return np.asarray(images)
    ready = isinstance(images, np.ndarray) and images.dtype == np.uint8 and images.shape[1:] == (net.size, net.size, 3)
    if ready:
        crops = images
    else:
        crops = np.stack([net.center_crop(as_image(image)) for image in images])
    assert net.prepare is not None
    return net.prepare(np.ascontiguousarray(crops))
