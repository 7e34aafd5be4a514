"""Notebooks of the book: converted by jupytext, executed by nbclient, with a first cell that installs the package."""

import copy
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

from minigooglenet import __version__
from minigooglenet.files import write_atomically
from minigooglenet.hints import in_checkout, localized

from ..catalog import HERE, ROOT, Lesson
from ..translation import ENGLISH, Translation

KEY = "minigooglenet"  # the metadata key of the fingerprint in a notebook
WHEEL = f"minigooglenet-{__version__}-py3-none-any.whl"

Notebook = Any  # nbformat.NotebookNode

#: The first cell. Where the package is missing, as in Colab, it installs the wheel beside the notebook, or the address.
SET_UP = """\
# Set-up: installs minigooglenet where it is missing, as in Colab.
import glob, importlib.util, subprocess, sys

if not importlib.util.find_spec("minigooglenet"):
    source = [*glob.glob("minigooglenet-*.whl"), {address!r}][0]
    if not source:
        raise SystemExit("Upload {wheel} (Files, at the left), and run this cell again. It is beside this notebook.")
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", source], check=True)\
"""


def address() -> str:
    """Where pip finds the project: the repository that the package's metadata names, or the one whose workflow builds
    the book; "" if there is neither."""
    try:
        links = metadata.metadata("minigooglenet").get_all("Project-URL") or []
    except metadata.PackageNotFoundError:
        links = []
    known = dict(link.split(", ", 1) for link in links).get("Repository", "")
    if not known and (repository := os.environ.get("GITHUB_REPOSITORY")):
        known = f"{os.environ['GITHUB_SERVER_URL']}/{repository}"
    return known and f"git+{known}"


def fingerprint(lesson: Lesson, quick: bool) -> str:
    """A hash of the lesson, of the modules that lessons import, and of the library."""
    files = [lesson.path, *sorted(HERE.glob("[!0-9]*.py")), *sorted((HERE.parent / "minigooglenet").rglob("*.py"))]
    digest = hashlib.sha256(b"quick" if quick else b"full")
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def executed(lesson: Lesson, path: Path, quick: bool) -> tuple[Notebook, str | None]:
    """Run the lesson, unless ``path`` has the result, and save the notebook there. Returns the executed notebook,
    without the set-up cell and with the texts as in the lesson, and its error message or None."""
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
                del kept.cells[0]  # the set-up
                for cell, original in zip(kept.cells, lesson.source(), strict=True):
                    cell.source = original.text  # as it was before ``save``
                return kept, None
        except (ValueError, KeyError, AttributeError, IndexError):
            pass  # a damaged notebook: build it again
    print(f"{lesson.number}  {lesson.question}", flush=True)
    notebook = jupytext.read(lesson.path)
    notebook.metadata = nbformat.from_dict({
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python"}})
    failure = None
    with tempfile.TemporaryDirectory() as private:
        kernel = _kernel(private)
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
    save(notebook, path, ENGLISH)
    return notebook, failure


def save(notebook: Notebook, path: Path, t: Translation) -> None:
    """Write the notebook for readers: a set-up cell first, texts in their language, with commands that work here."""
    from nbformat.v4 import new_code_cell
    notebook = copy.deepcopy(notebook)
    for cell in notebook.cells:
        cell.source = localized(t.markdown(cell.source)) if cell.cell_type == "markdown" else t.code(cell.source)
    set_up = new_code_cell(SET_UP.format(address=address(), wheel=WHEEL), id="set-up")
    notebook.cells.insert(0, set_up)
    text = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
    write_atomically(path, lambda file: file.write(text.encode()))


def add_wheel(folder: Path) -> None:
    """Build the wheel that the set-up cell installs, from a copy of the sources: a build leaves files behind."""
    if not in_checkout():
        return
    for old in folder.glob("minigooglenet-*.whl"):
        old.unlink()
    with tempfile.TemporaryDirectory() as place:
        for name in ("minigooglenet", "lessons"):
            shutil.copytree(ROOT / name, Path(place) / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, place)
        code = f"from setuptools import build_meta; build_meta.build_wheel({str(folder)!r})"
        done = subprocess.run([sys.executable, "-c", code], cwd=place, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"note: {WHEEL} was not built, so the notebooks need an installed package: "
              f"{(done.stderr.strip().splitlines() or ['no reason given'])[-1]}")


def _kernel(private):
    """A kernel of the running Python. Except on Windows, it uses Unix sockets in the folder ``private``, which other
    users cannot read: by default they were in the current folder, where a kernel of another folder does not find them.
    """
    from jupyter_client import KernelManager
    if os.name == "nt":
        return KernelManager(kernel_name="python3", transport="tcp")
    return KernelManager(kernel_name="python3", transport="ipc", ip=str(Path(private) / "kernel"))
