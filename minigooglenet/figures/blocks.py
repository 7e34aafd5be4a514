"""Layers as boxes: their labels and colors, from the Rows of flops/counting.py."""

from ..flops.counting import Row, count
from ..layers.base import Layer, Shape
from .style import BLUE, GREEN, ORANGE, PURPLE, SKY, YELLOW, Color, tint

#: The fill of a box by kind, and for convolutions by kernel size. In grayscale, larger kernels are darker, and layers
#: without weights are lighter than those with weights.
POOL = tint(GREEN, 0.17)
FILLS = {"max pool": POOL, "average pool": POOL, "adaptive average pool": POOL, "global average pool": POOL,
         "dense": tint(PURPLE, 0.55), "LRN": tint(YELLOW, 0.25)}
KERNELS = {(1, 1): tint(ORANGE, 0.38), (3, 3): tint(SKY, 0.72)}
LARGER = tint(BLUE, 0.6)


def fill_of(row: Row) -> Color:
    """The color of the box of a Row."""
    if row.is_conv and row.kernel:
        return KERNELS.get(row.kernel, LARGER)
    return FILLS.get(row.kind, "white")


def rows_of(layer: Layer, shape: Shape) -> tuple[Row, ...]:
    """The Rows of the layers inside ``layer``, with one Row for each block, for an input of ``shape``."""
    return count(layer, shape).blocks


def operation(row: Row) -> str:
    """What a Row computes, as on its box: ``"3×3 conv"``, ``"5×5/3 avg pool"``, ``"dense 1024→1000"``. Strides of 1,
    batch norm and ReLU are left out."""
    kind = row.kind.replace("average", "avg")
    if row.kernel:
        groups = f" in {row.groups} groups" if row.groups > 1 else ""
        return f"{window(row)} {'conv' if row.is_conv else kind}{groups}"
    if row.kind == "adaptive average pool":
        return f"{size(row.output[:2])} {kind}"
    return row.parts[0].replace("->", "→")


def window(row: Row) -> str:
    """The kernel size of a Row, and its stride unless that is 1: ``"3×3"``, ``"7×7/2"``; empty if it has none."""
    if not row.kernel or not row.stride:
        return ""
    return size(row.kernel) + ("" if row.stride == (1, 1) else f"/{row.stride[0]}")


def size(shape: Shape) -> str:
    """``(28, 28, 256) -> "28×28×256"``"""
    return "×".join(map(str, shape))
