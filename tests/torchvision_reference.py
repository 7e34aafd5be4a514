"""A reference implementation of torchvision's GoogLeNet in PyTorch, for the tests: the same module names, order and
operators, without the input transform. It follows the public definition (torchvision, models/googlenet.py)."""

import torch
from torch import nn
from torch.nn import functional as F

WIDTHS = {"3a": (192, 64, 96, 128, 16, 32, 32), "3b": (256, 128, 128, 192, 32, 96, 64),
          "4a": (480, 192, 96, 208, 16, 48, 64), "4b": (512, 160, 112, 224, 24, 64, 64),
          "4c": (512, 128, 128, 256, 24, 64, 64), "4d": (512, 112, 144, 288, 32, 64, 64),
          "4e": (528, 256, 160, 320, 32, 128, 128), "5a": (832, 256, 160, 320, 32, 128, 128),
          "5b": (832, 384, 192, 384, 48, 128, 128)}


class BasicConv2d(nn.Module):
    def __init__(self, C, F, kernel, **options):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(C, F, kernel, bias=False, **options), nn.BatchNorm2d(F, eps=1e-3)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)))


class Inception(nn.Module):
    def __init__(self, C, n1, n3r, n3, n5r, n5, pool):
        super().__init__()
        self.branch1 = BasicConv2d(C, n1, 1)
        self.branch2 = nn.Sequential(BasicConv2d(C, n3r, 1), BasicConv2d(n3r, n3, 3, padding=1))
        self.branch3 = nn.Sequential(BasicConv2d(C, n5r, 1), BasicConv2d(n5r, n5, 3, padding=1))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, 1, ceil_mode=True), BasicConv2d(C, pool, 1))

    def forward(self, x):
        return torch.cat([branch(x) for branch in (self.branch1, self.branch2, self.branch3, self.branch4)], 1)


class InceptionAux(nn.Module):
    def __init__(self, C, classes, drop_prob):
        super().__init__()
        self.conv, self.fc1, self.fc2 = BasicConv2d(C, 128, 1), nn.Linear(2048, 1024), nn.Linear(1024, classes)
        self.drop_prob = drop_prob

    def forward(self, x):
        x = torch.flatten(self.conv(F.adaptive_avg_pool2d(x, (4, 4))), 1)
        return self.fc2(F.dropout(F.relu(self.fc1(x)), self.drop_prob, self.training))


class GoogLeNet(nn.Module):
    """In training: (logits, those of aux2, those of aux1), in torchvision's order."""

    def __init__(self, classes=1000, drop_prob=0.2, aux_drop_prob=0.7):
        super().__init__()
        self.conv1 = BasicConv2d(3, 64, 7, stride=2, padding=3)
        self.conv2, self.conv3 = BasicConv2d(64, 64, 1), BasicConv2d(64, 192, 3, padding=1)
        for module, widths in WIDTHS.items():
            self.add_module(f"inception{module}", Inception(*widths))
        self.aux1, self.aux2 = (InceptionAux(C, classes, aux_drop_prob) for C in (512, 528))
        self.dropout, self.fc = nn.Dropout(drop_prob), nn.Linear(1024, classes)

    def forward(self, x):
        x = F.max_pool2d(self.conv1(x), 3, 2, ceil_mode=True)
        x = F.max_pool2d(self.conv3(self.conv2(x)), 3, 2, ceil_mode=True)
        x = F.max_pool2d(self.inception3b(self.inception3a(x)), 3, 2, ceil_mode=True)
        tap1 = x = self.inception4a(x)
        tap2 = x = self.inception4d(self.inception4c(self.inception4b(x)))
        x = F.max_pool2d(self.inception4e(x), 2, 2, ceil_mode=True)
        x = self.inception5b(self.inception5a(x))
        x = self.fc(self.dropout(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1)))
        return (x, self.aux2(tap2), self.aux1(tap1)) if self.training else x


def original(classes):
    """torchvision's network, without dropout. Raises ImportError or RuntimeError if it does not work here."""
    import torchvision
    return torchvision.models.googlenet(weights=None, num_classes=classes, init_weights=False, dropout=0, dropout_aux=0)


def randomized(make):
    """``make()`` with random weights and statistics of realistic size, so that each array affects the output."""
    torch.manual_seed(0)
    net = make()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.3)
            nn.init.normal_(module.running_mean, 0, 0.3)
            nn.init.uniform_(module.running_var, 0.5, 2)
        elif isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    return net
