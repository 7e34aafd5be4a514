"""A layer of your own, its gradient checked, and then used inside a network.

    python examples/gradcheck_layer.py
"""

import numpy as np

from minigooglenet.gradcheck import gradcheck
from minigooglenet.layers import Conv, Layer, Sequential


class SiLU(Layer):
    """y = x σ(a x)        dx = dy σ (1 + a x (1 - σ))        da = Σ dy x² σ (1 - σ)        σ(t) = 1 / (1 + exp(-t))

    With a = 1 this is SiLU; with a learned a per layer it is Swish. Source: Ramachandran et al. 2017.
    """

    kind = "silu"

    def __init__(self, dtype=np.float32):
        super().__init__()
        self.add_param("a", np.ones(1, dtype))

    def forward(self, x, train=False):
        s = 1 / (1 + np.exp(-self.params["a"] * x))
        return x * s, (x, s)

    def backward(self, dy, cache):
        x, s = cache
        self.grads["a"] += (dy * x * x * s * (1 - s)).sum()
        return dy * s * (1 + self.params["a"] * x * (1 - s))


class WrongSiLU(SiLU):
    """The same with a mistake: backward forgets that σ depends on x."""

    def backward(self, dy, cache):
        super().backward(dy, cache)
        return dy * cache[1]


rng = np.random.default_rng(0)
x = rng.standard_normal((2, 5, 4, 3))  # batch, height, width, channels

print("SiLU")
print(gradcheck(SiLU("float64"), x, rng))

print("\nconvolution, SiLU")
print(gradcheck(Sequential({"conv": Conv(3, 6, 3, pad=1, rng=rng, dtype="float64"), "silu": SiLU("float64")}), x, rng))

print("\nSiLU with a mistake")
print(gradcheck(WrongSiLU("float64"), x, rng))
