"""Exercises of lesson 09. Replace each `raise NotImplementedError`, then: make check N=9   (for a hint: HINT=1)

Arrays that are passed in are read-only: return new ones.
"""

import numpy as np  # noqa: F401


def correlations(x, K):
    """r[c, v, u, d]: the correlation of channel c at a position with channel d at (v, u) of the K×K window around it.

        r = cov(a, b) / (std(a) std(b))        a: channel c at the center of the window, b: channel d at (v, u)

    x (N, H, W, C) with K odd -> r (C, K, K, C), in the dtype of x. The statistics of a and of b are taken over all
    windows that lie inside the image, (H - K + 1) · (W - K + 1) for each of the N images. If a or b is always 0,
    r is 0.
    """
    raise NotImplementedError


def clusters(near):
    """Cover n units by clusters, greedily: the leader of each unit, an integer array (n,).

    near (n, n): whether two units are highly correlated, True on the diagonal. Of the units that are not covered yet,
    the one with the most uncovered neighbors (itself included) becomes a leader, the first one if there are several. It
    covers its uncovered neighbors and itself. Repeat until every unit is covered.
    """
    raise NotImplementedError


def extent(members):
    """The side K of the smallest odd window, centered, that covers all members of a cluster: 1, 3, 5, …

    members (S, S, C) with S odd: True where a channel d at (v, u) belongs to the cluster. The leader is at the center.
    Returns 0 if there are no members.
    """
    raise NotImplementedError
