"""What the page shows about a network: its structure, and the outputs of its layers for images."""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..figures.blocks import operation, rows_of, size
from ..flops.counting import Row, convolution, count
from ..interpret.structure import trunk_of
from ..layers import AvgPool, MaxPool
from ..layers.base import Array, Layer, Shape
from ..layers.containers import Block, Concat, Sequential, concatenate
from .html import TEXT


@dataclass(frozen=True)
class Saving:
    """Multiply-adds of a branch with its 1×1 convolution and without it, for OH·OW output positions:

        reduced = (C·R + K²·R·F) · OH·OW        direct = K²·C·F · OH·OW

    window   K×K as text, such as "5×5"; "pool" for the pool branch, where ``reduced`` is C·R · OH·OW and ``direct`` 0
    maps     C, the number of input maps
    between  R, the number of maps after the 1×1
    """

    window: str
    maps: int
    between: int
    reduced: int
    direct: int


@dataclass
class Node:
    """A box of the drawing: a layer, a block (convolution, batch norm, ReLU) or an inception module.

    path      such as "4a" or "4a/3x3"
    row       its Row of flops/counting.py
    entering  the input shape
    branches  for a module: the Nodes of each branch
    saving    for the layers of a branch with a 1×1 reduction
    """

    path: str
    row: Row
    entering: Shape
    branches: list[list["Node"]] = field(default_factory=list)
    saving: Saving | None = None

    @property
    def in_module(self) -> bool:
        """Whether the Node is part of an inception module."""
        return self.path != self.row.name


def nodes(net: Layer, image: Sequence[int]) -> list[Node]:
    """The Nodes of a network from the image (H, W, 3) to the logits, without auxiliary heads."""
    trunk, found, entering = trunk_of(net), [], tuple(image)
    for row in count(trunk, entering).modules:
        layer = trunk.children[row.name]
        branches = ([_branch(row.name, branch, entering) for branch in layer.branches]
                    if isinstance(layer, Concat) else [])
        found.append(Node(row.name, row, entering, branches))
        entering = row.output
    return found


def _branch(module, branch, entering):
    """The Nodes of one branch."""
    found, shape, saving = [], entering, saving_of(branch, entering)
    for row in rows_of(branch, entering):
        found.append(Node(f"{module}/{row.name}", row, shape, saving=saving))
        shape = row.output
    return found


def saving_of(branch: Sequential, entering: Shape) -> Saving | None:
    """The Saving of a branch with input shape ``entering``; None for a branch without a 1×1 reduction."""
    first = next(iter(branch.children.values()))
    convolutions = [(name, convolution(child)) for name, child in branch.children.items() if isinstance(child, Block)]
    shapes = {path: shape for path, _, shape, _ in branch.trace(entering)}
    costs = [conv.macs(shapes[name]) for name, conv in convolutions]
    if len(convolutions) == 2:
        (_, reduce), (_, conv) = convolutions
        return Saving(size(conv.kernel), entering[-1], reduce.F, sum(costs), costs[1] // conv.C * entering[-1])
    if len(convolutions) == 1 and isinstance(first, MaxPool | AvgPool):
        return Saving("pool", entering[-1], convolutions[0][1].F, costs[0], 0)
    return None


def every_output(net: Layer, x: Array) -> dict[str, Array]:
    """{path: y} for every Node of a network, those inside modules too, for the input x (N, H, W, 3)."""
    found = {}
    for name, layer in trunk_of(net).children.items():
        if isinstance(layer, Concat):
            outputs = []
            for branch in layer.branches:
                y = x
                for inner, part in branch.children.items():
                    found[f"{name}/{inner}"] = y = part.predict(y)
                outputs.append(y)
            x = concatenate(outputs)
        else:
            x = layer.predict(x)
        found[name] = x
    return found


def flat(tree: Iterable[Node]) -> list[Node]:
    """All Nodes, those of branches after their module."""
    return [node for top in tree for node in [top, *(inner for branch in top.branches for inner in branch)]]


def layer_facts(node: Node, macs: int, params: int) -> dict[str, Any]:
    """What the pages say about a Node of a network with so many multiply-adds and parameters."""
    row = node.row
    kind = f"inception module, {len(node.branches)} branches" if node.branches else operation(row)
    saving = dataclasses.asdict(node.saving) if node.saving else None
    found = {"kind": ", ".join([kind, *row.parts[1:]]), "in": size(node.entering), "out": size(row.output),
             "params": row.params, "macs": row.macs, "macShare": row.macs / macs,
             "paramShare": row.params / params, "maps": row.output[-1]}
    if node.branches:
        found["branches"] = [{"path": branch[-1].path, "text": " → ".join(operation(n.row) for n in branch),
                              "macs": sum(n.row.macs for n in branch), "maps": branch[-1].row.output[-1],
                              "saving": branch[-1].saving and dataclasses.asdict(branch[-1].saving)}
                             for branch in node.branches]
    if saving:
        found["saving"] = saving
    about = TEXT["ops"].get(what(node), {})
    return found | about | ({"what": about["what"].format(**saving)} if saving and about else {})


def what(node: Node) -> str:
    """The kind of a Node, as ``text.json`` describes it under "ops". 1×1 convolutions are of three kinds: before a
    larger window "reduce", after a pool "project", alone "mix"."""
    row, saving = node.row, node.saving
    if node.branches:
        return "concat"
    if not row.is_conv or row.kernel != (1, 1):
        return row.kind
    if not saving:
        return "mix"
    return "project" if saving.window == "pool" else "reduce"
