"""Networks of 2012 to 2014 side by side: error, multiply-adds and parameters."""

from typing import NamedTuple

from ..flops.counting import count
from .style import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, SMALL, VERMILION, caption, drawn, figure, tint


class System(NamedTuple):
    """A network of models/catalogue.py with its top-5 error in %, of one network on ILSVRC's validation pictures.

    ``source`` says where the error is printed; ``label`` is (across, up, alignment), in points from the bubble's centre
    to its words.
    """
    name: str
    model: str
    error: float | None
    source: str
    colour: str
    label: tuple


#: The errors as their sources print them, each tested in its authors' best way: 10 crops to 144, or densely.
SYSTEMS = (
    System("AlexNet", "alexnet", 18.2, "Simonyan & Zisserman 2014, Table 7", VERMILION, (21, 9, "left")),
    System("ZFNet", "zfnet", 16.0, "Simonyan & Zisserman 2014, Table 7", ORANGE, (22, 0, "left")),
    System("NIN", "nin", None, "Lin et al. 2013 give none", PURPLE, (11, 0, "left")),
    System("VGG-16", "vgg16", 7.2, "Simonyan & Zisserman 2014, Table 5", GREEN, (-30, -4, "right")),
    System("VGG-19", "vgg19", 7.1, "Simonyan & Zisserman 2014, Table 5", SKY, (4, 38, "center")),
    System("GoogLeNet", "googlenet", 7.89, "Szegedy et al. 2014, Table 3", BLUE, (11, 4, "left")),
)

POINTS = 18  # the square of a bubble's diameter in points, for a million parameters
LOWEST, STRIP, HIGHEST = 5.7, 21.5, 24.5  # of the axis of errors; above STRIP, networks without one


@drawn
def systems(systems=SYSTEMS):
    """A bubble for each System, multiply-adds across and error upwards (both logarithmic), as large as its parameters
    are many. Multiply-adds and parameters are counted from the structure."""
    counted = {system.name: count(system.model) for system in systems}
    fig, ax = figure(width=6.8, height=4.6)
    for system in sorted(systems, key=lambda system: -counted[system.name].params):
        macs, params = counted[system.name].macs / 1e9, counted[system.name].params / 1e6
        y = system.error or (STRIP * HIGHEST) ** 0.5
        ax.scatter(macs, y, s=POINTS * params, facecolor=tint(system.colour, 0.45), edgecolor=system.colour,
                   linewidth=1.2, linestyle="-" if system.error else "--", alpha=0.9, zorder=2)
        error = f"{system.error:.2f}".removesuffix("0") + " %" if system.error else "no top-5 error published"
        across, up, ha = system.label
        text = f"{error}, {params:.1f} M params, {macs:.2f} G MACs"
        ax.annotate(system.name, (macs, y), xytext=(across, up + 1), textcoords="offset points", ha=ha, va="bottom",
                    fontweight="bold", zorder=3)
        ax.annotate(text, (macs, y), xytext=(across, up), textcoords="offset points", ha=ha, va="top", fontsize=SMALL,
                    zorder=3)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set(xlim=(0.4, 50), ylim=(LOWEST, HIGHEST), xlabel="multiply-adds for one picture, in G (billions)",
           ylabel="top-5 error in %")
    ax.set_xticks((0.5, 1, 2, 5, 10, 20), ("0.5", "1", "2", "5", "10", "20"))
    ax.set_yticks((6, 7, 8, 10, 12, 15, 20), ("6", "7", "8", "10", "12", "15", "20"))
    ax.minorticks_off()
    ax.axhline(STRIP, color=GREY, linewidth=0.6, linestyle=":")
    ours, rival = counted["GoogLeNet"], counted["VGG-16"]
    caption(fig, f"GoogLeNet comes near VGG-16's error with {rival.macs / ours.macs:.1f} times fewer multiply-adds and "
                 f"{rival.params / ours.params:.1f} times fewer parameters",
            "Bubbles: area as parameters. Both counts: from the structure, for one crop. Errors: one network, many "
            f"crops, ILSVRC validation pictures; {_sources(systems)}.")
    return fig


def _sources(systems):
    """Each source with the networks it is for."""
    by_source = {}
    for system in systems:
        by_source.setdefault(system.source, []).append(system.name)
    return "; ".join(f"{', '.join(names)}: {source}" for source, names in by_source.items())
