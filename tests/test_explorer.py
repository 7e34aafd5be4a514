"""The explorer: its counts are those of the structure, it is self-contained, and every box is a button."""

import base64
import dataclasses
import io
import json
import re
import shutil
from html.parser import HTMLParser

import explorer_page
import numpy as np
import pytest
import small
from PIL import Image

from minigooglenet.commands import explorer as command
from minigooglenet.errors import UserError
from minigooglenet.explorer import page
from minigooglenet.explorer.drawing import label, neighbors, places, svg
from minigooglenet.explorer.facts import Saving, every_output, flat, nodes, saving_of
from minigooglenet.figures import data_uri
from minigooglenet.flops import count
from minigooglenet.interpret.structure import until
from minigooglenet.models.catalog import network
from minigooglenet.models.googlenet import googlenet
from minigooglenet.training.trainer import Trainer


@pytest.fixture(scope="module")
def classifier():
    return explorer_page.classifier()


@pytest.fixture(scope="module")
def images():
    return explorer_page.images()


@pytest.fixture(scope="module")
def text(classifier, images):
    return page.page(classifier, images, "A network")


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


# -- counts ------------------------------------------------------------------------------------------------------------


def test_counts_are_those_of_the_structure(classifier, text):
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
    alone, three, five, pool = (saving_of(branch, entering) for branch in module.branches)
    assert alone is None
    assert five == Saving("5×5", 480, 16, reduced=14 * 14 * (480 * 16 + 25 * 16 * 48), direct=14 * 14 * 48 * 25 * 480)
    assert three.direct == 14 * 14 * 208 * 9 * 480 and three.reduced == 14 * 14 * (480 * 96 + 9 * 96 * 208)
    assert pool == Saving("pool", 480, 64, reduced=14 * 14 * 480 * 64, direct=0)
    naive = googlenet("naive", heads=False).children["3b"]
    assert [saving_of(branch, (28, 28, 416)) for branch in naive.branches] == [None] * 4


def test_outputs_are_those_of_the_network(classifier, rng):
    x = rng.random((2, 32, 32, 3)).astype("float32")
    outputs = every_output(classifier.net, x)
    np.testing.assert_allclose(outputs["linear"], classifier.net.predict(x), rtol=1e-5)
    for path in ("conv1", "3a", "4c/5x5", "5a/pool", "pool5"):
        np.testing.assert_allclose(outputs[path], until(classifier.net, path).predict(x), rtol=1e-3, atol=1e-5)
    for node in flat(nodes(classifier.net, (32, 32, 3))):
        assert outputs[node.path].shape[1:] == node.row.output


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
    keys = neighbors(tree)
    reached, waiting = set(), [tree[0].path]
    while waiting:
        path = waiting.pop()
        if path not in reached:
            reached.add(path)
            waiting += keys[path].values()
    assert reached == set(keys) == {node.path for node in flat(tree)}
    assert keys["4a"] == {"up": "pool3", "down": "4b", "right": "4a/1x1"}
    assert keys["4a/5x5"] == {"up": "4a/5x5_reduce", "down": "4b", "left": "4a/3x3", "right": "4a/pool_proj"}
    assert keys["4a/1x1"]["left"] == "4a" and "up" not in keys["conv1"] and "down" not in keys["linear"]


def test_every_box_is_a_button_with_a_name(text):
    buttons = [attributes for tag, attributes in Page(text).tags if attributes.get("role") == "button"]
    assert len(buttons) == len(Page(text).data["layers"])
    for button in buttons:
        assert button["aria-label"].startswith(button["data-path"] + ": ") and "output" in button["aria-label"]
        assert button["aria-pressed"] == "false" and button["tabindex"] == "-1"


def test_texts_on_boxes():
    texts = {node.path: label(node) for node in flat(nodes(network("googlenet"), (224, 224, 3)))}
    assert [texts[path] for path in ("conv1", "conv2_reduce", "pool1", "4a/3x3", "4a/5x5_reduce", "4a/pool")] == [
        "7×7/2 conv, 64 maps", "1×1 conv, 64 maps", "3×3/2 max pool", "3×3 · 208", "1×1 · 16", "3×3 pool"]


def test_details_of_a_block_and_of_a_pool(text):
    layers = Page(text).data["layers"]
    assert [layers[path]["kind"] for path in ("conv1", "4a/5x5", "4a/pool", "4a", "dropout", "linear")] == [
        "3×3 conv, batch norm, ReLU", "5×5 conv, batch norm, ReLU", "3×3 max pool", "inception module, 4 branches",
        "dropout 40%", f"dense {layers['dropout']['maps']}→3"]


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


def test_texts_of_users_are_not_parsed_as_html(text):
    assert "<second>" not in text and "&lt;second&gt;" in text
    assert "</script><b>" not in text and "weights &amp; more" in text
    assert Page(text).data["photos"] == ["first", "<second>"]
    assert "</script><b>" in {label for prediction in Page(text).data["predictions"] for label, _ in prediction}


def test_images_and_maps_are_small_pngs(text):
    data = Page(text).data
    for path, layer in data["layers"].items():
        assert ("activations" in layer) == (layer["out"].count("×") == 2), path
        for maps in layer.get("activations", []):
            image = Image.open(io.BytesIO(base64.b64decode(maps["src"].partition("base64,")[2])))
            side = min(int(layer["out"].split("×")[0]), data_uri.TILE)
            assert image.size == (len(maps["channels"]) * (side + data_uri.GAP) - data_uri.GAP, side), path
            assert len(set(maps["channels"])) == len(maps["channels"]) == min(8, layer["maps"])
    assert all(len(layer["activations"]) == 2 for layer in data["layers"].values() if "activations" in layer)
    assert len(text) < 1_000_000


def test_a_map_is_what_it_shows():
    m = np.array([[0.0, 1], [2, 4]])
    image = Image.open(io.BytesIO(base64.b64decode(data_uri.strip([m, 0 * m]).partition("base64,")[2])))
    gray = np.asarray(image.convert("L")).astype(int)
    assert gray.shape == (2, 4 + data_uri.GAP)
    assert gray[0, 0] < gray[0, 1] < gray[1, 0] < gray[1, 1]
    assert (gray[:, -2:] == gray[0, 0]).all()
    np.testing.assert_allclose(data_uri.shrink(np.arange(16.0).reshape(4, 4), 2), [[2.5, 4.5], [10.5, 12.5]])
    assert data_uri.shrink(np.ones((7, 5)), 3).shape == (2, 1)


def test_without_images_the_structure_is_shown(classifier):
    text = page.page(classifier)
    assert "No images were given" in text
    assert not any("activations" in layer for layer in Page(text).data["layers"].values())


def test_too_many_images(classifier, images, monkeypatch):
    monkeypatch.setattr(page, "LARGEST", 50_000)
    with pytest.raises(UserError, match="photos: 2 make a page of more than"):
        page.page(classifier, images)


def test_without_photos_a_run_is_shown_with_its_test_images_else_with_shapes10(classifier, tmp_path):
    data, run = small.dataset(), dataclasses.replace(classifier, name=str(tmp_path / "run"))
    Trainer(small.NARROW, data, tmp_path / "run", source=str(small.folder(tmp_path / "data"))).save()
    own = command.default_images(run)
    assert len({name for name, _ in own}) == 4
    for name, image in own:
        assert name in [data.classes[k] for x, k in zip(data.x_test, data.y_test, strict=True) if (x == image).all()]
    shutil.rmtree(tmp_path / "data")
    for gone in (run, classifier):
        drawn = command.default_images(gone)
        assert len({name for name, _ in drawn}) == 4 and all(x.shape == (32, 32, 3) for _, x in drawn)
        assert not any((x == y).all() for (_, x), (_, y) in zip(own, drawn, strict=True))
    assert command.default_images(dataclasses.replace(classifier, size=224)) == []
