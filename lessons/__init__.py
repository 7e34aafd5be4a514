"""The course: twenty-two lessons, in order. See README.md; ``python -m lessons`` lists them.

Lessons import ``compare`` (print a guess and the outcome), ``show`` (a figure) and ``QUICK`` from here. Lessons that
classify images also import ``traffic_light``, ``portrait`` and ``weights_of_2014``.
"""

from .helpers import QUICK, compare, portrait, show, traffic_light, weights_of_2014

__all__ = ["QUICK", "compare", "portrait", "show", "traffic_light", "weights_of_2014"]
