"""Exercises of lesson 12. Replace each `raise NotImplementedError`, then: make check N=12   (a hint: HINT=1)

Arrays that are passed in are read-only: return new ones.
"""

import numpy as np  # noqa: F401


def deviation(shape):
    """He's standard deviation √(2 / fan_in) for the weights of a layer followed by ReLU.

    ``shape`` is (D, F) for a dense layer with D inputs and F outputs, (KH, KW, C, F) for a convolution.
    """
    raise NotImplementedError


def combined_loss(logits, labels, weights):
    """L = Σ_k weights[k] · L_k        L_k = -(1/N) Σ_n ln p_k[n, labels[n]]        p_k = softmax(logits[k])

    logits: a list of arrays (N, K), the main classifier's first; labels (N,): integers; weights: one for each array.
    Returns (L, [dL/dlogits[0], dL/dlogits[1], …]).
    """
    raise NotImplementedError


def backward_with_head(x, ws, head, tap, dy, dy_head):
    """The gradients of a stack of dense layers, with a head that reads the output of layer number ``tap``.

        h_0 = x        h_i = h_(i-1) ws[i-1]        y = h_L        y_head = h_tap · head

    with L = len(ws) and 1 <= tap <= L; no biases, no ReLU. dy and dy_head are the gradients of the loss with respect
    to y and y_head; dy_head already contains the head's weight of 0.3. x (N, D), ws[i] and head are matrices.
    Returns (dx, [dws[0], dws[1], …], dhead).
    """
    raise NotImplementedError
