"""The live page: a network, its weights and the scripts that run it, in one HTML file."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image

from ...data.labels import short_label
from ...errors import UserError
from ...figures import data_uri
from ...figures.blocks import size
from ...inference.classifier import Classifier
from ...interpret.structure import trunk_of
from ...layers.base import Array, Layer, Shape
from ...layers.containers import Trunk
from ..drawing import neighbors, svg
from ..facts import flat, layer_facts, nodes
from ..html import TEXT, embedded, head
from .structure import packed, steps, structure
from .wasm import assemble

HERE = Path(__file__).parent
LARGEST = 20_000_000  # maximum size of a page, bytes
ROOM = 500_000        # of these for what is neither weights nor images

#: The scripts that compute, in the worker as well as in the page; that of the worker; those of the page.
ENGINE = ("layers.js", "network.js", "explain.js", "resize.js")
WORKER = "worker.js"
PAGE = ("dom.js", "state.js", "engine.js", "input.js", "answer.js", "layer.js", "sum.js", "patches.js", "main.js")


def page(classifier: Classifier, images: Sequence[tuple[str, Array]] = (), title: str = "GoogLeNet",
         lessons: Mapping[str, str] | None = None, dtype: str = "int16") -> str:
    """The HTML page (text) that runs the network of a Classifier.

    images   [(name, uint8 (H, W, 3))] to choose from; the page starts with the first
    lessons  {name: question}, the lessons as the page calls them
    dtype    of the weights: "int16" with a scale per filter, or "float32" for exact comparisons

    Images are stored without loss, so that the page answers what Python answers. Auxiliary classifiers are left out
    where they would make the page too large.

    Raises UserError for an ensemble, for layers that do not run in a browser, and for a page of more than 20 MB.
    """
    if classifier.net is None or classifier.prepare is None:
        raise UserError(f"{classifier.name}: an ensemble; the explorer shows a single network")
    image = (classifier.size, classifier.size, 3)
    net, weights = classifier.net, packed(classifier.net, dtype)
    room = (LARGEST - ROOM) * 3 / 4  # base64
    if len(weights) > room and isinstance(net, Trunk):
        net = trunk_of(net)
        weights = packed(net, dtype)  # the auxiliary classifiers are as large as the rest
    if len(weights) > room and dtype == "int16":
        raise UserError(f"{classifier.name}: its weights make a page of {(len(weights) * 4 / 3 + ROOM) / 1e6:.0f} MB, "
                        f"more than {LARGEST // 10**6} MB; leave out --weights to show the structure")
    data = {"structure": structure(net, image, classifier.prepare, dtype),
            "labels": _distinct([short_label(label) for label in classifier.labels]),
            "images": [{"name": name, "src": data_uri.uri(Image.fromarray(pixels), "WEBP", lossless=True)}
                       for name, pixels in images]}
    text = _html(net, image, title, len(classifier.labels), data, weights, lessons or {})
    if len(text) > LARGEST and dtype == "int16":
        raise UserError(f"photos: {len(images)} make a page of {len(text) / 1e6:.1f} MB, more than "
                        f"{LARGEST // 10**6} MB; choose fewer")
    return text


def structure_page(net: Layer, image: Shape, title: str, lessons: Mapping[str, str] | None = None) -> str:
    """The same page without weights: the structure and its counts."""
    classes = nodes(net, image)[-1].row.output[-1]
    data: dict[str, Any] = {"structure": None, "labels": [], "images": []}
    return _html(net, image, title, classes, data, b"", lessons or {})


def _html(net, image, title, classes, data, weights, lessons):
    tree = nodes(net, image)
    macs, params = sum(node.row.macs for node in tree), sum(node.row.params for node in tree)
    ops = {step["path"]: step["op"] for top in steps(net, image)
           for step in [top, *(inner for branch in top.get("branches", ()) for inner in branch)]}
    data |= {"layers": {node.path: layer_facts(node, macs, params)
                        | {"shape": node.row.output, "op": ops[node.path]} for node in flat(tree)}, "text": TEXT,
             "neighbors": neighbors(tree), "first": tree[0].path, "lessons": dict(lessons),
             "wasm": base64.b64encode(assemble(_read("gemm.wat"))).decode()}
    data["layers"]["softmax"] = {"kind": "softmax", "op": "softmax", "in": str(classes), "out": str(classes),
                                 "shape": [classes], "params": 0, "macs": 0, **TEXT["ops"]["softmax"]}
    about = TEXT["about"].format(params=f"{params:,}", macs=f"{macs:,}", classes=f"{classes:,}", **{"in": size(image)})
    about += f" {TEXT['private']}" if weights else ""
    scripts = [*((name, " data-engine") for name in ENGINE), *((name, "") for name in PAGE)]
    sources = [(_read(name), kind) for name, kind in scripts]
    worker = _read(WORKER)
    digests = [base64.b64encode(hashlib.sha256(js.encode()).digest()).decode() for js, _ in sources]
    hashes = " ".join(f"'sha256-{digest}'" for digest in digests)
    policy = (f"default-src 'none'; script-src {hashes} 'wasm-unsafe-eval'; worker-src blob:; "
              "style-src 'unsafe-inline'; img-src data:; media-src blob:; base-uri 'none'; form-action 'none'")
    css = (HERE.parent / "page.css").read_text(encoding="utf-8") + _read("page.css")
    return head(title, policy, css) + _HTML.format(
        title=escape(title),
        about=escape(about), svg=svg(tree, macs), image=escape(TEXT["image"]["title"]),
        answer=escape(TEXT["answer"]["title"]), network=escape(TEXT["network"]["title"]),
        layer=escape(TEXT["layer"]["title"]), weights=base64.b64encode(weights).decode(), worker=worker,
        data=embedded(data),
        scripts="\n".join(f"<script{kind}>{js}</script>" for js, kind in sources))


def _distinct(labels):
    """The labels, with a number behind those that occur several times: crane, crane (2)."""
    seen: dict[str, int] = {}
    found = []
    for label in labels:
        seen[label] = seen.get(label, 0) + 1
        found.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return found


def _read(name):
    return (HERE / name).read_text(encoding="utf-8")


_HTML = """<body>
<header>
<h1>{title}</h1>
<p class="quiet">{about}</p>
<nav id="tours"></nav>
</header>
<section id="tour" aria-live="polite" hidden></section>
<main>
<section id="network" aria-label="{network}" tabindex="-1">
{svg}
</section>
<div id="right">
<section id="input">
<div><h2>{image}</h2><div id="stage"></div><div id="tools"></div></div>
<div><h2>{answer}</h2>
<div id="state"><span id="ring" aria-hidden="true"></span><span id="status" role="status"></span></div>
<div id="top"></div><div id="why"></div><div id="heads"></div><div id="off"></div><div id="choose"></div></div>
<div id="help"></div>
</section>
<section id="layer" aria-label="{layer}">
<h2 id="title" tabindex="-1"></h2>
<div id="walk"></div><div id="facts"></div><div id="branches"></div><div id="maps"></div>
</section>
</div>
</main>
<script type="text/plain" id="weights">{weights}</script>
<script type="application/json" id="data">{data}</script>
<script type="text/plain" id="worker">{worker}</script>
{scripts}
</body>
</html>
"""
