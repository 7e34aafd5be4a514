"""Its descendants, as structures that can be counted (flops/descendants.py) but not run: Inception v3 to MobileNet.

A structure is a list, which is a sequence (an empty one passes its input on), or a tuple:

    ("conv", F, kernel, S, pad, norm)           F filters of ``kernel`` (KH, KW), stride S; ``pad``: by half a window,
                                                which keeps the size at stride 1; ``norm``: batch norm follows
    ("depthwise", None, kernel, S, pad, norm)   a filter for each channel, which reads that channel only
    ("pool", None, kernel, S, pad, False)
    ("cat", branch, branch, …)                  branches concatenated along the channels
    ("add", branch, branch, …)                  branches added: residual connections
    ("linear", F)                               the average of each map, then F outputs with biases
"""

from typing import Any, NamedTuple, TypeAlias

Structure: TypeAlias = Any  # recursive: a list of structures, or a tuple


def conv(F: int, KH: int = 1, KW: int = 0, S: int = 1, pad: bool = True) -> Structure:
    """F filters of KH × KW (KW = 0: square), batch norm."""
    return "conv", F, (KH, KW or KH), S, pad, True


def depthwise(K: int, S: int = 1, norm: bool = True) -> Structure:
    """A K × K filter for each channel."""
    return "depthwise", None, (K, K), S, True, norm


def pool(K: int, S: int, pad: bool = True) -> Structure:
    """A K × K pool."""
    return "pool", None, (K, K), S, pad, False


def separable(*widths: int, S: int = 1, norm: bool = True) -> list[Structure]:
    """Depthwise separable convolutions of 3×3: space first, then channels, 1×1. Batch norm between them if ``norm``."""
    return [part for F in widths for part in (depthwise(3, S, norm), conv(F))]


#: Howard et al. 2017: one column of separable convolutions.
MOBILENET = [conv(32, 3, S=2), *separable(64), *separable(128, S=2), *separable(128), *separable(256, S=2),
             *separable(256), *separable(512, S=2), *separable(512, 512, 512, 512, 512), *separable(1024, S=2),
             *separable(1024), ("linear", 1000)]


def resnet50(first_version: bool = False) -> list[Structure]:
    """He et al. 2015: bottlenecks, a reduction to F, a 3×3 and an expansion to 4 F, added to their input.

    The stride of a bottleneck is in its 3×3, as in torchvision; in the ``first_version``, that of the paper, in the
    reduction.
    """
    def bottleneck(F, S, changes):
        strides = (S, 1) if first_version else (1, S)
        return ("add", [conv(F, S=strides[0]), conv(F, 3, S=strides[1]), conv(4 * F)],
                [conv(4 * F, S=S)] if changes else [])

    return [conv(64, 7, S=2), pool(3, 2),
            *(bottleneck(F, 1 if at else S, at == 0) for F, n, S in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))
              for at in range(n)), ("linear", 1000)]


def module_a(pooled: int) -> Structure:
    """Inception v3, 35×35: two 3×3 in place of a larger window."""
    return ("cat", [conv(64)], [conv(48), conv(64, 5)], [conv(64), conv(96, 3), conv(96, 3)],
            [pool(3, 1), conv(pooled)])


def module_c(n: int) -> Structure:
    """Inception v3, 17×17: 1×7 and 7×1 in place of 7×7."""
    return ("cat", [conv(192)], [conv(n), conv(n, 1, 7), conv(192, 7, 1)],
            [conv(n), conv(n, 7, 1), conv(n, 1, 7), conv(n, 7, 1), conv(192, 1, 7)], [pool(3, 1), conv(192)])


SPLIT = ("cat", [conv(384, 1, 3)], [conv(384, 3, 1)])
MODULE_E = ("cat", [conv(320)], [conv(384), SPLIT], [conv(448), conv(384, 3), SPLIT], [pool(3, 1), conv(192)])


def _halved(F):
    return conv(F, 3, S=2, pad=False)


#: Szegedy et al. 2015, "Rethinking the Inception architecture", as in torchvision, without its auxiliary classifier.
INCEPTION_V3 = [
    _halved(32), conv(32, 3, pad=False), conv(64, 3), pool(3, 2, False),
    conv(80), conv(192, 3, pad=False), pool(3, 2, False), module_a(32), module_a(64), module_a(64),
    ("cat", [_halved(384)], [conv(64), conv(96, 3), _halved(96)], [pool(3, 2, False)]),
    module_c(128), module_c(160), module_c(160), module_c(192),
    ("cat", [conv(192), _halved(320)], [conv(192), conv(192, 1, 7), conv(192, 7, 1), _halved(192)],
     [pool(3, 2, False)]),
    MODULE_E, MODULE_E, ("linear", 1000)]


def halving(*widths: int) -> Structure:
    """Xception: separable convolutions and a pool of stride 2, added to a 1×1 of stride 2."""
    return "add", [*separable(*widths, norm=False), pool(3, 2)], [conv(widths[-1], S=2)]


#: Chollet 2016: "extreme inception", every channel is a branch of its own.
XCEPTION = [_halved(32), conv(64, 3, pad=False), halving(128, 128), halving(256, 256), halving(728, 728),
            *[("add", separable(728, 728, 728, norm=False), [])] * 8, halving(728, 1024),
            *separable(1536, 2048, norm=False), ("linear", 1000)]


class Descendant(NamedTuple):
    """A structure, the images (H, W, C) it was made for, and where it comes from."""
    structure: Structure
    input_shape: tuple[int, int, int]
    source: str


DESCENDANTS = {
    "inception-v3": Descendant(INCEPTION_V3, (299, 299, 3), "Szegedy et al. 2015, as in torchvision"),
    "resnet50": Descendant(resnet50(), (224, 224, 3), "He et al. 2015, as in torchvision"),
    "resnet50-first": Descendant(resnet50(True), (224, 224, 3), "He et al. 2015, stride in the reductions"),
    "xception": Descendant(XCEPTION, (299, 299, 3), "Chollet 2016"),
    "mobilenet": Descendant(MOBILENET, (224, 224, 3), "Howard et al. 2017"),
}
