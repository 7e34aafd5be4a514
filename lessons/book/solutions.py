"""Hints and solutions of the exercises in the book, one by one and folded."""

import ast
from collections.abc import Mapping, Sequence
from html import escape

from ..exercise import Exercise
from ..translation import Translation


def of_each(source: str) -> dict[str, str]:
    """{exercise: its solution with all that it uses} from a file in solutions/: imports, constants and helpers."""
    body = [node for node in ast.parse(source).body if not _is_docstring(node)]
    named = {name: node for node in body for name in _defines(node)}
    found = {}
    for node in body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            needed, new = {id(node)}, [node]
            while new:
                for name in {n.id for n in ast.walk(new.pop()) if isinstance(n, ast.Name)} & named.keys():
                    if id(named[name]) not in needed:
                        needed.add(id(named[name]))
                        new.append(named[name])
            found[node.name] = _joined([one for one in body if id(one) in needed], source)
    return found


def _is_docstring(node):
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _defines(node):
    """The names that a statement defines."""
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return [(alias.asname or alias.name).partition(".")[0] for alias in node.names]
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return [node.name]
    return [n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]


def _joined(nodes, source):
    text = ""
    for node in nodes:
        start = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
        lines = "\n".join(source.splitlines()[start - 1:node.end_lineno])
        text += ("\n\n\n" if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and text else "\n") + lines
    return text.strip("\n") + "\n"


def html(exercises: Sequence[Exercise], answers: Mapping[str, str], t: Translation) -> str:
    """The hints of every exercise and its solution, folded."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer
    parts = [f'<section class="hints" aria-label="{t("hints and solutions")}">']
    for exercise in exercises:
        parts.append(f'<p>{t("Hints for")} <code>{escape(exercise.name)}</code></p>')
        parts += [f'<details><summary>{t("Hint {n}").format(n=at)}</summary><p>{escape(t(hint))}</p></details>'
                  for at, hint in enumerate(exercise.hints, 1)]
        if exercise.name in answers:
            code = highlight(answers[exercise.name], PythonLexer(), HtmlFormatter(cssclass="highlight"))
            parts.append(f'<details><summary>{t("Solution")}</summary>{code}</details>')
    return "\n".join([*parts, "</section>"])
