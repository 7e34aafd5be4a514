"""Tables as text: aligned columns, Markdown and CSV."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

UNITS = "One image. 1 MAC = 1 multiply-add = 2 FLOPs. Other: comparisons, additions, LRN, batch norm."


def shape_text(shape: Sequence[int]) -> str:
    """``(28, 28, 256) -> "28x28x256"``"""
    return "x".join(map(str, shape))


def cell(value: int | str | None) -> str:
    """An integer with commas between the thousands, nothing for None, anything else as it is."""
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else str(value)


@dataclass
class Table:
    """Headings, rows of cells (int, str or None), and rows of totals below them."""

    headings: Sequence[str]
    rows: Sequence[Sequence[Any]]
    totals: Sequence[Sequence[Any]] = ()

    def _lines(self) -> list[list[str]]:
        return [[cell(value) for value in row] for row in (*self.rows, *self.totals)]

    def _numeric(self) -> list[bool]:
        """Whether each column holds numbers: every cell starts with a digit or a sign. The first column holds names."""
        columns = zip(*self._lines(), strict=True)
        return [j > 0 and all(text[0] in "0123456789+-" for text in column if text) for j, column in enumerate(columns)]

    def __str__(self) -> str:
        return self.text()

    def text(self, indent: str = "  ") -> str:
        """Aligned columns, numbers right-aligned; the totals below a rule."""
        lines = [list(self.headings), *self._lines()]
        widths = [max(len(line[j]) for line in lines) for j in range(len(self.headings))]
        align = [str.rjust if right else str.ljust for right in self._numeric()]
        rule = indent + "  ".join("-" * width for width in widths)
        printed = [indent + "  ".join(put(text, width) for put, text, width in zip(align, line, widths, strict=True))
                   for line in lines]
        end = len(printed) - len(self.totals)
        return "\n".join(line.rstrip() for line in (
            printed[0], rule, *printed[1:end], *([rule, *printed[end:]] if self.totals else ())))

    def markdown(self) -> str:
        """A Markdown table, totals in bold."""
        lines = self._lines()
        end = len(lines) - len(self.totals)
        lines[end:] = [[f"**{text}**" if text else "" for text in line] for line in lines[end:]]
        rule = ["---:" if right else "---" for right in self._numeric()]
        return "\n".join("| " + " | ".join(line) + " |" for line in (self.headings, rule, *lines))

    def csv(self) -> str:
        """Comma-separated values, integers without commas, no totals (a spreadsheet computes them)."""
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([heading.lower() for heading in self.headings])
        writer.writerows([["" if value is None else value for value in row] for row in self.rows])
        return file.getvalue().rstrip("\n")
