"""The lessons as files: percent format (``# %%``) cut into cells, and the header that says what a lesson is about."""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

from minigooglenet.errors import UserError

HERE = Path(__file__).resolve().parent

#: The header's lines, in this order. ``Time`` is the budget on two cores.
FACTS = ("Paper", "Review", "You build", "Picture", "Time")


@dataclass(frozen=True)
class Cell:
    """A cell: kind "markdown" or "code", its text, the line it starts on in the file, its tags."""

    kind: str
    text: str
    line: int
    tags: tuple = ()


@dataclass(frozen=True)
class Lesson:
    """A lesson, known by its header: number "05", stem "05_one_by_one", the question, and the FACTS."""

    number: str
    path: Path
    question: str
    facts: dict

    @property
    def stem(self):
        return self.path.stem

    @property
    def budget(self):
        """Seconds on two cores, from "15 s" or "2 min"."""
        amount, unit = re.fullmatch(r"(\d+) (s|min)", self.facts["Time"]).groups()
        return int(amount) * {"s": 1, "min": 60}[unit]

    def beside(self, folder):
        """The file of the same name in exercises/, solutions/ or checks/."""
        return HERE / folder / f"{self.stem}.py"

    def cells(self):
        return cells(self.path.read_text(encoding="utf-8"))


def cells(source):
    """The cells of a file in percent format. Comment marks of markdown cells are taken off."""
    found, block, start, head = [], [], 0, None

    def close():
        if head is None:
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


def read(path):
    """The Lesson in ``path``. Raises UserError where the header is not as README.md says."""
    head = cells(path.read_text(encoding="utf-8"))[0]
    title = re.match(r"# (\d\d)\. (.+)\n", head.text)
    facts = dict(re.findall(r"^\* \*\*(.+?):\*\* (.+)$", head.text, re.MULTILINE))
    if not title or tuple(facts) != FACTS or not re.fullmatch(r"\d+ (s|min)", facts["Time"]):
        raise UserError(f"{path}: the first cell must be '# NN. Question?' and the lines {', '.join(FACTS)}; "
                        "see lessons/README.md")
    if title[1] != path.name[:2]:
        raise UserError(f"{path}: the title says lesson {title[1]}")
    return Lesson(title[1], path, title[2].strip(), facts)


def lessons():
    """All Lessons, in order."""
    return [read(path) for path in sorted(HERE.glob("[0-9][0-9]_*.py"))]


def find(number):
    """The Lesson of a number: 5, "5" or "05". Raises UserError if there is none."""
    there = lessons()
    for lesson in there:
        if str(number).isdecimal() and int(lesson.number) == int(number):
            return lesson
    raise UserError(f"lesson {number}: there is none; there are {', '.join(lesson.number for lesson in there)}")


def names_in(path):
    """The public functions that a file defines, without running it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name[0] != "_"]
