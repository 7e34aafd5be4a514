"""The page: facts, drawing and pictures in one HTML file."""

import json
from html import escape
from pathlib import Path

import numpy as np

from ..errors import UserError
from ..flops.tables import cell
from ..inference.labels import short_label
from ..inside import cam
from ..pictures import data_uri as images
from ..pictures.blocks import operation, size
from ..pictures.heatmaps import blended
from .drawing import neighbours, svg
from .facts import every_output, flat, nodes

CHANNELS = 8            # maps of a layer that are shown
LARGEST = 10_000_000    # octets of a page
HERE = Path(__file__).parent

#: Nothing may be fetched, wherever it comes from: the browser sees to it.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def page(classifier, pictures=(), title="GoogLeNet"):
    """One self-contained HTML page (text) about a network.

    classifier  a Classifier with its ``net``
    pictures    [(name, uint8 (size, size, 3))], as the network sees them; without any, the page has no activations

    Raises UserError if so many pictures would make the page larger than 10 MB.
    """
    shape = (classifier.size, classifier.size, 3)
    tree = nodes(classifier.net, shape)
    macs, params = sum(node.row.macs for node in tree), sum(node.row.params for node in tree)
    data = {"layers": {node.path: _facts(node, macs, params) for node in flat(tree)}, "ways": neighbours(tree),
            "first": tree[0].path, "photos": [name for name, _ in pictures], "macs": macs, "params": params}
    _look(data, classifier, pictures, tree)
    text = _HTML.format(
        policy=POLICY, title=escape(title), css=_read("page.css"), js=_read("page.js"), svg=svg(tree, macs),
        about=f"{escape(Path(classifier.name).name)}: {params:,} parameters, {macs:,} multiply-adds for one picture of "
              f"{size(shape)}, {len(classifier.labels):,} classes.",
        photos=_photos(data), table=_table(tree, macs),
        data=json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"))
    if len(text.encode()) > LARGEST:
        raise UserError(f"photos: {len(pictures)} make a page of more than {LARGEST // 10**6} MB; choose fewer")
    return text


def _facts(node, macs, params):
    row = node.row
    kind = f"inception module, {len(node.branches)} branches" if node.branches else operation(row.kind)
    more = row.kind.split(", ")[1:] if not node.branches else []
    found = {"kind": ", ".join([kind, *more]), "in": size(node.entering), "out": size(row.output),
             "params": row.params, "macs": row.macs, "macShare": row.macs / macs,
             "paramShare": row.params / params, "maps": row.output[-1]}
    if node.branches:
        found["branches"] = [{"path": branch[-1].path, "text": " → ".join(operation(n.row.kind) for n in branch),
                              "macs": sum(n.row.macs for n in branch), "maps": branch[-1].row.output[-1],
                              "direct": branch[-1].without and branch[-1].without["direct"],
                              "pool": bool(branch[-1].without) and branch[-1].without["window"] == "pool"}
                             for branch in node.branches]
    if node.without:
        found["without"] = node.without
    return found


def _look(data, classifier, pictures, tree):
    """Put into ``data`` what the network makes of each picture: answers, where they were seen, maps."""
    data["answers"], data["shown"], data["heat"] = [], [], []
    for _, picture in pictures:
        x = classifier.prepare(picture[None])
        p = classifier.probabilities(picture[None])[0]
        best = np.argsort(-p, kind="stable")[:5]
        data["answers"].append([[short_label(classifier.labels[k]), float(p[k])] for k in best])
        data["shown"].append(images.photo(picture))
        data["heat"].append(_heat(classifier, x, picture, int(best[0])))
        outputs = every_output(classifier.net, x)
        for node in flat(tree):
            y = outputs[node.last][0]
            if y.ndim == 3:
                strongest = np.argsort(-np.abs(y).mean(axis=(0, 1)), kind="stable")[:CHANNELS].tolist()
                data["layers"][node.path].setdefault("seen", []).append(
                    {"channels": strongest, "src": images.strip([y[..., c] for c in strongest])})


def _heat(classifier, x, picture, k):
    """The class activation map over the picture; None for a network that has none."""
    try:
        heat = cam.to_picture(cam.class_activation_map(classifier.net, x, [k]), *picture.shape[:2])[0]
    except UserError:
        return None
    return images.photo((255 * blended(picture, np.maximum(heat, 0))).round().astype(np.uint8))


def _photos(data):
    """A radio button for each picture."""
    if not data["photos"]:
        return "<p>No pictures were given: the page shows the structure and its numbers.</p>"
    buttons = [f'<label><input type="radio" name="photo" value="{i}"{" checked" if i == 0 else ""}>'
               f'<img src="{src}" alt=""><span>{escape(name).replace("_", "_<wbr>")}</span></label>'
               for i, (name, src) in enumerate(zip(data["photos"], data["shown"], strict=True))]
    return f'<fieldset id="photos"><legend>Picture</legend>{"".join(buttons)}</fieldset>'


def _table(tree, macs):
    """The same numbers without a drawing."""
    rows = [f'<tr><th scope="row">{escape(node.path)}</th><td>'
            + ("inception module" if node.branches else escape(operation(node.row.kind)))
            + f"</td><td>{size(node.row.output)}</td><td>{cell(node.row.params)}</td><td>{cell(node.row.macs)}</td>"
            f"<td>{node.row.macs / macs:.1%}</td></tr>" for node in flat(tree)]
    heads = "".join(f'<th scope="col">{head}</th>' for head in
                    ("layer", "what it does", "output", "parameters", "multiply-adds", "share"))
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _read(name):
    return (HERE / name).read_text(encoding="utf-8")


_HTML = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{title}: explorer</title>
<style>
{css}</style>
</head>
<body>
<header>
<h1>{title}</h1>
<p>{about}</p>
<p id="keys">Point at a box, click or tap it, or go with the arrow keys: up and down through the network, right into a
module and from branch to branch. Enter reads about the layer, Escape comes back.</p>
</header>
<main>
<section id="network" aria-label="Drawing of the network">
{photos}
<ul id="legend" aria-hidden="true"><li class="k1">1×1</li><li class="k3">3×3</li><li class="k5">larger</li>
<li class="kp">pool</li><li class="kn">normalisation</li><li class="kd">dense</li></ul>
<div id="drawing">
{svg}
</div>
</section>
<section id="layer" aria-label="The chosen layer" tabindex="0">
<noscript><p>Without JavaScript this page is a drawing and, below, a table.</p></noscript>
</section>
</main>
<details id="all"><summary>All layers as a table</summary>
<div class="scroll" tabindex="0" role="region" aria-label="All layers as a table">
{table}
</div>
</details>
<script type="application/json" id="data">{data}</script>
<script>
{js}</script>
</body>
</html>
"""
