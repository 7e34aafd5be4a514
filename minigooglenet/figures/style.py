"""The style of every figure: readable in print, in grayscale, and with color vision deficiency."""

import functools
import os
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, ParamSpec, TypeAlias, TypeVar

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from matplotlib.ticker import MaxNLocator

P = ParamSpec("P")
R = TypeVar("R")
Color: TypeAlias = str | tuple[float, float, float]

#: Okabe & Ito 2008: distinguishable with every common color vision deficiency, and in grayscale.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK, YELLOW = COLORS

INK, GRAY, PALE = "#1A1A1A", "#5F5F5F", "#D5D5D5"

#: Font sizes in points. Nothing is smaller than SMALL, so that a figure is readable when printed at its own size.
TITLE, TEXT, SMALL = 10, 8, 6.5

#: A photo that comes with matplotlib; it may be missing.
SAMPLE_PHOTO = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"

_SETTINGS: dict[Any, Any] = {
    "font.family": "DejaVu Sans", "font.size": TEXT, "text.color": INK, "axes.labelcolor": INK,
    "axes.edgecolor": GRAY, "axes.linewidth": 0.7, "axes.titlesize": TEXT, "axes.labelsize": TEXT,
    "xtick.color": GRAY, "ytick.color": GRAY, "xtick.labelcolor": INK, "ytick.labelcolor": INK,
    "xtick.labelsize": TEXT, "ytick.labelsize": TEXT, "hatch.linewidth": 0.6, "svg.hashsalt": "minigooglenet",
    "pdf.fonttype": 42,
}


def drawn(function: Callable[P, R]) -> Callable[P, R]:
    """Decorator of functions that draw: they use _SETTINGS, whatever the user's matplotlibrc contains."""
    @functools.wraps(function)
    def in_style(*arguments: P.args, **options: P.kwargs) -> R:
        with matplotlib.rc_context():
            defaults = {name: matplotlib.rcParamsDefault[name] for name in matplotlib.rcParamsDefault
                        if not name.startswith("backend")}  # setting or reading these imports pyplot
            matplotlib.rcParams.update(defaults | _SETTINGS)
            return function(*arguments, **options)
    return in_style


def figure(rows: int = 1, columns: int = 1, width: float = 6.4, height: float = 4.0, dpi: int = 150,
           layout: Any = "constrained", **options: Any) -> tuple[Figure, Any]:
    """(figure, axes) without pyplot's global state; ``options`` and axes as in matplotlib's ``Figure.subplots``."""
    fig = Figure(figsize=(width, height), dpi=dpi, layout=layout)
    FigureCanvasAgg(fig)
    axes = fig.subplots(rows, columns, **options)
    for ax in fig.axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    return fig, axes


def sheet(width: float, height: float, title: str = "", note: str = "", dpi: int = 150) -> tuple[Figure, Axes]:
    """(figure, axes) for free drawing: coordinates are inches from the upper left corner. Only ``title``, at the top,
    and ``note``, in small print at the bottom, are shown."""
    fig = Figure(figsize=(width, height), dpi=dpi)
    FigureCanvasAgg(fig)
    ax = fig.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, width), ylim=(height, 0))
    ax.axis("off")
    ax.text(0.1, 0.22, title, fontsize=TITLE, fontweight="bold", va="center")
    ax.text(0.1, height - 0.1, wrapped(note, width - 0.2, SMALL), fontsize=SMALL, color=GRAY, va="bottom",
            linespacing=1.35)
    return fig, ax


def caption(fig: Figure, title: str, source: str) -> None:
    """Add a title above the figure and the source of its values, in small print, below it. Both are wrapped."""
    fig.suptitle(wrapped(title, fig.get_figwidth(), 1.2 * TITLE), x=0.012, ha="left", fontsize=TITLE,
                 fontweight="bold", linespacing=1.35)
    fig.supxlabel(wrapped(source, fig.get_figwidth(), SMALL), x=0.012, ha="left", fontsize=SMALL, color=GRAY,
                  linespacing=1.35)


def wrapped(text: str, inches: float, size: float) -> str:
    """``text`` broken into lines of at most ``inches``. A character of ``size`` points counts as 0.56 · size wide, the
    average of DejaVu Sans."""
    letters = int(72 * inches / (0.56 * size))
    return "\n".join(textwrap.fill(paragraph, letters, break_on_hyphens=False) for paragraph in text.split("\n"))


def tint(color: Color, strength: float) -> Color:
    """``color`` mixed with white: strength 1 is the color itself, 0 is white."""
    r, g, b = (1 - strength * (1 - part) for part in to_rgb(color))
    return r, g, b


def box(ax: Axes, x: float, y: float, width: float, height: float, text: str = "", fill: Color = "white",
        edge: Color = INK, **options: Any) -> FancyBboxPatch:
    """Draw a box on a sheet with ``text`` in its center.

    ax             from ``sheet``
    x, y           the upper left corner, inches
    width, height  inches
    fill, edge     colors
    options        of matplotlib's ``Axes.text``

    The text has its box as the attribute ``box``; tests check that it stays inside.
    """
    patch = FancyBboxPatch((x, y), width, height, boxstyle="round,pad=0,rounding_size=0.04", facecolor=fill,
                           edgecolor=edge, linewidth=0.7, zorder=2)
    ax.add_patch(patch)
    if text:
        defaults: dict[str, Any] = {"fontsize": TEXT, "ha": "center", "va": "center", "linespacing": 1.25, "zorder": 3}
        label: Any = ax.text(x + width / 2, y + height / 2, text, **defaults | options)
        label.box = patch
    return patch


def line(ax: Axes, *points: tuple[float, float], arrow: bool = True, **options: Any) -> None:
    """Draw a line through ``points`` (x, y), by default with an arrow head at its end."""
    defaults: dict[str, Any] = {"color": INK, "linewidth": 0.8, "zorder": 1, "solid_joinstyle": "round"}
    options = defaults | options
    xs, ys = zip(*points, strict=True)
    ax.plot(xs, ys, **options)
    if arrow:
        ax.annotate("", xy=points[-1], xytext=points[-2], zorder=options["zorder"], annotation_clip=False,
                    arrowprops={"arrowstyle": "-|>,head_width=0.15,head_length=0.3", "color": options["color"],
                                "linewidth": options["linewidth"], "shrinkA": 0, "shrinkB": 0})


#: Without a date, the same figure gives the same file.
_UNDATED: dict[str, dict[str, None]] = {"png": {}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}


@drawn
def save(fig: Figure, file: str | os.PathLike[str] | IO[bytes], format: str = "png", dpi: int = 200) -> None:
    """Write the figure to an open file or a path, as "png", "pdf" or "svg"."""
    fig.savefig(file, format=format, dpi=dpi, metadata=_UNDATED[format])


def millions(number: float, digits: int = 1) -> str:
    """``112896000 -> "112.9 M"``"""
    return f"{number / 1e6:,.{digits}f} M"
