"""Ctrl-C during training: stop after the current step, when everything is saved."""

import signal


class Interruptible:
    """Collects the first Ctrl-C or SIGTERM as a request to stop after the current step; a second one stops at once."""

    def __enter__(self) -> list[int]:
        self.signals: list[int] = []
        self.old = {number: signal.signal(number, self._handle) for number in (signal.SIGINT, signal.SIGTERM)}
        return self.signals

    def _handle(self, number, frame):
        self.signals.append(number)
        self._restore()

    def __exit__(self, *error: object) -> None:
        self._restore()

    def _restore(self):
        for number, handler in self.old.items():
            signal.signal(number, handler)
