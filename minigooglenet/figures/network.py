"""A network drawn from its structure, from top to bottom."""

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..flops.counting import Row, count
from ..layers.base import Shape
from ..layers.containers import Concat, Trunk
from ..models import catalog
from .blocks import fill_of, operation, rows_of, size
from .style import GRAY, PALE, SMALL, box, drawn, line, sheet

#: Inches, from left to right: names, the drawing, the heads; then the distance of the columns from the right edge.
NAMES, LEFT, WIDTH, HEADS, HEAD_WIDTH = 0.1, 0.95, 3.1, 4.25, 1.12
COLUMNS = ((1.26, "output"), (0.65, "params\nthousands"), (0.1, "MACs\nmillions"))
PAGE = 7.4
#: Inches: the height of a box, the gap between boxes, a head's caption, the top of the drawing, the bottom margin.
BOX, GAP, CAPTION, TOP, BOTTOM = 0.18, 0.066, 0.35, 0.9, 0.45


@drawn
def network(model: str = "googlenet", *, input_shape: Shape | None = None, heads: bool = True) -> Figure:
    """The network called ``model`` in models/catalog.py, for images of ``input_shape`` (H, W, C), by default its own.

    Each row is a layer, a block (convolution, batch norm, ReLU), or an inception module with its branches in parallel.
    Auxiliary heads are drawn at the right; the counts do not include them. Light and dark bands separate sizes of maps.
    Raises UserError for an unknown name, or images that do not fit.
    """
    entry = catalog.entry(model)
    shape = tuple(input_shape or entry.input_shape)
    net = catalog.network(model, input_shape=shape, heads=heads and entry.has_heads)
    trunk, tails = (net.trunk, net.heads) if isinstance(net, Trunk) else (net, {})
    counted = count(trunk, shape)
    places, end = _places(trunk, tails, counted, shape)
    depth = sum(max(map(_depth, place.branches), default=place.row.params > 0) for place in places)
    page = PAGE if tails else PAGE - HEAD_WIDTH - 0.15
    following = "batch norm and ReLU" if trunk.state() else "their ReLU"  # running statistics are batch norm's
    fig, ax = sheet(
        page, end + BOTTOM, f"{model}: {counted.params:,} parameters, {counted.macs:,} multiply-adds",
        f"{entry.source[0].upper()}{entry.source[1:]}. {depth} layers with weights on the longest path. Drawn and "
        f"counted from the structure, for one image. Convolutions include {following}. Shaded bands: maps of one "
        "size."
        + (" Thick lines: concatenated outputs." if any(place.branches for place in places) else ""))
    _bands(ax, places, page)
    middle, above = LEFT + WIDTH / 2, TOP - 2 * GAP
    for from_edge, title in COLUMNS:
        ax.text(page - from_edge, TOP - 0.3, title, ha="right", va="center", fontsize=SMALL, fontweight="bold")
    box(ax, middle - 0.75, above - BOX, 1.5, BOX, f"{size(shape)} in", PALE, fontsize=SMALL)
    for place in places:
        line(ax, (middle, above), (middle, place.top), arrow=False)
        _module(ax, place) if place.branches else _layer(ax, middle, place)
        _counts(ax, place, page)
        above = place.bottom
    _heads(ax, {place.row.name: place for place in places}, tails)
    return fig


class Place(NamedTuple):
    """The position of a Row: its top and bottom in inches. ``branches`` are the Rows of each branch of a module."""
    row: Row
    branches: Sequence[Sequence[Row]]
    top: float
    bottom: float


def _depth(rows):
    """The number of Rows with weights."""
    return sum(row.params > 0 for row in rows)


def _places(trunk, heads, counted, shape):
    """(a Place for every row that is drawn, the bottom of the last one). A row that a head reads starts below the head
    before it."""
    places, y, free = [], TOP, 0.0
    for row in counted.modules:
        layer = trunk.children[row.name]
        branches = [rows_of(branch, shape) for branch in layer.branches] if isinstance(layer, Concat) else []
        height = max(map(len, branches)) * (BOX + GAP) + 2 * GAP if branches else BOX
        for tap, head in heads.values():
            if tap == row.name:
                y = max(y, free - height)
                free = y + height + 2 * GAP + len(_head_rows(head, row.output)) * (BOX + GAP) + CAPTION
        if row.kind != "flatten":
            places.append(Place(row, branches, y, y + height))
            y += height + GAP
        shape = row.output
    return places, max(y, free)


def _bands(ax, places, page):
    """A shaded band behind every other size of maps."""
    dark, before = False, None
    for place in places:
        maps, top = place.row.output[:-1], place.top - GAP / 2
        if before:
            dark ^= before.row.output[:-1] != maps
            top = before.bottom + GAP / 2
        if dark:
            ax.add_patch(Rectangle((0, top), page, place.bottom + GAP / 2 - top, facecolor="#F0F0F0", edgecolor="none",
                                   zorder=-1))
        before = place


def _label(row, between=", ", after=" maps"):
    """The text on a box; for convolutions with the number of output maps."""
    maps = f"{between}{row.output[-1]}{after}" if row.is_conv else ""
    return operation(row) + maps


def _layer(ax, middle, place):
    box(ax, middle - 1.0, place.top, 2.0, BOX, _label(place.row), fill_of(place.row), fontsize=SMALL)


def _module(ax, place):
    """The branches in parallel, between a line for the input and a thick line for the concatenated outputs."""
    column = WIDTH / len(place.branches)
    first, last = LEFT + column / 2, LEFT + WIDTH - column / 2
    line(ax, (first, place.top), (last, place.top), arrow=False)
    line(ax, (first, place.bottom), (last, place.bottom), arrow=False, linewidth=1.8)
    for i, rows in enumerate(place.branches):
        center = first + i * column
        line(ax, (center, place.top), (center, place.bottom), arrow=False)
        for j, row in enumerate(reversed(rows), 1):
            box(ax, center - 0.475 * column, place.bottom - j * (BOX + GAP), 0.95 * column, BOX, _label(row, " ", ""),
                fill_of(row), fontsize=SMALL)


def _counts(ax, place, page):
    row, y = place.row, (place.top + place.bottom) / 2
    ax.text(NAMES, y, row.name, va="center", fontsize=SMALL)
    cells = size(row.output), _short(row.params / 1e3), _short(row.macs / 1e6)
    for (from_edge, _), text in zip(COLUMNS, cells if row.params else cells[:1], strict=False):
        ax.text(page - from_edge, y, text, ha="right", va="center", fontsize=SMALL)


def _short(number):
    """One decimal, or one significant digit for small numbers."""
    return f"{number:,.1f}" if number >= 0.1 else f"{number:.1g}"


def _head_rows(head, shape):
    return [row for row in rows_of(head, shape) if row.kind != "flatten"]


def _heads(ax, places, heads):
    """Each auxiliary head at the right, starting at the row that it reads."""
    middle = HEADS + HEAD_WIDTH / 2
    for name, (tap, head) in heads.items():
        place = places[tap]
        rows, y = _head_rows(head, place.row.output), place.bottom + 2 * GAP
        line(ax, (LEFT + WIDTH / 2, place.bottom), (middle, place.bottom), (middle, y))
        line(ax, (middle, y), (middle, y + (len(rows) - 1) * (BOX + GAP)), arrow=False)
        for row in rows:
            box(ax, HEADS, y, HEAD_WIDTH, BOX, _label(row), fill_of(row), fontsize=SMALL)
            y += BOX + GAP
        text = f"{name}, training only\n{sum(row.params for row in rows):,} params"
        ax.text(middle, y, text, ha="center", va="top", fontsize=SMALL, color=GRAY, linespacing=1.3)
