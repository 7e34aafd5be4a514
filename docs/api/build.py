"""Build the API pages of ``minigooglenet`` with pdoc: ``python docs/api/build.py build/docs``."""

import pkgutil
import sys
from pathlib import Path

import pdoc

import minigooglenet


def build(out: Path) -> None:
    """Write a page for the package and for each of its modules, except the command line, into the folder ``out``."""
    for name in minigooglenet.__all__:  # pdoc does not see names that are imported when they are first used
        setattr(minigooglenet, name, getattr(minigooglenet, name))
    parts = [f"minigooglenet.{module.name}" for module in pkgutil.iter_modules(minigooglenet.__path__)
             if module.name not in {"__main__", "cli", "commands", *minigooglenet.__all__}]
    pdoc.render.configure(template_directory=Path(__file__).parent)
    pdoc.pdoc("minigooglenet", *parts, output_directory=out)


if __name__ == "__main__":
    build(Path(sys.argv[1]))
    print(f"The API pages: {sys.argv[1]}/index.html")
