"""The page: facts, drawing and images in one HTML file."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np

from ..data.labels import short_label
from ..errors import UserError
from ..figures import data_uri
from ..figures.blocks import operation, size
from ..figures.heatmaps import blended
from ..flops.tables import cell
from ..inference.classifier import Classifier
from ..interpret import cam
from ..layers.base import Array
from .drawing import neighbors, svg
from .facts import every_output, flat, layer_facts, nodes
from .html import embedded, head

CHANNELS = 8            # number of maps shown per layer
LARGEST = 10_000_000    # maximum size of a page, bytes
HERE = Path(__file__).parent

#: The browser refuses to fetch anything.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def page(classifier: Classifier, images: Sequence[tuple[str, Array]] = (), title: str = "GoogLeNet") -> str:
    """A self-contained HTML page (text) about a network.

    classifier  a Classifier with its ``net``
    images      [(name, uint8 (size, size, 3))], at the network's input size; without images the page has no activations

    Raises UserError for an ensemble, and if the images make the page larger than 10 MB.
    """
    if classifier.net is None:
        raise UserError(f"{classifier.name}: an ensemble; the explorer shows a single network")
    shape = (classifier.size, classifier.size, 3)
    tree = nodes(classifier.net, shape)
    macs, params = sum(node.row.macs for node in tree), sum(node.row.params for node in tree)
    data = {"layers": {node.path: layer_facts(node, macs, params) for node in flat(tree)}, "neighbors": neighbors(tree),
            "first": tree[0].path, "photos": [name for name, _ in images], "macs": macs, "params": params}
    _run(data, classifier, images, tree)
    text = head(f"{title}: explorer", POLICY, _read("page.css")) + _HTML.format(
        title=escape(title), js=_read("page.js"), svg=svg(tree, macs),
        about=f"{escape(Path(classifier.name).name)}: {params:,} parameters, {macs:,} multiply-adds for one image of "
              f"{size(shape)}, {len(classifier.labels):,} classes.",
        photos=_photos(data), table=_table(tree, macs),
        data=embedded(data))
    if len(text.encode()) > LARGEST:
        raise UserError(f"photos: {len(images)} make a page of more than {LARGEST // 10**6} MB; choose fewer")
    return text


def _run(data, classifier, images, tree):
    """Add the network's results for each image to ``data``: predictions, the map of the first class, activations."""
    data["predictions"], data["shown"], data["heat"] = [], [], []
    for _, image in images:
        x = classifier.prepare(image[None])
        p = classifier.probabilities(image[None])[0]
        best = np.argsort(-p, kind="stable")[:5]
        data["predictions"].append([[short_label(classifier.labels[k]), float(p[k])] for k in best])
        data["shown"].append(data_uri.photo(image))
        data["heat"].append(_heat(classifier, x, image, int(best[0])))
        outputs = every_output(classifier.net, x)
        for node in flat(tree):
            y = outputs[node.path][0]
            if y.ndim == 3:
                channels = np.argsort(-np.abs(y).mean(axis=(0, 1)), kind="stable")[:CHANNELS].tolist()
                data["layers"][node.path].setdefault("activations", []).append(
                    {"channels": channels, "src": data_uri.strip([y[..., c] for c in channels])})


def _heat(classifier, x, image, k):
    """The class activation map over the image; None for a network without global average pooling."""
    try:
        heat = cam.upsample(cam.class_activation_map(classifier.net, x, [k]), *image.shape[:2])[0]
    except UserError:
        return None
    return data_uri.photo((255 * blended(image, np.maximum(heat, 0))).round().astype(np.uint8))


def _photos(data):
    """A radio button for each image."""
    if not data["photos"]:
        return "<p>No images were given: the page shows the structure and its counts.</p>"
    buttons = [f'<label><input type="radio" name="photo" value="{i}"{" checked" if i == 0 else ""}>'
               f'<img src="{src}" alt=""><span>{escape(name).replace("_", "_<wbr>")}</span></label>'
               for i, (name, src) in enumerate(zip(data["photos"], data["shown"], strict=True))]
    return f'<fieldset id="photos"><legend>Image</legend>{"".join(buttons)}</fieldset>'


def _table(tree, macs):
    """The counts as a table."""
    rows = [f'<tr><th scope="row">{escape(node.path)}</th><td>'
            + ("inception module" if node.branches else escape(operation(node.row)))
            + f"</td><td>{size(node.row.output)}</td><td>{cell(node.row.params)}</td><td>{cell(node.row.macs)}</td>"
            f"<td>{node.row.macs / macs:.1%}</td></tr>" for node in flat(tree)]
    heads = "".join(f'<th scope="col">{head}</th>' for head in
                    ("layer", "operation", "output", "parameters", "multiply-adds", "share"))
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _read(name):
    return (HERE / name).read_text(encoding="utf-8")


_HTML = """<body>
<header>
<h1>{title}</h1>
<p>{about}</p>
<p id="keys">Point at a box, click or tap it, or use the arrow keys: up and down move through the network, right enters
a module and moves to the next branch. Enter moves to the description of the layer, Escape back to the drawing.</p>
</header>
<main>
<section id="network" aria-label="Drawing of the network">
{photos}
<div id="answer" aria-live="polite"></div>
<ul id="legend" aria-hidden="true"><li class="k1">1×1</li><li class="k3">3×3</li><li class="k5">larger</li>
<li class="kp">pool</li><li class="kn">normalization</li><li class="kd">dense</li></ul>
<div id="drawing">
{svg}
</div>
</section>
<section id="layer" aria-label="The selected layer" tabindex="0">
<noscript><p>Without JavaScript this page shows only the drawing and, below it, a table.</p></noscript>
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
