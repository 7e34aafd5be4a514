"""``python -m lessons book``: build executed notebooks and a static web site of the lessons in build/book/.

jupytext converts a lesson to a notebook, nbclient runs it, and nbconvert converts it to HTML; book_page.py makes the
page around it. The pages load nothing from a network. A lesson is run again only if it or the library has changed.
"""

import copy
import hashlib
import json
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from minigooglenet.errors import UserError, need
from minigooglenet.files import write_atomically
from minigooglenet.hints import localized

from . import book_page
from .catalog import HERE, ROOT, Lesson
from .check import exercises

BUILD = ROOT / "build" / "book"
KEY = "minigooglenet"  # the metadata key of the fingerprint in a notebook


def build(lessons: Sequence[Lesson], quick: bool = False, out: Path = BUILD) -> int:
    """Build a book of ``lessons`` in the folder ``out``. Returns the exit code: 1 if a lesson failed.

    Raises UserError if a package of the extra "book" is missing.
    """
    for package in ("jupytext", "nbclient", "nbconvert", "ipykernel", "pygments"):
        need(package, "the book")
    if quick:
        os.environ["MINIGOOGLENET_QUICK"] = "1"  # Jupyter kernels inherit it
    failed, pages = [], []
    for lesson in lessons:
        notebook, failure = _notebook(lesson, out / "notebooks" / f"{lesson.stem}.ipynb", quick)
        if failure:
            failed.append(lesson.number)
            print(f"{lesson.number}  failed: {failure}")
        pages.append((lesson, notebook))
    for at, (lesson, notebook) in enumerate(pages):
        before = pages[at - 1][0] if at else None
        after = pages[at + 1][0] if at + 1 < len(pages) else None
        body = _body(lesson, notebook, lessons)
        _write(out / f"{lesson.stem}.html", book_page.lesson_page(lesson, body, before, after))
    api = (out.parent / "docs" / "index.html").exists()
    words = _glossary(lessons)
    _write(out / "glossary.html", book_page.glossary_page(words))
    _write(out / "index.html", book_page.index_page(lessons, api))
    shutil.copyfile(HERE / "book.css", out / "book.css")
    where = out / "index.html"
    print(f"The book: {where.relative_to(ROOT) if where.is_relative_to(ROOT) else where}")
    return 1 if failed else 0


def _write(path, text):
    write_atomically(path, lambda file: file.write(text.encode()))


# -- notebooks -------------------------------------------------------------------------------------------------------

def fingerprint(lesson: Lesson, quick: bool) -> str:
    """A hash of the lesson, its helpers and the library."""
    files = [lesson.path, HERE / "helpers.py", *sorted((HERE.parent / "minigooglenet").rglob("*.py"))]
    digest = hashlib.sha256(b"quick" if quick else b"full")
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _notebook(lesson, path, quick):
    """Run the lesson and save the notebook as ``path``. Returns (the executed notebook, its error message or None)."""
    import jupytext
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    now = fingerprint(lesson, quick)
    if path.exists():
        try:
            kept = nbformat.read(path, as_version=4)
            if kept.metadata.get(KEY) == now:
                print(f"{lesson.number}  unchanged")
                return kept, None
        except (ValueError, KeyError, AttributeError):
            pass  # a damaged notebook: build it again
    print(f"{lesson.number}  {lesson.question}", flush=True)
    notebook = jupytext.read(lesson.path)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = localized(cell.source)
    notebook.metadata = nbformat.from_dict({
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python"}})
    failure, kernel = None, _kernel()
    try:
        NotebookClient(notebook, km=kernel, timeout=None, coalesce_streams=True,
                       resources={"metadata": {"path": str(ROOT)}}).execute()
        notebook.metadata[KEY] = now
    except CellExecutionError as error:
        failure = str(error).strip().splitlines()[-1]
    finally:
        kernel.shutdown_kernel(now=True)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # start and end times, which readers do not need
    _write(path, json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
    return notebook, failure


def _kernel():
    """A kernel of the running Python. Except on Windows, it uses Unix sockets, which other users cannot read."""
    from jupyter_client import KernelManager
    return KernelManager(kernel_name="python3", transport="tcp" if os.name == "nt" else "ipc")


# -- HTML ------------------------------------------------------------------------------------------------------------

def _body(lesson, notebook, lessons):
    """The notebook's cells as HTML, with collapsed hints and solutions below the exercises."""
    from nbconvert import HTMLExporter
    notebook = copy.deepcopy(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = _links(cell.source, lessons)
    notebook.cells[0].source = re.sub(r"^# .*\n", "", notebook.cells[0].source)  # the page already has the title
    exporter = HTMLExporter(raw_template=book_page.TEMPLATE, template_name="basic", embed_images=True)
    exporter.exclude_input_prompt = exporter.exclude_output_prompt = True
    exporter.exclude_anchor_links = True
    body, _ = exporter.from_notebook_node(notebook)
    return book_page.accessible(_with_hints(body, lesson))


def _links(text, lessons):
    """The text with each "lesson 07" replaced by a link to that lesson's page, if the book has it."""
    stems = {lesson.number: lesson.stem for lesson in lessons}
    return re.sub(r"\b([Ll]esson)\s(\d\d)\b",
                  lambda m: f"[{m[0]}]({stems[m[2]]}.html)" if m[2] in stems else m[0], text)


def _with_hints(body, lesson):
    found = exercises(lesson)
    if not found:
        return body
    collapsed = book_page.hints(found, lesson.beside("solutions").read_text(encoding="utf-8"))
    heading = body.find("<h2>If you got")
    if heading < 0:
        raise UserError(f"{lesson.path.name}: section 'If you got …' is missing; the hints go in front of it")
    at = body.rfind(book_page.CELL, 0, heading)
    return body[:at] + collapsed + body[at:]


def _glossary(lessons):
    """{term: (meaning, Lesson)} from the glossaries of the lessons. The first lesson that explains a term counts."""
    words = {}
    for lesson in lessons:
        for cell in lesson.cells():
            if cell.kind == "markdown" and cell.text.startswith("## Glossary"):
                for term, meaning in re.findall(r"^\* \*\*(.+?)\*\*: (.+(?:\n  .+)*)", cell.text, re.MULTILINE):
                    words.setdefault(term, (" ".join(meaning.split()), lesson))
    return dict(sorted(words.items(), key=lambda item: item[0].casefold()))
