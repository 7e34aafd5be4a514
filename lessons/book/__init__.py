"""``python -m lessons book``: build executed notebooks and a static web site of the lessons in build/book/.

jupytext converts a lesson to a notebook, nbclient runs it (notebooks.py), and nbconvert converts it to HTML (body.py);
page.py makes the page around it. The pages load nothing from a network. A lesson is run again only if it or the library
has changed. An edition in another language is in a folder of its own, build/book/zh/.
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from minigooglenet.errors import need
from minigooglenet.files import write_atomically

from ..catalog import ROOT, Lesson
from ..translation import ENGLISH, Translation
from . import body, notebooks, page, search

BUILD = ROOT / "build" / "book"
HERE = page.HERE


def build(lessons: Sequence[Lesson], quick: bool = False, out: Path = BUILD, t: Translation = ENGLISH) -> int:
    """Build a book of ``lessons`` in the folder ``out``. Returns the exit code: 1 if a lesson failed.

    Raises UserError if a package of the extra "book" is missing.
    """
    for package in ("jupytext", "nbclient", "nbconvert", "ipykernel", "pygments"):
        need(package, "the book")
    if quick:
        os.environ["MINIGOOGLENET_QUICK"] = "1"  # Jupyter kernels inherit it
    failed, pages = [], []
    for lesson in lessons:
        notebook, failure = notebooks.executed(lesson, out / "notebooks" / f"{lesson.stem}.ipynb", quick)
        if failure:
            failed.append(lesson.number)
            print(f"{lesson.number}  failed: {failure}")
        pages.append((lesson, notebook))
    if t.language != "en":
        out = out / t.language
        for lesson, notebook in pages:
            notebooks.save(notebook, out / "notebooks" / f"{lesson.stem}.ipynb", t)
    notebooks.add_wheel(out / "notebooks")
    write_pages(pages, out, t)
    where = out / "index.html"
    print(f"The book: {where.relative_to(ROOT) if where.is_relative_to(ROOT) else where}")
    return 1 if failed else 0


def write_pages(pages: Sequence[tuple[Lesson, "notebooks.Notebook"]], out: Path, t: Translation) -> None:
    """Write all HTML pages, from (lesson, executed notebook), and the files that they use."""
    lessons = [lesson for lesson, _ in pages]
    for at, (lesson, notebook) in enumerate(pages):
        before = lessons[at - 1] if at else None
        after = lessons[at + 1] if at + 1 < len(pages) else None
        text = body.body(lesson, notebook, lessons, t)
        _write(out / f"{lesson.stem}.html", page.lesson_page(lesson, text, before, after, t, page.editions(
            out, f"{lesson.stem}.html", t)))
    top = out if t.language == "en" else out.parent
    api = (top.parent / "docs" / "index.html").exists()
    words = body.glossary(lessons, t)
    _write(out / "glossary.html", page.glossary_page(words, t))
    _write(out / "search.html", page.search_page(t))
    _write(out / "search-index.js", search.index(pages, words, t))
    _write(out / "index.html", page.index_page(lessons, api, t, page.editions(out, "index.html", t)))
    for file in (*HERE.glob("*.css"), *HERE.glob("*.js"), *HERE.glob("widgets/*.js")):
        target = out / file.relative_to(HERE)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)


def _write(path, text):
    write_atomically(path, lambda file: file.write(text.encode()))
