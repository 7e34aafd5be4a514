"""The live explorer: one file, nothing fetched, hostile names harmless; in a browser if Chromium is there."""

import base64
import io
import json
import re

import chromium
import explorer_page
import numpy as np
import pytest
from PIL import Image

from minigooglenet.cli import main
from minigooglenet.commands.explorer import lessons
from minigooglenet.errors import UserError
from minigooglenet.explorer.facts import every_output
from minigooglenet.explorer.html import TEXT
from minigooglenet.explorer.live import page
from minigooglenet.explorer.live.structure import packed, steps
from minigooglenet.layers import softmax
from minigooglenet.models.catalog import network

HERE = page.HERE


@pytest.fixture(scope="module")
def classifier():
    return explorer_page.classifier()


@pytest.fixture(scope="module")
def text(classifier):
    return page.page(classifier, explorer_page.images(), "<A> network", {"one_by_one": "What & why?"}, "float32")


@pytest.fixture(scope="module")
def browser(text, tmp_path_factory):
    if chromium.CHROMIUM is None:
        pytest.skip("no Chromium")
    folder = tmp_path_factory.mktemp("live")
    (folder / "page.html").write_text(text, encoding="utf-8")
    with chromium.Browser(folder / "page.html", folder / "profile") as opened:
        opened.until("probabilities && !running && output")
        yield opened


def test_nothing_is_fetched_and_no_other_script_runs(text):
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    scripts = policy.split("script-src")[1].split(";")[0]
    assert "'unsafe-inline'" not in scripts and "'unsafe-eval'" not in scripts and "worker-src blob:" in policy
    assert not re.search(r"@import|url\((?!data:)|https?://(?!www\.w3\.org)", text)


def test_texts_of_users_are_not_parsed_as_html(text):
    assert "<second>" not in text and "</script><b>" not in text and "<A>" not in text


def test_every_text_is_in_the_table():
    for file in HERE.glob("*.js"):
        for key in re.findall(r'\bt\("([\w.]+)"', file.read_text(encoding="utf-8")):
            found = TEXT
            for part in key.split("."):
                found = found[part]
            assert isinstance(found, str), f"{file.name}: {key}"


def test_every_step_of_a_tour_shows_a_layer():
    tours = TEXT["tours"]
    assert [len(tour["steps"]) for tour in tours] == [5] * 5
    for model, image in (("googlenet", (224, 224, 3)), ("mini", (32, 32, 3))):
        paths = {step["path"] for top in steps(network(model), image)
                 for step in [top, *(inner for branch in top.get("branches", ()) for inner in branch)]}
        for tour in tours:
            assert all(step["go"]["layer"] in {*paths, "softmax"} for step in tour["steps"])


def test_scripts_are_short():
    lines = {file.name: len(file.read_text(encoding="utf-8").splitlines()) for file in HERE.glob("*.js")}
    assert max(lines.values()) <= 300 and sum(lines.values()) < 1500
    assert {*lines} == {*page.ENGINE, page.WORKER, *page.PAGE}


def test_labels_that_occur_twice_are_told_apart():
    assert page._distinct(["crane", "cat", "crane"]) == ["crane", "cat", "crane (2)"]


def test_too_large_for_a_page(classifier, monkeypatch):
    size, trunk = (len(packed(net)) * 4 / 3 for net in (classifier.net, classifier.net.trunk))
    monkeypatch.setattr(page, "LARGEST", int(trunk) - 1 + page.ROOM)
    with pytest.raises(UserError, match="its weights make a page of"):
        page.page(classifier)
    monkeypatch.setattr(page, "LARGEST", int(size) - 1 + page.ROOM)
    assert '"heads":[]' in page.page(classifier)
    with pytest.raises(UserError, match="photos: 1 make a page of"):
        page.page(classifier, [("noise", np.random.default_rng(0).integers(0, 256, (400, 400, 3), np.uint8))])


def test_a_structure_without_weights(tmp_path, capsys):
    assert main(["explorer", "--live", "--model", "vgg16", "--out", str(tmp_path / "vgg.html")]) in (0, None)
    assert (tmp_path / "vgg.html").stat().st_size < 200_000
    assert main(["explorer", "--model", "vgg16", "--out", str(tmp_path / "no.html")]) == 2
    assert "goes with --live" in capsys.readouterr().err and not (tmp_path / "no.html").exists()


def test_the_browser_computes_what_python_computes(classifier, browser):
    """The image is drawn from the page, decoded, prepared and run by the worker."""
    image = explorer_page.images()[0][1]
    assert browser("ask('run', { rgba: pixels(), off: {}, from: 0 }).then(result => result.wasm)")
    p = browser("Array.from(probabilities)")
    np.testing.assert_allclose(p, classifier.probabilities(image[None])[0], rtol=1e-3)
    assert [url for url in browser.requests if not url.startswith(("file:", "data:", "blob:"))] == []


def test_a_sum_is_the_output(browser):
    for path in ("conv1", "3a/5x5", "pool1", "4a/pool", "pool5", "linear"):
        found = browser(f"""(async () => {{
          const it = await ask("explain", {{ path: "{path}", i: 0, j: 0, c: 1 }});
          return {{ ...it, x: Array.from(it.x), w: Array.from(it.w || []) }}; }})()""")
        x, w = np.array([-np.inf if v is None else v for v in found["x"]]), np.array(found["w"])
        if found["op"] in ("conv", "dense"):
            y = x @ w + found["b"]
            y = max(y, 0) if found["relu"] else y
        else:
            y = x.max() if found["op"] == "max pool" else x.sum() / found["divisor"]
        assert found["y"] == pytest.approx(y, rel=1e-4, abs=1e-5), path


def test_what_an_output_sees_is_what_changes_it(browser):
    """A covered pixel inside the receptive field of conv2 changes the output, one just outside does not."""
    changes = browser("""(async () => {
      const at = async () => (await ask("layer", { path: "conv2" }));
      const sum = y => Array.from({ length: y.C }, (_, c) => y.maps[(c * y.H + 5) * y.W + 5]).join();
      const field = structure.receptiveField("conv2", 5, 5), before = sum(await at()), changed = [];
      for (const [row, column] of [[field.top, field.left], [field.bottom, field.right], [field.top - 1, field.left],
                                   [field.bottom, field.right + 1]]) {
        const rgba = pixels(), p = 4 * (row * size + column);
        for (let c = 0; c < 3; c++) rgba[p + c] = rgba[p + c] < 128 ? 255 : 0;
        await ask("run", { rgba, off: {}, from: 0 });
        changed.push(sum(await at()) !== before);
      }
      await ask("run", { rgba: pixels(), off: {}, from: 0 });
      return changed; })()""")
    assert changes[2:] == [False, False] and any(changes[:2])


def test_links_tours_and_switches(browser):
    browser("location.hash = '#layer=4c&map=3&at=1,0'")
    browser.until("document.querySelector('#sum button')")
    assert browser("document.querySelector('#title').textContent") == "4c"
    browser("document.querySelectorAll('#tours button')[1].click()")
    browser.until("document.querySelector('#title').textContent === '4a/1x1'")
    assert "What & why?" in browser("document.querySelector('#tour').textContent")
    browser("history.back()")
    browser.until("state.layer === '4c' && document.querySelector('#tour').hidden")
    before = browser("Array.from(probabilities)")
    browser("document.querySelector('.branch input').click()")
    browser.until("!running && state.off === '4c/1x1' && String(Array.from(probabilities)) !== "
                  f"'{','.join(map(str, before))}'")
    assert "4c/1x1" in browser("document.querySelector('#off').textContent")
    browser("history.back()")
    browser.until(f"!running && Math.abs(probabilities[0] - {before[0]}) < 1e-7")


def test_a_brush_by_keyboard_and_hostile_labels(browser):
    browser("""for (const key of ["ArrowLeft", " "]) document.querySelector("#photo").dispatchEvent(
      new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }))""")
    browser.until("!running && !document.querySelector('#wipe').disabled")
    assert "</script><b>" in browser("document.querySelector('#top').textContent")
    assert browser("document.querySelectorAll('#top b b').length") == 0
    browser("document.querySelector('#wipe').click()")
    browser.until("!running && document.querySelector('#wipe').disabled")


def test_targets_are_large_enough(browser):
    small = browser("""[...document.querySelectorAll("button, select, input:not(.hidden), [role=button]")].map(e =>
      [e.textContent, (e.closest("label") || e).getBoundingClientRect()]).filter(([, r]) =>
      r.width && (r.width < 24 || r.height < 24)).map(([name, r]) => `${name} ${r.width}×${r.height}`)""")
    assert small == []
    assert browser("document.documentElement.scrollWidth <= innerWidth")


def test_every_map_of_a_module_is_traced_to_its_branch(browser):
    """Also the first and the last map of each branch."""
    assert browser("""(async () => {
      const y = await ask("layer", { path: "4a" });
      for (let c = 0; c < y.C; c++) {
        const { from, channel } = await ask("explain", { path: "4a", i: 1, j: 2, c });
        const part = await ask("layer", { path: from });
        if (y.maps[(c * y.H + 1) * y.W + 2] !== part.maps[(channel * part.H + 1) * part.W + 2]) return c;
      }
      return "all"; })()""") == "all"


def given(browser, content, name, kind, event):
    """Give the page a file by an event, "drop" or "paste", as a user would."""
    browser(f"""(() => {{
      const bytes = Uint8Array.from(atob("{base64.b64encode(content).decode()}"), c => c.charCodeAt(0));
      const transfer = new DataTransfer();
      transfer.items.add(new File([bytes], {json.dumps(name)}, {{ type: "{kind}" }}));
      dispatchEvent("{event}" === "drop" ? new DragEvent("drop", {{ dataTransfer: transfer, cancelable: true }})
        : new ClipboardEvent("paste", {{ clipboardData: transfer }})); }})()""")


def as_png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("event", ["drop", "paste"])
def test_an_image_that_is_dropped_or_pasted(event, classifier, browser):
    pixels = np.random.default_rng(len(event)).integers(0, 256, (41, 60, 3), np.uint8)
    before = browser("String(probabilities)")
    given(browser, as_png(pixels), "noise.png", "image/png", event)
    browser.until(f"!running && String(probabilities) !== '{before}'")
    p = classifier.probabilities(classifier.center_crop(Image.fromarray(pixels))[None])[0]
    np.testing.assert_allclose(browser("Array.from(probabilities)"), p, rtol=0.02)  # pixels may differ by 1


def test_files_that_are_not_images_or_contain_scripts(browser):
    before = browser("String(probabilities)")
    script = (b'<svg xmlns="http://www.w3.org/2000/svg"><script>top.hit = 1</script>'
              b'<image href="x" onerror="hit = 1"/></svg>')
    for content, kind in ((b"%PDF", "application/pdf"), (script, "image/svg+xml"), (b"\x89PNG\r\n\x1a\n", "image/png")):
        browser("$('status').textContent = ''")
        given(browser, content, "<img src=x onerror='hit=1'>.png", kind, "drop")
        browser.until("$('status').textContent.startsWith('<img src=x')")
    assert browser("window.hit === undefined && !document.querySelector('#status img')")
    assert browser("String(probabilities)") == before


def test_a_photo_by_the_camera(browser):
    before = browser("String(probabilities)")
    browser("$('camera').click()")
    browser.until("camera && $('video').videoWidth && !$('video').hidden")
    browser("$('camera').click()")
    browser.until(f"!running && $('video').hidden && camera === null && String(probabilities) !== '{before}'")


def test_what_excites_a_map_and_the_auxiliary_classifiers(classifier, browser):
    browser("go({ layer: '4a', map: 5 })")
    browser.until("surveys.length === 2 && current()")
    x = classifier.prepare(np.stack([image for _, image in explorer_page.images()]))
    outputs = every_output(classifier.net, x)
    found = browser("surveys.map(({ found }) => [found['4a'].top[5], found['4a'].at[5]])")
    maps = outputs["4a"][..., 5].reshape(2, -1)
    np.testing.assert_allclose([top for top, _ in found], maps.max(axis=1), rtol=1e-4, atol=1e-6)
    assert [int(at) for _, at in found] == maps.argmax(axis=1).tolist()
    tap, head = list(classifier.net.heads.values())[0]
    browser("openAddress(data.images[1].src)")
    browser.until("!running")
    p = softmax(head.predict(outputs[tap][1:]))[0, 0]
    browser.until(f"Math.abs(heads[0].p[0] - {p:f}) < 1e-4")


def test_why_leads_to_the_score_and_its_maps(browser):
    browser("document.querySelector('#why button').click()")
    browser.until("current() && state.layer === 'linear' && document.querySelector('#sum .link')")
    assert browser("Number(state.map) === chosen() && $('sum').textContent.includes(data.labels[chosen()])")
    browser("document.querySelector('#sum .link').click()")
    browser.until("state.layer === '5b' && current() && position().length === 2")
    map_, at = browser("Array.from(mapOf(output, currentMap()))"), browser("position()[0] * output.W + position()[1]")
    assert map_[at] == max(map_)


def test_without_webassembly(text, classifier, tmp_path):
    """Plain JavaScript where the browser does not run the module."""
    if chromium.CHROMIUM is None:
        pytest.skip("no Chromium")
    (tmp_path / "plain.html").write_text(re.sub('"wasm":"[^"]*"', '"wasm":""', text), encoding="utf-8")
    with chromium.Browser(tmp_path / "plain.html", tmp_path / "profile") as opened:
        opened.until("probabilities && !running && output")
        p = classifier.probabilities(explorer_page.images()[0][1][None])[0]
        np.testing.assert_allclose(opened("Array.from(probabilities)"), p, rtol=1e-3)


def test_every_tour_from_the_first_step_to_the_last(browser):
    browser("window.failures = []; addEventListener('error', e => failures.push(e.message));"
            "addEventListener('unhandledrejection', e => failures.push(String(e.reason)))")
    for n in range(5):
        browser(f"document.querySelectorAll('#tours button')[{n}].click()")
        for step in range(5):
            layer = browser(f"data.text.tours[{n}].steps[{step}].go.layer")
            browser.until(f"current() && !running && document.querySelector('#title').textContent === '{layer}'")
            said = browser("$('tour').innerText")
            assert f"{step + 1} of 5" in said and "{" not in said and "NaN" not in said
            browser("[...document.querySelectorAll('#tour button')][1].click()")
        browser("[...document.querySelectorAll('#tour button')][2].click()")
        assert browser("$('tour').hidden") and "off" not in browser("location.hash")
    browser.until("!running")
    assert browser("failures") == []


def test_every_lesson_that_a_text_names_exists():
    names = {tour_step["lesson"] for tour in TEXT["tours"] for tour_step in tour["steps"]}
    assert names | {op["lesson"] for op in TEXT["ops"].values()} <= {*lessons()}
