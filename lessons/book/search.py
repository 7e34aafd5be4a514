"""The search of the book: a file with the text of every section, which search.js looks through in the browser."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from minigooglenet.hints import localized

from ..catalog import Lesson
from ..translation import Translation
from .page import slug


def index(pages: Sequence[tuple[Lesson, Any]], words: Mapping[str, tuple[str, Lesson]], t: Translation) -> str:
    """JavaScript that defines SEARCH_INDEX: [page, id of the section or "", its titles, its text]."""
    found = [("glossary.html", slug(term), f'{t("Glossary")}: {term}', plain(meaning))
             for term, (meaning, _) in words.items()]
    for lesson, notebook in pages:
        title, section = f"{lesson.number}. {t(lesson.question)}", ["", "", ""]
        sections = [section]
        for cell in notebook.cells:
            text = localized(t.markdown(cell.source)) if cell.cell_type == "markdown" else cell.source
            heading = re.match(r"## (.+)", text)
            if heading:
                section = [slug(heading[1]), heading[1], ""]
                sections.append(section)
            if cell.cell_type == "markdown":
                text = plain(re.sub(r"^#+ .*\n?", "", text))
            section[2] += " " + " ".join(text.split())
        found += [(f"{lesson.stem}.html", at, f"{title} · {heading}" if heading else title, text.strip())
                  for at, heading, text in sections]
    return f"const SEARCH_INDEX = {json.dumps(found, ensure_ascii=False, indent=0)};\n"


def plain(markdown: str) -> str:
    """Markdown without its marks."""
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", markdown)
    return " ".join(re.sub(r"\*\*|`|^[|*#>-]+ |^\|[-|]+$|\|", " ", text, flags=re.MULTILINE).split())
