"""Every layer beside PyTorch's, forward and backward, where PyTorch is installed (``pip install -e .[compare]``)."""

import numpy as np
import pytest

from minigooglenet.gradcheck.table import WIDE_PADDING, WINDOWS
from minigooglenet.layers import (
    LRN,
    AdaptiveAvgPool,
    AvgPool,
    BatchNorm,
    Conv,
    Dense,
    Flatten,
    GlobalAvgPool,
    GroupedConv,
    MaxPool,
    ReLU,
    Softmax,
    cross_entropy,
)
from minigooglenet.models import googlenet
from minigooglenet.models.inception import Style, inception

torch = pytest.importorskip("torch")
nn = torch.nn
pool_windows = pytest.mark.parametrize("kernel, stride, pad, H, W", [
    row for row in WINDOWS if all(2 * P <= K for P, K in zip(  # torch refuses padding of more than half a window
        np.broadcast_to(row[2], 2), np.broadcast_to(row[0], 2), strict=True))])


def to_torch(a):
    """NHWC to NCHW; vectors stay."""
    return torch.tensor(np.moveaxis(a, -1, 1).copy() if a.ndim == 4 else a.copy())


def from_torch(t):
    a = t.detach().numpy()
    return np.moveaxis(a, 1, -1) if a.ndim == 4 else a


def as_filters(w):
    """(KH, KW, C, F) to torch's (F, C, KH, KW)."""
    return torch.tensor(w.transpose(3, 2, 0, 1).copy())


def compare(ours, theirs, x, rng, train=True, tolerance=1e-10):
    """y and dx of both for the same x and dy."""
    y, cache = ours.forward(x, train)
    x_torch = to_torch(x).requires_grad_()
    y_torch = theirs.train(train)(x_torch)
    np.testing.assert_allclose(y, from_torch(y_torch), rtol=tolerance, atol=tolerance)
    dy = rng.standard_normal(y.shape).astype(x.dtype)
    ours.zero_grads()
    dx = ours.backward(dy, cache)
    y_torch.backward(to_torch(dy))
    np.testing.assert_allclose(dx, from_torch(x_torch.grad), rtol=tolerance, atol=tolerance)


def load(conv, module):
    with torch.no_grad():
        module.weight.copy_(as_filters(conv.params["w"]))
        if "b" in conv.params:
            module.bias.copy_(torch.tensor(conv.params["b"]))


def check_filter_gradients(conv, module, tolerance=1e-10):
    dw = module.weight.grad.numpy().transpose(2, 3, 1, 0)
    np.testing.assert_allclose(conv.grads["w"], dw, rtol=tolerance, atol=tolerance)
    if "b" in conv.grads:
        np.testing.assert_allclose(conv.grads["b"], module.bias.grad.numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("kernel, stride, pad, H, W", (*WINDOWS, *WIDE_PADDING))
@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-10), ("float32", 1e-4)])
def test_convolution(kernel, stride, pad, H, W, dtype, tolerance, rng):
    ours = Conv(3, 4, kernel, stride, pad, bias_value=0.5, rng=rng, dtype=dtype)
    theirs = nn.Conv2d(3, 4, kernel, stride, pad, dtype=getattr(torch, dtype))
    load(ours, theirs)
    compare(ours, theirs, rng.standard_normal((9, H, W, 3)).astype(dtype), rng, tolerance=tolerance)
    check_filter_gradients(ours, theirs, tolerance)


@pytest.mark.parametrize("groups", [2, 3])
def test_grouped_convolution(groups, rng):
    ours = GroupedConv(6, 12, 3, 2, 1, groups=groups, bias_value=0.5, rng=rng, dtype="float64")
    theirs = nn.Conv2d(6, 12, 3, 2, 1, groups=groups, dtype=torch.float64)
    convs = list(ours.children.values())
    with torch.no_grad():
        theirs.weight.copy_(torch.cat([as_filters(conv.params["w"]) for conv in convs]))
        theirs.bias.fill_(0.5)
    compare(ours, theirs, rng.standard_normal((2, 5, 6, 6)), rng)
    dw = np.concatenate([conv.grads["w"] for conv in convs], axis=-1)
    np.testing.assert_allclose(dw, theirs.weight.grad.numpy().transpose(2, 3, 1, 0), rtol=1e-10)


@pool_windows
@pytest.mark.parametrize("ceil_mode", [False, True])
def test_pooling(kernel, stride, pad, H, W, ceil_mode, rng):
    x = rng.standard_normal((9, H, W, 3))
    for kind, theirs in ((MaxPool, nn.MaxPool2d), (AvgPool, nn.AvgPool2d)):
        compare(kind(kernel, stride, pad, ceil_mode), theirs(kernel, stride, pad, ceil_mode=ceil_mode), x, rng)


@pool_windows
def test_ties_go_to_the_same_pixel(kernel, stride, pad, H, W, rng):
    x = rng.integers(0, 2, (9, H, W, 3)).astype(float)
    compare(MaxPool(kernel, stride, pad), nn.MaxPool2d(kernel, stride, pad), x, rng)


@pytest.mark.parametrize("size, H, W", [(1, 3, 4), (4, 14, 14), (2, 5, 3), ((3, 2), 4, 7), (3, 2, 2)])
def test_adaptive_and_global_average_pooling(size, H, W, rng):
    x = rng.standard_normal((2, H, W, 3))
    compare(AdaptiveAvgPool(size), nn.AdaptiveAvgPool2d(size), x, rng)
    compare(GlobalAvgPool(), nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), x, rng)


@pytest.mark.parametrize("size, alpha, beta, k", [(5, 1e-4, 0.75, 1.0), (5, 1.0, 0.75, 2.0), (3, 0.5, 0.5, 1.0)])
@pytest.mark.parametrize("C", [3, 8])
def test_local_response_normalization(size, alpha, beta, k, C, rng):
    """torch divides alpha by the size, as Caffe does."""
    constants = size, alpha, beta, k
    compare(LRN(*constants), nn.LocalResponseNorm(*constants), rng.standard_normal((2, 3, 2, C)), rng)


def test_batch_normalization_and_its_running_statistics(rng):
    ours, theirs = BatchNorm(4, eps=1e-3, momentum=0.1, dtype="float64"), nn.BatchNorm2d(4, 1e-3, 0.1).double()
    ours.params["gamma"][:], ours.params["beta"][:] = rng.standard_normal((2, 4))
    with torch.no_grad():
        theirs.weight.copy_(torch.tensor(ours.params["gamma"]))
        theirs.bias.copy_(torch.tensor(ours.params["beta"]))
    for train in (True, True, False):
        theirs.zero_grad()
        compare(ours, theirs, 2 + 3 * rng.standard_normal((3, 2, 5, 4)), rng, train)
        np.testing.assert_allclose(ours.grads["gamma"], theirs.weight.grad.numpy(), rtol=1e-10)
        np.testing.assert_allclose(ours.grads["beta"], theirs.bias.grad.numpy(), rtol=1e-10)
        np.testing.assert_allclose(ours.buffers["mean"], theirs.running_mean.numpy(), rtol=1e-12)
        np.testing.assert_allclose(ours.buffers["variance"], theirs.running_var.numpy(), rtol=1e-12)


def test_dense_relu_flatten_softmax(rng):
    ours, theirs = Dense(5, 3, bias_value=0.5, rng=rng, dtype="float64"), nn.Linear(5, 3, dtype=torch.float64)
    with torch.no_grad():
        theirs.weight.copy_(torch.tensor(ours.params["w"].T.copy()))
        theirs.bias.fill_(0.5)
    compare(ours, theirs, rng.standard_normal((4, 5)), rng)
    np.testing.assert_allclose(ours.grads["w"], theirs.weight.grad.numpy().T, rtol=1e-12)
    np.testing.assert_allclose(ours.grads["b"], theirs.bias.grad.numpy(), rtol=1e-12)
    x = rng.standard_normal((4, 3, 5, 2))
    x[0, 0, 0] = 0
    compare(ReLU(), nn.ReLU(), x, rng)
    compare(Softmax(), nn.Softmax(dim=1), rng.standard_normal((4, 5)), rng)
    assert np.array_equal(Flatten().predict(x), torch.tensor(x).flatten(1).numpy())


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy(smoothing, rng):
    z, labels = 5 * rng.standard_normal((6, 7)), rng.integers(0, 7, 6)
    loss, dz = cross_entropy(z, labels, smoothing)
    z_torch = torch.tensor(z, requires_grad=True)
    theirs = nn.functional.cross_entropy(z_torch, torch.tensor(labels), label_smoothing=smoothing)
    theirs.backward()
    assert loss == pytest.approx(theirs.item(), rel=1e-12)
    np.testing.assert_allclose(dz, z_torch.grad.numpy(), rtol=1e-9, atol=1e-14)


class TorchInception(nn.Module):
    """torchvision's module: convolution without bias, batch norm, ReLU; 3×3 in the branch called 5×5."""

    def __init__(self, C, n1x1, n3x3_reduce, n3x3, n5x5_reduce, n5x5, pool_proj):
        super().__init__()

        def unit(C, F, kernel):
            return nn.Sequential(nn.Conv2d(C, F, kernel, padding=kernel // 2, bias=False), nn.BatchNorm2d(F, eps=1e-3),
                                 nn.ReLU())

        self.units = nn.ModuleDict({
            "1x1": unit(C, n1x1, 1), "3x3_reduce": unit(C, n3x3_reduce, 1), "3x3": unit(n3x3_reduce, n3x3, 3),
            "5x5_reduce": unit(C, n5x5_reduce, 1), "5x5": unit(n5x5_reduce, n5x5, 3),
            "pool_proj": unit(C, pool_proj, 1)})
        self.pool = nn.MaxPool2d(3, 1, 1, ceil_mode=True)

    def forward(self, x):
        u = self.units
        return torch.cat([u["1x1"](x), u["3x3"](u["3x3_reduce"](x)), u["5x5"](u["5x5_reduce"](x)),
                          u["pool_proj"](self.pool(x))], dim=1)


@pytest.mark.parametrize("train", [True, False])
def test_a_whole_inception_module_as_torchvision_builds_it(train, rng):
    widths = (6, 3, 4, 5, 2, 3, 4)
    ours = inception(Style(norm="batch", big=3, bn_eps=1e-3, rng=rng, dtype="float64"), *widths)
    theirs = TorchInception(*widths).double()
    for name, unit in theirs.units.items():
        block = ours.children[name]
        bn = block.norm
        bn.params["gamma"][:], bn.params["beta"][:] = 1 + 0.3 * rng.standard_normal((2, bn.C))
        load(block.layer, unit[0])
        with torch.no_grad():
            unit[1].weight.copy_(torch.tensor(bn.params["gamma"]))
            unit[1].bias.copy_(torch.tensor(bn.params["beta"]))
    compare(ours, theirs, rng.standard_normal((3, 5, 7, 6)), rng, train)
    for name, unit in theirs.units.items():
        block = ours.children[name]
        bn = block.norm
        check_filter_gradients(block.layer, unit[0])
        np.testing.assert_allclose(bn.grads["gamma"], unit[1].weight.grad.numpy(), rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(bn.buffers["variance"], unit[1].running_var.numpy(), rtol=1e-12)


def test_the_first_layers_of_the_network_on_a_full_image(rng):
    """7×7/2 on 224 and a pool that rounds up, in float32, as they are used."""
    ours = googlenet("bvlc", heads=False, rng=rng).until("norm1")
    conv = nn.Conv2d(3, 64, 7, 2, 3)
    load(ours.children["conv1"].layer, conv)
    theirs = nn.Sequential(conv, nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True), nn.LocalResponseNorm(5, 1e-4, 0.75))
    x = rng.standard_normal((1, 224, 224, 3)).astype("float32")
    y = ours.predict(x)
    assert y.shape == (1, 56, 56, 64)
    with torch.no_grad():
        np.testing.assert_allclose(y, from_torch(theirs(to_torch(x))), rtol=1e-4, atol=1e-4)
