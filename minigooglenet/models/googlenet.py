"""GoogLeNet itself: Table 1 of the paper as data, and the variants that go by its name."""

from collections.abc import Callable
from typing import Any

from numpy.typing import DTypeLike

from ..layers import Array, Sequential, Shape, Trunk
from ..layers.batchnorm import itself
from ..layers.init import Init, Random, he, truncated_normal, xavier
from .aliases import with_aliases
from .inception import Style
from .rows import Convolution, Head, Inception, Normalization, Pooling, Row, build, ending

#: Table 1 of Szegedy et al. 2014, in the order of figure 3. A convolution row of depth 2 is two rows here.
TABLE_1: tuple[Row, ...] = (
    Convolution("conv1", 64, 7, stride=2),
    Pooling("pool1"),
    Normalization("norm1"),
    Convolution("conv2_reduce", 64, 1),
    Convolution("conv2", 192, 3),
    Normalization("norm2"),
    Pooling("pool2"),
    #               1x1  3x3r  3x3 5x5r  5x5 pool
    Inception("3a", 64, 96, 128, 16, 32, 32),
    Inception("3b", 128, 128, 192, 32, 96, 64),
    Pooling("pool3"),
    Inception("4a", 192, 96, 208, 16, 48, 64),
    Inception("4b", 160, 112, 224, 24, 64, 64),
    Inception("4c", 128, 128, 256, 24, 64, 64),
    Inception("4d", 112, 144, 288, 32, 64, 64),
    Inception("4e", 256, 160, 320, 32, 128, 128),
    Pooling("pool4"),
    Inception("5a", 256, 160, 320, 32, 128, 128),
    Inception("5b", 384, 192, 384, 48, 128, 128),
)

#: The auxiliary classifiers (section 5), on 4a and 4d.
HEADS: tuple[Head, ...] = (Head("aux1", "4a"), Head("aux2", "4d"))

#: The weight of each loss: the network's own, then the heads' (section 5).
LOSS_WEIGHTS = (1.0, 0.3, 0.3)

INPUT = (224, 224, 3)

VARIANTS = {
    "paper": "as published; He initialization (the paper does not give its own)",
    "bvlc": "as Caffe built and released it: the same layers, xavier weights, biases 0.2",
    "torchvision": "as torchvision has it: batch norm, no LRN, 3x3 in the 5x5 branch, 2x2 last pool",
    "naive": "figure 2(a) throughout: no 1x1 reductions, so the channels accumulate",
}


@with_aliases
def googlenet(variant: str = "paper", *, classes: int = 1000, heads: bool = True, input_shape: Shape = INPUT,
              rng: Random = None, init: Init | None = None, norm: str | None = None, width: float = 1.0,
              drop_prob: float | None = None, dtype: DTypeLike = "float32",
              all_reduce: Callable[[Array], Array] = itself) -> Sequential | Trunk:
    """GoogLeNet, 22 layers deep. Images (N, 224, 224, 3) -> logits (N, classes).

    ``variant`` is one of VARIANTS; ``heads=False`` leaves the auxiliary classifiers out, as inference does;
    ``rng=None`` leaves all weights zero, to be counted or loaded; ``init`` of layers/init.py (then biases are 0),
    ``norm`` ("lrn", "batch" or "none") and ``drop_prob`` before the classifier replace the variant's own; ``width``
    multiplies all widths; ``all_reduce`` sums batch norm's statistics over processes. Raises ValueError for an unknown
    variant.
    """
    if variant not in VARIANTS:
        raise ValueError(f"variant: got {variant!r}, choose {', '.join(VARIANTS)}")
    options: dict[str, Any] = {"norm": norm or "lrn", "width": width, "rng": rng, "dtype": dtype,
                               "all_reduce": all_reduce}
    rows: tuple[Row, ...] = TABLE_1
    tails, usual = HEADS, 0.4
    match variant:
        case "paper":
            style = Style(init=init or he, **options)
        case "bvlc":
            style = Style(init=init or xavier, bias_value=0.0 if init else 0.2, **options)
        case "naive":
            style = Style(init=init or he, reduced=False, **options)
        case "torchvision":
            options["norm"] = norm or "batch"
            style = Style(big=3, init=init or truncated_normal, bn_eps=1e-3, **options)
            rows = tuple(row._replace(kernel=2) if isinstance(row, Pooling) and row.name == "pool4" else row
                         for row in TABLE_1)
            tails, usual = tuple(head._replace(adaptive=4) for head in HEADS), 0.2
    drop_prob = usual if drop_prob is None else drop_prob
    return build((*rows, *ending(drop_prob)), style, input_shape, classes, tails if heads else ())
