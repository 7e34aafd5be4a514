"""Checks of lesson 09: correlations against np.corrcoef, window by window; the cover and the extent against loops."""

import numpy as np

from lessons.check import Case, Exercise, Mistake

#: (N, H, W, C, K)
GRID = ((3, 5, 6, 2, 1), (4, 4, 5, 2, 3), (2, 6, 7, 3, 3), (3, 7, 6, 2, 5))

# -- correlations ------------------------------------------------------------------------------------------------------


def right_correlations(x, K):
    """np.corrcoef of the columns of all units, without a warning where one is constant."""
    N, H, W, C = x.shape
    windows = np.array([x[n, i:i + K, j:j + K] for n in range(N) for i in range(H - K + 1) for j in range(W - K + 1)])
    units = windows.reshape(len(windows), -1)
    alive = units.std(axis=0) > 0
    r = np.zeros((units.shape[1],) * 2, x.dtype)
    r[np.ix_(alive, alive)] = np.corrcoef(units[:, alive].astype(np.float64), rowvar=False)
    return r.reshape(K, K, C, K, K, C)[K // 2, K // 2]


def _activations(rng, grid):
    for N, H, W, C, K in grid:
        x = rng.standard_normal((N, H, W, C))
        x[:, 1:] += 0.8 * x[:, :-1]  # rows are correlated more than columns
        x[..., 0] += 0.5 * x[..., -1]
        yield f"{N} images, {H}×{W}×{C}, K = {K}", 3 + x, K


def correlation_cases():
    x = np.array([0.0, 1, 2, 3]).reshape(4, 1, 1, 1) * np.array([1.0, -2.0])
    yield Case("two channels, the second -2 times the first", (x, 1), right_correlations(x, 1))
    for label, x, K in _activations(np.random.default_rng(109), GRID):
        yield Case(label, (x, K), right_correlations(x, K))
    yield Case("values of about 0.001", (0.001 * x, 3), right_correlations(0.001 * x, 3))
    x = x.copy()
    x[..., 1] = 0
    yield Case("a channel that is always 0", (x, 3), right_correlations(x, 3))
    yield Case("float32 in, float32 out", (x.astype(np.float32), 3), right_correlations(x, 3).astype(np.float32))


def more_correlations(rng):
    grid = [(*map(int, rng.integers(2, 5, 1)), *map(int, rng.integers(5, 9, 2)), int(rng.integers(2, 5)), K)
            for K in (1, 3, 3, 5)]
    for label, x, K in _activations(rng, grid):
        yield Case(label, (x, K), right_correlations(x, K))


def _correlate(x, K, center=True, scale=True, absolute=False):
    N, H, W, C = x.shape
    h, w = H - K + 1, W - K + 1

    def unit(v, u):
        a = x[:, v:v + h, u:u + w].reshape(-1, C)
        a = a - a.mean(axis=0) * center
        size = np.sqrt((a * a).sum(axis=0)) if scale else np.full(C, len(a) ** 0.5)
        return (a / np.where(size > 0, size, 1)).astype(x.dtype)

    middle = unit(K // 2, K // 2)
    r = np.stack([[middle.T @ unit(v, u) for u in range(K)] for v in range(K)]).transpose(2, 0, 1, 3)
    return np.abs(r) if absolute else r


def covariance(x, K):
    return _correlate(x, K, scale=False)


def mean_kept(x, K):
    return _correlate(x, K, center=False)


def absolute_value(x, K):
    return _correlate(x, K, absolute=True)


def mirrored_window(x, K):
    return right_correlations(x, K)[:, ::-1, ::-1]


def u_and_v_exchanged(x, K):
    return right_correlations(x, K).transpose(0, 2, 1, 3)


def channels_exchanged(x, K):
    return right_correlations(x, K).transpose(3, 1, 2, 0)


def padded_with_zeros(x, K):
    P = K // 2
    padded = np.pad(x, ((0, 0), (P, P), (P, P), (0, 0)))
    units = {(v, u): padded[:, v:v + x.shape[1], u:u + x.shape[2]].reshape(-1, x.shape[3])
             for v in range(K) for u in range(K)}

    def unit(a):
        a = a - a.mean(axis=0)
        size = np.sqrt((a * a).sum(axis=0))
        return a / np.where(size > 0, size, 1)

    r = [[unit(units[P, P]).T @ unit(units[v, u]) for u in range(K)] for v in range(K)]
    return np.array(r).transpose(2, 0, 1, 3).astype(x.dtype)


def from_the_corner(x, K):
    N, H, W, C = x.shape
    windows = np.array([x[n, i:i + K, j:j + K] for n in range(N) for i in range(H - K + 1) for j in range(W - K + 1)])
    units = windows.reshape(len(windows), -1).astype(np.float64)
    units = units - units.mean(axis=0)
    size = np.sqrt((units * units).sum(axis=0))
    units /= np.where(size > 0, size, 1)
    return (units.T @ units).reshape(K, K, C, K, K, C)[0, 0].astype(x.dtype)


def nan_if_constant(x, K):
    r = right_correlations(x, K)
    dead = r[np.arange(len(r)), K // 2, K // 2, np.arange(len(r))] == 0
    r[dead], r[..., dead] = np.nan, np.nan
    return r


# -- the cover ---------------------------------------------------------------------------------------------------------

def right_clusters(near):
    uncovered, leaders = list(range(len(near))), np.zeros(len(near), int)
    while uncovered:
        counts = [sum(bool(near[one, other]) for other in uncovered) for one in uncovered]
        leader = uncovered[counts.index(max(counts))]
        for unit in [unit for unit in uncovered if near[leader, unit]]:
            leaders[unit] = leader
            uncovered.remove(unit)
    return leaders


def _graph(n, *pairs):
    near = np.eye(n, dtype=bool)
    for a, b in pairs:
        near[a, b] = near[b, a] = True
    return near


def cluster_cases():
    for label, near in (("four units, none correlated", _graph(4)),
                        ("two pairs: 0 with 2, 1 with 3", _graph(4, (0, 2), (1, 3))),
                        ("a chain 0 - 1 - 2, and 3: the one in the middle leads", _graph(4, (0, 1), (1, 2))),
                        ("a chain of five", _graph(5, (0, 1), (1, 2), (2, 3), (3, 4))),
                        ("a star whose neighbors have neighbors", _graph(7, (3, 0), (3, 1), (3, 2), (0, 4), (1, 5))),
                        ("all correlated", np.ones((4, 4), bool))):
        yield Case(label, (near,), right_clusters(near))
    yield from _random_clusters(np.random.default_rng(209), (6, 9, 14))


def more_clusters(rng):
    yield from _random_clusters(rng, rng.integers(5, 40, 4))


def _random_clusters(rng, sizes):
    for n in sizes:
        near = rng.random((n, n)) < 0.25
        near = near | near.T | np.eye(n, dtype=bool)
        yield Case(f"{n} units at random", (near,), right_clusters(near))


def in_order(near):
    """The first uncovered unit leads, whatever its neighbors."""
    leaders = np.full(len(near), -1)
    for unit in range(len(near)):
        if leaders[unit] < 0:
            leaders[near[unit] & (leaders < 0)] = unit
    return leaders


def covered_ones_count(near):
    """The number of neighbors is not counted again after a cluster is taken away."""
    leaders = np.full(len(near), -1)
    while (left := leaders < 0).any():
        leader = np.where(left, near.sum(axis=1), -1).argmax()
        leaders[near[leader] & left] = leader
    return leaders


def last_of_several(near):
    leaders = np.full(len(near), -1)
    while (left := leaders < 0).any():
        counts = np.where(left, near[:, left].sum(axis=1), -1)
        leader = len(counts) - 1 - counts[::-1].argmax()
        leaders[near[leader] & left] = leader
    return leaders


def taken_again(near):
    """A later leader takes units that another cluster has already."""
    leaders = np.full(len(near), -1)
    while (left := leaders < 0).any():
        leader = np.where(left, near[:, left].sum(axis=1), -1).argmax()
        leaders[near[leader]] = leader
    return leaders


def everything_reachable(near):
    """Connected components: neighbors of neighbors belong to the cluster, too."""
    near = np.asarray(near)
    reach = np.linalg.matrix_power(near.astype(int), len(near)) > 0
    return np.where(reach, near.sum(axis=1), 0).argmax(axis=1)


def numbered(near):
    """Clusters are numbered 0, 1, 2 … instead of named after their leaders."""
    leaders = right_clusters(near)
    order = list(dict.fromkeys(leaders.tolist()))
    return np.array([order.index(leader) for leader in leaders])


# -- the extent --------------------------------------------------------------------------------------------------------

def extent_cases():
    def members(S, *places, C=2):
        m = np.zeros((S, S, C), bool)
        for v, u, d in places:
            m[v, u, d] = True
        return m

    for label, m, K in (("the leader alone", members(5, (2, 2, 0)), 1),
                        ("two channels at the center", members(5, (2, 2, 0), (2, 2, 1)), 1),
                        ("one row above", members(5, (2, 2, 0), (1, 2, 0)), 3),
                        ("one column to the right, in another channel", members(5, (2, 2, 0), (2, 3, 1)), 3),
                        ("two columns to the left only", members(5, (2, 2, 0), (2, 1, 0), (2, 0, 0)), 5),
                        ("a corner", members(7, (3, 3, 1), (6, 0, 0)), 7),
                        ("a corner of the 3×3 window", members(7, (3, 3, 0), (4, 4, 0)), 3),
                        ("rows -1 to 1, columns 0 to 2", members(7, (2, 3, 0), (4, 5, 0), (3, 3, 0)), 5),
                        ("a window of one position", members(1, (0, 0, 2), C=3), 1),
                        ("none", members(3), 0)):
        yield Case(label, (m,), K)


def rows_only(members):
    v, _, _ = np.nonzero(members)
    return int(2 * np.abs(v - len(members) // 2).max() + 1) if v.size else 0


def not_centered(members):
    v, u, _ = np.nonzero(members)
    return int(max(np.ptp(v), np.ptp(u)) + 1) if v.size else 0


def distance_only(members):
    v, u, _ = np.nonzero(members)
    center = len(members) // 2
    return int(max(np.abs(v - center).max(), np.abs(u - center).max())) if v.size else 0


def added(members):
    v, u, _ = np.nonzero(members)
    center = len(members) // 2
    return int(2 * (np.abs(v - center) + np.abs(u - center)).max() + 1) if v.size else 0


def signed(members):
    v, u, _ = np.nonzero(members)
    center = len(members) // 2
    return int(2 * max((v - center).max(), (u - center).max(), 0) + 1) if v.size else 0


EXERCISES = [
    Exercise(
        "correlations",
        hints=("The values of one unit, over all images and windows, are a column. There are K·K·C of them, and you "
               "need the correlations of the C in the center with all.",
               "For place (v, u) the column of channel d is x[:, v:v + H - K + 1, u:u + W - K + 1, d]: same length for "
               "all places, so all C channels of a place are a matrix (N·h·w, C).",
               "Subtract the mean of each column and divide it by √Σ a² (where that is not 0). Then "
               "r[:, v, u, :] = center.T @ other."),
        cases=correlation_cases, random_cases=more_correlations,
        mistakes=[
            Mistake(covariance, "these are covariances: divide by both standard deviations"),
            Mistake(mean_kept, "subtract the mean of each unit first: otherwise values far from 0 seem correlated"),
            Mistake(absolute_value, "keep the sign: one unit may be high where the other is low"),
            Mistake(mirrored_window, "(v, u) is mirrored: channel d is read at (v, u) of the window, not opposite"),
            Mistake(u_and_v_exchanged, "v and u are exchanged: v counts rows, u columns"),
            Mistake(channels_exchanged, "c and d are exchanged: the first index is the channel in the center"),
            Mistake(padded_with_zeros, "use only windows that lie inside the image: padding with zeros changes the "
                                       "correlations"),
            Mistake(from_the_corner, "c is the channel in the center of the window, at (K // 2, K // 2), not in its "
                                     "corner"),
            Mistake(nan_if_constant, "a constant unit has standard deviation 0: divide by 1 there, so that r is 0"),
        ]),
    Exercise(
        "clusters",
        hints=("Keep an array that says which units are left. A leader must be one of them.",
               "Count near[:, left].sum(axis=1), the uncovered neighbors of each unit. Units that are covered must not "
               "win: give them -1.",
               "leader = counts.argmax() is the first of several; leaders[near[leader] & left] = leader."),
        cases=cluster_cases, random_cases=more_clusters,
        mistakes=[
            Mistake(in_order, "the leader is the unit with the most uncovered neighbors, not the first one"),
            Mistake(covered_ones_count, "count only neighbors that are not covered yet"),
            Mistake(last_of_several, "of several units with equally many neighbors the first one leads"),
            Mistake(taken_again, "units that are covered keep their leader: near[leader] & left"),
            Mistake(everything_reachable, "a cluster holds the leader's own neighbors, not neighbors of neighbors"),
            Mistake(numbered, "return the index of each unit's leader, not the number of its cluster"),
        ]),
    Exercise(
        "extent",
        hints=("Where are the members? np.nonzero gives rows, columns and channels.",
               "The window is centered, so what counts is the largest distance from the center, in rows or in columns.",
               "A window of side K reaches (K - 1) / 2 from its center: K = 2 · distance + 1."),
        cases=extent_cases,
        mistakes=[
            Mistake(rows_only, "columns count as well as rows"),
            Mistake(not_centered, "the window is centered at the leader: take twice the largest distance, plus 1"),
            Mistake(distance_only, "that is the distance: a window reaches as far on both sides: 2 · distance + 1"),
            Mistake(added, "a square window covers rows and columns at once: take the larger distance, not the sum"),
            Mistake(signed, "members above and to the left have negative distances: take the absolute value"),
        ]),
]
