"""Choosing an engine."""

import os
import subprocess
import sys

import pytest

from minigooglenet import engine
from minigooglenet.errors import UserError
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
