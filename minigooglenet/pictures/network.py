"""A whole network, drawn by a walk over its structure, from top to bottom."""

from typing import NamedTuple

from matplotlib.patches import Rectangle

from ..flops.counting import Row, count
from ..models import catalogue
from .blocks import fill_of, operation, rows_of, size
from .style import GREY, PALE, SMALL, box, drawn, line, sheet

#: Inches, from left to right: names, the drawing, the heads; then how far from the right edge the numbers end.
NAMES, LEFT, WIDTH, HEADS, HEAD_WIDTH = 0.1, 0.95, 3.1, 4.25, 1.12
COLUMNS = ((1.26, "output"), (0.65, "params\nthousands"), (0.1, "MACs\nmillions"))
PAGE = 7.4
#: Inches: a box, the space between two, a head's caption, where the drawing begins, and what stays free below it.
BOX, GAP, CAPTION, TOP, BOTTOM = 0.18, 0.066, 0.35, 0.9, 0.45


@drawn
def network(model="googlenet", *, input_shape=None, heads=True):
    """The network called ``model`` in models/catalogue.py, for pictures of ``input_shape`` (H, W, C) or of its own.

    Each row is a layer with its normalisation and ReLU, or an inception module with its branches side by side. The
    auxiliary heads, where it has them, leave to the right; the numbers do not include them. Light and dark bands: maps
    of one size. Raises UserError for an unknown name, or pictures that do not fit.
    """
    entry = catalogue.entry(model)
    shape = tuple(input_shape or entry.input_shape)
    net = catalogue.network(model, input_shape=shape, heads=heads and entry.has_heads)
    trunk, tails = getattr(net, "trunk", net), getattr(net, "heads", {})
    counted = count(trunk, shape)
    places, end = _places(trunk, tails, counted, shape)
    depth = sum(max(map(_depth, place.branches), default=place.row.params > 0) for place in places)
    page = PAGE if tails else PAGE - HEAD_WIDTH - 0.15
    fig, ax = sheet(
        page, end + BOTTOM, f"{model}: {counted.params:,} parameters, {counted.macs:,} multiply-adds",
        f"{entry.source[0].upper()}{entry.source[1:]}. {depth} layers with weights on the longest way. Drawn and "
        "counted from the structure, for one picture. A convolution includes its ReLU and batch norm. Shades: maps of "
        "one size."
        + (" Thick lines: outputs side by side." if any(place.branches for place in places) else ""))
    _bands(ax, places, page)
    middle, above = LEFT + WIDTH / 2, TOP - 2 * GAP
    for from_edge, title in COLUMNS:
        ax.text(page - from_edge, TOP - 0.3, title, ha="right", va="center", fontsize=SMALL, fontweight="bold")
    box(ax, middle - 0.75, above - BOX, 1.5, BOX, f"{size(shape)} in", PALE, fontsize=SMALL)
    for place in places:
        line(ax, (middle, above), (middle, place.top), arrow=False)
        _module(ax, place) if place.branches else _layer(ax, middle, place)
        _numbers(ax, place, page)
        above = place.bottom
    _heads(ax, {place.row.name: place for place in places}, tails)
    return fig


class Place(NamedTuple):
    """Where a Row goes: its top and bottom in inches; an inception module has its ``branches``, lists of Rows."""
    row: Row
    branches: list
    top: float
    bottom: float


def _depth(rows):
    """How many of these have weights."""
    return sum(row.params > 0 for row in rows)


def _places(trunk, heads, counted, shape):
    """(a Place for every row that is drawn, where the last one ends). A row that a head reads waits until the head
    before it has ended."""
    places, y, free = [], TOP, 0.0
    for row in counted.modules:
        branches = [rows_of(branch, shape) for branch in getattr(trunk.children[row.name], "branches", ())]
        height = max(map(len, branches)) * (BOX + GAP) + 2 * GAP if branches else BOX
        for tap, head in heads.values():
            if folded_name(tap) == row.name:
                y = max(y, free - height)
                free = y + height + 2 * GAP + len(_head_rows(head, row.output)) * (BOX + GAP) + CAPTION
        if row.kind != "Flatten":
            places.append(Place(row, branches, y, y + height))
            y += height + GAP
        shape = row.output
    return places, max(y, free)


def folded_name(name):
    """The name of the row that the layer called ``name`` is counted with."""
    return name.removesuffix("_relu").removesuffix("_bn")


def _bands(ax, places, page):
    """A shade behind every other size of maps."""
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


def _words(row, between=", ", after=" maps"):
    """What is on a box; convolutions say how many maps come out."""
    maps = f"{between}{row.output[-1]}{after}" if row.kind.startswith("conv") else ""
    return operation(row.kind) + maps


def _layer(ax, middle, place):
    box(ax, middle - 1.0, place.top, 2.0, BOX, _words(place.row), fill_of(place.row.kind), fontsize=SMALL)


def _module(ax, place):
    """The branches side by side, between a line that hands the input out and one that gathers the outputs."""
    column = WIDTH / len(place.branches)
    first, last = LEFT + column / 2, LEFT + WIDTH - column / 2
    line(ax, (first, place.top), (last, place.top), arrow=False)
    line(ax, (first, place.bottom), (last, place.bottom), arrow=False, linewidth=1.8)
    for i, rows in enumerate(place.branches):
        centre = first + i * column
        line(ax, (centre, place.top), (centre, place.bottom), arrow=False)
        for j, row in enumerate(reversed(rows), 1):
            box(ax, centre - 0.475 * column, place.bottom - j * (BOX + GAP), 0.95 * column, BOX, _words(row, " ", ""),
                fill_of(row.kind), fontsize=SMALL)


def _numbers(ax, place, page):
    row, y = place.row, (place.top + place.bottom) / 2
    ax.text(NAMES, y, row.name, va="center", fontsize=SMALL)
    cells = size(row.output), _short(row.params / 1e3), _short(row.macs / 1e6)
    for (from_edge, _), text in zip(COLUMNS, cells if row.params else cells[:1], strict=False):
        ax.text(page - from_edge, y, text, ha="right", va="center", fontsize=SMALL)


def _short(number):
    """One decimal, or as many as a small number needs."""
    return f"{number:,.1f}" if number >= 0.1 else f"{number:.1g}"


def _head_rows(head, shape):
    return [row for row in rows_of(head, shape) if row.kind != "Flatten"]


def _heads(ax, places, heads):
    """Each auxiliary head in the margin, from the row it reads downwards."""
    middle = HEADS + HEAD_WIDTH / 2
    for name, (tap, head) in heads.items():
        place = places[folded_name(tap)]
        rows, y = _head_rows(head, place.row.output), place.bottom + 2 * GAP
        line(ax, (LEFT + WIDTH / 2, place.bottom), (middle, place.bottom), (middle, y))
        line(ax, (middle, y), (middle, y + (len(rows) - 1) * (BOX + GAP)), arrow=False)
        for row in rows:
            box(ax, HEADS, y, HEAD_WIDTH, BOX, _words(row), fill_of(row.kind), fontsize=SMALL)
            y += BOX + GAP
        text = f"{name}, in training only\n{sum(row.params for row in rows):,} params"
        ax.text(middle, y, text, ha="center", va="top", fontsize=SMALL, color=GREY, linespacing=1.3)
