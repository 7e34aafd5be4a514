"""The body of a lesson's page: its cells as HTML, with guesses to enter, and with assertions and solutions folded."""

import ast
import copy
import re
from collections.abc import Mapping, Sequence
from typing import Any

from minigooglenet.hints import localized

from ..catalog import Lesson, questions
from ..check import exercises
from ..translation import Translation
from . import guesses, page, solutions, widgets

#: nbconvert's template. Cells with HTML of their own show that; the code of figures and assertions are folded.
TEMPLATE = """\
{%- extends 'basic/index.html.j2' -%}
{% block markdowncell -%}
{%- if cell.metadata.html -%}{{ cell.metadata.html }}{%- else -%}{{ super() }}{%- endif -%}
{%- endblock markdowncell %}
{% block input_group -%}
{%- if cell.metadata.fold -%}
<details class="code"><summary>{{ cell.metadata.fold }}</summary>{{ super() }}</details>
{%- else -%}{{ super() }}{%- endif -%}
{% endblock input_group %}
{% block input %}
<div class="input_area">
{%- for asserts, code in cell.source | parts -%}
{%- if asserts -%}<details class="code"><summary>{{ asserts }}</summary>{{ code | highlight_code }}</details>
{%- else -%}{{ code | highlight_code }}{%- endif -%}
{%- endfor -%}
</div>
{% endblock input %}
"""


def body(lesson: Lesson, notebook: Any, lessons: Sequence[Lesson], t: Translation) -> str:
    """The HTML of an executed notebook (of notebooks.executed). ``lessons`` are those that links may lead to."""
    from nbconvert import HTMLExporter
    from nbformat.v4 import new_markdown_cell
    notebook = copy.deepcopy(notebook)
    outcomes = guesses.outcomes(notebook)
    cells = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            heading = cell.source.partition("\n")[0].removeprefix("## ")
            for html in (widgets.before(lesson.topic, heading, t),
                         _hints(lesson, t) if heading.startswith("If you got") else ""):
                if html:
                    cells.append(new_markdown_cell(metadata={"html": html}))
            cell.source = _links(localized(t.markdown(cell.source)), lessons)
        elif questions(cell.source):
            asked = {name: t(question) for name, question in questions(cell.source).items()}
            cells.append(new_markdown_cell(metadata={"html": guesses.asked(asked, outcomes, t)}))
            cell.source, cell.metadata["fold"] = t.code(cell.source), t("code of this cell")
        elif "figure" in cell.metadata.get("tags", []):
            cell.metadata["fold"] = t("code of this figure")
        for output in cell.get("outputs", []):
            for shown in output.get("metadata", {}).values():
                if isinstance(shown, dict) and "alt" in shown:
                    shown["alt"] = t(shown["alt"])
            if output.get("metadata", {}).get("alt"):
                output.metadata["alt"] = t(output.metadata["alt"])
        cells.append(cell)
    notebook.cells = cells
    first = next(cell for cell in cells if cell.cell_type == "markdown")
    first.source = re.sub(r"^# .*\n", "", first.source)  # the page already has the title
    exporter = HTMLExporter(raw_template=TEMPLATE, template_name="basic", embed_images=True)
    exporter.exclude_input_prompt = exporter.exclude_output_prompt = True
    exporter.exclude_anchor_links = True
    exporter.register_filter("parts", lambda source: [(asserts and _summary(asserts, t), code)
                                                      for asserts, code in parts(source)])
    html, _ = exporter.from_notebook_node(notebook)
    return page.accessible(guesses.marked(html, outcomes))


def parts(source: str) -> list[tuple[int, str]]:
    """The code of a cell, split into [(number of assertions, code)]: 0 for all code between the assertions."""
    lines, found, at = source.splitlines(), [], 0
    runs: list[list[int]] = []  # [first line, line after the last one, number of assertions]
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assert):
            if runs and not "".join(lines[runs[-1][1]:node.lineno - 1]).strip():
                runs[-1][1:] = [node.end_lineno or node.lineno, runs[-1][2] + 1]
            else:
                runs.append([node.lineno - 1, node.end_lineno or node.lineno, 1])
    for start, end, number in [*runs, [len(lines), len(lines), 0]]:
        found += [(0, "\n".join(lines[at:start])), (number, "\n".join(lines[start:end]))]
        at = end
    return [(number, code.strip("\n")) for number, code in found if code.strip()]


def _summary(asserts, t):
    return t("1 assertion") if asserts == 1 else t("{n} assertions").format(n=asserts)


def _links(text, lessons):
    """The text with each "lesson 07" replaced by a link to that lesson's page, if the book has it."""
    stems = {lesson.number: lesson.stem for lesson in lessons}
    return re.sub(r"\b[Ll]esson\s(\d\d)\b|第 ?(\d\d) ?课",
                  lambda m: f"[{m[0]}]({stems[m[1] or m[2]]}.html)" if (m[1] or m[2]) in stems else m[0], text)


def _hints(lesson, t):
    """The hints and the solution of every exercise, folded."""
    if not (found := exercises(lesson)):
        return ""
    answers = solutions.of_each(lesson.beside("solutions").read_text(encoding="utf-8"))
    return solutions.html(found, answers, t)


def glossary(lessons: Sequence[Lesson], t: Translation) -> Mapping[str, tuple[str, Lesson]]:
    """{term: (meaning, Lesson)} from the glossaries of the lessons. The first lesson that explains a term counts."""
    words: dict[str, tuple[str, Lesson]] = {}
    for lesson in lessons:
        for cell in lesson.cells():
            if cell.kind == "markdown" and cell.text.startswith("## Glossary"):
                text = t.markdown(cell.text)
                for term, meaning in re.findall(r"^\* \*\*(.+?)\*\*[:：] ?(.+(?:\n  .+)*)", text, re.MULTILINE):
                    words.setdefault(term, (" ".join(meaning.split()), lesson))
    return dict(sorted(words.items(), key=lambda item: item[0].casefold()))

