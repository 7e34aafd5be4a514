"""How people arrange their images: names of a split, folders that are no classes, and the advice for each mistake."""

import os
import shutil
import unicodedata

import pytest
from image_folders import get, photos, write

from minigooglenet.data.image_folder import scan
from minigooglenet.errors import UserError


def refused(root, *classes):
    with pytest.raises(UserError) as error:
        get(root, **({"classes": list(classes)} if classes else {}))
    message = str(error.value)
    assert message.startswith(f"{root}") and "\n" not in message
    return message.removeprefix(f"{root}: ")


def paths(files):
    return [file.path for file in files]


@pytest.mark.parametrize("train, test", [("Training", "Testing"), ("Training", "Test"), ("train", "eval"),
                                         ("TRAIN", "Evaluation")])
def test_other_names_of_a_split(tmp_path, train, test):
    root = tmp_path / "p"
    photos(root / train, cat=2, dog=2)
    write(root / test / "cat" / "x.png", 7)
    found = scan(root)
    assert found.classes == ["cat", "dog"] and paths(found.test) == [f"{test}/cat/x.png"] and not found.note


def test_a_split_with_names_of_its_own_is_not_two_classes(tmp_path):
    root = tmp_path / "p"
    photos(root / "seg_train", cat=2, dog=2)
    photos(root / "seg_test", cat=2, dog=2, bird=1)
    assert refused(root) == (
        "looks like a split, not like classes: seg_test/ and seg_train/ have the same folders (cat, dog); call the "
        "folders train and test, or, if they are classes, put their images directly into them")


def test_classes_with_folders_inside_are_classes(tmp_path):
    """One folder in common, images beside the folders, each class with its own split, many classes, two classes."""
    for name in ("cat", "dog"):
        photos(tmp_path / "a" / name, indoor=2)
        photos(tmp_path / "b" / name, indoor=2, outdoor=2)
        photos(tmp_path / "c" / name, train=2, test=2)
        photos(tmp_path / "e" / name, indoor=2, outdoor=2)
    write(tmp_path / "b" / "cat" / "1.png")
    for name in ("bee", "cat", "cow", "dog"):
        photos(tmp_path / "d" / name, indoor=1, outdoor=1)
    assert [scan(tmp_path / name).classes for name in "abce"] == [["cat", "dog"]] * 4
    assert scan(tmp_path / "d").classes == ["bee", "cat", "cow", "dog"]


def test_an_archive_in_a_folder_of_its_own_names_the_right_one(tmp_path):
    inner = photos(tmp_path / "archive" / "data" / "photos", cat=3, dog=3)
    assert refused(tmp_path / "archive") == f"the folders with images (cat, dog) are in {inner}; use that folder"
    photos(tmp_path / "b" / "photos" / "train", cat=3, dog=3)
    photos(tmp_path / "b" / "photos" / "test", cat=3, dog=3)
    assert refused(tmp_path / "b").endswith(f"are in {tmp_path / 'b' / 'photos'}; use that folder")
    photos(tmp_path / "c" / "cat", indoor=3)                     # one class
    assert "1 class (cat); add a folder" in refused(tmp_path / "c")
    assert refused(tmp_path / "archive", "cat", "dog").endswith(f"{inner}; use that folder")


def test_a_training_set_that_is_the_test_set_as_well(tmp_path):
    photos(tmp_path / "p" / "train", cat=4, dog=4)
    shutil.copytree(tmp_path / "p" / "train", tmp_path / "p" / "val")
    assert refused(tmp_path / "p") == ("8 training images left out, equal to test images, and the class cat has no "
                                       "others; keep each image either in train/ or in val/")
    write(tmp_path / "p" / "train" / "cat" / "more.png", 99)
    assert "and the class dog has no others" in refused(tmp_path / "p")


def test_a_test_folder_without_labels_does_not_hide_a_labeled_one(tmp_path):
    root = tmp_path / "p"
    photos(root / "train", cat=2, dog=2)
    write(root / "val" / "cat" / "1.png", 3)
    write(root / "test" / "1.jpg")
    found = scan(root)
    assert paths(found.test) == ["val/cat/1.png"] and found.note == "test/ is not used"
    shutil.rmtree(root / "val")
    assert "no test images; put some into its test folder" in refused(root)


def test_names_are_equal_however_unicode_composes_them(tmp_path):
    name = unicodedata.normalize("NFC", "café")
    root = tmp_path / "p"
    photos(root / "train", dog=2, **{name: 2})
    write(root / "test" / unicodedata.normalize("NFD", name) / "1.png", 3)
    found = scan(root)
    assert found.classes == [name, "dog"] and [file.label for file in found.test] == [0]
    both = photos(tmp_path / "both", dog=2, **{name: 2, unicodedata.normalize("NFD", name): 3})
    if len(os.listdir(both)) == 3:                               # not on a file system that takes them as equal
        found = scan(both)
        assert len(found.classes) == 2 and len(found.train) == 7


def test_what_this_program_writes_is_not_a_class(tmp_path):
    """As after ``train --data .`` in the folder of the images, and while a run begins."""
    root = photos(tmp_path / "p", cat=3, dog=3)
    photos(root / "datasets" / "cifar10-png", cat=1)
    (root / "datasets" / ".cache").mkdir()
    for run in ("runs/one", "mine", "seven/model-1"):
        write(root / run / "curve.png")
        (root / run / "checkpoint.safetensors").touch()
    found = scan(root)
    assert found.classes == ["cat", "dog"] and len(found.train) == 6
    assert found.note == "datasets/, mine/, runs/, seven/ left out, written by this program"
    shutil.rmtree(root / "runs" / "one")
    (root / "runs" / "two").mkdir()
    assert scan(root).classes == ["cat", "dog"]
    for name in ("train", "test"):
        photos(tmp_path / "q" / name, cat=3, dog=3)
    (tmp_path / "q" / "datasets" / ".cache").mkdir(parents=True)
    shutil.rmtree(tmp_path / "q" / "test")
    assert scan(tmp_path / "q").classes == ["cat", "dog"]        # train/ alone is divided


def test_equal_images_in_two_classes_are_noted(tmp_path):
    root = photos(tmp_path / "p", cat=4, dog=4)
    assert "two classes" not in get(root).note
    for i in range(2):
        shutil.copy(root / "cat" / f"{i}.png", root / "dog" / f"copy{i}.png")
    shutil.copy(root / "cat" / "2.png", root / "cat" / "copy.png")
    assert "2 images are in two classes, such as cat/0.png = dog/copy0.png" in get(root).note


# -- images to test a trained network ---------------------------------------------------------------------------------

CLASSES = ["ant", "bee", "cat"]


def test_all_images_test_a_trained_network(tmp_path):
    data = get(photos(tmp_path / "new", bee=4, cat=3), classes=CLASSES)
    assert data.classes == CLASSES and data.x_train.shape == (0, 16, 16, 3) and len(data.x_test) == 7
    assert sorted(data.y_test) == [1] * 4 + [2] * 3 and data.note == "all images are test images"
    assert [CLASSES[label] for label in data.y_test] == [path.split("/")[0] for path in data.files_test]
    assert len(get(tmp_path / "new", classes=CLASSES).x_test) == 7          # from the cache
    divided = get(photos(tmp_path / "new", ant=2))
    assert divided.classes == CLASSES and len(divided.y_train) > len(divided.y_test) > 2


def test_one_image_of_one_class_and_a_test_folder_alone(tmp_path):
    assert list(get(photos(tmp_path / "one", bee=1), classes=CLASSES).y_test) == [1]
    photos(tmp_path / "holdout" / "test", bee=1, cat=1)
    assert sorted(get(tmp_path / "holdout", classes=CLASSES).files_test) == ["test/bee/0.png", "test/cat/0.png"]
    photos(tmp_path / "holdout" / "Training", ant=1)
    data = get(tmp_path / "holdout", classes=CLASSES)
    assert len(data.y_test) == 2 and data.note == "all images are test images; Training/ is not used"
    photos(tmp_path / "odd", test=1, ant=1)                      # a class that is called test
    assert sorted(get(tmp_path / "odd", classes=["ant", "test"]).files_test) == ["ant/0.png", "test/0.png"]


def test_mistakes_in_images_that_test_a_network(tmp_path):
    photos(tmp_path / "new", bee=1, dog=1)
    assert refused(tmp_path / "new", *CLASSES) == ("the class dog is not among the network's (ant, bee, cat); remove "
                                                   "its folder, or give it the name of one of them")
    write(tmp_path / "loose" / "1.png")
    write(tmp_path / "loose" / "2.png")
    assert "2 images, but no class folders" in refused(tmp_path / "loose", *CLASSES)
    (tmp_path / "bad" / "bee").mkdir(parents=True)
    (tmp_path / "bad" / "bee" / "1.png").write_text("no")
    assert refused(tmp_path / "bad", *CLASSES).startswith(
        "no image can be used; 1 image cannot be decoded: bee/1.png")
