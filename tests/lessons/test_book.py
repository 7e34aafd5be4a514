"""The book: its links are valid, it needs no network, and it works in Chromium, if that is installed."""

import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from lessons.catalog import find, lessons
from lessons.translation import ENGLISH

pytest.importorskip("jupytext", reason="the book's tools are not installed: make book sets them up")
pytest.importorskip("nbconvert", reason="the book's tools are not installed: make book sets them up")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
NUMBERS = os.environ.get("MINIGOOGLENET_BOOK", "2 7").split()  # "all": the complete book, which takes minutes


class Page(HTMLParser):
    """The links of a page, the alternative texts of its images, its ids and the levels of its headings."""

    def __init__(self, text):
        super().__init__()
        self.references, self.alts, self.ids, self.headings = [], [], set(), []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.references += [found[name] for name in ("href", "src") if name in found]
        if tag == "img":
            self.alts.append(found.get("alt"))
        if "id" in found:
            assert found["id"] not in self.ids, f"two elements have the id {found['id']}"
            self.ids.add(found["id"])
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    from lessons.book import build
    out = tmp_path_factory.mktemp("book")
    chosen = lessons() if NUMBERS == ["all"] else [find(number) for number in NUMBERS]
    assert build(chosen, quick=True, out=out) == 0
    return out, chosen


def pages(book):
    return {path: Page(path.read_text(encoding="utf-8")) for path in book[0].glob("*.html")}


def test_every_link_is_valid_and_nothing_is_loaded_from_a_network(book):
    for path, page in pages(book).items():
        for reference in page.references:
            if reference.startswith(("http:", "https:")):
                assert f'<a href="{reference}"' in path.read_text(encoding="utf-8")  # only links, no images or scripts
            elif not reference.startswith("data:"):
                file, _, name = reference.partition("#")
                target = path.parent / file if file else path
                assert target.exists(), f"{path.name} refers to {reference}"
                assert not name or name in Page(target.read_text(encoding="utf-8")).ids


def test_figures_are_inline_and_described(book):
    out, chosen = book
    for lesson in chosen:
        page = pages(book)[out / f"{lesson.stem}.html"]
        assert page.alts and all(alt and len(alt) > 20 for alt in page.alts)
        assert any(reference.startswith("data:image/png;base64,") for reference in page.references)


def test_heading_levels_are_not_skipped(book):
    for page in pages(book).values():
        assert page.headings.count(1) == 1 and page.headings[0] == 1
        assert all(after <= before + 1 for before, after in zip(page.headings, page.headings[1:], strict=False))


def test_lessons_link_to_their_neighbors_and_have_hints_and_notebooks(book):
    out, chosen = book
    for before, after in zip(chosen, chosen[1:], strict=False):
        assert f'rel="next" href="{after.stem}.html"' in (out / f"{before.stem}.html").read_text(encoding="utf-8")
        assert f'rel="prev" href="{before.stem}.html"' in (out / f"{after.stem}.html").read_text(encoding="utf-8")
    for lesson in chosen:
        assert "<summary>Hint 3</summary>" in (out / f"{lesson.stem}.html").read_text(encoding="utf-8")
        assert (out / "notebooks" / f"{lesson.stem}.ipynb").exists()


def test_the_contents_link_to_the_api_pages_where_there_are_any(book):
    from lessons.book.page import index_page
    assert 'href="../docs/index.html"' in index_page(book[1], True, ENGLISH)
    assert "../docs/" not in (book[0] / "index.html").read_text(encoding="utf-8")


def test_a_second_build_runs_nothing_again(book, capsys):
    from lessons.book import build
    out, chosen = book
    build(chosen, quick=True, out=out)
    assert capsys.readouterr().out.count("unchanged") == len(chosen)


def browse(page, tmp_path, *options):
    """Open a page in Chromium. Returns (its standard output, the messages of the page's console)."""
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--enable-logging=stderr",
         f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=2000", *options, page.as_uri()],
        capture_output=True, encoding="utf-8", timeout=120, check=False)
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
def test_pages_open_without_console_messages_and_fit_a_phone(book, tmp_path):
    out, _ = book
    probe = ("<script>addEventListener('load', () => parent.postMessage("
             "document.documentElement.scrollWidth + ' wide, ' "
             "+ [...document.images].filter(i => !i.naturalWidth).length + ' broken', '*'))</script></body>")
    phone = ("<title>nothing</title><script>onmessage = event => document.title = event.data</script>"
             '<iframe src="probe.html" width="360" height="640" frameborder="0"></iframe>')
    for path in sorted(out.glob("*.html")):
        (out / "probe.html").write_text(path.read_text(encoding="utf-8").replace("</body>", probe), encoding="utf-8")
        (out / "phone.html").write_text(phone, encoding="utf-8")
        dumped, messages = browse(out / "phone.html", tmp_path, "--dump-dom")
        (out / "probe.html").unlink()
        (out / "phone.html").unlink()
        wide, broken = map(int, re.search(r"<title>(\d+) wide, (\d+) broken</title>", dumped).groups())
        assert not messages and not broken
        assert wide <= 360, f"{path.name} is {wide} pixels wide on a phone of 360"


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
def test_keys_turn_pages(book, tmp_path):
    out, chosen = book
    page = Path(out / f"{chosen[0].stem}.html")
    press = ("<script>addEventListener('load', () => document.body.dispatchEvent("
             "new KeyboardEvent('keydown', {key: 'KEY', bubbles: true})))</script>")
    for key, title in (("n", chosen[1].question), ("ArrowRight", chosen[1].question), ("i", "the lessons")):
        probed = out / "probe.html"
        probed.write_text(page.read_text(encoding="utf-8").replace("</body>", press.replace("KEY", key) + "</body>"),
                          encoding="utf-8")
        dumped, _ = browse(probed, tmp_path, "--dump-dom")
        probed.unlink()
        assert title in re.search("<title>(.*?)</title>", dumped)[1]
