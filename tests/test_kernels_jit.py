"""The cache of compiled kernels on disk: forgotten when a source changes, and never a reason to fail."""

import os
import resource
import shutil
import subprocess
import sys

import pytest

from minigooglenet.kernels import jit

pytestmark = pytest.mark.skipif(not jit.JIT, reason="MINIGOOGLENET_JIT=0: nothing is compiled")


def test_compilations_are_forgotten_when_any_file_of_theirs_changes(tmp_path):
    cache, index = tmp_path / "cache", tmp_path / "cache" / "kernel.nbi"
    cache.mkdir()
    (tmp_path / "called.py").write_text("one")
    jit.clear_stale_cache(tmp_path, cache)
    index.write_text("compiled")
    jit.clear_stale_cache(tmp_path, cache)
    assert index.exists()
    (tmp_path / "called.py").write_text("two")
    jit.clear_stale_cache(tmp_path, cache)
    assert not index.exists() and [file.name for file in cache.iterdir()] == ["kernels.sha256"]
    jit.clear_stale_cache(tmp_path, tmp_path / "missing")


CACHED = """
import sys
import numpy as np
{before}
from minigooglenet.kernels.relu import relu, relu_backward
x = np.random.default_rng(0).standard_normal((5, 4, 3, 2)).astype(np.float32)
assert np.array_equal(relu(x), np.maximum(x, 0)) and relu_backward(x, relu(x)).shape == x.shape
"""


def compile_in_a_process(folder, before="", **options):
    """Standard error of a process that compiles a kernel, or reads it from the cache in ``folder``."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(folder)}
    process = subprocess.run([sys.executable, "-c", CACHED.format(before=before)], capture_output=True, text=True,
                             env=environment, **options)
    assert process.returncode == 0 and process.stdout == "", process.stderr
    return process.stderr


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A folder with the compiled kernels, from which a second process has read them."""
    folder = tmp_path_factory.mktemp("cache")
    assert compile_in_a_process(folder) == "" and compile_in_a_process(folder) == ""
    return folder


def half(data):
    return data[:len(data) // 2]


def other_code(data):
    """The pickle is whole, the machine code in it is not."""
    return data[:-5000] + bytes(40) + data[-4960:]


@pytest.mark.parametrize("suffix, damage", [("nbi", half), ("nbi", lambda data: b""), ("nbc", half),
                                            ("nbc", other_code)])
def test_a_damaged_cache_is_written_again(cache, tmp_path, suffix, damage):
    shutil.copytree(cache, tmp_path, dirs_exist_ok=True)
    files = list(tmp_path.rglob(f"relu.*.{suffix}"))
    assert files
    for file in files:
        file.write_bytes(damage(file.read_bytes()))
    errors = compile_in_a_process(tmp_path)
    assert errors.startswith("note: the cache of compiled kernels cannot be used") and errors.count("\n") == 1
    assert compile_in_a_process(tmp_path) == ""


def test_a_cache_on_a_full_disk(tmp_path):
    """RLIMIT_FSIZE limits the size of files, as if the disk were full."""
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    errors = compile_in_a_process(tmp_path, preexec_fn=limit)
    assert errors.startswith("note: the cache") and "File too large" in errors and errors.count("\n") == 1
    assert not list(tmp_path.rglob("*.nbc"))
    assert compile_in_a_process(tmp_path) == ""


def test_without_any_folder_for_the_cache(tmp_path):
    """As with a read-only installation and home."""
    before = "import numba.core.caching; numba.core.caching.CacheImpl._locator_classes = []"
    errors = compile_in_a_process(tmp_path, before)
    assert errors.startswith("note: the cache") and "no locator available" in errors and errors.count("\n") == 1


def test_a_damaged_stamp_of_the_cache(tmp_path):
    (tmp_path / "kernels.sha256").write_bytes(b"\xff\xfe")
    jit.clear_stale_cache(tmp_path, tmp_path)
    assert len((tmp_path / "kernels.sha256").read_text()) == 64
