"""Exercises of lesson 19. Replace each `raise NotImplementedError`, then: make check N=19   (a hint: HINT=1)"""

import numpy as np  # noqa: F401


def input_gradient(x, w):
    """dL/dx of L = Σ y²/2 with y = ReLU(z), z[n, i, j, f] = Σ_c x[n, i, j, c] · w[c, f]. The sum is over all of y.

    x (N, H, W, C), w (C, F) -> dx, shaped like x. Both are read-only.
    """
    raise NotImplementedError


def step_up(x, g, step, low, high):
    """One step of gradient ascent, then clip every pixel to black and white:

        x + step · (high - low) · g / mean |g|        clipped to low … high

    x, g (H, W, 3); low, high (3,): black and white, which differ between channels. The mean is over all of g.
    """
    raise NotImplementedError


def grad_cam(A, dA):
    """α[n, c] = mean over h, w of dA[n, h, w, c]        M[n, h, w] = ReLU( Σ_c α[n, c] · A[n, h, w, c] )

    A: a layer's feature maps (N, H, W, C); dA: the gradient of the class's score with respect to them -> M (N, H, W).
    """
    raise NotImplementedError
