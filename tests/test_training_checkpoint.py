"""Resumed runs, and files of version 0.1."""

import json
import os
import re

import numpy as np
import pytest
import small
from small import NARROW, differences, learned, same

from minigooglenet.data import Augment
from minigooglenet.errors import UserError
from minigooglenet.training import checkpoint
from minigooglenet.training.network import restore
from minigooglenet.training.trainer import Trainer
from minigooglenet.weights import safetensors_io


@pytest.fixture(scope="module")
def dataset():
    return small.dataset()


def test_a_resumed_run_ends_with_the_same_bits(dataset, tmp_path):
    """In one process; tests/test_resume.py kills processes."""
    augment = Augment(NARROW.augment)
    Trainer(NARROW, dataset, tmp_path / "whole", augment).run()
    for stop_at in (3, 5, 8):  # inside an epoch, at its end, inside the last
        folder = tmp_path / f"stopped at {stop_at}"
        trainer = Trainer(NARROW, dataset, folder, augment)
        assert not trainer.run(stop=lambda trainer=trainer, at=stop_at: trainer.step == at)
        again = Trainer(NARROW, dataset, folder, augment)
        again.restore(checkpoint.load(folder))
        assert again.step == stop_at and same(learned(trainer), learned(again))
        assert again.run()
        assert differences(tmp_path / "whole", folder) == []


def as_version_1(path):
    """Rewrite a checkpoint as version 0.1 wrote it: other names for batch norm's arrays and for two entries."""
    arrays, metadata = safetensors_io.load(path)
    old = {re.sub("/bn/(gamma|beta|mean|variance)$", r"_bn/\1", name): array for name, array in arrays.items()}
    progress = json.loads(metadata["progress"])
    progress["sums"]["pictures"] = progress["sums"].pop("images")
    metadata["normaliser"] = metadata.pop("normalizer")
    metadata |= {"progress": json.dumps(progress), "format": json.dumps("minigooglenet checkpoint 1")}
    safetensors_io.save(path, old, metadata)
    return old


def test_a_checkpoint_of_version_1_is_used_and_resumed(dataset, tmp_path):
    Trainer(NARROW, dataset, tmp_path / "whole").run()
    trainer = Trainer(NARROW, dataset, tmp_path / "old")
    assert not trainer.run(stop=lambda: trainer.step == 3)
    old = as_version_1(tmp_path / "old" / checkpoint.NAME)
    assert {"weights/conv1_bn/gamma", "state/4a/3x3_bn/mean", "average/aux1/conv_bn/beta"} <= old.keys()
    loaded = checkpoint.load(tmp_path / "old")
    again = Trainer(NARROW, dataset, tmp_path / "old")
    again.restore(loaded)
    assert same(learned(trainer), learned(again)) and again.sums == trainer.sums
    np.testing.assert_array_equal(loaded.normalizer.mean, trainer.normalizer.mean)
    trainer.average.swap()
    assert same(restore(loaded).parameters(), trainer.net.parameters())
    assert again.run()
    assert differences(tmp_path / "whole", tmp_path / "old") == []


# -- the folder of a run ----------------------------------------------------------------------------------------------

def test_a_folder_is_claimed_once(tmp_path):
    for _ in range(2):  # the claim ends with the context and leaves no trace
        with checkpoint.claimed(tmp_path / "deep" / "run") as folder:
            assert folder.is_dir()
            with pytest.raises(UserError, match="run: another process trains in this folder"), \
                    checkpoint.claimed(folder):
                pass
        assert not (tmp_path / "deep").exists()
    with checkpoint.claimed(tmp_path / "kept") as folder:
        (folder / "log.csv").touch()
    assert folder.is_dir()


def test_claiming_removes_the_partial_files_of_a_killed_run(tmp_path):
    for name in (".checkpoint.safetensors.x1.part", ".log.csv.x2.part", ".curve.png.x3.part", ".mine.part", "log.csv"):
        (tmp_path / name).touch()
    with checkpoint.claimed(tmp_path):
        assert sorted(path.name for path in tmp_path.iterdir()) == [".mine.part", "log.csv"]


@pytest.mark.parametrize("make", [lambda path: path.touch(), os.mkfifo, lambda path: path.symlink_to("/dev/null")])
def test_a_folder_that_is_a_file_or_device(tmp_path, make):
    make(tmp_path / "run")
    for folder in (tmp_path / "run", tmp_path / "run" / "deeper"):
        with pytest.raises(UserError, match="cannot be written .*choose another folder"), checkpoint.claimed(folder):
            pass
