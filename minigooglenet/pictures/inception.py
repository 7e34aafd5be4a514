"""Both forms of the inception module, drawn from their branches."""

from matplotlib.patches import Polygon

from ..errors import UserError
from ..flops.counting import count
from ..flops.report import MODULES, inputs, naive
from ..models.catalogue import network
from .blocks import fill_of, operation, rows_of, size
from .style import PALE, SMALL, TEXT, box, drawn, line, millions, sheet, tint

WIDTH, HEIGHT = 7.2, 4.5
BOX, BAR = 0.5, 0.28  # heights, inches


@drawn
def inception(module="4a"):
    """Figure 2 of the paper with the widths of one of GoogLeNet's modules: (a) naive, (b) with 1×1 reductions.

    Raises UserError where GoogLeNet has no such module.
    """
    rows = {row.name: row for row in MODULES}
    if module not in rows:
        raise UserError(f"GoogLeNet has no module {module!r}; choose {', '.join(rows)}")
    net = network("googlenet")
    shape = inputs(net)[module]
    forms = ("(a) naive", naive(rows[module], shape[-1])), ("(b) with 1×1 reductions", net.children[module])
    column = WIDTH / 2
    scale = (column - 0.2) / max(concat.output_shape(shape)[-1] for _, concat in forms)
    fig, ax = sheet(WIDTH, HEIGHT, f"The inception module in both forms, with the widths of {module}",
                    "In the boxes: the window, how many maps come out, and multiply-adds for one picture of 224×224. "
                    "The input and the row at the bottom are as wide as they have maps. A ReLU follows each "
                    "convolution. After Szegedy et al. 2014, figure 2 and Table 1; counted from the structure.")
    for x, (title, concat) in zip((0.1, column + 0.1), forms, strict=True):
        ax.text(x, 0.57, title, fontsize=TEXT, va="center")
        draw_module(ax, x, 0.75, column - 0.2, HEIGHT - 1.3, concat, shape, scale)
    return fig


def draw_module(ax, x, y, width, height, concat, shape, scale):
    """A Concat that reads ``shape``, in a rectangle of the sheet: its branches side by side, then what they give as one
    bar. ``scale``: inches a map, for the bar and the input."""
    branches = [rows_of(branch, shape) for branch in concat.branches]
    whole, bar = count(concat, shape), y + height - 0.62
    column, depth = width / len(branches), max(map(len, branches))
    middle, bus = x + width / 2, y + 0.42
    box(ax, middle - shape[-1] * scale / 2, y, shape[-1] * scale, BAR, f"{size(shape)} in", fill=PALE)
    line(ax, (middle, y + BAR), (middle, bus), arrow=False)
    line(ax, (x + column / 2, bus), (x + width - column / 2, bus), arrow=False)
    total = sum(rows[-1].output[-1] for rows in branches)
    start, gap = middle - total * scale / 2, (bar - bus - depth * BOX) / (depth + 1)
    for i, rows in enumerate(branches):
        centre, above = x + (i + 0.5) * column, bus
        for j, row in enumerate(rows, depth - len(rows)):
            top = bus + (j + 1) * gap + j * BOX
            line(ax, (centre, above), (centre, top))
            macs = f"\n{millions(row.macs)}" if row.macs else ""
            box(ax, centre - 0.46 * column, top, 0.92 * column, BOX,
                f"{operation(row.kind)}\n{row.output[-1]} maps{macs}", fill_of(row.kind), fontsize=SMALL)
            above = top + BOX
        maps, colour = rows[-1].output[-1], fill_of(rows[-1].kind)
        share = maps * scale
        ax.add_patch(Polygon([(centre - 0.44 * column, above), (centre + 0.44 * column, above), (start + share, bar),
                              (start, bar)], facecolor=tint(colour, 0.45), edgecolor="none", zorder=0))
        box(ax, start, bar, share, BAR, str(maps), colour, fontsize=SMALL)
        start += share
    ax.text(middle, bar + 0.46, f"side by side: {size(concat.output_shape(shape))} out, "
            f"{millions(whole.macs)} multiply-adds", ha="center", va="center")
