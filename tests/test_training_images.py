"""Training on folders of images: other sizes, the images found again, and every command that uses the run."""

import dataclasses
import json
import re
import shutil

import numpy as np
import pytest
import small
from image_folders import photos, write
from small import NARROW, differences, learned, same

from minigooglenet import load
from minigooglenet.cli import main, parser_for
from minigooglenet.data import Augment, Dataset, image_cache
from minigooglenet.data.photos import open_photo
from minigooglenet.errors import ShapeError, UserError
from minigooglenet.training import checkpoint
from minigooglenet.training.config import Config, preset
from minigooglenet.training.evaluate import images_per_pass, probabilities
from minigooglenet.training.images import augmentation, images_of, load_images, with_sizes
from minigooglenet.training.network import build, restore
from minigooglenet.training.trainer import Trainer

QUICK = ["--width", "0.05", "--batch", "8", "--epochs", "1", "--threads", "1"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with ``photos`` and a run on them that is cropped as in the paper, ``run``."""
    place = tmp_path_factory.mktemp("own images")
    for name, sides in (("ant", (50, 70)), ("bee", (70, 50)), ("cat", (61, 61))):
        for i in range(8):
            write(place / "photos" / name / f"{i}.png", [len(name), *name.encode(), i], *sides)
    assert train(place, "run", "--size", 48, "--augment", "paper") == 0
    return place


def train(place, out, *options):
    return main(list(map(str, ["train", "--data", place / "photos", "--datasets", place / "datasets", "--out",
                               place / out, *QUICK, *options])))


# -- sizes ------------------------------------------------------------------------------------------------------------

def test_the_paper_s_crops_come_from_larger_images(place, tmp_path):
    config = with_sizes(Config(augment="paper"), place / "photos", 48)
    assert (config.size, config.stored) == (48, 55) and with_sizes(Config(augment="paper"), place / "photos").size == 64
    assert with_sizes(Config(size=224, augment="paper"), place / "photos").stored == 256
    assert with_sizes(Config(size=512, augment="paper"), place / "photos").stored == 585 <= image_cache.LARGEST
    assert with_sizes(Config(), place / "photos") == Config(size=64)
    for data in (None, "cifar10", tmp_path):
        assert with_sizes(Config(size=128, augment="paper"), data) == Config(augment="paper")
    dataset = load_images(config, place / "photos", tmp_path, progress=False)
    whole = load_images(config.but(size=55), place / "photos", tmp_path, progress=False)
    assert dataset.x_train.shape[1:] == (55, 55, 3) and dataset.x_test.shape[1:] == (48, 48, 3)
    np.testing.assert_array_equal(dataset.x_test, whole.x_test[:, 3:51, 3:51])
    assert augmentation(config)(dataset.x_train[:2], np.random.default_rng(0)).shape == (2, 48, 48, 3)


def test_augmentation_grows_with_the_images(rng):
    x = np.broadcast_to(np.arange(96, dtype=np.uint8), (64, 96, 96))[..., None].repeat(3, axis=-1)
    shifts = {int(image[40, 40, 0]) - 40 for image in Augment("crop").steps[0](x, rng)}
    assert min(shifts) < -8 and max(shifts) > 8 and max(map(abs, shifts)) <= 12
    hidden = (Augment("cutout").steps[2](x, rng) != x).any(axis=(2, 3)).sum(axis=1)
    assert hidden.max() == 24
    assert Augment("paper", 40)(x[:2], rng).shape == (2, 40, 40, 3)


def test_a_trainer_refuses_images_that_nobody_crops():
    few = small.dataset(8, 4)
    trainer = Trainer(NARROW, dataclasses.replace(few, x_test=few.x_test[:, 2:30, 2:30]))
    with pytest.raises(ShapeError, match=r"\(32, 32, 3\), expected \(28, 28, 3\)"):
        trainer.run()


def test_a_checkpoint_without_a_size_keeps_the_stem_of_small_images(tmp_path):
    """As those of earlier versions are, whatever the size of their images."""
    few = small.dataset(8, 4)
    large = Dataset(**vars(few) | {"x_train": few.x_train.repeat(2, 1).repeat(2, 2),
                                   "x_test": few.x_test.repeat(2, 1).repeat(2, 2)})
    trainer = Trainer(NARROW, large, tmp_path)
    trainer.save()
    found = checkpoint.load(tmp_path)
    assert found.input_shape == (64, 64, 3) and restore(found).children["conv1"].kernel == (3, 3)
    chosen = build(NARROW.but(size=64), 10, (64, 64, 3))
    assert chosen.children["conv1"].kernel == (7, 7)


def test_large_images_are_evaluated_in_smaller_batches(rng):
    assert [images_per_pass(side, side) for side in (32, 64, 224, 1000)] == [256, 64, 5, 1]
    net, seen = build(NARROW.but(size=96), 3, (96, 96, 3), rng), []
    x = rng.integers(0, 256, (30, 96, 96, 3), np.uint8)
    p = probabilities(net, x, lambda x: seen.append(len(x)) or x.astype(np.float32) / 255)
    assert p.shape == (30, 3) and seen == [28, 2]


# -- the images are found again ---------------------------------------------------------------------------------------

def test_a_resumed_run_finds_its_images_and_ends_with_the_same_bits(place, tmp_path):
    found = checkpoint.load(place / "run")
    config = found.config
    assert (config.size, config.stored, config.augment, found.input_shape) == (48, 55, "paper", (48, 48, 3))
    dataset = images_of(found, None, tmp_path, progress=False)
    trainer = Trainer(config, dataset, tmp_path / "run", augmentation(config), found.progress["source"])
    assert not trainer.run(stop=lambda: trainer.step == 1)
    assert train(place, tmp_path / "run", "--resume") == 0
    assert differences(place / "run", tmp_path / "run") == []


def test_resuming_and_evaluating_without_naming_the_images(place, capsys):
    datasets = ["--datasets", str(place / "datasets")]
    assert main(["train", "--resume", "--out", str(place / "run"), "--json", *datasets]) == 0
    result = json.loads(capsys.readouterr().out)
    assert main(["evaluate", "--run", str(place / "run"), "--json", *datasets]) == 0
    assert json.loads(capsys.readouterr().out)["test_accuracy"] == result["test_accuracy"]


def test_settings_of_a_run_on_images_are_kept(place, capsys):
    assert train(place, "run", "--resume", "--size", 64) == 2
    message = capsys.readouterr().err
    assert "the run has size 48, not 64; " in message and "a resumed run keeps its settings" in message
    assert train(place, "run", "--resume", "--split-seed", 1) == 2
    assert "the run has split_seed 0, not 1" in capsys.readouterr().err


def test_changed_images_and_missing_folders(tmp_path, capsys):
    photos(tmp_path / "photos", ant=6, bee=6)
    assert train(tmp_path, "run", "--size", 16, "--no-heads") == 0
    write(tmp_path / "photos" / "ant" / "new.png")
    capsys.readouterr()
    assert train(tmp_path, "run", "--resume") == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert message.startswith(f"minigooglenet train: {tmp_path / 'run' / checkpoint.NAME}: the images in "
                              f"{tmp_path / 'photos'} have changed since the run was started; put the old ones back")
    (tmp_path / "photos").rename(tmp_path / "moved")
    assert main(["evaluate", "--run", str(tmp_path / "run"), "--datasets", str(tmp_path / "datasets")]) == 2
    message = capsys.readouterr().err
    assert len(message.splitlines()) == 1 and str(tmp_path / "photos") in message
    assert main(["evaluate", "--run", str(tmp_path / "run"), "--data", str(tmp_path / "moved"), "--datasets",
                 str(tmp_path / "datasets")]) == 0


def test_damaged_images_stay_left_out(tmp_path, capsys):
    photos(tmp_path / "photos", ant=6, bee=6)
    (tmp_path / "photos" / "ant" / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    assert train(tmp_path, "run", "--size", 16, "--no-heads") == 2
    assert "--skip-bad" in capsys.readouterr().err and not (tmp_path / "run").exists()
    assert train(tmp_path, "run", "--size", 16, "--no-heads", "--skip-bad") == 0
    assert train(tmp_path, "run", "--resume") == 0


def test_options_that_a_message_names_are_options_of_the_command(place, tmp_path, capsys):
    """Of every command that reads a folder with a damaged image, or images that have another size."""
    shutil.copytree(place / "photos", tmp_path / "photos")
    (tmp_path / "photos" / "ant" / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    shapes = small.folder(tmp_path / "shapes")
    new = ["--model", "lenet5", "--width", 0.5, "--epochs", 1, "--norm", "batch", "--json", "--size"]
    for command, *options in (["evaluate", "--run", place / "run"], ["ensemble", "--runs", place / "run"],
                              ["ablation", "--ensemble", place / "run", "--crops", 1],
                              ["finetune", "--weights", place / "run", "--out", tmp_path / "tuned", "--json"],
                              ["train", "--out", tmp_path / "trained", *new, 48],
                              ["ensemble", "--models", 1, "--out", tmp_path / "ensemble", *new, 48]):
        start = [command, *options, "--datasets", tmp_path / "datasets", "--data"]
        for data, fix in ((tmp_path / "photos", "--skip-bad"), (shapes, "keep 32×32")):
            code, _, errors = small.call(capsys, *start, data)
            named = set(re.findall(r"--[a-z-]+", errors))
            assert code == 2 and fix in errors and named <= set(parser_for(command)._option_string_actions), errors
        small_enough = ["--size", 32] if options[-1] == 48 else []
        assert small.call(capsys, *start, tmp_path / "photos", "--skip-bad", *small_enough)[0] == 0, command


def test_data_sets_of_small_images_have_no_other_size(tmp_path, capsys):
    small.folder(tmp_path / "photos")
    assert train(tmp_path, "run", "--size", 64) == 2
    message = capsys.readouterr().err
    assert "size: photos has images of 32×32 pixels, not 64×64, and only image files are resized; keep 32×32" in message
    assert not (tmp_path / "run").exists()
    with pytest.raises(UserError, match="too small for googlenet .* or leave the auxiliary heads out"):
        build(preset("quick", "googlenet"), 2, (64, 64, 3))


# -- what uses a run --------------------------------------------------------------------------------------------------

def test_photos_are_prepared_as_the_training_images_were(place, tmp_path):
    classifier = load(place / "run")
    dataset = images_of(checkpoint.load(place / "run"), None, tmp_path, progress=False)
    assert (classifier.size, classifier.resized) == (48, 55)
    for i, name in enumerate(dataset.files_test):
        photo = open_photo(place / "photos" / name)
        np.testing.assert_array_equal(classifier.center_crop(photo), dataset.x_test[i])
        np.testing.assert_allclose(classifier.photo(photo), classifier.probabilities(dataset.x_test[i:i + 1])[0],
                                   rtol=1e-5)
    assert classifier.photo(photo, 10).shape == classifier.photo(photo, 144).shape == (3,)


def test_every_command_reads_the_run(place, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photo, run = str(place / "photos" / "ant" / "0.png"), str(place / "run")
    for command in (["predict", photo, "--weights", run], ["explain", photo, "--weights", run, "--out", "explain.png"],
                    ["cam", photo, "--weights", run, "--out", "cam.png"],
                    ["occlusion", photo, "--weights", run, "--out", "occlusion.png"],
                    ["explorer", "--weights", run, "--out", "page.html", "--photos", photo],
                    ["ensemble", "--runs", run, run, "--json", "--datasets", str(place / "datasets")]):
        assert main(command) == 0, command
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["models"] == 2 and result["images"] == len(images_of(checkpoint.load(run), None, tmp_path).y_test)


def test_onnx_has_the_size_of_the_images(place, tmp_path, capsys):
    pytest.importorskip("onnx")
    assert main(["export", str(place / "run"), str(tmp_path / "mini.onnx")]) == 0
    assert "images (N, 3, 48, 48) -> logits" in capsys.readouterr().out


def test_at_the_end_stands_what_to_do_next(place, capsys):
    assert train(place, "run", "--resume") == 0
    lines = capsys.readouterr().err
    assert f"predict '{place / 'photos'}/" in lines and f"evaluate --run '{place / 'run'}'" in lines


def test_few_images_are_told_of_finetune(place, capsys):
    assert train(place, "few") == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("note: ") and "training images of each class are few" in lines[0]
    assert f"finetune --data '{place / 'photos'}'" in lines[0]


def test_images_too_small_to_be_halved_are_refused_before_training(place, capsys):
    capsys.readouterr()
    assert train(place, "halved", "--size", 20, "--half", 0.5, "--epochs", 2) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "minigooglenet train: half: images of 20×20 pixels are too small to be halved for mini; use --half 0 or larger "
        "images")
    assert not (place / "halved").exists()


def test_the_same_bits_for_several_runs_on_one_folder(place):
    config = NARROW.but(size=32, epochs=1)
    one, other = (Trainer(config, load_images(config, place / "photos", place / "datasets", progress=False), None,
                          augmentation(config)) for _ in range(2))
    assert one.run() and other.run() and same(learned(one), learned(other))
