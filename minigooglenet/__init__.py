"""GoogLeNet (Inception v1) from scratch in NumPy: layers, network, training and testing, written to be read.

    import minigooglenet as mg

    net = mg.load("2014")                                # or the folder of a run, a .caffemodel, a .safetensors
    for label, p in net.classify("cat.jpg"):             # a file, a PIL image or a uint8 array
        print(f"{p:6.1%}  {label}")
    maps = mg.features(net, ["cat.jpg"], ["3b", "4c", "5b/3x3"])     # {path: array}, in one pass
    print(mg.count(net, (224, 224, 3)).table())          # parameters and operations; also of a name, a run, an .onnx
    photos = mg.data.load("photos/", size=96)            # a Dataset: of a folder of image files for each class

    layer = mg.Conv(3, 8, 3, pad=1, rng=0)
    y, cache = layer.forward(x)
    dx = layer.backward(dy, cache)
    print(mg.gradcheck(layer, x))

Names are imported when they are first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import data as data
    from .gradcheck import gradcheck
    from .inference.classifier import Classifier, load
    from .inference.counting import count
    from .inference.features import features
    from .layers import (
        LRN,
        AdaptiveAvgPool,
        AvgPool,
        BatchNorm,
        Block,
        Concat,
        Conv,
        Dense,
        Dropout,
        Flatten,
        GlobalAvgPool,
        GroupedConv,
        Layer,
        MaxPool,
        ReLU,
        Sequential,
        Softmax,
        Trunk,
        cross_entropy,
        softmax,
    )
    from .models import ancestor, googlenet, mini_googlenet
    from .training.estimator import GoogLeNetClassifier
    from .training.sgd import SGD

__version__ = "0.2.0"

_MODULES = {
    "count": "inference.counting", "gradcheck": "gradcheck", "Classifier": "inference.classifier",
    "load": "inference.classifier",
    "features": "inference.features", "GoogLeNetClassifier": "training.estimator", "SGD": "training.sgd",
    **dict.fromkeys(("ancestor", "googlenet", "mini_googlenet"), "models"),
    **dict.fromkeys((
        "LRN", "AdaptiveAvgPool", "AvgPool", "BatchNorm", "Block", "Concat", "Conv", "Dense", "Dropout", "Flatten",
        "GlobalAvgPool", "GroupedConv", "Layer", "MaxPool", "ReLU", "Sequential", "Softmax", "Trunk", "cross_entropy",
        "softmax"), "layers"),
}

__all__ = [
    "LRN", "SGD", "AdaptiveAvgPool", "AvgPool", "BatchNorm", "Block", "Classifier", "Concat", "Conv", "Dense",
    "Dropout", "Flatten", "GlobalAvgPool", "GoogLeNetClassifier", "GroupedConv", "Layer", "MaxPool", "ReLU",
    "Sequential", "Softmax", "Trunk", "ancestor", "count", "cross_entropy", "features", "googlenet", "gradcheck",
    "load", "mini_googlenet", "softmax",
]


def __getattr__(name: str) -> Any:
    if name == "data":
        return importlib.import_module(f"{__name__}.data")
    if name not in _MODULES:
        raise AttributeError(f"minigooglenet has no {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "data", "__version__"])
