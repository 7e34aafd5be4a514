"""Interrupted and resumed runs, as real processes: the result equals an uninterrupted run's, bit for bit."""

import resource
import shutil
import signal
import time

import pytest
import small
from kill_resume import EVERY, kill_and_compare, options, wait_until_it_trains

from minigooglenet.cli import main
from minigooglenet.training import checkpoint, steps

NAME = checkpoint.NAME


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with ``data`` and a finished run, ``whole``."""
    place = tmp_path_factory.mktemp("runs")
    code, _, errors = small.run(*train(place, "whole"))
    assert code == 0, errors
    return place


def train(place, out):
    if not (place / "data").exists():
        small.folder(place / "data", 96, 16)
    return options(place / "data", place / out, width=0.05, batch=8, epochs=2, threads=2)


def wait_for_steps(process, out):
    while process.poll() is None and not steps.read_steps(out / steps.NAME):
        time.sleep(0.02)


def test_killed_at_random_moments(tmp_path):
    lines = []
    assert kill_and_compare(tmp_path, kills=3, batch=8, images=96, epochs=2, report=lines.append) == [], lines
    assert sum(line.startswith("kill") for line in lines) == 3


def test_ctrl_c_saves_and_prints_how_to_resume(place):
    out = place / "stopped here"
    process = small.command(*train(place, out.name))
    wait_for_steps(process, out)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and output == ""
    step = checkpoint.load(out).progress["step"]
    lines = errors.splitlines()
    assert lines[-2] == f"Stopped at step {step} of 24; everything is saved. Resume with:"
    assert lines[-1] == f"  python -m minigooglenet train --resume --out '{out}'"
    code, output, errors = small.run("train", "--resume", "--out", out)
    assert code == 0 and f"resumed at step {step}" in errors
    assert small.differences(place / "whole", out) == []


def test_sigterm_with_json_saves_and_leaves_standard_output_empty(place):
    out = place / "terminated"
    process = small.command(*train(place, out.name), "--json")
    wait_for_steps(process, out)
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 143 and output == ""
    assert errors.splitlines()[-1] == f"  python -m minigooglenet train --resume --out {out}"


def test_killed_before_its_first_checkpoint(place):
    out = place / "hardly started"
    out.mkdir()
    (out / f".{NAME}.abc.part").write_bytes(b"half")
    code, _, errors = small.run(*train(place, out.name), "--resume")
    assert code == 0 and "resumed" not in errors
    assert errors.startswith(f"note: no checkpoint in {out}: starting from the beginning\n")
    assert small.differences(place / "whole", out) == []


def test_resuming_a_finished_run_prints_its_result_and_changes_nothing(place, capsys):
    out = place / "finished"
    shutil.copytree(place / "whole", out)
    (out / f".{NAME}.abc.part").write_bytes(b"half")
    before = {path.name: path.read_bytes() for path in (place / "whole").iterdir()}
    results = [(main(["train", "--resume", "--out", str(out), "--json"]), capsys.readouterr()) for _ in range(2)]
    assert results[0] == results[1] and results[0][0] == 0 and '"test_accuracy"' in results[0][1].out
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before  # and the partial file is gone


def test_a_missing_log_is_written_again(place, capsys):
    out = place / "no log"
    shutil.copytree(place / "whole", out)
    (out / "log.csv").unlink()
    (out / "curve.png").unlink()
    assert main(["train", "--resume", "--out", str(out)]) == 0
    assert (out / "log.csv").read_bytes() == (place / "whole" / "log.csv").read_bytes()
    assert (out / "curve.png").exists()


def test_from_another_folder_and_after_a_relative_name(place, tmp_path):
    command = [word if word != place / "data" else "data" for word in train(place, "elsewhere")]
    process = small.command(*command, cwd=place)
    wait_until_it_trains(process)
    process.kill()
    process.communicate()
    code, _, errors = small.run("train", "--resume", "--out", place / "elsewhere", cwd=tmp_path)
    assert code == 0, errors
    assert small.differences(place / "whole", place / "elsewhere") == []
    code, output, _ = small.run("evaluate", "--run", place / "elsewhere", cwd=tmp_path)
    assert code == 0 and "16 test images of data" in output


def test_a_full_disk_keeps_the_earlier_checkpoint(place):
    """RLIMIT_FSIZE limits the size of files, as if the disk were full."""
    out = place / "full"
    process = small.command(*train(place, out.name))
    wait_until_it_trains(process)
    while checkpoint.load(out).progress["step"] < EVERY:
        time.sleep(0.02)
    process.kill()
    process.communicate()
    before = (out / NAME).read_bytes()
    limit = len(before) // 2
    code, output, errors = small.run("train", "--resume", "--out", out, "--checkpoint-every", 1, "--json",
                                     preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    assert code == 2 and output == "" and len(small.without_engine(errors)) == 1
    assert f"{out / NAME}: cannot be written (File too large); free some space" in errors
    assert (out / NAME).read_bytes() == before and not list(out.glob("*.part")) + list(out.glob(".*.part"))
    assert small.run("train", "--resume", "--out", out)[0] == 0  # without the limit
    assert small.differences(place / "whole", out) == []
