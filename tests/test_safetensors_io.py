import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minigooglenet.errors import UserError
from minigooglenet.weights.safetensors_io import is_safetensors, load, load_into, save


def some_arrays():
    rng = np.random.default_rng(0)
    return {
        "conv1/w": rng.standard_normal((3, 2, 4, 5)).astype(np.float32),
        "strided/w": rng.standard_normal((6, 4)).T[::2],
        "big endian": np.arange(5, dtype=">f4"),
        "step": np.array(7),
        "empty": np.zeros((0, 3), np.float32),
        "mask": np.array([True, False]),
        "half": np.ones(3, np.float16),
    }


def test_round_trip(tmp_path):
    arrays = some_arrays()
    save(tmp_path / "w.safetensors", arrays, {"model": "mini", "epoch": 3, "λ": "ü"})
    back, metadata = load(tmp_path / "w.safetensors")
    assert metadata == {"model": "mini", "epoch": "3", "λ": "ü"}
    assert set(back) == set(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(back[name], array)
        assert back[name].shape == array.shape and back[name].dtype == array.dtype.newbyteorder("=")
        assert back[name].flags.writeable
    save(tmp_path / "w.safetensors", {"a": np.ones(2)})
    assert load(tmp_path / "w.safetensors")[1] == {}
    with pytest.raises(ValueError, match="no arrays"):
        save(tmp_path / "w.safetensors", {})
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]


def test_an_unwritable_array_leaves_the_old_file(tmp_path):
    path = tmp_path / "w.safetensors"
    save(path, {"a": np.ones(3)})
    before = path.read_bytes()
    for bad in (np.array(["text"]), np.array([None]), np.ones(2, complex)):
        with pytest.raises(UserError, match="b has dtype"):
            save(path, {"a": np.zeros(3), "b": bad})
    assert path.read_bytes() == before


def header(words, data=b"\0" * 8):
    return len(words).to_bytes(8, "little") + words + data


@pytest.mark.parametrize("octets, says", [
    (b"", "empty"),
    (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (b"<html>", "web page"),
    (b"version https://git-lfs.github.com/spec/v1\n", "git-lfs"),
    (b"PK\x03\x04....", "zip"),
    (b"abc", "damaged or of another kind"),
    ((2**62).to_bytes(8, "little") + b"{}", "damaged or of another kind"),
    (header(b"{]"), "damaged or of another kind"),
    (header(b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}'), "damaged or of another kind"),
    (header(b'{"a":{"dtype":"F32","shape":[99999999999],"data_offsets":[0,8]}}'), "damaged or of another kind"),
    (header(b'{"a":{"dtype":"BF16","shape":[4],"data_offsets":[0,8]}}'), "bfloat16"),
])
def test_refused_in_one_line(tmp_path, octets, says):
    path = tmp_path / "w.safetensors"
    path.write_bytes(octets)
    with pytest.raises(UserError, match=says) as error:
        load(path)
    assert str(error.value).startswith(str(path)) and "\n" not in str(error.value)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        load(tmp_path / "w.safetensors")
    with pytest.raises(UserError, match="folder"):
        load(tmp_path)


@settings(max_examples=200, deadline=1000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damaged_files_load_or_raise_user_error(tmp_path, data):
    path = tmp_path / "w.safetensors"
    save(path, {"a": np.ones((2, 3)), "b": np.ones(2, np.float32)}, {"k": "v"})
    octets = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(0, 3))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(octets[:data.draw(st.integers(0, len(octets)))])
    try:
        load(path)
    except UserError:
        pass


def test_is_safetensors(tmp_path):
    path = tmp_path / "w"
    save(path, {"a": np.ones(2)})
    assert is_safetensors(path)
    for octets in (b"\x0a\x09GoogleNet\x12\x80\x01", header(b"[]"), header(b"{]"), b"x", header(b"{}")[:9]):
        path.write_bytes(octets)
        assert not is_safetensors(path)


def test_load_into_copies_in_place():
    parameters = {"a/w": np.zeros((2, 3), np.float32), "a/b": np.zeros(3, np.float32)}
    kept = parameters["a/w"]
    assert load_into(parameters, {"a/b": np.arange(3.), "a/w": np.ones((2, 3))}, "here") == ["a/w", "a/b"]
    assert parameters["a/w"] is kept and kept.dtype == np.float32
    np.testing.assert_array_equal(kept, 1)
    np.testing.assert_array_equal(parameters["a/b"], [0, 1, 2])


@pytest.mark.parametrize("change, says", [
    ({"a/w": np.ones((3, 2))}, "a/w came 3×2, expected 2×3"),
    ({"a/b": None}, "a/b came nothing, expected 3"),
    ({"z": np.ones(())}, "z came one number, expected nothing"),
    ({"a/b": np.ones(3, complex)}, "a/b came as complex128, expected float32"),
])
def test_load_into_all_or_nothing(change, says):
    parameters = {"a/w": np.zeros((2, 3), np.float32), "a/b": np.zeros(3, np.float32)}
    arrays = {"a/w": np.ones((2, 3)), "a/b": np.ones(3)} | change
    arrays = {name: array for name, array in arrays.items() if array is not None}
    with pytest.raises(UserError) as error:
        load_into(parameters, arrays, "w.safetensors")
    assert str(error.value) == f"w.safetensors: not the weights of this network: {says}"
    assert not any(array.any() for array in parameters.values())


def test_load_into_names_the_first_few_differences():
    with pytest.raises(UserError, match=r"w0 came nothing.*w1.*w2 came nothing, expected 1; and 5 more$"):
        load_into({f"w{i}": np.zeros(1) for i in range(8)}, {}, "x")


def test_load_into_without_heads():
    trunk, head = {"conv/w": np.zeros(2)}, {"aux1/fc/w": np.zeros(3)}
    heads = ("aux1/", "aux2/")
    assert load_into(trunk | head, {"conv/w": np.ones(2)}, "x", optional=heads) == ["conv/w"]
    assert load_into(trunk, {"conv/w": np.ones(2), "aux1/fc/w": np.ones(3)}, "x", optional=heads) == ["conv/w"]
    with pytest.raises(UserError, match="aux1/fc/w came 4, expected 3"):
        load_into(trunk | head, {"conv/w": np.ones(2), "aux1/fc/w": np.ones(4)}, "x", optional=heads)
    with pytest.raises(UserError):
        load_into(trunk | head, {"conv/w": np.ones(2)}, "x")
