"""Caffe's GoogLeNet in PyTorch, for the tests: from uint8 RGB images to the 1,024 pooled features, Table 1 by hand."""

import torch
from torch.nn import functional as F


def conv(w, name, x, **window):
    """Convolution and ReLU with this package's arrays: (KH, KW, C, F) becomes torch's (F, C, KH, KW)."""
    kernel, bias = (torch.tensor(w[f"{name}/{key}"]) for key in "wb")
    return F.relu(F.conv2d(x, kernel.permute(3, 2, 0, 1), bias, **window))


def inception(w, name, x):
    """The four branches of a module."""
    return torch.cat([
        conv(w, f"{name}/1x1", x),
        conv(w, f"{name}/3x3", conv(w, f"{name}/3x3_reduce", x), padding=1),
        conv(w, f"{name}/5x5", conv(w, f"{name}/5x5_reduce", x), padding=2),
        conv(w, f"{name}/pool_proj", F.max_pool2d(x, 3, 1, 1))], 1)


def pool(x):
    return F.max_pool2d(x, 3, 2, ceil_mode=True)


def norm(x):
    return F.local_response_norm(x, 5, alpha=1e-4, beta=0.75, k=1)


def features(w, images):
    """(N, 1024) from uint8 RGB (N, 224, 224, 3) and the arrays ``w`` {path: array} of this package's network."""
    x = (images.flip(-1).float() - torch.tensor([104.0, 117, 123])).permute(0, 3, 1, 2)
    x = norm(pool(conv(w, "conv1", x, stride=2, padding=3)))
    x = pool(norm(conv(w, "conv2", conv(w, "conv2_reduce", x), padding=1)))
    for modules in (("3a", "3b"), ("4a", "4b", "4c", "4d", "4e"), ("5a", "5b")):
        for name in modules:
            x = inception(w, name, x)
        x = pool(x) if modules[-1] != "5b" else x
    return x.mean(dim=(2, 3))
