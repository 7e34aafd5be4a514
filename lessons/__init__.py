"""The course: sixteen lessons, in order. ``python -m lessons`` lists them; README.md says how to take and write them.

What a lesson imports from here: ``compare`` (a guess with what came out), ``show`` (a figure) and ``QUICK``.
"""

from .helpers import QUICK, compare, show

__all__ = ["QUICK", "compare", "show"]
