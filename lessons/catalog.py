"""Read lessons: split a file in percent format (``# %%``) into cells, and parse its header."""

import ast
import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path

from minigooglenet.errors import UserError
from minigooglenet.hints import in_checkout, localized

HERE = Path(__file__).resolve().parent

#: Where the learner's files are: the checkout, or the current folder if the package is installed.
ROOT = HERE.parent if in_checkout() else Path.cwd()

#: The lines of the header, in this order. ``Time`` is the budget on two cores.
FACTS = ("Paper", "Review", "You build", "Figure", "Time")


@dataclass(frozen=True)
class Cell:
    """A cell: its kind ("markdown" or "code"), its text, the line in the file where the text starts, and its tags."""

    kind: str
    text: str
    line: int
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Lesson:
    """A lesson and its header: number "07", stem "07_one_by_one", the question, and facts {name in FACTS: text}."""

    number: str
    path: Path
    question: str
    facts: dict[str, str]

    @property
    def stem(self) -> str:
        return self.path.stem

    @property
    def topic(self) -> str:
        """The stem without the number, "one_by_one": it stays the same when lessons are renumbered."""
        return self.stem[3:]

    @property
    def budget(self) -> int:
        """Seconds on two cores, from "15 s" or "2 min"."""
        amount, unit = self.facts["Time"].split()
        return int(amount) * {"s": 1, "min": 60}[unit]

    def beside(self, folder: str) -> Path:
        """The file of this lesson in the folder "exercises", "solutions" or "checks".

        The learner's exercises of an installed package are in the current folder.
        """
        return (ROOT if folder == "exercises" and not in_checkout() else HERE) / folder / f"{self.stem}.py"

    def source(self) -> list[Cell]:
        """The lesson's cells, in order, as they are in the file."""
        return cells(self.path.read_text(encoding="utf-8"))

    def cells(self) -> list[Cell]:
        """The same. Their texts name the commands that work here."""
        return [dataclasses.replace(cell, text=localized(cell.text)) if cell.kind == "markdown" else cell
                for cell in self.source()]


def cells(source: str) -> list[Cell]:
    """The cells of a file in percent format. Comment marks of markdown cells are removed."""
    found: list[Cell] = []
    block: list[str] = []
    start, head = 0, ""

    def close():
        if not head:
            return
        kind = "markdown" if "[markdown]" in head else "code"
        tags = re.search(r"tags=\[(.*?)\]", head)
        lines = [re.sub(r"^# ?", "", line) for line in block] if kind == "markdown" else block
        text = "\n".join(lines).strip("\n")
        found.append(Cell(kind, text, start, tuple(re.findall(r'"(.*?)"', tags[1])) if tags else ()))

    for at, line in enumerate(source.splitlines(), 1):
        if line.startswith("# %%"):
            close()
            block, start, head = [], at + 1, line
        else:
            block.append(line)
    close()
    return found


def read(path: Path) -> Lesson:
    """The Lesson in ``path``. Raises UserError if its header does not have the format that README.md describes."""
    head = cells(path.read_text(encoding="utf-8"))[0]
    title = re.match(r"# (\d\d)\. (.+)\n", head.text)
    facts = dict(re.findall(r"^\* \*\*(.+?):\*\* (.+)$", head.text, re.MULTILINE))
    if not title or tuple(facts) != FACTS or not re.fullmatch(r"\d+ (s|min)", facts["Time"]):
        raise UserError(f"{path}: the first cell needs the title '# NN. Question?' and the lines {', '.join(FACTS)}; "
                        "see lessons/README.md")
    if title[1] != path.name[:2]:
        raise UserError(f"{path}: the title has the number {title[1]}; it must equal the number in the file name")
    return Lesson(title[1], path, title[2].strip(), facts)


def lessons() -> list[Lesson]:
    """All Lessons, in order."""
    return [read(path) for path in sorted(HERE.glob("[0-9][0-9]_*.py"))]


def find(number: int | str) -> Lesson:
    """The Lesson with this number: 7, "7" or "07". Raises UserError if there is none."""
    existing = lessons()
    for lesson in existing:
        if str(number).isdecimal() and int(lesson.number) == int(number):
            return lesson
    raise UserError(f"lesson {number}: no such lesson; choose from {', '.join(lesson.number for lesson in existing)}")


#: A question of "Predict first": its number, its text in comment lines, and the variable for the guess.
QUESTION = re.compile(r"^# (\d+)\. (.+(?:\n# .+)*)\n(guess\w*) = ", re.MULTILINE)


def questions(code: str) -> dict[str, str]:
    """{variable: question} of a code cell in the section "Predict first"."""
    return {name: re.sub(r"\n#\s*", " ", text) for _, text, name in QUESTION.findall(code)}


def names_in(path: Path) -> list[str]:
    """The names of the public functions that a file defines. The file is parsed, not run."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name[0] != "_"]
