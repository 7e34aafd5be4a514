"""The cache of decoded images with several threads and processes, and after failures."""

import os
import subprocess
import sys
import threading
import time
import warnings
from types import SimpleNamespace

import pytest
from image_folders import everything, get, photos, write
from small import ROOT

from minigooglenet.data import image_cache
from minigooglenet.data import photos as photos_module
from minigooglenet.errors import UserError
from minigooglenet.files import write_atomically


def test_a_thread_does_not_restore_the_discarded_standard_error(capfd):
    entered, leave = threading.Event(), threading.Event()

    def other():
        with photos_module._quiet():
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with photos_module._quiet():
        thread.start()
        entered.wait(0.2)                                       # it may enter only after this block
    entered.wait(10)
    leave.set()
    thread.join(10)
    os.write(2, b"still here")
    assert capfd.readouterr().err == "still here"


def test_threads_leave_the_warning_filters_as_they_were(tmp_path, monkeypatch, threads):
    entered, left, calls, square = threading.Event(), threading.Event(), iter(range(99)), image_cache.square

    def overlapping(*arguments):
        number = next(calls)
        with warnings.catch_warnings():                         # as in photos.decode
            warnings.simplefilter("ignore")
            if number == 1:
                entered.set()
                left.wait(10)
            elif number == 0:
                entered.wait(10)
        if number == 0:
            left.set()
        return square(*arguments)

    monkeypatch.setattr(image_cache, "square", overlapping)
    threads(2)
    before = list(warnings.filters)
    get(photos(tmp_path / "p", cat=4, dog=4))
    assert list(warnings.filters) == before


LOAD = """
import sys, hashlib
from minigooglenet.data.source import load
for _ in range(int(sys.argv[3])):
    data = load(sys.argv[1], sys.argv[2], progress=False, size=16)
    print(hashlib.sha256(data.x_train.tobytes() + data.x_test.tobytes()).hexdigest(), len(data.files_train))
"""


def process(root, times=1):
    return subprocess.Popen([sys.executable, "-c", LOAD, str(root), str(root.parent), str(times)], text=True,
                            env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_processes_at_once_read_the_same_images(tmp_path):
    root = photos(tmp_path / "p", cat=20, dog=20)
    outputs = [p.communicate(timeout=100) for p in [process(root) for _ in range(2)]]
    assert len({output for output, _ in outputs}) == 1 and outputs[0][0], outputs


def test_a_failure_leaves_the_old_cache_and_no_parts(tmp_path, monkeypatch):
    root = photos(tmp_path / "p", cat=4, dog=4)
    get(root)
    before = {path: path.read_bytes() for path in (tmp_path / ".cache").rglob("*") if path.is_file()}
    write(root / "dog" / "new.png", 5)

    def fails(*_):
        raise failure

    for failure in (KeyboardInterrupt(), UserError("cache: cannot be written")):
        for name in ("write_atomically", "square"):
            monkeypatch.setattr(image_cache, name, fails)
            with pytest.raises(type(failure)):
                get(root)
            monkeypatch.undo()
            assert {path: path.read_bytes() for path in (tmp_path / ".cache").rglob("*") if path.is_file()} == before
    assert len(everything(get(root))) == 9


def test_the_pixels_are_written_before_the_index(tmp_path, monkeypatch):
    """A crash between the two leaves the old index with the old pixels, and the next run completes it."""
    root = photos(tmp_path / "p", cat=4, dog=4)
    get(root)
    write(root / "dog" / "new.png", 5)

    def until_index(path, *rest, **options):
        if path.name == "index.json":
            os._exit(9)
        write_atomically(path, *rest, **options)

    if not hasattr(os, "fork"):
        pytest.skip("os.fork")
    child = os.fork()
    if child == 0:
        monkeypatch.setattr(image_cache, "write_atomically", until_index)
        get(root)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert len(list((tmp_path / ".cache").rglob("*.uint8"))) == 2
    assert len(everything(get(root))) == 9 and len(list((tmp_path / ".cache").rglob("*.uint8"))) == 1


def test_another_process_waits(tmp_path):
    fcntl = pytest.importorskip("fcntl")
    root = photos(tmp_path / "p", cat=4, dog=4)
    get(root)
    place, = (tmp_path / ".cache").iterdir()
    lock = os.open(place, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    other = threading.Thread(target=get, args=(root,))
    other.start()
    time.sleep(0.2)
    assert other.is_alive()
    os.close(lock)
    other.join(30)
    assert not other.is_alive()


def test_space_is_checked_and_a_place_that_is_no_folder_is_refused(tmp_path, monkeypatch):
    root = photos(tmp_path / "p", cat=4, dog=4)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file.*cannot be written"):
        get(root, cache=tmp_path / "file" / "x")
    monkeypatch.setattr(image_cache.shutil, "disk_usage", lambda _: SimpleNamespace(free=100))
    with pytest.raises(UserError, match=r"needs 0.0 GB .* free some space, or .* --datasets"):
        get(root)
    assert not list((tmp_path / ".cache").rglob("*.uint8"))
