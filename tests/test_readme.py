"""The README and the project's metadata: the code runs and prints what is shown, commands and files exist."""

import importlib.util
import os
import re
import shlex
import subprocess
import sys

import pytest
from small import ROOT

import minigooglenet
from minigooglenet.cli import COMMANDS, parser_for

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = ["README.md", "CHANGELOG.md", "docs/results.md", "docs/design.md", "datasets/README.md", "benchmarks/README.md"]
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def commands(text):
    """Every ``make TARGET``, ``python -m MODULE``, ``minigooglenet COMMAND``, ``COMMAND --option``."""
    fence = re.compile(r"^```.*?\n(.*?)^```", re.MULTILINE | re.DOTALL)
    lines = [line for block in fence.findall(text) for line in block.splitlines()]
    text = fence.sub("", text)
    lines += re.findall(r"^    (.+)", text, re.MULTILINE) + re.findall(r"`([^`\n]+)`", text)
    lines = [re.sub(r"\s+#.*| …|^mpiexec -n \d+ ", "", line).strip() for line in lines]
    short = re.compile(rf"({'|'.join(COMMANDS)}) --")
    lines = [re.sub(r"^minigooglenet (?=[a-z])", "python -m minigooglenet ", line) for line in lines]
    lines = [f"python -m minigooglenet {line}" if short.match(line) else line for line in lines]
    return [shlex.split(line) for line in lines if re.match(r"(make|python -m) [a-z]", line)]


def test_it_is_short():
    lines = README.splitlines()
    assert len(lines) <= 120
    assert max(len(line) for line in lines if not line.startswith("|")) <= 120


def test_the_python_block_prints_what_is_shown(tmp_path):
    code, shown = re.search(r"```python\n(.*?)```\n\n```\n(.*?)```", README, re.DOTALL).groups()
    assert len([line for line in code.splitlines() if line]) <= 15
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    printed = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, text=True, check=True,
                             capture_output=True).stdout
    assert without_rounding(printed) == without_rounding(shown)
    assert printed.splitlines()[0] == shown.splitlines()[0]  # the shapes


def without_rounding(text):
    """The text without what depends on the processor: rounding errors, where the largest is, and the gradient there."""
    text = re.sub(r"[+-]?\d\.\d+e[+-]\d\d", "X", text)
    return re.sub(r"at \([\d, ]+\)", "at", re.sub(r"worst X in \w+", "worst", text))


@pytest.mark.parametrize("page", PAGES)
def test_commands_exist(page):
    found = commands((ROOT / page).read_text(encoding="utf-8"))
    assert len(found) > 1 or page == "CHANGELOG.md"
    for program, *words in found:
        if program == "make":
            target, options = words[0], dict(word.split("=", 1) for word in words[1:])
            assert target in TARGETS and set(options) <= {"N", "ARGS", "HINT"}, words
            words = ["-m", "minigooglenet", target, *filter(None, [options.get("N")]),
                     *(["--hint", options["HINT"]] if "HINT" in options else []),
                     *shlex.split(options.get("ARGS", ""))]
            if target not in COMMANDS:
                continue
        assert words[0] == "-m", words
        if words[1] != "minigooglenet":     # the course or a benchmark
            assert importlib.util.find_spec(words[1]), words
            continue
        if words[2:3] == ["help"]:
            words = [*words[:2], *words[3:]]
        if words[2:]:
            parser_for(words[2]).parse_intermixed_args(words[3:])  # raises for an unknown command or option


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_and_headings(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
        name, _, heading = target.partition("#")
        file = (ROOT / page).parent / name if name else ROOT / page
        assert file.exists(), target
        if heading:
            titles = re.findall(r"^#+ (.+)", file.read_text(encoding="utf-8"), re.MULTILINE)
            anchors = [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]
            assert heading in anchors, target


def test_the_map_has_every_package():
    block = README.split("## The map\n\n```\n")[1].split("```")[0]
    named = set(re.findall(r"\b([a-z]+)/ ", block))
    packages = {path.parent.name for path in (ROOT / "minigooglenet").glob("*/__init__.py")}
    assert packages <= named
    assert all((ROOT / name).is_dir() or name in packages for name in named - {"minigooglenet"})


def test_one_version_everywhere():
    version = minigooglenet.__version__
    assert re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[1] == version
    assert re.search(r"^version: (.+)", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)[1] == version
    assert re.search(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[1] == version
