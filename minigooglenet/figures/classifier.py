"""Global average pooling, as in GoogLeNet, against a fully connected layer on all positions."""

from typing import NamedTuple

from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle

from ..flops.audit import weights_of
from ..flops.counting import inputs
from ..layers import Dense
from ..layers.base import Shape
from ..models.catalog import network
from .blocks import size
from .style import BLUE, GRAY, INK, ORANGE, PALE, SMALL, TEXT, box, drawn, millions, sheet, tint

WIDTH, HEIGHT = 6.8, 4.55
CELL = 0.066                 # size of a cell of a map, inches
ROWS = (0.98, 1.56, 2.52)    # vertical positions of the first two maps and the last one


class Ending(NamedTuple):
    """The number of weights at the end of a network.

    maps       the input shape of the global average pool
    connected  weights of a fully connected layer in place of the pool, with as many units as there are maps
    before     weights of the layers before the pool
    linear     weights of the classifier
    """
    maps: Shape
    connected: int
    before: int
    linear: int


def ending() -> Ending:
    """The Ending of GoogLeNet, from its structure."""
    net = network("googlenet")
    maps, linear = inputs(net)["pool5"], weights_of(net.children["linear"])
    D = maps[0] * maps[1] * maps[2]
    return Ending(maps, Dense(D, maps[-1]).macs((D,)), weights_of(net) - linear, linear)


@drawn
def pooling(end: Ending | None = None) -> Figure:
    """Global average pooling against a fully connected layer: the connections, and the number of weights."""
    end = end or ending()
    H, W, C = end.maps
    fig, ax = sheet(WIDTH, HEIGHT, f"Averaging each map saves {end.connected:,} weights",
                    "Weights without biases, counted from the structure of GoogLeNet (Szegedy et al. 2014, Table 1; "
                    "global average pooling: Lin et al. 2013). Three of the maps are drawn.")
    connected = f"each unit reads all {H * W * C:,} values:\n{end.connected:,} weights"
    for x, title, text, mesh in (
            (0.1, "(a) fully connected", connected, True),
            (WIDTH / 2, "(b) global average pooling", "each unit is the average of its own map:\n0 weights", False)):
        ax.text(x, 0.55, title, va="center")
        _maps_to_units(ax, x + 0.75, end.maps, mesh)
        ax.text(x, 3.02, text, va="center", linespacing=1.35)
    _bars(ax, 3.42, end)
    return fig


def _maps_to_units(ax, x, shape, mesh):
    """Maps at x, units to their right; with ``mesh`` every cell connects to every unit, else to the unit of its map."""
    H, W, C = shape
    units, names, segments = x + 1.55, (1, 2, C), []
    for y in ROWS:
        for i in range(H):
            for j in range(W):
                left, top = x + j * CELL, y + (i - H / 2) * CELL
                ax.add_patch(Rectangle((left, top), CELL, CELL, facecolor=tint(BLUE, 0.25), edgecolor=GRAY,
                                       linewidth=0.4, zorder=2))
                center = left + CELL / 2, top + CELL / 2
                segments += [(center, (units, target)) for target in (ROWS if mesh else (y,))]
    ax.add_collection(LineCollection(segments, colors="#A0A0A0", linewidths=0.2, zorder=1))
    for y, name in zip(ROWS, names, strict=True):
        ax.text(x - 0.1, y, f"map {name}", ha="right", va="center", fontsize=SMALL)
        ax.add_patch(Circle((units, y), 0.07, facecolor=ORANGE, edgecolor=INK, linewidth=0.7, zorder=3))
        ax.text(units + 0.14, y, f"unit {name}", va="center", fontsize=SMALL)
    between = (ROWS[1] + ROWS[2]) / 2
    for place in (x + W * CELL / 2, units):
        ax.text(place, between, "⋮", ha="center", va="center", fontsize=TEXT + 3, zorder=4)


def _bars(ax, y, end):
    """All weights of the network, for both forms."""
    left, height = 1.85, 0.22
    scale = (WIDTH - left - 0.15) / (end.before + end.connected + end.linear)
    before, connected, linear = (end.before, BLUE), (end.connected, PALE), (end.linear, ORANGE)
    for name, parts in (("with (a)", (before, connected, linear)), ("with (b)", (before, linear))):
        x, total, middle = left, sum(weights for weights, _ in parts), y + height / 2
        ax.text(left - 0.1, middle, f"{name}: {millions(total)} weights", ha="right", va="center", fontweight="bold")
        for weights, color in parts:
            box(ax, x, y, weights * scale, height, fill=color, edge=GRAY)
            if weights == end.connected:
                text = f"fully connected {size(end.maps)} to {end.maps[-1]}: {millions(weights)}"
                ax.text(x + weights * scale / 2, middle, text, ha="center", va="center", fontsize=SMALL, zorder=4)
            x += weights * scale
        y += 0.32
    ax.text(x + 0.1, middle, f"first part: all layers before, {millions(end.before)}; "
            f"last part: the linear classifier, {millions(end.linear)}", va="center", fontsize=SMALL)
