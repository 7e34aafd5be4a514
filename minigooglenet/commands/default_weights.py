"""The network that photo commands use without --weights: the weights of 2014 if they are there, else the latest run."""

import sys
from collections.abc import Iterable
from pathlib import Path

from ..errors import UserError, shown
from ..hints import hint
from .options import latest_run

#: the sentence of a help page
DEFAULT = """\
Without --weights: the weights of 2014 in datasets/, which the command weights fetches, else the latest run under runs/.
A line on standard error says which."""


def weights_or_default(given: Path | None, photos: Iterable[Path | str] = ()) -> tuple[Path, str | None]:
    """(``given`` or the default, the line that says which default was chosen and what else there is, or None).

    Raises UserError if there is no trained network at all, or rather for the first of ``photos`` that is missing.
    """
    from ..weights.fetch import present

    if given is not None:
        return given, None
    released, run = present(), _latest_run()
    if released is not None:
        return released, f"weights: {released}" + (f" (latest run: {run}, use --weights {run})" if run else "")
    if run is not None:
        return run, f"weights: {run}, the latest run (for 1000 classes, fetch those of 2014: {hint('weights')})"
    for photo in photos:
        if not Path(photo).exists():
            raise UserError(f"{shown(photo, 200)}: no such file; give the path of an image")
    raise UserError("no weights in datasets/ and no trained network under runs/; fetch those of 2014 with: "
                    f"{hint('weights')}, or train a network with: {hint('train')}")


def print_weights(line: str | None) -> None:
    """Print the line of ``weights_or_default`` to standard error."""
    if line:
        print(line, file=sys.stderr, flush=True)


def _latest_run():
    try:
        return latest_run()
    except UserError:
        return None
