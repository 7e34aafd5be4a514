"""How cost grows with threads, with the batch, and with the width."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from .compare import Effort, compare
from .machine import cores
from .side import SIDES
from .work import INFER, TRAIN, Work, mini_options, works

#: [(what grows, [(value, Work, threads)])]
Plan: TypeAlias = list[tuple[str, list[tuple[float, Work, int]]]]

SIDES_USED = ("ours", "torch", "torch-cl")
BATCHES = (1, 4, 8, 16, 64, 256)
WIDTHS = (0.25, 0.5, 0.75, 1.0)


def with_width(work: Work, width: float) -> Work:
    """The same Work with another width, which is part of its name."""
    options = {**dict(work.options or ()), "width": width}
    return work.but(options=tuple(options.items()), name=f"{work.name[0]}:width {width:g}")


def plan() -> Plan:
    """What is measured."""
    everything = works()
    train, infer = everything["a:quick"], everything["b:quick"]
    every = cores()
    threads = [n for n in (1, 2, 4, 8, 16, 32, 64) if n < every] + [every]
    return [
        ("threads, training step", [(n, train, n) for n in threads]),
        ("threads, inference", [(n, infer, n) for n in threads]),
        ("batch, training step", [(n, train.but(batch=n), every) for n in BATCHES]),
        ("batch, inference", [(n, infer.but(batch=n), every) for n in BATCHES]),
        ("width, training step", [(width, with_width(train, width), every) for width in WIDTHS]),
        ("width, inference", [(width, with_width(infer, width), every) for width in WIDTHS]),
    ]


def measure(sides: Sequence[str], effort: Effort, say: Callable[[str], object],
            plan: Callable[[], Plan] = plan) -> dict[str, dict[str, dict[str, float]]]:
    """{what grows: {value: {side: seconds of a step}}}; ``say`` gets the lines of a table as they are measured."""
    used = [name for name in SIDES_USED if name in sides]
    measured: dict[str, dict[str, dict[str, float]]] = {}
    for what, points in plan():
        say(f"by {what} (images/s; ms per step)")
        say(f"  {what.split(',')[0]:<10}" + "".join(f"{SIDES[name].title:>32}" for name in used))
        measured[what] = {}
        for value, work, threads in points:
            results = compare(work, used, threads, effort)
            seconds = {name: result.median for name, result in results.items()}
            measured[what][str(value)] = seconds
            cells = [f"{work.batch / s:,.1f}/s {1e3 * s:,.2f} ms" for s in seconds.values()]
            say(f"  {value:<10}" + "".join(f"{cell:>32}" for cell in cells))
    return measured


def tiny_plan() -> Plan:
    """Three points, for a test that it runs."""
    from minigooglenet.training.config import PRESETS
    options = mini_options(PRESETS["quick"].but(width=0.05))
    return [("batch, training step", [(n, Work("a:tiny", TRAIN, n, options), 1) for n in (2, 3)]),
            ("batch, inference", [(1, Work("b:tiny", INFER, 1, options), 1)])]
