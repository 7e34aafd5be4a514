from minigooglenet.weights.names import current_name


def test_names_of_version_0_1():
    for old, new in (("conv1_bn/gamma", "conv1/bn/gamma"), ("4a/3x3_reduce_bn/variance", "4a/3x3_reduce/bn/variance"),
                     ("velocity/aux1/conv_bn/beta", "velocity/aux1/conv/bn/beta"), ("state/5b/1x1_bn/mean",
                                                                                  "state/5b/1x1/bn/mean")):
        assert current_name(old) == current_name(new) == new


def test_other_names_are_unchanged():
    for name in ("conv1/w", "4a/5x5/b", "linear/w", "conv2/group1/w", "inception3a.branch2.1.bn.weight", "x_bn/w"):
        assert current_name(name) == name
