"""Counts of anything that is a network: a name, layers, a run, a file of weights, an ``.onnx`` file."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UserError, shown
from ..flops import counting
from ..layers.base import Layer, Shape
from ..layers.containers import Trunk
from ..models.catalog import CATALOG, entry

if TYPE_CHECKING:
    from .classifier import Classifier


def count(network: "str | Path | Layer | Classifier", input_shape: Shape | None = None, *, heads: bool = False,
          **options: Any) -> counting.Count:
    """Parameters and operations of a network for one image, layer by layer, without running it.

        mg.count("vgg16")                            a name of models/catalog.py
        mg.count(net, (224, 224, 3))                 layers, or what ``mg.load`` returns
        mg.count("runs/cifar10-quick-1")             a run; a .caffemodel or .safetensors file
        mg.count("resnet50.onnx")                    any network; what is not known is listed by ``not_counted()``

    input_shape  (H, W, C), required for layers; of an .onnx only (H, W) is used, and only needed if its sizes are open
    heads        also count the auxiliary classifiers of a name, a run or a file. Layers are counted as given, theirs
                 included: ``net.trunk`` is a network without them
    options      of a named network: width, classes, norm

    Raises UserError for an unknown name, a file that is no network, and for sizes that the network cannot take.
    """
    if isinstance(network, Layer):
        return counting.count(network, input_shape, heads=heads)
    if isinstance(network, str | Path):
        if str(network) in CATALOG and not isinstance(network, Path):
            return _named(str(network), input_shape, heads, options)
        path = Path(network)
        if not path.exists() and len(path.parts) == 1 and not path.suffix:
            try:
                return _named(str(network), input_shape, heads, options)
            except UserError as error:
                raise UserError(f"{shown(path)}: no such file or run; {error}") from error
        if options:
            raise UserError(f"{path}: a file or run has its own {next(iter(options))}; leave it out")
        return _file(path, input_shape, heads)
    if options or network.net is None:
        raise UserError(f"{network.name}: " + ("an ensemble; count its runs one by one" if network.net is None else
                                               f"has its own {next(iter(options))}; leave it out"))
    return _trained(network.net, network.name, input_shape or (network.size, network.size, 3), heads)


def named_options(name: str, input_shape: Shape | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """``options``, and the size of the images if it decides the stem, as in training."""
    sized = input_shape is not None and "size" in inspect.signature(entry(name).build).parameters
    return {"size": min(input_shape[:2]), **options} if sized and input_shape else dict(options)


def _named(name: str, input_shape: Shape | None, heads: bool, options: Mapping[str, Any]) -> counting.Count:
    build = entry(name).build
    for option in options:
        if option not in inspect.signature(build).parameters:
            raise UserError(f"model: {name} has no {option}; leave it out")
    return counting.count(name, input_shape, heads=heads, **named_options(name, input_shape, options))


def _file(path: Path, input_shape: Shape | None, heads: bool) -> counting.Count:
    from ..weights.onnx_file import is_onnx
    from .classifier import open_weights

    if path.is_file() and is_onnx(path):
        if heads:
            raise UserError(f"{path}: an .onnx file has no auxiliary classifiers besides those in its graph; leave "
                            "heads out")
        from ..flops.onnx_graph import count_onnx
        return count_onnx(path, input_shape[:2] if input_shape else None)     # type: ignore[arg-type]
    if path.is_dir() or path.suffix == ".safetensors":
        from ..training import checkpoint as checkpoints
        from ..training.network import build
        if path.is_dir() or "config" in _metadata(path):
            found = checkpoints.load(path)
            shape = input_shape or found.input_shape
            return _trained(build(found.config, len(found.classes), shape), str(path), shape, heads)
    return count(open_weights(path), input_shape, heads=heads)


def _metadata(path):
    from ..weights.safetensors_io import metadata
    return metadata(path)


def _trained(net: Layer, name: str, input_shape: Shape, heads: bool) -> counting.Count:
    if heads and not isinstance(net, Trunk):
        raise UserError(f"{shown(name, 200)}: has no auxiliary classifiers; leave heads out")
    counted = counting.count(net if heads or not isinstance(net, Trunk) else net.trunk, input_shape)
    return counting.named(counted, name)
