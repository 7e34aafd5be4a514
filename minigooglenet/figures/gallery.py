"""The figures of a review of GoogLeNet, by name.

Of the paper they cover figures 2 and 3 and tables 1 to 3, not figure 1 (photos) and tables 4 and 5 (detection).
"""

from collections.abc import Callable

from matplotlib.figure import Figure

from .ablation import ablation
from .classifier import pooling
from .history import error_by_year
from .inception import inception
from .network import network
from .reduction import reduction
from .systems import systems
from .table_1 import table_1

#: {name: function}. Called without arguments, each function draws values from the paper and from this code.
FIGURES: dict[str, Callable[..., Figure]] = {
    "error-by-year": error_by_year,
    "reduction": reduction,
    "inception": inception,
    "pooling": pooling,
    "network": network,
    "table-1": table_1,
    "ablation": ablation,
    "systems": systems,
}
