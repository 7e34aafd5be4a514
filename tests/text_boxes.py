"""Checks that the texts of a matplotlib figure are readable: none overlaps another, is cut off or leaves its box."""

from matplotlib.text import Text


def shown(fig):
    """[(Text, its extent in pixels)] of every visible text."""
    fig.draw_without_rendering()
    hidden = set()
    for ax in fig.axes:
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
                if not (ax.axison and low - 1e-9 <= tick.get_loc() <= high + 1e-9):
                    hidden |= {tick.label1, tick.label2}
            if not ax.axison:
                hidden |= {axis.label, axis.offsetText}
    return [(text, text.get_window_extent()) for text in fig.findobj(Text)
            if text.get_visible() and text.get_text().strip() and text not in hidden]


def complaints(fig, slack=0.5):
    """A line for each text that overlaps another one, leaves the figure, or leaves its box. ``slack`` in pixels."""
    found, texts = [], shown(fig)
    width, height = fig.bbox.size
    for i, (text, box) in enumerate(texts):
        name = repr(text.get_text())
        if box.x0 < -slack or box.y0 < -slack or box.x1 > width + slack or box.y1 > height + slack:
            found.append(f"{name} leaves the figure: {box.extents.round(1)} of {width:g} x {height:g}")
        around = getattr(text, "box", None)
        if around is not None:
            inside = around.get_window_extent()
            if (box.x0 < inside.x0 - slack or box.x1 > inside.x1 + slack
                    or box.y0 < inside.y0 - slack or box.y1 > inside.y1 + slack):
                found.append(f"{name} leaves its box: {box.extents.round(1)} of {inside.extents.round(1)}")
        for other, its in texts[i + 1:]:
            if (min(box.x1, its.x1) - max(box.x0, its.x0) > slack
                    and min(box.y1, its.y1) - max(box.y0, its.y0) > slack):
                found.append(f"{name} overlaps {other.get_text()!r}")
    return found
