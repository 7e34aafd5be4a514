"""The paper's own network trains: GoogLeNet at 224×224, LRN, both heads, three losses, learns pictures by heart.

    .venv/bin/python tests/overfit_224.py [--pictures 200] [--steps 300] [--batch 16] [--lr 0.003] [--variant bvlc]

The pictures are Shapes-10's, enlarged seven times. Without dropout a sound network must reach a loss near 0 on pictures
that it sees again and again; wrong gradients do not. Prints the loss as it goes; exit code 1 if less than 95 % of
the pictures are known in the end. Some minutes on two cores.

The scale of the pictures decides it for Caffe's form, which reads grey levels less their mean, some 64 times
what unit variance would be. Its weights halve the variance in each layer, while all biases begin at 0.2: of pictures of
unit variance little but the biases is left, and at pool5 16 of them differ by 1.4 % of their size (7.4 % on Caffe's
scale). On 32 pictures of 64×64, without heads, some 30 steps of 16 brought the loss to 0.8 on Caffe's scale and to 2.28
on unit variance. The torchvision variant begins with weights of 0.01, so its rate must be small: at 112×112, 100 steps
taught it 52.5 % of 200 pictures with 0.002, 18.5 % with 0.02.
"""

import argparse
import sys
import time

import numpy as np

from minigooglenet import fast
from minigooglenet.data import Normaliser, shapes10
from minigooglenet.models import googlenet
from minigooglenet.models.googlenet import LOSS_WEIGHTS
from minigooglenet.training.losses import weighted_loss
from minigooglenet.training.sgd import SGD

WARM_UP = 10  # steps in which the rate rises


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("pictures", 200), ("steps", 300), ("batch", 16), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--lr", type=float, default=0.003)
    parser.add_argument("--variant", default="bvlc")
    args = parser.parse_args()

    rng = np.random.default_rng(args.seed)
    x, y = shapes10.draw(args.pictures, seed=args.seed)
    normaliser = Normaliser.of(x)
    if args.variant == "bvlc":
        normaliser = Normaliser(normaliser.mean, np.ones(3))  # Caffe's scale
    x = normaliser(x).repeat(7, axis=1).repeat(7, axis=2)
    net = googlenet(args.variant, classes=10, rng=rng)
    for _, layer in net.walk():
        if hasattr(layer, "drop_prob"):
            layer.drop_prob = 0
    engine, sgd, began = fast.speed_up(net, input_gradient=False), SGD(net.parameters(), momentum=0.9), time.time()
    for step in range(args.steps):
        chosen = rng.choice(args.pictures, args.batch, replace=False)
        logits, cache = engine.forward(x[chosen], train=True)
        _, loss, dy = weighted_loss(logits, y[chosen], LOSS_WEIGHTS)
        net.zero_grads()
        engine.backward(dy, cache)
        rate = args.lr * min((step + 1) / WARM_UP, (1 - step / args.steps) ** 0.5)  # Caffe's quick_solver: power 0.5
        sgd.step(net.gradients(), rate)
        if step % 10 == 9:
            print(f"step {step + 1:4}  loss {loss:.4f}  {time.time() - began:5.0f} s", flush=True)
    known = np.mean(np.concatenate([fast.predictor(net).predict(x[start:start + 16]).argmax(axis=1)
                                    for start in range(0, len(x), 16)]) == y)
    print(f"{known:.1%} of {args.pictures} pictures known by heart")
    return known < 0.95


if __name__ == "__main__":
    sys.exit(main())
