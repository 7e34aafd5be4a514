"""Networks of 2012 to 2014: error, multiply-adds and parameters."""

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.figure import Figure

from ..flops.counting import count
from .style import BLUE, GRAY, GREEN, ORANGE, PURPLE, SKY, SMALL, VERMILION, caption, drawn, figure, tint


class System(NamedTuple):
    """A network of models/catalog.py with its top-5 error in %, for a single network on the ILSVRC validation images.

    source  where the error is published
    label   (x, y, alignment) of the text, in points from the center of the bubble
    """
    name: str
    model: str
    error: float | None
    source: str
    color: str
    label: tuple[int, int, str]


#: The errors as published, each with its authors' best test procedure: 10 to 144 crops, or dense evaluation.
SYSTEMS = (
    System("AlexNet", "alexnet", 18.2, "Simonyan & Zisserman 2014, Table 7", VERMILION, (21, 9, "left")),
    System("ZFNet", "zfnet", 16.5, "Zeiler & Fergus 2014, Table 2", ORANGE, (22, 0, "left")),
    System("NIN", "nin", None, "Lin et al. 2013 give none", PURPLE, (11, 0, "left")),
    System("VGG-16", "vgg16", 7.2, "Simonyan & Zisserman 2014, Table 5", GREEN, (-30, -4, "right")),
    System("VGG-19", "vgg19", 7.1, "Simonyan & Zisserman 2014, Table 5", SKY, (4, 38, "center")),
    System("GoogLeNet", "googlenet", 7.89, "Szegedy et al. 2014, Table 3", BLUE, (11, 4, "left")),
)

POINTS = 18  # the square of a bubble's diameter in points, per million parameters
LOWEST, STRIP, HIGHEST = 5.7, 21.5, 24.5  # of the error axis; networks without an error are above STRIP


@drawn
def systems(systems: Sequence[System] = SYSTEMS) -> Figure:
    """A bubble for each System: multiply-adds on x, error on y (both logarithmic), area proportional to the number of
    parameters. Multiply-adds and parameters are counted from the structure."""
    counted = {system.name: count(system.model) for system in systems}
    fig, ax = figure(width=6.8, height=4.6)
    for system in sorted(systems, key=lambda system: -counted[system.name].params):
        macs, params = counted[system.name].macs / 1e9, counted[system.name].params / 1e6
        y = system.error or (STRIP * HIGHEST) ** 0.5
        ax.scatter(macs, y, s=POINTS * params, facecolor=tint(system.color, 0.45), edgecolor=system.color,
                   linewidth=1.2, linestyle="-" if system.error else "--", alpha=0.9, zorder=2)
        error = f"{system.error:.2f}".removesuffix("0") + " %" if system.error else "no top-5 error published"
        dx, dy, ha = system.label
        text = f"{error}, {params:.1f} M params, {macs:.2f} G MACs"
        ax.annotate(system.name, (macs, y), xytext=(dx, dy + 1), textcoords="offset points", ha=ha, va="bottom",
                    fontweight="bold", zorder=3)
        ax.annotate(text, (macs, y), xytext=(dx, dy), textcoords="offset points", ha=ha, va="top", fontsize=SMALL,
                    zorder=3)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set(xlim=(0.4, 50), ylim=(LOWEST, HIGHEST), xlabel="multiply-adds per image, in G (billions)",
           ylabel="top-5 error in %")
    ax.set_xticks((0.5, 1, 2, 5, 10, 20), ("0.5", "1", "2", "5", "10", "20"))
    ax.set_yticks((6, 7, 8, 10, 12, 15, 20), ("6", "7", "8", "10", "12", "15", "20"))
    ax.minorticks_off()
    ax.axhline(STRIP, color=GRAY, linewidth=0.6, linestyle=":")
    googlenet, vgg = counted["GoogLeNet"], counted["VGG-16"]
    caption(fig, f"GoogLeNet's error is close to VGG-16's with {vgg.macs / googlenet.macs:.1f} times fewer "
                 f"multiply-adds and {vgg.params / googlenet.params:.1f} times fewer parameters",
            "Bubble area: parameters. Both counts are from the structure, for one crop. Errors: one network, many "
            f"crops, ILSVRC validation images; {_sources(systems)}.")
    return fig


def _sources(systems):
    """Each source with its networks."""
    by_source = {}
    for system in systems:
        by_source.setdefault(system.source, []).append(system.name)
    return "; ".join(f"{', '.join(names)}: {source}" for source, names in by_source.items())
