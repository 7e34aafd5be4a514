"""Lessons in other languages: one catalog per language, translations/LANGUAGE.po, in gettext's format.

A catalog maps English texts to translations: each block of a lesson's text cells (blocks are separated by empty lines),
the questions of "Predict first", hints, descriptions of figures, and the words of the book itself. An English text that
has no translation stays as it is. Line breaks do not matter for finding a text, so a lesson may be wrapped anew.

``python -m lessons translate zh 2 6`` writes missing texts into the catalog, to be filled in, and reports those that no
lesson has any more.
"""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from minigooglenet.errors import UserError
from minigooglenet.files import write_atomically

from .catalog import HERE, QUESTION, Lesson, questions

FOLDER = HERE / "translations"

#: The heading that a catalog's entries for the book itself have.
BOOK = "book"


@dataclass
class Entry:
    """One text: English, its translation ("" if missing), where it is from (a topic such as "convolution"), and whether
    the English text has changed since (gettext's "fuzzy"); then the translation is not used."""

    text: str
    translated: str = ""
    where: str = ""
    fuzzy: bool = False


def key(text: str) -> str:
    return " ".join(text.split())


class Translation:
    """The texts of one language. ``t(text)`` is the translation of a text, or the text itself."""

    def __init__(self, language: str = "en", entries: Sequence[Entry] = ()) -> None:
        self.language = language
        self.entries = list(entries)
        self.known = {key(entry.text): entry.translated for entry in entries if entry.translated and not entry.fuzzy}

    def __call__(self, text: str) -> str:
        return self.known.get(key(text), text)

    def markdown(self, text: str) -> str:
        """A text cell, translated block by block."""
        return "\n\n".join(self._block(block) for block in text.split("\n\n"))

    def _block(self, block):
        title = re.match(r"(#+ (?:\d\d\. )?)(.+)$", block)
        return title[1] + self(title[2]) if title else self(block)

    def code(self, text: str) -> str:
        """A code cell, with translated questions."""
        def question(match):
            lines = "\n".join(f"# {line}" for line in self(_joined(match[2])).splitlines())
            return f"# {match[1]}. {lines.removeprefix('# ')}\n{match[3]} = "
        return QUESTION.sub(question, text) if self.known else text


ENGLISH = Translation()


def _joined(comment):
    return re.sub(r"\n#\s*", " ", comment)


def languages() -> list[str]:
    """The languages that have a catalog."""
    return sorted(path.stem for path in FOLDER.glob("*.po"))


def load(language: str) -> Translation:
    """The Translation of a language. Raises UserError if it has no catalog."""
    if language == "en":
        return ENGLISH
    path = FOLDER / f"{language}.po"
    if language not in languages():
        raise UserError(f"language {language}: no such catalog; choose from {', '.join(['en', *languages()])}")
    return Translation(language, list(read(path.read_text(encoding="utf-8"), path.name)))


# -- the texts of a lesson -------------------------------------------------------------------------------------------

def texts(lesson: Lesson) -> list[str]:
    """All texts of a lesson that can be translated, in order. Formulas (blocks indented by four spaces) only if
    there are words in them."""
    from .book import HERE as book
    from .book import guesses, widgets
    from .check import exercises
    found = []
    for cell in lesson.source():
        if cell.kind == "markdown":
            found += [re.sub(r"^#+ (\d\d\. )?", "", block) for block in cell.text.split("\n\n")
                      if not block.startswith("    ") or re.search("[a-z]{3,} [a-z]{2,}", block)]
        else:
            found += [*questions(cell.text).values(), *guesses.compared(cell.text).values(), *_descriptions(cell.text)]
    for script in widgets.scripts(lesson.topic):
        found += texts_of_script(book / script)
    found += widgets.texts(lesson.topic)
    for exercise in exercises(lesson):
        found += exercise.hints
    return list(dict.fromkeys(text for text in found if re.search("[A-Za-z]{2}", text)))


def _descriptions(code):
    """The alternative texts of figures, where they are constant."""
    for node in ast.walk(ast.parse(code)):
        if (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "show"
                and len(node.args) == 3 and isinstance(node.args[2], ast.Constant)):
            yield node.args[2].value


def texts_of_the_book() -> list[str]:
    """The words of the book's pages, from the Python and JavaScript files of book/: the arguments of ``t("…")``."""
    found = []
    for path in sorted((HERE / "book").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "t"
                    and isinstance(node.args[0], ast.Constant)):
                found.append(node.args[0].value)
    for path in sorted((HERE / "book").glob("*.js")):
        found += texts_of_script(path)
    return list(dict.fromkeys(found))


def texts_of_script(path: Path) -> list[str]:
    """The arguments of ``t("…")`` in a JavaScript file."""
    return re.findall(r'\bt\("([^"]+)"\)', path.read_text(encoding="utf-8"))


def damaged(entry: Entry) -> list[str]:
    """What a translation must keep and does not: code in backticks, links, placeholders in braces, lesson numbers."""
    keep = r"`[^`]+`|https?://[^\s)>]+|\{\w*\}|(?<=[Ll]esson )\d\d\b|(?<=[Ll]essons )\d\d\b"
    return [found for found in re.findall(keep, key(entry.text)) if found not in key(entry.translated)]


# -- the catalog file ------------------------------------------------------------------------------------------------

def read(text: str, name: str = "catalog") -> Iterator[Entry]:
    """The entries of a catalog. Raises UserError for a line that is not in gettext's format."""
    entry, field = Entry(""), None
    for number, line in enumerate([*text.splitlines(), ""], 1):
        string = re.fullmatch(r'(?:(msgid|msgstr) )?("(?:[^"\\]|\\.)*")', line)
        if string:
            field = string[1] or field
            name_of = {"msgid": "text", "msgstr": "translated"}.get(field or "")
            if not name_of:
                raise UserError(f"{name}, line {number}: a string without msgid or msgstr: {line}")
            setattr(entry, name_of, getattr(entry, name_of) + ast.literal_eval(string[2]))
        elif line.startswith("#: "):
            entry.where = line[3:].strip()
        elif line.startswith("#,"):
            entry.fuzzy = "fuzzy" in line
        elif not line:
            if entry.text:
                yield entry
            entry, field = Entry(""), None
        elif not line.startswith("#"):
            raise UserError(f"{name}, line {number}: expected msgid, msgstr, a string or a comment, got: {line}")


def written(language: str, entries: Sequence[Entry]) -> str:
    """The text of a catalog file."""
    parts = [f'msgid ""\nmsgstr ""\n"Language: {language}\\n"\n"Content-Type: text/plain; charset=UTF-8\\n"\n']
    for entry in entries:
        flag = "#, fuzzy\n" if entry.fuzzy else ""
        parts.append(f"#: {entry.where}\n{flag}msgid {_quoted(entry.text)}\nmsgstr {_quoted(entry.translated)}\n")
    return "\n".join(parts)


def _quoted(text):
    lines = [line.replace("\\", "\\\\").replace('"', '\\"') for line in text.split("\n")]
    quoted = [f'"{line}\\n"' for line in lines[:-1]] + [f'"{lines[-1]}"']
    return "\n".join(quoted if len(quoted) == 1 else ['""', *quoted])


def update(language: str, lessons: Mapping[str, Lesson], path: Path | None = None) -> dict[str, list[Entry]]:
    """Bring a catalog up to date with ``lessons``, {topic: Lesson}, and with the book.

    Returns {"missing": entries to translate, "fuzzy": entries to review, "stale": entries that were removed}. If the
    English text has changed a little, the old translation stays, marked as fuzzy.
    """
    path = path or FOLDER / f"{language}.po"
    old = list(read(path.read_text(encoding="utf-8"), path.name)) if path.exists() else []
    by_key = {key(entry.text): entry for entry in old}
    wanted: dict[str, Entry] = {}
    for where, found in [(BOOK, texts_of_the_book()), *((topic, texts(lesson)) for topic, lesson in lessons.items())]:
        for text in found:
            wanted.setdefault(key(text), Entry(text, where=where))
    stale = {k: entry for k, entry in by_key.items() if k not in wanted and entry.translated}
    for k, entry in wanted.items():
        if k in by_key:
            entry.translated, entry.fuzzy = by_key[k].translated, by_key[k].fuzzy
        elif close := get_close_matches(k, stale, 1, 0.7):
            entry.translated, entry.fuzzy = stale.pop(close[0]).translated, True
    text = written(language, list(wanted.values()))
    write_atomically(path, lambda file: file.write(text.encode()))
    return {"missing": [e for e in wanted.values() if not e.translated],
            "fuzzy": [e for e in wanted.values() if e.fuzzy], "stale": list(stale.values())}


def report(language: str, lessons: Sequence[Lesson]) -> str:
    """Update a catalog with ``lessons`` and those that it has already, and say what is left to do."""
    from .catalog import lessons as existing
    path = FOLDER / f"{language}.po"
    if not re.fullmatch(r"[a-z]{2,3}([-_]\w+)?", language):
        raise UserError(f"translate {language}: not the code of a language; write zh, de, pt_BR …")
    topics = {lesson.topic for lesson in lessons}
    if path.exists():
        topics |= {entry.where for entry in read(path.read_text(encoding="utf-8"), path.name)} - {BOOK}
    chosen = {lesson.topic: lesson for lesson in existing() if lesson.topic in topics}
    found = update(language, chosen)
    lines = [f"{path.name}: {', '.join(lesson.number for lesson in chosen.values())}"]
    for kind, what in (("missing", "to translate"), ("fuzzy", "to review, because the English text has changed"),
                       ("stale", "removed, because no lesson has the text any more")):
        if found[kind]:
            lines.append(f"{len(found[kind])} {what}")
            lines += [f"  {entry.where}: {key(entry.text)[:90]}" for entry in found[kind]]
    return "\n".join(lines if len(lines) > 1 else [*lines, "complete"])
