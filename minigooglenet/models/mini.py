"""The reduced GoogLeNet: all nine modules, on a CPU's budget."""

from collections.abc import Callable

from numpy.typing import DTypeLike

from ..layers import Array, Sequential, Shape, Trunk
from ..layers.batchnorm import itself
from ..layers.init import Random, he
from .aliases import with_aliases
from .googlenet import HEADS, TABLE_1
from .inception import Style
from .rows import Convolution, Normalization, Pooling, Row, build, ending

_FIRST = [row.name for row in TABLE_1].index("3a")
PAPER_STEM, MODULES = TABLE_1[:_FIRST], TABLE_1[_FIRST:]

#: A 32×32 image cannot afford the 8-fold reduction of the paper's stem. This one halves once, so that the modules
#: read 16×16, 8×8 and 4×4 where the paper's read 28×28, 14×14 and 7×7.
STEM: tuple[Row, ...] = (
    Convolution("conv1", 64, 3),
    Normalization("norm1"),
    Pooling("pool1"),
    Convolution("conv2_reduce", 64, 1),
    Convolution("conv2", 192, 3),
    Normalization("norm2"),
)

#: {images of this side or larger: stem}, so that module 3a reads 16×16 to 32×32 for images of 32 to 256 pixels.
STEMS: dict[int, tuple[Row, ...]] = {
    1: STEM,               # halves once:    32 -> 16, 48 -> 24
    64: PAPER_STEM[:-1],   # without pool2:  64 -> 16, 96 -> 24
    128: PAPER_STEM,       # 128 -> 16, 160 -> 20, 192 -> 24, 224 -> 28
}

INPUT = (32, 32, 3)


def stem(size: int) -> tuple[Row, ...]:
    """The rows of STEMS for images of ``size`` × ``size`` pixels."""
    return STEMS[max(smallest for smallest in STEMS if smallest <= size)]


@with_aliases
def mini_googlenet(width: float = 0.25, *, norm: str = "batch", classes: int = 10, heads: bool = True,
                   drop_prob: float = 0.4, reduced: bool = True, classifier: str = "gap", input_shape: Shape = INPUT,
                   size: int = INPUT[0], rng: Random = None, dtype: DTypeLike = "float32",
                   all_reduce: Callable[[Array], Array] = itself) -> Sequential | Trunk:
    """Table 1's modules at ``width`` times its widths. Images (N, 32, 32, 3) -> logits (N, classes).

    ``norm`` is "batch", "lrn" (as the paper) or "none"; ``heads`` the auxiliary classifiers after 4a and 4d;
    ``reduced=False`` the modules of figure 2(a), without 1×1 reductions; ``classifier`` "gap" or "fc" (models/rows.py);
    ``input_shape`` may be any (H, W, C), and ``size`` chooses the stem: 64 the one for images of about 64 × 64;
    ``rng=None`` leaves all weights zero; ``all_reduce`` sums batch norm's statistics over processes.
    """
    style = Style(norm=norm, width=width, reduced=reduced, init=he, rng=rng, dtype=dtype, all_reduce=all_reduce)
    rows = (*stem(size), *MODULES, *ending(drop_prob, classifier))
    return build(rows, style, input_shape, classes, HEADS if heads else ())
