"""The same network, rewritten for speed.

``speed_up(net)`` gives a layer that trains: forward and backward, adding into the very gradients of ``net``.
``predictor(net)`` gives one that predicts, from a snapshot of the weights.

Both compute what ``layers/`` does by other means, and are held equal to it by tests. What they do differently:

* convolutions have products of their own: small ones at their full rate, and the ReLU before anything is written
  (``kernels/product.py``). A whole convolution is one kernel, which takes as much at a time as fits into the cache;
* 3×3 and 5×5 convolutions go by Winograd's filtering (``reference/winograd.py``), 2 to 4 times fewer products;
* in training convolution, batch norm or bias, and ReLU are one unit; 1×1s that read the same input are one product. All
  that can be done to a slice is done in one round, from where batch norm has the sums of the whole batch to where the
  next one needs them (``rounds.py``);
* branches write straight into their part of the concatenation, and read their part of its gradient there;
* a predicting network takes a few pictures through all layers at a time, so that they stay in the cache.

``MINIGOOGLENET_FAST=0`` turns it off: both functions then return ``net`` itself. So does ``MINIGOOGLENET_JIT=0``.
"""

import functools
import os

from .. import kernels


def enabled():
    """Whether the rewrite is on."""
    return kernels.JIT and os.environ.get("MINIGOOGLENET_FAST", "1") != "0"


def speed_up(net, input_gradient=True):
    """A layer that computes what ``net`` does, sharing its parameters and gradients. Training may do without the
    gradient of the pictures themselves: with ``input_gradient=False`` backward returns None."""
    if not enabled():
        return net
    from .rewrite import rewrite
    from .rounds import Rounds
    from .training import FastConcat, FastPool, FastUnit, Plain, Training
    rounds = Rounds()
    forms = (functools.partial(form, rounds=rounds) for form in (FastUnit, FastConcat, FastPool, Plain))
    fast = Training(rewrite(net, *forms), rounds)
    if not input_gradient:
        _first_unit(fast).input_gradient = False
    return fast


def predictor(net):
    """A layer that predicts what ``net`` does now: batch norm folded, weights transformed, once. Later changes of the
    weights do not reach it."""
    if not enabled():
        return net
    from .inference import FrozenConcat, FrozenUnit, Sliced
    from .rewrite import rewrite
    return Sliced(rewrite(net, FrozenUnit, FrozenConcat))


def _first_unit(fast):
    first = next(iter(fast.children.values()))
    return _first_unit(first) if hasattr(first, "until") else first
