"""How every picture of the project looks: readable in print, in grey, and for the colour-blind."""

import functools
import textwrap

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from matplotlib.ticker import MaxNLocator

#: Okabe & Ito 2008: distinguishable with every common form of colour blindness, and in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK, YELLOW = COLOURS

INK, GREY, PALE = "#1A1A1A", "#5F5F5F", "#D5D5D5"

#: Type sizes in points. Nothing is smaller than SMALL, so that a figure can be printed at its own size.
TITLE, TEXT, SMALL = 10, 8, 6.5

_SETTINGS = {
    "font.family": "DejaVu Sans", "font.size": TEXT, "text.color": INK, "axes.labelcolor": INK,
    "axes.edgecolor": GREY, "axes.linewidth": 0.7, "axes.titlesize": TEXT, "axes.labelsize": TEXT,
    "xtick.color": GREY, "ytick.color": GREY, "xtick.labelcolor": INK, "ytick.labelcolor": INK,
    "xtick.labelsize": TEXT, "ytick.labelsize": TEXT, "hatch.linewidth": 0.6, "svg.hashsalt": "minigooglenet",
    "pdf.fonttype": 42,
}


def drawn(function):
    """Decorator of everything that draws: whatever the reader's own matplotlibrc says, it looks as _SETTINGS say."""
    @functools.wraps(function)
    def in_style(*arguments, **options):
        with matplotlib.rc_context():
            matplotlib.rcParams.update(matplotlib.rcParamsDefault | _SETTINGS)
            return function(*arguments, **options)
    return in_style


def figure(rows=1, columns=1, width=6.4, height=4.0, dpi=150, **options):
    """(figure, axes) without any global state; axes as matplotlib's ``subplots`` gives them."""
    fig = Figure(figsize=(width, height), dpi=dpi, layout="constrained")
    FigureCanvasAgg(fig)
    axes = fig.subplots(rows, columns, **options)
    for ax in fig.axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    return fig, axes


def sheet(width, height, title="", note="", dpi=150):
    """(figure, axes) to draw on as on paper: coordinates are inches, from the upper left corner, nothing is shown but
    ``title`` above and ``note``, in small print, below."""
    fig = Figure(figsize=(width, height), dpi=dpi)
    FigureCanvasAgg(fig)
    ax = fig.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, width), ylim=(height, 0))
    ax.axis("off")
    ax.text(0.1, 0.22, title, fontsize=TITLE, fontweight="bold", va="center")
    ax.text(0.1, height - 0.1, wrapped(note, width - 0.2, SMALL), fontsize=SMALL, color=GREY, va="bottom",
            linespacing=1.35)
    return fig, ax


def caption(fig, title, source):
    """What the figure shows, above it; where its numbers come from, in small print below it. Both are wrapped."""
    fig.suptitle(wrapped(title, fig.get_figwidth(), 1.2 * TITLE), x=0.012, ha="left", fontsize=TITLE,
                 fontweight="bold", linespacing=1.35)
    fig.supxlabel(wrapped(source, fig.get_figwidth(), SMALL), x=0.012, ha="left", fontsize=SMALL, color=GREY,
                  linespacing=1.35)


def wrapped(text, inches, size):
    """``text`` in lines that fit, if letters of ``size`` points are 0.56 of it wide, as DejaVu's are on average."""
    letters = int(72 * inches / (0.56 * size))
    return "\n".join(textwrap.fill(paragraph, letters) for paragraph in text.split("\n"))


def tint(colour, strength):
    """``colour`` mixed with white: 1 as it is, 0 white."""
    return tuple(1 - strength * (1 - part) for part in to_rgb(colour))


def box(ax, x, y, width, height, text="", fill="white", edge=INK, **options):
    """A box on a sheet with its text in the middle; (x, y) is the upper left corner. The text remembers its box as
    ``text.box``, for whoever wants to check that it stays inside."""
    patch = FancyBboxPatch((x, y), width, height, boxstyle="round,pad=0,rounding_size=0.04", facecolor=fill,
                           edgecolor=edge, linewidth=0.7, zorder=2)
    ax.add_patch(patch)
    if text:
        options = {"fontsize": TEXT, "ha": "center", "va": "center", "linespacing": 1.25, "zorder": 3} | options
        ax.text(x + width / 2, y + height / 2, text, **options).box = patch
    return patch


def line(ax, *points, arrow=True, **options):
    """A line through ``points`` (x, y), with an arrow head at its end."""
    options = {"color": INK, "linewidth": 0.8, "zorder": 1, "solid_joinstyle": "round"} | options
    xs, ys = zip(*points, strict=True)
    ax.plot(xs, ys, **options)
    if arrow:
        ax.annotate("", xy=points[-1], xytext=points[-2], zorder=options["zorder"], annotation_clip=False,
                    arrowprops={"arrowstyle": "-|>,head_width=0.15,head_length=0.3", "color": options["color"],
                                "linewidth": options["linewidth"], "shrinkA": 0, "shrinkB": 0})


#: What each format would note about the hour, left out: the same figure is the same file.
_UNDATED = {"png": {}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}


@drawn
def save(fig, file, format="png", dpi=200):
    """Write the figure into an open file or a path, as "png", "pdf" or "svg"."""
    fig.savefig(file, format=format, dpi=dpi, metadata=_UNDATED[format])


def millions(number, digits=1):
    """``112896000 -> "112.9 M"``"""
    return f"{number / 1e6:,.{digits}f} M"
