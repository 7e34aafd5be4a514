"""HTML pages of the book: the page around the cells, one style sheet, and a short script for keyboard navigation."""

import re
from collections.abc import Mapping, Sequence
from html import escape

from minigooglenet.hints import hint

from .catalog import Lesson
from .check import Exercise

#: nbconvert's template for cells. The code of figures is collapsed.
TEMPLATE = """\
{%- extends 'basic/index.html.j2' -%}
{% block input_group -%}
{%- if 'figure' in cell.metadata.get('tags', []) -%}
<details class="figure-code"><summary>code of this figure</summary>{{ super() }}</details>
{%- else -%}{{ super() }}{%- endif -%}
{% endblock input_group %}
"""

#: The beginning of a cell in nbconvert's HTML.
CELL = '<div class="cell '

#: The link to the pages that docs/api/build.py writes.
API = ' <a href="../docs/index.html">The API of minigooglenet</a>'

SCRIPT = """\
document.addEventListener("keydown", function (event) {
  if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
  const free = !event.target.closest("input, textarea, pre, details, .table, .output_png");
  const way = {n: "next", p: "prev", i: "index", ArrowRight: free && "next", ArrowLeft: free && "prev"}[event.key];
  const link = way && document.querySelector('a[rel="' + way + '"]');
  if (link) location.href = link.href;
});
"""


def _page(title, body, navigation="", footer=""):
    return f"""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="book.css">
</head>
<body>
<a class="skip" href="#main">skip to the text</a>
{navigation}<main id="main">
{body}
</main>
{footer}<script>
{SCRIPT}</script>
</body>
</html>
"""


def _link(lesson, rel, before="", after=""):
    if lesson is None:
        return "<span></span>"
    return f'<a rel="{rel}" href="{lesson.stem}.html">{before}{lesson.number}. {escape(lesson.question)}{after}</a>'


def accessible(body: str) -> str:
    """The same HTML with an id for every heading; wide tables and outputs scroll separately, also by keyboard."""
    body = re.sub(r"<h2>(.*?)</h2>", lambda m: f'<h2 id="{_slug(m[1])}">{m[1]}</h2>', body)
    body = body.replace("<table>", '<div class="table" tabindex="0" role="region" aria-label="table"><table>')
    body = re.sub(r'(output_text">\s*)<pre>', r'\1<pre tabindex="0">', body)  # code is wrapped, its output is not
    return body.replace("</table>", "</table></div>")


def _slug(text):
    return "-".join(re.findall(r"\w+", re.sub(r"<.*?>|&.*?;|'", "", text).lower()))


def lesson_page(lesson: Lesson, body: str, before: Lesson | None, after: Lesson | None) -> str:
    """The page of a lesson, with links to the previous and the next one, if any."""
    top = '<nav aria-label="lessons"><a rel="index" href="index.html">All lessons</a> ' \
          f'<a href="glossary.html">Glossary</a> <a href="notebooks/{lesson.stem}.ipynb" download>Notebook</a></nav>\n'
    bottom = (f'<nav class="turn" aria-label="previous and next lesson">{_link(before, "prev", "← ")}'
              f'{_link(after, "next", "", " →")}</nav>\n'
              '<footer>Keys: n next, p previous, i all lessons; left and right arrow keys turn pages.</footer>\n')
    title = f'<h1><span class="number">{lesson.number}</span> {escape(lesson.question)}</h1>'
    return _page(f"{lesson.number}. {lesson.question}", title + body, top, bottom)


def index_page(lessons: Sequence[Lesson], api: bool = False) -> str:
    """The table of contents; with ``api``, a link to the API pages in the folder docs beside the book."""
    rows = "\n".join(
        f'<li><a href="{lesson.stem}.html"><span class="number">{lesson.number}</span> {escape(lesson.question)}</a>'
        f'<p>You build {_inline(lesson.facts["You build"])}. Figure: {_inline(lesson.facts["Figure"])}.</p></li>'
        for lesson in lessons)
    first = f'<a rel="next" hidden href="{lessons[0].stem}.html">first lesson</a>' if lessons else ""
    body = f"""\
<h1>GoogLeNet from scratch</h1>
<p>A course in {len(lessons)} lessons on <em>Going deeper with convolutions</em> (Szegedy et al. 2014), in plain NumPy.
Each lesson asks one question, builds a small answer, and shows that the library computes the same. You need Python and
school calculus. To take the course, run the lessons yourself: <code>{hint("lesson", "1")}</code>, then
<code>{hint("check", "1")}</code>.</p>
<ol class="contents">
{rows}
</ol>
{first}"""
    return _page("GoogLeNet from scratch: the lessons", body,
                 '<nav aria-label="book"><a href="glossary.html">Glossary</a>'
                 f'{API if api else ""}</nav>\n')


def glossary_page(words: Mapping[str, tuple[str, Lesson]]) -> str:
    """The page of the glossary, from {term: (meaning, Lesson)}."""
    entries = "\n".join(
        f'<dt id="{escape(term.replace(" ", "-"))}">{_inline(term)}</dt><dd>{_inline(meaning)} '
        f'<a href="{lesson.stem}.html">Lesson {lesson.number}</a></dd>' for term, (meaning, lesson) in words.items())
    return _page("Glossary", f"<h1>Glossary</h1>\n<dl>\n{entries}\n</dl>",
                 '<nav aria-label="book"><a rel="index" href="index.html">All lessons</a></nav>\n')


def _inline(text):
    from nbconvert.filters import markdown2html_mistune
    return markdown2html_mistune(text).strip().removeprefix("<p>").removesuffix("</p>")


def hints(exercises: Sequence[Exercise], solutions: str) -> str:
    """The hints of every exercise, followed by the solutions (Python source), all collapsed."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer
    parts = ['<section class="hints" aria-label="hints and solutions">']
    for exercise in exercises:
        parts.append(f"<p>Hints for <code>{escape(exercise.name)}</code></p>")
        parts += [f"<details><summary>Hint {at}</summary><p>{escape(hint)}</p></details>"
                  for at, hint in enumerate(exercise.hints, 1)]
    code = highlight(solutions, PythonLexer(), HtmlFormatter(cssclass="highlight"))
    parts.append(f"<p>Solutions</p><details><summary>all exercises</summary>{code}</details></section>")
    return "\n".join(parts)
