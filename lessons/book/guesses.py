""""Predict first" in the book: a question, a field for a guess, and the outcome that the lesson computed.

The guess stays in the page: guesses.js compares it in the browser. Without JavaScript the outcome unfolds.
"""

import ast
import re
from collections.abc import Mapping
from html import escape
from typing import Any

from ..translation import Translation

#: What ``compare`` prints if there is no guess, and how it begins if there is one.
ENDING = r"\. (\(No guess was written down\.\)|You guessed .*)$"


def compared(code: str) -> dict[str, str]:
    """{variable: what} for each ``compare("what", guess_variable, …)`` in the code of a cell."""
    found = {}
    for node in ast.walk(ast.parse(code)):
        if (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "compare"
                and isinstance(node.args[0], ast.Constant) and isinstance(node.args[1], ast.Name)):
            found[node.args[1].id] = node.args[0].value
    return found


def outcomes(notebook: Any) -> dict[str, tuple[str, str, str]]:
    """{variable: (what was guessed, the outcome, the rest of the line)}, from what the notebook's cells print."""
    found = {}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            printed = "".join(output.get("text", "") for output in cell.get("outputs", []))
            for name, what in compared(cell.source).items():
                if line := re.search(rf"^{re.escape(what)}: (.*?){ENDING}", printed, re.MULTILINE):
                    found[name] = what, line[1], line[2]
    return found


def asked(questions: Mapping[str, str], outcomes: Mapping[str, tuple[str, str, str]], t: Translation) -> str:
    """The questions {variable: question} as HTML."""
    items = []
    for name, question in questions.items():
        item = f'<p id="question-{name}">{escape(question)}</p>'
        if name in outcomes:
            what, outcome, _ = outcomes[name]
            item += (f'<details class="outcome" data-guess="{name}" data-outcome="{escape(outcome)}">'
                     f'<summary>{t("answer")}</summary>'
                     f'<p>{escape(t(what))}: <strong>{escape(t(outcome))}</strong></p></details>')
        items.append(f"<li>{item}</li>")
    return f'<ol class="guesses">{"".join(items)}</ol>'


def marked(html: str, outcomes: Mapping[str, tuple[str, str, str]]) -> str:
    """The HTML of the page with an element around each verdict in the output, which guesses.js replaces."""
    for name, (what, outcome, rest) in outcomes.items():
        line = f"{escape(what, False)}: {escape(outcome, False)}. "
        html = html.replace(line + escape(rest, False),
                            f'{line}<span data-verdict="{name}">{escape(rest, False)}</span>', 1)
    return html
