"""The engine replaces only what it knows. Anything else runs as written, with the right values, and it says so."""

import os
import shutil
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from small import distance

from minigooglenet import engine
from minigooglenet.engine import known
from minigooglenet.layers import (
    BatchNorm,
    Block,
    Concat,
    Conv,
    GlobalAvgPool,
    Layer,
    MaxPool,
    ReLU,
    Sequential,
    conv,
    relu,
)
from minigooglenet.models import mini_googlenet

PACKAGE = Path(known.__file__).parent.parent

fast = pytest.mark.skipif(engine.kind() == "plain", reason="MINIGOOGLENET_JIT=0 or MINIGOOGLENET_ENGINE=plain")


class LeakyReLU(ReLU):
    def forward(self, x, train=False):
        return np.where(x > 0, x, x * x.dtype.type(0.1)), x

    def backward(self, dy, x):
        return np.where(x > 0, dy, dy * dy.dtype.type(0.1))


class StandardizedConv(Conv):
    """Weights with mean 0 and standard deviation 1 for each filter."""

    def forward(self, x, train=False):
        w = self.params["w"]
        self.params["w"] = (w - w.mean((0, 1, 2))) / w.std((0, 1, 2))
        try:
            return super().forward(x, train)
        finally:
            self.params["w"] = w


class Scale(Layer):
    """A layer of one's own."""

    def forward(self, x, train=False):
        return x * 2, None

    def backward(self, dy, cache):
        return dy * 2


class FirstBranchTwice(Concat):
    def forward(self, x, train=False):
        y, cache = super().forward(x, train)
        return y * 3, cache

    def backward(self, dy, cache):
        return super().backward(dy * 3, cache)


def agree(net, shape=(7, 6, 4), tolerance=1e-9):
    """Training and prediction by the compiled network equal those of the network as written."""
    rng = np.random.default_rng(1)
    net.astype(np.float64)
    x, compiled = rng.standard_normal((3, *shape)), engine.compile(net)
    results, dy = [], rng.standard_normal(net.forward(x, True)[0].shape)
    for layer in (net, compiled):
        net.zero_grads()
        y, cache = layer.forward(x, True)
        dx = layer.backward(dy, cache)
        results.append([y, dx, *(g.copy() for g in net.gradients().values())])
    for a, b in zip(*results, strict=True):
        assert np.abs(b - a).max() < tolerance * max(np.abs(a).max(), 1)  # some gradients are exactly 0, up to rounding
    assert distance(engine.predictor(net).predict(x), net.predict(x)) < tolerance
    return engine.as_written(net)


def conv_net(convolution=Conv, rectifier=ReLU):
    rng = np.random.default_rng(0)
    return Sequential({"conv": convolution(4, 5, 3, 1, 1, rng=rng), "relu": rectifier(),
                       "next": Block(Conv(5, 3, 1, bias=False, rng=rng), BatchNorm(3))})


def test_a_known_network_runs_compiled_without_a_word():
    assert engine.as_written(mini_googlenet(0.125)) == []
    assert agree(conv_net()) == []


def test_a_subclass_of_relu_behind_a_convolution():
    assert agree(conv_net(rectifier=LeakyReLU)) == ["LeakyReLU runs as written: a subclass of ReLU (slower)"]


def test_a_subclass_of_conv():
    assert agree(conv_net(StandardizedConv)) == ["StandardizedConv runs as written: a subclass of Conv (slower)"]


def test_subclasses_in_an_inception_module():
    rng = np.random.default_rng(0)
    odd = Block(Conv(4, 5, 1, rng=rng))
    odd.children["relu"] = LeakyReLU()
    branches = {"1x1": Block(Conv(4, 5, 1, rng=rng))}, {"3x3": odd}, {"pool": MaxPool(3, 1, 1)}
    assert agree(Sequential({"m": Concat(*branches)})) == ["LeakyReLU runs as written: a subclass of ReLU (slower)"]
    assert agree(Sequential({"m": FirstBranchTwice(*branches)}))[0].startswith("FirstBranchTwice runs as written")


def test_a_layer_of_ones_own():
    block = Block(Conv(4, 5, 3, rng=np.random.default_rng(0)))
    net = Sequential({"block": block, "scale": Scale(), "gap": GlobalAvgPool()})
    assert agree(net) == ["Scale runs as written: not a layer that the engine knows (slower)"]


def test_a_method_replaced_in_the_class(monkeypatch):
    original = Conv.forward
    monkeypatch.setattr(Conv, "forward", lambda self, x, train=False: (original(self, x, train)[0] + 1, x))
    assert agree(conv_net()) == ["Conv runs as written: its forward was replaced (slower)"]


def test_a_method_added_in_front_of_an_inherited_one(monkeypatch):
    monkeypatch.setattr(ReLU, "predict", lambda self, x: np.abs(x), raising=False)
    net = conv_net()
    assert engine.as_written(net) == ["ReLU runs as written: its predict was replaced (slower)"]
    x = np.random.default_rng(1).standard_normal((2, 5, 6, 4)).astype(np.float32)
    assert distance(engine.predictor(net).predict(x), net.predict(x)) < 1e-6


def test_a_method_replaced_in_one_layer():
    net = conv_net()
    layer, kind = net.children["relu"], ReLU
    layer.forward = types.MethodType(lambda self, x, train=False: (kind.forward(self, x)[0] + 1,) * 2, layer)
    assert agree(net) == ["ReLU runs as written: its forward was replaced (slower)"]


def test_a_replaced_sequential():
    net = conv_net()
    outer = Sequential({"inner": net})
    net.forward = types.MethodType(lambda self, x, train=False: Sequential.forward(self, x * 2, train), net)
    net.backward = types.MethodType(lambda self, dy, cache: Sequential.backward(self, dy, cache) * 2, net)
    assert agree(outer) == ["Sequential runs as written: its forward was replaced (slower)"]


def test_a_kernel_replaced_under_a_layer(monkeypatch):
    monkeypatch.setattr(conv, "im2col", lambda x, *window: np.tile(x.reshape(-1, x.shape[-1]), 9))
    monkeypatch.setattr(relu, "relu", np.abs)
    told = engine.as_written(conv_net())
    assert "Conv runs as written: im2col, which it calls, was replaced (slower)" in told
    assert "ReLU runs as written: relu, which it calls, was replaced (slower)" in told


EDITS = {
    "layers/relu.py": ("y = relu(x)", "y = relu(x) * x.dtype.type(2)", "ReLU"),
    "layers/conv.py": ("y += self.params[\"b\"]", "y -= self.params[\"b\"]", "Conv"),
    "layers/batchnorm.py": ("1 / np.sqrt(variance", "2 / np.sqrt(variance", "BatchNorm"),
    "layers/pooling.py": ("y = max_pool(x, *self.window)", "y = max_pool(-x, *self.window)", "MaxPool"),
    "layers/containers.py": ("dx = dx + branch.backward", "dx = dx - branch.backward", "Concat"),
}

TRAIN = """
import numpy as np
from minigooglenet import engine
from minigooglenet.layers import BatchNorm, Block, Concat, Conv, Sequential, MaxPool
rng = np.random.default_rng(0)
net = Sequential({"pool": MaxPool(2), "bias": Block(Conv(3, 8, 1, rng=rng, bias_value=0.5)),
                  "m": Concat({"a": Block(Conv(8, 8, 1, bias=False, rng=rng), BatchNorm(8))}, {"b": MaxPool(3, 1, 1)})})
x = np.random.default_rng(1).standard_normal((3, 8, 6, 3)).astype(np.float32)
dy = np.random.default_rng(2).standard_normal((3, 4, 3, 16)).astype(np.float32)
for layer in (net, engine.compile(net)):
    net.zero_grads()
    y, cache = layer.forward(x, True)
    dx = layer.backward(dy, cache)
    print(*y.ravel(), *dx.ravel(), *(float(np.abs(g).sum()) for g in net.gradients().values()))
print("|".join(engine.as_written(net)))
"""


def package_with(folder, file, text):
    """A package that is ours but for one file. Unchanged folders are links, so their compiled kernels are used."""
    package = folder / "minigooglenet"
    package.mkdir()
    changed, name = file.split("/")
    for path in PACKAGE.iterdir():
        if path.name == changed:
            shutil.copytree(path, package / changed, ignore=shutil.ignore_patterns("__pycache__"))
        elif path.name != "__pycache__":
            (package / path.name).symlink_to(path)
    (package / changed / name).write_text(text)
    return folder


def in_package(folder, code):
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder,
                            env=os.environ | {"PYTHONPATH": str(folder)})
    assert result.returncode == 0, result.stderr
    return result.stdout.split("\n")[:-1]


@pytest.fixture(scope="module")
def unedited():
    """What TRAIN prints with the package as it is."""
    return in_package(PACKAGE.parent, TRAIN)


@fast
@pytest.mark.parametrize("file", EDITS)
def test_an_edited_layer_takes_effect_in_training(file, unedited, tmp_path):
    """What a learner reads and edits is what trains."""
    before, after, layer = EDITS[file]
    text = (PACKAGE / file).read_text()
    assert before in text
    *rows, told = in_package(package_with(tmp_path, file, text.replace(before, after)), TRAIN)
    plain, compiled = (np.array(row.split(), float) for row in rows)
    assert distance(compiled, plain) < 1e-5
    assert f"{layer} runs as written: {file} was edited (slower)" in told.split("|")
    *rows, told = unedited
    assert told == "" and distance(np.array(rows[1].split(), float), compiled) > 1e-3


def test_an_edited_kernel_is_noticed_and_a_comment_is_not(tmp_path):
    ask = TRAIN[:TRAIN.index("x = np")] + TRAIN[TRAIN.index("print(\"|"):]
    text = (PACKAGE / "kernels/relu.py").read_text()
    assert text.count("zero if x[k] < zero else x[k]") == 1
    folder = package_with(tmp_path, "kernels/relu.py", text.replace("zero if x[k] < zero else x[k]", "x[k]"))
    assert in_package(folder, ask) == ["ReLU runs as written: kernels/relu.py was edited (slower)"]
    noted = "# a note\n" + text.replace('"""y = max', '"""Computes y = max')
    (folder / "minigooglenet/kernels/relu.py").write_text(noted)
    assert in_package(folder, ask) == [""]


def test_the_fingerprints_are_of_the_code_as_it_is():
    """Whoever edits a layer on purpose makes the engine compute the same, then runs python -m minigooglenet.engine."""
    assert known.current() == known.FINGERPRINTS


def test_essence_leaves_the_code():
    source = '''class A:
    """A docstring
    of two lines."""

    x = "# no comment"  # a comment

    def f(self):
        """One."""
        # another
        return "no # comment"  # the last
'''
    assert known.essence(source) == '''class A:
    x = "# no comment"
    def f(self):
        return "no # comment"'''
