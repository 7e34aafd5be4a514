import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minigooglenet.errors import UserError
from minigooglenet.weights.safetensors_io import array_names, is_safetensors, load, save


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


def test_an_unsupported_dtype_leaves_the_old_file(tmp_path):
    path = tmp_path / "w.safetensors"
    save(path, {"a": np.ones(3)})
    before = path.read_bytes()
    for bad in (np.array(["text"]), np.array([None]), np.ones(2, complex)):
        with pytest.raises(UserError, match="b has dtype"):
            save(path, {"a": np.zeros(3), "b": bad})
    assert path.read_bytes() == before


def header(words, data=b"\0" * 8):
    return len(words).to_bytes(8, "little") + words + data


@pytest.mark.parametrize("contents, says", [
    (b"", "empty"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"<html>", "web page"),
    (b"version https://git-lfs.github.com/spec/v1\n", "git-lfs"),
    (b"PK\x03\x04....", "zip"),
    (b"abc", "damaged or of another kind"),
    ((2**62).to_bytes(8, "little") + b"{}", "damaged or of another kind"),
    (header(b"{]"), "damaged or of another kind"),
    (header(b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}'), "damaged or of another kind"),
    (header(b'{"a":{"dtype":"F32","shape":[99999999999],"data_offsets":[0,8]}}'), "damaged or of another kind"),
    (header(b"{" * 10**5), "nested too deep|Expecting"),
    (header(b'{"a":' + b"[" * 10**5 + b"]" * 10**5 + b"}"), "nested too deep"),
    (header(b'{"a":' + b"9" * 10**5 + b"}"), "damaged or of another kind"),
    (header(b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', b""), "8 bytes|damaged"),
    (header(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}'), "a starts at byte 4, expected 0"),
    (header(b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}'),
     "b starts at byte 4, expected 8"),
    (header(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'), "8 bytes of data, expected 4"),
    (header(b'{"a":{"dtype":"F32","shape":[-2,-1],"data_offsets":[0,8]}}'), "lacks a valid dtype, shape or position"),
    (header(b'{"a":{"dtype":"F32","shape":[true,2],"data_offsets":[0,8]}}'), "lacks a valid dtype, shape or position"),
    (header(b'{"a":{"dtype":"F32","shape":[0,4611686018427387904,4],"data_offsets":[0,0]}}', b""), "damaged"),
    (header(b'{"__metadata__":{"k":1},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'), "metadata are not text"),
    (header(b'{"a\\n\\u001b[2J":{"dtype":"F8_E5M2","shape":[8],"data_offsets":[0,8]}}'),
     r"a\\n\\x1b\[2J has dtype F8_E5M2"),
    (header(b'{"a":{"dtype":"C64","shape":[1],"data_offsets":[0,8]}}'), "a has dtype C64"),
    (header(b'{"a":{"dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8]}}'), "a has dtype F8_E4M3"),
])
def test_refused_in_one_line(tmp_path, contents, says):
    path = tmp_path / "w.safetensors"
    path.write_bytes(contents)
    with pytest.raises(UserError, match=says) as error:
        load(path)
    assert str(error.value).startswith(str(path)) and "\n" not in str(error.value)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        load(tmp_path / "w.safetensors")
    with pytest.raises(UserError, match="folder"):
        load(tmp_path)


def test_bfloat16_is_widened(tmp_path):
    """bfloat16 is the upper half of a float32."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: no other writer of bfloat16")
    from safetensors.torch import save_file
    x = torch.tensor([[1.0, -2.5, 3e38], [1e-40, float("inf"), 0.1]]).to(torch.bfloat16)
    save_file({"x": x, "half": x.half()}, tmp_path / "w.safetensors")
    arrays, _ = load(tmp_path / "w.safetensors")
    assert arrays["x"].dtype == np.float32 and arrays["half"].dtype == np.float16 and arrays["x"].flags.writeable
    np.testing.assert_array_equal(arrays["x"], x.float().numpy())


def test_bfloat16_by_hand(tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(header(b'{"a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}', b"\x80\x3f\x20\xc0"))
    np.testing.assert_array_equal(load(path)[0]["a"], np.array([1, -2.5], np.float32))


def test_float8_is_refused_by_name(tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: no other writer of float8")
    from safetensors.torch import save_file
    for dtype, name in ((torch.float8_e4m3fn, "F8_E4M3"), (torch.float8_e5m2, "F8_E5M2"), (torch.complex64, "C64")):
        save_file({"x": torch.zeros(2).to(dtype)}, tmp_path / "w.safetensors")
        assert array_names(tmp_path / "w.safetensors") == ["x"]
        with pytest.raises(UserError, match=f"x has dtype {name}, which is not supported; save it as F32"):
            load(tmp_path / "w.safetensors")


def test_the_same_arrays_as_the_library_reads(tmp_path):
    from safetensors.numpy import load_file
    save(tmp_path / "w.safetensors", some_arrays(), {"k": "v"})
    ours, theirs = load(tmp_path / "w.safetensors")[0], load_file(tmp_path / "w.safetensors")
    assert ours.keys() == theirs.keys()
    for name, array in theirs.items():
        assert ours[name].dtype == array.dtype and ours[name].tobytes() == array.tobytes()


def test_names_and_metadata_that_cannot_be_read_again_are_not_written(tmp_path):
    with pytest.raises(UserError, match="names and metadata of 5,0.* bytes, expected at most 5,000,000"):
        save(tmp_path / "w.safetensors", {"a": np.ones(1)}, {"k": "v" * 5_000_000})
    assert not list(tmp_path.iterdir())


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damaged_files_load_or_raise_user_error(tmp_path, data):
    path = tmp_path / "w.safetensors"
    save(path, {"a": np.ones((2, 3)), "b": np.ones(2, np.float32)}, {"k": "v"})
    contents = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(0, 3))):
        contents[data.draw(st.integers(0, len(contents) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(contents[:data.draw(st.integers(0, len(contents)))])
    try:
        load(path)
    except UserError:
        pass


def test_is_safetensors(tmp_path):
    path = tmp_path / "w"
    save(path, {"a": np.ones(2)})
    assert is_safetensors(path)
    for contents in (b"\x0a\x09GoogleNet\x12\x80\x01", header(b"[]"), header(b"{]"), b"x", header(b"{}")[:9]):
        path.write_bytes(contents)
        assert not is_safetensors(path)


def test_names_of_version_0_1(tmp_path):
    path, gamma, beta = tmp_path / "w.safetensors", np.arange(3.0), np.ones(3)
    save(path, {"average/4a/3x3_bn/gamma": gamma, "conv1_bn/beta": beta})
    wanted = {"average/4a/3x3/bn/gamma": gamma, "conv1/bn/beta": beta}
    arrays, _ = load(path)
    assert arrays.keys() == wanted.keys() == set(array_names(path))
    for name, array in wanted.items():
        np.testing.assert_array_equal(arrays[name], array)
    save(path, {"conv1_bn/beta": beta, "conv1/bn/beta": beta})
    with pytest.raises(UserError, match="both conv1_bn/beta and conv1/bn/beta"):
        load(path)
