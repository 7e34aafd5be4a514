"""What finetune starts from: the settings of a new run, its split, and what a resumed run keeps and refuses."""

import json
import shutil

import pytest
import small
from image_folders import photos, write
from small import call

from minigooglenet.cli import main
from minigooglenet.training import checkpoint
from minigooglenet.training.images import load_images
from minigooglenet.training.trainer import Trainer

BASE = small.NARROW.but(norm="lrn", balance="loss", sampling_seed=5, half=0.5)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with ``images``, ``base``, a run on drawn images, and ``own``, a run on ``images`` with split_seed 3."""
    place = tmp_path_factory.mktemp("start")
    photos(place / "images", ant=9, bee=9)
    Trainer(BASE, small.dataset(), place / "base").save()
    own = BASE.but(size=32, split_seed=3)
    Trainer(own, load_images(own, place / "images", place / "datasets", progress=False), place / "own",
            source=str(place / "images")).save()
    assert main(list(map(str, finetune(place, "base", place / "linear")))) == 0
    return place


def finetune(place, base, out, *options):
    return ["finetune", "--data", place / "images", "--weights", place / base, "--datasets", place / "datasets",
            "--out", out, *options]


def test_a_new_run_has_its_own_settings(place):
    """Those of the base run describe how it was trained, but for its network."""
    config, base = (checkpoint.load(place / name).config for name in ("linear", "base"))
    assert (config.model, config.width, config.norm, config.size) == (base.model, base.width, base.norm, 32)
    assert (config.epochs, config.batch, config.lr, config.balance, config.augment) == (8, 32, 0.003, "none", "mirror")
    assert (config.seed, config.sampling, config.split_seed, config.half, config.skip_bad) == (0, 0, 0, 0, False)


def test_what_a_resumed_run_refuses(place, capsys):
    before = (place / "linear" / checkpoint.NAME).read_bytes()
    for options, message in (
            (["--epochs", 9, "--lr", 0.1], "the run has epochs 8, not 9; lr 0.003, not 0.1; a resumed run keeps"),
            (["--no-mirror"], "the run has augment mirror, not none;"),
            (["--skip-bad"], "the run has skip_bad False, not True;"),
            (["--split-seed", 1, "--seed", 2], "the run has seed 0, not 2; split_seed 0, not 1;"),
            (["--balance", "loss"], "the run has balance none, not loss;"),
            (["--weights", place / "own"], f"the run started from {place / 'base'}, not from {place / 'own'}; leave"),
            (["--unfreeze", "5a"], "the run has unfreeze None, not 5a; a resumed run keeps its settings; start")):
        code, output, errors = call(capsys, "finetune", "--resume", "--out", place / "linear", *options)
        assert code == 2 and not output and len(errors.splitlines()) == 1
        assert errors.startswith(f"minigooglenet finetune: {place / 'linear' / checkpoint.NAME}: {message}")
    assert errors.endswith(f"finetune --data {place / 'images'} --weights {place / 'linear'} --unfreeze 5a\n")
    assert (place / "linear" / checkpoint.NAME).read_bytes() == before
    same = ["--epochs", 8, "--seed", 0, "--balance", "none", "--resume", "--json"]
    assert call(capsys, *finetune(place, "base", place / "linear", *same))[0] == 0


def test_to_resume_in_an_empty_folder_is_to_start(place, tmp_path, capsys):
    code, _, errors = call(capsys, *finetune(place, "base", tmp_path / "typo", "--resume"))
    assert code == 0 and errors.startswith(f"note: no checkpoint in {tmp_path / 'typo'}: starting from the beginning\n")


def test_a_photo_that_was_added_is_named_as_the_reason(place, tmp_path, capsys):
    shutil.copytree(place / "images", tmp_path / "images")
    assert call(capsys, *finetune(place, "base", tmp_path / "run", "--data", tmp_path / "images"))[0] == 0
    write(tmp_path / "images" / "ant" / "new.png")
    code, _, errors = call(capsys, "finetune", "--resume", "--out", tmp_path / "run")
    assert code == 2 and f"the images in {tmp_path / 'images'} have changed since the run was started; " in errors


def test_the_split_is_that_of_a_base_on_the_same_folder(place, tmp_path, capsys, monkeypatch):
    """Another split would test on images that the base was trained on."""
    monkeypatch.chdir(place)
    tests = {}
    for seed, options in ((3, []), (3, ["--data", "images"]), (3, ["--split-seed", 3]), (4, ["--split-seed", 4])):
        out = tmp_path / str(len(tests))
        code, output, errors = call(capsys, *finetune(place, "own", out, "--json", *options))
        assert code == 0 and checkpoint.load(out).config.split_seed == seed
        assert ("own was trained on some of these test images" in errors) == (seed == 4)
        tests[out] = json.loads(output)
    _, _, errors = call(capsys, "finetune", "--resume", "--out", out)
    assert "too high; its own test images are those of --split-seed 3\n" in errors
    shutil.copytree(place / "images", tmp_path / "others")
    assert call(capsys, *finetune(place, "own", tmp_path / "new", "--data", tmp_path / "others"))[0] == 0
    assert checkpoint.load(tmp_path / "new").config.split_seed == 0


def test_a_folder_with_a_split_of_its_own_has_no_note(place, tmp_path, capsys):
    photos(tmp_path / "parts" / "train", ant=6, bee=6)
    photos(tmp_path / "parts" / "test", ant=3, bee=3)
    own = BASE.but(size=32)
    Trainer(own, load_images(own, tmp_path / "parts", tmp_path, progress=False), tmp_path / "own",
            source=str(tmp_path / "parts")).save()
    options = ["--data", tmp_path / "parts", "--weights", tmp_path / "own", "--split-seed", 1]
    code, _, errors = call(capsys, *finetune(place, "base", tmp_path / "run", *options))
    assert code == 0 and "was trained on" not in errors
