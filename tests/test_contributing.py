"""CONTRIBUTING.md names files, classes and functions. All of them exist."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NAMES = sorted({(path, name) for path, name in re.findall(
    r"`([\w/]+\.py)(?::([\w.]+))?`", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")) if "NAME" not in path})


def definitions(body):
    """{name: node} of the functions, classes and variables that a module or a class defines."""
    found = {}
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node
        for target in getattr(node, "targets", [getattr(node, "target", None)]):
            if isinstance(target, ast.Name):
                found[target.id] = node
    return found


def test_names_are_found():
    assert len(NAMES) > 40


@pytest.mark.parametrize("path, name", NAMES, ids=[f"{path}:{name}" for path, name in NAMES])
def test_name_exists(path, name):
    file = next((folder / path for folder in (ROOT / "minigooglenet", ROOT) if (folder / path).exists()), None)
    assert file, f"CONTRIBUTING.md names {path}, which does not exist"
    body = ast.parse(file.read_text(encoding="utf-8")).body
    for part in filter(None, name.split(".")):
        known = definitions(body)
        assert part in known, f"CONTRIBUTING.md names {path}:{name}, which does not exist"
        body = getattr(known[part], "body", [])
