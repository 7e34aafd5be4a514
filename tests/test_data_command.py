"""``data DIR``, the contact sheet, and ``data export``."""

import os

import numpy as np
import pytest
import small
from image_folders import photos, pixels, write
from matplotlib.text import Text
from PIL import Image
from text_boxes import complaints

from minigooglenet.cli import main
from minigooglenet.data import Dataset
from minigooglenet.data.export import export, folder_names
from minigooglenet.data.source import load
from minigooglenet.errors import UserError
from minigooglenet.figures.contact_sheet import contact_sheet


@pytest.fixture
def data(capsys, tmp_path, monkeypatch):
    """Run ``data ARGUMENTS`` in tmp_path: (exit code, standard output, standard error)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        return main(["data", *map(str, arguments)]), *capsys.readouterr()

    return run


def test_a_folder_is_described(data, tmp_path):
    root = photos(tmp_path / "p", cat=9, dog=3)
    write(root / "dog" / "wide.jpg", 7, height=40, width=100)
    (root / "cat" / "copy.png").write_bytes((root / "cat" / "0.png").read_bytes())
    for i in range(25):
        (root / "cat" / f"bad{i:02}.png").write_bytes(b"no")
    (root / "notes.txt").write_text("x")
    (root / "dog" / "notes.txt").write_text("x")
    code, out, err = data(root, "--figure", "sheet.png")
    assert code == 0 and (tmp_path / "sheet.png").read_bytes()[:4] == b"\x89PNG"
    rows = [line.split() for line in out.splitlines()]
    assert ["width", "13", "to", "100", "pixels,", "median", "13"] in rows
    assert ["height", "9", "to", "40", "pixels,", "median", "9"] in rows
    assert ["formats", "PNG", "13,", "JPEG", "1"] in rows
    assert "cat has 2.5 times as many images as dog; train --balance" in out
    assert "copies   1 group of equal files" in out and "cat/0.png = cat/copy.png" in out
    assert "damaged  25 files that cannot be decoded" in out and "cat/bad19.png" in out and "cat/bad20.png" not in out
    assert "... and 5 more" in out and "1 file of other types (.txt) skipped" in out
    numbers = [int(row[2]) + int(row[4]) for row in rows if row[1:2] in (["cat"], ["dog"]) and "training" in row]
    assert numbers == [10, 4]


def test_a_size_is_for_image_files(data, tmp_path):
    small.folder(tmp_path / "binary", 20, 10)
    for arguments in (["binary"], ["export", "binary", "out"]):
        assert data(*arguments, "--size", "64")[::2] == (2, "minigooglenet data: size: binary has images of 32×32 "
            "pixels, not 64×64, and only image files are resized; keep 32×32, or write image files and use their "
            "folder: python -m minigooglenet data export binary DIR\n")
        assert not (tmp_path / "out").exists()
    assert data("binary", "--size", "32")[0] == 0


def test_mistakes_are_one_line(data, tmp_path):
    photos(tmp_path / "one", cat=3)
    for arguments, says in (
            (["one"], "1 class (cat)"), (["missing"], "no such folder"), (["shapes10", "x"], "data export shapes10 x"),
            (["export", "shapes10"], "needs a data set and a new folder"), (["one", "--figure", "a.txt"], ".png")):
        code, out, err = data(*arguments)
        assert code == 2 and not out and says in err and err.count("\n") == 1, err


def test_export_and_load_give_the_same_images(data, tmp_path):
    root = photos(tmp_path / "p", cat=6, dog=7)
    write(root / "cat" / "bad.png").write_bytes(b"no")
    assert data("export", "p", "out", "--size", "20")[0] == 2 and not (tmp_path / "out").exists()
    code, out, _ = data("export", "p", "out", "--size", "20", "--skip-bad")
    assert code == 0 and out.startswith("wrote ") and "2 classes to out" in out
    one, two = load(root, size=20, skip_bad=True, progress=False), load("out", size=20, progress=False)
    assert two.classes == one.classes
    for x, y, files, x_out, y_out, files_out in (
            (one.x_train, one.y_train, one.files_train, two.x_train, two.y_train, two.files_train),
            (one.x_test, one.y_test, one.files_test, two.x_test, two.y_test, two.files_test)):
        assert len(files) == len(files_out)
        for label, name in enumerate(one.classes):
            mine = sorted((f"{name}/{n:05}.png", x[i].tobytes())
                          for n, i in enumerate(np.flatnonzero(y == label), 1))
            theirs = sorted((file.split("/", 1)[1], x_out[i].tobytes())
                            for i, file in enumerate(files_out) if y_out[i] == label)
            assert mine == theirs
    code, _, err = data("export", "p", "out", "--skip-bad")
    assert code == 2 and "is not an empty folder" in err


def some(classes=3):
    y = np.arange(2 * classes) % classes
    return Dataset("some", pixels(1, 2 * classes, 64).reshape(-1, 8, 8, 3), y, pixels(2, classes, 64).reshape(
        -1, 8, 8, 3), y[:classes], [f"c{i}" for i in range(classes)])


@pytest.mark.parametrize("failure", [OSError(28, "No space left"), KeyboardInterrupt()], ids=["disk", "Ctrl-C"])
def test_a_failed_export_leaves_nothing(tmp_path, monkeypatch, failure):
    save, calls = Image.Image.save, iter(range(99))

    def failing(*arguments, **options):
        if next(calls) == 4:
            raise failure
        save(*arguments, **options)

    monkeypatch.setattr(Image.Image, "save", failing)
    with pytest.raises((UserError, KeyboardInterrupt)) as error:
        export(some(), tmp_path / "out", progress=False)
    assert isinstance(error.value, KeyboardInterrupt) or f"{tmp_path / 'out'}: cannot be written" in str(error.value)
    assert not list(tmp_path.iterdir())
    monkeypatch.undo()
    (tmp_path / "out").mkdir()                                  # empty: it may be there
    export(some(), tmp_path / "out", progress=False)
    assert len(list((tmp_path / "out").rglob("*.png"))) == 9 and os.listdir(tmp_path) == ["out"]


def test_folder_names_are_safe_and_different():
    assert folder_names(["cat", "a/b", "a\\b", "..", ".x", "", "Cat", "caf\u00e9", "new\nline", "end."]) == [
        "cat", "a_b", "a_b-2", "__", "_x", "_", "Cat-2", "caf\u00e9", "new_line", "end_"]


@pytest.mark.parametrize("classes", [2, 100])
def test_the_contact_sheet_is_readable(classes):
    data = some(classes)
    names = ["$x^2$ a very long name of a class" if i == 0 else f"c{i}\n" for i in range(classes)]
    fig = contact_sheet(data.name, data.x_train, data.y_train, names)
    assert complaints(fig) == []
    words = [text.get_text() for text in fig.findobj(Text)]
    assert "$x^2$ a very lo..." in words and f"c{classes - 1}\\n" in words
    assert len(fig.axes[0].images) == 2 * min(classes, 24)
    shown = {image.get_array().tobytes() for image in fig.axes[0].images}
    assert shown <= {x.tobytes() for x in data.x_train} and len(shown) > 1
