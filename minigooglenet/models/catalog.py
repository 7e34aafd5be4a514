"""Every network by name, for the command line and for the tests."""

import difflib
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from ..errors import ShapeError, UserError
from ..layers import Sequential, Shape, Trunk
from . import mini
from .ancestors import ANCESTORS, ancestor
from .googlenet import INPUT, googlenet


class Entry(NamedTuple):
    """How to build a network, the image (H, W, C) it was made for, and where it comes from."""
    build: Callable[..., Sequential | Trunk]
    input_shape: Shape
    source: str
    has_heads: bool = False


CATALOG = {
    "googlenet": Entry(partial(googlenet, "bvlc"), INPUT, "Szegedy et al. 2014", True),
    "googlenet-torchvision": Entry(partial(googlenet, "torchvision"), INPUT, "as torchvision has it", True),
    "googlenet-naive": Entry(partial(googlenet, "naive"), INPUT, "Szegedy et al. 2014, figure 2(a)", True),
    "mini": Entry(mini.mini_googlenet, mini.INPUT, "the reduced GoogLeNet of models/mini.py", True),
} | {name: Entry(partial(ancestor, name), a.input_shape, a.source) for name, a in ANCESTORS.items()}


def entry(name: str) -> Entry:
    """The Entry called ``name``; raises UserError with the choices, and a guess at what was meant."""
    if name in CATALOG:
        return CATALOG[name]
    guess = difflib.get_close_matches(str(name).lower(), CATALOG, n=1, cutoff=0.5)
    meant = f"did you mean {guess[0]}? Or one of" if guess else "choose"
    raise UserError(f"model: no network is called {name!r}; {meant} {', '.join(CATALOG)}")


def network(name: str, *, input_shape: Shape | None = None, heads: bool = False, **options: Any) -> Sequential | Trunk:
    """The network called ``name`` for images of ``input_shape`` (H, W, C), by default the one it was made for.

    ``heads`` adds GoogLeNet's auxiliary classifiers; ``options`` go to its builder: classes, rng, dtype and others.
    Without ``rng`` the weights are zeros that take no memory.

    Raises UserError for an unknown name, for heads that the network never had, and for images too small or too large.
    """
    chosen = entry(name)
    if chosen.has_heads:
        options["heads"] = heads
    elif heads:
        having = ", ".join(other for other, found in CATALOG.items() if found.has_heads)
        raise UserError(f"model: {name} has no auxiliary heads; these have: {having}")
    shape = tuple(input_shape or chosen.input_shape)
    try:
        return chosen.build(input_shape=shape, **options)
    except ShapeError as error:
        fix = "; choose larger ones" + (", or leave the auxiliary heads out" if heads else "")
        raise UserError(f"input: images of {'x'.join(map(str, shape))} are too small for {name} ({error}){fix}"
                        ) from error
    except MemoryError as error:
        raise UserError(f"input: images of {'x'.join(map(str, shape))} give {name} more weights than fit in memory; "
                        "choose smaller ones") from error
