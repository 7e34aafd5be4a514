"""What the book's pages look like: HTML around the cells. One style sheet, a few lines of script for the keyboard."""

import re
from html import escape

#: nbconvert's cells, with the code of figures folded away, and no anchors from elsewhere.
TEMPLATE = """\
{%- extends 'basic/index.html.j2' -%}
{% block input_group -%}
{%- if 'figure' in cell.metadata.get('tags', []) -%}
<details class="figure-code"><summary>how this picture is drawn</summary>{{ super() }}</details>
{%- else -%}{{ super() }}{%- endif -%}
{% endblock input_group %}
"""

#: How a cell begins in nbconvert's HTML.
CELL = '<div class="cell '

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
<a class="skip" href="#main">to the text</a>
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


def reachable(body):
    """The same HTML with a name for every heading, and wide things that scroll by themselves and by keyboard."""
    body = re.sub(r"<h2>(.*?)</h2>", lambda m: f'<h2 id="{_slug(m[1])}">{m[1]}</h2>', body)
    body = body.replace("<table>", '<div class="table" tabindex="0" role="region" aria-label="table"><table>')
    body = re.sub(r'(output_text">\s*)<pre>', r'\1<pre tabindex="0">', body)  # code wraps, what it prints does not
    return body.replace("</table>", "</table></div>")


def _slug(text):
    return "-".join(re.findall(r"\w+", re.sub(r"<.*?>|&.*?;|'", "", text).lower()))


def lesson_page(lesson, body, before, after):
    """The page of a lesson, with links to its neighbours (or None) above and below."""
    top = '<nav aria-label="lessons"><a rel="index" href="index.html">All lessons</a> ' \
          f'<a href="glossary.html">Glossary</a> <a href="notebooks/{lesson.stem}.ipynb" download>Notebook</a></nav>\n'
    bottom = (f'<nav class="turn" aria-label="previous and next lesson">{_link(before, "prev", "← ")}'
              f'{_link(after, "next", "", " →")}</nav>\n'
              '<footer>Keys: n next, p previous, i all lessons; arrows left and right turn pages, too.</footer>\n')
    title = f'<h1><span class="number">{lesson.number}</span> {escape(lesson.question)}</h1>'
    return _page(f"{lesson.number}. {lesson.question}", title + body, top, bottom)


def index_page(lessons):
    """The table of contents."""
    rows = "\n".join(
        f'<li><a href="{lesson.stem}.html"><span class="number">{lesson.number}</span> {escape(lesson.question)}</a>'
        f'<p>You build {_inline(lesson.facts["You build"])}. Picture: {_inline(lesson.facts["Picture"])}.</p></li>'
        for lesson in lessons)
    first = f'<a rel="next" hidden href="{lessons[0].stem}.html">first lesson</a>' if lessons else ""
    body = f"""\
<h1>GoogLeNet from scratch</h1>
<p>A course in {len(lessons)} lessons on <em>Going deeper with convolutions</em> (Szegedy et al. 2014), in plain NumPy.
Each lesson asks one question, builds the answer small, then shows that the library's own is the same. You need Python
and school calculus. To take the course, run the lessons yourself: <code>make lesson N=1</code>,
then <code>make check N=1</code>.</p>
<ol class="contents">
{rows}
</ol>
{first}"""
    return _page("GoogLeNet from scratch: the lessons", body,
                 '<nav aria-label="book"><a href="glossary.html">Glossary</a></nav>\n')


def glossary_page(words):
    """{term: (meaning, Lesson)} as a list of definitions."""
    entries = "\n".join(
        f'<dt id="{escape(term.replace(" ", "-"))}">{_inline(term)}</dt><dd>{_inline(meaning)} '
        f'<a href="{lesson.stem}.html">Lesson {lesson.number}</a></dd>' for term, (meaning, lesson) in words.items())
    return _page("Glossary", f"<h1>Glossary</h1>\n<dl>\n{entries}\n</dl>",
                 '<nav aria-label="book"><a rel="index" href="index.html">All lessons</a></nav>\n')


def _inline(text):
    from nbconvert.filters import markdown2html_mistune
    return markdown2html_mistune(text).strip().removeprefix("<p>").removesuffix("</p>")


def hints(exercises, solutions):
    """The hints of every exercise, one behind the other, and the solutions at the end, all folded."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer
    parts = ['<section class="hints" aria-label="hints and solutions">']
    for exercise in exercises:
        parts.append(f"<p>Hints for <code>{escape(exercise.name)}</code></p>")
        parts += [f"<details><summary>Hint {at}</summary><p>{escape(hint)}</p></details>"
                  for at, hint in enumerate(exercise.hints, 1)]
    code = highlight(solutions, PythonLexer(), HtmlFormatter(cssclass="highlight"))
    parts.append(f"<p>Solutions</p><details><summary>all of them</summary>{code}</details></section>")
    return "\n".join(parts)
