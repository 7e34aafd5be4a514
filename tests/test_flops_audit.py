"""The audit of the paper's Table 1."""

import pytest

from minigooglenet.flops.audit import EXPLANATIONS, altered, audit, conventions, separable_conv1, weights_of
from minigooglenet.models.catalog import network


@pytest.fixture(scope="module")
def rows():
    return {row.printed.layers[-1]: row for row in audit(network("googlenet"))}


def test_audit_agrees_where_the_paper_does(rows):
    assert {name for name, row in rows.items() if not row.params_agree} == {
        "conv1", "4a", "4b", "4c", "4d", "4e", "5a", "5b"}
    assert {name for name, row in rows.items() if not row.ops_agree} == {"conv1", "4a", "5a"}
    assert all(row.output == row.printed.output and row.depth == row.printed.depth for row in rows.values())
    assert sum(row.depth for row in rows.values()) == 22
    assert sum(row.weights for row in rows.values()) == 6_990_272
    assert sum(row.params for row in rows.values()) == 6_998_552
    assert round(sum(row.printed.params or 0 for row in rows.values()), 1) == 6797.7
    assert sum(row.printed.ops or 0 for row in rows.values()) == 1502


def test_every_disagreement_is_explained(rows):
    for name, row in rows.items():
        assert (name in EXPLANATIONS) == (not (row.params_agree and row.ops_agree))
    for name, low, high in (("4c", 495.8, 500.7), ("4d", 590.4, 595.4), ("4e", 844.5, 849.5), ("5b", 1405.1, 1425.0)):
        assert [round(weights / 1024, 1) for weights in rows[name].implied] == [low, high]
        assert rows[name].implied[0] < rows[name].weights < rows[name].implied[1]  # the widths agree with the ops
        assert rows[name].printed.params < low  # the printed params do not


def test_the_explanations_fit(rows):
    layer = separable_conv1()
    assert (weights_of(layer), layer.macs((224, 224, 3))) == (2_712, 34_019_328)
    assert layer.output_shape((224, 224, 3)) == (112, 112, 64)
    assert altered(rows["4a"], 480, n3x3=204)[0] == 372_096
    assert altered(rows["4b"], 508)[0] == 447_072
    weights, macs = altered(rows["5a"], 832, n5x5_reduce=48)
    assert weights == 1_106_944 and round(macs / 1e6, 2) == 54.24
    assert "114,688 = 112 x 1024" in conventions(rows.values())[0]
