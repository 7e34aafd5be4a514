"""Gradient checking: finite differences against the layers as written and against the compiled network.

The package is callable: ``minigooglenet.gradcheck(layer, x)`` is its function ``gradcheck``.
"""

import sys
import types
from typing import Any

from .check import NETWORK_TOLERANCE, TOLERANCE, Report, directional, gradcheck

__all__ = ["NETWORK_TOLERANCE", "TOLERANCE", "Report", "directional", "gradcheck"]


class _Callable(types.ModuleType):
    def __call__(self, *arguments: Any, **options: Any) -> Report:
        return gradcheck(*arguments, **options)


sys.modules[__name__].__class__ = _Callable
