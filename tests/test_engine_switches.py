"""Choosing an engine, and passes that the engine defers."""

import os
import subprocess
import sys

import pytest

from minigooglenet import engine
from minigooglenet.engine.deferred import Deferred
from minigooglenet.errors import UserError
from minigooglenet.kernels.threads import set_threads, threads
from minigooglenet.models import mini_googlenet

pytestmark = pytest.mark.skipif(engine.kind() == "plain", reason="MINIGOOGLENET_JIT=0 or MINIGOOGLENET_ENGINE=plain")


def test_the_switches():
    code = ("from minigooglenet import engine; from minigooglenet.models import mini_googlenet; n = mini_googlenet(); "
            "assert engine.kind() == 'plain'; assert engine.compile(n) is n and engine.predictor(n) is n")
    for switch in ({"MINIGOOGLENET_ENGINE": "plain"}, {"MINIGOOGLENET_FAST": "0"}, {"MINIGOOGLENET_JIT": "0"},
                   {"NUMBA_DISABLE_JIT": "1"}):
        subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | switch)


def test_an_engine_by_name(monkeypatch):
    net = mini_googlenet(0.125)
    engine.use("plain")
    try:
        assert engine.kind() == "plain" and engine.compile(net) is net
        engine.use("fast")
        monkeypatch.setenv("MINIGOOGLENET_ENGINE", "plain")
        assert engine.kind() == "fast"
    finally:
        engine.use(None)
    assert engine.kind() == "plain"
    with pytest.raises(UserError, match="engine: got 'turbo', choose fast or plain"):
        engine.use("turbo")
    monkeypatch.setenv("MINIGOOGLENET_ENGINE", "turbo")
    with pytest.raises(UserError, match="MINIGOOGLENET_ENGINE: got 'turbo', choose fast or plain"):
        engine.compile(net)


def test_deferred_passes_run_chunk_by_chunk_in_order_and_at_most_once():
    deferred, done = Deferred(), []

    def task(name):
        return lambda s: done.append((name, s.start)) or f"{name}{s.start}"

    before, reduced = threads(), []
    try:
        set_threads(1)
        deferred.defer(task("a"), 4, 2, reduced.extend)
        deferred.defer(task("b"), 4, 2)
        assert done == []
        assert deferred.run_now(task("c"), 4, 2) == ["c0", "c2"] and reduced == []
        assert done == [("a", 0), ("b", 0), ("c", 0), ("a", 2), ("b", 2), ("c", 2)]
        deferred.defer(task("d"), 4, 2)
        deferred.defer(task("e"), 4, 4)  # other chunks: d does not wait for it
        assert done[6:] == [("d", 2), ("d", 0)] and reduced == ["a0", "a2"]  # in the opposite direction
        deferred.run()
        deferred.run()
        assert done[8:] == [("e", 0)]
        deferred.defer(task("f"), 1, 1, reduced.extend)
        deferred.finish()
        assert reduced[2:] == ["f0"]
        for name in "gh":  # results are in the chunks' order, in either direction
            assert deferred.run_now(task(name), 4, 2) == [f"{name}0", f"{name}2"]
    finally:
        set_threads(before)
