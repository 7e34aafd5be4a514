"""The descendants' structures, counted against published totals and against the layers that we can build."""

import pytest

from minigooglenet.errors import ShapeError, UserError
from minigooglenet.flops import count
from minigooglenet.flops.descendants import count_descendant, count_structure
from minigooglenet.layers import BatchNorm, Conv, GroupedConv
from minigooglenet.models.descendants import DESCENDANTS, conv, depthwise, pool, separable

#: (params, MACs). Published: torchvision's documentation has 25557032 and 4.09, and 5.71 for Inception v3 (whose
#: 23,834,568 are without the auxiliary classifier); Chollet 2016, Table 3, 22,855,952; Howard et al. 2017, Table 4, 4.2
#: million and 569 million; He et al. 2015, Table 1, 3.8e9.
TOTALS = {
    "inception-v3": (23_834_568, 5_713_216_096),
    "resnet50": (25_557_032, 4_089_184_256),
    "resnet50-first": (25_557_032, 3_857_973_248),
    "xception": (22_855_952, 8_357_403_496),
    "mobilenet": (4_231_976, 568_740_352),
}


@pytest.mark.parametrize("name", DESCENDANTS)
def test_totals_are_those_published(name):
    counted = count_descendant(name)
    assert (counted.params, counted.macs) == TOTALS[name]
    assert counted.layers[-1].output == (1000,)


def test_most_of_mobilenet_is_in_1x1_convolutions():
    counted = count_descendant("mobilenet")
    share = sum(row.macs for row in counted.layers if row.kernel == (1, 1)) / counted.macs
    assert round(100 * share, 1) == 94.9  # Howard et al. 2017, Table 2: 94.86 %


@pytest.mark.parametrize("kernel, S, pad", [((3, 3), 1, True), ((5, 1), 1, True), ((1, 7), 2, True),
                                            ((3, 3), 2, False)])
def test_a_convolution_is_counted_as_the_layer(kernel, S, pad):
    layer = Conv(6, 10, kernel, S, tuple(K // 2 for K in kernel) if pad else 0, bias=False)
    row, = count_structure(conv(10, *kernel, S=S, pad=pad), (13, 9, 6))
    assert row.output == layer.output_shape((13, 9, 6)) and row.macs == layer.macs((13, 9, 6))
    assert row.params == sum(w.size for w in layer.params.values()) + sum(w.size for w in BatchNorm(10).params.values())


def test_a_depthwise_convolution_is_one_with_as_many_groups_as_channels():
    layer = GroupedConv(6, 6, 3, 2, 1, groups=6, bias=False)
    row, = count_structure(depthwise(3, S=2, norm=False), (13, 9, 6))
    assert (row.output, row.macs, row.params, row.groups) == (layer.output_shape((13, 9, 6)), layer.macs((13, 9, 6)),
                                                              54, 6)


def test_branches_are_concatenated_or_added():
    three = [conv(4, 3)], [conv(5), pool(3, 1)], []
    assert count_structure([("cat", *three), conv(1)], (7, 5, 2))[-1].params == 4 + 5 + 2 + 2
    assert count_structure([("add", separable(2), []), conv(1)], (7, 5, 2))[-1].params == 2 + 2
    assert len(count_structure([], (7, 5, 2))) == 0


def test_small_images_are_refused():
    with pytest.raises(ShapeError, match="a window of 3x3 does not fit into 2x9"):
        count_structure(conv(4, 3, pad=False), (2, 9, 3))
    with pytest.raises(UserError, match="20x20x3 are too small for inception-v3"):
        count_descendant("inception-v3", (20, 20, 3))


def test_googlenet_would_be_counted_the_same_way():
    counted = count("googlenet")
    row, = (row for row in counted.layers if row.name == "conv1")
    assert count_structure(conv(64, 7, S=2), (224, 224, 3))[0].macs == row.macs
