"""Networks as tables over the same layers."""

from .googlenet import googlenet
from .mini import mini_googlenet

__all__ = ["googlenet", "mini_googlenet"]
