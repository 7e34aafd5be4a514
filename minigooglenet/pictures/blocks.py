"""Layers as boxes: what is written on them, and their colour. The walk is flops/counting.py's."""

import re

from ..flops.counting import count, folded
from ..flops.tables import shape_text
from .style import BLUE, GREEN, ORANGE, PURPLE, SKY, YELLOW, tint

#: The fill of a box, by how its kind begins; the first that fits. In grey print, larger windows are darker, and layers
#: without weights lighter than those with.
FILLS = (
    ("conv 1x1", tint(ORANGE, 0.38)),
    ("conv 3x3", tint(SKY, 0.72)),
    ("conv", tint(BLUE, 0.6)),
    ("max pool", tint(GREEN, 0.17)),
    ("adaptive average pool", tint(GREEN, 0.17)),
    ("average pool", tint(GREEN, 0.17)),
    ("global average pool", tint(GREEN, 0.17)),
    ("dense", tint(PURPLE, 0.55)),
    ("LRN", tint(YELLOW, 0.25)),
)


def fill_of(kind):
    """The colour of a box for a layer of this ``kind`` (a Row's)."""
    return next((fill for beginning, fill in FILLS if kind.startswith(beginning)), "white")


def rows_of(layer, shape):
    """The Rows of the layers inside, ReLU and batch norm counted with their convolution."""
    return folded(count(layer, shape).layers)


def operation(kind):
    """A Row's kind as it stands on a box: ``"conv 3x3/1, batch norm, ReLU" -> "3×3 conv"``, ``"average pool 5x5/3" ->
    "5×5/3 avg pool"``, ``"dense 1024->1000" -> "dense 1024→1000"``."""
    kind = kind.split(", ")[0].replace("->", "→")
    found = re.fullmatch(r"(\D*?) (\d+x\d+)(?:/(\d+))?(.*)", kind)
    if not found:
        return kind
    what, window, stride, rest = found.groups()
    what = what.removesuffix(" to").replace("average", "avg")
    return f"{times(window)}{'' if stride in (None, '1') else f'/{stride}'} {what}{rest}"


def times(text):
    """``"3x3" -> "3×3"``, only between digits."""
    return re.sub(r"(?<=\d)x(?=\d)", "×", text)


def size(shape):
    """``(28, 28, 256) -> "28×28×256"``"""
    return times(shape_text(shape))
