"""The engine: the same network, compiled for speed. The only entrance to speed.

``compile(net)`` gives a layer that trains: forward and backward, adding into the very gradients of ``net``.
``predictor(net)`` gives one that predicts, from a snapshot of the weights.

Both compute what ``layers/`` does by other means, and tests hold them equal to it. What they do differently:

* convolutions use matrix products of their own, and apply the ReLU before anything is written (``kernels/gemm.py``). A
  whole convolution is one kernel, which takes as much at a time as fits into the cache;
* 3×3 and 5×5 convolutions use Winograd's minimal filtering (``kernels/winograd.py``): 2 to 4 times fewer products;
* in training convolution, batch norm or bias, and ReLU are fused; 1×1 convolutions that read the same input are one
  product. All that can be done to a chunk of the batch is done in one pass, until batch norm needs sums over the whole
  batch;
* the layers of a network become a table of tasks, which threads execute without Python (``program.py`` for training,
  ``plan.py`` for prediction);
* branches write directly into their channels of the concatenation, and read their channels of its gradient there;
* a predicting network takes a few images through all layers at a time, so that they stay in the cache.

The engine replaces only the layers it knows, by exact type and by content (``known.py``). A subclass, a layer of your
own, a replaced method, an edited file of ``layers/``: that layer runs as written, inside the otherwise compiled
network.

``MINIGOOGLENET_ENGINE=plain``, or ``use("plain")``, turns the engine off: both functions then return ``net`` itself,
and every layer runs as written. So does ``MINIGOOGLENET_JIT=0``.
"""

import os

from ..errors import UserError
from ..kernels.jit import JIT
from ..layers import Layer, Sequential, Trunk
from .known import as_written, each_class_once

__all__ = ["KINDS", "as_written", "compile", "kind", "predictor", "use"]

KINDS = ("fast", "plain")

_chosen: str | None = None  # by ``use``


def kind() -> str:
    """Which engine runs: "fast", this one, or "plain", the layers as written.

    ``use`` decides; without it MINIGOOGLENET_ENGINE, by default "fast". Raises UserError for another value of that.
    """
    wanted = _chosen or os.environ.get("MINIGOOGLENET_ENGINE") or (
        "plain" if os.environ.get("MINIGOOGLENET_FAST") == "0" else "fast")  # how version 0.1 spelled it
    if wanted not in KINDS:
        raise UserError(f"MINIGOOGLENET_ENGINE: got {wanted!r}, choose {' or '.join(KINDS)}")
    return wanted if JIT else "plain"


def use(engine: str | None) -> None:
    """Let "fast" or "plain" run from now on; None: whatever MINIGOOGLENET_ENGINE says.

    Raises UserError for another name, and for "fast" where kernels are not compiled (MINIGOOGLENET_JIT=0).
    """
    global _chosen
    if engine is not None and engine not in KINDS:
        raise UserError(f"engine: got {engine!r}, choose {' or '.join(KINDS)}")
    if engine == "fast" and not JIT:
        raise UserError("engine: fast needs compiled kernels; unset MINIGOOGLENET_JIT and NUMBA_DISABLE_JIT")
    _chosen = engine


@each_class_once()
def compile(net: Layer, input_gradient: bool = True) -> Layer:
    """A layer that computes what ``net`` does, sharing its parameters and gradients. Training does not need the
    gradient with respect to the images: with ``input_gradient=False`` backward may return None."""
    if kind() == "plain":
        return net
    from .concat import fused
    from .rewrite import rewrite
    from .training import Chain, Compiled, FusedPool, FusedUnit, chained
    layer = rewrite(net, FusedUnit, fused, FusedPool, chained)
    layer = chained({"": layer})[""]
    if not input_gradient and isinstance(first := _first(layer), Chain):
        first.input_gradient = False
    return Compiled(net, layer)


@each_class_once()
def predictor(net: Layer) -> Layer:
    """A layer that predicts what ``net`` does now: batch norm folded, weights transformed, once. Later changes of the
    weights do not reach it."""
    if kind() == "plain":
        return net
    from .frozen import FrozenConcat, FrozenUnit
    from .inference import Chunked
    from .rewrite import rewrite
    return Chunked(rewrite(net, FrozenUnit, FrozenConcat))


def _first(layer: Layer) -> Layer:
    """The layer that reads the input, and is the only one that does."""
    alone = type(layer) in (Sequential, Trunk) and layer.children
    return _first(next(iter(layer.children.values()))) if alone else layer
