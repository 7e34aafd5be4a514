"""Its ancestors: LeNet-5 to VGG, as tables over the same layers."""

from collections.abc import Callable
from typing import NamedTuple

from numpy.typing import DTypeLike

from ..layers import Array, Sequential, Shape, Trunk
from ..layers.batchnorm import itself
from ..layers.init import Random
from .aliases import with_aliases
from .inception import Style
from .rows import CLASSES, Convolution, Drop, FullyConnected, GlobalPooling, Normalization, Pooling, Row, build

#: LeCun et al. 1998 as it is usually built: ReLU, max pools, and a C3 that reads all six maps. (The original has
#: trainable average pools, a C3 that reads some of the maps, and radial basis functions at the end: 60,000 parameters.)
LENET5 = (
    Convolution("C1", 6, 5, pad=0),
    Pooling("S2", 2, 2, ceil_mode=False),
    Convolution("C3", 16, 5, pad=0),
    Pooling("S4", 2, 2, ceil_mode=False),
    FullyConnected("C5", 120),
    FullyConnected("F6", 84),
    FullyConnected("out", CLASSES),
)

#: The last rows of AlexNet, ZFNet and VGG, which hold most of their parameters.
THREE_DENSE = (
    FullyConnected("fc6", 4096),
    Drop("drop6"),
    FullyConnected("fc7", 4096),
    Drop("drop7"),
    FullyConnected("fc8", CLASSES),
)


def _alexnet(groups: int) -> tuple[Row, ...]:
    """Krizhevsky et al. 2012 as in Caffe (bvlc_alexnet): images of 227×227, and LRN with Caffe's constants. With
    ``groups`` = 2 the second, fourth and fifth convolution read one half of the maps each, as on two graphics cards."""
    return (
        Convolution("conv1", 96, 11, stride=4, pad=0),
        Normalization("norm1"),
        Pooling("pool1"),
        Convolution("conv2", 256, 5, groups=groups),
        Normalization("norm2"),
        Pooling("pool2"),
        Convolution("conv3", 384, 3),
        Convolution("conv4", 384, 3, groups=groups),
        Convolution("conv5", 256, 3, groups=groups),
        Pooling("pool5"),
        *THREE_DENSE,
    )


#: Krizhevsky 2014, "one weird trick", as torchvision has it: one tower, thinner, no LRN, pools that round down.
ALEXNET_TORCHVISION = (
    Convolution("conv1", 64, 11, stride=4, pad=2),
    Pooling("pool1", ceil_mode=False),
    Convolution("conv2", 192, 5),
    Pooling("pool2", ceil_mode=False),
    Convolution("conv3", 384, 3),
    Convolution("conv4", 256, 3),
    Convolution("conv5", 256, 3),
    Pooling("pool5", ceil_mode=False),
    Drop("drop5"),
    FullyConnected("fc6", 4096),
    Drop("drop6"),
    FullyConnected("fc7", 4096),
    FullyConnected("fc8", CLASSES),
)

#: Zeiler & Fergus 2014, figure 3: AlexNet with a finer first layer. The figure prints the maps (110, 55, 26, 13, 6)
#: but no padding; this one gives those maps. Their contrast normalization is LRN here.
ZFNET = (
    Convolution("conv1", 96, 7, stride=2, pad=1),
    Pooling("pool1"),
    Normalization("norm1"),
    Convolution("conv2", 256, 5, stride=2, pad=0),
    Pooling("pool2"),
    Normalization("norm2"),
    Convolution("conv3", 384, 3),
    Convolution("conv4", 384, 3),
    Convolution("conv5", 256, 3),
    Pooling("pool5"),
    *THREE_DENSE,
)

#: Lin et al. 2013, "Network in network": the 1×1 convolutions (cccp) and the global average pool that GoogLeNet took
#: over. ImageNet version of Caffe's model zoo.
NIN = (
    Convolution("conv1", 96, 11, stride=4, pad=0),
    Convolution("cccp1", 96, 1),
    Convolution("cccp2", 96, 1),
    Pooling("pool0"),
    Convolution("conv2", 256, 5),
    Convolution("cccp3", 256, 1),
    Convolution("cccp4", 256, 1),
    Pooling("pool2"),
    Convolution("conv3", 384, 3),
    Convolution("cccp5", 384, 1),
    Convolution("cccp6", 384, 1),
    Pooling("pool3"),
    Drop("drop"),
    Convolution("conv4", 1024, 3),
    Convolution("cccp7", 1024, 1),
    Convolution("cccp8", CLASSES, 1),
    GlobalPooling("pool4"),
)

#: The same for CIFAR-10.
NIN_CIFAR = (
    Convolution("conv1", 192, 5),
    Convolution("cccp1", 160, 1),
    Convolution("cccp2", 96, 1),
    Pooling("pool1"),
    Drop("drop3"),
    Convolution("conv2", 192, 5),
    Convolution("cccp3", 192, 1),
    Convolution("cccp4", 192, 1),
    Pooling("pool2", kind="average"),
    Drop("drop6"),
    Convolution("conv3", 192, 3),
    Convolution("cccp5", 192, 1),
    Convolution("cccp6", CLASSES, 1),
    GlobalPooling("pool3"),
)


def _vgg(*depths: int) -> tuple[Row, ...]:
    """Simonyan & Zisserman 2014, table 1: five blocks of so many 3×3 convolutions, halved after each."""
    rows: list[Row] = []
    for block, (depth, F) in enumerate(zip(depths, (64, 128, 256, 512, 512), strict=True), 1):
        rows += [Convolution(f"conv{block}_{i}", F, 3) for i in range(1, depth + 1)]
        rows += [Pooling(f"pool{block}", 2, 2, ceil_mode=False)]
    return (*rows, *THREE_DENSE)


class Ancestor(NamedTuple):
    """A table of rows, the images and classes it was made for, and where it comes from."""
    rows: tuple[Row, ...]
    input_shape: Shape
    classes: int
    source: str


ANCESTORS = {
    "lenet5": Ancestor(LENET5, (32, 32, 1), 10, "LeCun et al. 1998, as usually built"),
    "alexnet": Ancestor(_alexnet(groups=2), (227, 227, 3), 1000, "Krizhevsky et al. 2012, two groups"),
    "alexnet-onetower": Ancestor(_alexnet(groups=1), (227, 227, 3), 1000, "Krizhevsky et al. 2012, no groups"),
    "alexnet-torchvision": Ancestor(ALEXNET_TORCHVISION, (224, 224, 3), 1000, "Krizhevsky 2014, as in torchvision"),
    "zfnet": Ancestor(ZFNET, (224, 224, 3), 1000, "Zeiler & Fergus 2014"),
    "nin": Ancestor(NIN, (224, 224, 3), 1000, "Lin et al. 2013, for ImageNet"),
    "nin-cifar": Ancestor(NIN_CIFAR, (32, 32, 3), 10, "Lin et al. 2013, for CIFAR-10"),
    "vgg16": Ancestor(_vgg(2, 2, 3, 3, 3), (224, 224, 3), 1000, "Simonyan & Zisserman 2014, D"),
    "vgg19": Ancestor(_vgg(2, 2, 4, 4, 4), (224, 224, 3), 1000, "Simonyan & Zisserman 2014, E"),
}


@with_aliases
def ancestor(name: str, *, width: float = 1.0, norm: str = "lrn", classes: int | None = None,
             input_shape: Shape | None = None, rng: Random = None, dtype: DTypeLike = "float32",
             all_reduce: Callable[[Array], Array] = itself) -> Sequential | Trunk:
    """One of ANCESTORS. Images (N, H, W, C) of ``input_shape`` -> logits (N, classes).

    ``input_shape`` and ``classes`` default to what the network was made for; ``width`` multiplies all widths but the
    classes'; ``norm`` is "lrn" (the rows' LRN), "batch" (batch norm after each convolution) or "none". Weights get
    He initialization, whatever each paper used; ``rng=None`` leaves them zero.

    Raises KeyError for an unknown name (models/catalog.py raises UserError), ShapeError where the image is too small.
    """
    rows, usual_shape, usual_classes, _ = ANCESTORS[name]
    style = Style(norm=norm, width=width, rng=rng, dtype=dtype, all_reduce=all_reduce)
    return build(rows, style, tuple(input_shape or usual_shape), classes or usual_classes)
