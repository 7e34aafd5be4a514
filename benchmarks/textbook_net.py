"""A network of textbook layers (``textbook.py``), as a side of the comparison."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigooglenet import layers
from minigooglenet.layers import Array, Concat, Layer, Sequential, Shape, Trunk
from minigooglenet.layers.base import join
from minigooglenet.models.googlenet import LOSS_WEIGHTS
from minigooglenet.training.losses import weighted_loss
from minigooglenet.weights.layout import maps_to_nchw, maps_to_nhwc, trace_children

from .side import CHECKED, Side
from .textbook import LRN, Convolution, Drop, Flat, Linear, Mean, Normalize, Plain, Pool, ReLU
from .work import DECAY, INFER, LAYER, LR, MOMENTUM, TRAIN, Work


class Chain:
    """Layers in sequence, by name."""

    def __init__(self, parts: dict[str, Any]) -> None:
        self.parts = parts

    def forward(self, x: Array, train: bool) -> Array:
        for part in self.parts.values():
            x = part.forward(x, train)
        return x

    def backward(self, dy: Array) -> Array:
        for part in reversed(self.parts.values()):
            dy = part.backward(dy)
        return dy


class Module:
    """Branches, concatenated along the channels."""

    def __init__(self, branches: Sequence[Any]) -> None:
        self.branches = branches

    def forward(self, x: Array, train: bool) -> Array:
        outputs = [branch.forward(x, train) for branch in self.branches]
        self.cuts = np.cumsum([y.shape[1] for y in outputs])[:-1]
        return np.concatenate(outputs, axis=1)

    def backward(self, dy: Array) -> Array:
        parts = np.split(dy, self.cuts, axis=1)
        return sum(branch.backward(d) for branch, d in zip(self.branches, parts, strict=True))


class Headed:
    """A chain with auxiliary classifiers on some of its parts; ``heads``: {name of the part: chain}."""

    def __init__(self, trunk: Chain, heads: dict[str, Any]) -> None:
        self.trunk, self.heads = trunk, heads

    def forward(self, x: Array, train: bool) -> list[Array]:
        outputs = []
        for name, part in self.trunk.parts.items():
            x = part.forward(x, train)
            if name in self.heads:
                outputs.append(self.heads[name].forward(x, train))
        return [x, *outputs]

    def backward(self, gradients: Sequence[Array]) -> Array:
        dy, *rest = gradients
        of_head = dict(zip(self.heads, rest, strict=True))
        for name, part in reversed(self.trunk.parts.items()):
            if name in of_head:
                dy = dy + self.heads[name].backward(of_head[name])
            dy = part.backward(dy)
        return dy


class Builder:
    """``build(net, shape)`` returns the network; afterwards ``leaves`` holds {our path: textbook layer}."""

    simple: dict[type[Layer], Any] = {
        layers.Conv: Convolution, layers.MaxPool: Pool, layers.AvgPool: Pool, layers.BatchNorm: Normalize,
        layers.ReLU: ReLU, layers.LRN: LRN, layers.GlobalAvgPool: Mean, layers.Flatten: Flat, layers.Dropout: Drop}

    def __init__(self) -> None:
        self.leaves: dict[str, Plain] = {}

    def build(self, layer: Layer, shape: Shape, path: str = "", flattened: Shape | None = None) -> Any:
        """The textbook form of ``layer``, which reads ``shape``; ``flattened`` as in ``trace_children``."""
        if isinstance(layer, Trunk):
            return Headed(self.build(layer.trunk, shape), {
                tap: self.build(head, layer.trunk.until(tap).output_shape(shape), name)
                for name, (tap, head) in layer.heads.items()})
        if isinstance(layer, Sequential):
            return Chain({name: self.build(child, entering, join(path, name), flat)
                          for name, child, entering, flat in trace_children(layer, shape, flattened)})
        if isinstance(layer, Concat):
            return Module([self.build(branch, shape, path) for branch in layer.branches])
        made = Linear(layer, flattened) if isinstance(layer, layers.Dense) else self.simple[type(layer)](layer)
        self.leaves[path] = made
        return made


class Textbook(Side):
    """The network of textbook layers."""

    def __init__(self, work: Work, threads: int) -> None:
        builder, net = Builder(), work.network()
        self.work, self.model, self.leaves = work, builder.build(net, work.input_shape), builder.leaves
        self.x = maps_to_nchw(work.images())
        if work.kind == LAYER:
            self.dy = maps_to_nchw(work.gradient())
        if work.kind == TRAIN:
            self.y = work.labels()
            self.velocity = {key: np.zeros_like(leaf.params[key[1]]) for key, leaf in self.named()}

    def named(self) -> list[tuple[tuple[str, str], Plain]]:
        """((path, name), layer) of all parameters."""
        return [((path, name), leaf) for path, leaf in self.leaves.items() for name in leaf.params]

    def step(self) -> Any:
        if self.work.kind == TRAIN:
            return self.update(self.x, self.y)
        y = self.model.forward(self.x, self.work.kind != INFER)
        return (y, self.model.backward(self.dy)) if self.work.kind == LAYER else y

    def update(self, x: Array, y: Array) -> list[Array]:
        """One training step. Returns the logits."""
        logits = self.model.forward(x, True)
        _, _, dy = weighted_loss(logits, y, LOSS_WEIGHTS, self.work.smoothing)
        self.model.backward(dy)
        for (path, name), leaf in self.named():
            w, g, v = leaf.params[name], leaf.grads[name], self.velocity[path, name]
            if w.ndim > 1:
                g = g + DECAY * w
            v *= MOMENTUM
            v += g
            w -= LR * (g + MOMENTUM * v)
        return logits

    def check(self) -> dict[str, Array]:
        if self.work.kind == INFER:
            return {"logits": maps_to_nhwc(self.step())}
        if self.work.kind == LAYER:
            y, dx = self.step()
            return {"y": maps_to_nhwc(y), "dx": maps_to_nhwc(dx)} | {
                join(path, name): leaf.to_ours[name](leaf.grads[name]) for (path, name), leaf in self.named()}
        kept = [leaf for leaf in self.leaves.values() if isinstance(leaf, Drop)]
        drop_probs = [leaf.layer.drop_prob for leaf in kept]
        for leaf in kept:
            leaf.layer.drop_prob = 0.0
        before = {key: leaf.params[key[1]].copy() for key, leaf in self.named()}
        logits = self.update(self.x[:CHECKED], self.y[:CHECKED])
        for leaf, drop_prob in zip(kept, drop_probs, strict=True):
            leaf.layer.drop_prob = drop_prob
        return {f"logits {k}": z for k, z in enumerate(logits)} | {
            join(path, name): leaf.to_ours[name](leaf.params[name] - before[path, name])
            for (path, name), leaf in self.named()}

    def facts(self) -> dict[str, Any]:
        return {"version": f"NumPy {np.__version__}", "threads": int(os.environ.get("OPENBLAS_NUM_THREADS", 0))}
