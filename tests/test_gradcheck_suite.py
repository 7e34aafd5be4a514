"""The checks of ``python -m minigooglenet gradcheck`` find wrong gradients, of layers and of the compiled network."""

import re

import numpy as np
import pytest
import small

from minigooglenet import engine, layers
from minigooglenet.engine import concat, fused_conv
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
    backward, calls = concat.FusedConcat.backward, []
    monkeypatch.setattr(concat.FusedConcat, "backward",
                        lambda self, dy, cache: calls.append(self) or backward(self, dy, cache))
    (outcome,) = run([LRN])
    assert outcome.ok and len(calls) == 2 * 9  # nine modules, two backward passes
    assert remarks() == [] and len(COMPILED) == 3


def assign(self, layers, name, gradient):
    for layer, own in zip(layers, self.own, strict=True):
        layer.grads[name][...] = gradient[..., own]


def without_the_first_chunk(self, gradients):
    self.add_to_grads(self.convs, "w", self.algorithm.weight_gradient([0 * gradients[0], *gradients[1:]]))


def scaled(*arguments, right=fused_conv.batch_constants_backward):
    return tuple(1.01 * constant for constant in right(*arguments))


def overwriting(*arguments, right=concat.max_pool_backward, **options):
    right(*arguments, **options | {"fresh": True})


@needs_engine
@pytest.mark.parametrize("owner, attribute, damage, name, where", [
    (fused_conv.FusedConv, "add_to_grads", assign, LRN, ("/w", "/b")),
    (fused_conv.FusedConv, "reduce_grads", without_the_first_chunk, BATCH_NORM, "/w"),
    (fused_conv, "batch_constants_backward", scaled, BATCH_NORM, ("/w", "/gamma", "/beta", "dx")),
    (concat, "max_pool_backward", overwriting, LRN, ("/w", "/b", "dx")),
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
