"""``python -m lessons book``: every lesson as a notebook with outputs, and one static web site in build/book/.

jupytext turns the lesson into a notebook, nbclient runs it, nbconvert turns it into HTML; the page around it is
book_page.py's. Nothing on the pages comes from a network. A lesson that has not changed since it was last built, nor
the library under it, is not run again.
"""

import copy
import hashlib
import json
import os
import re
import shutil

from minigooglenet.errors import UserError
from minigooglenet.files import write_atomically

from . import book_page
from .catalogue import HERE
from .check import exercises
from .helpers import ROOT

BUILD = ROOT / "build" / "book"
KEY = "minigooglenet"  # where a notebook's metadata keep the fingerprint


def build(lessons, quick=False, out=BUILD):
    """Build a book of these ``lessons``, in the folder ``out``. Returns the exit code: 1 if a lesson stopped.

    Raises UserError where jupytext, nbclient or nbconvert are missing.
    """
    try:
        import jupytext  # noqa: F401
        import nbclient  # noqa: F401
        import nbconvert  # noqa: F401
    except ImportError as error:
        raise UserError(f"the book needs {error.name}: make book sets it up, or pip install -e '.[book]'") from error
    if quick:
        os.environ["MINIGOOGLENET_QUICK"] = "1"  # the kernels inherit it
    failed, pages = [], []
    for lesson in lessons:
        notebook, error = _notebook(lesson, out / "notebooks" / f"{lesson.stem}.ipynb", quick)
        if error:
            failed.append(lesson.number)
            print(f"{lesson.number}  stopped: {error}")
        pages.append((lesson, notebook))
    for at, (lesson, notebook) in enumerate(pages):
        before = pages[at - 1][0] if at else None
        after = pages[at + 1][0] if at + 1 < len(pages) else None
        body = _body(lesson, notebook, lessons)
        _write(out / f"{lesson.stem}.html", book_page.lesson_page(lesson, body, before, after))
    words = _glossary(lessons)
    _write(out / "glossary.html", book_page.glossary_page(words))
    _write(out / "index.html", book_page.index_page(lessons))
    shutil.copyfile(HERE / "book.css", out / "book.css")
    where = out / "index.html"
    print(f"The book: {where.relative_to(ROOT) if where.is_relative_to(ROOT) else where}")
    return 1 if failed else 0


def _write(path, text):
    write_atomically(path, lambda file: file.write(text.encode()))


# -- running ---------------------------------------------------------------------------------------------------------

def fingerprint(lesson, quick):
    """A text that changes when the lesson, its helpers or the library do."""
    files = [lesson.path, HERE / "helpers.py", *sorted((ROOT / "minigooglenet").rglob("*.py"))]
    digest = hashlib.sha256(b"quick" if quick else b"full")
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _notebook(lesson, path, quick):
    """(the lesson as an executed notebook, also kept in ``path``; the error that stopped it, or None)."""
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
            pass  # not a notebook any more: built anew
    print(f"{lesson.number}  {lesson.question}", flush=True)
    notebook = jupytext.read(lesson.path)
    notebook.metadata = nbformat.from_dict({
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python"}})
    error, kernel = None, _kernel()
    try:
        NotebookClient(notebook, km=kernel, timeout=None, coalesce_streams=True,
                       resources={"metadata": {"path": str(ROOT)}}).execute()
        notebook.metadata[KEY] = now
    except CellExecutionError as stopped:
        error = str(stopped).strip().splitlines()[-1]
    finally:
        kernel.shutdown_kernel(now=True)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # times of day: of no use to a reader
    _write(path, json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
    return notebook, error


def _kernel():
    """A kernel of this very Python; where the system has them, over a local socket that no other user can read."""
    from jupyter_client import KernelManager
    return KernelManager(kernel_name="python3", transport="tcp" if os.name == "nt" else "ipc")


# -- turning into HTML -----------------------------------------------------------------------------------------------

def _body(lesson, notebook, lessons):
    """The notebook's cells as HTML; hints and solutions are folded in below the exercises."""
    from nbconvert import HTMLExporter
    notebook = copy.deepcopy(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = _links(cell.source, lessons)
    notebook.cells[0].source = re.sub(r"^# .*\n", "", notebook.cells[0].source)  # the page has the title already
    exporter = HTMLExporter(raw_template=book_page.TEMPLATE, template_name="basic", embed_images=True)
    exporter.exclude_input_prompt = exporter.exclude_output_prompt = True
    exporter.exclude_anchor_links = True
    body, _ = exporter.from_notebook_node(notebook)
    return book_page.reachable(_with_hints(body, lesson))


def _links(text, lessons):
    """The text with "lesson 05" turned into a link to its page, where there is one."""
    stems = {lesson.number: lesson.stem for lesson in lessons}
    return re.sub(r"\b([Ll]esson)\s(\d\d)\b",
                  lambda m: f"[{m[0]}]({stems[m[2]]}.html)" if m[2] in stems else m[0], text)


def _with_hints(body, lesson):
    found = exercises(lesson)
    if not found:
        return body
    folded = book_page.hints(found, lesson.beside("solutions").read_text(encoding="utf-8"))
    heading = body.find("<h2>If you got")
    if heading < 0:
        raise UserError(f"{lesson.path.name}: there is no section 'If you got …' to put the hints in front of")
    at = body.rfind(book_page.CELL, 0, heading)
    return body[:at] + folded + body[at:]


def _glossary(lessons):
    """{term: (what it means, its Lesson)} from the lessons' glossaries; the first lesson to explain a term is right."""
    words = {}
    for lesson in lessons:
        for cell in lesson.cells():
            if cell.kind == "markdown" and cell.text.startswith("## Glossary"):
                for term, meaning in re.findall(r"^\* \*\*(.+?)\*\*: (.+(?:\n  .+)*)", cell.text, re.MULTILINE):
                    words.setdefault(term, (" ".join(meaning.split()), lesson))
    return dict(sorted(words.items(), key=lambda item: item[0].casefold()))
