"""Every figure of a review of GoogLeNet, by name."""

from .ablation import ablation
from .classifier import pooling
from .history import error_by_year
from .inception import inception
from .network import network
from .reduction import reduction
from .systems import systems
from .table_1 import table_1

#: name -> function; each returns a matplotlib Figure, and without arguments shows what the paper and our code have.
FIGURES = {
    "error-by-year": error_by_year,
    "reduction": reduction,
    "inception": inception,
    "pooling": pooling,
    "network": network,
    "table-1": table_1,
    "ablation": ablation,
    "systems": systems,
}
