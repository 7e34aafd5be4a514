"""The results as an aligned table, as JSON, and as bars."""

import statistics

from .side import SIDES
from .work import INFER, LAYER

COLUMNS = ("ms", "spread", "images/s", "GFLOP/s", "of roof", "peak MB", "start s", "steps", "time / ours")
OTHERS = ("torch", "torch-cl", "onnxruntime", "opencv")  # the engines that the goals speak of


def numbers(result, work, flops, roof, ours=None):
    """One side's row as a dict: what the table and the JSON hold."""
    median = result.median
    quartiles = statistics.quantiles(result.seconds, n=4) if len(result.seconds) > 1 else [median] * 3
    rate = flops / median / 1e9
    return {
        "seconds": median, "fastest": min(result.seconds), "spread": (quartiles[2] - quartiles[0]) / median,
        "steps": len(result.seconds), "images_per_second": work.batch / median, "gflops_per_second": rate or None,
        "share_of_roof": rate / roof if roof and rate else None,
        "peak_mb": result.peak_mb, "first_seconds": result.first,
        "start_seconds": result.facts["build_seconds"] + result.facts["check_seconds"] + result.first,
        "time_over_ours": median / ours if ours else None, "outputs_differ": result.agreement[0],
        "gradients_differ": result.agreement[1], **result.facts,
    }


def rows(results, work, roof):
    """{side: numbers} of one Work."""
    flops, ours = work.flops(), results["ours"].median if "ours" in results else None
    return {name: numbers(result, work, flops, roof, ours) for name, result in results.items()}


def table(work, made):
    """The lines of one Work: title, head, a row for each side, and how ours compares."""
    flops = work.flops()
    cost = f", {flops / 1e9:.4g} GFLOP" if flops else ""
    head = f"  {'side':<22}" + "".join(f"{name:>12}" for name in COLUMNS)
    lines = [work.title() + cost, head]
    for name, row in made.items():
        cells = (f"{1e3 * row['seconds']:.2f}", f"{row['spread']:.0%}", f"{row['images_per_second']:,.1f}",
                 _or_dash(row["gflops_per_second"], ".1f"), _or_dash(row["share_of_roof"], ".0%"),
                 f"{row['peak_mb']:,.0f}", f"{row['start_seconds']:.2f}", str(row["steps"]),
                 _or_dash(row["time_over_ours"], ".2f"))
        lines.append(f"  {SIDES[name].title:<22}" + "".join(f"{cell:>12}" for cell in cells))
    return [*lines, *(f"  {line}" for line in summary(made))]


def _or_dash(value, form):
    return "-" if value is None else format(value, form)


def summary(made):
    """The two ratios that the goals are about, where both sides ran."""
    lines, others = [], [name for name in OTHERS if name in made]
    if "ours" in made and others:
        best = min(others, key=lambda name: made[name]["seconds"])
        memory = min(made[name]["peak_mb"] for name in others if name.startswith("torch")) if any(
            name.startswith("torch") for name in others) else None
        line = f"best other engine, {SIDES[best].title}, over ours: {made[best]['time_over_ours']:.2f}"
        lines.append(line + (f"; peak memory, ours over PyTorch: {made['ours']['peak_mb'] / memory:.2f}"
                             if memory else ""))
    return lines


def sides_used(everything):
    """A line for each side: version and threads, as it reported them itself."""
    facts = {}
    for made in everything.values():
        for name, row in made.items():
            facts[name] = f"  {SIDES[name].title:<22}{row['version']}, {row['threads']} thread" + (
                "" if row["threads"] == 1 else "s") + (f" ({row['cpu']})" if "cpu" in row else "")
    return [facts[name] for name in SIDES if name in facts]


def opening(machine, roofs):
    """What the machine is, and its roof."""
    from .roof import WAYS
    lines = [f"{machine['cpu']}, {machine['cores']} cores, {machine['threads']} used; {machine['system']}",
             "  " + ", ".join(f"{name} {version}" for name, version in machine["versions"].items() if version)]
    if machine["load"] > 0.5:
        lines.append(f"  the machine is busy (load {machine['load']}): do not trust these times")
    for threads, rates in roofs.items():
        ways = "; ".join(f"{WAYS[way]} {rate:.0f}" for way, rate in rates.items())
        lines.append(f"  roof on {threads} thread{'s' if threads > 1 else ''}: {max(rates.values()):.0f} GFLOP/s in "
                     f"float32 products ({ways})")
    return lines


def panels(works, everything):
    """[(title, [(side, images/s, remark)])] for pictures/bars.py."""
    found = []
    for work in works:
        made = everything.get(work.name)
        if made:
            found.append((work.title(), [(SIDES[name].title, row["images_per_second"], _remark(row))
                                         for name, row in made.items()]))
    return found


def _remark(row):
    share = row["share_of_roof"]
    return f"{row['images_per_second']:,.0f}/s" + (f", {share:.0%} of roof" if share else "")


def meaning():
    """How to read the table, in a few lines."""
    return [
        "ms: median of one step; spread: its middle half; GFLOP/s: multiply-adds of the direct algorithm × 2, whatever",
        "was really done; of roof: that over the machine's rate of float32 matrix products; peak MB: of the side's",
        "whole process; start s: from importing the engine to the end of its first step, all compilation included.",
        f"Training counts 3 forward passes, less the first layer's dx; {LAYER} of a layer counts 3; {INFER} 1.",
    ]
