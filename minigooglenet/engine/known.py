"""What the engine knows: the layers it may replace, by exact type and by content.

For each class in ``layers/`` that the engine has another form of, and for each kernel file that such a class calls,
this file keeps a fingerprint: a hash of the code without docstrings and comments. A layer is replaced only if its code,
and that of all it inherits from, is what was fingerprinted. So what you read in ``layers/`` is what runs, or computes
the same: edit it, and the edit runs.

Who changes those files on purpose first makes sure that the engine still computes the same (``tests/test_engine.py``),
and then runs ``python -m minigooglenet.engine``, which updates FINGERPRINTS.
"""

import ast
import contextlib
import contextvars
import functools
import hashlib
import inspect
import io
import re
import sys
import textwrap
import tokenize
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, TypeGuard, TypeVar

from .. import layers
from ..layers import (
    LRN,
    AvgPool,
    BatchNorm,
    Concat,
    Conv,
    Dense,
    Dropout,
    GlobalAvgPool,
    Layer,
    MaxPool,
    ReLU,
    Trunk,
)
from ..layers.containers import Block, Container, Sequential

T = TypeVar("T", bound=Layer)

#: Layers that the engine replaces. Other layers of ``layers/`` have no faster form: they always run as written.
REPLACED = (Conv, BatchNorm, ReLU, MaxPool, AvgPool, GlobalAvgPool, LRN, Dense, Dropout, Concat, Block, Trunk)
#: Layers that only call those inside: the engine uses them as they are, edits included.
GLUE = (Sequential,)

PACKAGE = Path(__file__).parent.parent

FINGERPRINTS = {
    "AvgPool": "880db039ab7e2759",
    "BatchNorm": "45eb3a1076930bf4",
    "Block": "8cbbdc3d88258df9",
    "Concat": "76ed812dcf27eff1",
    "Container": "5f658e23be530ce3",
    "Conv": "5bf1cc08188e8abf",
    "Dense": "4715411e662ecf27",
    "Dropout": "620e8d04c8a3ae20",
    "GlobalAvgPool": "83af8a709902f11d",
    "LRN": "bf80244d77fe343c",
    "Layer": "059426a099b2a6e9",
    "MaxPool": "c9df71c048f0f1b0",
    "Pool": "9b48d388c3dbfb24",
    "ReLU": "321b453fe091aed1",
    "Sequential": "5fbe6019d22c45c4",
    "Trunk": "84d081e7a7f6cdd7",
    "kernels/avg_pool.py": "b106cc065bb1ef46",
    "kernels/geometry.py": "79bffae58816fd5c",
    "kernels/im2col.py": "2373e260a67d5971",
    "kernels/lrn.py": "158aad8077ed5336",
    "kernels/matmul.py": "c08aeb8008855efb",
    "kernels/max_pool.py": "33d5c0368fcb474c",
    "kernels/max_pool_backward.py": "f60c910c5600470f",
    "kernels/per_channel.py": "c860fcbfe473621e",
    "kernels/relu.py": "a33e0ed9864e0093",
}


_answers: contextvars.ContextVar[dict[type, str | None] | None] = contextvars.ContextVar("answers", default=None)


@contextlib.contextmanager
def each_class_once() -> Iterator[None]:
    """In this context each class is compared with its fingerprints once: no code changes while a network is compiled,
    and a GoogLeNet has hundreds of layers."""
    before = _answers.set({})
    try:
        yield
    finally:
        _answers.reset(before)


@each_class_once()
def as_written(net: Layer) -> list[str]:
    """One line for each class of layer in ``net`` that runs as written although it is not a layer of ours, or is one
    that the engine would otherwise replace: ``Conv runs as written: layers/conv.py was edited (slower)``."""
    found: dict[str, None] = {}
    for layer in _all(net):
        if why := why_not(layer):
            found[f"{type(layer).__name__} runs as written: {why} (slower)"] = None  # each line once, in order
    return list(found)


def _all(layer: Layer) -> Iterator[Layer]:
    yield layer
    for child in layer.children.values():
        yield from _all(child)


def replaces(layer: Layer, kind: type[T]) -> TypeGuard[T]:
    """Whether ``layer`` is exactly a ``kind``, one of REPLACED or GLUE, with the code that the engine knows."""
    return type(layer) is kind and why_not(layer) is None


def why_not(layer: Layer) -> str | None:
    """Why the engine does not know this layer's code; None where it does, or where there is nothing to know."""
    kind = type(layer)
    if kind in _OURS and kind not in REPLACED and kind not in GLUE:
        return None
    if kind not in REPLACED and kind not in GLUE:
        base = next((known for known in (*REPLACED, *GLUE) if issubclass(kind, known)), None)
        return f"a subclass of {base.__name__}" if base else "not a layer that the engine knows"
    for name, value in vars(layer).items():
        if callable(value) and not isinstance(value, Layer) and hasattr(kind, name):
            return f"its {name} was replaced"
    if kind in GLUE:
        return None
    answers = _answers.get()
    if answers is None:
        return _class_changed(kind)
    if kind not in answers:
        answers[kind] = _class_changed(kind)
    return answers[kind]


_OURS = frozenset(value for value in vars(layers).values() if isinstance(value, type) and issubclass(value, Layer))


def _class_changed(kind: type) -> str | None:
    """What differs between a class and its fingerprints, in words; None if nothing does."""
    for one in kind.__mro__[:-1]:
        functions = dict(_functions(one))
        for name, function in functions.items():
            if function.__module__ != one.__module__ or function.__globals__ is not vars(sys.modules[one.__module__]):
                return f"its {name} was replaced"
        if _fingerprint(one) != FINGERPRINTS.get(one.__name__):
            return f"{_short(Path(inspect.getfile(one)))} was edited"
        for function in functions.values():
            for name in function.__code__.co_names:
                if (module := _module_of(function.__globals__.get(name))) is None:
                    continue
                if not module.startswith(OURS):
                    return f"{name}, which it calls, was replaced"
                if module.startswith(KERNELS) and _file_fingerprint(module) != FINGERPRINTS.get(_name(module)):
                    return f"{_name(module)} was edited"
    return None


OURS = f"{__package__.rpartition('.')[0]}."
KERNELS = f"{OURS}kernels."


def _module_of(value: Any) -> str | None:
    """Where a function comes from; None for what is no function: a module, a class, a number."""
    return getattr(value, "__module__", "") or "" if callable(value) and not isinstance(value, type) else None


def _functions(kind: type) -> Iterator[tuple[str, FunctionType]]:
    """The functions that a class itself defines, those behind properties included."""
    for name, value in sorted(vars(kind).items()):
        value = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        if isinstance(value, FunctionType):
            yield name, value


def _fingerprint(kind: type) -> str:
    """The fingerprint of what a class itself defines; "unknown" where the source cannot be read."""
    try:
        return _hash("\n".join(f"{name}\n{_essence_of(function.__code__)}" for name, function in _functions(kind)))
    except (OSError, SyntaxError):
        return "unknown"


def _file_fingerprint(module: str) -> str:
    try:
        return _hash(essence(Path(inspect.getfile(sys.modules[module])).read_text(encoding="utf-8")))
    except (OSError, SyntaxError):
        return "unknown"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _name(module: str) -> str:
    """``minigooglenet.kernels.relu -> kernels/relu.py``"""
    return "/".join(module.split(".")[1:]) + ".py"


def _short(file: Path) -> str:
    """A file's path as people know it: from the package on."""
    return file.relative_to(PACKAGE).as_posix() if file.is_relative_to(PACKAGE) else str(file)


@functools.cache
def _essence_of(code: CodeType) -> str:
    return essence(textwrap.dedent(inspect.getsource(code)))


@functools.lru_cache(maxsize=64)
def essence(source: str) -> str:
    """Python source without comments, docstrings and empty lines."""
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            docstring = node.body[0]
            for row in range(docstring.lineno, (docstring.end_lineno or docstring.lineno) + 1):
                lines[row - 1] = ""
    return "\n".join(line.rstrip() for line in lines if line.strip())


def current() -> dict[str, str]:
    """The fingerprints of the code as it is: {class or kernel file: fingerprint}."""
    kinds = sorted({one for kind in REPLACED for one in kind.__mro__[:-1]} | {Container}, key=lambda one: one.__name__)
    modules = {module for one in kinds for _, function in _functions(one) for name in function.__code__.co_names
               if (module := _module_of(function.__globals__.get(name))) and module.startswith(KERNELS)}
    return {one.__name__: _fingerprint(one) for one in kinds} | {
        _name(module): _file_fingerprint(module) for module in sorted(modules)}


def update() -> None:
    """Write the fingerprints of the code as it is into this file."""
    this = Path(__file__)
    rows = "".join(f'    "{name}": "{value}",\n' for name, value in current().items())
    this.write_text(re.sub(r"(?ms)^FINGERPRINTS = \{\n.*?^\}", f"FINGERPRINTS = {{\n{rows}}}", this.read_text()))
