"""Arguments under the names that other libraries use."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

Network = TypeVar("Network")

ALIASES = {"num_classes": "classes", "aux_logits": "heads"}  # torchvision's


def with_aliases(build: Callable[..., Network]) -> Callable[..., Network]:
    """``build`` that also takes ALIASES. Raises TypeError where an argument is given under both names."""
    @functools.wraps(build)
    def named(*arguments: Any, **options: Any) -> Network:
        for alias, name in ALIASES.items():
            if alias in options:
                if name in options:
                    raise TypeError(f"{build.__name__}: got both {name} and {alias}, which are the same")
                options[name] = options.pop(alias)
        return build(*arguments, **options)
    return named
