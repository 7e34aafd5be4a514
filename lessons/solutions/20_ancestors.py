"""Solutions of lesson 20."""


def grouped_conv(shape, F, K, S, P, groups):
    """Each filter reads only C/groups channels: ``groups`` times fewer weights and MACs, but all the biases."""
    H, W, C = shape
    OH, OW = (H + 2 * P - K) // S + 1, (W + 2 * P - K) // S + 1
    weights = K * K * (C // groups) * F
    return weights + F, weights * OH * OW


def vgg(depths, shape, classes):
    """Go through the blocks with H, W and C; then the dense layers, the first of which reads H·W·C values."""
    H, W, C = shape
    params = macs = 0
    for depth, F in zip(depths, (64, 128, 256, 512, 512), strict=True):
        for _ in range(depth):
            weights = 3 * 3 * C * F
            params, macs, C = params + weights + F, macs + weights * H * W, F
        H, W = H // 2, W // 2
    D = H * W * C
    for F in (4096, 4096, classes):
        params, macs, D = params + D * F + F, macs + D * F, F
    return params, macs


def dense_shares(layers):
    """The sums first, then the division."""
    return tuple(sum(layer[i] for layer in layers if layer[0] == "dense") / sum(layer[i] for layer in layers)
                 for i in (1, 2))
