"""The cache of features: computed once, continued after a kill, and used again where the disk has no more space."""

import dataclasses

import numpy as np
import pytest
import small
import tuning
from tuning import tuner

from minigooglenet.data import Normalizer
from minigooglenet.errors import UserError
from minigooglenet.training import checkpoint, frozen
from minigooglenet.training.feature_cache import FeatureCache


@pytest.fixture(scope="module")
def data():
    return tuning.dataset()


@pytest.fixture(scope="module")
def base():
    return tuning.base()


def test_features_are_those_of_the_network_and_computed_once(data, base, tmp_path, monkeypatch):
    one = tuner(data, base, tmp_path)
    one.start_from(base)
    body = one.part(0, -1)
    inside = data.x_train[:, 1:33, 1:33]
    expected = [body.predict(base.normalizer(np.ascontiguousarray(x))) for x in (inside, inside[:, :, ::-1])]
    inputs = one.read(data.x_train)
    for view in (0, 1):
        np.testing.assert_allclose(inputs.view(np.arange(42), view), expected[view], atol=1e-4 * expected[view].max())
    sizes = {path.name: path.stat().st_size for path in tmp_path.glob("*/*")}
    monkeypatch.setattr("minigooglenet.engine.predictor", lambda net: pytest.fail("computed again"))
    again = one.read(data.x_train[::-1])
    np.testing.assert_array_equal(again.view(np.arange(42), 1), inputs.view(np.arange(42)[::-1], 1))
    assert sizes == {path.name: path.stat().st_size for path in tmp_path.glob("*/*")} and sizes["keys"] == 16 * 84


def test_a_killed_cache_continues_with_the_same_bits(data, base, tmp_path):
    one = tuner(data, base, tmp_path)
    one.start_from(base)
    images = np.concatenate([data.x_test, data.x_train[:, 1:33, 1:33]])
    caches = [FeatureCache(tmp_path / name, one.part(0, -1), base.normalizer, (32, 32, 3)) for name in "ab"]
    found = caches[0].find(images)
    whole = caches[0].rows()[found]
    seen = []

    def stop(n):
        seen.append(n)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        caches[1].find(images, on_images=stop)
    assert len(caches[1].rows()) == seen[0] == 32
    with open(caches[1].folder / "rows", "ab") as rows:
        rows.write(b"half a row")
    found = caches[1].find(images)
    np.testing.assert_array_equal(caches[1].rows()[found], whole)
    assert (caches[0].folder / "rows").read_bytes() == (caches[1].folder / "rows").read_bytes()


def test_equal_images_are_one_row_and_other_weights_another_cache(data, base, tmp_path):
    one = tuner(data, base, tmp_path)
    one.start_from(base)
    cache = FeatureCache(tmp_path, one.part(0, -1), base.normalizer, (32, 32, 3))
    assert cache.find(data.x_test[[0, 1, 0]]).tolist() == [0, 1, 0]
    one.net.parameters()["3a/1x1/w"][0, 0, 0, 0] += 1
    assert FeatureCache(tmp_path, one.part(0, -1), base.normalizer, (32, 32, 3)).folder != cache.folder
    other = Normalizer(base.normalizer.mean, base.normalizer.std)
    assert FeatureCache(tmp_path, one.part(0, -1), other, (32, 32, 3)).folder != cache.folder


def test_a_cache_that_cannot_be_written_is_one_line(data, base, tmp_path):
    (tmp_path / "file").touch()
    one = tuner(data, base, tmp_path / "file")
    one.start_from(base)
    with pytest.raises(UserError, match="file/features-.*: cannot be written .*free some space"):
        one.read(data.x_test)


@pytest.fixture
def disk(tmp_path, monkeypatch):
    """Simulates a disk of {"size": bytes} on which there are only the files in ``tmp_path``."""
    disk = {"size": 10**12}
    monkeypatch.setattr(frozen, "free_disk", lambda _: disk["size"] - sum(
        path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()))
    return disk


def trained(data, base, cache, folder=None, stop=None):
    one = tuner(data, base, cache, "5b", folder, epochs=2)
    one.start_from(base)
    one.fit_classifier()
    one.run(stop=stop and (lambda: one.step == stop))
    return one


def test_rows_that_the_cache_has_need_no_space(data, base, tmp_path, disk):
    """A disk with space for the rows of one run: the second run reads them, and so has the same weights."""
    one = tuner(data, base, tmp_path, "5b")
    one.start_from(base)
    new = FeatureCache(tmp_path, one.part(0, one.first), base.normalizer, (32, 32, 3))
    need = new.bytes_for(2 * 42)
    assert new.missing(data.x_test, 1) == 15
    disk["size"] = 2 * need
    one, again = trained(data, base, tmp_path), trained(data, base, tmp_path)
    for run in (one, again):
        assert run.facts["cached"] and isinstance(run.inputs, frozen.Cached)
    assert small.same(one.net.parameters(), again.net.parameters())
    assert frozen.free_disk(tmp_path) < 0.5 * need * 2
    more = dataclasses.replace(data, x_train=np.concatenate([data.x_train, 255 - data.x_train]),
                               y_train=np.tile(data.y_train, 2))
    other = tuner(more, base, tmp_path, "5b")
    other.start_from(base)
    assert not other.facts["cached"]                        # as many rows are missing, and half of the disk is free


@pytest.mark.parametrize("cached", [True, False])
def test_a_resumed_run_keeps_or_recomputes_activations_as_it_started(data, base, tmp_path, disk, cached):
    """Whatever the disk has free by then: random crops and the centers in the cache give other weights."""
    sizes = (10**12, 0) if cached else (0, 10**12)
    disk["size"] = sizes[0]
    trained(data, base, tmp_path / "cache", tmp_path / "whole")
    trained(data, base, tmp_path / "cache", tmp_path / "stopped", stop=3)
    disk["size"] = sizes[1]
    again = tuner(data, base, tmp_path / "cache", "5b", tmp_path / "stopped", epochs=2)
    again.restore(checkpoint.load(tmp_path / "stopped"))
    assert again.run() and isinstance(again.inputs, frozen.Cached if cached else frozen.Direct)
    assert small.differences(tmp_path / "whole", tmp_path / "stopped") == []
