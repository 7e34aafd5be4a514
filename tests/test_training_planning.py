"""Batch and epochs from the images and the memory, and the settings of each model."""

import math

import numpy as np
import pytest
import small

from minigooglenet import engine
from minigooglenet.cli import parser_for
from minigooglenet.commands import train
from minigooglenet.layers import BatchNorm, Block, Conv, Dense, Flatten, MaxPool, Sequential
from minigooglenet.training import planning
from minigooglenet.training.config import PRESETS, Config, preset
from minigooglenet.training.planning import activation_bytes, planned

SHAPE = (64, 64, 3)
OWN = Config(width=0.05, size=64)


def plan(config, N, *given):
    return planned(config, given, N, 3, SHAPE)


def test_data_sets_of_small_images_keep_their_settings():
    assert planned(Config(), (), 50_000, 10, (32, 32, 3)) == (Config(), "")


def test_few_images_are_trained_on_for_more_epochs_in_smaller_batches(monkeypatch):
    monkeypatch.setattr(planning, "free_memory", lambda: math.inf)
    config, line = plan(OWN, 2000)
    assert (config.batch, config.lr, config.epochs) == (64, 0.1, 49)
    assert line.startswith("batch 64: about 0.1 GB of activations; 49 epochs of 31 steps")
    config, line = plan(OWN, 100)
    assert (config.batch, config.lr, config.epochs) == (8, 0.1 / 8, 100) and "learning rate 0.0125" in line
    assert plan(OWN, 3)[0].batch == 8
    config, line = plan(OWN, 100, "batch", "lr", "epochs")
    assert config == OWN and line == ""
    assert plan(OWN.but(epochs=28), 50_000)[0].epochs == 28
    assert plan(OWN, 100, "lr")[0].lr == OWN.lr


def test_images_of_a_folder_are_not_halved_unless_asked():
    config = OWN.but(half=0.6, epochs=10)
    assert plan(config, 50_000)[0] == OWN.but(half=0.0, epochs=4)
    assert plan(config, 50_000, "epochs")[0] == OWN.but(half=0.0, epochs=10)
    assert plan(config, 50_000, "half")[0] == config


def test_the_batch_is_halved_until_it_fits(monkeypatch):
    image = activation_bytes(planning.build(OWN, 3, SHAPE), SHAPE)
    for size in (64, None):
        monkeypatch.setattr(planning, "free_memory", lambda: 2.1 * 16 * image)
        config, line = plan(OWN if size else OWN.but(epochs=4), 50_000)
        assert config.batch == 16 and config.lr == 0.1 / 4 and line.startswith("batch 16: about ")
    assert plan(OWN, 50_000, "batch")[0].batch == 64
    monkeypatch.setattr(planning, "free_memory", lambda: 0)
    assert plan(OWN, 50_000)[0].batch == 1


@pytest.mark.parametrize("memory", [math.inf, 2e6])
@pytest.mark.parametrize("name", ["quick", "full"])
@pytest.mark.parametrize("model", ["mini", "googlenet-torchvision", "lenet5"])
def test_the_same_options_continue_the_run_that_they_started(model, name, memory, monkeypatch):
    monkeypatch.setattr(planning, "free_memory", lambda: memory)
    args = parser_for("train").parse_args(["--preset", name, "--model", model, "--no-heads"])
    start = train.initial(args, None)
    config, _ = train.planned(args, start, small.dataset())
    assert (config.batch < start.batch) == (memory < math.inf) and config.size is None
    assert train.continued(args, config) == config


@pytest.mark.skipif(engine.kind() == "plain", reason="the engine keeps less")
def test_activations_of_a_small_network_counted_by_hand():
    net = Sequential({
        "a": Block(Conv(3, 4, 3, pad=1, bias=False), BatchNorm(4)),  # z and y: 2 · 6·5·4
        "b": Block(Conv(4, 8, 1)),                                   # y: 6·5·8
        "pool": MaxPool(2),                                          # 3·2·8
        "flatten": Flatten(), "dense": Dense(48, 2)})                # 2
    kept, largest = 4 * 90 + 2 * 120 + 240 + 48 + 2, 240 + 240       # four of the input; b's ReLU reads and writes 240
    assert activation_bytes(net, (6, 5, 3)) == 4 * (kept + largest)


def test_a_network_needs_more_memory_for_larger_images_and_batches():
    smaller, larger = (activation_bytes(planning.build(OWN.but(size=size), 3, (size, size, 3)), (size, size, 3))
                       for size in (64, 96))
    assert larger == pytest.approx(smaller * (96 / 64) ** 2, rel=0.1)


def test_free_memory_of_the_machine_and_of_a_container(tmp_path, monkeypatch):
    assert 2**20 < planning.free_memory() < 2**60
    assert planning._of_container(tmp_path) is None
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.stat").write_text("anon 1000\nfile 5\n")
    assert planning._of_container(tmp_path) is None
    (tmp_path / "memory.max").write_text("5000\n")
    assert planning._of_container(tmp_path) == 4000
    monkeypatch.setattr(planning, "_available", lambda: None)
    monkeypatch.setattr(planning, "_of_container", lambda: None)
    assert planning.free_memory() == math.inf


def test_presets_for_each_model():
    assert preset("quick") == PRESETS["quick"] and preset("quick", "nin-cifar") == Config(model="nin-cifar", width=1.0)
    assert preset("full", "lenet5") == preset("full").but(model="lenet5", width=1.0)
    found = preset("quick", "googlenet")
    assert (found.width, found.batch, found.augment, found.lr) == (1, 32, "paper", 0.02)
    assert preset("quick", "googlenet", "lrn").lr == 0.01 and preset("quick", norm="lrn").lr == 0.1


def test_the_full_network_is_built_for_training():
    config = preset("quick", "googlenet").but(width=0.125)
    net = planning.build(config, 3, (96, 96, 3), np.random.default_rng(0))
    assert list(net.heads) == ["aux1", "aux2"] and net.children["dropout"].drop_prob == 0.4
    assert any(isinstance(layer, BatchNorm) for _, layer in net.walk())
    lrn = planning.build(config.but(norm="lrn"), 3, (96, 96, 3), np.random.default_rng(0))
    assert sum(layer.kind == "LRN" for _, layer in lrn.walk()) == 2
    biases = [w for path, w in lrn.parameters().items() if path.endswith("/b")]
    assert len(biases) > 50 and not any(b.any() for b in biases)  # He's initialization, not Caffe's biases of 0.2
