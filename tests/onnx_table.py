"""Every network as an ONNX model: how large it is, and how far ONNX Runtime's logits are from ours.

    .venv/bin/python tests/onnx_table.py [--only NAME ...] [FILE|RUN ...]

Prints a table in Markdown: the variants of GoogLeNet, the reduced one and the forerunners, with random weights, biases
and statistics, and every FILE or RUN of trained weights, each on a picture of noise. A model has passed onnx's checker
before. The difference is the largest of all logits', as a part of the largest logit; exit code 1 if one exceeds 1e-4.
Some minutes on two cores, and some GB for VGG.
"""

import argparse
import sys
from functools import partial
from pathlib import Path

import numpy as np

from minigooglenet.inference.classifier import open_weights
from minigooglenet.models.catalogue import entry, network
from minigooglenet.models.googlenet import INPUT, VARIANTS, googlenet
from minigooglenet.weights.onnx_export import OPSET, TOLERANCE, difference, model_of

NETWORKS = {f"googlenet {variant}": (partial(googlenet, variant, heads=False), INPUT) for variant in VARIANTS} | {
    name: (partial(network, name), entry(name).input_shape) for name in
    ("mini", "lenet5", "alexnet", "alexnet-torchvision", "zfnet", "nin", "nin-cifar", "vgg16", "vgg19")}


def shuffled(net, rng):
    """The network with biases and statistics that are neither 0 nor 1: so that all of them matter."""
    for array in (net.parameters() | net.state()).values():
        if array.ndim == 1:
            array[...] = rng.uniform(0.5, 1.5, array.shape)
    return net


def row(name, net, shape, rng):
    """(name, nodes, bytes, difference)"""
    model = model_of(net, shape)
    x = 50 * rng.standard_normal((1, *shape), np.float32)
    return name, len(model.graph.node), model.ByteSize(), difference(model, net, x)


def table(names=NETWORKS, files=(), say=print):
    """Print the table. Returns the largest difference."""
    say("| network | opset | nodes | bytes | largest difference |\n|---|---|---|---|---|")
    worst = 0.0
    for name in [*names, *files]:
        rng = np.random.default_rng(0)
        if name in NETWORKS:
            build, shape = NETWORKS[name]
            net, words = shuffled(build(rng=rng), rng), "random weights"
        else:
            found = open_weights(name)
            net, shape, words = found.net, (found.size, found.size, 3), f"`{Path(name).name}`"
            name = found.words["variant"]
        name, nodes, octets, off = row(name, net, shape, rng)
        worst = max(worst, off) if off == off else np.inf  # not a number is no agreement
        say(f"| {name}, {words} | {OPSET} | {nodes} | {octets:,} | {off:.1e} |", flush=True)
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", metavar="FILE|RUN")
    parser.add_argument("--only", nargs="*", choices=NETWORKS, default=NETWORKS, metavar="NAME")
    args = parser.parse_args()
    return int(not table(args.only, args.files) < TOLERANCE)


if __name__ == "__main__":
    sys.exit(main())
