"""The explorer: its numbers are the structure's, it needs nothing but itself, and it works in a browser by keyboard."""

import base64
import dataclasses
import io
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest
import small
from PIL import Image

from minigooglenet.commands import explorer as command
from minigooglenet.errors import UserError
from minigooglenet.explorer import page
from minigooglenet.explorer.drawing import neighbours, places, svg, written
from minigooglenet.explorer.facts import every_output, flat, nodes, without_1x1
from minigooglenet.flops import count
from minigooglenet.inference.classifier import Classifier
from minigooglenet.inside.structure import until
from minigooglenet.layers import softmax
from minigooglenet.models import mini_googlenet
from minigooglenet.models.catalogue import network
from minigooglenet.models.googlenet import googlenet
from minigooglenet.pictures import data_uri as images
from minigooglenet.training.trainer import Trainer

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def classifier():
    net = mini_googlenet(0.05, classes=3, rng=np.random.default_rng(3))

    def prepare(x):
        return np.asarray(x, np.float32) / 255

    return Classifier("weights & more", 32, ["cat", "dog", "</script><b>"], lambda x: softmax(net.predict(prepare(x))),
                      net, prepare, lambda x: 255 * x)


@pytest.fixture(scope="module")
def pictures():
    return [(name, np.random.default_rng(n).integers(0, 256, (32, 32, 3), np.uint8))
            for n, name in enumerate(["first", "<second>"])]


@pytest.fixture(scope="module")
def text(classifier, pictures):
    return page.page(classifier, pictures, "A network")


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.json, self.inside = [], "", None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.inside = dict(attributes).get("id")

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        if self.inside == "data":
            self.json += data

    @property
    def data(self):
        return json.loads(self.json)


# -- numbers -----------------------------------------------------------------------------------------------------------


def test_numbers_are_those_of_the_structure(classifier, text):
    data, counted = Page(text).data, count(classifier.net.trunk, (32, 32, 3))
    assert data["macs"] == counted.macs and data["params"] == counted.params
    for row in counted.modules:
        layer = data["layers"][row.name]
        assert (layer["params"], layer["macs"]) == (row.params, row.macs)
        assert layer["macShare"] == pytest.approx(row.macs / counted.macs)
    inner = [layer for path, layer in data["layers"].items() if path.startswith("4a/")]
    assert sum(layer["macs"] for layer in inner) == counted["4a"].macs and len(inner) == 7
    assert sum(branch["macs"] for branch in data["layers"]["4a"]["branches"]) == counted["4a"].macs


def test_what_a_1x1_saves_by_hand():
    module = googlenet("bvlc", heads=False).children["4a"]
    entering = (14, 14, 480)
    alone, three, five, pool = (without_1x1(branch, entering) for branch in module.branches)
    assert alone is None
    assert five == {"window": "5×5", "maps": 480, "between": 16, "direct": 14 * 14 * 48 * 25 * 480,
                    "with": 14 * 14 * (480 * 16 + 25 * 16 * 48)}
    assert three["direct"] == 14 * 14 * 208 * 9 * 480 and three["with"] == 14 * 14 * (480 * 96 + 9 * 96 * 208)
    assert pool == {"window": "pool", "maps": 480, "between": 64, "direct": 0, "with": 14 * 14 * 480 * 64}
    naive = googlenet("naive", heads=False).children["3b"]
    assert [without_1x1(branch, (28, 28, 416)) for branch in naive.branches] == [None] * 4


def test_outputs_are_those_of_the_network(classifier, rng):
    x = rng.random((2, 32, 32, 3)).astype("float32")
    outputs = every_output(classifier.net, x)
    np.testing.assert_allclose(outputs["linear"], classifier.net.predict(x), rtol=1e-5)
    for path in ("conv1_relu", "3a", "4c/5x5_relu", "5a/pool", "pool5"):
        np.testing.assert_allclose(outputs[path], until(classifier.net, path).predict(x), rtol=1e-3, atol=1e-5)
    for node in flat(nodes(classifier.net, (32, 32, 3))):
        assert outputs[node.last].shape[1:] == node.row.output


# -- drawing -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["googlenet", "googlenet-naive", "mini", "vgg16", "lenet5"])
def test_boxes_do_not_overlap_and_are_in_order(model):
    net, shape = network(model), {"mini": (32, 32, 3), "lenet5": (32, 32, 1)}.get(model, (224, 224, 3))
    tree = nodes(net, shape)
    placed, height = places(tree)
    assert len(placed) == len(flat(tree))
    boxes = {place.node.path: place for place in placed}
    for path, box in boxes.items():
        assert box.x >= 0 and box.y + box.height <= height
        for other_path, other in boxes.items():
            apart = (box.x + box.width <= other.x or other.x + other.width <= box.x
                     or box.y + box.height <= other.y or other.y + other.height <= box.y)
            inside = path.startswith(other_path + "/") or other_path.startswith(path + "/")
            assert path == other_path or apart != inside
    tops = [box.y for path, box in boxes.items() if "/" not in path]
    assert tops == sorted(tops)


def test_arrow_keys_reach_every_box_and_come_back():
    tree = nodes(network("googlenet"), (224, 224, 3))
    ways = neighbours(tree)
    reached, waiting = set(), [tree[0].path]
    while waiting:
        path = waiting.pop()
        if path not in reached:
            reached.add(path)
            waiting += ways[path].values()
    assert reached == set(ways) == {node.path for node in flat(tree)}
    assert ways["4a"] == {"up": "pool3", "down": "4b", "right": "4a/1x1"}
    assert ways["4a/5x5"] == {"up": "4a/5x5_reduce", "down": "4b", "left": "4a/3x3", "right": "4a/pool_proj"}
    assert ways["4a/1x1"]["left"] == "4a" and "up" not in ways["conv1"] and "down" not in ways["linear"]


def test_every_box_is_a_button_with_a_name(text):
    buttons = [attributes for tag, attributes in Page(text).tags if attributes.get("role") == "button"]
    assert len(buttons) == len(Page(text).data["layers"])
    for button in buttons:
        assert button["aria-label"].startswith(button["data-path"] + ": ") and "output" in button["aria-label"]
        assert button["aria-pressed"] == "false" and button["tabindex"] == "-1"


def test_what_stands_on_boxes():
    texts = {node.path: written(node) for node in flat(nodes(network("googlenet"), (224, 224, 3)))}
    assert [texts[path] for path in ("conv1", "conv2_reduce", "pool1", "4a/3x3", "4a/5x5_reduce", "4a/pool")] == [
        "7×7/2 conv, 64 maps", "1×1 conv, 64 maps", "3×3/2 max pool", "3×3 · 208", "1×1 · 16", "3×3 pool"]


def test_bars_are_shares():
    tree = nodes(network("googlenet"), (224, 224, 3))
    drawn = svg(tree, sum(node.row.macs for node in tree))
    shares = re.findall(r'<text class="share"[^>]*>([\d.]+)%', drawn)
    assert len(shares) == 13 and sum(map(float, shares)) == pytest.approx(100, abs=0.5)


# -- the page ----------------------------------------------------------------------------------------------------------


def test_nothing_is_fetched(text):
    assert "default-src 'none'" in text
    for tag, attributes in Page(text).tags:
        assert tag not in ("link", "iframe", "object", "embed")
        for name in ("src", "href", "xlink:href"):
            assert attributes.get(name, "data:").startswith("data:")
    assert not re.search(r"@import|url\((?!data:)|https?://(?!www\.w3\.org)", text)


def test_what_people_typed_is_not_read_as_html(text):
    assert "<second>" not in text and "&lt;second&gt;" in text
    assert "</script><b>" not in text and "weights &amp; more" in text
    assert Page(text).data["photos"] == ["first", "<second>"]
    assert "</script><b>" in {label for answer in Page(text).data["answers"] for label, _ in answer}


def test_pictures_and_maps_are_small_pngs(text):
    data = Page(text).data
    for path, layer in data["layers"].items():
        assert ("seen" in layer) == (layer["out"].count("×") == 2), path
        for seen in layer.get("seen", []):
            image = Image.open(io.BytesIO(base64.b64decode(seen["src"].partition("base64,")[2])))
            side = min(int(layer["out"].split("×")[0]), images.TILE)
            assert image.size == (len(seen["channels"]) * (side + images.GAP) - images.GAP, side), path
            assert len(set(seen["channels"])) == len(seen["channels"]) == min(8, layer["maps"])
    assert all(len(layer["seen"]) == 2 for layer in data["layers"].values() if "seen" in layer)
    assert len(text) < 1_000_000


def test_a_map_is_what_it_shows():
    m = np.array([[0.0, 1], [2, 4]])
    image = Image.open(io.BytesIO(base64.b64decode(images.strip([m, 0 * m]).partition("base64,")[2])))
    grey = np.asarray(image.convert("L")).astype(int)
    assert grey.shape == (2, 4 + images.GAP)
    assert grey[0, 0] < grey[0, 1] < grey[1, 0] < grey[1, 1]
    assert (grey[:, -2:] == grey[0, 0]).all()
    np.testing.assert_allclose(images.shrink(np.arange(16.0).reshape(4, 4), 2), [[2.5, 4.5], [10.5, 12.5]])
    assert images.shrink(np.ones((7, 5)), 3).shape == (2, 1)


def test_without_pictures_the_structure_is_shown(classifier):
    text = page.page(classifier)
    assert "No pictures were given" in text and not any("seen" in layer for layer in Page(text).data["layers"].values())


def test_too_many_pictures(classifier, pictures, monkeypatch):
    monkeypatch.setattr(page, "LARGEST", 50_000)
    with pytest.raises(UserError, match="photos: 2 make a page of more than"):
        page.page(classifier, pictures)


def test_without_photos_a_run_is_shown_its_own_test_pictures_else_drawn_ones(classifier, tmp_path):
    data, run = small.pictures(), dataclasses.replace(classifier, name=str(tmp_path / "run"))
    Trainer(small.NARROW, data, tmp_path / "run", source=str(small.folder(tmp_path / "data"))).save()
    own = command._usual(run)
    assert len({name for name, _ in own}) == 4
    for name, picture in own:
        assert name in [data.classes[k] for x, k in zip(data.x_test, data.y_test, strict=True) if (x == picture).all()]
    shutil.rmtree(tmp_path / "data")
    for gone in (run, classifier):
        drawn = command._usual(gone)
        assert len({name for name, _ in drawn}) == 4 and all(x.shape == (32, 32, 3) for _, x in drawn)
        assert not any((x == y).all() for (_, x), (_, y) in zip(own, drawn, strict=True))
    assert command._usual(dataclasses.replace(classifier, size=224)) == []


# -- in a browser ------------------------------------------------------------------------------------------------------

KEYS = """<script>
const at = () => document.activeElement.dataset.path || document.activeElement.tagName;
const press = key => document.activeElement.dispatchEvent(
  new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true}));
const all = selector => [...document.querySelectorAll(selector)];
const heading = () => document.querySelector("#layer h2").textContent;
const said = [];
const box = path => document.querySelector(`[data-path="${path}"]`);
said.push(heading());
document.querySelector('[data-path][tabindex="0"]').focus();
for (const key of ["ArrowDown", "End", "Home", "ArrowUp"]) { press(key); said.push(at()); }
box("4a").dispatchEvent(new MouseEvent("mouseenter")); said.push("hover " + heading());
box("4a").dispatchEvent(new MouseEvent("mouseleave")); said.push(heading());
box("4a").dispatchEvent(new MouseEvent("click", {bubbles: true})); said.push(at());
for (const key of ["ArrowRight", "ArrowRight", "ArrowRight", "ArrowDown"]) { press(key); said.push(at()); }
box("4a/5x5").dispatchEvent(new MouseEvent("click", {bubbles: true}));
said.push(all('[aria-pressed="true"]').length, all('[data-path][tabindex="0"]').length);
press("Enter"); said.push(at()); press("Escape"); said.push(at());
const before = document.querySelector(".maps").src;
all("[name=photo]")[1].click();
said.push(document.querySelector(".maps").src !== before, document.querySelector(".maps").alt.includes("<second>"));
said.push(all("#layer img").every(image => image.alt), all("#layer")[0].textContent.includes("null"));
said.push(getComputedStyle(document.body).backgroundColor);
document.documentElement.setAttribute("data-said", JSON.stringify(said));
</script>"""

#: How wide the window is, the height of the smallest letters, and the texts that do not fit their boxes.
LETTERS = """<script>
const sizes = [...document.querySelectorAll("svg text")].map(text =>
  parseFloat(getComputedStyle(text).fontSize) * document.querySelector("svg").getScreenCTM().a);
const wide = [...document.querySelectorAll(".box")].filter(box =>
  box.querySelector("text").getBBox().width > box.querySelector("rect").getBBox().width).map(box => box.dataset.path);
document.documentElement.setAttribute("data-said", JSON.stringify([innerWidth, Math.min(...sizes), wide]));
</script>"""


def browse(path, tmp_path, *options):
    """The page as it is after its scripts have run, as HTML."""
    return subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         f"--user-data-dir={tmp_path / 'profile'}", *options, "--dump-dom", path.as_uri()],
        capture_output=True, text=True, timeout=300).stdout


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium to try the page in")
def test_in_a_browser_by_keyboard_and_mouse(text, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(text.replace("</body>", KEYS + "</body>"), encoding="utf-8")
    found = re.search(r'data-said="([^"]*)"', browse(path, tmp_path, "--blink-settings=preferredColorScheme=0"))
    said = json.loads(found[1].replace("&quot;", '"'))
    assert said == ["conv1", "pool1", "linear", "conv1", "conv1", "hover 4a", "conv1", "4a", "4a/1x1", "4a/3x3_reduce",
                    "4a/5x5_reduce", "4a/5x5", 1, 1, "H2", "4a/5x5", True, True, True, False, "rgb(20, 23, 27)"]


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium to try the page in")
@pytest.mark.parametrize("width", [390, 1280])
def test_letters_are_large_enough_and_fit(width, text, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(text.replace("</body>", LETTERS + "</body>"), encoding="utf-8")
    found = re.search(r'data-said="([^"]*)"', browse(path, tmp_path, f"--window-size={width},844"))
    inner, smallest, wide = json.loads(found[1].replace("&quot;", '"'))
    assert inner <= max(width, 510)  # some browsers have no narrower window; the drawing is as wide as the page
    assert smallest * (width - 40) / (inner - 40) > 10 and wide == []
