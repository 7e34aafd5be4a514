"""The course: sixteen lessons, in order. ``python -m lessons`` lists them; README.md says how to take and write them.

What a lesson imports from here: ``compare`` (a guess with what came out), ``show`` (a figure) and ``QUICK``; those that
look at pictures also ``traffic_light`` and ``portrait``, and ``weights_of_2014``: where they are, if they are there.
"""

from .helpers import QUICK, compare, portrait, show, traffic_light, weights_of_2014

__all__ = ["QUICK", "compare", "portrait", "show", "traffic_light", "weights_of_2014"]
