"""The reduced GoogLeNet for 32×32 images: all nine modules, on a CPU's budget."""

from collections.abc import Callable

from numpy.typing import DTypeLike

from ..layers import Array, Sequential, Shape, Trunk
from ..layers.batchnorm import itself
from ..layers.init import Random, he
from .aliases import with_aliases
from .googlenet import HEADS, TABLE_1
from .inception import Style
from .rows import Convolution, Normalization, Pooling, build, ending

#: A small image cannot afford the 8-fold reduction of the paper's stem. This one halves once, so that the modules
#: read 16×16, 8×8 and 4×4 where the paper's read 28×28, 14×14 and 7×7.
STEM = (
    Convolution("conv1", 64, 3),
    Normalization("norm1"),
    Pooling("pool1"),
    Convolution("conv2_reduce", 64, 1),
    Convolution("conv2", 192, 3),
    Normalization("norm2"),
)
MODULES = TABLE_1[[row.name for row in TABLE_1].index("3a"):]

INPUT = (32, 32, 3)


@with_aliases
def mini_googlenet(width: float = 0.25, *, norm: str = "batch", classes: int = 10, heads: bool = True,
                   drop_prob: float = 0.4, reduced: bool = True, classifier: str = "gap", input_shape: Shape = INPUT,
                   rng: Random = None, dtype: DTypeLike = "float32",
                   all_reduce: Callable[[Array], Array] = itself) -> Sequential | Trunk:
    """Table 1's modules at ``width`` times its widths. Images (N, 32, 32, 3) -> logits (N, classes).

    ``norm`` is "batch", "lrn" (as the paper) or "none"; ``heads`` the auxiliary classifiers after 4a and 4d;
    ``reduced=False`` the modules of figure 2(a), without 1×1 reductions; ``classifier`` "gap" or "fc" (models/rows.py);
    ``rng=None`` leaves all weights zero; ``all_reduce`` sums batch norm's statistics over processes.
    """
    style = Style(norm=norm, width=width, reduced=reduced, init=he, rng=rng, dtype=dtype, all_reduce=all_reduce)
    return build((*STEM, *MODULES, *ending(drop_prob, classifier)), style, input_shape, classes, HEADS if heads else ())
