"""The multiply-adds that 1×1 convolutions before the 3×3 and the 5×5 save, counted from the structure."""

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..flops.counting import convolution, count, inputs
from ..flops.report import MODULES, naive
from ..layers.base import Shape
from ..models.catalog import network
from .blocks import size
from .style import BLUE, GRAY, ORANGE, PALE, SMALL, caption, drawn, figure, millions


class Branch(NamedTuple):
    """Multiply-adds of a K×K branch.

    window         such as "5x5"; ``shape`` is the input shape, ``maps`` the number of output maps
    direct         multiply-adds of the K×K convolution on the input
    first, second  those of a 1×1 convolution to ``between`` maps, and of the K×K convolution on these
    """
    module: str
    window: str
    shape: Shape
    maps: int
    between: int
    direct: int
    first: int
    second: int


class Module(NamedTuple):
    """Multiply-adds of a module in both forms of the paper's figure 2."""
    name: str
    naive: int
    reduced: int


def branch(module: str = "4a", window: str = "5x5") -> Branch:
    """A Branch of GoogLeNet's ``module``."""
    net = network("googlenet")
    shape, children = inputs(net)[module], net.children[module].children
    direct = naive(next(row for row in MODULES if row.name == module), shape[-1]).children[window]
    reduce, conv = (convolution(children[name]) for name in (f"{window}_reduce", window))
    return Branch(module, window, shape, conv.F, reduce.F, direct.macs(shape), reduce.macs(shape),
                  conv.macs(reduce.output_shape(shape)))


def modules() -> list[Module]:
    """A Module for each of the nine in GoogLeNet; both forms have the input of the paper's network."""
    net = network("googlenet")
    entering = inputs(net)
    return [Module(row.name, naive(row, entering[row.name][-1]).macs(entering[row.name]),
                   net.children[row.name].macs(entering[row.name])) for row in MODULES]


@drawn
def reduction(one: Branch | None = None, nine: Sequence[Module] | None = None) -> Figure:
    """Above, one Branch (by default the 5×5 of 4a); below, every Module."""
    one, nine = one or branch(), nine or modules()
    fig, (above, below) = figure(2, 1, width=6.6, height=4.9, height_ratios=(1, 2.2))
    _one_branch(above, one)
    _all_modules(below, nine)
    caption(fig, f"A 1×1 convolution first: {one.direct / (one.first + one.second):.1f} times fewer multiply-adds in "
                 f"one branch, {_ratio(nine):.1f} times in all modules",
            "One image of 224×224. Counted from the structure; 1 multiply-add = 1 MAC = 2 FLOPs. Naive: figure 2(a) of "
            "Szegedy et al. 2014; reduced: figure 2(b), the widths of Table 1. Both have the same input. If the naive "
            f"modules were stacked, {_chain()}.")
    return fig


def _ratio(nine):
    return sum(module.naive for module in nine) / sum(module.reduced for module in nine)


def _chain():
    """The result of stacking the naive modules."""
    counted = count("googlenet-naive")
    rows = [counted[row.name] for row in MODULES]
    return (f"the last would output {rows[-1].output[-1]:,} maps, and all nine would cost "
            f"{millions(sum(row.macs for row in rows), 0)}")


def _one_branch(ax, one):
    window, both = one.window.replace("x", "×"), one.first + one.second
    outline = {"height": 0.62, "edgecolor": GRAY, "linewidth": 0.7}
    ax.barh(0, one.direct / 1e6, facecolor=PALE, **outline)
    ax.barh(1, one.first / 1e6, facecolor=ORANGE, **outline)
    ax.barh(1, one.second / 1e6, left=one.first / 1e6, facecolor=BLUE, **outline)
    ax.text(one.direct / 1e6 * 0.985, 0, millions(one.direct), va="center", ha="right", fontweight="bold")
    ax.text((both + 0.012 * one.direct) / 1e6, 1,
            f"{millions(one.first)} + {millions(one.second)} = {millions(both)}", va="center", fontweight="bold")
    C = one.shape[-1]
    ax.set_yticks([0, 1], [f"{window} on {C} maps", f"1×1 to {one.between} maps,\nthen {window} on these"])
    ax.tick_params(axis="y", length=0)
    ax.set(ylim=(1.5, -0.5), xlim=(0, one.direct / 1e6 * 1.02))
    ax.xaxis.set_major_locator(MaxNLocator(6, steps=(1, 2, 5, 10)))
    ax.set_xlabel("millions of multiply-adds")
    ax.set_title(f"the {window} branch of module {one.module}: {size(one.shape)} in, "
                 f"{one.maps} maps out", loc="left")


def _all_modules(ax, nine):
    outline = {"width": 0.4, "edgecolor": GRAY, "linewidth": 0.7}
    for i, module in enumerate(nine):
        ax.bar(i - 0.2, module.naive / 1e6, facecolor=PALE, **outline)
        ax.bar(i + 0.2, module.reduced / 1e6, facecolor=BLUE, **outline)
        for x, macs in ((i - 0.2, module.naive), (i + 0.2, module.reduced)):
            ax.text(x, macs / 1e6 + 10, f"{macs / 1e6:.0f}", ha="center", fontsize=SMALL)
    ax.set_xticks(range(len(nine)), [f"{module.name}\n{module.naive / module.reduced:.1f}×" for module in nine])
    ax.tick_params(axis="x", length=0)
    ax.set(ylabel="millions of multiply-adds", xlim=(-0.6, len(nine) - 0.4))
    totals = [millions(sum(module[form] for module in nine), 0) for form in (1, 2)]
    top, x = max(module.naive for module in nine) / 1e6, 0.3 * len(nine)
    for y, color, text in ((0.97, PALE, f"naive: {totals[0]} in all"), (0.86, BLUE, f"reduced: {totals[1]} in all")):
        ax.plot(x, y * top, "s", markersize=7, markerfacecolor=color, markeredgecolor=GRAY, markeredgewidth=0.7)
        ax.text(x + 0.2, y * top, text, va="center")
    ax.set_title("the nine modules; below the names, the ratio of naive to reduced", loc="left")
