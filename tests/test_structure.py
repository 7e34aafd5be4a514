"""The structure of the package: which folder imports which, where names lead, how long a file may be."""

import ast
import functools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

import minigooglenet

PACKAGE = Path(minigooglenet.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES = 300
MAX_ARGUMENTS = 8


def name(file: Path) -> str:
    return file.relative_to(PACKAGE).as_posix()


@functools.cache
def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


@functools.cache
def nodes(file: Path) -> list[ast.AST]:
    return list(ast.walk(tree(file)))


def is_module(value: object) -> bool:
    """Whether a constant is the path of one of the package's modules, such as "commands.train"."""
    return (isinstance(value, str) and re.fullmatch(r"\w+(\.\w+)+", value) is not None
            and (PACKAGE / f"{value.replace('.', '/')}.py").is_file())


def imports(source: Iterable[ast.AST], package: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """(line, module) for every import of something of minigooglenet, those inside functions and by name included.

    ``package``: the folders of the importing file, such as ("minigooglenet", "layers"). What ``from … import name``
    imports may be a module itself, so ``name`` counts as a part of the module's path.
    """
    for node in source:
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = [*package[:len(package) - node.level + 1]] if node.level else []
            base += node.module.split(".") if node.module else []
            modules = [".".join([*base, alias.name]) for alias in node.names]
        elif isinstance(node, ast.Constant) and is_module(node.value):  # a table of modules for import_module
            modules = [f"minigooglenet.{node.value}"]
        else:
            continue
        yield from ((node.lineno, module) for module in modules if module.split(".")[0] == "minigooglenet")


def imports_of(file: Path) -> Iterator[tuple[int, str]]:
    return imports(nodes(file), ("minigooglenet", *file.relative_to(PACKAGE).parent.parts))


def part(module: str) -> str:
    """The part of the package that a module belongs to: ``minigooglenet.layers.conv -> layers``."""
    first = (*module.split("."), "")[1]
    return first if (PACKAGE / first).is_dir() and first or (PACKAGE / f"{first}.py").is_file() else "__init__"


@functools.cache
def arrows() -> dict[str, dict[str, str]]:
    """{part: {part that it imports: where, as file:line}}; a part is a folder or a file of the package."""
    graph: dict[str, dict[str, str]] = {}
    for file in FILES:
        own = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
        targets = graph.setdefault(own, {})
        for line, module in imports_of(file):
            if part(module) != own:
                targets.setdefault(part(module), f"{name(file)}:{line}")
    return graph


def cycle(graph: dict[str, dict[str, str]]) -> list[str]:
    """The first cycle found, as a path that ends where it begins; empty if there is none."""
    done: set[str] = set()

    def visit(node: str, path: list[str]) -> list[str]:
        if node in path:
            return [*path[path.index(node):], node]
        if node not in done:
            for target in graph.get(node, {}):
                if found := visit(target, [*path, node]):
                    return found
            done.add(node)
        return []

    return next((found for node in graph if (found := visit(node, []))), [])


def test_imports_between_folders_have_no_cycle():
    graph = arrows()
    path = cycle(graph)
    assert not path, " -> ".join(path) + ": " + ", ".join(graph[a][b] for a, b in zip(path, path[1:], strict=False))


def test_a_cycle_is_found_even_inside_a_function():
    assert cycle({"a": {"b": ""}, "b": {"c": ""}, "c": {"b": ""}}) == ["b", "c", "b"]
    assert cycle({"a": {"b": "", "c": ""}, "b": {"c": ""}}) == []
    source = ast.parse("def f():\n    from ..kernels import threads\n    from .base import Layer\nimport numpy.linalg\n"
                       "import minigooglenet.engine as e\nfrom .. import flops\n"
                       "from minigooglenet import layers, files\n"
                       "COMMANDS = {'train': 'commands.train'}")
    assert sorted(imports(ast.walk(source), ("minigooglenet", "layers"))) == [
        (2, "minigooglenet.kernels.threads"), (3, "minigooglenet.layers.base.Layer"), (5, "minigooglenet.engine"),
        (6, "minigooglenet.flops"), (7, "minigooglenet.files"), (7, "minigooglenet.layers"),
        (8, "minigooglenet.commands.train")]
    assert "commands" in arrows()["cli"]
    assert [part(f"minigooglenet{rest}") for rest in (".layers.base.Layer", ".files.write", "", ".__version__")] == [
        "layers", "files", "__init__", "__init__"]


def test_layers_import_only_kernels_and_errors_and_no_threads():
    assert set(arrows()["layers"]) == {"kernels", "errors"}
    standard = {"threading", "queue", "concurrent", "multiprocessing", "subprocess", "mpi4py"}
    for file in (PACKAGE / "layers").glob("*.py"):
        modules = {module for _, module in imports_of(file)}
        assert not [module for module in modules if module.startswith("minigooglenet.kernels.threads")], file
        for node in nodes(file):
            found = [alias.name for alias in node.names] if isinstance(node, ast.Import) else (
                [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else [])
            assert not standard & {module.split(".")[0] for module in found}, f"{file}:{node.lineno}"


def test_kernels_know_nothing_of_layers():
    assert set(arrows()["kernels"]) == {"errors"}


@pytest.mark.parametrize("file", FILES, ids=name)
def test_files_are_short(file):
    assert len(file.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


def kernel_calls(file: Path) -> list[tuple[str, int, int]]:
    """(name, line, column) of every use, in a call, of a name imported from ``..kernels``."""
    imported = {alias.asname or alias.name for node in nodes(file) if isinstance(node, ast.ImportFrom)
                and node.level == 2 and (node.module or "").startswith("kernels.") for alias in node.names}
    return [(node.func.id, node.func.lineno, node.func.col_offset) for node in nodes(file)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in imported]


LAYER_FILES = sorted((PACKAGE / "layers").glob("*.py"))


def test_layers_call_kernels_by_name():
    called = {called for file in LAYER_FILES for called, _, _ in kernel_calls(file)}
    assert {"im2col", "col2im", "matmul", "max_pool", "max_pool_backward", "avg_pool", "relu", "lrn",
            "channel_sums"} <= called


@pytest.mark.parametrize("file", [file for file in LAYER_FILES if kernel_calls(file)], ids=name)
def test_an_editor_follows_every_call_into_kernels(file):
    """Go to definition lands in kernels/, where the name is defined, and hover finds the parameters."""
    jedi = pytest.importorskip("jedi")
    script = jedi.Script(path=file, project=jedi.Project(PACKAGE.parent))
    for called, line, column in kernel_calls(file):
        found = script.goto(line, column, follow_imports=True)
        assert found, f"{file}:{line}: {called} leads nowhere"
        for definition in found:
            assert definition.module_path.parent == PACKAGE / "kernels" and definition.name == called
        forms = {form.name for form in script.infer(line, column)}
        assert forms <= {called, f"{called}_numpy", f"{called}_numba"} and forms, f"{file}:{line}: {called}: {forms}"


def documented_arguments(file: Path) -> Iterator[tuple[ast.FunctionDef, list[str], str]]:
    """(function, its positional arguments, the text that documents them) for all functions with many arguments.

    The text is the docstring; for ``__init__`` that of its class, for a numba form also that of the NumPy form.
    """
    source = nodes(file)
    texts = {node.name: ast.get_docstring(node) or "" for node in source if isinstance(node, ast.FunctionDef)}
    classes = {method: ast.get_docstring(node) or "" for node in source if isinstance(node, ast.ClassDef)
               for method in node.body}
    for node in source:
        if isinstance(node, ast.FunctionDef):
            arguments = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]
            arguments = [argument for argument in arguments if argument not in ("self", "cls")]
            text = (ast.get_docstring(node) or "") + (classes[node] if node.name == "__init__" else "")
            text += texts.get(node.name.removesuffix("_numba") + "_numpy", "")
            if len(arguments) > MAX_ARGUMENTS:
                yield node, arguments, text


@pytest.mark.parametrize("file", FILES, ids=name)
def test_many_arguments_are_documented(file):
    for function, arguments, text in documented_arguments(file):
        missing = [argument for argument in arguments if not re.search(rf"\b{argument}\b", text)]
        assert not missing, f"{name(file)}:{function.lineno}: {function.name} does not describe {missing}"


def annotated(file: Path) -> Iterator[tuple[ast.FunctionDef, list[str]]]:
    """(public function, its parameters without annotation), for functions and methods at the top of a file."""
    for node in tree(file).body:
        for function in node.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_") else [node]:
            if isinstance(function, ast.FunctionDef) and not function.name.startswith("_"):
                arguments = (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
                yield function, [argument.arg for argument in arguments
                                 if argument.annotation is None and argument.arg not in ("self", "cls")]


@pytest.mark.parametrize("file", FILES, ids=name)
def test_public_functions_are_annotated(file):
    for function, missing in annotated(file):
        where = f"{name(file)}:{function.lineno}: {function.name}"
        assert not missing and function.returns is not None, f"{where} lacks annotations: {missing or 'return'}"


def test_the_package_is_marked_as_typed():
    assert (PACKAGE / "py.typed").is_file()
