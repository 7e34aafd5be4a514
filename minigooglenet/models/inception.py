"""The inception module, in both forms of the paper's figure 2."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..layers import Array, BatchNorm, Block, Concat, Conv, GroupedConv, MaxPool
from ..layers.batchnorm import itself
from ..layers.init import Init, Random, as_generator, he


@dataclass
class Style:
    """Everything about a network that its table of rows does not say.

    norm      "lrn" (the rows' LRN layers), "batch" (batch norm after each convolution, which needs no bias), "none"
    reduced   figure 2(b), 1×1 reductions before the 3×3 and 5×5; False for figure 2(a), without them
    big       the window of the "5×5" branch: 5, or 3 as torchvision has it by a known mistake
    width     every width of the table times this, rounded to a multiple of 8
    init      initialization of the weights (layers/init.py); ``bias_value`` that of the biases
    rng       the generator (or a seed) for weights and dropout; None leaves weights zero, to be counted or loaded
    all_reduce    sums an array over all processes that share a batch, for batch norm
    """

    norm: str = "lrn"
    reduced: bool = True
    big: int = 5
    width: float = 1.0
    init: Init = he
    bias_value: float = 0.0
    bn_eps: float = 1e-5
    rng: Random = None
    dtype: DTypeLike = np.float32
    all_reduce: Callable[[Array], Array] = itself

    def __post_init__(self) -> None:
        self.rng = as_generator(self.rng)  # one generator for all layers
        if self.norm not in ("lrn", "batch", "none"):
            raise ValueError(f"norm: got {self.norm!r}, choose lrn, batch or none")
        if not self.width > 0:
            raise ValueError(f"width: got {self.width}, needs a positive number")

    def scaled(self, F: int) -> int:
        """F filters of the table at this width."""
        return F if self.width == 1 else max(8, 8 * round(F * self.width / 8))


def block(style: Style, C: int, F: int, kernel: int, stride: int = 1, pad: int | None = None, groups: int = 1) -> Block:
    """Convolution, batch norm if the style has it, and ReLU. ``pad`` defaults to half a window, which keeps sizes at
    stride 1; ``groups`` splits the channels into towers."""
    options: dict[str, Any] = {"bias": style.norm != "batch", "init": style.init, "bias_value": style.bias_value,
                               "rng": style.rng, "dtype": style.dtype}
    window = kernel, stride, kernel // 2 if pad is None else pad
    conv = GroupedConv(C, F, *window, groups=groups, **options) if groups > 1 else Conv(C, F, *window, **options)
    if style.norm != "batch":
        return Block(conv)
    return Block(conv, BatchNorm(F, eps=style.bn_eps, dtype=style.dtype, all_reduce=style.all_reduce))


def inception(style: Style, C: int, n1x1: int, n3x3_reduce: int, n3x3: int, n5x5_reduce: int, n5x5: int,
              pool_proj: int) -> Concat:
    """Four branches that read the same input, concatenated along the channels. The widths are named as the columns of
    Table 1.

        figure 2(b):   1x1 | 1x1 -> 3x3 | 1x1 -> 5x5 | 3x3 max pool -> 1x1
        figure 2(a):   1x1 |        3x3 |        5x5 | 3x3 max pool

    x (N, H, W, C) -> (N, H, W, n1x1 + n3x3 + n5x5 + pool_proj); in the naive form the pool branch keeps all C channels.
    Source: Szegedy et al. 2014, section 4.
    """
    if not style.reduced:
        return Concat({"1x1": block(style, C, n1x1, 1)}, {"3x3": block(style, C, n3x3, 3)},
                      {"5x5": block(style, C, n5x5, style.big)}, {"pool": MaxPool(3, stride=1, pad=1)})
    return Concat(
        {"1x1": block(style, C, n1x1, 1)},
        {"3x3_reduce": block(style, C, n3x3_reduce, 1), "3x3": block(style, n3x3_reduce, n3x3, 3)},
        {"5x5_reduce": block(style, C, n5x5_reduce, 1), "5x5": block(style, n5x5_reduce, n5x5, style.big)},
        {"pool": MaxPool(3, stride=1, pad=1), "pool_proj": block(style, C, pool_proj, 1)},
    )
