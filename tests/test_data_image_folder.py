"""Folders of image files: which files are found, in which class and split, and one clear line for each mistake."""

import errno
import os

import numpy as np
import pytest
from image_folders import photos, pixels, write
from PIL import Image

from minigooglenet.data.image_files import is_image_folder, photos_in
from minigooglenet.data.image_folder import scan
from minigooglenet.data.photos import reads_heic
from minigooglenet.data.source import load
from minigooglenet.errors import UserError


def refused(folder, *parts, **options):
    with pytest.raises(UserError) as error:
        load(folder, folder.parent / "datasets", progress=False, **options)
    message = str(error.value)
    assert "\n" not in message and len(message) < 800 and str(folder) in message, message
    assert all(part in message for part in parts), message
    assert not list((folder.parent / "datasets").rglob("*.uint8")) or "decoded" in message
    return message


def paths(files):
    return [file.path for file in files]


def test_classes_are_folders_and_nested_files_belong_to_the_top_one(tmp_path):
    root = photos(tmp_path / "p", dog=2, cat=2)
    write(root / "dog" / "a" / "b" / "deep.JPEG")
    write(root / "dog" / "a" / ".hidden.png")
    write(root / ".git" / "x.png")
    write(root / "cat" / "__MACOSX" / "x.png")
    write(root / "loose.png")
    (root / "dog" / "readme.txt").write_text("a dog")
    Image.fromarray(pixels(5)).save(root / "cat" / "without-suffix", format="png")
    (root / "cat" / "LICENSE").write_text("free")
    found = scan(root)
    assert found.classes == ["cat", "dog"] and found.test is None
    assert paths(found.train) == ["cat/0.png", "cat/1.png", "cat/without-suffix", "dog/0.png", "dog/1.png",
                                  "dog/a/b/deep.JPEG"]
    assert [file.label for file in found.train] == [0, 0, 0, 1, 1, 1]
    assert found.note == ("1 image outside the class folders skipped; 2 files of other types (.txt) skipped")


@pytest.mark.parametrize("test", ["test", "val", "Valid", "validation"])
def test_a_split_of_its_own_is_used(tmp_path, test):
    root = tmp_path / "p"
    photos(root / "Train", cat=3, dog=1)
    for i in range(2):
        write(root / test / "cat" / f"{i}.png", [7, i])
    write(root / test / "cat" / "copy.png", [0, 2])             # equal to a training image
    data = load(root, tmp_path, progress=False, size=8)
    assert data.classes == ["cat", "dog"] and len(data.y_test) == 3 and set(data.y_test) == {0}
    assert sorted(data.files_train) == ["Train/cat/0.png", "Train/cat/1.png", "Train/dog/0.png"]
    assert "1 training image left out, equal to test images" in data.note and "seed" not in data.note


def test_test_comes_before_val_and_the_other_is_named(tmp_path):
    for part in ("train", "val", "test"):
        photos(tmp_path / "p" / part, cat=1, dog=1)
    found = scan(tmp_path / "p")
    assert paths(found.test) == ["test/cat/0.png", "test/dog/0.png"] and found.note == "val/ is not used"


def test_train_alone_is_divided(tmp_path):
    photos(tmp_path / "p" / "train", cat=3, dog=3)
    data = load(tmp_path / "p", tmp_path, progress=False, size=8)
    assert data.classes == ["cat", "dog"] and len(data.y_train) + len(data.y_test) == 6 and len(data.y_test) >= 2


def test_a_class_may_be_called_train(tmp_path):
    assert scan(photos(tmp_path / "p", train=2, car=2)).classes == ["car", "train"]


def test_mistakes_are_one_line(tmp_path):
    refused(photos(tmp_path / "a", cat=3), "1 class (cat)", "add a folder")
    refused(photos(tmp_path / "b", cat=1), "1 image;")
    (photos(tmp_path / "c", cat=3, dog=3) / "empty").mkdir()
    refused(tmp_path / "c", "the class empty has no images", "remove its folder")
    refused(photos(tmp_path / "d", cat=3, dog=1), "the class dog has 1 image, needs one to train and one to test")
    for i in range(3):
        write(tmp_path / "e" / f"{i}.png")
    refused(tmp_path / "e", "3 images, but no class folders", "e/cat/1.jpg")
    for part in ("train", "test"):
        photos(tmp_path / "f" / part, cat=2, dog=2)
    photos(tmp_path / "f" / "test", zebra=1)
    refused(tmp_path / "f", "the class zebra is not among the training images")
    for i in range(4):
        write(tmp_path / "g" / "train" / f"{i}.png")
        write(tmp_path / "g" / "test" / f"{i}.png")
    refused(tmp_path / "g", "no images in class folders")
    photos(tmp_path / "h" / "train", cat=2, dog=2)
    (tmp_path / "h" / "val").mkdir()
    refused(tmp_path / "h", "no test images")
    write(tmp_path / "i" / "dog" / "1.png", 4)
    for i in range(4):
        write(tmp_path / "i" / "cat" / f"{i}.png")
        write(tmp_path / "i" / "dog" / f"copy{i}.png", 4)
    refused(tmp_path / "i", "the class dog has only one distinct image")
    (tmp_path / "j" / "cat").mkdir(parents=True)
    refused(tmp_path / "j", "a folder of image files for each class")
    with pytest.raises(UserError, match="no such folder"):
        load(tmp_path / "missing", tmp_path, progress=False)
    with pytest.raises(UserError, match="needs 8 to"):
        load(photos(tmp_path / "k", cat=3, dog=3), tmp_path, progress=False, size=3)
    assert not is_image_folder(tmp_path / "missing") and not is_image_folder(tmp_path / "j")
    assert is_image_folder(tmp_path / "k") and is_image_folder(tmp_path / "e")


def test_damaged_files_are_listed_and_left_out_with_skip_bad(tmp_path):
    root = photos(tmp_path / "p", cat=4, dog=4)
    whole = write(root / "cat" / "z.jpg", height=64, width=64).read_bytes()
    (root / "cat" / "z.jpg").write_bytes(whole[:len(whole) // 2])
    (root / "dog" / "photo.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(12))
    (root / "dog" / "page.png").write_text("<html>404")
    (root / "dog" / "empty.gif").touch()
    os.mkfifo(root / "cat" / "pipe.png")
    os.symlink("nowhere", root / "cat" / "link.png")
    message = refused(root, "6 images cannot be decoded", "cat/z.jpg (", "the file is empty", "a web page", "pipe",
                      "1 more", "--skip-bad")
    assert "cat/link.png (no such file" in message
    data = load(root, tmp_path / "datasets", progress=False, skip_bad=True, size=16)
    assert len(data.y_train) + len(data.y_test) == 8 and "6 images cannot be decoded" in data.note
    assert not {"cat/z.jpg", "dog/photo.heic"} & {*data.files_train, *data.files_test}
    for i in range(1, 4):
        (root / "dog" / f"{i}.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    refused(root, "the class dog has 1 image", "9 images cannot be decoded", skip_bad=True)


def test_heic_names_the_extra(tmp_path):
    if reads_heic():
        pytest.skip("pillow-heif is installed")
    root = photos(tmp_path / "p", cat=3, dog=3)
    (root / "dog" / "photo.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(12))
    refused(root, "dog/photo.heic (", "a HEIC photo; save it as JPEG first, or install the extra", "heic")


def test_heic_is_decoded_if_pillow_heif_is_installed(tmp_path):
    heif = pytest.importorskip("pillow_heif")
    root = photos(tmp_path / "p", cat=3, dog=3)
    heif.from_pillow(Image.new("RGB", (64, 48), (200, 30, 90))).save(root / "dog" / "photo.heic", quality=95)
    data = load(root, tmp_path, progress=False, size=16)
    files = [*data.files_train, *data.files_test]
    x = np.concatenate([data.x_train, data.x_test])[files.index("dog/photo.heic")]
    assert np.abs(x.astype(int) - (200, 30, 90)).max() < 8


def test_links_loops_and_odd_names(tmp_path):
    root = photos(tmp_path / "[1] p*", cat=3)
    odd = os.fsdecode(b"caf\xe9\n\x1b[31m")
    photos(root, **{odd: 3})
    os.symlink(root, root / "cat" / "loop")                     # to its own root
    write(root / "cat" / "[ab]?*.png")
    photos(tmp_path / "elsewhere", x=2)
    os.symlink(tmp_path / "elsewhere" / "x", root / "linked")
    os.symlink(tmp_path / "elsewhere", root / "cat" / "more")
    os.symlink("itself", root / "cat" / "itself")               # cannot be followed: too many levels
    os.symlink("bird", root / "bird")
    found = scan(root)
    assert found.classes == sorted(["cat", odd, "linked"])
    assert {"cat/[ab]?*.png", "linked/0.png", "cat/more/x/1.png"} <= set(paths(found.train))
    assert len(paths(found.train)) == len(set(paths(found.train))) < 30
    data = load(root, tmp_path, progress=False, size=8)
    assert found.note == f"bird cannot be listed ({os.strerror(errno.ELOOP)}); 1 file of other types skipped"
    assert data.classes == found.classes and f"{odd}/0.png" in {*data.files_train, *data.files_test}
    (root / odd / "bad.png").write_text("no")
    message = refused(root, "1 image cannot be decoded")
    assert message.isprintable() and "\\udce9\\n\\x1b" in message
    os.symlink("0.jpg", root / "cat" / "0.jpg")
    refused(root, "2 images cannot be decoded", f"cat/0.jpg (cannot be read ({os.strerror(errno.ELOOP)}))")
    assert str(root / "cat" / "0.jpg") in photos_in(root / "cat")


def test_folders_that_cannot_be_listed_are_named(tmp_path, monkeypatch):
    root = photos(tmp_path / "p", cat=3, dog=3)
    write(root / "cat" / "secret" / "1.png")
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("secret"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = scan(root)
    assert found.unreadable == {"cat/secret": "Permission denied"} and len(found.train) == 6
    assert "cat/secret cannot be listed (Permission denied)" in found.note
