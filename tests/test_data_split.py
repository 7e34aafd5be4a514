"""The split into training and test images: stable, by contents, with every class on both sides."""

import numpy as np
import pytest
from image_folders import photos, write

from minigooglenet.data.source import load
from minigooglenet.data.split import position, same_image, split
from minigooglenet.errors import UserError


def files(N, K=3, seed=0):
    """(paths, labels, digests) of N different images."""
    rng = np.random.default_rng(seed)
    return [f"c{i % K}/{i}.jpg" for i in range(N)], [i % K for i in range(N)], [rng.bytes(16).hex() for _ in range(N)]


def test_a_fifth_of_the_images_is_for_testing():
    testing = split(*files(20_000), list("abc"))
    assert abs(np.mean(testing) - 0.2) < 4 * np.sqrt(0.2 * 0.8 / 20_000)
    assert abs(np.mean(split(*files(20_000), list("abc"), fraction=0.5)) - 0.5) < 0.015


def test_the_seed_chooses_other_images():
    one, other = (np.array(split(*files(2000), list("abc"), seed=seed)) for seed in (0, 1))
    assert 0.24 < (one != other).mean() < 0.4                   # 2 · 0.2 · 0.8 = 0.32
    assert position("ab", 0) != position("ab", 1) and 0 <= position("ab", 0) < 1


def test_images_stay_on_their_side_when_others_are_added_or_renamed():
    paths, labels, digests = files(3000)
    before = split(paths[:1000], labels[:1000], digests[:1000], list("abc"))
    assert split(paths, labels, digests, list("abc"))[:1000] == before
    assert split([f"c{label}/new-{i}.png" for i, label in enumerate(labels)], labels, digests, list("abc"))[:1000] == \
        before
    order = np.random.default_rng(1).permutation(1000)
    assert split([paths[i] for i in order], [labels[i] for i in order], [digests[i] for i in order], list("abc")) == \
        [before[i] for i in order]


def test_equal_bytes_and_the_same_name_with_another_suffix_are_one_image():
    paths = ["a/1.jpg", "a/1.PNG", "a/2.jpg", "b/1.jpg", "b/x/é.jpg", "b/x/e\N{COMBINING ACUTE ACCENT}.webp"]
    groups = same_image(paths, ["p", "q", "r", "r", "s", "t"])
    assert groups[0] == groups[1] != groups[2] == groups[3] != groups[4] == groups[5] and len(set(groups)) == 3


def test_the_order_of_the_files_does_not_matter():
    paths, labels, digests = files(400)
    paths[200:] = [path.replace(".jpg", ".png") for path in paths[:200]]            # pairs of one name
    labels[200:] = labels[:200]
    forward, backward = (split(paths[::step], labels[::step], digests[::step], list("abc")) for step in (1, -1))
    assert forward == backward[::-1] and forward[:200] == forward[200:]


def test_copies_are_on_one_side_whatever_class_they_are_in():
    paths, labels, digests = files(600)
    rng = np.random.default_rng(3)
    copied = rng.integers(0, 600, 300)
    paths += [f"c{label}/copy{i}.jpg" for i, label in enumerate(rng.integers(0, 3, 300))]
    labels += [int(path[1]) for path in paths[600:]]
    digests += [digests[i] for i in copied]
    testing = split(paths, labels, digests, list("abc"))
    assert all(testing[600 + i] == testing[k] for i, k in enumerate(copied))


@pytest.mark.parametrize("seed", range(30))
def test_small_classes_have_both_kinds(seed):
    paths, labels, digests = files(9, 3, seed)
    testing = np.array(split(paths, labels, digests, list("abc"), seed))
    for label in range(3):
        assert 0 < testing[np.array(labels) == label].sum() < 3


def test_a_class_of_copies_cannot_be_divided():
    with pytest.raises(UserError, match="class b has only one distinct image"):
        split(["a/1", "a/2", "b/1", "b/2"], [0, 0, 1, 1], ["p", "q", "r", "r"], ["a", "b"])


def test_the_split_of_a_folder_survives_new_files(tmp_path):
    root = photos(tmp_path / "p", cat=30, dog=30)
    before = load(root, tmp_path, progress=False, size=8)
    for i in range(20):
        write(root / "dog" / f"new{i}.png", [9, i])
    after = load(root, tmp_path, progress=False, size=8)
    assert set(before.files_train) <= set(after.files_train) and set(before.files_test) <= set(after.files_test)
    assert len(after.y_train) + len(after.y_test) == 80
    other = load(root, tmp_path, progress=False, size=8, seed=1)
    assert set(other.files_test) != set(after.files_test)
