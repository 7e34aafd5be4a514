"""The reduced GoogLeNet for 32×32 pictures: all nine modules, on a CPU's budget."""

from ..layers.init import he
from .googlenet import HEADS, TABLE_1
from .inception import Style
from .rows import Convolution, Normalisation, Pooling, build, ending

#: A small picture cannot afford the 8-fold reduction of the paper's stem. This one halves once, so that the modules
#: see 16×16, 8×8 and 4×4 where the paper's see 28×28, 14×14 and 7×7.
STEM = (
    Convolution("conv1", 64, 3),
    Normalisation("norm1"),
    Pooling("pool1"),
    Convolution("conv2_reduce", 64, 1),
    Convolution("conv2", 192, 3),
    Normalisation("norm2"),
)
MODULES = TABLE_1[[row.name for row in TABLE_1].index("3a"):]

INPUT = (32, 32, 3)


def mini_googlenet(width=0.25, *, norm="batch", classes=10, heads=True, drop_prob=0.4, reduced=True,
                   classifier="gap", input_shape=INPUT, rng=None, dtype="float32"):
    """Table 1's modules at ``width`` times its widths. Pictures (N, 32, 32, 3) -> logits (N, classes).

    ``norm`` is "batch", "lrn" (as the paper) or "none"; ``heads`` the auxiliary classifiers after 4a and 4d;
    ``reduced=False`` the modules of figure 2(a), without 1×1 reductions; ``classifier`` "gap" or "fc" (models/rows.py);
    ``rng=None`` leaves all weights zero.
    """
    style = Style(norm=norm, width=width, reduced=reduced, init=he, rng=rng, dtype=dtype)
    return build((*STEM, *MODULES, *ending(drop_prob, classifier)), style, input_shape, classes, HEADS if heads else ())
