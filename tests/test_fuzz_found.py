"""Files that tests/fuzz has found: each was a traceback, or memory without a limit, and stands for its kind."""

import json
import tracemalloc

import numpy as np
import onnx_writer as onnx
import pytest
from caffe_writer import length, number, text, varint

from lessons import progress
from minigooglenet.data import image_cache, image_folder
from minigooglenet.data.dataset import Normalizer
from minigooglenet.errors import UserError
from minigooglenet.layers import Flatten
from minigooglenet.training.feature_cache import KEY, FeatureCache
from minigooglenet.training.steps import COLUMNS, read_steps
from minigooglenet.weights import safetensors_io
from minigooglenet.weights.onnx_file import read_model


@pytest.mark.parametrize("field", [
    length(7, length(1, number(3, 10**9))),                                     # of a node: its name
    length(7, length(5, number(8, 2**63))),                                     # of an initializer
    length(7, length(11, number(1, 2**40))),                                    # of an input
    length(7, length(1, length(5, number(1, 7)))),                              # of an attribute
    length(8, number(1, 10**9)), length(8, text(2, "17")),                      # of an opset: domain, version
    length(14, number(1, 2**62)), length(14, number(2, 10**9)),                 # of an entry of metadata
    length(7, length(1, varint(3 << 3 | 5) + bytes(4))),                        # a name as fixed32
])
def test_a_number_in_place_of_a_text_and_the_reverse(field, tmp_path):
    """``bytes(10**9)`` is a gigabyte of zeros."""
    (tmp_path / "net.onnx").write_bytes(onnx.model([onnx.node("Relu", ["x"], ["y"])]) + field)
    with pytest.raises(UserError, match="net.onnx: .*(text|node).*damaged or not an ONNX model") as error:
        read_model(tmp_path / "net.onnx")
    assert "\n" not in str(error.value)


def test_rows_of_steps_that_are_not_finite_are_left_out(tmp_path):
    rows = ["1,0.1,0.1,2,0.1,9,1", "inf,0.1,0.1,2,0.1,9,1", "nan,1,1,1,1,1,1", "2,0.1,0.1,nan,0.1,9,1",
            "3,0.1,0.1,2,0.1,inf,1", "3," + "x" * 200_000, '"3,1,1', "4,0.1,0.1,2,0.1,9,1", "1e400,1,1,1,1,1,1"]
    (tmp_path / "steps.csv").write_text("\n".join([",".join(COLUMNS), *rows, ""]))
    assert [row["step"] for row in read_steps(tmp_path / "steps.csv")] == [1, 4]


@pytest.mark.parametrize("change", [
    lambda index: index["entries"][0].__setitem__(0, ["x"]), lambda index: index["entries"][0].__setitem__(0, 5),
    lambda index: index["rows"].__setitem__(0, -1), lambda index: index["rows"].__setitem__(0, index["rows"][1]),
    lambda index: index["rows"].__setitem__(0, 1.0), lambda index: index["rows"].__setitem__(0, True),
    lambda index: index.update(train=1.5), lambda index: index.update(train=True),
    lambda index: index["files"][0].__setitem__(1, "0"), lambda index: index.update(pixels=None),
], ids=range(10))
def test_an_index_of_other_types_is_made_again(tmp_path, change):
    import image_folders
    root, cache = image_folders.photos(tmp_path / "photos", cat=3, dog=3), tmp_path / "cache"
    folder = image_folder.scan(root)
    before = image_cache.prepare(folder, 16, 0, cache, progress=False)
    path = image_cache.location(root, 16, 0, cache) / image_cache.INDEX
    index = json.loads(path.read_text())
    change(index)
    path.write_text(json.dumps(index))
    after = image_cache.prepare(folder, 16, 0, cache, progress=False)
    assert (after.files, after.entries, after.rows, after.train) == (before.files, before.entries, before.rows,
                                                                     before.train)
    np.testing.assert_array_equal(after.pixels, before.pixels)


def test_a_key_that_occurs_twice_does_not_move_the_rows_after_it(tmp_path, rng):
    cache = FeatureCache(tmp_path, Flatten(), Normalizer(np.zeros(3), np.ones(3)), (2, 2, 3))
    x = rng.integers(0, 256, (5, 2, 2, 3), np.uint8)
    cache.find(x[:2])
    for name, size in (("keys", KEY), ("rows", 4 * 12)):
        data = (cache.folder / name).read_bytes()
        (cache.folder / name).write_bytes(data + data[:size])
    found = cache.find(x)
    np.testing.assert_array_equal(cache.rows()[found], x.reshape(5, -1))


def test_progress_that_is_nested_deep_is_an_empty_record(tmp_path, monkeypatch, capsys):
    (tmp_path / "progress.json").write_text("[" * 100_000)
    monkeypatch.setenv("MINIGOOGLENET_PROGRESS", str(tmp_path / "progress.json"))
    assert progress.load() == {"ran": {}, "passed": {}}
    assert capsys.readouterr().err.count("\n") == 1


def test_messages_stay_short_whatever_a_file_contains(tmp_path):
    """Values of a file in a message have one line and a limited length."""
    from minigooglenet.data.ground_truth import read_ground_truth
    from minigooglenet.data.plain_pickle import plain_values
    from minigooglenet.data.records import read_classes
    long = "x\x1b" * 10_000
    (tmp_path / "truth").write_text(json.dumps([{"photo": long, "label": int("9" * 4000)}]))
    (tmp_path / "names").write_text(f"cat\n{long}\n")
    for read in (lambda: read_ground_truth(tmp_path, tmp_path / "truth"), lambda: read_classes(tmp_path / "names"),
                 lambda: plain_values(b"c" + b"x" * 10_000 + b"\nname\n)R.", "batch")):
        with pytest.raises(UserError) as error:
            read()
        assert len(str(error.value)) < 500 and str(error.value).isprintable()


@pytest.mark.parametrize("change", [
    lambda progress: progress["sums"].pop("loss"), lambda progress: progress["sums"].update(more=1.0),
    lambda progress: progress["history"][0].pop("images_per_second"), lambda progress: progress.update(step=10**9),
    lambda progress: progress["history"][0].update(images_per_second=0), lambda progress: progress.pop("average_steps"),
    lambda progress: progress["history"][0].update(loss="2"), lambda progress: progress.update(logged={"loss": 1.0}),
    lambda progress: progress.update(logged={"loss": "x"}),
], ids=range(9))
def test_a_run_whose_progress_is_damaged_is_not_resumed(tmp_path, change):
    import small

    from minigooglenet.training import checkpoint
    from minigooglenet.training.trainer import Trainer
    dataset, config = small.dataset(16, 8), small.NARROW.but(model="lenet5", epochs=1)
    trainer = Trainer(config, dataset, tmp_path)
    trainer.history = [dict.fromkeys(("epoch", "step", "lr", "loss", "train_accuracy", "test_accuracy",
                                      "images_per_second", "seconds"), 1.0)]
    trainer.save()
    Trainer(config, dataset, tmp_path).restore(checkpoint.load(tmp_path))
    arrays, metadata = safetensors_io.load(tmp_path / checkpoint.NAME)
    progress = json.loads(metadata["progress"])
    change(progress)
    safetensors_io.save(tmp_path / checkpoint.NAME, arrays, metadata | {"progress": json.dumps(progress)})
    with pytest.raises(UserError, match="progress is not that of a run"):
        Trainer(config, dataset, tmp_path).restore(checkpoint.load(tmp_path))


@pytest.mark.parametrize("command", ["train --resume", "finetune --resume", "ensemble"])
def test_a_small_run_whose_settings_ask_for_a_large_network_is_not_resumed(command, tmp_path, capsys):
    """Width 4 at 512×512 pixels is a network of gigabytes, which must not be built before the shapes are compared."""
    import small

    from minigooglenet.cli import main
    from minigooglenet.training import checkpoint
    from minigooglenet.training.trainer import Trainer
    run = tmp_path / ("model-1" if command == "ensemble" else "")
    Trainer(small.NARROW, small.dataset(16, 8), run, source=str(tmp_path / "images")).save()
    small.folder(tmp_path / "images", 16, 8)
    arrays, metadata = safetensors_io.load(run / checkpoint.NAME)
    config = json.loads(metadata["config"]) | {"model": "googlenet", "width": 4.0, "size": 512, "stored": 512}
    changes = {"config": config, "input_shape": [512, 512, 3]}
    if "finetune" in command:
        changes["progress"] = json.loads(metadata["progress"]) | {"finetune": {"unfreeze": "all"}}
    safetensors_io.save(run / checkpoint.NAME, arrays, metadata | {key: json.dumps(changes[key]) for key in changes})
    tracemalloc.start()
    try:
        assert main([*command.split(), "--out", str(tmp_path)]) == 2
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()
    line, = capsys.readouterr().err.splitlines()
    assert f"{run / checkpoint.NAME}: not the weights of this network: " in line and len(line) < 500
