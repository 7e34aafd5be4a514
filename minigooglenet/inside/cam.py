"""Where in the picture a class was seen, and through which branches.

A: the output of a layer, (N, H, W, C).   s_k: the score (logit) of class k.
"""

import numpy as np

from ..errors import UserError
from ..layers import Dense, Dropout, GlobalAvgPool
from .gradients import layer_gradient, module_gradients, one_class
from .structure import check_path, trunk_of, until, widths


def class_activation_map(net, x, classes):
    """Global average pooling hides a picture in every score:

        s_k = b_k + Σ_c w_ck · mean_hw A_c  =  b_k + mean_hw M_k        M_k(h, w) = Σ_c w_ck A_c(h, w)

    so M_k is where class k was seen, at the price of one matrix product. Its mean is the logit without the bias.

    x (N, H, W, 3), ``classes`` N numbers -> M (N, H', W'), signed. Raises UserError for a network that does not end in
    global average pooling and one linear layer (use Grad-CAM there).
    Source: Zhou et al. 2016, "Learning deep features for discriminative localization", section 2.
    """
    last, linear = pooled_layer(net)
    A = until(net, last).predict(x)
    return np.einsum("nhwc,cn->nhw", A, linear.params["w"][:, classes])


def pooled_layer(net):
    """(the name of the layer that global average pooling reads, the linear layer behind it)."""
    layers = [(name, layer) for name, layer in trunk_of(net).children.items() if not isinstance(layer, Dropout)]
    if len(layers) < 3 or not isinstance(layers[-2][1], GlobalAvgPool) or not isinstance(layers[-1][1], Dense):
        raise UserError("cam: this network does not end in global average pooling and one linear layer; "
                        "choose a layer for Grad-CAM with --layer")
    return layers[-3][0], layers[-1][1]


def grad_cam(net, x, classes, layer):
    """The same at any layer, with the gradient in place of the weights:

        α_c = mean_hw ∂s_k/∂A_c        M_k = ReLU(Σ_c α_c A_c)

    What speaks against the class is cut off. At the last module of GoogLeNet α_c = w_ck / (H'·W'), so that M_k is the
    positive part of the class activation map.

    x (N, H, W, 3), ``classes`` N numbers, ``layer`` a path -> M (N, H', W'), from 0 up. Raises UserError for an
    unknown layer, or one that has no maps.
    Source: Selvaraju et al. 2017, "Grad-CAM", section 3, equations 1 and 2.
    """
    check_maps(net, layer, x.shape[1:])
    A, dA, _ = layer_gradient(net, x, one_class(classes), layer)
    alpha = dA.mean(axis=(1, 2))
    return np.maximum(np.einsum("nhwc,nc->nhw", A, alpha), 0)


def check_maps(net, layer, picture):
    """Raise UserError unless a layer's output has a height and a width."""
    trunk, name = trunk_of(net), check_path(net, layer).partition("/")[0]
    if len(trunk.until(name).output_shape(picture)) != 3:
        maps = [n for n in trunk.children if len(trunk.until(n).output_shape(picture)) == 3]
        raise UserError(f"layer: {layer} has no maps, only a vector; the last with maps is {maps[-1]}")


def branch_shares(net, x, classes):
    """{module: {branch: share}}: how much of the score of ``classes`` came through each branch of each module.

        r_b = Σ_{n, h, w, c in b} A · ∂s_k/∂A        share_b = r_b / Σ_b |r_b|

    Gradient × activation is what the score would lose, to first order, if the branch fell silent. Shares are signed:
    a negative one spoke against the class. A branch is called by its last convolution (or pool).
    Source: Shrikumar et al. 2017, "Learning important features through propagating activation differences", section 2.
    """
    shares = {}
    for name, (A, dA) in module_gradients(net, x, one_class(classes)).items():
        product, start, sums = (A * dA).sum(axis=(0, 1, 2), dtype=np.float64), 0, {}
        for branch, width in widths(trunk_of(net).children[name], A.shape[-1]).items():
            sums[branch] = float(product[start:start + width].sum())
            start += width
        total = sum(map(abs, sums.values())) or 1.0
        shares[name] = {branch: value / total for branch, value in sums.items()}
    return shares


def to_picture(maps, height, width):
    """Maps (N, h, w) stretched over pictures of ``height`` × ``width``: bilinear, each cell's value at its middle."""
    return np.stack([_stretch(_stretch(m, height).T, width).T for m in maps])


def _stretch(m, length):
    places = np.clip((np.arange(length) + 0.5) * len(m) / length - 0.5, 0, len(m) - 1)
    low = np.floor(places).astype(int)
    high, part = np.minimum(low + 1, len(m) - 1), (places - low)[:, None]
    return m[low] * (1 - part) + m[high] * part


