"""Figures, drawn with matplotlib's Figure and FigureCanvasAgg: no pyplot, no backend.

Importing matplotlib fails if MPLBACKEND names a backend that is not installed, as a notebook's may be for a process
that the notebook starts. So the variable is hidden during the import, and then set as matplotlib would set it.
"""

import contextlib
import os
import sys

if "matplotlib" not in sys.modules:
    _backend = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib
    finally:
        if _backend is not None:
            os.environ["MPLBACKEND"] = _backend
    if _backend:
        with contextlib.suppress(ValueError):  # pyplot, if the caller uses it, finds the backend that was asked for
            matplotlib.rcParams["backend"] = _backend
