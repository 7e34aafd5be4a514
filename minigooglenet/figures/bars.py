"""Horizontal bars in panels."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from .style import BLUE, GRAY, SMALL, TEXT, caption, drawn, figure, tint, wrapped

PER_BAR, PER_PANEL = 0.2, 0.42  # inches


@drawn
def bars(title: str, panels: Sequence[tuple[str, Sequence[tuple[str, float, str]]]], source: str,
         highlighted: str | None = None) -> Figure:
    """A panel for each (title, [(name, value, remark)]), each with its own scale, the remark next to its bar.

    Bars called ``highlighted`` are blue, the others gray. ``source`` is printed below. More than four panels are placed
    in two columns.
    """
    columns = 1 if len(panels) <= 4 else 2
    rows = -(-len(panels) // columns)
    tallest = max(len(entries) for _, entries in panels)
    fig, axes = figure(rows, columns, width=6.4 * columns, height=0.9 + rows * (PER_PANEL + PER_BAR * tallest),
                       squeeze=False)
    places = axes.ravel()
    for ax, (heading, entries) in zip(places, panels, strict=False):
        _panel(ax, heading, entries, tallest, highlighted)
    for ax in places[len(panels):]:
        ax.set_visible(False)
    caption(fig, title, source)
    return fig


def _panel(ax, heading, entries, tallest, highlighted):
    names, values, remarks = zip(*entries, strict=True)
    ys = range(len(entries))
    ax.barh(ys, values, height=0.72, color=[BLUE if name == highlighted else tint(GRAY, 0.45) for name in names])
    for y, value, remark in zip(ys, values, remarks, strict=True):
        ax.annotate(remark, (value, y), xytext=(3, 0), textcoords="offset points", va="center", fontsize=SMALL)
    ax.set_yticks(ys, names)
    ax.set(xlim=(0, 1.35 * max(values)), ylim=(tallest - 0.5, -0.6))
    ax.tick_params(left=False, bottom=False, labelbottom=False)
    ax.spines[:].set_visible(False)
    ax.set_title(wrapped(heading, 6.2, TEXT), loc="left", fontsize=TEXT)
