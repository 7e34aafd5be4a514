"""Networks as tables over the same layers."""

from .ancestors import ancestor
from .googlenet import googlenet
from .mini import mini_googlenet

__all__ = ["ancestor", "googlenet", "mini_googlenet"]
