"""The book: its links are valid, it needs no network. test_book_browser.py opens it."""

import os
import re
import subprocess
import sys
import zipfile
from html.parser import HTMLParser

import pytest

from lessons.translation import ENGLISH

pytest.importorskip("jupytext", reason="the book's tools are not installed: make book sets them up")
pytest.importorskip("nbconvert", reason="the book's tools are not installed: make book sets them up")


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


def test_the_chinese_edition_has_its_own_pages_in_chinese(book):
    out, chosen = book
    for path in sorted((out / "zh").glob("*.html")):
        text = path.read_text(encoding="utf-8")
        assert '<html lang="zh">' in text and "全部课程" in text or path.name == "index.html"
        for reference in Page(text).references:
            file = reference.partition("#")[0]
            assert not file or file.startswith(("data:", "http")) or (path.parent / file).exists(), reference
    page = (out / "zh" / f"{chosen[0].stem}.html").read_text(encoding="utf-8")
    assert "先猜一猜" in page and "Predict first" not in page and 'hreflang="en" lang="en">English</a>' in page
    notebook = (out / "zh" / "notebooks" / f"{chosen[0].stem}.ipynb").read_text(encoding="utf-8")
    assert "先猜一猜" in notebook and '"id": "set-up"' in notebook


def test_a_notebook_installs_the_package_in_its_first_cell(book, tmp_path):
    """In an environment that does not have the package, the set-up cell installs the wheel, or says what is missing."""
    import nbformat
    out, chosen = book
    notebook = nbformat.read(out / "notebooks" / f"{chosen[0].stem}.ipynb", as_version=4)
    nbformat.validate(notebook)
    code = notebook.cells[0].source
    (tmp_path / "pip").mkdir()  # stands in for pip
    (tmp_path / "pip" / "__init__.py").touch()
    (tmp_path / "pip" / "__main__.py").write_text("import sys\nprint('pip', *sys.argv[1:])\n")
    blank = [sys.executable, "-S", "-c", code]  # without site-packages
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(blank, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and re.fullmatch(r"Upload minigooglenet-.*\.whl .*\n", done.stderr)
    (tmp_path / "minigooglenet-9-py3-none-any.whl").touch()
    done = subprocess.run(blank, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "pip install --quiet minigooglenet-9-py3-none-any.whl\n"


def test_the_wheel_is_beside_the_notebooks(book):
    pytest.importorskip("setuptools", minversion="77.0.3")
    wheel, = (book[0] / "notebooks").glob("minigooglenet-*.whl")
    assert {"lessons/helpers.py", "lessons/07_one_by_one.py", "minigooglenet/__init__.py"} <= set(
        zipfile.ZipFile(wheel).namelist())
