"""ResNet-50, MobileNetV2 and VGG-16 in PyTorch, as their papers and torchvision have them, in a few lines each."""

from torch import nn

VGG = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M")


def conv(C, F, kernel, stride=1, groups=1, activation=nn.ReLU):
    """Convolution, batch norm and, unless None, an activation."""
    layers = [nn.Conv2d(C, F, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(F)]
    return nn.Sequential(*layers, *([activation()] if activation else []))


class Residual(nn.Module):
    """y = activation(f(x) + shortcut(x))"""

    def __init__(self, f, shortcut=None, activation=None):
        super().__init__()
        self.f, self.shortcut, self.activation = f, shortcut or nn.Identity(), activation or nn.Identity()

    def forward(self, x):
        return self.activation(self.f(x) + self.shortcut(x))


def resnet50():
    layers, C = [conv(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1)], 64
    for F, repeats, first in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for i in range(repeats):
            stride = first if i == 0 else 1
            f = nn.Sequential(conv(C, F, 1), conv(F, F, 3, stride), conv(F, 4 * F, 1, activation=None))
            shortcut = conv(C, 4 * F, 1, stride, activation=None) if i == 0 else None
            layers.append(Residual(f, shortcut, nn.ReLU()))
            C = 4 * F
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(C, 1000))


def mobilenet_v2():
    layers, C = [conv(3, 32, 3, 2, activation=nn.ReLU6)], 32
    for t, F, repeats, first in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
                                 (6, 160, 3, 2), (6, 320, 1, 1)):
        for i in range(repeats):
            stride, D = first if i == 0 else 1, t * C
            expand = [conv(C, D, 1, activation=nn.ReLU6)] if t > 1 else []
            f = nn.Sequential(*expand, conv(D, D, 3, stride, D, nn.ReLU6), conv(D, F, 1, activation=None))
            layers.append(Residual(f) if stride == 1 and C == F else f)
            C = F
    layers.append(conv(C, 1280, 1, activation=nn.ReLU6))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(1280, 1000))


def vgg16():
    layers, C = [], 3
    for F in VGG:
        layers += [nn.MaxPool2d(2)] if F == "M" else [nn.Conv2d(C, F, 3, padding=1), nn.ReLU()]
        C = C if F == "M" else F
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(7), nn.Flatten(), nn.Linear(7 * 7 * C, 4096), nn.ReLU(),
                         nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 1000))
