"""The wheel holds everything: commands, lessons, exercises, checks. They run from it in an empty folder."""

import os
import re
import shutil
import subprocess
import sys
import zipfile

import pytest
from small import ROOT

import minigooglenet
from lessons import catalog

pytest.importorskip("setuptools", minversion="77.0.3", reason="building the wheel needs setuptools 77.0.3 or newer")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The path of a wheel, built without a network from a copy of the sources: a build leaves files behind."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    unwanted = shutil.ignore_patterns("__pycache__")
    for folder in ("minigooglenet", "lessons"):
        shutil.copytree(ROOT / folder, source / folder, ignore=unwanted)
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, source)
    build = subprocess.run([sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index",
                            "--wheel-dir", out, source], capture_output=True, text=True)
    if "No module named pip" in build.stderr or "BackendUnavailable" in build.stderr:
        pytest.skip("pip is not installed here")
    assert build.returncode == 0, build.stdout + build.stderr
    path, = out.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def unpacked(wheel, tmp_path_factory):
    place = tmp_path_factory.mktemp("site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place)
    return place


@pytest.fixture
def call(unpacked, tmp_path):
    """Run the console command from the unpacked wheel in an empty folder: (exit code, standard output, errors)."""
    script = tmp_path / "bin" / "minigooglenet"  # as pip writes it
    script.parent.mkdir()
    script.write_text("import sys\nfrom minigooglenet.cli import main\nsys.exit(main())\n")
    here = tmp_path / "here"
    here.mkdir()

    def run(*arguments):
        process = subprocess.run([sys.executable, script, *map(str, arguments)], cwd=here, text=True,
                                 capture_output=True, timeout=300,
                                 env=os.environ | {"PYTHONPATH": str(unpacked), "MINIGOOGLENET_OFFLINE": "1"})
        assert str(ROOT) not in process.stdout + process.stderr
        return process.returncode, process.stdout, process.stderr

    run.here = here
    return run


def test_it_has_every_module_and_data_file(wheel):
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
        points, = (name for name in archive.namelist() if name.endswith("entry_points.txt"))
        assert "minigooglenet = minigooglenet.cli:main" in archive.read(points).decode()
    expected = {path.relative_to(ROOT).as_posix() for folder in ("minigooglenet", "lessons")
                for path in (ROOT / folder).rglob("*")
                if path.suffix in (".py", ".css", ".js", ".json", ".po", ".typed", ".wat")}
    assert inside == expected
    assert {"minigooglenet/py.typed", "lessons/book/book.css", "lessons/exercises/07_one_by_one.py"} <= inside


def test_version_counts_and_help(call):
    assert call("--version") == (0, f"minigooglenet {minigooglenet.__version__}\n", "")
    code, output, errors = call("flops")
    assert code == 0 and errors == "" and "1,582,671,872" in output
    code, output, _ = call("help", "lesson")
    assert code == 0 and output.startswith("usage: minigooglenet lesson ")
    assert os.listdir(call.here) == []


def test_a_lesson_and_its_exercises(call):
    code, output, errors = call("lesson", 7)
    assert code == 0 and errors == ""
    assert "Write them in `exercises/07_one_by_one.py`, then run `minigooglenet check 7`." in output
    assert (call.here / "figures" / "lessons" / "07_reduction.png").exists()

    stub = call.here / "exercises" / "07_one_by_one.py"
    code, output, errors = call("check", 7)
    assert code == 1 and errors == "" and output.startswith("exercises/07_one_by_one.py: copied")
    assert "not written yet: exercises/07_one_by_one.py, line" in output
    assert output.endswith("A hint for conv_macs: minigooglenet check 7 --hint 1\n")

    stub.write_text((ROOT / "lessons" / "solutions" / stub.name).read_text(encoding="utf-8"), encoding="utf-8")
    code, output, errors = call("check", 7)
    assert code == 0 and errors == "" and "copied" not in output and output.count("passes, ") == 3
    code, output, _ = call("progress")
    assert code == 0 and re.search(rf"1 of {len(catalog.lessons())} lessons ran, 3 of \d+ exercises pass\.", output)
    assert output.endswith("Next: minigooglenet lesson 1\n")
    assert sorted(os.listdir(call.here)) == [".progress.json", "exercises", "figures"]


def test_a_network_of_the_learner_s_answers(call):
    code, output, errors = call("mine")
    assert code == 1 and errors == "" and "(not written: minigooglenet check 2)" in output
    assert output.endswith("such as convolve of lesson 02: minigooglenet check 2\n")


@pytest.mark.parametrize("arguments, message", [
    (["evaluate"], "runs/: no trained network yet; train one with: minigooglenet train\n"),
    (["check", "99"], "lesson 99: no such lesson"),
    (["trian"], "did you mean train? All commands: minigooglenet --help\n"),
])
def test_messages_name_what_is_there(call, arguments, message):
    code, output, errors = call(*arguments)
    assert code == 2 and output == "" and message in errors and errors.count("\n") == 1
