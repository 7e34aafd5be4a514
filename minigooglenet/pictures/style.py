"""How every picture of the project looks: readable in print, and for the colour-blind."""

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

#: Okabe & Ito 2008: distinguishable with every common form of colour blindness, and in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")


def figure(rows=1, columns=1, width=6.4, height=4.0, dpi=150, **options):
    """(figure, axes) without any global state; axes as matplotlib's ``subplots`` gives them."""
    fig = Figure(figsize=(width, height), dpi=dpi, layout="constrained")
    FigureCanvasAgg(fig)
    axes = fig.subplots(rows, columns, **options)
    for ax in fig.axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    return fig, axes
