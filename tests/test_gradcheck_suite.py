"""The checks of ``python -m minigooglenet gradcheck`` find wrong gradients, of layers and of the compiled network."""

import re

import numpy as np
import pytest
import small

from minigooglenet import engine, layers
from minigooglenet.engine import concat, passes
from minigooglenet.errors import UserError
from minigooglenet.gradcheck import suite
from minigooglenet.gradcheck.suite import OTHERS, Outcome, print_table, remarks, run, table
from minigooglenet.gradcheck.table import LAYERS
from minigooglenet.layers import Dense, MaxPool

needs_engine = pytest.mark.skipif(engine.kind() == "plain", reason="the plain engine compiles nothing")
COMPILED = [name for name in OTHERS if name.startswith("compiled")]


@pytest.mark.parametrize("name", [pytest.param(name, marks=needs_engine) if name in COMPILED else name
                                  for name in OTHERS])
def test_the_loss_and_the_whole_network(name):
    """Both heads, three losses, batch norm and LRN, dropout: every array within 1e-5 of its largest gradient."""
    (outcome,) = run([name])
    assert outcome.ok and outcome.error < 1e-5 and outcome.kinks <= 0.02 * outcome.entries


# -- the compiled network ----------------------------------------------------------------------------------------------

BATCH_NORM, LRN = (f"compiled GoogLeNet: {norm}, a direction in each array" for norm in ("batch norm", "LRN"))


@needs_engine
def test_the_compiled_network_is_checked(monkeypatch):
    backward, calls = concat.FusedConcat.record_backward, []
    monkeypatch.setattr(concat.FusedConcat, "record_backward",
                        lambda self, *arguments: calls.append(self) or backward(self, *arguments))
    (outcome,) = run([LRN])
    assert outcome.ok and len(calls) == 9  # modules
    assert remarks() == [] and len(COMPILED) == 3


def of_half_the_filters(to, one, parts, across, right=passes.reduce):
    right(to, one, parts, across)
    for (operation,), _ in (work for work, _ in to.later):
        operation["C" if operation["kind"] == passes.kinds.FILTER_GRADIENT else "width"] //= 2


def without_chunks(to, job, own, *others, right=passes.constants_backward):
    return right(to, job, own._replace(shape=(0, *own.shape[1:])), *others)


def for_more_values(to, job, *others, right=passes.constants_backward):
    for one in right(to, job, *others):
        yield one | {"M": to.constant(np.array([1000.0]))}


def overwriting(*arguments, right=concat.unpool, **options):
    right(*arguments, **options | {"fresh": True})


@needs_engine
@pytest.mark.parametrize("owner, attribute, damage, name, where", [
    (passes, "reduce", of_half_the_filters, BATCH_NORM, "/w"),
    (passes, "constants_backward", without_chunks, LRN, "/b"),
    (passes, "constants_backward", for_more_values, BATCH_NORM, ("/w", "/gamma", "/beta", "dx")),
    (concat, "unpool", overwriting, LRN, ("/w", "/b", "dx")),
])
def test_a_wrong_compiled_gradient_is_found(owner, attribute, damage, name, where, monkeypatch):
    monkeypatch.setattr(owner, attribute, damage)
    small.some_arrays(monkeypatch, lambda k, name: k % 4 == 0)
    (outcome,) = run([name])
    assert not outcome.ok and outcome.error > 1e-3 and outcome.where.endswith(where)
    assert outcome.kinks <= 0.02 * outcome.entries


@needs_engine
def test_layers_that_run_as_written_are_named(monkeypatch):
    monkeypatch.setattr(MaxPool, "backward", lambda self, dy, cache: None)
    assert remarks() == ["MaxPool runs as written: its backward was replaced (slower)"]
    assert remarks(["dense"]) == []


@pytest.mark.parametrize("jit, why", [
    (True, "the plain engine is chosen"), (False, "kernels are not compiled (MINIGOOGLENET_JIT=0)")])
def test_without_the_engine_one_line_says_that_it_is_not_checked(jit, why, monkeypatch, capsys):
    monkeypatch.setattr(engine, "_chosen", "plain")
    monkeypatch.setattr(suite, "JIT", jit)
    line = f"compiled GoogLeNet: not checked, because {why}"
    assert print_table(["softmax", "compiled"]) is True
    assert capsys.readouterr().out.startswith(line + "\n") and list(run(["compiled"])) == []
    with pytest.raises(UserError, match=re.escape(line)):
        print_table(["compiled"])


# -- names and text ----------------------------------------------------------------------------------------------------


def test_names_choose_rows_of_the_table():
    assert [outcome.name for outcome in run(["dense", "softmax"])] == ["dense: 7->5", "softmax: 6"]
    assert all(outcome.name.startswith("grouped conv") and outcome.ok for outcome in run(["grouped"]))
    with pytest.raises(UserError, match="transformer: no such layer; choose from: conv, grouped conv, max pool"):
        list(run(["dense", "transformer"]))


def test_the_table_names_what_is_wrong(capsys):
    good, bad = Outcome("conv: a", 1e-10, "dx", True, 50, 0), Outcome("conv: b", 0.5, "w", False, 60, 3)
    lines = list(table([good, bad]))
    assert lines[1].split() == ["conv", "2", "110", "3", "5.0e-01", "w"]
    assert lines[2] == "  WRONG: conv: b, error 5.0e-01 in w, 3 kinks" and lines[-1].startswith("1 of 2 checks WRONG")
    assert list(table([good]))[-1].startswith("all 1 checks right")
    assert print_table(["flatten"]) is True
    assert "flatten" in capsys.readouterr().out


def test_the_verdict_is_returned(monkeypatch):
    monkeypatch.setattr(Dense, "backward", lambda self, dy, x: 1.5 * dy @ self.params["w"].T)
    assert print_table(["dense"]) is False


def test_every_layer_is_in_the_table():
    """A new layer that is missing in the table would not be checked."""
    built = set()
    for case in LAYERS.values():
        layer = case.build(np.random.default_rng(0))
        built |= {type(inner).__name__ for _, inner in layer.walk()} | {type(layer).__name__}
    offered = {name for name in layers.__all__ if isinstance(getattr(layers, name), type)} - {"Layer", "Array", "Shape"}
    assert offered <= built
