"""Where in the image a class is detected, and through which branches.

A: the output of a layer, (N, H, W, C).   s_k: the score (logit) of class k.
"""

from collections.abc import Sequence

import numpy as np

from ..errors import UserError
from ..layers import Dense, Dropout, GlobalAvgPool
from ..layers.base import Array, Layer
from ..layers.containers import Concat
from .gradients import layer_gradient, module_gradients, one_class
from .structure import layer_at, shape_at, trunk_of, until, widths


def class_activation_map(net: Layer, x: Array, classes: Sequence[int]) -> Array:
    """With global average pooling every score is the mean of a map:

        s_k = b_k + Σ_c w_ck · mean_hw A_c  =  b_k + mean_hw M_k        M_k(h, w) = Σ_c w_ck A_c(h, w)

    so M_k shows where class k is detected, for one matrix product. Its mean is the logit without the bias.

    x (N, H, W, 3), ``classes`` N class numbers -> M (N, H', W'), signed. Raises UserError for a network that does not
    end in global average pooling and one linear layer (use Grad-CAM there).
    Source: Zhou et al. 2016, "Learning deep features for discriminative localization", section 2.
    """
    last, linear = pooled_layer(net)
    A = until(net, last).predict(x)
    return np.einsum("nhwc,cn->nhw", A, linear.params["w"][:, classes])


def pooled_layer(net: Layer) -> tuple[str, Dense]:
    """(the name of the layer that global average pooling reads, the linear layer after it).

    Raises UserError for a network that ends otherwise.
    """
    layers = [(name, layer) for name, layer in trunk_of(net).children.items() if not isinstance(layer, Dropout)]
    last = layers[-1][1]
    if len(layers) < 3 or not isinstance(layers[-2][1], GlobalAvgPool) or not isinstance(last, Dense):
        raise UserError("cam: this network does not end in global average pooling and one linear layer; "
                        "choose a layer for Grad-CAM with --layer")
    return layers[-3][0], last


def grad_cam(net: Layer, x: Array, classes: Sequence[int], layer: str) -> Array:
    """A class activation map for any layer, with gradients in place of the weights:

        α_c = mean_hw ∂s_k/∂A_c        M_k = ReLU(Σ_c α_c A_c)

    Negative evidence is set to zero. At the last module of GoogLeNet α_c = w_ck / (H'·W'), so that M_k is the positive
    part of the class activation map, divided by H'·W'.

    x (N, H, W, 3), ``classes`` N class numbers, ``layer`` a path -> M (N, H', W'), non-negative. Raises UserError for
    an unknown layer, or one whose output has no height and width.
    Source: Selvaraju et al. 2017, "Grad-CAM", section 3, equations 1 and 2.
    """
    check_maps(net, layer, x.shape[1:])
    A, dA, _ = layer_gradient(net, x, one_class(classes), layer)
    alpha = dA.mean(axis=(1, 2))
    return np.maximum(np.einsum("nhwc,nc->nhw", A, alpha), 0)


def check_maps(net: Layer, layer: str, image: Sequence[int]) -> None:
    """Raise UserError unless a layer's output has a height and a width for an image of shape (H, W, C)."""
    if len(shape_at(net, layer, image)) != 3:
        raise UserError(f"layer: the output of {layer} is a vector, without height and width; the last layer with maps "
                        f"is {layers_with_maps(net, image)[-1]}")


def layers_with_maps(net: Layer, image: Sequence[int]) -> list[str]:
    """The names of the network's layers and modules whose output has a height and a width."""
    return [name for name in trunk_of(net).children if len(shape_at(net, name, image)) == 3]


def branch_shares(net: Layer, x: Array, classes: Sequence[int]) -> dict[str, dict[str, float]]:
    """{module: {branch: share}}: the contribution of each branch of each module to the scores of ``classes``.

        r_b = Σ_{n, h, w, c in b} A · ∂s_k/∂A        share_b = r_b / Σ_b |r_b|

    Gradient × activation is, to first order, the drop of the score if the output of the branch were zero. Shares are
    signed: a negative one lowers the score. A branch goes by the name of its last convolution (or pool).
    Source: Shrikumar et al. 2017, "Learning important features through propagating activation differences", section 2.
    """
    shares = {}
    for name, (A, dA) in module_gradients(net, x, one_class(classes)).items():
        product, start = (A * dA).sum(axis=(0, 1, 2), dtype=np.float64), 0
        sums: dict[str, float] = {}
        module = layer_at(net, name)
        assert isinstance(module, Concat)
        for branch, width in widths(module, A.shape[-1]).items():
            sums[branch] = float(product[start:start + width].sum())
            start += width
        total = sum(map(abs, sums.values())) or 1.0
        shares[name] = {branch: value / total for branch, value in sums.items()}
    return shares


def upsample(maps: Array, height: int, width: int) -> Array:
    """Maps (N, h, w) resized to (N, height, width) by bilinear interpolation; a cell's value is at its center."""
    return np.stack([_upsample(_upsample(m, height).T, width).T for m in maps])


def _upsample(m, length):
    places = np.clip((np.arange(length) + 0.5) * len(m) / length - 0.5, 0, len(m) - 1)
    low = np.floor(places).astype(int)
    high, part = np.minimum(low + 1, len(m) - 1), (places - low)[:, None]
    return m[low] * (1 - part) + m[high] * part
