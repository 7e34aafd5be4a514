"""The python version of CIFAR-10 and CIFAR-100, and CIFAR-100 itself: read as data, and no pickle is run."""

import hashlib
import io
import pickle
import pickletools

import numpy as np
import pytest
from test_data_cifar10 import contents, tar

from minigooglenet.cli import main
from minigooglenet.data import cifar, load
from minigooglenet.data.cifar import CIFAR10, CIFAR100, fetch, read
from minigooglenet.data.plain_pickle import plain_values
from minigooglenet.data.sources import Source
from minigooglenet.errors import UserError

N = {"cifar10": 3, "cifar100": 4}       # images per file


def small(kind, archive=b""):
    """``kind`` with small files, whose official archive is ``archive``."""
    source = Source("http://127.0.0.1:9/" + kind.sources[0].name, hashlib.sha256(archive).hexdigest(), len(archive))
    return kind._replace(records=dict.fromkeys(kind.records, N[kind.name]), sources=(source,))


def python2(value):
    """The pickle that Python 2 and its NumPy wrote: strings are SHORT_BINSTRING, arrays call numpy.core.multiarray."""
    text = {dict: lambda v: b"}(" + b"".join(python2(k) + python2(x) for k, x in v.items()) + b"u",
            list: lambda v: b"](" + b"".join(map(python2, v)) + b"e",
            str: lambda v: b"U" + bytes([len(v)]) + v.encode("latin1"), int: lambda v: b"K" + bytes([v])}
    if isinstance(value, np.ndarray):
        order, data = (b"\x88", value.tobytes("F")) if not value.flags.c_contiguous else (b"\x89", value.tobytes())
        shape = b"".join(b"M" + n.to_bytes(2, "little") for n in value.shape) + b"\x86"
        return (b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01" + shape
                + b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
                + order + b"T" + len(data).to_bytes(4, "little") + data + b"tb")
    return text[type(value)](value)


def written(value, how):
    return b"\x80\x02" + python2(value) + b"." if how == "python 2" else pickle.dumps(value, how)


def archive(kind, how="python 2", **changes):
    """(the python version as tar.gz, {file: (images, labels…)})."""
    rng = np.random.default_rng(7)
    files, arrays = {}, {}
    for name in kind.pickles:
        x = rng.integers(0, 256, (N[kind.name], 3072), np.uint8)
        labels = {key: rng.integers(0, 10, N[kind.name]).tolist() for key in kind.labels}
        arrays[name] = x, labels
        files[name] = written({"batch_label": "training batch 1 of 5", "data": x, **labels,
                               "filenames": [f"cat_s_{k}.png" for k in range(N[kind.name])]} | changes, how)
    names = {key: [f"{key} {k}" for k in range(20 if "coarse" in key else 10)] for key in kind.names.values()}
    files[kind.meta] = written(names, how)
    return tar(files, prefix=f"{kind.name}-py/"), arrays


@pytest.mark.parametrize("kind", [CIFAR10, CIFAR100], ids=lambda kind: kind.name)
@pytest.mark.parametrize("how", ["python 2", 2, 4])
def test_the_python_version_gives_the_same_arrays(tmp_path, kind, how):
    packed, arrays = archive(kind, how)
    (tmp_path / "given").write_bytes(packed)
    kind_ = small(kind, packed)
    folder = fetch(kind_, tmp_path, tmp_path / "given")
    assert sorted(path.name for path in folder.iterdir()) == sorted([*kind.records, *kind.names, "checksums.json"])
    (x_train, y_train, x_test, y_test, classes), note = read(kind_, folder)
    assert (note is None) == (kind is CIFAR100)             # the names of these classes are not CIFAR-10's
    assert classes == [f"{kind.names[list(kind.names)[-1]]} {k}" for k in range(10)]
    found = [(x_train[i:i + N[kind.name]], y_train[i:i + N[kind.name]]) for i in range(0, len(y_train), N[kind.name])]
    for name, (x, y) in zip(kind.pickles, [*found, (x_test, y_test)], strict=True):
        np.testing.assert_array_equal(x.transpose(0, 3, 1, 2).reshape(-1, 3072), arrays[name][0])
        assert y.tolist() == arrays[name][1][kind.labels[-1]]
    if kind is CIFAR100:                                    # the superclass of each image is kept
        records = np.fromfile(folder / "test.bin", np.uint8).reshape(-1, 3074)
        assert records[:, 0].tolist() == arrays["test"][1]["coarse_labels"]


def test_arrays_in_fortran_order_and_other_labels(tmp_path, monkeypatch):
    x = np.asfortranarray(np.arange(3 * 3072, dtype=np.uint8).reshape(3, 3072))
    for value in (x, np.ascontiguousarray(x)):
        for protocol in ("python 2", 2, 3, 4):
            np.testing.assert_array_equal(plain_values(written(value, protocol), "file"), x)
    for dtype in ("<i4", "<i8", ">i8"):
        y = np.array([[3, 1, -4]], dtype)
        np.testing.assert_array_equal(plain_values(pickle.dumps(y, 2), "file"), y)
    same = [x, x]
    found = plain_values(pickle.dumps(same, 4), "file")
    assert found[0] is found[1]
    assert plain_values(pickle.dumps({"a": (1, 2.0 > 1, None, b"\xff", 2 ** 70, (), [[]], {})}, 4), "") == {
        "a": (1, True, None, b"\xff", 2 ** 70, (), [[]], {})}


class Runs:
    def __reduce__(self):
        import os
        return os.mkdir, ("never-made",)


def opcode(code, rest=b"."):
    return b"\x80\x04" + code + rest


@pytest.mark.parametrize("data", [
    pickle.dumps(Runs()), pickle.dumps({"data": Runs()}, 2), pickle.dumps(np.array([Runs()], object)),
    b"cos\nsystem\n(S'true'\ntR.", b"(S'true'\nios\nsystem\n.", b"cnumpy\nndarray\n(K\x01tR.",
    pickle.dumps(np.zeros(3, "f4")), pickle.dumps(np.zeros(2, [("a", "i4")])), pickle.dumps(1j), pickle.dumps({1}),
    opcode(b"\x96" + (2 ** 40).to_bytes(8, "little")), opcode(b"r\xff\xff\xff\xff"), opcode(b"\x8e"), b"", b".",
    b"\x80\x02]", b"\x80\x02\x81.", b"h\x07.", b"(((.", b"e.", b"}(K\x01u.", b"0.", b"Nb.", b"]K\x01\x86R.",
    pickle.dumps(np.zeros(9, "u1"), 2).replace(b"K\x09\x85", b"K\x0a\x85"),
], ids=range(25))
def test_what_is_not_plain_data_is_refused(tmp_path, monkeypatch, data):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="^batch: ") as error:
        plain_values(data, "batch")
    assert "\n" not in str(error.value) and not list(tmp_path.iterdir())


def test_damaged_pickles_are_refused_in_one_line():
    whole = written({"data": np.zeros((2, 5), np.uint8), "labels": [1, 2], "filenames": ["a", "b"]}, 2)
    rng = np.random.default_rng(0)
    for _ in range(3000):
        data = bytearray(whole)
        for place in rng.integers(0, len(data), rng.integers(1, 4)):
            data[place] = rng.integers(0, 256)
        try:
            plain_values(bytes(data[:rng.integers(1, len(data) + 1)]), "batch")
        except UserError as error:
            assert str(error).startswith("batch: ") and "\n" not in str(error)


@pytest.mark.parametrize("changes, says", [
    ({"data": np.zeros((3, 3071), np.uint8)}, "its data is not 3 images of 3,072 bytes"),
    ({"data": np.zeros((3, 3072), np.int64)}, "data_batch_1: .*bytes, expected at most|its data is not"),
    ({"data": [1, 2]}, "its data is not"), ({"labels": [1, 2]}, "its labels are not 3 whole numbers"),
    ({"labels": [1, 2, 300]}, "its labels are not"), ({"labels": [1, 2, 77]}, "label 77"),
    ({"labels": "abc"}, "its labels are not"),
])
def test_wrong_contents(tmp_path, changes, says):
    (tmp_path / "given").write_bytes(archive(CIFAR10, 4, **changes)[0])
    with pytest.raises(UserError, match=says) as error:
        fetch(small(CIFAR10), tmp_path / "d", tmp_path / "given")
    assert str(error.value).startswith(str(tmp_path / "given")) and "\n" not in str(error.value)
    assert not (tmp_path / "d").exists() or not list((tmp_path / "d").iterdir())


def test_archives_are_recognized(tmp_path):
    files = {"10": tar(contents()), "10-py": archive(CIFAR10)[0], "100-py": archive(CIFAR100)[0],
             "100": tar({"readme.html": b"", "test.bin": bytes(4 * 3074)}), "other": tar({"a.txt": b""}),
             "mat": tar({"data_batch_1.mat": b"x"})}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    found = {name: cifar.recognized(tmp_path / name) for name in list(files)[:4]}
    assert {name: (kind.title, python) for name, (kind, python) in found.items()} == {
        "10": ("CIFAR-10", False), "10-py": ("CIFAR-10", True), "100-py": ("CIFAR-100", True),
        "100": ("CIFAR-100", False)}
    for name, says in (("other", "no file of CIFAR-10 or CIFAR-100"), ("mat", "the Matlab version")):
        with pytest.raises(UserError, match=says):
            cifar.recognized(tmp_path / name)
    with pytest.raises(UserError, match="this is CIFAR-100, not CIFAR-10; unpack it with: .*cifar100 --from-file"):
        fetch(small(CIFAR10), tmp_path / "d", tmp_path / "100")


def test_cifar100_by_name_and_by_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MINIGOOGLENET_OFFLINE", "1")
    packed, _ = archive(CIFAR100)
    kind = small(CIFAR100, packed)
    monkeypatch.setattr(cifar, "CIFAR100", kind)
    monkeypatch.setattr(cifar, "KINDS", (small(CIFAR10), kind))
    monkeypatch.setattr(cifar.recognized, "__defaults__", ((small(CIFAR10), kind),))
    with pytest.raises(UserError, match="CIFAR-100 is not in .*OFFLINE is set.*data cifar100 --from-file"):
        load("cifar100", tmp_path)
    (tmp_path / "given").write_bytes(packed)
    assert main(["data", "--from-file", str(tmp_path / "given"), "--datasets", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith("cifar100: 4 training and 4 test images, 32x32x3, 10 classes")
    for name in ("cifar100", tmp_path, tmp_path / kind.folder):
        dataset = load(name, tmp_path)
        assert dataset.name == "cifar100" and dataset.note is None and len(dataset.y_train) == 4
    (tmp_path / kind.folder / "test.bin").write_bytes(bytes(3))
    with pytest.raises(UserError, match=f"3 bytes, expected 12,296 bytes.*or remove .*{kind.folder} and run: "):
        load("cifar100", tmp_path)


def test_the_stack_machine_knows_the_instructions_that_it_needs():
    needed = set()
    for protocol in range(5):
        for value in ({"a": [1, 300, 70_000, "b", b"c", None, True, (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)]},
                      np.zeros((2, 3), np.uint8)):
            data = pickle.dumps(value, protocol)
            needed |= {operation.name for operation, *_ in pickletools.genops(io.BytesIO(data))}
            if protocol:        # protocol 0 has text, which no archive uses
                assert np.array_equal(plain_values(data, ""), value)
    assert {"REDUCE", "BUILD", "GLOBAL", "STACK_GLOBAL", "MEMOIZE", "BINPUT"} <= needed
