"""torchvision's names: the same logits from the same state_dict, and the same bits after there and back."""

import numpy as np
import pytest

from minigooglenet.cli import main
from minigooglenet.errors import UserError
from minigooglenet.inference.classifier import open_weights
from minigooglenet.layers import Dropout, softmax
from minigooglenet.models import googlenet
from minigooglenet.weights import safetensors_io
from minigooglenet.weights.layout import maps
from minigooglenet.weights.safetensors_io import load_into
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


@pytest.fixture(scope="module", params=["written after it", "torchvision's own"])
def twin(request):
    pytest.importorskip("torch", reason="PyTorch is not installed: no twin of torchvision's network")
    from torchvision_twin import GoogLeNet, original, random_twin
    if request.param == "written after it":
        return random_twin(lambda: GoogLeNet(CLASSES, drop_prob=0, aux_drop_prob=0))
    try:
        return random_twin(lambda: original(CLASSES))
    except (ImportError, RuntimeError) as error:  # not there, or made for another PyTorch
        pytest.skip(f"torchvision cannot be imported here: {str(error).splitlines()[0]}")


def loaded(state_dict):
    net = googlenet("torchvision", classes=CLASSES)
    load_into(net.parameters() | net.state(), from_torchvision(state_dict), "twin")
    for _, layer in net.walk():
        if isinstance(layer, Dropout):
            layer.drop_prob = 0
    return net


def arrays_of(twin):
    return {name: tensor.numpy().copy() for name, tensor in twin.state_dict().items()}


def close(ours, theirs):
    return np.abs(ours - theirs).max() < 1e-4 * max(1, np.abs(theirs).max())


def test_the_same_logits_from_torchvisions_weights(twin, rng):
    import torch
    net, x = loaded(arrays_of(twin)), rng.standard_normal((2, 224, 224, 3), np.float32)
    twin.eval()
    with torch.no_grad():
        theirs = twin(torch.from_numpy(maps(x))).numpy()
    assert theirs.std() > 0.1 and close(net.predict(x), theirs)


def test_the_same_three_logits_and_statistics_in_training(twin, rng):
    import torch
    before = arrays_of(twin)
    net, x = loaded(before), rng.standard_normal((2, 224, 224, 3), np.float32)
    twin.train()
    try:
        with torch.no_grad():
            main, aux2, aux1 = (logits.numpy() for logits in twin(torch.from_numpy(maps(x))))
        ours, _ = net.forward(x, train=True)
        for mine, theirs in zip(ours, (main, aux1, aux2), strict=True):
            assert close(mine, theirs)
        moved = arrays_of(twin)
        for name, array in to_torchvision(net).items():
            if "running" in name:
                assert np.abs(moved[name] - before[name]).max() > 0 and close(array, moved[name]), name
    finally:
        twin.load_state_dict({name: torch.from_numpy(array) for name, array in before.items()})


def test_our_weights_in_torchvisions_network(net, twin, rng):
    import torch
    before = twin.state_dict()
    kept = {name: tensor.clone() for name, tensor in before.items()}
    ours = to_torchvision(net)
    assert set(ours) == set(kept)
    assert all(array.shape == tuple(kept[name].shape) for name, array in ours.items())
    x = rng.standard_normal((1, 224, 224, 3), np.float32)
    try:
        twin.load_state_dict({name: torch.from_numpy(array) for name, array in ours.items()}, strict=True)
        twin.eval()
        with torch.no_grad():
            theirs = twin(torch.from_numpy(maps(x))).numpy()
        assert close(net.predict(x), theirs)
    finally:
        twin.load_state_dict(kept)


def test_there_and_back_is_the_same_bit_for_bit(net):
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
    assert NAMES["3a/pool_proj_bn/variance"] == "inception3a.branch4.1.bn.running_var"
    assert is_torchvision(NAMES.values()) and not is_torchvision(NAMES)


def test_without_heads(net):
    there = {name: array for name, array in to_torchvision(net).items() if not name.startswith("aux")}
    assert set(from_torchvision(there)) == {path for path in NAMES if not path.startswith("aux")}


def test_other_arrays_are_refused(net):
    there = to_torchvision(net)
    for changed, says in (
        (there | {"inception3a.branch5.conv.weight": np.zeros(3)}, "has an array 'inception3a.branch5.conv.weight'"),
        ({name: a for name, a in there.items() if name != "aux2.fc2.bias"}, "lacks 1 arrays, first 'aux2.fc2.bias'"),
        (there | {"aux1.fc1.weight": np.zeros((1024, 2047))}, "aux1.fc1.weight came 1024×2047"),
        (there | {"fc.weight": np.zeros(3)}, "fc.weight came 3"),
    ):
        with pytest.raises(UserError, match=f"^a file: .*{says}"):
            from_torchvision(changed, "a file")
    with pytest.raises(UserError, match="no name for conv1/b; only GoogLeNet's variant"):
        to_torchvision(googlenet("bvlc", heads=False))


# -- files ------------------------------------------------------------------------------------------------------------

def test_convert_there_and_back_and_predict(net, tmp_path, rng, capsys):
    theirs, ours, back = (tmp_path / f"{name}.safetensors" for name in ("theirs", "ours", "back"))
    there = to_torchvision(net)
    safetensors_io.save(theirs, there, {"format": "pt"})
    assert main(["convert", str(theirs), str(ours), "--pixels", "imagenet"]) == 0
    assert "variant torchvision, RGB minus [123.675" in capsys.readouterr().out
    assert main(["convert", str(ours), str(back), "--names", "torchvision"]) == 0
    arrays, words = safetensors_io.load(back)
    assert words == {"format": "pt"} and arrays.keys() == there.keys()
    assert all(np.array_equal(array, there[name]) for name, array in arrays.items())
    x = rng.integers(0, 256, (1, 224, 224, 3), np.uint8)
    for file, mean, std in ((theirs, 127.5, 127.5), (ours, np.array([123.675, 116.28, 103.53]),
                                                     np.array([58.395, 57.12, 57.375]))):
        wanted = softmax(net.predict(((x - mean) / std).astype(np.float32)))
        np.testing.assert_allclose(open_weights(file).probabilities(x), wanted, atol=1e-4)


def test_what_cannot_be_converted_is_one_line(tmp_path, capsys):
    pickle = tmp_path / "googlenet.pth"
    for octets in (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", b"PK\x03\x04" + bytes(40)):
        pickle.write_bytes(octets)
        for arguments in (["convert", str(pickle), str(tmp_path / "a.safetensors")],
                          ["predict", "photo.jpg", "--weights", str(pickle)]):
            assert main(arguments) == 2
            error = capsys.readouterr().err
            assert error.count("\n") == 1 and "a pickle of PyTorch's" in error and "save_file" in error
