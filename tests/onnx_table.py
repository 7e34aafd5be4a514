"""Every network as an ONNX model: its size, and the difference between ONNX Runtime's logits and ours.

    .venv/bin/python tests/onnx_table.py [--only NAME ...] [FILE|RUN ...]

Prints a table in Markdown: the variants of GoogLeNet, the reduced network and the earlier networks, with random
weights, biases and statistics, and every FILE or RUN of trained weights. Each model is validated by onnx's checker and
evaluated on an image of noise. The difference is the largest over all logits, relative to the largest logit; the exit
code is 1 if it exceeds 1e-4. Takes some minutes on two cores, and some GB of memory for VGG.
"""

import argparse
import sys
from functools import partial
from pathlib import Path

import numpy as np

from minigooglenet.inference.classifier import open_weights
from minigooglenet.models.catalog import entry, network
from minigooglenet.models.googlenet import INPUT, VARIANTS, googlenet
from minigooglenet.weights.onnx_export import OPSET, TOLERANCE, difference, export_model

NETWORKS = {f"googlenet {variant}": (partial(googlenet, variant, heads=False), INPUT) for variant in VARIANTS} | {
    name: (partial(network, name), entry(name).input_shape) for name in
    ("mini", "lenet5", "alexnet", "alexnet-torchvision", "zfnet", "nin", "nin-cifar", "vgg16", "vgg19")}


def shuffled(net, rng):
    """The network with random biases and statistics instead of 0 and 1, so that all of them affect the output."""
    for array in (net.parameters() | net.state()).values():
        if array.ndim == 1:
            array[...] = rng.uniform(0.5, 1.5, array.shape)
    return net


def row(name, net, shape, rng):
    """(name, nodes, bytes, difference)"""
    model = export_model(net, shape)
    x = 50 * rng.standard_normal((1, *shape), np.float32)
    return name, len(model.graph.node), model.ByteSize(), difference(model, net, x)


def table(names=NETWORKS, files=(), write=print):
    """Print the table. Returns the largest difference."""
    write("| network | opset | nodes | bytes | largest difference |\n|---|---|---|---|---|")
    worst = 0.0
    for name in [*names, *files]:
        rng = np.random.default_rng(0)
        if name in NETWORKS:
            build, shape = NETWORKS[name]
            net, weights = shuffled(build(rng=rng), rng), "random weights"
        else:
            found = open_weights(name)
            net, shape, weights = found.net, (found.size, found.size, 3), f"`{Path(name).name}`"
            name = found.metadata["variant"]
        name, nodes, size, error = row(name, net, shape, rng)
        worst = max(worst, error) if error == error else np.inf  # NaN is not an agreement
        write(f"| {name}, {weights} | {OPSET} | {nodes} | {size:,} | {error:.1e} |", flush=True)
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", metavar="FILE|RUN")
    parser.add_argument("--only", nargs="*", choices=NETWORKS, default=NETWORKS, metavar="NAME")
    args = parser.parse_args()
    return int(not table(args.only, args.files) < TOLERANCE)


if __name__ == "__main__":
    sys.exit(main())
