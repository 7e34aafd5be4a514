"""Answers of a learner, for the network of ``make mine``."""

from pathlib import Path

from lessons import check, mine
from lessons.mine_answers import Answers
from lessons.mine_parts import PARTS

SOLUTIONS = {part.answer: check.load(mine.lessons_by_topic()[part.topic].beside("solutions"))[part.answer]
             for part in PARTS}


def answers(functions=(), said=None):
    functions = dict(functions)
    return Answers(functions, dict.fromkeys(functions, Path(__file__)), [].append if said is None else said.append)
