"""The textbook's layers (``textbook.py``) as a network, and as a side of the comparison."""

import os

import numpy as np

from minigooglenet import layers
from minigooglenet.compose import Concat, Sequential, Trunk
from minigooglenet.models.googlenet import LOSS_WEIGHTS
from minigooglenet.training.losses import weighted_loss
from minigooglenet.weights.layout import maps, maps_back, stations

from .side import CHECKED, Side
from .textbook import LRN, Convolution, Drop, Flat, Linear, Mean, Normalise, Pool, ReLU
from .work import DECAY, INFER, LAYER, LR, MOMENTUM, TRAIN


class Chain:
    def __init__(self, parts):
        self.parts = parts

    def forward(self, x, train):
        for part in self.parts.values():
            x = part.forward(x, train)
        return x

    def backward(self, dy):
        for part in reversed(self.parts.values()):
            dy = part.backward(dy)
        return dy


class Module:
    """Branches side by side."""

    def __init__(self, branches):
        self.branches = branches

    def forward(self, x, train):
        outputs = [branch.forward(x, train) for branch in self.branches]
        self.cuts = np.cumsum([y.shape[1] for y in outputs])[:-1]
        return np.concatenate(outputs, axis=1)

    def backward(self, dy):
        return sum(branch.backward(d) for branch, d in zip(self.branches, np.split(dy, self.cuts, axis=1), strict=True))


class Headed:
    """A chain with heads on some of its parts; ``heads``: {name of the part: chain}."""

    def __init__(self, trunk, heads):
        self.trunk, self.heads = trunk, heads

    def forward(self, x, train):
        outputs = []
        for name, part in self.trunk.parts.items():
            x = part.forward(x, train)
            if name in self.heads:
                outputs.append(self.heads[name].forward(x, train))
        return [x, *outputs]

    def backward(self, gradients):
        dy, *rest = gradients
        of_head = dict(zip(self.heads, rest, strict=True))
        for name, part in reversed(self.trunk.parts.items()):
            if name in of_head:
                dy = dy + self.heads[name].backward(of_head[name])
            dy = part.backward(dy)
        return dy


class Builder:
    """``build(net, shape)``; afterwards ``leaves`` holds {our path: layer with parameters}."""

    simple = {layers.Conv: Convolution, layers.MaxPool: Pool, layers.AvgPool: Pool, layers.BatchNorm: Normalise,
              layers.ReLU: ReLU, layers.LRN: LRN, layers.GlobalAvgPool: Mean, layers.Flatten: Flat,
              layers.Dropout: Drop}

    def __init__(self):
        self.leaves = {}

    def build(self, layer, shape, path="", flattened=None):
        if isinstance(layer, Trunk):
            return Headed(self.build(layer.trunk, shape), {
                tap: self.build(head, layer.trunk.until(tap).output_shape(shape), name)
                for name, (tap, head) in layer.heads.items()})
        if isinstance(layer, Sequential):
            return Chain({name: self.build(child, entering, f"{path}/{name}".lstrip("/"), flat)
                          for name, child, entering, flat in stations(layer, shape)})
        if isinstance(layer, Concat):
            return Module([self.build(branch, shape, path) for branch in layer.branches])
        made = Linear(layer, flattened) if isinstance(layer, layers.Dense) else self.simple[type(layer)](layer)
        self.leaves[path] = made
        return made


class Textbook(Side):
    def __init__(self, work, threads):
        builder, net = Builder(), work.network()
        self.work, self.model, self.leaves = work, builder.build(net, work.input_shape), builder.leaves
        self.x = maps(work.pictures())
        if work.kind == LAYER:
            self.dy = maps(work.gradient())
        if work.kind == TRAIN:
            self.y = work.labels()
            self.velocity = {key: np.zeros_like(leaf.params[key[1]]) for key, leaf in self.named()}

    def named(self):
        """((path, name), layer) of all parameters."""
        return [((path, name), leaf) for path, leaf in self.leaves.items() for name in leaf.params]

    def step(self):
        if self.work.kind == TRAIN:
            return self.update(self.x, self.y)
        y = self.model.forward(self.x, self.work.kind != INFER)
        return (y, self.model.backward(self.dy)) if self.work.kind == LAYER else y

    def update(self, x, y):
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

    def check(self):
        if self.work.kind == INFER:
            return {"logits": maps_back(self.step())}
        if self.work.kind == LAYER:
            y, dx = self.step()
            return {"y": maps_back(y), "dx": maps_back(dx)} | {
                f"{path}/{name}": leaf.back[name](leaf.grads[name]) for (path, name), leaf in self.named()}
        kept = [leaf for leaf in self.leaves.values() if isinstance(leaf, Drop)]
        chances = [leaf.layer.drop_prob for leaf in kept]
        for leaf in kept:
            leaf.layer.drop_prob = 0.0
        before = {key: leaf.params[key[1]].copy() for key, leaf in self.named()}
        logits = self.update(self.x[:CHECKED], self.y[:CHECKED])
        for leaf, chance in zip(kept, chances, strict=True):
            leaf.layer.drop_prob = chance
        return {f"logits {k}": z for k, z in enumerate(logits)} | {
            f"{path}/{name}": leaf.back[name](leaf.params[name] - before[path, name])
            for (path, name), leaf in self.named()}

    def facts(self):
        return {"version": f"NumPy {np.__version__}", "threads": int(os.environ.get("OPENBLAS_NUM_THREADS", 0))}
