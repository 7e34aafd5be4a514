"""The heartbeat of several processes, with a communicator in which the others are played. Hosts that are really gone:
test_hosts.py."""

import os
import shutil
import subprocess
import sys

import pytest
import small

from minigooglenet.errors import UserError
from minigooglenet.training import heartbeat


class World:
    """A communicator in which the process k sends ``messages[k]``, one at each beat, then nothing."""

    def __init__(self, rank, messages):
        self.rank, self.messages, self.size, self.sent = rank, messages, len(messages), []

    def Dup(self):
        return self

    def allgather(self, host):
        return [f"{host}{k}" for k in range(self.size)]

    def Isend(self, message, k):
        self.sent.append((k, int(message[0])))
        return Done()

    def Irecv(self, message, k):
        return Coming(self.messages[k], message)


class Done:
    def Test(self):
        return True


class Coming:
    """A message that arrives at the second look at it."""

    def __init__(self, messages, into):
        self.messages, self.into, self.looks = messages, into, 0

    def Test(self):
        self.looks += 1
        if self.looks < 2 or not self.messages:
            return False
        self.into[0] = self.messages.pop(0)
        return True

    def Cancel(self):
        self.messages.clear()


@pytest.fixture
def ended(monkeypatch):
    """The lists of processes for which a heartbeat ended the run."""
    lists = []

    def end(heartbeat, gone):
        lists.append(gone)
        heartbeat.stopping.set()

    monkeypatch.setattr(heartbeat.Heartbeat, "_end", end)
    monkeypatch.setenv("MINIGOOGLENET_SILENCE", "0.3")
    return lists


def test_who_is_silent_is_missed_and_who_has_finished_is_not(ended):
    alive, finished = heartbeat.ALIVE, heartbeat.FINISHED
    world = World(0, [[], [alive, alive, finished], [alive] * 3, [alive] * 10_000])
    heart = heartbeat.Heartbeat(world, "host")
    heart.thread.join(60)
    assert ended == [[2]]
    heart.stop()
    assert {k for k, _ in world.sent} == {1, 2, 3} and world.sent[-3:] == [(k, finished) for k in (1, 2, 3)]


def test_the_others_miss_only_process_0(ended):
    heart = heartbeat.Heartbeat(World(2, [[heartbeat.ALIVE] * 5, [], []]), "host")
    heart.thread.join(60)
    assert ended == [[0]] and {k for k, _ in heart.world.sent} == {0}


def test_nothing_is_missed_while_messages_come(ended):
    heart = heartbeat.Heartbeat(World(1, [[heartbeat.ALIVE] * 10_000, []]), "host")
    assert not heart.stopping.wait(0.6)
    heart.stop()
    assert ended == [] and heart.world.sent[-1] == (0, heartbeat.FINISHED)


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "soon"])
def test_the_seconds_of_silence_are_positive(text, monkeypatch):
    monkeypatch.setenv("MINIGOOGLENET_SILENCE", text)
    with pytest.raises(UserError, match=f"MINIGOOGLENET_SILENCE: got '{text}'"):
        heartbeat.silence()
    monkeypatch.setenv("MINIGOOGLENET_SILENCE", "")
    assert heartbeat.silence() == heartbeat.SILENCE


@pytest.mark.skipif(shutil.which("ps") is None, reason="there is no ps")
def test_the_mpiexec_that_started_a_process_is_found(tmp_path):
    shutil.copy(shutil.which("sh"), tmp_path / "mpiexec")
    code = "from minigooglenet.training.heartbeat import launcher; print(launcher())"
    ask = f"'{sys.executable}' -c '{code}'; true"  # "true": or the shell would become python
    found = subprocess.run([tmp_path / "mpiexec", "-c", f'echo $$; sh -c "{ask}"; true'], text=True,
                           capture_output=True, check=True, env=os.environ | {"PYTHONPATH": str(small.ROOT)})
    mpiexec, launcher = found.stdout.split()
    assert launcher == mpiexec
    assert heartbeat.launcher() is None
