"""GoogLeNet's variants and the reduced network: known totals, and the structure that gives them."""

import numpy as np
import pytest

from minigooglenet.errors import ShapeError
from minigooglenet.layers import LRN, BatchNorm, Block, Concat, Conv, Dense, MaxPool, ReLU, Sequential, Trunk
from minigooglenet.layers.init import he
from minigooglenet.models import catalog, googlenet, mini_googlenet
from minigooglenet.models.googlenet import INPUT, TABLE_1, VARIANTS
from minigooglenet.models.inception import Style, inception
from minigooglenet.models.mini import STEM, stem
from minigooglenet.training.config import preset

MODULES = ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")


def count(network):
    return sum(array.size for array in network.parameters().values())


def paths_of(network, kind):
    return [path for path, layer in network.walk() if isinstance(layer, kind)]


@pytest.mark.parametrize("variant, heads, parameters, macs", [
    ("paper", False, 6_998_552, 1_582_671_872),  # as Caffe's deploy.prototxt
    ("paper", True, 13_378_280, 1_582_671_872),  # as train_val.prototxt
    ("bvlc", False, 6_998_552, 1_582_671_872),
    ("bvlc", True, 13_378_280, 1_582_671_872),
    ("torchvision", False, 6_624_904, 1_498_376_192),
    ("torchvision", True, 13_004_888, 1_498_376_192),
])
def test_known_totals(variant, heads, parameters, macs):
    network = googlenet(variant, heads=heads)
    assert count(network) == parameters
    assert network.macs(INPUT) == macs
    assert network.output_shape(INPUT) == (1000,)


def test_the_naive_form_accumulates_channels():
    network = googlenet("naive", heads=False)
    shape, channels, macs = INPUT, [], 0
    for name, layer in network.children.items():
        if name in MODULES:
            macs += layer.macs(shape)
        shape = layer.output_shape(shape)
        if name in MODULES:
            channels.append(shape[-1])
    assert channels == [416, 832, 1280, 1728, 2176, 2640, 3344, 4048, 4944]
    assert macs == 12_085_441_536
    assert len(paths_of(network, Conv)) == 3 + 9 * 3


def test_output_sizes_are_those_of_table_1():
    network, shape, seen = googlenet(heads=False), INPUT, {}
    for name, layer in network.children.items():
        shape = seen[name] = layer.output_shape(shape)
    expected = {"conv1": (112, 112, 64), "pool1": (56, 56, 64), "conv2": (56, 56, 192), "pool2": (28, 28, 192),
                "3a": (28, 28, 256), "3b": (28, 28, 480), "pool3": (14, 14, 480), "4a": (14, 14, 512),
                "4b": (14, 14, 512), "4c": (14, 14, 512), "4d": (14, 14, 528), "4e": (14, 14, 832),
                "pool4": (7, 7, 832), "5a": (7, 7, 832), "5b": (7, 7, 1024), "pool5": (1024,), "linear": (1000,)}
    assert {name: seen[name] for name in expected} == expected


def test_it_is_22_layers_deep_with_57_convolutions():
    network = googlenet(heads=False)
    assert [len(paths_of(network, kind)) for kind in (Conv, Dense, LRN)] == [57, 1, 2]
    depth = pools = 0
    for layer in network.children.values():
        if isinstance(layer, Concat):  # the longest branch
            depth += max(sum(isinstance(inner, Block) for inner in b.children.values()) for b in layer.branches)
        depth += isinstance(layer, Block | Dense)
        pools += "pool" in layer.kind
    assert (depth, depth + pools) == (22, 27)


def test_heads_read_4a_and_4d():
    network = googlenet()
    assert {name: tap for name, (tap, _) in network.heads.items()} == {"aux1": "4a", "aux2": "4d"}
    sizes = {name: sum(a.size for path, a in network.parameters().items() if path.startswith(name))
             for name in network.heads}
    assert sizes == {"aux1": 3_188_840, "aux2": 3_190_888}
    assert [layer.drop_prob for path, layer in network.walk() if "dropout" in path] == [0.4, 0.7, 0.7]


def test_the_dropout_before_the_classifier():
    usual = {"paper": 0.4, "bvlc": 0.4, "naive": 0.4, "torchvision": 0.2}
    for variant in VARIANTS:
        for given, expected in ((None, usual[variant]), (0.5, 0.5), (0.0, 0.0)):
            net = googlenet(variant, heads=False, drop_prob=given)
            assert net.children["dropout"].drop_prob == expected, variant
    for model in ("googlenet", "googlenet-torchvision"):
        assert preset("quick", model).drop_prob == catalog.network(model).children["dropout"].drop_prob


def test_paths_are_short_and_fixed():
    """Checkpoints and converters use these names."""
    paths = list(googlenet().parameters())
    assert len(paths) == len(set(paths)) == 2 * (57 + 1 + 2 * 3)
    for path in ("conv1/w", "conv2_reduce/b", "3a/1x1/w", "4a/3x3_reduce/w", "4a/3x3/w", "5b/5x5_reduce/b", "5b/5x5/w",
                 "4e/pool_proj/w", "linear/w", "aux1/conv/w", "aux1/fc/b", "aux2/linear/w"):
        assert path in paths
    assert googlenet().parameters()["4a/3x3/w"].shape == (3, 3, 96, 208)
    assert "4a/3x3/bn/gamma" in googlenet("torchvision").parameters()


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_initialization_can_be_chosen(variant):
    network = googlenet(variant, classes=3, heads=False, rng=np.random.default_rng(0), init=he)
    weights = network.parameters()["3a/3x3/w"]
    assert weights.std() == pytest.approx((2 / weights[..., 0].size) ** 0.5, rel=0.02)


def test_how_the_variants_differ():
    paper, bvlc, torchvision = (googlenet(v, classes=3, heads=False, rng=np.random.default_rng(0))
                                for v in ("paper", "bvlc", "torchvision"))
    assert not paper.parameters()["3a/3x3/b"].any() and (bvlc.parameters()["3a/3x3/b"] == np.float32(0.2)).all()
    assert not bvlc.parameters()["linear/b"].any()
    assert bvlc.children["pool4"].kernel == (3, 3) and torchvision.children["pool4"].kernel == (2, 2)
    assert torchvision.children["3a"].children["5x5"].layer.kernel == (3, 3)
    assert bvlc.children["3a"].children["5x5"].layer.kernel == (5, 5)
    assert {layer.eps for _, layer in torchvision.walk() if isinstance(layer, BatchNorm)} == {1e-3}
    assert not paths_of(torchvision, LRN) and len(paths_of(torchvision, BatchNorm)) == 57
    assert all(isinstance(layer, MaxPool) and layer.ceil_mode for name, layer in paper.children.items()
               if name in ("pool1", "pool2", "pool3", "pool4"))
    spread = np.concatenate([w.ravel() for path, w in torchvision.parameters().items() if path.endswith("3x3/w")])
    assert np.abs(spread).max() <= 0.02


def test_errors_for_unknown_variants_and_styles_list_the_choices():
    with pytest.raises(ValueError, match=r"variant: got 'v3', choose paper, bvlc"):
        googlenet("v3")
    with pytest.raises(ValueError, match=r"norm: got 'layer', choose lrn, batch or none"):
        mini_googlenet(norm="layer")
    for width in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="width: got"):
            mini_googlenet(width)
    assert set(VARIANTS) == {"paper", "bvlc", "torchvision", "naive"}


def test_images_that_are_too_small():
    with pytest.raises(ShapeError):
        googlenet(input_shape=(32, 32, 3))


# -- the inception module ----------------------------------------------------------------------------------------------


def test_an_inception_module_has_four_branches(rng):
    module = inception(Style(rng=rng, dtype="float64"), 6, 2, 3, 4, 2, 5, 3)
    assert [list(branch.children) for branch in module.branches] == [
        ["1x1"], ["3x3_reduce", "3x3"], ["5x5_reduce", "5x5"], ["pool", "pool_proj"]]
    assert all(type(layer) is Block and layer.norm is None
               for name, layer in module.children.items() if name != "pool")
    x = rng.standard_normal((2, 5, 7, 6))
    y = module.predict(x)
    assert y.shape == (2, 5, 7, 2 + 4 + 5 + 3) and (y >= 0).all()
    one = module.children["1x1"].layer.params
    np.testing.assert_allclose(y[..., :2], np.maximum(x @ one["w"][0, 0] + one["b"], 0), rtol=1e-12)
    assert module.macs((5, 7, 6)) == 35 * (6 * 2 + 6 * 3 + 9 * 3 * 4 + 6 * 2 + 25 * 2 * 5 + 6 * 3)


def test_the_naive_module_keeps_the_pooled_channels(rng):
    module = inception(Style(reduced=False, rng=rng), 6, 2, 3, 4, 2, 5, 3)
    assert list(module.children) == ["1x1", "3x3", "5x5", "pool"]
    assert [path for path, _ in module.walk()] == ["1x1", "1x1/relu", "3x3", "3x3/relu", "5x5", "5x5/relu", "pool"]
    assert module.output_shape((5, 7, 6)) == (5, 7, 2 + 4 + 5 + 6)


def test_batch_norm_comes_between_convolution_and_relu(rng):
    module = inception(Style(norm="batch", rng=rng), 6, 2, 3, 4, 2, 5, 3)
    for name, layer in module.children.items():
        if name != "pool":
            assert [type(inner) for inner in layer.children.values()] == [Conv, BatchNorm, ReLU]
    assert not [path for path in module.parameters() if path.endswith("/b")]  # beta replaces the bias


def test_sums_over_processes_are_handed_to_every_batch_norm():
    def all_reduce(a):
        return a

    network = mini_googlenet(1 / 16, all_reduce=all_reduce)
    assert {layer.all_reduce for _, layer in network.walk() if isinstance(layer, BatchNorm)} == {all_reduce}


# -- the reduced network -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("norm", ["batch", "lrn", "none"])
def test_the_reduced_network_keeps_everything_but_the_size(norm, rng):
    network = mini_googlenet(1 / 8, norm=norm, rng=rng)
    assert isinstance(network, Trunk) and list(network.heads) == ["aux1", "aux2"]
    assert [name for name in network.trunk.children if name in MODULES] == list(MODULES)
    assert len(paths_of(network.trunk, Conv)) == 2 + 1 + 54
    assert len(paths_of(network, LRN)) == (2 if norm == "lrn" else 0)
    assert len(paths_of(network, BatchNorm)) == (59 if norm == "batch" else 0)
    x = rng.standard_normal((2, 32, 32, 3)).astype("float32")
    outputs, cache = network.forward(x, train=True)
    assert [y.shape for y in outputs] == [(2, 10)] * 3 and {y.dtype for y in outputs} == {np.dtype("float32")}
    dx = network.backward([np.ones_like(y) for y in outputs], cache)
    assert dx.shape == x.shape and dx.dtype == np.float32 and np.isfinite(dx).all()
    assert network.predict(x).shape == (2, 10)
    sizes = {path: after for path, _, _, after in network.trunk.trace((32, 32, 3))}
    assert (sizes["3b/1x1"][:2], sizes["4e/1x1"][:2], sizes["5b/1x1"][:2]) == ((16, 16), (8, 8), (4, 4))


@pytest.mark.parametrize("size, read", [(28, 14), (32, 16), (48, 24), (64, 16), (96, 24), (127, 32), (128, 16),
                                        (160, 20), (192, 24), (224, 28)])
def test_the_stem_fits_the_size_of_the_images(size, read):
    """3a reads maps of 16×16 to 28×28 for the usual sizes."""
    network = mini_googlenet(1 / 16, input_shape=(size, size, 3), size=size)
    sizes = {path: before for path, _, before, _ in network.trunk.trace((size, size, 3))}
    assert sizes["3a/1x1"][:2] == (read, read)
    assert set(network.parameters()) == set(mini_googlenet(1 / 16).parameters())
    assert network.output_shape((size, size, 3)) == (10,)


def test_the_largest_images_have_the_paper_s_stem():
    assert stem(224) == TABLE_1[:7] and stem(64) == TABLE_1[:6] and stem(63) == stem(32) == STEM


def test_width_scales_every_width_to_multiples_of_eight():
    network = mini_googlenet(0.3, heads=False)
    widths = [layer.F for _, layer in network.walk() if isinstance(layer, Conv)]
    assert all(F % 8 == 0 and F >= 8 for F in widths)
    assert network.children["conv1"].layer.F == 16  # 19.2
    assert network.children["3a"].children["3x3_reduce"].layer.F == 32  # 28.8
    assert mini_googlenet(0.01, heads=False).children["conv1"].layer.F == 8
    full = mini_googlenet(1, heads=False, norm="lrn")
    rows = {row.name: row for row in TABLE_1}
    assert full.children["4a"].children["3x3"].layer.F == rows["4a"].n3x3 == 208


def test_without_heads_and_with_other_classes(rng):
    network = mini_googlenet(1 / 16, heads=False, classes=7, drop_prob=0.2, input_shape=(40, 28, 1), rng=rng)
    assert isinstance(network, Sequential) and network.children["dropout"].drop_prob == 0.2
    assert network.predict(np.zeros((1, 40, 28, 1), "float32")).shape == (1, 7)


def test_the_seed_determines_the_weights():
    a, b, c = (mini_googlenet(1 / 16, rng=np.random.default_rng(seed)).parameters() for seed in (1, 1, 2))
    assert all(np.array_equal(a[path], b[path]) for path in a)
    assert not np.array_equal(a["4a/3x3/w"], c["4a/3x3/w"])
    assert not any(w.any() for path, w in mini_googlenet(1 / 16).parameters().items() if path.endswith("/w"))
