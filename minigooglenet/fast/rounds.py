"""Passes over slices of a batch, put off until their results are needed."""

from ..threads import over_slices


class Rounds:
    """What is to be done to every slice of the batch, collected by ``later`` until ``now`` asks for a result.

    Then each slice goes through all of it at once, while it is in the cache, and the threads wait for each other once
    instead of after every pass. So an array may be handed on before anything is in it, to those who know: what they do
    to a slice happens after that slice was written. Who reads it otherwise calls ``run`` first.
    """

    def __init__(self):
        self.waiting, self.cut = [], None

    def later(self, task, N, size, then=None):
        """Do ``task(s)`` for every slice s of ``size`` pictures of N, after all that waits; give the list of what they
        return to ``then``."""
        if self.cut != (N, size):
            self.run()
        self.cut = N, size
        self.waiting.append((task, then))

    def now(self, task, N, size):
        """The list of what ``task`` returns for every slice, after all that waits."""
        kept = []
        self.later(task, N, size, kept.extend)
        self.run()
        return kept

    def run(self):
        """Do all that waits."""
        waiting = self.forget()
        if waiting:
            results = over_slices(lambda s: [task(s) for task, _ in waiting], *self.cut)
            for (_, then), own in zip(waiting, zip(*results, strict=True), strict=True):
                if then:
                    then(own)

    def forget(self):
        """Empty the list of what waits and return it: what was left of a pass that an error ended must not run."""
        waiting, self.waiting = self.waiting, []
        return waiting
