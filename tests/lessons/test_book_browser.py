"""The book in Chromium: it fits a phone, and guesses, figures, search and keys work without a server."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import chromium

pytest.importorskip("jupytext", reason="the book's tools are not installed: make book sets them up")
pytest.importorskip("nbconvert", reason="the book's tools are not installed: make book sets them up")
pytestmark = pytest.mark.skipif(chromium.CHROMIUM is None, reason="no Chromium")


@pytest.fixture(scope="module")
def browser(book, tmp_path_factory):
    with chromium.Browser(book[0] / "index.html", tmp_path_factory.mktemp("profile")) as opened:
        opened.call("Runtime.enable")
        opened.call("Page.enable")
        yield opened


@pytest.fixture
def visit(browser, book):
    """visit("name.html", width=1280, scripts=True) opens a page of the book and returns the browser."""
    def to(name, width=1280, scripts=True):
        browser.call("Emulation.setDeviceMetricsOverride", width=width, height=844, deviceScaleFactor=1,
                     mobile=width < 500)
        browser.call("Emulation.setScriptExecutionDisabled", value=not scripts)
        file, mark, query = name.partition("?")
        browser.call("Page.navigate", url=(book[0] / file).as_uri() + mark + query)
        arrive(browser, "performance.getEntriesByType('navigation')[0].loadEventEnd")
        return browser
    yield to
    browser.call("Emulation.setScriptExecutionDisabled", value=False)


def arrive(page, condition):
    """Wait for a page to which the browser is on its way."""
    for _ in range(5):
        try:
            return page.until(condition, 20)
        except AssertionError as error:
            if "navigated" not in str(error):
                raise


def press(page, key, code=None):
    for kind in ("keyDown", "keyUp"):
        page.call("Input.dispatchKeyEvent", type=kind, key=key, code=code or key, **(
            {"text": key} if len(key) == 1 and kind == "keyDown" else {"windowsVirtualKeyCode": {
                "ArrowRight": 39, "ArrowLeft": 37, "Enter": 13}.get(key, 0)}))


def page_of(book, topic):
    return f"{next(lesson for lesson in book[1] if lesson.topic == topic).stem}.html"


def test_pages_have_no_errors_and_fit_a_phone(visit, book):
    for path in sorted([*book[0].glob("*.html"), *book[0].glob("zh/*.html")]):
        page = visit(path.relative_to(book[0]).as_posix(), width=360)
        assert page("document.documentElement.scrollWidth") <= 360, path
        assert page("[...document.images].every((image) => image.naturalWidth && image.alt)")
        assert page("typeof t === 'function'"), "book.js did not load"
        assert page("[...document.querySelectorAll('.widget')].every((box) => box.querySelector('.controls'))")
    assert all(url.startswith(("file:", "data:", "about:")) for url in visit("index.html").requests)


def test_code_scrolls_instead_of_wrapping(visit, book):
    page = visit(page_of(book, "convolution"), width=360)
    assert page("getComputedStyle(document.querySelector('.input_area pre')).whiteSpace") == "pre"
    wide = "[...document.querySelectorAll('pre')].filter((box) => box.scrollWidth > box.clientWidth + 1)"
    assert page(f"{wide}.length > 3 && {wide}.every((box) => box.tabIndex === 0 && box.ariaLabel)")


def test_a_guess_reveals_the_outcome_and_stays_in_the_page(visit, book):
    page = visit(page_of(book, "convolution"))
    page("document.querySelector('.guesses input').focus()")
    for letter in "12":
        press(page, letter)
    press(page, "p")  # in a field, letters do not turn pages
    press(page, "Backspace")
    page("document.querySelector('.guesses input').value = '12'")
    page("document.querySelector('.guesses form').requestSubmit()")
    assert page("document.querySelector('.guesses [role=status]').textContent") == "You guessed 12: 48 % too low."
    assert page("document.querySelector('.guesses details').open")
    assert page("document.querySelector('[data-verdict=guess_first]').textContent") == "You guessed 12: 48 % too low."
    assert page("localStorage.length + sessionStorage.length") == 0
    assert page("document.querySelector('.guesses input').getAttribute('aria-labelledby')") == "question-guess_first"


def test_the_window_moves_by_slider_and_by_pointer(visit, book):
    page = visit(page_of(book, "convolution"))
    said = "document.querySelector('.widget [role=status]').textContent"
    assert "y[0, 1] = 2·1 + 3·2 + 6·0 + 7·3 = 29" in page(said)
    page("document.querySelectorAll('.widget input[type=range]')[1].focus()")
    press(page, "ArrowRight")
    assert "y[0, 2]" in page(said)
    page("document.querySelector('.widget').scrollIntoView()")
    left, top = page("(() => { const box = document.querySelector('.draggable svg').getBoundingClientRect(); "
                     "return [box.left, box.top]; })()")
    for kind, x, y in (("mousePressed", 120, 40), ("mouseMoved", 70, 70), ("mouseReleased", 70, 70)):
        page.call("Input.dispatchMouseEvent", type=kind, x=left + x, y=top + 20 + y, button="left", clickCount=1,
                  buttons=1)
    assert "y[1, 1] = 6·1 + 7·2 + 10·0 + 11·3 = 53" in page(said)


def test_pooling_shows_where_the_gradient_goes(visit, book):
    page = visit(page_of(book, "pooling"))
    assert "dx[2, 2] = 1 + 2 + 8 + 16 = 27" in page("document.querySelector('.widget').textContent")
    page("(() => { const menu = document.querySelectorAll('.widget select')[0]; menu.value = 'average'; "
         "menu.dispatchEvent(new Event('change')); })()")
    assert "each of 9 pixels gets 2 / 9." in page("document.querySelector('.widget [role=status]').textContent")


def test_the_search_finds_a_section_from_every_page(visit, book):
    page = visit(page_of(book, "pooling"))
    press(page, "/")
    assert page("document.activeElement.name") == "q"
    page("document.activeElement.value = 'ties reading order'")
    page("document.activeElement.form.submit()")
    arrive(page, "location.pathname.endsWith('search.html') && document.querySelector('#found a')")
    target = page("document.querySelector('#found a').getAttribute('href')")
    assert target.startswith(page_of(book, "pooling") + "#") and (book[0] / target.partition("#")[0]).exists()
    page = visit("zh/search.html?q=步幅")
    assert "节" in page("document.querySelector('#count').textContent")
    assert page("document.querySelectorAll('#found a').length") >= 2


def test_keys_turn_pages(visit, book):
    first, second = (f"{lesson.stem}.html" for lesson in book[1][:2])
    for key, target in (("n", second), ("ArrowRight", second), ("i", "index.html")):
        page = visit(first)
        press(page, key)
        arrive(page, f"location.pathname.endsWith('{target}') && document.readyState === 'complete'")


def test_without_javascript_everything_can_be_read(visit, book):
    page = visit(page_of(book, "pooling"), scripts=False)
    tree = page.call("DOM.getDocument", depth=-1)["root"]
    text = page.call("DOM.getOuterHTML", nodeId=tree["nodeId"])["outerHTML"]
    assert 'class="controls"' not in text and "1 + 2 + 8 + 16 = 27" in text
    assert text.count("<summary>answer</summary>") == 3
