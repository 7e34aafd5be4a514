"""Passes over slices of a batch, put off until their results are needed."""

from ..threads import side_by_side, slices


class Rounds:
    """What is to be done to every slice of the batch, collected by ``later`` until ``now`` asks for a result.

    Then each slice goes through all of it at once, while it is in the cache, and the threads wait for each other once
    instead of after every pass. The next round begins with the slices that this one ended with.

    So an array may be handed on before anything is in it, to those who know: what they do to a slice happens after that
    slice was written. Who reads it otherwise calls ``run`` first.
    """

    def __init__(self):
        self.direction = -1
        self.forget()

    def forget(self):
        """Drop all that waits."""
        self.waiting, self.beside, self.cut = [], [], None

    def later(self, task, N, size, then=None):
        """Do ``task(s)`` for every slice s of ``size`` pictures of N, after all that waits; what waits for slices of
        another size is done now. The list of what the tasks return goes to ``then``, beside the next round, which must
        not touch what ``then`` does."""
        if self.cut != (N, size):
            self.run()
        self.cut = N, size
        self.waiting.append((task, then))

    def now(self, task, N, size):
        """The list of what ``task`` returns for every slice, after all that waits."""
        self.later(task, N, size)
        return self.run()

    def run(self):
        """Do all that waits. Returns what the last task of it returned for every slice."""
        if not self.waiting:
            return None
        waiting, beside, parts = self.waiting, self.beside, slices(*self.cut)
        self.waiting = []

        def through(s):
            return [task(s) for task, _ in waiting]

        self.direction = -self.direction
        done = side_by_side([(through, s) for s in parts[::self.direction]] + beside)
        results = done[:len(parts)][::self.direction]
        of_tasks = [[result[k] for result in results] for k in range(len(waiting))]
        self.beside = [(then, own) for (_, then), own in zip(waiting, of_tasks, strict=True) if then]
        return of_tasks[-1]

    def finish(self):
        """Do all that waits, and all that would have been done beside the next round."""
        self.run()
        beside, self.beside = self.beside, []
        side_by_side(beside)
