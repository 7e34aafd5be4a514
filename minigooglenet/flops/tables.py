"""Counts as text: for the terminal, for Markdown, for spreadsheets (CSV) and for programs (JSON)."""

import csv
import io
from dataclasses import dataclass

from .counting import folded

UNITS = "One picture. 1 MAC = 1 multiply-add = 2 FLOPs. Other: comparisons, additions, LRN, batch norm."


def shape_text(shape):
    """``(28, 28, 256) -> "28x28x256"``"""
    return "x".join(map(str, shape))


def cell(value):
    """A number with its thousands apart, nothing for None, anything else as it is."""
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else str(value)


@dataclass
class Table:
    """Headings, rows of cells (int, str or None), and rows of totals that come after them."""

    headings: tuple
    rows: list
    totals: list = ()

    def _lines(self):
        return [[cell(value) for value in row] for row in (*self.rows, *self.totals)]

    def _to_the_right(self):
        """Whether each column holds numbers: everything in it starts with a digit. Names never do."""
        columns = zip(*self._lines(), strict=True)
        return [j > 0 and all(text[0] in "0123456789+-" for text in column if text) for j, column in enumerate(columns)]

    def text(self, indent="  "):
        """Aligned columns, numbers to the right; the totals below a rule."""
        lines = [list(self.headings), *self._lines()]
        widths = [max(len(line[j]) for line in lines) for j in range(len(self.headings))]
        align = [str.rjust if right else str.ljust for right in self._to_the_right()]
        rule = indent + "  ".join("-" * width for width in widths)
        printed = [indent + "  ".join(put(text, width) for put, text, width in zip(align, line, widths, strict=True))
                   for line in lines]
        end = len(printed) - len(self.totals)
        return "\n".join(line.rstrip() for line in (
            printed[0], rule, *printed[1:end], *([rule, *printed[end:]] if self.totals else ())))

    def markdown(self):
        """The same for a web page, totals in bold."""
        lines = self._lines()
        end = len(lines) - len(self.totals)
        lines[end:] = [[f"**{text}**" if text else "" for text in line] for line in lines[end:]]
        rule = ["---:" if right else "---" for right in self._to_the_right()]
        return "\n".join("| " + " | ".join(line) + " |" for line in (self.headings, rule, *lines))

    def csv(self):
        """Comma-separated values, numbers plain, without totals (a spreadsheet adds them up itself)."""
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([heading.lower() for heading in self.headings])
        writer.writerows([["" if value is None else value for value in row] for row in self.rows])
        return file.getvalue().rstrip("\n")


def layer_table(count, by="layer", timings=None, fold=False):
    """A row for every leaf or module, and the total. With ``timings`` {name: ms}, also milliseconds and achieved
    GFLOP/s. ``fold`` puts each ReLU and batch norm into the row of its convolution, for fewer lines."""
    headings = ["name", "kind", "output", "params", "MACs", "FLOPs", "other"]
    rows = folded(count.rows(by)) if fold else count.rows(by)
    cells = [[row.name, row.kind, shape_text(row.output), row.params, row.macs, row.flops, row.other] for row in rows]
    total = ["total", "", "", count.params, count.macs, count.flops, count.other]
    if timings:
        headings += ["ms", "GFLOP/s"]
        for line, row in zip(cells, rows, strict=True):
            line += _speed(timings[row.name], row.flops)
        total += _speed(sum(timings.values()), count.flops)
    return Table(headings, cells, [total])


def _speed(ms, flops):
    return [f"{ms:.3f}", f"{flops / ms / 1e6:.1f}" if flops and ms else ""]


def compare_table(counts):
    """All networks side by side; the ratios are to GoogLeNet."""
    base = next(count for count in counts if count.model == "googlenet")
    return Table(("model", "input", "params", "params ratio", "MACs", "MACs ratio", "FLOPs"), [
        [c.model, shape_text(c.input), c.params, f"{c.params / base.params:.2f}×", c.macs, f"{c.macs / base.macs:.2f}×",
         c.flops] for c in counts])


def as_data(count, by="layer", timings=None):
    """The count as plain dicts and lists, for JSON."""
    rows = [{"name": row.name, "type": row.kind, "output": list(row.output), "params": row.params, "macs": row.macs,
             "other": row.other} for row in count.rows(by)]
    if timings:
        for row in rows:
            row["ms"] = round(timings[row["name"]], 4)
    return {"model": count.model, "input": list(count.input), "rows": rows,
            "total": {"params": count.params, "macs": count.macs, "flops": count.flops}}
