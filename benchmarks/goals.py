"""What we want to reach: the time of the best other engine over ours, and a few times of our own. A line says for each
goal that was measured whether it is reached."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from .isa import FREE
from .side import ENGINES, SIDES
from .work import SMALL_BATCHES


class Goal(NamedTuple):
    """``place`` is where the measurements are: a Work, a table of ``scaling.py`` or "startup". ``avx2``: the goal where
    all sides are held to AVX2, None if it is not measured then. ``most``: the value is to be at most, not at least."""
    place: str
    title: str
    least: float
    avx2: float | None
    most: bool = False


GOALS = (
    Goal("a:quick", "training step, width 0.25", 1.8, 1.5),
    Goal("a:full", "training step, width 0.75", 1.8, 1.5),
    Goal("b:quick", "inference, width 0.25", 1.3, 1.2),
    Goal("b:full", "inference, width 0.75", 1.3, 1.2),
    Goal("c:1", "GoogLeNet, 1 image", 1.1, 1.1),
    Goal("c:8", "GoogLeNet, 8 images", 1.3, 1.1),
    Goal("d", "GoogLeNet, training step", 2.3, 2.0),
    Goal("threads, training step", "a:quick on 2 threads, speed-up over 1", 1.75, 1.75),
    *(Goal(f"a:quick:{batch}", f"training step, {batch} images", 2.0, None) for batch in SMALL_BATCHES),
    Goal("startup", "cold start of train, seconds", 15.0, None, most=True),
)


def verdicts(found: Mapping[str, Any], isa: str | None = None) -> list[str]:
    """A line for each goal that ``found`` has measurements of, in the form of ``benchmarks/__main__.py:run``."""
    lines = []
    for goal in GOALS:
        wanted, measured = goal.avx2 if isa == "avx2" else goal.least, _value(goal, found, isa)
        if wanted is None or measured is None:
            continue
        value, remark = measured
        reached = value <= wanted if goal.most else value >= wanted
        lines.append(f"  {goal.place.split(',')[0]:<10} {goal.title:<38} {value:6.2f}   "
                     f"goal {'<=' if goal.most else '>='} {wanted:<5g} {'reached' if reached else 'MISSED '}{remark}")
    return [f"goals{' with AVX2' if isa else ''}: time of the best other engine over ours, unless it says otherwise",
            *lines] if lines else []


def _value(goal, found, isa):
    """(the value, a remark), or None if it was not measured."""
    if goal.place in found.get("works", {}):
        return _ratio({name: row["seconds"] for name, row in found["works"][goal.place].items()}, isa)
    if goal.place == "startup":
        return (found["startup"]["cold"], "") if "startup" in found else None
    points = found.get("scaling", {}).get(goal.place, {})
    seconds = [points.get(n, {}).get("ours") for n in ("1", "2")]
    return (seconds[0] / seconds[1], "") if all(seconds) else None


def _ratio(seconds, isa):
    """(time of the best other engine over ours, which it is) from {side: seconds}."""
    others = [name for name in ENGINES if name in seconds and not (isa and name in FREE)]
    if "ours" not in seconds or not others:
        return None
    best = min(others, key=seconds.__getitem__)
    return seconds[best] / seconds["ours"], f"   {SIDES[best].title}"
