"""The network as SVG, from top to bottom. Colors and hover effects are in page.css.

Every box is a button. Exactly one of them is in the page's tab order; the arrow keys move to the others, as
``neighbors`` says.
"""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from ..figures.blocks import operation, size, window
from ..flops.counting import Row
from .facts import Node
from .html import TEXT

#: Units of the drawing: names to the left, boxes in the middle, bars of multiply-adds to the right.
NAMES, LEFT, WIDTH, BARS, BAR = 8, 40, 480, 540, 92
BOX, GAP, INSIDE, TOP = 26, 12, 12, 34
ALONE = 236     # the width of a box outside of modules
PAGE = BARS + BAR + 8


class Place(NamedTuple):
    """The position and size of a Node's box."""
    node: Node
    x: float
    y: float
    width: float
    height: float


def places(tree: Sequence[Node]) -> tuple[list[Place], float]:
    """(a Place for every Node, the height of the drawing)."""
    found: list[Place] = []
    y: float = TOP
    for node in tree:
        if not node.branches:
            found.append(Place(node, LEFT + (WIDTH - ALONE) / 2, y, ALONE, BOX))
            y += BOX + GAP
            continue
        depth = max(map(len, node.branches))
        height = depth * BOX + (depth - 1) * GAP + 2 * INSIDE
        found.append(Place(node, LEFT, y, WIDTH, height))
        column = WIDTH / len(node.branches)
        for i, branch in enumerate(node.branches):
            for j, inner in enumerate(reversed(branch)):
                found.append(Place(inner, LEFT + i * column + 5, y + height - INSIDE - BOX - j * (BOX + GAP),
                                   column - 10, BOX))
        y += height + GAP
    return found, y


def neighbors(tree: Sequence[Node]) -> dict[str, dict[str, str]]:
    """{path: {"up" | "down" | "left" | "right": path}}: the target of each arrow key.

    Up and down move through the network, and along a branch inside a module. Right enters a module and moves to the
    next branch, left moves back.
    """
    found: dict[str, dict[str, Node | None]] = {}
    for before, node, after in zip([None, *tree], tree, [*tree[1:], None], strict=False):
        found[node.path] = {"up": before, "down": after, "left": None,
                            "right": node.branches[0][0] if node.branches else None}
        branches: list[list[Node]] = [[], *node.branches, []]
        for i, branch in enumerate(node.branches):
            for j, inner in enumerate(branch):
                left, right = (other[min(j, len(other) - 1)] if other else None
                               for other in (branches[i], branches[i + 2]))
                found[inner.path] = {"up": branch[j - 1] if j else node,
                                     "down": branch[j + 1] if j + 1 < len(branch) else after,
                                     "left": left or node, "right": right}
    return {path: {key: other.path for key, other in keys.items() if other} for path, keys in found.items()}


def svg(tree: Sequence[Node], total_macs: int) -> str:
    """The drawing as text. The attribute ``data-path`` of each box is the path of its Node."""
    placed, height = places(tree)
    middle, most = LEFT + WIDTH / 2, max(node.row.macs for node in tree) or 1
    words = TEXT["network"]
    parts = [f'<svg viewBox="0 0 {PAGE} {height:g}" role="group" aria-label="{escape(words["label"])}" '
             f'aria-describedby="keys">',
             f'<g aria-hidden="true"><text class="head" x="{BARS}" y="18">{escape(words["macs"])}</text>',
             f'<text class="head" x="{middle:g}" y="18" text-anchor="middle">'
             f'{escape(words["in"].format(size=size(tree[0].entering)))}</text>']
    tops = [place for place in placed if not place.node.in_module]
    y: float = TOP - 10
    for place in tops:
        parts.append(_line(middle, y, middle, place.y))
        y = place.y + place.height
        if not place.node.branches:
            parts.append(_text("name", NAMES, place.y + BOX / 2, place.node.path))
        if place.node.row.macs:
            share = place.node.row.macs / total_macs
            width = max(1, (BAR - 34) * place.node.row.macs / most)
            center = place.y + place.height / 2
            parts.append(f'<rect class="bar" x="{BARS}" y="{center - 5:g}" width="{width:.1f}" height="10"/>'
                         + _text("share", BARS + width + 5, center, f"{share:.1%}"))
    parts.append("</g>")
    for place in placed:
        parts.append(_module(place) if place.node.branches else _box(place))
    return "\n".join([*parts, "</svg>"])


def _box(place):
    node = place.node
    return (f'<g class="box {style(node.row)}" {_button(node)}>'
            f'<rect x="{place.x:g}" y="{place.y:g}" width="{place.width:g}" height="{place.height:g}" rx="5"/>'
            + _text("", place.x + place.width / 2, place.y + place.height / 2, label(node), "middle") + "</g>")


def label(node: Node) -> str:
    """The text on a Node's box: ``"3×3 conv, 192 maps"``; in a module, where boxes are narrow, ``"3×3 · 192"``."""
    row = node.row
    if not node.in_module:
        return operation(row) + (f", {row.output[-1]} maps" if row.is_conv else "")
    return f"{window(row)} · {row.output[-1]}" if row.is_conv else f"{window(row)} pool"


def _module(place):
    """The frame of a module, which is a button; the lines of its branches; the line of the concatenated outputs."""
    node, lines, frame = place.node, [], NAMES - 5
    column, bottom = WIDTH / len(node.branches), place.y + place.height
    for i in range(len(node.branches)):
        x = LEFT + (i + 0.5) * column
        lines.append(_line(x, place.y + 4, x, bottom - 4))
    first, last = LEFT + column / 2, LEFT + WIDTH - column / 2
    return (f'<g class="module" {_button(node)}>'
            f'<rect x="{frame}" y="{place.y:g}" width="{place.x + place.width - frame:g}" height="{place.height:g}"'
            f' rx="8"/>'
            + _text("name", NAMES, place.y + place.height / 2, node.path) + "</g>"
            + f'<g aria-hidden="true" class="wires">{"".join(lines)}{_line(first, place.y + 4, last, place.y + 4)}'
            + _line(first, bottom - 4, last, bottom - 4, "line thick") + "</g>")


def _button(node):
    return (f'role="button" tabindex="-1" aria-pressed="false" data-path="{escape(node.path)}" '
            f'aria-label="{escape(aria_label(node))}"')


def aria_label(node: Node) -> str:
    """A Node in one sentence, for screen readers."""
    kind = f"inception module, {len(node.branches)} branches" if node.branches else operation(node.row)
    costs = f", {node.row.macs / 1e6:,.1f} million multiply-adds" if node.row.macs else ""
    return f"{node.path}: {kind}, output {size(node.row.output)}{costs}"


#: CSS classes by kind, and for convolutions by kernel size.
STYLES = {"dense": "kd", "LRN": "kn", "max pool": "kp", "average pool": "kp", "adaptive average pool": "kp",
          "global average pool": "kp"}
KERNELS = {(1, 1): "k1", (3, 3): "k3"}


def style(row: Row) -> str:
    """The CSS class of a Row's box, which determines its color."""
    if row.is_conv and row.kernel:
        return KERNELS.get(row.kernel, "k5")
    return STYLES.get(row.kind, "ko")


def _line(x0, y0, x1, y1, name="line"):
    return f'<line class="{name}" x1="{x0:g}" y1="{y0:g}" x2="{x1:g}" y2="{y1:g}"/>'


def _text(name, x, y, text, anchor="start"):
    return (f'<text class="{name}" x="{x:g}" y="{y:g}" text-anchor="{anchor}" dominant-baseline="central">'
            f"{escape(text)}</text>")
