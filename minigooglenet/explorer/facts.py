"""What the page says about a network: one walk over its structure, and one pass of the pictures through it."""

from dataclasses import dataclass, field

import numpy as np

from ..compose import Concat
from ..flops.counting import Row, count
from ..inside.structure import trunk_of
from ..pictures.blocks import rows_of


@dataclass
class Node:
    """A box of the drawing: a layer with its batch norm and ReLU, or an inception module.

    path      such as "4a" or "4a/3x3";   ``last`` is the path whose output the box shows: that of its ReLU
    row       its Row of flops/counting.py
    entering  the shape that comes in
    branches  of a module: lists of Nodes
    without   of a branch that has a 1×1 reduction: a Saving
    """

    path: str
    last: str
    row: Row
    entering: tuple
    branches: list = field(default_factory=list)
    without: dict | None = None


def nodes(net, picture):
    """The Nodes of a network, from the picture (H, W, 3) to the logits; heads are left out."""
    trunk, found, entering = trunk_of(net), [], tuple(picture)
    for row in count(trunk, picture).modules:
        layer = trunk.children[row.name]
        node = Node(row.name, _last(row.name, trunk.children), row, entering)
        if isinstance(layer, Concat):
            node.branches = [_branch(row.name, branch, entering) for branch in layer.branches]
        found.append(node)
        entering = row.output
    return found


def _branch(module, branch, entering):
    """The Nodes of one branch."""
    found, shape = [], entering
    for row in rows_of(branch, entering):
        last = _last(row.name, branch.children)
        found.append(Node(f"{module}/{row.name}", f"{module}/{last}", row, shape))
        shape = row.output
    saving = without_1x1(branch, entering)
    for node in found:
        node.without = saving
    return found


def _last(name, siblings):
    """The layer that ends the box beginning with ``name``."""
    return [name, *(name + ending for ending in ("_bn", "_relu") if name + ending in siblings)][-1]


def without_1x1(branch, entering):
    """What a branch costs with its 1×1 convolution and without: {"window", "maps", "between", "with", "direct"}, in
    multiply-adds; None for a branch that has nothing to save.

        with: C·R + K²·R·F        direct: K²·C·F        for each of the OH·OW places

    After a pool there is nothing to multiply without the 1×1, but all C maps stay: ``direct`` is 0.
    """
    convolutions = [(name, layer) for name, layer in branch.children.items() if "w" in layer.params]
    C = entering[-1]
    shapes = {path: shape for path, _, shape, _ in branch.trace(entering)}
    costs = [layer.macs(shapes[name]) for name, layer in convolutions]
    if len(convolutions) == 2:
        (_, first), (name, second) = convolutions
        return {"window": "×".join(map(str, second.kernel)), "maps": C, "between": first.F, "with": sum(costs),
                "direct": costs[1] // second.C * C}
    if len(convolutions) == 1 and next(iter(branch.children.values())).__class__.__name__.endswith("Pool"):
        return {"window": "pool", "maps": C, "between": convolutions[0][1].F, "with": costs[0], "direct": 0}
    return None


def every_output(net, x):
    """{path: y} of every layer of a network for the pictures x (N, H, W, 3), those inside modules too."""
    found = {}
    for name, layer in trunk_of(net).children.items():
        if isinstance(layer, Concat):
            outputs = []
            for branch in layer.branches:
                y = x
                for inner, part in branch.children.items():
                    found[f"{name}/{inner}"] = y = part.predict(y)
                outputs.append(y)
            x = np.concatenate(outputs, axis=-1)
        else:
            x = layer.predict(x)
        found[name] = x
    return found


def flat(tree):
    """All Nodes, those of branches after their module."""
    return [node for top in tree for node in [top, *(inner for branch in top.branches for inner in branch)]]
