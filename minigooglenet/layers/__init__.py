"""The mathematics: one layer, one file, forward above and backward below.

Every layer keeps the same contract (see ``base.Layer``). Activations are NHWC: (batch, height, width, channels).
"""

from .base import Layer
from .batchnorm import BatchNorm
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
    "LRN", "AdaptiveAvgPool", "AvgPool", "BatchNorm", "Conv", "Dense", "Dropout", "Flatten", "GlobalAvgPool",
    "GroupedConv", "Layer", "MaxPool", "ReLU", "Softmax", "cross_entropy", "softmax",
]
