"""The top-5 error of the best entries in the ImageNet classification challenge, by year."""

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.figure import Figure

from .style import BLUE, GRAY, INK, PALE, SMALL, caption, drawn, figure


class Entry(NamedTuple):
    """A row of Table 2: team, year, place, top-5 error on the test images in %, additional training data."""
    team: str
    year: int
    place: str
    error: float
    external: str | None = None


#: Szegedy et al. 2014, Table 2, as printed.
TABLE_2 = (
    Entry("SuperVision", 2012, "1st", 16.4),
    Entry("SuperVision", 2012, "1st", 15.3, "ImageNet 22k"),
    Entry("Clarifai", 2013, "1st", 11.7),
    Entry("Clarifai", 2013, "1st", 11.2, "ImageNet 22k"),
    Entry("MSRA", 2014, "3rd", 7.35),
    Entry("VGG", 2014, "2nd", 7.32),
    Entry("GoogLeNet", 2014, "1st", 6.67),
)


@drawn
def error_by_year(entries: Sequence[Entry] = TABLE_2) -> Figure:
    """A bar for each Entry, years from top to bottom. The last Entry is highlighted."""
    fig, ax = figure(width=6.4, height=3.5)
    y, ticks, year = 0.0, [], None
    for entry in entries:
        if year not in (None, entry.year):
            y += 0.55
        color = BLUE if entry is entries[-1] else PALE
        ax.barh(y, entry.error, height=0.72, facecolor="white" if entry.external else color, edgecolor=GRAY,
                linewidth=0.7, hatch="////" if entry.external else None)
        ax.text(entry.error + 0.2, y, f"{entry.error:g} %", va="center",
                fontweight="bold" if entry is entries[-1] else "normal")
        note = f"{entry.place}, also trained on {entry.external}" if entry.external else entry.place
        ax.text(entry.error + 2.7, y, note, va="center", color=GRAY, fontsize=SMALL)
        if entry.year != year:
            ax.text(-0.24, y, str(entry.year), va="center", fontweight="bold", transform=ax.get_yaxis_transform())
        ticks.append(y)
        y, year = y + 1, entry.year
    ax.set_yticks(ticks, [entry.team for entry in entries])
    ax.tick_params(axis="y", length=0)
    ax.set(xlim=(0, 23), ylim=(y - 0.4, -0.6), xlabel="top-5 error in %", xticks=range(0, 18, 4))
    ax.spines["bottom"].set_bounds(0, 16)
    ax.xaxis.label.set(color=INK)
    ax.xaxis.set_label_coords(8 / 23, -0.1)
    first, last = entries[0], entries[-1]
    caption(fig, f"The challenge's top-5 error fell from {first.error:g} % to {last.error:g} % in "
                 f"{last.year - first.year} years",
            "ILSVRC classification, test images. VGG and GoogLeNet: sets of 7 networks each. SuperVision: the team "
            "of AlexNet. Source: Szegedy et al. 2014, Table 2. For MSRA 2014, Simonyan & Zisserman 2014 "
            "(Table 7) list 8.1 %.")
    return fig
