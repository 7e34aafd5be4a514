"""The explorer in a browser, by keyboard and mouse; skipped without Chromium."""

import json
import re
import subprocess

import chromium
import explorer_page
import pytest

from minigooglenet.explorer import page

pytestmark = pytest.mark.skipif(chromium.CHROMIUM is None, reason="no Chromium")


@pytest.fixture(scope="module")
def text():
    return page.page(explorer_page.classifier(), explorer_page.images(), "A network")


KEYS = """<script>
const at = () => document.activeElement.dataset.path || document.activeElement.tagName;
const press = key => document.activeElement.dispatchEvent(
  new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true}));
const all = selector => [...document.querySelectorAll(selector)];
const heading = () => document.querySelector("#layer h2").textContent;
const result = [];
const box = path => document.querySelector(`[data-path="${path}"]`);
result.push(heading());
document.querySelector('[data-path][tabindex="0"]').focus();
for (const key of ["ArrowDown", "End", "Home", "ArrowUp"]) { press(key); result.push(at()); }
box("4a").dispatchEvent(new MouseEvent("mouseenter")); result.push("hover " + heading());
box("4a").dispatchEvent(new MouseEvent("mouseleave")); result.push(heading());
box("4a").dispatchEvent(new MouseEvent("click", {bubbles: true})); result.push(at());
for (const key of ["ArrowRight", "ArrowRight", "ArrowRight", "ArrowDown"]) { press(key); result.push(at()); }
box("4a/5x5").dispatchEvent(new MouseEvent("click", {bubbles: true}));
result.push(all('[aria-pressed="true"]').length, all('[data-path][tabindex="0"]').length);
press("Enter"); result.push(at()); press("Escape"); result.push(at());
const before = document.querySelector(".maps").src;
all("[name=photo]")[1].click();
result.push(document.querySelector(".maps").src !== before, document.querySelector(".maps").alt.includes("<second>"));
result.push(all("#layer img").every(image => image.alt), all("#layer")[0].textContent.includes("null"));
result.push(getComputedStyle(document.body).backgroundColor);
document.documentElement.setAttribute("data-result", JSON.stringify(result));
</script>"""

#: The width of the window, the smallest font size in pixels, and the boxes whose text does not fit.
LETTERS = """<script>
const sizes = [...document.querySelectorAll("svg text")].map(text =>
  parseFloat(getComputedStyle(text).fontSize) * document.querySelector("svg").getScreenCTM().a);
const wide = [...document.querySelectorAll(".box")].filter(box =>
  box.querySelector("text").getBBox().width > box.querySelector("rect").getBBox().width).map(box => box.dataset.path);
document.documentElement.setAttribute("data-result", JSON.stringify([innerWidth, Math.min(...sizes), wide]));
</script>"""


def browse(path, tmp_path, *options):
    """The page as it is after its scripts have run, as HTML."""
    return subprocess.run(
        [chromium.CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         f"--user-data-dir={tmp_path / 'profile'}", *options, "--dump-dom", path.as_uri()],
        capture_output=True, text=True, timeout=300).stdout


def test_in_a_browser_by_keyboard_and_mouse(text, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(text.replace("</body>", KEYS + "</body>"), encoding="utf-8")
    found = re.search(r'data-result="([^"]*)"', browse(path, tmp_path, "--blink-settings=preferredColorScheme=0"))
    result = json.loads(found[1].replace("&quot;", '"'))
    assert result == ["conv1", "pool1", "linear", "conv1", "conv1", "hover 4a", "conv1", "4a", "4a/1x1",
                      "4a/3x3_reduce", "4a/5x5_reduce", "4a/5x5", 1, 1, "H2", "4a/5x5", True, True, True, False,
                      "rgb(20, 23, 27)"]


@pytest.mark.parametrize("width", [390, 1280])
def test_letters_are_large_enough_and_fit(width, text, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(text.replace("</body>", LETTERS + "</body>"), encoding="utf-8")
    found = re.search(r'data-result="([^"]*)"', browse(path, tmp_path, f"--window-size={width},844"))
    inner, smallest, wide = json.loads(found[1].replace("&quot;", '"'))
    assert inner <= max(width, 510)  # some browsers have no narrower window; the drawing is as wide as the page
    assert smallest * (width - 40) / (inner - 40) > 10 and wide == []


def test_links_enlarged_maps_and_one_prediction(text, tmp_path):
    (tmp_path / "page.html").write_text(text, encoding="utf-8")
    with chromium.Browser(tmp_path / "page.html", tmp_path / "profile") as page:
        page.until("document.querySelector('#layer h2')")
        heading = "document.querySelector('#layer h2').textContent"
        page("location.hash = '#4a/5x5'")
        page.until(f"{heading} === '4a/5x5'")
        page("""document.querySelector('[data-path="5b"]').dispatchEvent(new MouseEvent("click", { bubbles: true }))""")
        assert page("location.hash") == "#5b" and "concatenated" in page("document.querySelector('#layer').textContent")
        page("history.back()")
        page.until(f"{heading} === '4a/5x5'")
        page("location.hash = '#4a/5x5%'")  # no layer
        page.until(f"{heading} === 'conv1'")
        page("history.back()")
        page.until(f"{heading} === '4a/5x5'")
        page("document.querySelectorAll('figcaption button')[1].click()")
        strip = "document.querySelector('.maps')"
        wide = page(f"({strip}.naturalWidth + 2) / document.querySelectorAll('figcaption button').length - 2")
        assert page("document.querySelector('.large canvas').width") == wide
        page("document.querySelectorAll('figcaption button')[1].click()")
        assert page("document.querySelector('.large canvas')") is None
        assert page("document.querySelector('#answer').textContent.includes('Prediction')")
        assert not page("document.querySelector('#layer').textContent.includes('Prediction')")


def test_on_a_phone_the_description_covers_little_until_it_is_opened(text, tmp_path):
    (tmp_path / "page.html").write_text(text, encoding="utf-8")
    with chromium.Browser(tmp_path / "page.html", tmp_path / "profile") as page:
        page.call("Emulation.setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=1, mobile=True)
        page.until("document.querySelector('#more')")
        height = "document.querySelector('#layer').clientHeight"
        assert page(height) <= 112
        page("document.querySelector('#more').click()")
        assert 112 < page(height) <= 633 and page("document.documentElement.scrollWidth") <= 390
