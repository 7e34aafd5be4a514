"""Solutions of lesson 08."""


def depth(net, pools=False):
    """One after the other adds up; side by side, the deepest counts."""
    if isinstance(net, str):
        return int(net in ("conv", "dense") or pools and net == "pool")
    return (sum if isinstance(net, list) else max)(depth(part, pools) for part in net)


def separable_conv(C, times, F, K, OH, OW):
    """C·times filters of K×K that read one channel each, then C·times·F weights of 1×1; all used at OH·OW places.

    For conv1, ``separable_conv(3, 8, 64, 7, 112, 112)`` is (2712, 34019328): the 2.7K and 34M of Table 1.
    """
    weights = K * K * C * times + C * times * F
    return weights, weights * OH * OW


def fitting_reductions(shape, widths, ops, step):
    """Try them all. For 5a, of the multiples of 8, only 48 gives 54M: the width of Google's released network.

    That makes 1,106,944 weights, 1,081 K, where 1072 K are printed: half of the puzzle stays.
    """
    H, W, C = shape
    n1, r3, n3, _, n5, proj = widths

    def macs(r5):
        return H * W * (C * (n1 + r3 + r5 + proj) + 9 * r3 * n3 + 25 * r5 * n5)

    return [r5 for r5 in range(step, 129, step) if round(macs(r5) / 1e6) == ops]
