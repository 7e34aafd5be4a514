"""The network as SVG, from top to bottom, drawn by a walk over its Nodes. Colours and hovering are the style sheet's.

Every box is a button. Exactly one of them is in the page's tab order; arrow keys move among the others, along
``neighbours``.
"""

from html import escape
from typing import NamedTuple

from ..pictures.blocks import operation, size

#: Units of the drawing: names to the left, boxes in the middle, bars of multiply-adds to the right.
NAMES, LEFT, WIDTH, BARS, BAR = 8, 40, 480, 540, 92
BOX, GAP, INSIDE, TOP = 26, 12, 12, 34
ALONE = 236     # the width of a box that stands in no module
PAGE = BARS + BAR + 8


class Place(NamedTuple):
    """Where a Node's box goes."""
    node: object
    x: float
    y: float
    width: float
    height: float


def places(tree):
    """(a Place for every Node, the height of the drawing)."""
    found, y = [], TOP
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


def neighbours(tree):
    """{path: {"up", "down", "left", "right"}: path}: where the arrow keys lead.

    Up and down go through the network, along a branch inside a module; right enters a module and goes from branch to
    branch, left goes back.
    """
    found = {}
    for before, node, behind in zip([None, *tree], tree, [*tree[1:], None], strict=False):
        found[node.path] = {"up": before and before.path, "down": behind and behind.path, "left": None,
                            "right": node.branches[0][0].path if node.branches else None}
        for i, branch in enumerate(node.branches):
            for j, inner in enumerate(branch):
                other = {step: node.branches[i + step] if 0 <= i + step < len(node.branches) else None
                         for step in (-1, 1)}
                sideways = {step: b and b[min(j, len(b) - 1)].path for step, b in other.items()}
                found[inner.path] = {
                    "up": branch[j - 1].path if j else node.path,
                    "down": branch[j + 1].path if j + 1 < len(branch) else behind and behind.path,
                    "left": sideways[-1] or node.path, "right": sideways[1]}
    return {path: {key: to for key, to in ways.items() if to} for path, ways in found.items()}


def svg(tree, total_macs):
    """The drawing as text, each box named by ``data-path``."""
    placed, height = places(tree)
    middle, most = LEFT + WIDTH / 2, max(node.row.macs for node in tree) or 1
    parts = [f'<svg viewBox="0 0 {PAGE} {height:g}" role="group" aria-label="The network, from the picture down to the '
             f'classes" aria-describedby="keys">',
             f'<g aria-hidden="true"><text class="head" x="{BARS}" y="18">multiply-adds</text>',
             f'<text class="head" x="{middle:g}" y="18" text-anchor="middle">{size(tree[0].entering)} in</text>']
    tops = [place for place in placed if "/" not in place.node.path]
    y = TOP - 10
    for place in tops:
        parts.append(_line(middle, y, middle, place.y))
        y = place.y + place.height
        if not place.node.branches:
            parts.append(_text("name", NAMES, place.y + BOX / 2, place.node.path))
        if place.node.row.macs:
            share = place.node.row.macs / total_macs
            width = max(1, (BAR - 34) * place.node.row.macs / most)
            centre = place.y + place.height / 2
            parts.append(f'<rect class="bar" x="{BARS}" y="{centre - 5:g}" width="{width:.1f}" height="10"/>'
                         + _text("share", BARS + width + 5, centre, f"{share:.1%}"))
    parts.append("</g>")
    for place in placed:
        parts.append(_module(place) if place.node.branches else _box(place))
    return "\n".join([*parts, "</svg>"])


def _box(place):
    node = place.node
    return (f'<g class="box {style(node.row.kind)}" {_button(node)}>'
            f'<rect x="{place.x:g}" y="{place.y:g}" width="{place.width:g}" height="{place.height:g}" rx="5"/>'
            + _text("", place.x + place.width / 2, place.y + place.height / 2, written(node), "middle") + "</g>")


def written(node):
    """What stands on a Node's box: ``"3×3 conv, 192 maps"``; in a module, where boxes are narrow, ``"3×3 · 192"``."""
    text = operation(node.row.kind)
    maps = f", {node.row.output[-1]} maps" if node.row.kind.startswith("conv") else ""
    if "/" not in node.path:
        return text + maps
    return (text + maps).replace(" conv, ", " · ").removesuffix(" maps").replace(" max pool", " pool")


def _module(place):
    """The frame of a module, a button too; its branches' lines; the line that gathers them."""
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
            f'aria-label="{escape(spoken(node))}"')


def spoken(node):
    """A Node in one sentence, for those who hear the page."""
    kind = f"inception module, {len(node.branches)} branches" if node.branches else operation(node.row.kind)
    costs = f", {node.row.macs / 1e6:,.1f} million multiply-adds" if node.row.macs else ""
    return f"{node.path}: {kind}, output {size(node.row.output)}{costs}"


def style(kind):
    """The class of a box, by what it does: the style sheet has a colour for each."""
    for beginning, name in (("conv 1x1", "k1"), ("conv 3x3", "k3"), ("conv", "k5"), ("dense", "kd"), ("LRN", "kn")):
        if kind.startswith(beginning):
            return name
    return "kp" if "pool" in kind else "ko"


def _line(x0, y0, x1, y1, name="line"):
    return f'<line class="{name}" x1="{x0:g}" y1="{y0:g}" x2="{x1:g}" y2="{y1:g}"/>'


def _text(name, x, y, text, anchor="start"):
    return (f'<text class="{name}" x="{x:g}" y="{y:g}" text-anchor="{anchor}" dominant-baseline="central">'
            f"{escape(text)}</text>")
