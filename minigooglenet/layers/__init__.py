"""The mathematics: one layer, one file, forward above and backward below.

Every layer keeps the same contract (``base.Layer``). Activations are NHWC: (batch, height, width, channels).
``containers`` has how layers become a network.
"""

from .base import Array, Layer, Shape
from .batchnorm import BatchNorm
from .containers import Block, Concat, Sequential, Trunk
from .conv import Conv
from .dense import Dense
from .dropout import Dropout
from .flatten import Flatten
from .grouped import GroupedConv
from .lrn import LRN
from .pooling import AdaptiveAvgPool, AvgPool, GlobalAvgPool, MaxPool
from .relu import ReLU
from .softmax import Softmax, cross_entropy, softmax

__all__ = [
    "LRN", "AdaptiveAvgPool", "Array", "AvgPool", "BatchNorm", "Block", "Concat", "Conv", "Dense", "Dropout", "Flatten",
    "GlobalAvgPool", "GroupedConv", "Layer", "MaxPool", "ReLU", "Sequential", "Shape", "Softmax", "Trunk",
    "cross_entropy", "softmax",
]
