"""What can go wrong, in words a person can act on."""


class UserError(Exception):
    """Wrong input: a file, a value, an option. The command line prints its one line and exits with code 2.

    Say what it was about, what came, and how to mend it: ``data_batch_1.bin: 12 bytes, expected 30,730,000; fetch it
    again with: make data``.
    """


class ShapeError(ValueError):
    """An array that does not fit a layer. Containers put the layer's path in front on its way out."""

    def __init__(self, message):
        super().__init__(message)
        self.path = []

    def inside(self, name):
        """The same error, seen from one container further out."""
        self.path.insert(0, name)
        return self

    def __str__(self):
        message = super().__str__()
        return f"{'/'.join(self.path)}: {message}" if self.path else message
