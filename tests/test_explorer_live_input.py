"""The live explorer under a keyboard and in a hurry: focus, images that overtake each other, the camera, addresses."""

import chromium
import explorer_page
import pytest

from minigooglenet.explorer.live import page

pytestmark = pytest.mark.skipif(chromium.CHROMIUM is None, reason="no Chromium")


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    path = tmp_path_factory.mktemp("live") / "page.html"
    path.write_text(page.page(explorer_page.classifier(), explorer_page.images(), "A network"), encoding="utf-8")
    with chromium.Browser(path, path.parent / "profile") as opened:
        opened.until("probabilities && !running && output && surveys.length === 2")
        yield opened


def press(browser, control):
    """Focus and press a control, as a keyboard does."""
    browser(f"(() => {{ const control = {control}; control.focus(); control.click(); }})()")


def test_the_focus_stays_where_a_key_was_pressed(browser):
    browser("document.querySelector('#tours button').click()")
    for step in range(2, 6):
        press(browser, "document.querySelectorAll('#tour button')[1]")
        browser.until(f"state.step === '{step}' && current() && !running")
        said = browser("document.activeElement.closest('#tour') && document.activeElement.textContent")
        assert said == browser(f"document.querySelectorAll('#tour button')[{1 if step < 5 else 2}].textContent")
    browser("go({ layer: '4c', map: 3, tour: null, step: null, off: null })")
    browser.until("current() && !running && document.querySelector('.branch')")
    press(browser, "document.querySelectorAll('.branch input')[1]")
    browser.until("!running && computed['4c/3x3'] === 'all' && document.querySelectorAll('.branch')[1].matches('.off')")
    assert browser("document.activeElement === document.querySelectorAll('.branch input')[1]")
    press(browser, "document.querySelectorAll('#top button')[2]")
    browser.until("document.querySelectorAll('#top button')[2].matches('[aria-pressed=true]')")
    assert browser("document.activeElement === document.querySelectorAll('#top button')[2]")
    press(browser, "document.querySelector('#mapswitch input')")
    browser.until("!running && String(computed['4c']) === '3' && !$('mapswitch').querySelector('input').checked")
    assert browser("document.activeElement === document.querySelector('#mapswitch input')")
    browser("go({ off: null, class: null })")
    browser.until("!running && !Object.keys(computed).length")


def test_what_was_chosen_last_is_shown(browser):
    """A file that takes long to decode does not replace the sample that was chosen after it."""
    browser("openAddress(data.images[1].src)")
    browser.until("!running && !waiting.size")
    wanted = browser("String(pixels())")
    browser("openAddress(data.images[0].src)")
    browser.until(f"!running && String(pixels()) !== '{wanted}'")
    shown = browser("""(async () => {
      const file = new File([await (await new Promise(done => $("photo").toBlob(done))).arrayBuffer()], "slow.png");
      const original = createImageBitmap;
      window.createImageBitmap = async file => {
        await new Promise(done => setTimeout(done, 100));
        return original(file);
      };
      const slow = open(file);
      openAddress(data.images[1].src);
      await slow;
      window.createImageBitmap = original;
      return String(pixels()); })()""")
    assert shown == wanted


def test_a_hurried_photo_uses_one_camera_and_waits_for_a_frame(browser):
    browser("""window.streams = [];
      const get = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
      navigator.mediaDevices.getUserMedia = async wanted => { streams.push(await get(wanted)); return streams.at(-1); };
      $('camera').click(); $('camera').click()""")
    browser.until("camera && $('video').videoWidth")
    browser("""(async () => {
      Object.defineProperty($("video"), "videoWidth", { value: 0, configurable: true });
      await useCamera();
      delete $("video").videoWidth; })()""")
    assert browser("camera !== null && !$('video').hidden")
    browser("$('camera').click()")
    browser.until("!running && camera === null")
    assert browser("streams.map(stream => stream.getTracks()[0].readyState)") == ["ended"]
    browser("$('camera').click(); openAddress(data.images[0].src)")  # changed my mind
    browser.until("streams.length === 2")
    assert browser("camera === null && $('video').hidden && streams[1].getTracks()[0].readyState") == "ended"


def test_a_photo_of_any_size_fits_into_the_canvas_of_a_phone(browser):
    for width, height in ((8064, 6048), (5000, 5000), (30000, 900), (4000, 4200)):
        scale = browser(f"scaleOf({width}, {height})")
        w, h = round(width * scale), round(height * scale)
        assert w * h <= 2**24 and max(w, h) <= 5000 and w * h > 0.9 * min(16e6, width * height, 5000 * h)
    assert browser("scaleOf(4000, 3000)") == 1


def test_a_damaged_address_is_no_error(browser):
    browser("go({ layer: '4a' }); location.hash = '#layer=4c&map=3%'")
    browser.until("state.layer === '4c' && $('title').textContent === '4c' && state.map === undefined")
