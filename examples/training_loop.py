"""A training loop of your own, in 14 lines: a small network with three inception modules learns Shapes-10.

    python examples/training_loop.py
"""

import numpy as np

from minigooglenet import engine
from minigooglenet.data import Normalizer, batches, shapes10
from minigooglenet.layers import cross_entropy
from minigooglenet.models.inception import Style
from minigooglenet.models.rows import CLASSES, Convolution, FullyConnected, GlobalPooling, Inception, Pooling, build
from minigooglenet.training.sgd import SGD

TABLE = (  # widths in the order of Table 1: 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool proj
    Convolution("conv1", 24, 5, stride=2),
    Inception("3a", 16, 16, 32, 8, 16, 16), Pooling("pool3"),
    Inception("4a", 32, 32, 64, 16, 32, 32), Pooling("pool4"),
    Inception("5a", 32, 32, 64, 16, 32, 32), GlobalPooling("pool5"), FullyConnected("linear", CLASSES),
)

# -- the training loop --
(x_train, y_train), (x_test, y_test) = shapes10.draw(2000, split=0), shapes10.draw(500, split=1)
normalizer = Normalizer.of(x_train)
net = build(TABLE, Style(norm="batch", rng=np.random.default_rng(0)), input_shape=(32, 32, 3), classes=10)
compiled = engine.compile(net)  # shares the parameters of net, and is faster; net itself trains as well
sgd = SGD(net.parameters(), momentum=0.9)
for epoch in range(5):
    for x, labels in batches(x_train, y_train, batch=25, epoch=epoch, seed=0, normalizer=normalizer):
        logits, cache = compiled.forward(x, train=True)
        loss, dlogits = cross_entropy(logits, labels)
        net.zero_grads()
        compiled.backward(dlogits, cache)
        sgd.step(net.gradients(), lr=0.1 * (1 - epoch / 5))
    accuracy = (net.predict(normalizer(x_test)).argmax(axis=1) == y_test).mean()
    print(f"epoch {epoch + 1}  loss {loss:.3f}  test accuracy {accuracy:.1%}")
