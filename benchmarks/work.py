"""What is timed: networks and layers by name, small enough to send to another process."""

import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minigooglenet.errors import UserError
from minigooglenet.flops import count
from minigooglenet.layers import Array, Block, Conv, Dropout, Layer, Sequential, Shape
from minigooglenet.models import googlenet, mini_googlenet
from minigooglenet.models.googlenet import INPUT
from minigooglenet.training.config import PRESETS, Config

#: The optimizer of every training step, on every side, with a learning rate that hardly changes the weights.
LR, MOMENTUM, DECAY, NESTEROV = 1e-3, 0.9, 5e-4, True

SMALL_BATCHES = (4, 8, 16)

TRAIN, INFER, LAYER = "training step", "inference", "forward and backward"

#: Layers of GoogLeNet, each convolution with its ReLU.
LAYERS = ("conv1", "conv2_reduce", "4e/1x1", "conv2", "3b/3x3", "4e/3x3", "3b/5x5", "pool1", "3b/pool")
LAYER_BATCH = 16


@dataclass(frozen=True)
class Work:
    """One thing to time.

    name     as ``--only`` takes it, such as "a:quick"
    kind     TRAIN: forward, three losses, backward, update; INFER: logits; LAYER: y, and dx and gradients from dy
    batch    images per step
    options  of ``mini_googlenet``; None for GoogLeNet itself, on 224×224
    layer    the path of one layer of GoogLeNet, to time it alone
    weights  a file with the weights of 2014, for GoogLeNet's inference; otherwise weights are random
    dtype    float32; "float64" to check gradients without rounding errors that change the winner of a max pool
    """
    name: str
    kind: str
    batch: int
    options: tuple[tuple[str, Any], ...] | None = None
    layer: str = ""
    smoothing: float = 0.0
    weights: str | None = None
    dtype: str = "float32"

    def network(self) -> Layer:
        """The network, with the same weights in every process."""
        net = self._network()
        return net if self.dtype == "float32" else net.astype(self.dtype)

    def _network(self):
        rng, heads = np.random.default_rng(2014), self.kind == TRAIN
        if self.layer:
            layer, _ = self._layer()
            if isinstance(layer, Conv):
                layer = Block(Conv(layer.C, layer.F, layer.kernel, layer.stride, layer.pad, bias_value=0.1, rng=rng))
            return Sequential({self.layer.replace("/", "_"): layer})
        if self.options is not None:
            return mini_googlenet(heads=heads, rng=rng, **dict(self.options))
        if self.weights and not heads:
            return pretrained(self.weights)
        return googlenet("bvlc", heads=heads, rng=rng)

    def _layer(self):
        """(the layer of GoogLeNet, without its weights; the shape of its input)"""
        for path, layer, entering, _ in googlenet("bvlc", heads=False).trace(INPUT):
            if path == self.layer:
                return layer, entering
        raise UserError(f"--only: GoogLeNet has no layer {self.layer!r}")

    @property
    def input_shape(self) -> Shape:
        """(H, W, C)"""
        if self.layer:
            return self._layer()[1]
        return INPUT if self.options is None else (32, 32, 3)

    def images(self) -> Array:
        """x (N, H, W, C), in the range that the weights expect."""
        x = self.normal(1, self.input_shape)
        return x * x.dtype.type(50) if self.weights else x

    def gradient(self) -> Array:
        """dy (N, OH, OW, F) for a LAYER."""
        return self.normal(3, self.network().output_shape(self.input_shape))

    def normal(self, seed: int, shape: Shape) -> Array:
        """Normally distributed values (N, *shape)."""
        return np.random.default_rng(seed).standard_normal((self.batch, *shape), np.float32).astype(self.dtype)

    def labels(self) -> Array:
        """y (N,)"""
        return np.random.default_rng(2).integers(0, 10 if self.options is not None else 1000, self.batch)

    def flops(self) -> int:
        """Floating point operations of one step by the direct algorithm: 2 for each multiply-add of a weight with an
        activation. Training costs three times the forward pass (y, dx, dw), less the dx of the first layer, which
        nothing needs."""
        rows = count(self.network(), self.input_shape).layers
        macs = sum(row.macs for row in rows)
        if self.kind != INFER:
            macs = 3 * macs - (rows[0].macs if self.kind == TRAIN else 0)
        return 2 * macs * self.batch

    def title(self) -> str:
        """What is timed, in one line."""
        shape = "×".join(map(str, self.input_shape))
        if self.layer:
            return f"({self.name}) {self._layer()[0].describe()} on {shape}, {self.kind}, batch {self.batch}"
        width = f", width {dict(self.options)['width']:g}" if self.options is not None else ""
        name = "GoogLeNet" if self.options is None else "reduced GoogLeNet"
        return f"({self.name}) {name}{width}, {shape}, {self.kind}, batch {self.batch}"

    def but(self, **changes: Any) -> "Work":
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)


def pretrained(path: Path | str) -> Layer:
    """GoogLeNet with the weights released in 2014, from a .caffemodel or a converted file."""
    from minigooglenet.weights.caffemodel import caffe_parameters
    from minigooglenet.weights.convert import read_converted
    from minigooglenet.weights.loading import load_into
    from minigooglenet.weights.safetensors_io import is_safetensors

    net = googlenet("bvlc", heads=False)
    arrays = read_converted(path) if is_safetensors(path) else caffe_parameters(path, heads=False)
    load_into(net.parameters(), arrays, path, optional=("aux1/", "aux2/"))
    return net


def mini_options(config: Config) -> tuple[tuple[str, Any], ...]:
    """The options of a training preset's network."""
    names = ("width", "norm", "drop_prob", "reduced", "classifier")
    return tuple((name, getattr(config, name)) for name in names)


def works(weights: str | None = None) -> dict[str, Work]:
    """Everything that can be timed, in order: {name: Work}."""
    presets = {name: PRESETS[name] for name in ("quick", "full")}
    listed = [Work(f"a:{name}", TRAIN, 128, mini_options(config), smoothing=config.label_smoothing)
              for name, config in presets.items()]
    listed += [listed[0].but(name=f"a:quick:{batch}", batch=batch) for batch in SMALL_BATCHES]
    listed += [Work(f"b:{name}", INFER, 128, mini_options(config)) for name, config in presets.items()]
    listed += [Work(f"c:{batch}", INFER, batch, weights=weights) for batch in (1, 8)]
    listed += [Work("d", TRAIN, 16)]
    listed += [Work(f"e:{path}", INFER, LAYER_BATCH, layer=path) for path in LAYERS]
    listed += [Work(f"e:{path}:backward", LAYER, LAYER_BATCH, layer=path) for path in LAYERS]
    return {work.name: work for work in listed}


def chosen(only: str, weights: str | None = None) -> list[Work]:
    """The Works of ``only``, such as "a,b:quick,e:3b": each word selects the names that begin with it, but "a:quick"
    without its smaller batches. Raises UserError."""
    everything, selected = works(weights), set()
    for word in filter(None, only.split(",")):
        if word.endswith(":back"):
            print(f"benchmarks: --only {word} is now {word}ward", file=sys.stderr)
            word += "ward"
        found = {name for name in everything if name == word or name.startswith((f"{word}:", f"{word}/"))
                 and (word not in everything or everything[word].batch == everything[name].batch)}
        if not found:
            raise UserError(f"--only: nothing is called {word!r}; choose from a, b, c, d, e, or one of "
                            f"{', '.join(everything)}")
        selected |= found
    return [work for name, work in everything.items() if name in selected]


def dropouts(net: Layer) -> list[Dropout]:
    """The Dropout layers of a network: they are switched off when sides are compared."""
    return [layer for _, layer in net.walk() if isinstance(layer, Dropout)]
