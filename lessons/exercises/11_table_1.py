"""Exercises of lesson 11. Replace each `raise NotImplementedError`, then: make check N=11   (for a hint: HINT=1)"""

import numpy as np  # noqa: F401


def depth(net, pools=False):
    """The number of layers with weights on the longest path through a network; with ``pools``, pools count, too.

    A network is one of three things:
      a string     one layer. "conv" and "dense" have weights; "pool" is a pooling layer; others ("relu", "lrn",
                   "dropout") do not count
      a list       networks in sequence
      a tuple      networks in parallel (the concatenation itself is not a layer)
    Lists and tuples may contain lists and tuples.
    """
    raise NotImplementedError


def separable_conv(C, times, F, K, OH, OW):
    """(weights, multiply-adds) of a separable convolution, without biases, whose output is OH×OW with F channels.

    First, each of the C channels has ``times`` K×K filters of its own, which read only that channel; they output
    C·times maps of OH×OW. Then a 1×1 convolution turns all those maps into F channels.
    """
    raise NotImplementedError


def fitting_reductions(shape, widths, ops, step):
    """All widths of the 5×5 reduction that fit the printed ops, as a list: multiples of ``step``, from ``step`` to 128.

    ``shape`` = (H, W, C) is the module's input; ``widths`` = (1×1, 3×3 reduce, 3×3, 5×5 reduce, 5×5, pool projection).
    Replace the fourth of them. A width fits if the module's multiply-adds (six convolutions, no biases), rounded to
    millions, equal ``ops``.
    """
    raise NotImplementedError
