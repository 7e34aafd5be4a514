"""Solutions of lesson 07."""


def conv_macs(shape, F, K, S, P):
    """OH·OW·F outputs, each a sum of K·K·C products."""
    H, W, C = shape
    OH, OW = (H + 2 * P - K) // S + 1, (W + 2 * P - K) // S + 1
    return OH * OW * F * K * K * C


def branch_cost(shape, R, F, K):
    """The 1×1 reads C channels, the K×K reads R; both at H·W pixels."""
    H, W, C = shape
    macs = H * W * (R * C + F * K * K * R)
    return macs, 2 * macs


def one_by_one(x, w, b, S=1):
    """Keep every S-th row and column; ``@`` multiplies over the last axis and keeps the others."""
    return x[:, ::S, ::S] @ w + b
