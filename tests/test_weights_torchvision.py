"""torchvision's names: equal logits for the same state_dict, and a bit-exact round trip."""

import numpy as np
import pytest

from minigooglenet.cli import main
from minigooglenet.errors import UserError
from minigooglenet.inference.classifier import open_weights
from minigooglenet.layers import Dropout, softmax
from minigooglenet.models import googlenet
from minigooglenet.weights import safetensors_io
from minigooglenet.weights.convert import convert
from minigooglenet.weights.layout import maps_to_nchw
from minigooglenet.weights.loading import load_into
from minigooglenet.weights.torchvision import NAMES, from_torchvision, is_torchvision, to_torchvision

CLASSES = 11


@pytest.fixture(scope="module")
def net():
    """Random weights, and statistics that are neither 0 nor 1."""
    rng = np.random.default_rng(0)
    made = googlenet("torchvision", classes=CLASSES, rng=rng)
    for array in (made.parameters() | made.state()).values():
        if array.ndim == 1:
            array[...] = rng.uniform(0.5, 1.5, array.shape)
    return made


@pytest.fixture(scope="module", params=["reimplementation", "torchvision"])
def reference(request):
    pytest.importorskip("torch", reason="PyTorch is not installed: no reference for torchvision's network")
    from torchvision_reference import GoogLeNet, original, randomized
    if request.param == "reimplementation":
        return randomized(lambda: GoogLeNet(CLASSES, drop_prob=0, aux_drop_prob=0))
    try:
        return randomized(lambda: original(CLASSES))
    except (ImportError, RuntimeError) as error:  # not installed, or built for another PyTorch
        pytest.skip(f"torchvision cannot be imported here: {str(error).splitlines()[0]}")


def loaded(state_dict):
    net = googlenet("torchvision", classes=CLASSES)
    load_into(net.parameters() | net.state(), from_torchvision(state_dict), "reference")
    for _, layer in net.walk():
        if isinstance(layer, Dropout):
            layer.drop_prob = 0
    return net


def arrays_of(reference):
    return {name: tensor.numpy().copy() for name, tensor in reference.state_dict().items()}


def close(ours, theirs):
    return np.abs(ours - theirs).max() < 1e-4 * max(1, np.abs(theirs).max())


def test_the_same_logits_from_torchvisions_weights(reference, rng):
    import torch
    net, x = loaded(arrays_of(reference)), rng.standard_normal((2, 224, 224, 3), np.float32)
    reference.eval()
    with torch.no_grad():
        theirs = reference(torch.from_numpy(maps_to_nchw(x))).numpy()
    assert theirs.std() > 0.1 and close(net.predict(x), theirs)


def test_the_same_three_logits_and_statistics_in_training(reference, rng):
    import torch
    before = arrays_of(reference)
    net, x = loaded(before), rng.standard_normal((2, 224, 224, 3), np.float32)
    reference.train()
    try:
        with torch.no_grad():
            main, aux2, aux1 = (logits.numpy() for logits in reference(torch.from_numpy(maps_to_nchw(x))))
        ours, _ = net.forward(x, train=True)
        for mine, theirs in zip(ours, (main, aux1, aux2), strict=True):
            assert close(mine, theirs)
        moved = arrays_of(reference)
        for name, array in to_torchvision(net).items():
            if "running" in name:
                assert np.abs(moved[name] - before[name]).max() > 0 and close(array, moved[name]), name
    finally:
        reference.load_state_dict({name: torch.from_numpy(array) for name, array in before.items()})


def test_our_weights_in_torchvisions_network(net, reference, rng):
    import torch
    before = reference.state_dict()
    kept = {name: tensor.clone() for name, tensor in before.items()}
    ours = to_torchvision(net)
    assert set(ours) == set(kept)
    assert all(array.shape == tuple(kept[name].shape) for name, array in ours.items())
    x = rng.standard_normal((1, 224, 224, 3), np.float32)
    try:
        reference.load_state_dict({name: torch.from_numpy(array) for name, array in ours.items()}, strict=True)
        reference.eval()
        with torch.no_grad():
            theirs = reference(torch.from_numpy(maps_to_nchw(x))).numpy()
        assert close(net.predict(x), theirs)
    finally:
        reference.load_state_dict(kept)


def test_a_round_trip_is_bit_exact(net):
    mine = net.parameters() | net.state()
    there = to_torchvision(net)
    back = from_torchvision(there)
    assert list(back) == list(NAMES) and set(back) == set(mine)
    for path, array in mine.items():
        assert back[path].dtype == array.dtype and np.array_equal(back[path], array), path
        assert not np.shares_memory(back[path], array)
    again = googlenet("torchvision", classes=CLASSES)
    load_into(again.parameters() | again.state(), back, "net")
    for name, array in to_torchvision(again).items():
        assert np.array_equal(array, there[name]), name


def test_the_table_names_every_array_once(net):
    assert set(NAMES) == set(net.parameters() | net.state()) and len(set(NAMES.values())) == len(NAMES)
    assert NAMES["3a/pool_proj/bn/variance"] == "inception3a.branch4.1.bn.running_var"
    assert is_torchvision(NAMES.values()) and not is_torchvision(NAMES)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.", "module._orig_mod.", "net.backbone."])
def test_a_prefix_that_all_names_share_is_left_out(net, prefix):
    there = to_torchvision(net)
    wrapped = {prefix + name: array for name, array in there.items()}
    assert is_torchvision(wrapped)
    back = from_torchvision(wrapped)
    assert list(back) == list(NAMES)
    for path, array in from_torchvision(there).items():
        assert np.array_equal(back[path], array), path


def test_a_prefix_of_some_names_is_not_left_out(net):
    there = to_torchvision(net)
    for names in ([f"module.{name}" if name != "fc.bias" else name for name in there], ["xconv1.conv.weight"],
                  [f"{who}.{name}" for who in ("teacher", "student") for name in there], []):
        assert not is_torchvision(names)
    with pytest.raises(UserError, match="^a file: has an array 'module.aux1.conv.bn.bias'"):
        from_torchvision({f"module.{name}" if name != "fc.bias" else name: a for name, a in there.items()}, "a file")


def test_without_heads(net):
    there = {name: array for name, array in to_torchvision(net).items() if not name.startswith("aux")}
    assert set(from_torchvision(there)) == {path for path in NAMES if not path.startswith("aux")}


def test_other_arrays_are_refused(net):
    there = to_torchvision(net)
    for changed, says in (
        (there | {"inception3a.branch5.conv.weight": np.zeros(3)}, "has an array 'inception3a.branch5.conv.weight'"),
        ({name: a for name, a in there.items() if name != "aux2.fc2.bias"}, "lacks 1 arrays, first 'aux2.fc2.bias'"),
        (there | {"aux1.fc1.weight": np.zeros((1024, 2047))}, "aux1.fc1.weight is 1024×2047"),
        (there | {"fc.weight": np.zeros(3)}, "fc.weight is 3"),
    ):
        with pytest.raises(UserError, match=f"^a file: .*{says}"):
            from_torchvision(changed, "a file")
    with pytest.raises(UserError, match="no name for conv1/b; only the variant"):
        to_torchvision(googlenet("bvlc", heads=False))


# -- files ------------------------------------------------------------------------------------------------------------

def test_convert_round_trip_and_predict(net, tmp_path, rng, capsys):
    theirs, ours, back = (tmp_path / f"{name}.safetensors" for name in ("theirs", "ours", "back"))
    there = to_torchvision(net)
    safetensors_io.save(theirs, there, {"format": "pt"})
    assert main(["convert", str(theirs), str(ours), "--pixels", "imagenet"]) == 0
    assert "variant torchvision, RGB minus [123.675" in capsys.readouterr().out
    assert main(["convert", str(ours), str(back), "--names", "torchvision"]) == 0
    arrays, metadata = safetensors_io.load(back)
    assert metadata == {"format": "pt"} and arrays.keys() == there.keys()
    assert all(np.array_equal(array, there[name]) for name, array in arrays.items())
    x = rng.integers(0, 256, (1, 224, 224, 3), np.uint8)
    for file, mean, std in ((theirs, 127.5, 127.5), (ours, np.array([123.675, 116.28, 103.53]),
                                                     np.array([58.395, 57.12, 57.375]))):
        wanted = softmax(net.predict(((x - mean) / std).astype(np.float32)))
        np.testing.assert_allclose(open_weights(file).probabilities(x), wanted, atol=1e-4)


@pytest.mark.parametrize("std", ["[1, 2, 0]", "[1, 2]", "null", "1", "{", '["a", "b", "c"]', "[1, 2, NaN]"])
def test_an_invalid_mean_or_std_is_refused(net, std, tmp_path):
    theirs, ours = tmp_path / "theirs.safetensors", tmp_path / "ours.safetensors"
    safetensors_io.save(theirs, to_torchvision(net))
    convert(theirs, ours)
    arrays, metadata = safetensors_io.load(ours)
    safetensors_io.save(ours, {"linear/b": arrays["linear/b"]}, metadata | {"std": std})
    with pytest.raises(UserError, match="mean or std is not a list of three numbers"):
        open_weights(ours)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
def test_convert_takes_a_wrapped_network_of_any_precision(net, dtype, tmp_path, capsys, rng):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: no other writer of bfloat16")
    from safetensors.torch import save_file
    there = {f"_orig_mod.{name}": torch.from_numpy(array).to(getattr(torch, dtype)) if array.ndim else
             torch.tensor(7) for name, array in to_torchvision(net).items()}
    save_file(there, tmp_path / "theirs.safetensors")
    assert main(["convert", str(tmp_path / "theirs.safetensors"), str(tmp_path / "ours.safetensors")]) == 0
    w = safetensors_io.load(tmp_path / "ours.safetensors")[0]["linear/w"]
    np.testing.assert_array_equal(w.T, there["_orig_mod.fc.weight"].to(torch.float64).numpy())
    x = rng.integers(0, 256, (1, 224, 224, 3), np.uint8)
    np.testing.assert_array_equal(open_weights(tmp_path / "ours.safetensors").probabilities(x),
                                  open_weights(tmp_path / "theirs.safetensors").probabilities(x))


def test_convert_refuses_what_is_not_finite(net, tmp_path, capsys):
    there = to_torchvision(net)
    there["inception5b.branch3.1.bn.running_var"][3] = -1
    safetensors_io.save(tmp_path / "theirs.safetensors", there)
    assert main(["convert", str(tmp_path / "theirs.safetensors"), str(tmp_path / "ours.safetensors")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "theirs.safetensors: 5b/5x5/bn/variance[3] is -1, expected variances" in error
    assert not (tmp_path / "ours.safetensors").exists()


def test_the_length_of_a_header_is_not_taken_for_a_pickle(tmp_path):
    """A header of 128 bytes begins with the two bytes 0x80 0x00, and a pickle with 0x80 0x02, for instance."""
    for number in range(200):
        safetensors_io.save(tmp_path / "w.safetensors", {"a": np.ones(1)}, {"k": "v" * 8 * number})
        with pytest.raises(UserError, match="not the weights of a known network"):
            open_weights(tmp_path / "w.safetensors")


def test_pickles_are_refused_in_one_line(tmp_path, capsys):
    pickle = tmp_path / "googlenet.pth"
    for contents in (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", b"PK\x03\x04" + bytes(40)):
        pickle.write_bytes(contents)
        for arguments in (["convert", str(pickle), str(tmp_path / "a.safetensors")],
                          ["predict", "photo.jpg", "--weights", str(pickle)]):
            assert main(arguments) == 2
            error = capsys.readouterr().err
            assert error.count("\n") == 1 and "a PyTorch pickle" in error and "save_file" in error
