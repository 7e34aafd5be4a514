"""The results as an aligned table, for JSON, and for bars."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from .compare import Result
from .side import ENGINES, SIDES
from .work import INFER, LAYER, Work

#: One side's row of a table, with everything that was measured.
Row: TypeAlias = dict[str, Any]

COLUMNS = ("ms", "spread", "images/s", "GFLOP/s", "of peak", "peak MB", "start s", "steps", "time / ours")


def row(result: Result, work: Work, flops: int, peak: float, ours: float | None = None) -> Row:
    """One side's row. ``peak`` in GFLOP/s; ``ours``: our median seconds."""
    median = result.median
    quartiles = statistics.quantiles(result.seconds, n=4) if len(result.seconds) > 1 else [median] * 3
    speed = flops / median / 1e9
    output, gradient = result.agreement or (None, None)
    return {
        "seconds": median, "fastest": min(result.seconds), "spread": (quartiles[2] - quartiles[0]) / median,
        "steps": len(result.seconds), "images_per_second": work.batch / median, "gflops_per_second": speed or None,
        "share_of_peak": speed / peak if peak and speed else None,
        "peak_mb": result.peak_mb, "first_seconds": result.first,
        "start_seconds": result.facts["build_seconds"] + result.facts["check_seconds"] + result.first,
        "time_over_ours": median / ours if ours else None, "outputs_differ": output,
        "gradients_differ": gradient, **result.facts,
    }


def rows(results: Mapping[str, Result], work: Work, peak: float) -> dict[str, Row]:
    """{side: row} of one Work."""
    flops, ours = work.flops(), results["ours"].median if "ours" in results else None
    return {name: row(result, work, flops, peak, ours) for name, result in results.items()}


def table(work: Work, measured: Mapping[str, Row]) -> list[str]:
    """The lines for one Work: title, head, a row for each side, and a summary."""
    flops = work.flops()
    cost = f", {flops / 1e9:.4g} GFLOP" if flops else ""
    head = f"  {'side':<22}" + "".join(f"{name:>12}" for name in COLUMNS)
    lines = [work.title() + cost, head]
    for name, found in measured.items():
        cells = (f"{1e3 * found['seconds']:.2f}", f"{found['spread']:.0%}", f"{found['images_per_second']:,.1f}",
                 _or_dash(found["gflops_per_second"], ".1f"), _or_dash(found["share_of_peak"], ".0%"),
                 f"{found['peak_mb']:,.0f}", f"{found['start_seconds']:.2f}", str(found["steps"]),
                 _or_dash(found["time_over_ours"], ".2f"))
        lines.append(f"  {SIDES[name].title:<22}" + "".join(f"{cell:>12}" for cell in cells))
    return [*lines, *(f"  {line}" for line in summary(measured))]


def _or_dash(value, form):
    return "-" if value is None else format(value, form)


def summary(measured: Mapping[str, Row]) -> list[str]:
    """The ratios of time and of peak memory, where both sides ran."""
    others = [name for name in ENGINES if name in measured]
    if "ours" not in measured or not others:
        return []
    best = min(others, key=lambda name: measured[name]["seconds"])
    line = f"best other engine, {SIDES[best].title}, over ours: {measured[best]['time_over_ours']:.2f}"
    memory = [measured[name]["peak_mb"] for name in others if name.startswith("torch")]
    if memory:
        line += f"; peak memory, ours over PyTorch: {measured['ours']['peak_mb'] / min(memory):.2f}"
    return [line]


def sides_used(everything: Mapping[str, Mapping[str, Row]]) -> list[str]:
    """A line for each side with the version and the threads that it reported."""
    facts = {}
    for measured in everything.values():
        for name, found in measured.items():
            facts[name] = f"  {SIDES[name].title:<22}{found['version']}, {found['threads']} thread" + (
                "" if found["threads"] == 1 else "s") + (f" ({found['cpu']})" if "cpu" in found else "")
    return [facts[name] for name in SIDES if name in facts]


def opening(machine: Mapping[str, Any], peaks: Mapping[int, Mapping[str, float]]) -> list[str]:
    """Lines about the machine and its peak, {threads: {way: GFLOP/s}}."""
    from .peak import WAYS
    lines = [f"{machine['cpu']}, {machine['cores']} cores, {machine['threads']} used; {machine['system']}",
             "  " + ", ".join(f"{name} {version}" for name, version in machine["versions"].items() if version)]
    if machine["load"] > 0.5:
        lines.append(f"  the machine is busy (load {machine['load']}): these times are not reliable")
    for threads, speeds in peaks.items():
        ways = "; ".join(f"{WAYS[way]} {speed:.0f}" for way, speed in speeds.items())
        lines.append(f"  peak on {threads} thread{'s' if threads > 1 else ''}: {max(speeds.values()):.0f} GFLOP/s in "
                     f"float32 matrix products ({ways})")
    return lines


def panels(works: Sequence[Work], everything: Mapping[str, Mapping[str, Row]]
           ) -> list[tuple[str, list[tuple[str, float, str]]]]:
    """[(title, [(side, images/s, remark)])] for figures/bars.py."""
    found = []
    for work in works:
        measured = everything.get(work.name)
        if measured:
            found.append((work.title(), [(SIDES[name].title, one["images_per_second"], _remark(one))
                                         for name, one in measured.items()]))
    return found


def _remark(found):
    share = found["share_of_peak"]
    return f"{found['images_per_second']:,.0f}/s" + (f", {share:.0%} of peak" if share else "")


def meaning() -> list[str]:
    """How to read the table, in a few lines."""
    return [
        "ms: median of one step; spread: interquartile range over the median; GFLOP/s: multiply-adds of the direct",
        "algorithm × 2, whichever algorithm ran; of peak: that over the machine's peak in float32 matrix products;",
        "peak MB: of the side's process; start s: from importing the engine to the end of its first step, with all",
        f"compilation. Training counts 3 forward passes, less the first layer's dx; {LAYER} of a layer counts 3; "
        f"{INFER} 1.",
    ]
