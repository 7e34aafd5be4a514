"""HTML pages of the book: the page around the cells, the contents, the glossary, the search."""

import json
import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from minigooglenet.hints import hint

from ..catalog import Lesson
from ..translation import Translation, languages, texts_of_script
from . import widgets

HERE = Path(__file__).resolve().parent

#: The names of languages, in these languages. A catalog that has none here is listed by its code.
NAMES = {"en": "English", "zh": "中文"}


def _page(title, body, t, navigation="", footer="", scripts=()):
    files = [file for file in ("book.js", *scripts) if (HERE / file).exists()]
    said = {text: t(text) for file in files for text in texts_of_script(HERE / file)} if t.known else {}
    loaded = "".join(f'<script src="{name}" defer></script>\n' for name in ("book.js", *scripts))
    return f"""\
<!DOCTYPE html>
<html lang="{t.language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="book.css">
<script type="application/json" id="texts">{json.dumps(said)}</script>
{loaded}</head>
<body>
<a class="skip" href="#main">{t("skip to the text")}</a>
{navigation}<main id="main">
{body}
</main>
{footer}</body>
</html>
"""


def _top(t, *links, search=True):
    """The navigation at the top of a page."""
    field = (f'<form role="search" action="search.html"><input type="search" name="q" '
             f'aria-label="{t("search the book")}" placeholder="{t("search")}"></form>') if search else ""
    return f'<nav aria-label="{t("book")}">{" ".join(filter(None, links))}{field}</nav>\n'


def _contents(t):
    return f'<a rel="index" href="index.html">{t("All lessons")}</a>'


def _glossary(t):
    return f'<a href="glossary.html">{t("Glossary")}</a>'


def editions(out: Path, name: str, t: Translation) -> str:
    """Links to the same page in other languages, where it has been built. ``out`` is the folder of this edition."""
    top = out if t.language == "en" else out.parent
    links = []
    for language in ["en", *languages()]:
        place = f"{language}/{name}" if language != "en" else name
        if language != t.language and (top / place).exists():
            there = place if t.language == "en" else f"../{place}"
            links.append(f'<a href="{there}" hreflang="{language}" lang="{language}">'
                         f'{NAMES.get(language, language)}</a>')
    return " ".join(links)


def accessible(body: str) -> str:
    """The same HTML with an id for every heading, and a box around each table, which scrolls if it is wide."""
    body = re.sub(r"<h2>(.*?)</h2>", lambda m: f'<h2 id="{slug(m[1])}">{m[1]}</h2>', body)
    return body.replace("<table>", '<div class="table"><table>').replace("</table>", "</table></div>")


def slug(text: str) -> str:
    """The id of a heading, from its text or its HTML."""
    return "-".join(re.findall(r"\w+", re.sub(r"<.*?>|&.*?;|'|`", "", text).lower()))


def lesson_page(lesson: Lesson, body: str, before: Lesson | None, after: Lesson | None, t: Translation,
                others: str = "") -> str:
    """The page of a lesson, with links to the previous and the next one, if any, and to other editions."""
    notebook = f'<a href="notebooks/{lesson.stem}.ipynb" download>{t("Notebook")}</a>'
    bottom = (f'<nav class="turn" aria-label="{t("previous and next lesson")}">{_turn(before, "prev", t, "← ")}'
              f'{_turn(after, "next", t, "", " →")}</nav>\n'
              f'<footer>{t("Keys: n next, p previous, i all lessons, / search; left and right arrows turn pages.")}'
              '</footer>\n')
    title = f'<h1><span class="number">{lesson.number}</span> {escape(t(lesson.question))}</h1>'
    return _page(f"{lesson.number}. {t(lesson.question)}", title + body, t,
                 _top(t, _contents(t), _glossary(t), notebook, others), bottom,
                 ("guesses.js", *widgets.scripts(lesson.topic)))


def _turn(lesson, rel, t, before="", after=""):
    if lesson is None:
        return "<span></span>"
    question = escape(t(lesson.question))
    return f'<a rel="{rel}" href="{lesson.stem}.html">{before}{lesson.number}. {question}{after}</a>'


def index_page(lessons: Sequence[Lesson], api: bool, t: Translation, others: str = "") -> str:
    """The table of contents; with ``api``, a link to the API pages in the folder docs beside the book."""
    rows = "\n".join(f'<li><a href="{lesson.stem}.html"><span class="number">{lesson.number}</span> '
                     f'{escape(t(lesson.question))}</a>{_facts(lesson, t)}</li>' for lesson in lessons)
    first = f'<a rel="next" hidden href="{lessons[0].stem}.html">{t("first lesson")}</a>' if lessons else ""
    about = t("A course in {n} lessons on *Going deeper with convolutions* (Szegedy et al. 2014), in plain NumPy. Each "
              "lesson asks one question, builds a small answer, and shows that the library computes the same. You need "
              "Python and school calculus. To take the course, run the lessons yourself: {lesson}, then {check}.")
    about = about.format(n=len(lessons), lesson=f'`{hint("lesson", "1")}`', check=f'`{hint("check", "1")}`')
    body = f"""\
<h1>{t("GoogLeNet from scratch")}</h1>
<p>{_inline(about)}</p>
<ol class="contents">
{rows}
</ol>
{first}"""
    up = "" if t.language == "en" else "../"
    library = f'<a href="{up}../docs/index.html">{t("The API of minigooglenet")}</a>' if api else ""
    return _page(t("GoogLeNet from scratch: the lessons"), body, t, _top(t, _glossary(t), library, others))


def _facts(lesson, t):
    """What the learner builds and the figure, from the header in the page's language."""
    head = t.markdown(lesson.source()[0].text)
    facts = dict(re.findall(r"^\* \*\*(.+?)[:：]\*\* ?(.+)$", head, re.MULTILINE))
    build = facts.get(t("You build"), lesson.facts["You build"])
    figure = facts.get(t("Figure"), lesson.facts["Figure"])
    return f'<p>{_inline(t("You build {it}. Figure: {figure}.").format(it=build, figure=figure))}</p>'


def glossary_page(words: Mapping[str, tuple[str, Lesson]], t: Translation) -> str:
    """The page of the glossary, from {term: (meaning, Lesson)}."""
    entries = "\n".join(
        f'<dt id="{slug(term)}">{_inline(term)}</dt><dd>{_inline(meaning)} '
        f'<a href="{lesson.stem}.html">{t("Lesson {n}").format(n=lesson.number)}</a></dd>'
        for term, (meaning, lesson) in words.items())
    return _page(t("Glossary"), f'<h1>{t("Glossary")}</h1>\n<dl>\n{entries}\n</dl>', t, _top(t, _contents(t)))


def search_page(t: Translation) -> str:
    """The page that shows what a search found."""
    body = f"""\
<h1>{t("Search")}</h1>
<form role="search"><input type="search" name="q" aria-label="{t("search the book")}"></form>
<p id="count" role="status"></p>
<noscript><p>{t("The search needs JavaScript. The glossary and the contents do not.")}</p></noscript>
<ol id="found"></ol>"""
    return _page(t("Search"), body, t, _top(t, _contents(t), _glossary(t), search=False),
                 scripts=("search-index.js", "search.js"))


def _inline(text):
    from nbconvert.filters import markdown2html_mistune
    return markdown2html_mistune(text).strip().removeprefix("<p>").removesuffix("</p>")
