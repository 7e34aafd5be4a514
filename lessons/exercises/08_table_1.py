"""Exercises of lesson 08. Replace each `raise NotImplementedError`, then: make check N=8   (a hint: HINT=1)"""

import numpy as np  # noqa: F401


def depth(net, pools=False):
    """The number of layers on the longest way through a network: those with weights, and with ``pools`` pools, too.

    A network is one of three things:
      a word       one layer. "conv" and "dense" have weights; "pool" is a pool; others ("relu", "lrn", "dropout") are
                   neither, and do not count
      a list       networks one after the other
      a tuple      networks side by side (the concatenation itself is no layer)
    Lists and tuples may hold lists and tuples.
    """
    raise NotImplementedError


def separable_conv(C, times, F, K, OH, OW):
    """(weights, multiply-adds) of a separable convolution, without biases, whose result is OH×OW with F channels.

    First each of the C channels gets ``times`` K×K filters of its own, which see nothing but that channel: C·times maps
    of OH×OW. Then a 1×1 convolution makes F channels of all those maps.
    """
    raise NotImplementedError


def fitting_reductions(shape, widths, ops, step):
    """The list of all widths of the 5×5 reduction, multiples of ``step`` from ``step`` to 128, with the printed ops.

    ``shape`` = (H, W, C) enters the module; ``widths`` = (1×1, 3×3 reduce, 3×3, 5×5 reduce, 5×5, pool projection), in
    which the fourth is the one to be replaced. A width fits if the module's multiply-adds (six convolutions, no biases)
    are ``ops`` million, rounded.
    """
    raise NotImplementedError
