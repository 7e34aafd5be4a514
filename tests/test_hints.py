"""Messages name the make targets in a checkout, and ``minigooglenet`` where the package is installed."""

import ast
import re
import sys

import pytest
import small

from lessons import catalog, check, progress, report, verdict
from minigooglenet import hints
from minigooglenet.cli import COMMANDS, overview, parser_for
from minigooglenet.errors import UserError, need

ONLY_IN_A_CHECKOUT = re.compile(rf"\bmake ({'|'.join(hints.TARGETS)}|test|help|setup)\b(?! (a|the|each|an)\b)|"
                                r"\.\[\w+\]|\bHINT=|python -m (minigooglenet|lessons)|lessons/exercises|"
                                r"git (checkout|diff)")


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """As in a package started by its console command in an empty folder."""
    monkeypatch.setattr(hints, "TOP", tmp_path)
    monkeypatch.setattr(sys, "argv", ["/usr/bin/minigooglenet"])
    for module in (catalog, progress, verdict):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setenv("MINIGOOGLENET_PROGRESS", str(tmp_path / "progress.json"))
    return tmp_path


COMMAND_LINES = [
    ("train", "", "make train", "minigooglenet train"),
    ("train", "--out x", "python -m minigooglenet train --out x", "minigooglenet train --out x"),
    ("weights", "", "python -m minigooglenet weights", "minigooglenet weights"),
    ("lesson", "", "make lesson", "minigooglenet lesson"),
    ("lesson", "7", "make lesson N=7", "minigooglenet lesson 7"),
    ("check", "7 --hint 1", "make check N=7 HINT=1", "minigooglenet check 7 --hint 1"),
    ("check", "2 --hint 2 --exercise col2im", 'make check N=2 HINT=2 ARGS="--exercise col2im"',
     "minigooglenet check 2 --hint 2 --exercise col2im"),
]


@pytest.mark.parametrize("command, arguments, checkout, installed", COMMAND_LINES)
def test_hint(command, arguments, checkout, installed, monkeypatch, tmp_path):
    assert hints.hint(command, arguments) == checkout
    monkeypatch.setattr(hints, "TOP", tmp_path)
    assert hints.hint(command, arguments) == installed
    assert hints.localized(f"Run `{checkout}`.") == f"Run `{installed}`."


@pytest.mark.parametrize("started, checkout, elsewhere", [
    ("/usr/bin/minigooglenet", "minigooglenet", "minigooglenet"),
    ("C:/Scripts/minigooglenet.exe", "minigooglenet", "minigooglenet"),
    ("/x/minigooglenet/__main__.py", "python -m minigooglenet", "python -m minigooglenet"),
    ("mine.py", "python -m minigooglenet", "minigooglenet"), ("", "python -m minigooglenet", "minigooglenet")])
def test_program_is_what_started_it(started, checkout, elsewhere, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", [started])
    assert hints.program() == checkout
    monkeypatch.setattr(hints, "TOP", tmp_path)
    assert hints.program() == elsewhere


def test_a_missing_package_names_its_extra(installed, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(UserError, match=r"install the extra: pip install 'minigooglenet\[onnx\]'$"):
        need("onnx", "this")
    monkeypatch.setattr(hints, "TOP", small.ROOT)
    with pytest.raises(UserError, match=r"install the extra: python -m pip install -e '\.\[onnx\]'$"):
        need("onnx", "this")


@pytest.mark.parametrize("name", COMMANDS)
def test_help_pages_of_an_installed_package(name, installed):
    text = parser_for(name).format_help()
    assert text.startswith(f"usage: minigooglenet {name} ")
    assert not ONLY_IN_A_CHECKOUT.search(text)


def test_overview_of_an_installed_package(installed):
    assert "usage: minigooglenet COMMAND" in overview() and not ONLY_IN_A_CHECKOUT.search(overview())


@pytest.mark.parametrize("lesson", catalog.lessons(), ids=lambda lesson: lesson.number)
def test_lessons_and_stubs_of_an_installed_package(lesson, installed):
    for cell in lesson.cells():
        assert cell.kind == "code" or not ONLY_IN_A_CHECKOUT.search(cell.text), cell.text
    assert check.hand_out(lesson) == f"exercises/{lesson.stem}.py: copied for you to write in"
    stub = installed / "exercises" / f"{lesson.stem}.py"
    first = stub.read_text(encoding="utf-8").splitlines()[0]
    assert f"minigooglenet check {int(lesson.number)} " in first and not ONLY_IN_A_CHECKOUT.search(first)
    for hint in (0, 9):
        assert not ONLY_IN_A_CHECKOUT.search(report.detailed(lesson, check.check(lesson), hint))
    stub.write_text("# mine\n")
    assert check.hand_out(lesson) is None and stub.read_text() == "# mine\n"  # it is never overwritten
    assert not ONLY_IN_A_CHECKOUT.search(report.detailed(lesson, check.check(lesson)))
    assert not ONLY_IN_A_CHECKOUT.search(progress.overview())


def test_answers_to_a_lesson_with_an_older_number_are_renamed(installed):
    (installed / "exercises").mkdir()
    (installed / "exercises" / "05_one_by_one.py").write_text("# mine\n")
    lesson = catalog.find(7)
    assert check.hand_out(lesson) == ("exercises/05_one_by_one.py: renamed to 07_one_by_one.py, "
                                      "because the lesson has a new number")
    assert [path.name for path in (installed / "exercises").iterdir()] == ["07_one_by_one.py"]
    assert lesson.beside("exercises").read_text() == "# mine\n" and check.hand_out(lesson) is None


def test_a_checkout_has_its_stubs_already():
    assert check.hand_out(catalog.find(7)) is None


PAGES = {"DESCRIPTION", "EXAMPLES", "EPILOG", "WEIGHTS"}  # texts that cli.py localizes


@pytest.mark.parametrize("path", [*sorted((small.ROOT / "minigooglenet").rglob("*.py")),
                                  *sorted((small.ROOT / "lessons").glob("[a-z]*.py"))],
                         ids=lambda path: path.relative_to(small.ROOT).as_posix())
def test_messages_use_hint(path):
    """No string in the code names what only a checkout has, except docstrings and texts that are localized."""
    if path.name in ("hints.py", "__main__.py"):
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    left_out = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    left_out |= {id(part) for node in tree.body if isinstance(node, ast.Assign)
                 and {getattr(target, "id", "") for target in node.targets} & PAGES for part in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in left_out:
            found = ONLY_IN_A_CHECKOUT.search(node.value)
            assert not found or "in_checkout()" in path.read_text().splitlines()[node.lineno - 1] \
                or "replace(" in path.read_text().splitlines()[node.lineno - 1], node.value


def test_one_of_a_thing_is_singular():
    assert [hints.counted(n, "epoch") for n in (0, 1, 2, 2000)] == ["0 epochs", "1 epoch", "2 epochs", "2,000 epochs"]
    assert [hints.counted(n, "patch", "patches") for n in (1, 2)] == ["1 patch", "2 patches"]
