"""Solutions of lesson 11."""


def depth(net, pools=False):
    """In sequence, depths add up; in parallel, the largest counts."""
    if isinstance(net, str):
        return int(net in ("conv", "dense") or pools and net == "pool")
    return (sum if isinstance(net, list) else max)(depth(part, pools) for part in net)


def separable_conv(C, times, F, K, OH, OW):
    """C·times filters of K×K that read one channel each, then C·times·F weights of 1×1; all used at OH·OW positions.

    For conv1, ``separable_conv(3, 8, 64, 7, 112, 112)`` is (2712, 34019328): the 2.7K and 34M of Table 1.
    """
    weights = K * K * C * times + C * times * F
    return weights, weights * OH * OW


def fitting_reductions(shape, widths, ops, step):
    """Try them all. For 5a, 48 is the only multiple of 8 that gives 54M: the width in Google's released network.

    It gives 1,106,944 weights, or 1,081 K, but 1072 K are printed: half of the puzzle remains.
    """
    H, W, C = shape
    n1, r3, n3, _, n5, proj = widths

    def macs(r5):
        return H * W * (C * (n1 + r3 + r5 + proj) + 9 * r3 * n3 + 25 * r5 * n5)

    return [r5 for r5 in range(step, 129, step) if round(macs(r5) / 1e6) == ops]
