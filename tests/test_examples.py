"""Each program in examples/ runs in a process of its own and prints what it promises."""

import os
import re
import subprocess
import sys

import pytest
from small import ROOT

EXAMPLES = ROOT / "examples"


def run(name, folder, **shorter):
    """What ``examples/NAME.py`` prints, run in ``folder``, which stays empty. ``shorter`` replaces texts of it."""
    program = (EXAMPLES / f"{name}.py").read_text()
    for text, other in shorter.items():
        assert program.count(text) == 1
        program = program.replace(text, other)
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "MINIGOOGLENET_OFFLINE": "1"}
    process = subprocess.run([sys.executable, "-c", program], cwd=folder, env=environment, text=True,
                             capture_output=True, timeout=300)
    assert process.returncode == 0 and process.stderr == "", process.stderr
    assert not any(folder.iterdir())
    return process.stdout


def test_every_example_has_a_test():
    assert {path.stem for path in EXAMPLES.glob("*.py")} == {
        "training_loop", "gradcheck_layer", "classifier", "count", "finetune", "temperature"}


def test_training_loop(tmp_path):
    epochs = re.findall(r"epoch (\d)  loss (\d\.\d+)  test accuracy ([\d.]+)%", run("training_loop", tmp_path))
    assert [int(epoch) for epoch, _, _ in epochs] == [1, 2, 3, 4, 5]
    assert float(epochs[-1][1]) < float(epochs[0][1]) and float(epochs[-1][2]) > 70  # guessing: 10 %

    loop = (EXAMPLES / "training_loop.py").read_text().split("# -- the training loop --\n")[1]
    assert len(loop.splitlines()) == 14  # as its first line says


def test_gradcheck_layer(tmp_path):
    alone, in_network, wrong = run("gradcheck_layer", tmp_path).split("\n\n")
    assert alone.startswith("SiLU\n") and alone.splitlines()[-1].startswith("ok: ")
    assert re.findall(r"^\S+", in_network, re.MULTILINE)[1:-1] == ["dx", "conv/w", "conv/b", "silu/a"]
    assert in_network.splitlines()[-1].startswith("ok: ")
    assert wrong.splitlines()[-1].startswith("WRONG: ") and " in dx" in wrong.splitlines()[-1]


def test_classifier(tmp_path):
    pytest.importorskip("sklearn")
    *rows, accuracy = run("classifier", tmp_path).splitlines()
    predicted, labels, confidence = (row.split()[1:] for row in rows)
    assert len(predicted) == len(labels) == len(confidence) == 10
    assert sum(p == y for p, y in zip(predicted, labels, strict=True)) >= 8
    assert float(accuracy.split()[-1].rstrip("%")) > 85  # guessing: 10 %


def test_count(tmp_path):
    googlenet, own = run("count", tmp_path).split("\n\n")
    assert googlenet.startswith("GoogLeNet: 6,998,552 parameters, 1,582,671,872 MACs\n")
    assert re.search(r"4a +376,176 parameters, +73,608,192 MACs", googlenet)
    weights = [3 * 3 * 3 * 32, 32 * 16, 5 * 5 * 16 * 64, 64 * 10]
    params = sum(weights) + 32 + 16 + 64 + 10
    macs = weights[0] * 32 * 32 + (weights[1] + weights[2]) * 16 * 16 + weights[3]
    assert own.startswith(f"Sequential: {params:,} parameters, {macs:,} MACs\n")
    names = [line.split()[0] for line in own.splitlines()[1:]]
    assert names == ["conv1", "pool1", "reduce", "conv2", "pool2", "linear"]


def test_finetune(tmp_path):
    fewer_test_images = {"([7, 8, 9], 10, 100)": "([7, 8, 9], 10, 40)"}
    lines = run("finetune", tmp_path, **fewer_test_images).splitlines()
    seven, scratch, untrained, features, tuned = (float(line.split()[-1].rstrip("%")) for line in lines
                                                  if line.endswith("%"))
    assert seven > 50 and min(features, tuned) > max(scratch, untrained) + 20  # guessing: 14 %, then 33 %


def test_temperature(tmp_path):
    _, before, after = run("temperature", tmp_path).splitlines()
    rows = [re.findall(r"[\d.]+", line) for line in (before, after)]
    (one, _, ece, nll), (T, _, lower_ece, lower_nll) = [[float(value) for value in row] for row in rows]
    assert one == 1 and 2.3 < T < 2.7 and lower_ece < 5 < 20 < ece and lower_nll < nll
