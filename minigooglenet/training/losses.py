"""The sum of the three losses."""

from ..layers import cross_entropy


def weighted_loss(logits, labels, weights, smoothing=0.0):
    """L = Σ_k w_k · cross_entropy(logits_k, labels), over the network's own output and those of its auxiliary heads.

    logits: a list of (N, classes), or one array for a network without heads, which counts w_0. Returns (L, the
    network's own loss, dL/dlogits in the form of ``logits``). The heads count 0.3 each (Szegedy et al. 2014,
    section 5).
    """
    if not isinstance(logits, list):
        loss, dz = cross_entropy(logits, labels, smoothing)
        return loss * weights[0], loss, dz * logits.dtype.type(weights[0])
    total, own, gradients = 0.0, None, []
    for z, weight in zip(logits, weights, strict=True):
        loss, dz = cross_entropy(z, labels, smoothing)
        total += weight * loss
        own = loss if own is None else own
        gradients.append(dz * z.dtype.type(weight))
    return total, own, gradients
