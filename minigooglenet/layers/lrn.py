"""Local response normalisation."""

from .. import kernels
from .base import Layer


class LRN(Layer):
    """y_i = x_i · s_i^-β        s_i = k + (α / n) · sum of x_j² over the n channels around i (fewer at the ends)

    dx_i = dy_i s_i^-β - (2 α β / n) · x_i · sum over j around i of dy_j x_j s_j^(-β - 1)

    x (N, H, W, C), same shape out. The cache is x. The defaults are Caffe's: n 5, α 1e-4 **divided by n**, β 0.75, k 1.
    The AlexNet paper does not divide and has k = 2. n must be odd, as in Caffe: then j is around i exactly if i is
    around j. Source: Krizhevsky et al. 2012, section 3.3; Caffe's lrn_layer.cpp.
    """

    def __init__(self, size=5, alpha=1e-4, beta=0.75, k=1.0):
        super().__init__()
        if size < 1 or size % 2 == 0:
            raise ValueError(f"size: got {size}, needs an odd number of channels")
        self.constants = size, alpha, beta, k

    def forward(self, x, train=False):
        self.check(x)
        return kernels.lrn(x, *self.constants), x

    def backward(self, dy, x):
        self.check_gradient(dy, x.shape)
        return kernels.lrn_backward(dy, x, *self.constants)

    def other_ops(self, shape):
        H, W, C = shape
        n, half = self.constants[0], self.constants[0] // 2
        squares = sum(min(C, c - half + n) - max(0, c - half) for c in range(C))
        return H * W * (squares + 3 * C)  # the sums; then scale, power and product for each number

    def describe(self):
        return "LRN"
