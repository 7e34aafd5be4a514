"""What ``python -m minigooglenet gradcheck`` checks: layers, loss, and the whole network, as written and compiled."""

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from .. import engine
from ..errors import UserError
from ..kernels.jit import JIT
from ..layers import Array, Layer, Sequential, cross_entropy
from .check import NETWORK_TOLERANCE, TOLERANCE, Report, directional, gradcheck
from .table import LAYERS, make, make_network

Check: TypeAlias = Callable[[np.random.Generator], Report]

AS_WRITTEN, COMPILED = "reduced GoogLeNet", "compiled GoogLeNet"


class Outcome(NamedTuple):
    """The result of one check: the largest error, the array it is in, and how many entries were checked."""

    name: str
    error: float
    where: str
    ok: bool
    entries: int
    kinks: int


class CompiledNetwork(Layer):
    """The engine's compiled form of ``net``, with the layers and parameters of ``net`` as its own."""

    kind = "compiled"

    def __init__(self, net: Layer) -> None:
        super().__init__()
        self.children, self.compiled = net.children, engine.compile(net)

    def forward(self, x: Array, train: bool = False) -> tuple[Any, Any]:
        return self.compiled.forward(x, train)

    def backward(self, dy: Any, cache: Any) -> Array:
        return self.compiled.backward(dy, cache)


# -- what is checked ---------------------------------------------------------------------------------------------------


def _loss(rng: np.random.Generator) -> Report:
    labels = rng.integers(0, 6, 4)
    return gradcheck(Sequential({}), rng.standard_normal((4, 6)), rng, loss=lambda z: cross_entropy(z, labels, 0.1))


def _one_entry(rng: np.random.Generator, form: Callable[[Layer], Layer], norm: str) -> Report:
    network, x, loss = make_network(rng, norm)
    return gradcheck(form(network), x, rng, loss=loss, entries=1, tolerance=NETWORK_TOLERANCE)


def _direction(rng: np.random.Generator, form: Callable[[Layer], Layer], norm: str) -> Report:
    network, x, loss = make_network(rng, norm)
    return directional(form(network), x, rng, loss=loss)


def _networks(name: str, form: Callable[[Layer], Layer]) -> dict[str, Check]:
    return {f"{name}: batch norm, one entry of each array": functools.partial(_one_entry, form=form, norm="batch"),
            f"{name}: batch norm, a direction in each array": functools.partial(_direction, form=form, norm="batch"),
            f"{name}: LRN, a direction in each array": functools.partial(_direction, form=form, norm="lrn")}


#: The checks that follow those of the layers: {name: check}. The networks have three losses, one for each classifier.
OTHERS: dict[str, Check] = {"cross entropy: label smoothing": _loss, **_networks(AS_WRITTEN, lambda net: net),
                            **_networks(COMPILED, CompiledNetwork)}


def group(name: str) -> str:
    """The first part of a check's name: ``"conv: 3x3/2 pad 1 on 4x7" -> "conv"``."""
    return name.split(":")[0]


def chosen(names: Iterable[str] | None = None) -> list[str]:
    """The names of all checks, or of those that begin with one of ``names``, such as "conv" or "max pool: 3x3/2".

    Raises UserError for a name that no check begins with.
    """
    everything = [*LAYERS, *OTHERS]
    for name in names or ():
        if not any(one.startswith(name) for one in everything):
            known = ", ".join(dict.fromkeys(map(group, everything)))
            raise UserError(f"{name}: no such layer; choose from: {known}")
    return [one for one in everything if names is None or one.startswith(tuple(names))]


def not_compiled() -> str:
    """Why the compiled network is not checked, in one line; empty if it is."""
    if engine.kind() == "fast":
        return ""
    return f"{COMPILED}: not checked, " + (
        "because the plain engine is chosen" if JIT else "because kernels are not compiled (MINIGOOGLENET_JIT=0)")


def run(names: Iterable[str] | None = None, seed: int = 0) -> Iterator[Outcome]:
    """Run the checks that ``chosen(names)`` lists, without those of the compiled network if nothing is compiled."""
    for name in chosen(names):
        if group(name) == COMPILED and not_compiled():
            continue
        rng = np.random.default_rng(seed)
        report = OTHERS[name](rng) if name in OTHERS else gradcheck(*make(name, rng), rng, train=LAYERS[name].train)
        yield Outcome(name, report.worst, report.where, report.ok, report.entries, report.kinks)


# -- as text -----------------------------------------------------------------------------------------------------------


def table(outcomes: Iterable[Outcome]) -> Iterator[str]:
    """The outcomes as lines of text: one line for each group as soon as it is finished, one for every failed check, and
    a summary."""
    width = max(len(group(name)) for name in (*LAYERS, *OTHERS))
    wrong, total = [], 0
    yield f"{'layer':{width}}  {'checks':>6}  {'entries':>7}  {'kinks':>5}  {'worst error':>11}  of the gradient"
    for name, members in itertools.groupby(outcomes, lambda one: group(one.name)):
        found = list(members)
        worst = max(found, key=lambda one: one.error)
        yield (f"{name:{width}}  {len(found):6}  {sum(one.entries for one in found):7}  "
               f"{sum(one.kinks for one in found):5}  {worst.error:11.1e}  {worst.where}")
        for one in found:
            if not one.ok:
                yield f"  WRONG: {one.name}, error {one.error:.1e} in {one.where}, {one.kinks} kinks"
                wrong.append(one)
        total += len(found)
    yield (f"{len(wrong)} of {total} checks WRONG" if wrong else f"all {total} checks right") + (
        f" (errors are relative to the largest gradient; the tolerance is {TOLERANCE:.0e} for a layer and "
        f"{NETWORK_TOLERANCE:.0e} for a network)")


def remarks(names: Iterable[str] | None = None) -> list[str]:
    """Lines about the compiled network, if it is among ``chosen(names)``: why it is not checked, or which of its layers
    run as written."""
    if all(group(name) != COMPILED for name in chosen(names)):
        return []
    return [not_compiled()] if not_compiled() else engine.as_written(make_network(np.random.default_rng(0))[0])


def print_table(names: Iterable[str] | None = None, seed: int = 0) -> bool:
    """Print the checks as they finish: all, or those whose names begin with one of ``names``. Returns whether all are
    right. Raises UserError for a name that no check begins with, and if the only checks cannot run."""
    right = True

    def watched() -> Iterator[Outcome]:
        nonlocal right
        for outcome in run(names, seed):
            right = right and outcome.ok
            yield outcome

    if not_compiled() and {group(name) for name in chosen(names)} == {COMPILED}:
        raise UserError(not_compiled())
    for line in itertools.chain(remarks(names), table(watched())):
        print(line, flush=True)
    return right
