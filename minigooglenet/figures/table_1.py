"""Table 1 of the paper: its printed counts, and those that its widths give."""

import re

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..flops.audit import EXPLANATIONS, K, M, audit
from ..flops.counting import convolution
from ..models.catalog import network
from ..models.googlenet import TABLE_1
from ..models.rows import Inception
from .blocks import size
from .style import GRAY, ORANGE, SMALL, drawn, line, sheet, tint, wrapped

WIDTH, TOP, PITCH = 7.6, 0.62, 0.2  # inches: width of the page, position of the headings, height of a row
WIDTHS = ("1×1", "3×3\nreduce", "3×3", "5×5\nreduce", "5×5", "pool\nproj")

#: The right edge of each column (the left one if its alignment is "left"), in inches.
COLUMNS = (
    (0.1, "left", "type"), (1.0, "left", "window\n/stride"), (2.15, "right", "output"), (2.6, "right", "depth"),
    *((3.0 + 0.42 * i, "right", title) for i, title in enumerate(WIDTHS)),
    (5.68, "right", "params\nprinted"), (6.22, "right", "counted"),
    (6.72, "right", "ops\nprinted"), (7.24, "right", "counted"),
)
PARAMS, OPS = (5.2, 6.27), (6.31, 7.29)  # shaded where our count differs from the printed one


@drawn
def table_1() -> Figure:
    """All rows of Table 1 with the printed params and ops and our counts; where they differ, a mark and a note."""
    net = network("googlenet")
    rows = audit(net)
    differing = [row for row in rows if not (row.params_agree and row.ops_agree)]
    notes = [_note(number, row) for number, row in enumerate(differing, 1)]
    bottom = TOP + 0.3 + (len(rows) + 1) * PITCH
    lines = sum(note.count("\n") + 1 for note in notes)
    fig, ax = sheet(WIDTH, bottom + 0.127 * lines + 0.5, _title(rows),
                    "Printed: Szegedy et al. 2014, Table 1; K = 1024, M = 1,000,000 multiply-adds. Counted: "
                    "from the structure with these widths; params with biases, ops of weights only. Differences by "
                    "rounding are ignored.")
    for x, align, title in COLUMNS:
        ax.text(x, TOP, title, ha=align, va="center", fontsize=SMALL, fontweight="bold", linespacing=1.2)
    line(ax, (0.1, TOP + 0.18), (WIDTH - 0.1, TOP + 0.18), arrow=False)
    y, number, before = TOP + 0.3, 0, None
    for row in rows:
        differs = [span for span, agrees in ((PARAMS, row.params_agree), (OPS, row.ops_agree)) if not agrees]
        for left, right in differs:
            ax.add_patch(Rectangle((left, y - PITCH / 2), right - left, PITCH, facecolor=tint(ORANGE, 0.35),
                                   edgecolor="none"))
        if differs:
            number += 1
            ax.text(WIDTH - 0.1, y, f"≠ {number}", ha="right", va="center", fontsize=SMALL, fontweight="bold")
        _cells(ax, y, _row(net, row, before))
        y, before = y + PITCH, row.output
    line(ax, (0.1, y - PITCH / 2), (WIDTH - 0.1, y - PITCH / 2), arrow=False)
    _cells(ax, y, _sums(rows))
    ax.text(0.1, y + 0.25, "\n".join(notes), va="top", fontsize=SMALL, color=GRAY, linespacing=1.35)
    return fig


def _title(rows):
    counted = [row for row in rows if row.printed.ops is not None]
    cells = [agrees for row in counted for agrees in (row.params_agree, row.ops_agree)]
    shapes = all(row.output == row.printed.output and row.depth == row.printed.depth for row in rows)
    return (f"Table 1 audited: {'all outputs and depths agree, ' if shapes else ''}{sum(cells)} of {len(cells)} counts "
            "agree")


def _cells(ax, y, cells):
    for (x, align, _), text in zip(COLUMNS, cells, strict=True):
        ax.text(x, y, text, ha=align, va="center", fontsize=SMALL)


def _row(net, row, shape):
    """The texts of a row with input ``shape``, in the order of COLUMNS."""
    printed, layer = row.printed, net.children[row.printed.layers[-1]]
    widths = [""] * 6
    module = next((found for found in TABLE_1 if found.name == printed.layers[0]), None)
    if isinstance(module, Inception):
        widths = [str(F) for F in module[1:]]
    elif len(printed.layers) == 2:  # the second convolution, with its reduction
        reduce, conv = (convolution(net.children[name]).F for name in printed.layers)
        widths = ["", str(reduce), str(conv), "", "", ""]
    window = ""
    if layer.kernel:
        window = f"{size(layer.kernel)}/{layer.stride[0]}"
    elif layer.kind == "global average pool":
        window = f"{size(shape[:2])}/1"
    counts = [""] * 4
    if printed.ops is not None:
        counts = [f"{printed.params:g}K", f"{row.params / K:,.1f}K", f"{printed.ops}M", f"{row.macs / M:,.1f}M"]
    return [printed.type, window, size(row.output),
            str(row.depth), *widths, *counts]


def _sums(rows):
    params = [row.printed.params for row in rows if row.printed.params is not None]
    return ["sum", "", "", str(sum(row.depth for row in rows)), *[""] * 6, f"{sum(params):,.1f}K",
            f"{sum(row.params for row in rows) / K:,.1f}K", f"{sum(row.printed.ops or 0 for row in rows):,}M",
            f"{sum(row.macs for row in rows) / M:,.1f}M"]


def _note(number, row):
    """The explanation of a row that differs, with × for x between digits."""
    name = row.printed.layers[0]
    text = re.sub(r"(?<=\d)x(?=\d)", "×", " ".join(EXPLANATIONS[name](row)))
    return wrapped(f"{number}  {name}: {text}", WIDTH - 0.4, SMALL)
