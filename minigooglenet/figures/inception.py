"""Both forms of the inception module, drawn from their structure."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon

from ..errors import UserError
from ..flops.counting import inputs
from ..flops.report import MODULES, naive
from ..layers.base import Shape
from ..layers.containers import Concat
from ..models.catalog import network
from .blocks import fill_of, operation, rows_of, size
from .style import PALE, SMALL, TEXT, box, drawn, line, millions, sheet, tint

WIDTH, HEIGHT = 7.2, 4.5
BOX, BAR = 0.5, 0.28  # heights, inches


@drawn
def inception(module: str = "4a") -> Figure:
    """Figure 2 of the paper with the widths of one of GoogLeNet's modules: (a) naive, (b) with 1×1 reductions.

    Raises UserError if GoogLeNet has no such module.
    """
    rows = {row.name: row for row in MODULES}
    if module not in rows:
        raise UserError(f"GoogLeNet has no module {module!r}; choose {', '.join(rows)}")
    net = network("googlenet")
    shape, reduced = inputs(net)[module], net.children[module]
    assert isinstance(reduced, Concat)
    forms = ("(a) naive", naive(rows[module], shape[-1])), ("(b) with 1×1 reductions", reduced)
    column = WIDTH / 2
    scale = (column - 0.2) / max(concat.output_shape(shape)[-1] for _, concat in forms)
    fig, ax = sheet(WIDTH, HEIGHT, f"The inception module in both forms, with the widths of {module}",
                    "In the boxes: the kernel size, the number of output maps, and multiply-adds for one image of "
                    "224×224. The widths of the input and of the row at the bottom are proportional to the number of "
                    "maps. A ReLU follows each convolution. After Szegedy et al. 2014, figure 2 and Table 1; counted "
                    "from the structure.")
    for x, (title, concat) in zip((0.1, column + 0.1), forms, strict=True):
        ax.text(x, 0.57, title, fontsize=TEXT, va="center")
        draw_module(ax, x, 0.75, column - 0.2, HEIGHT - 1.3, concat, shape, scale)
    return fig


def draw_module(ax: Axes, x: float, y: float, width: float, height: float, concat: Concat, shape: Shape,
                scale: float) -> None:
    """Draw an inception module on a sheet: its branches in parallel, and below them their outputs as one bar.

    x, y           the upper left corner, inches
    width, height  of the drawing, inches
    shape          the input shape of the module
    scale          inches per map, for the input and the bar
    """
    branches = [rows_of(branch, shape) for branch in concat.branches]
    macs, bar = concat.macs(shape), y + height - 0.62
    column, depth = width / len(branches), max(map(len, branches))
    middle, bus = x + width / 2, y + 0.42
    box(ax, middle - shape[-1] * scale / 2, y, shape[-1] * scale, BAR, f"{size(shape)} in", fill=PALE)
    line(ax, (middle, y + BAR), (middle, bus), arrow=False)
    line(ax, (x + column / 2, bus), (x + width - column / 2, bus), arrow=False)
    total = sum(rows[-1].output[-1] for rows in branches)
    start, gap = middle - total * scale / 2, (bar - bus - depth * BOX) / (depth + 1)
    for i, rows in enumerate(branches):
        center, above = x + (i + 0.5) * column, bus
        for j, row in enumerate(rows, depth - len(rows)):
            top = bus + (j + 1) * gap + j * BOX
            line(ax, (center, above), (center, top))
            cost = f"\n{millions(row.macs)}" if row.macs else ""
            box(ax, center - 0.46 * column, top, 0.92 * column, BOX,
                f"{operation(row)}\n{row.output[-1]} maps{cost}", fill_of(row), fontsize=SMALL)
            above = top + BOX
        maps, color = rows[-1].output[-1], fill_of(rows[-1])
        share = maps * scale
        ax.add_patch(Polygon([(center - 0.44 * column, above), (center + 0.44 * column, above), (start + share, bar),
                              (start, bar)], facecolor=tint(color, 0.45), edgecolor="none", zorder=0))
        box(ax, start, bar, share, BAR, str(maps), color, fontsize=SMALL)
        start += share
    ax.text(middle, bar + 0.46, f"concatenated: {size(concat.output_shape(shape))} out, "
            f"{millions(macs)} multiply-adds", ha="center", va="center")
