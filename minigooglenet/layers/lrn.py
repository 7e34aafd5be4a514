"""Local response normalization."""

from typing import Any

from ..kernels.lrn import lrn, lrn_backward
from .base import Array, Layer, Shape


class LRN(Layer):
    """y_i = x_i · s_i^-β        s_i = k + (α / n) · sum of x_j² over the n channels around i (fewer at the ends)

    dx_i = dy_i s_i^-β - (2 α β / n) · x_i · sum over j around i of dy_j x_j s_j^(-β - 1)

    x (N, H, W, C), same shape out. The cache is x. The defaults are Caffe's: n 5, α 1e-4 **divided by n**, β 0.75, k 1.
    The AlexNet paper does not divide and has k = 2. n must be odd, as in Caffe: then j is around i exactly if i is
    around j. Raises ValueError for an even n. Source: Krizhevsky et al. 2012, section 3.3; Caffe's lrn_layer.cpp.
    """

    kind = "LRN"

    def __init__(self, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        if size < 1 or size % 2 == 0:
            raise ValueError(f"size: got {size}, needs an odd number of channels")
        self.constants = size, alpha, beta, k

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Array]:
        self.check(x)
        return lrn(x, *self.constants), x

    def backward(self, dy: Array, x: Any) -> Array:
        self.check_gradient(dy, x.shape)
        return lrn_backward(dy, x, *self.constants)

    def other_ops(self, shape: Shape) -> int:
        H, W, C = shape
        n, half = self.constants[0], self.constants[0] // 2
        squares = sum(min(C, c - half + n) - max(0, c - half) for c in range(C))
        return H * W * (squares + 3 * C)  # the sums; then scale, power and product for each value
