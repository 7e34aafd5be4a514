"""The inception module, in both forms of the paper's figure 2."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..compose import Concat
from ..layers import BatchNorm, Conv, GroupedConv, MaxPool, ReLU
from ..layers.init import he


@dataclass
class Style:
    """Everything about a network that its table of rows does not say.

    norm      "lrn" (the rows' LRN layers), "batch" (batch norm after each convolution, which needs no bias), "none"
    reduced   figure 2(b), 1×1 reductions before the 3×3 and 5×5; False for figure 2(a), without them
    big       the window of the "5×5" branch: 5, or 3 as torchvision has it by a known mistake
    width     every width of the table times this, rounded to a multiple of 8
    init      how weights begin (layers/init.py), and the biases' first value
    rng       the generator for weights and dropout; None leaves weights zero, to be counted or loaded
    """

    norm: str = "lrn"
    reduced: bool = True
    big: int = 5
    width: float = 1.0
    init: Any = he
    bias_value: float = 0.0
    bn_eps: float = 1e-5
    rng: Any = None
    dtype: Any = np.float32

    def __post_init__(self):
        if self.norm not in ("lrn", "batch", "none"):
            raise ValueError(f"norm: got {self.norm!r}, choose lrn, batch or none")
        if not self.width > 0:
            raise ValueError(f"width: got {self.width}, needs a positive number")

    def scaled(self, F):
        """F filters of the table at this width."""
        return F if self.width == 1 else max(8, 8 * round(F * self.width / 8))


def unit(style, name, C, F, kernel, stride=1, pad=None, groups=1):
    """Convolution, its normalisation if the style has one, and ReLU: {name, name_bn, name_relu}. ``pad`` defaults to
    half a window, which keeps sizes at stride 1; ``groups`` cuts the channels into towers."""
    options = {"bias": style.norm != "batch", "init": style.init, "bias_value": style.bias_value,
               "rng": style.rng, "dtype": style.dtype}
    if groups > 1:
        options["groups"] = groups
    convolution = GroupedConv if groups > 1 else Conv
    layers = {name: convolution(C, F, kernel, stride, kernel // 2 if pad is None else pad, **options)}
    if style.norm == "batch":
        layers[f"{name}_bn"] = BatchNorm(F, eps=style.bn_eps, dtype=style.dtype)
    layers[f"{name}_relu"] = ReLU()
    return layers


def inception(style, C, n1x1, n3x3_reduce, n3x3, n5x5_reduce, n5x5, pool_proj):
    """Four views of the same input, side by side. The widths are named as the columns of Table 1.

        figure 2(b):   1x1 | 1x1 -> 3x3 | 1x1 -> 5x5 | 3x3 max pool -> 1x1
        figure 2(a):   1x1 |        3x3 |        5x5 | 3x3 max pool

    x (N, H, W, C) -> (N, H, W, n1x1 + n3x3 + n5x5 + pool_proj); in the naive form the pool branch keeps all C channels.
    Source: Szegedy et al. 2014, section 4.
    """
    pool = {"pool": MaxPool(3, stride=1, pad=1)}
    if not style.reduced:
        return Concat(unit(style, "1x1", C, n1x1, 1), unit(style, "3x3", C, n3x3, 3),
                      unit(style, "5x5", C, n5x5, style.big), pool)
    return Concat(
        unit(style, "1x1", C, n1x1, 1),
        unit(style, "3x3_reduce", C, n3x3_reduce, 1) | unit(style, "3x3", n3x3_reduce, n3x3, 3),
        unit(style, "5x5_reduce", C, n5x5_reduce, 1) | unit(style, "5x5", n5x5_reduce, n5x5, style.big),
        pool | unit(style, "pool_proj", C, pool_proj, 1),
    )
